// SPDX-License-Identifier: Apache-2.0

/* TLS and tokens, against servers whose certificates are right and wrong: a program in front of a fake speaks TLS. */
#include "test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void refuses(berth_client *client, const char *words) {
    berth_error error = {0};
    Berth__V1__HelloResponse *hello;
    CHECK(client);
    int64_t began = now_ms();
    CHECK_CODE(berth_hello(client, &hello, &error), BERTH_UNAVAILABLE);
    if (!strstr(error.message, words)) fprintf(stderr, "\"%s\" does not say \"%s\"\n", error.message, words);
    CHECK(strstr(error.message, words));
    CHECK(now_ms() - began < 20000); /* what cannot get better is not tried again */
    berth_client_free(client);
}

static berth_client *client_to(const char *address, berth_options options) {
    berth_error error = {0};
    berth_client *client = berth_client_new(address, &options, &error);
    if (!client) fprintf(stderr, "%s\n", error.message);
    CHECK(client);
    return client;
}

static void greets(berth_client *client) {
    berth_error error;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    CHECK(strcmp(hello->server, "fake/1") == 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
}

static void unusable(const char *address, berth_options options, const char *words) {
    berth_error error = {0};
    CHECK(!berth_client_new(address, &options, &error));
    CHECK_CODE(error.code, BERTH_INVALID_ARGUMENT);
    if (!strstr(error.message, words)) fprintf(stderr, "\"%s\" does not say \"%s\"\n", error.message, words);
    CHECK(strstr(error.message, words));
}

static void answer_by_token(request *r, void *data) {
    if (memmem(r->data, r->data_size, data, strlen(data))) {
        answer_hello(r, NULL);
    } else {
        send_failure(r, BERTH_UNAUTHENTICATED, "no token");
    }
}

static void a_token_comes_from_the_option_else_the_environment_else_a_file(void) {
    char path[] = "/tmp/berth-token-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0 && write(file, " of-the-file\n", 13) == 13 && close(file) == 0);
    static const char *const wanted[] = {"Bearer of-the-file", "Bearer of-the-environment", "Bearer of-the-option"};
    for (int i = 0; i < 3; i++) {
        fake *server = fake_start(answer_by_token, (void *)wanted[i]);
        if (i == 0) setenv("BERTH_TOKEN_FILE", path, 1);
        if (i == 1) setenv("BERTH_TOKEN", "of-the-environment", 1);
        berth_client *client =
            client_to(fake_address(server), (berth_options){.token = i == 2 ? "of-the-option" : NULL});
        greets(client);
        berth_client_free(client);
        if (i == 2) { /* none is none, whatever the environment says */
            berth_error error;
            Berth__V1__HelloResponse *hello;
            client = client_to(fake_address(server), (berth_options){.token = ""});
            CHECK_CODE(berth_hello(client, &hello, &error), BERTH_UNAUTHENTICATED);
            berth_client_free(client);
        }
        fake_stop(server);
    }
    unsetenv("BERTH_TOKEN");
    unlink(path);
    unusable("127.0.0.1:1", (berth_options){0}, "cannot be read");
    unsetenv("BERTH_TOKEN_FILE");
}

static void a_token_is_not_sent_where_others_could_read_it(void) {
    static const char *const away[] = {"10.0.0.1:7411", "127.example.com:1", "[2001:db8::1]:1"};
    static const char *const here[] = {"localhost:1", "127.0.0.2:1", "[::1]:1", ":1", "unix:/run/berth.sock"};
    for (size_t i = 0; i < sizeof away / sizeof *away; i++) unusable(away[i], (berth_options){.token = "x"}, "without TLS");
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        berth_client_free(client_to(here[i], (berth_options){.token = "x"}));
    }
    unusable("127.0.0.1:1", (berth_options){.token = "two\nlines"}, "no token");
}

static void an_address_with_tls_is_one_of_a_host_and_a_port(void) {
    static const char *const wrong[] = {"tls://",     "tls://host", "tls://unix:/x", "tls://tls://host:1",
                                        "tls:host:1", "tls://host:1/"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) unusable(wrong[i], (berth_options){0}, "tls://HOST:PORT");
}

