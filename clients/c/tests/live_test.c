// SPDX-License-Identifier: Apache-2.0

/* Against real servers: the programs that BERTH and PLAIN_TTRPC name. */
#include "test.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    pid_t pid;
    char address[128];
    char folder[32];
} process;

/* Starts a server, which says on its first line where it listens. */
static process launch(const char *variable, bool is_berth) {
    process p = {.folder = "/tmp/berth-test-XXXXXX"};
    const char *path = getenv(variable);
    int out[2];
    char line[256], instance[32];
    if (!path || access(path, X_OK) != 0) {
        fprintf(stderr, "%s is \"%s\": set it to the path of that program (the Makefile does)\n", variable,
                path ? path : "");
        exit(1);
    }
    CHECK(mkdtemp(p.folder) && pipe(out) == 0);
    snprintf(instance, sizeof instance, "ctest-%d", (int)getpid());
    p.pid = fork();
    CHECK(p.pid >= 0);
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* a test that fails ends the process */
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        if (is_berth) {
            freopen("/dev/null", "w", stderr);
            execl(path, path, "serve", "--runtime", "runc", "--image", "host", "--listen", "127.0.0.1:0", "--instance",
                  instance, "--state-dir", p.folder, "--drain-time", "1s", (char *)NULL);
        } else {
            execl(path, path, (char *)NULL);
        }
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    CHECK(lines && fgets(line, sizeof line, lines));
    CHECK(sscanf(strstr(line, "listening on ") + 13, "%127[^ ,\n]", p.address) == 1);
    fclose(lines);
    return p;
}

static void stop(process *p, int signal_) {
    char command[64];
    kill(p->pid, signal_);
    CHECK(waitpid(p->pid, NULL, 0) == p->pid);
    /* After a SIGKILL, the server's janitor clears its containers away first. */
    snprintf(command, sizeof command, "rm -rf %s 2>/dev/null", p->folder);
    for (int64_t until = now_ms() + 10000; system(command) != 0; usleep(20000)) CHECK(now_ms() < until);
}

static void a_plain_ttrpc_server_is_spoken_to(void) {
    process server = launch("PLAIN_TTRPC", false);
    berth_client *client = connect_to(server.address, 100);
    berth_error error;
    berth_lease lease;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    CHECK(strcmp(hello->server, "plain-ttrpc") == 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    CHECK_CODE(berth_acquire(client, &(berth_acquire_options){.pool = "nowhere"}, &lease, &error), BERTH_NOT_FOUND);
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    CHECK(strcmp(lease.token, "lease-1") == 0 && lease.warm && lease.ttl_ms == 300000);
    CHECK_CODE(berth_renew(client, lease.token, NULL, &error), BERTH_DEADLINE_EXCEEDED);
    CHECK_CODE(berth_release(client, lease.token, &error), 0);
    Berth__V1__ListExecutionsResponse *executions;
    CHECK_CODE(berth_list_executions(client, lease.token, &executions, &error), BERTH_UNIMPLEMENTED);
    berth_lease_clear(&lease);
    berth_client_free(client);
    stop(&server, SIGTERM);
}

static void pause_at_ready(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                           void *data) {
    (void)e, (void)stream, (void)offset;
    CHECK(size == 6 && memcmp(bytes, "ready\n", 6) == 0);
    (*(int *)data)++;
}

static void killing_the_server_ends_every_call_within_a_second(void) {
    unsigned before = open_descriptors();
    process server = launch("BERTH", true);
    berth_client *client = connect_to(server.address, 0);
    berth_error error;
    berth_lease lease;
    berth_execution *executions[3];
    int ready = 0;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    for (int i = 0; i < 3; i++) {
        const char *argv[] = {"sh", "-c", "echo ready; exec sleep 60", NULL};
        executions[i] = berth_execute(client, lease.token, &(berth_command){.argv = argv},
                                      &(berth_handlers){.output = pause_at_ready}, &ready, &error);
        CHECK(executions[i]);
    }
    while (ready < 3) berth_poll(client, -1);
    CHECK(kill(server.pid, SIGKILL) == 0);
    int64_t killed = now_ms();
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(berth_wait(executions[i], NULL, &error), BERTH_UNAVAILABLE);
        berth_execution_free(executions[i]);
    }
    CHECK(now_ms() - killed < 1000);
    berth_lease_clear(&lease);
    berth_client_free(client);
    CHECK(open_descriptors() == before);
    stop(&server, SIGKILL);
}

static void count(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                  void *data) {
    (void)e, (void)stream, (void)offset, (void)bytes;
    *(uint64_t *)data += size;
}

static void a_stalled_reader_holds_up_nobody_else(void) {
    process server = launch("BERTH", true);
    berth_client *client = connect_to(server.address, 5000);
    berth_error error;
    berth_lease lease;
    uint64_t total = 0;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    const char *argv[] = {"head", "-c", "50000000", "/dev/zero", NULL};
    berth_execution *stalled = berth_execute(client, lease.token, &(berth_command){.argv = argv},
                                             &(berth_handlers){.output = count}, &total, &error);
    CHECK(stalled);
    berth_pause(stalled);
    for (int i = 0; i < 20; i++) {
        berth_result result;
        const char *echo[] = {"echo", "unhindered", NULL};
        berth_command command = {.argv = echo, .deadline_ms = 5000};
        CHECK_CODE(berth_run(client, lease.token, &command, &result, &error), 0);
        CHECK(strcmp((char *)result.out, "unhindered\n") == 0 && result.ended->exit_code == 0);
        berth_result_clear(&result);
    }
    CHECK(total == 0);
    CHECK_CODE(berth_wait(stalled, NULL, &error), 0);
    CHECK(total == 50000000);
    berth_execution_free(stalled);
    CHECK_CODE(berth_release(client, lease.token, &error), 0);
    berth_lease_clear(&lease);
    berth_client_free(client);
    stop(&server, SIGTERM);
}

typedef struct {
    unsigned displays;
    bool has_asked, was_interrupted;
} shown;

static void count_displays(berth_execution *e, const Berth__V1__Display *display, void *data) {
    (void)e, (void)display;
    ((shown *)data)->displays++;
}

static void note_prompt(berth_execution *e, const Berth__V1__Prompt *prompt, void *data) {
    (void)e;
    CHECK(strcmp(prompt->text, "Name: ") == 0 && !prompt->password);
    ((shown *)data)->has_asked = true;
}

static void note_failure(berth_execution *e, const Berth__V1__Failure *failure, void *data) {
    (void)e;
    ((shown *)data)->was_interrupted = strcmp(failure->name, "KeyboardInterrupt") == 0;
}

static void expect_piece(berth_client *client, const char *lease, const char *context, const char *code,
                         const char *out, const char *value) {
    berth_error error;
    berth_result result;
    berth_command piece = {.context = context, .code = code};
    CHECK_CODE(berth_run(client, lease, &piece, &result, &error), 0);
    CHECK(strcmp((char *)result.out, out) == 0 && !result.failure && result.ended->exit_code == 0);
    CHECK(value ? result.value && strcmp(result.value, value) == 0 : !result.value);
    berth_result_clear(&result);
}