#ifdef BERTH_TLS

static char folder[] = "/tmp/berth-c-tls-XXXXXX";

static const char *pem(const char *name) {
    static char paths[8][64];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void makes_certificates(void) {
    char command[128];
    CHECK(mkdtemp(folder));
    snprintf(command, sizeof command, "../conformance/certificates.py %s", folder);
    CHECK(system(command) == 0);
}

static void removes_certificates(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK(system(command) == 0);
}

/* What speaks TLS in front of a server; it ends with its standard input. */
typedef struct {
    pid_t pid;
    int input;
    char address[64];
} front;

static front front_start(const fake *server, const char *certificate, const char *const *more) {
    int in[2], out[2];
    char cert[64], key[64];
    char *arguments[16] = {"python3", "../conformance/relay.py", (char *)fake_address(server), cert, key};
    snprintf(cert, sizeof cert, "%s/%s.pem", folder, certificate);
    snprintf(key, sizeof key, "%s/%s.key", folder, certificate);
    for (size_t i = 0; more && more[i]; i++) arguments[5 + i] = (char *)more[i];
    CHECK(pipe(in) == 0 && pipe(out) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_addclose(&actions, in[i]);
        posix_spawn_file_actions_addclose(&actions, out[i]);
    }
    front f = {.input = in[1]};
    CHECK(posix_spawnp(&f.pid, "python3", &actions, NULL, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    char said[48];
    ssize_t n = read(out[0], said, sizeof said - 1);
    CHECK(n > 0);
    close(out[0]);
    said[n] = 0;
    snprintf(f.address, sizeof f.address, "tls://%.*s", (int)strcspn(said, "\n"), said);
    return f;
}

static void front_stop(front *f) {
    int status;
    close(f->input);
    CHECK(waitpid(f->pid, &status, 0) == f->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_environment_names_all_that_tls_needs(void) {
    fake *server = fake_start(answer_by_token, "Bearer of-the-environment");
    front f = front_start(server, "server", (const char *[]){"--client-ca", pem("ca.pem"), NULL});
    setenv("BERTH_SERVER", f.address, 1);
    setenv("BERTH_TLS_CA", pem("ca.pem"), 1);
    setenv("BERTH_TLS_CERT", pem("client.pem"), 1);
    setenv("BERTH_TLS_KEY", pem("client.key"), 1);
    setenv("BERTH_TOKEN", "of-the-environment", 1);
    unsigned before = open_descriptors();
    berth_client *client = connect_to(NULL, 0);
    for (int i = 0; i < 3; i++) greets(client);
    berth_client_free(client);
    CHECK(open_descriptors() == before + 1); /* the fake's own, of what is in front of it */
    static const char *const names[] = {"BERTH_SERVER", "BERTH_TLS_CA", "BERTH_TLS_CERT", "BERTH_TLS_KEY", "BERTH_TOKEN"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
    front_stop(&f);
    fake_stop(server);
}

static void what_cannot_be_used_is_said_before_anything_is_sent(void) {
    const char *address = "tls://127.0.0.1:1";
    unusable(address, (berth_options){.ca_file = pem("nothing.pem")}, "nothing.pem");
    unusable(address, (berth_options){.ca_file = pem("client.key")}, "client.key");
    unusable(address, (berth_options){.cert_file = pem("client.pem"), .key_file = pem("server.key")}, "does not belong");
    unusable(address, (berth_options){.cert_file = pem("client.pem")}, "client.pem");
    unusable(address, (berth_options){.key_file = pem("client.key")}, "without its certificate");
    berth_client_free(client_to("tls://10.0.0.1:7411", (berth_options){.token = "x"}));
}

static void a_wrong_certificate_is_refused_with_what_is_wrong(void) {
    static const char *const certificates[] = {"server", "self-signed", "other", "expired"};
    static const char *const words[] = {"", "is not trusted", "not for \"127.0.0.1\"", "expired"};
    fake *server = fake_start(answer_hello, NULL);
    for (int i = 0; i < 4; i++) {
        front f = front_start(server, certificates[i], NULL);
        berth_options options = {.connect_timeout_ms = 60000, .ca_file = pem("ca.pem")};
        if (i == 0) {
            berth_client *client = client_to(f.address, options);
            greets(client);
            berth_client_free(client);
            options.server_name = "berth.test";
            client = client_to(f.address, options);
            greets(client);
            berth_client_free(client);
            refuses(client_to(f.address, (berth_options){.connect_timeout_ms = 60000}), "is not trusted");
        } else {
            refuses(client_to(f.address, options), words[i]);
        }
        front_stop(&f);
    }
    fake_stop(server);
}

static void a_server_that_wants_a_certificate_of_ours_says_so(void) {
    static const char *const versions[] = {"1.2", "1.3"};
    fake *server = fake_start(answer_hello, NULL);
    for (int i = 0; i < 2; i++) {
        front f = front_start(
            server, "server", (const char *[]){"--client-ca", pem("ca.pem"), "--highest", versions[i], NULL});
        berth_client *client = client_to(
            f.address, (berth_options){
                           .ca_file = pem("ca.pem"), .cert_file = pem("client.pem"), .key_file = pem("client.key")});
        greets(client);
        berth_client_free(client);
        refuses(client_to(f.address, (berth_options){.connect_timeout_ms = 60000, .ca_file = pem("ca.pem")}),
                "wants a certificate of this client");
        refuses(client_to(f.address, (berth_options){.connect_timeout_ms = 60000,
                                                     .ca_file = pem("ca.pem"),
                                                     .cert_file = pem("self-signed.pem"),
                                                     .key_file = pem("self-signed.key")}),
                "does not accept this client's certificate");
        front_stop(&f);
    }
    fake_stop(server);
}

typedef struct {
    int listener;
    const char *words;
    size_t size;
} speaker;

static void *says(void *argument) {
    const speaker *s = argument;
    char bytes[4096];
    int fd = accept(s->listener, NULL, NULL);
    CHECK(fd >= 0 && recv(fd, bytes, sizeof bytes, 0) > 0);
    CHECK(send(fd, s->words, s->size, MSG_NOSIGNAL) == (ssize_t)s->size);
    close(fd);
    return NULL;
}

static int listen_at(char address[64]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 8) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &size) == 0);
    snprintf(address, 64, "tls://127.0.0.1:%d", ntohs(at.sin_port));
    return listener;
}

static void tls_to_a_plain_server_and_plain_to_one_of_tls_are_told_apart(void) {
    char address[64];
    pthread_t thread;
    speaker plain = {listen_at(address), "\0\0\0\4\0\0\0\1\2\0", 10};
    CHECK(pthread_create(&thread, NULL, says, &plain) == 0);
    refuses(client_to(address, (berth_options){.connect_timeout_ms = 60000, .ca_file = pem("ca.pem")}), "does not speak TLS");
    pthread_join(thread, NULL);
    close(plain.listener);
    speaker secure = {listen_at(address), "\x15\x03\x01\x00\x02\x02\x46", 7};
    CHECK(pthread_create(&thread, NULL, says, &secure) == 0);
    refuses(client_to(address + strlen("tls://"), (berth_options){.connect_timeout_ms = 60000}), "it speaks TLS");
    pthread_join(thread, NULL);
    close(secure.listener);
}

static void the_connect_time_out_counts_for_the_handshake_too(void) {
    char address[64];
    int listener = listen_at(address);
    for (int i = 0; i < 2; i++) {
        refuses(client_to(address, (berth_options){.ca_file = pem("ca.pem"), .connect_timeout_ms = 300}), "handshake");
    }
    close(listener);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "we");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void copy_file(const char *from, const char *to) {
    char command[200];
    snprintf(command, sizeof command, "cp %s %s", from, to);
    CHECK(system(command) == 0);
}

static int greet_again(berth_client *client, berth_error *error) {
    for (;;) {
        Berth__V1__HelloResponse *hello;
        int code = berth_hello(client, &hello, error);
        if (code == 0) berth__v1__hello_response__free_unpacked(hello, NULL);
        if (code != BERTH_UNAVAILABLE || strstr(error->message, "exchanged.pem")) return code;
    }
}

static void the_next_connection_is_made_in_the_same_way_with_what_the_files_hold_then(void) {
    fake *server = fake_start(answer_by_token, "Bearer first");
    front f = front_start(server, "server", NULL);
    char address[64], ca[64];
    berth_error error;
    snprintf(address, sizeof address, "%s", fake_address(server));
    snprintf(ca, sizeof ca, "%s", pem("exchanged.pem"));
    copy_file(pem("ca.pem"), ca);
    write_file(pem("exchanged"), "first");
    setenv("BERTH_TOKEN_FILE", pem("exchanged"), 1);
    berth_client *client = client_to(f.address, (berth_options){.ca_file = ca});
    greets(client);
    fake_stop(server);
    server = fake_start_at(address, answer_by_token, "Bearer second");
    write_file(pem("exchanged"), "second");
    CHECK_CODE(greet_again(client, &error), 0);
    fake_stop(server);
    server = fake_start_at(address, answer_by_token, "Bearer second");
    write_file(ca, "nothing");
    CHECK_CODE(greet_again(client, &error), BERTH_UNAVAILABLE);
    unsetenv("BERTH_TOKEN_FILE");
    berth_client_free(client);
    front_stop(&f);
    fake_stop(server);
}

static void answer_with_much(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") != 0) {
        answer_hello(r, NULL);
        return;
    }
    static char bytes[32 << 10];
    send_started(r);
    for (uint64_t i = 0; i < 6; i++) send_output(r, BERTH_STDOUT, i * sizeof bytes, bytes, sizeof bytes);
    send_ended(r, 0);
}

static void much_comes_whole_and_a_large_request_goes(void) {
    fake *server = fake_start(answer_with_much, NULL);
    front f = front_start(server, "server", NULL);
    berth_client *client = client_to(f.address, (berth_options){.ca_file = pem("ca.pem")});
    berth_error error;
    berth_result result;
    char *input = calloc(1, 900 << 10);
    CHECK(input);
    berth_command command = {.shell = "x", .input = input, .input_size = 900 << 10};
    CHECK_CODE(berth_run(client, NULL, &command, &result, &error), 0);
    CHECK(result.out_size == 6 * (32 << 10));
    berth_result_clear(&result);
    free(input);
    berth_client_free(client);
    front_stop(&f);
    fake_stop(server);
}

#endif

const test tls_tests[] = {
    {"a token comes from the option, else the environment, else a file",
     a_token_comes_from_the_option_else_the_environment_else_a_file},
    {"a token is not sent where others could read it", a_token_is_not_sent_where_others_could_read_it},
    {"an address with TLS is one of a host and a port", an_address_with_tls_is_one_of_a_host_and_a_port},
#ifdef BERTH_TLS
    {"makes certificates", makes_certificates},
    {"the environment names all that TLS needs", the_environment_names_all_that_tls_needs},
    {"what cannot be used is said before anything is sent", what_cannot_be_used_is_said_before_anything_is_sent},
    {"a wrong certificate is refused with what is wrong", a_wrong_certificate_is_refused_with_what_is_wrong},
    {"a server that wants a certificate of ours says so", a_server_that_wants_a_certificate_of_ours_says_so},
    {"TLS to a plain server and plain to one of TLS are told apart",
     tls_to_a_plain_server_and_plain_to_one_of_tls_are_told_apart},
    {"the connect time-out counts for the handshake too", the_connect_time_out_counts_for_the_handshake_too},
    {"the next connection is made in the same way, with what the files hold then",
     the_next_connection_is_made_in_the_same_way_with_what_the_files_hold_then},
    {"much comes whole and a large request goes", much_comes_whole_and_a_large_request_goes},
    {"removes certificates", removes_certificates},
#endif
    {NULL, NULL},
};