static void a_context_keeps_its_variables_asks_is_interrupted_and_is_lost(void) {
    static const berth_handlers handlers = {
        .display = count_displays, .failure = note_failure, .prompt = note_prompt};
    process server = launch("BERTH", true);
    berth_client *client = connect_to(server.address, 0);
    berth_error error;
    berth_lease lease;
    berth_context context;
    berth_result result;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    const char *const env[] = {"WHO=it", NULL};
    berth_context_options options = {.language = "python", .env = env, .cwd = "/tmp"};
    CHECK_CODE(berth_open_context(client, lease.token, &options, &context, &error), 0);
    CHECK(strncmp(context.version, "3.", 2) == 0);
    expect_piece(client, lease.token, context.id, "import os; x = 6", "", NULL);
    expect_piece(client, lease.token, context.id, "print(os.getcwd(), os.environ['WHO']); x * 7", "/tmp it\n", "42");

    /* More than can be on their way without credit. */
    shown seen = {0};
    berth_command many = {.context = context.id, .code = "for i in range(500): display(i)"};
    berth_execution *e = berth_execute(client, lease.token, &many, &handlers, &seen, &error);
    CHECK(e);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(seen.displays == 500);
    berth_execution_free(e);

    berth_command asks = {.context = context.id, .code = "y = input('Name: ')", .keep_stdin_open = true};
    e = berth_execute(client, lease.token, &asks, &handlers, &seen, &error);
    CHECK(e);
    poll_until(client, &seen.has_asked, "the prompt");
    CHECK_CODE(berth_input(e, "Ada\n", 4, false, &error), 0);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    berth_execution_free(e);
    expect_piece(client, lease.token, context.id, "y", "", "'Ada'");

    seen = (shown){0};
    berth_command runs = {.context = context.id, .code = "display('on')\nwhile True: pass"};
    e = berth_execute(client, lease.token, &runs, &handlers, &seen, &error);
    CHECK(e);
    while (seen.displays == 0) berth_poll(client, -1);
    CHECK_CODE(berth_run(client, lease.token, &many, &result, &error), BERTH_FAILED_PRECONDITION);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__CONTEXT_BUSY);
    CHECK_CODE(berth_signal(e, "INT", &error), 0);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(seen.was_interrupted);
    berth_execution_free(e);
    expect_piece(client, lease.token, context.id, "x", "", "6");

    Berth__V1__CompleteResponse *completion;
    CHECK_CODE(berth_complete(client, lease.token, context.id, "os.getcw", BERTH_CODE_END, &completion, &error), 0);
    CHECK(completion->n_matches >= 1 && strstr(completion->matches[0], "getcw"));
    berth__v1__complete_response__free_unpacked(completion, NULL);
    Berth__V1__InspectResponse *known;
    CHECK_CODE(berth_inspect(client, lease.token, context.id, "os.getcwd", 9, false, &known, &error), 0);
    CHECK(known->found);
    berth__v1__inspect_response__free_unpacked(known, NULL);
    Berth__V1__ListContextsResponse *list;
    CHECK_CODE(berth_list_contexts(client, lease.token, &list, &error), 0);
    CHECK(list->n_contexts == 1 && strcmp(list->contexts[0]->context, context.id) == 0);
    berth__v1__list_contexts_response__free_unpacked(list, NULL);

    berth_command dies = {.context = context.id, .code = "os._exit(3)"};
    CHECK_CODE(berth_run(client, lease.token, &dies, &result, &error), 0);
    CHECK(result.ended->context_lost && result.ended->exit_code == 3);
    berth_result_clear(&result);
    CHECK_CODE(berth_close_context(client, lease.token, context.id, &error), BERTH_NOT_FOUND);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__NO_SUCH_CONTEXT);
    berth_context_clear(&context);
    CHECK_CODE(berth_open_context(client, lease.token, &(berth_context_options){.language = "sh"}, &context, &error), 0);
    CHECK_CODE(berth_close_context(client, lease.token, context.id, &error), 0);
    berth_context_clear(&context);
    CHECK_CODE(berth_release(client, lease.token, &error), 0);
    berth_lease_clear(&lease);
    berth_client_free(client);
    stop(&server, SIGTERM);
}

static void a_copy_of_a_context_has_its_own_variables_and_is_refused_with_the_reason(void) {
    process server = launch("BERTH", true);
    berth_client *client = connect_to(server.address, 0);
    berth_error error;
    berth_lease lease;
    berth_context context, copy, none;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    CHECK_CODE(berth_open_context(client, lease.token, &(berth_context_options){.language = "python"}, &context, &error),
               0);
    expect_piece(client, lease.token, context.id, "x = 6", "", NULL);
    CHECK_CODE(berth_fork_context(client, lease.token, context.id, &copy, &error), 0);
    CHECK(strcmp(copy.version, context.version) == 0 && strcmp(copy.id, context.id) != 0);
    expect_piece(client, lease.token, copy.id, "x += 1", "", NULL);
    expect_piece(client, lease.token, context.id, "x", "", "6");
    CHECK_CODE(berth_close_context(client, lease.token, context.id, &error), 0);
    expect_piece(client, lease.token, copy.id, "x", "", "7");
    expect_piece(client, lease.token, copy.id,
                 "import threading; done = threading.Event(); threading.Thread(target=done.wait, name='busy').start()",
                 "", NULL);
    CHECK_CODE(berth_fork_context(client, lease.token, copy.id, &none, &error), BERTH_FAILED_PRECONDITION);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__CONTEXT_START_FAILED && !none.id);
    CHECK(strstr(error.message, "a thread runs in it: busy"));
    expect_piece(client, lease.token, copy.id, "done.set()", "", NULL);
    berth_context_clear(&copy);
    berth_context_clear(&context);
    CHECK_CODE(berth_open_context(client, lease.token, &(berth_context_options){.language = "bash"}, &context, &error), 0);
    CHECK_CODE(berth_fork_context(client, lease.token, context.id, &none, &error), BERTH_UNIMPLEMENTED);
    berth_context_clear(&context);
    CHECK_CODE(berth_release(client, lease.token, &error), 0);
    berth_lease_clear(&lease);
    berth_client_free(client);
    stop(&server, SIGTERM);
}

/* Takes a connection on port 8000, and echoes it; what begins with "reset" is broken off. */
static const char echo[] = "import socket, struct\n"
                           "with socket.create_server(('127.0.0.1', 8000)) as listener:\n"
                           "    while True:\n"
                           "        connection = listener.accept()[0]\n"
                           "        while data := connection.recv(65536):\n"
                           "            if data.startswith(b'reset'):\n"
                           "                reset = struct.pack('ii', 1, 0)\n"
                           "                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)\n"
                           "                break\n"
                           "            connection.sendall(data)\n"
                           "        connection.close()\n";

static void a_connection_carries_bytes_both_ways_and_tells_how_it_ended(void) {
    process server = launch("BERTH", true);
    berth_client *client = connect_to(server.address, 0);
    berth_error error;
    berth_lease lease;
    const Berth__V1__Ended *ended;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), 0);
    berth_connect_options options = {.port = 8000};
    berth_execution *e = berth_connect(client, lease.token, &options, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), BERTH_FAILED_PRECONDITION);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__CONNECTION_REFUSED);
    berth_execution_free(e);
    berth_command command = {.language = "python", .code = echo};
    berth_execution *listener = berth_execute(client, lease.token, &command, NULL, NULL, &error);
    CHECK(listener);
    options.wait_ms = 10000;
    void *bytes = calloc(1, 4 << 20);
    CHECK(bytes);
    uint64_t total = 0;
    e = berth_connect(client, lease.token, &options, &(berth_handlers){.output = count}, &total, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    CHECK_CODE(berth_input(e, bytes, 4 << 20, true, &error), 0);
    CHECK_CODE(berth_wait(e, &ended, &error), 0);
    CHECK(total == 4 << 20 && ended->cause == BERTH__V1__END_CAUSE__EXITED);
    berth_execution_free(e);
    free(bytes);
    e = berth_connect(client, lease.token, &options, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    CHECK_CODE(berth_input(e, "reset", 5, false, &error), 0);
    CHECK_CODE(berth_wait(e, &ended, &error), 0);
    CHECK(ended->cause == BERTH__V1__END_CAUSE__CONNECTION_RESET);
    berth_execution_free(e);
    berth_execution_free(listener);
    CHECK_CODE(berth_release(client, lease.token, &error), 0);
    berth_lease_clear(&lease);
    berth_client_free(client);
    stop(&server, SIGTERM);
}

const test live_tests[] = {
    {"a plain ttrpc server is spoken to", a_plain_ttrpc_server_is_spoken_to},
    {"killing the server ends every call within a second, and nothing leaks",
     killing_the_server_ends_every_call_within_a_second},
    {"a stalled reader holds up nobody else", a_stalled_reader_holds_up_nobody_else},
    {"a context keeps its variables, asks, is interrupted and is lost",
     a_context_keeps_its_variables_asks_is_interrupted_and_is_lost},
    {"a copy of a context has its own variables, and is refused with the reason",
     a_copy_of_a_context_has_its_own_variables_and_is_refused_with_the_reason},
    {"a connection carries bytes both ways, and tells how it ended",
     a_connection_carries_bytes_both_ways_and_tells_how_it_ended},
    {NULL, NULL},
};
