// SPDX-License-Identifier: Apache-2.0

/* Calls, connections, errors. */
#include "test.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void answer_not_found(request *r, void *data) {
    (void)data;
    send_failure(r, BERTH_NOT_FOUND, "no such pool");
}

static void errors_are_typed(void) {
    fake *server = fake_start(answer_not_found, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_lease lease;
    CHECK_CODE(berth_acquire(client, &(berth_acquire_options){.pool = "x"}, &lease, &error), BERTH_NOT_FOUND);
    CHECK(strcmp(error.message, "no such pool") == 0);
    CHECK_CODE(berth_acquire(client, NULL, &lease, NULL), BERTH_NOT_FOUND);
    berth_client_free(client);
    fake_stop(server);
}

static void answer_nothing(request *r, void *data) { (void)r, (void)data; }

static void a_deadline_holds_without_the_server(void) {
    fake *server = fake_start(answer_nothing, NULL);
    berth_client *client = connect_to(fake_address(server), 50);
    berth_error error;
    Berth__V1__HelloResponse *hello;
    int64_t began = now_ms();
    CHECK_CODE(berth_hello(client, &hello, &error), BERTH_DEADLINE_EXCEEDED);
    CHECK(now_ms() - began < 1000);
    berth_client_free(client);
    fake_stop(server);
}

static struct {
    request acquire; /* the one that was not answered */
    char released[32];
} late;

static void answer_acquire_late(request *r, void *data) {
    Berth__V1__AcquireResponse lease = BERTH__V1__ACQUIRE_RESPONSE__INIT;
    if (strcmp(r->method, "Acquire") == 0) {
        late.acquire = *r;
    } else if (strcmp(r->method, "Release") == 0) {
        Berth__V1__ReleaseRequest *release = berth__v1__release_request__unpack(NULL, r->size, r->payload);
        Berth__V1__ReleaseResponse nothing = BERTH__V1__RELEASE_RESPONSE__INIT;
        CHECK(release);
        snprintf(late.released, sizeof late.released, "%s", release->lease);
        berth__v1__release_request__free_unpacked(release, NULL);
        send_reply(r, &nothing.base);
    } else {
        /* Hello comes after the caller has left. */
        lease.lease = "late";
        send_reply(&late.acquire, &lease.base);
        answer_hello(r, data);
    }
}

static void a_lease_that_comes_after_its_caller_left_is_released(void) {
    fake *server = fake_start(answer_acquire_late, NULL);
    berth_client *client = connect_to(fake_address(server), 200);
    berth_error error;
    berth_lease lease;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), BERTH_DEADLINE_EXCEEDED);
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    wait_for(server, "Release", 1);
    CHECK(client->first == NULL || client->first->owner == NULL);
    berth_client_free(client);
    fake_stop(server);
    CHECK(strcmp(late.released, "late") == 0);
}

static void a_request_over_4_mib_fails_and_the_connection_lives(void) {
    fake *server = fake_start(answer_hello, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    Berth__V1__HelloResponse *hello;
    char *code = malloc(MAX_DATA + 1);
    CHECK(code);
    memset(code, 'x', MAX_DATA);
    code[MAX_DATA] = 0;
    berth_command command = {.language = "sh", .code = code};
    CHECK_CODE(berth_run(client, NULL, &command, &result, &error), BERTH_RESOURCE_EXHAUSTED);
    CHECK_CODE(berth_run(client, NULL, &command, &result, NULL), BERTH_RESOURCE_EXHAUSTED);
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    free(code);
    berth_client_free(client);
    fake_stop(server);
}

static unsigned ends;
static void count_unavailable(berth_execution *e, const Berth__V1__Ended *ended, const berth_error *error, void *data) {
    (void)e, (void)data;
    CHECK(!ended && error->code == BERTH_UNAVAILABLE);
    ends++;
}

static void reply_unavailable(const ProtobufCMessage *message, void *client) {
    CHECK(!message && berth_last_error(client)->code == BERTH_UNAVAILABLE);
    ends++;
}

static void answer_started(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") == 0) send_started(r);
}

static void when_the_server_goes_every_open_call_fails_at_once(void) {
    unsigned before = open_descriptors();
    fake *server = fake_start(answer_started, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    ProtobufCService *pool = berth_service(client, &berth__v1__pool__descriptor);
    berth_execution *executions[10];
    berth_error error;
    CHECK(pool);
    ends = 0;
    for (int i = 0; i < 10; i++) {
        Berth__V1__StatsRequest request_ = BERTH__V1__STATS_REQUEST__INIT;
        executions[i] = berth_execute(client, "l", &(berth_command){.shell = "sleep 60"},
                                      &(berth_handlers){.ended = count_unavailable}, NULL, &error);
        CHECK(executions[i]);
        CHECK_CODE(berth_wait_started(executions[i], &error), 0);
        berth__v1__pool__stats(pool, &request_, (Berth__V1__StatsResponse_Closure)reply_unavailable, client);
    }
    fake_stop(server);
    int64_t began = now_ms();
    while (ends < 20 && now_ms() - began < 5000) berth_poll(client, 100);
    CHECK(ends == 20 && now_ms() - began < 1000);
    for (int i = 0; i < 10; i++) berth_execution_free(executions[i]);
    protobuf_c_service_destroy(pool);
    berth_client_free(client);
    CHECK(open_descriptors() == before);
}

static void answer_execute_by_leaving(request *r, void *data) {
    if (strcmp(r->method, "Execute") == 0) {
        shutdown(r->fd, SHUT_RDWR);
    } else {
        answer_hello(r, data);
    }
}

static void on_hello(const ProtobufCMessage *message, void *data) {
    CHECK(message);
    *(bool *)data = true;
}

static void the_next_call_connects_again_and_no_execute_is_made_twice(void) {
    fake *server = fake_start(answer_execute_by_leaving, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    ProtobufCService *pool = berth_service(client, &berth__v1__pool__descriptor);
    berth_error error;
    berth_result result;
    char address[64];
    bool done = false;
    CHECK(pool);
    snprintf(address, sizeof address, "%s", fake_address(server));
    CHECK_CODE(berth_run(client, NULL, &(berth_command){.shell = "true"}, &result, &error), BERTH_UNAVAILABLE);
    CHECK(fake_count(server, "Execute") == 1);
    fake_stop(server);
    /* Nobody listens for a while: the call tries again until somebody does. */
    Berth__V1__HelloRequest request_ = BERTH__V1__HELLO_REQUEST__INIT;
    berth__v1__pool__hello(pool, &request_, (Berth__V1__HelloResponse_Closure)on_hello, &done);
    while (client->pause < 400) berth_poll(client, 100);
    CHECK(!done);
    server = fake_start_at(address, answer_execute_by_leaving, NULL);
    poll_until(client, &done, "the answer after connecting again");
    CHECK(fake_count(server, "Execute") == 0);
    protobuf_c_service_destroy(pool);
    berth_client_free(client);
    fake_stop(server);
}

static void a_connection_that_ended_unseen_is_not_used(void) {
    fake *server = fake_start(answer_hello, NULL);
    char address[64];
    berth_client *client = connect_to(fake_address(server), 0);
    snprintf(address, sizeof address, "%s", fake_address(server));
    for (int i = 0; i < 5; i++) {
        berth_error error;
        Berth__V1__HelloResponse *hello;
        CHECK_CODE(berth_hello(client, &hello, &error), 0);
        berth__v1__hello_response__free_unpacked(hello, NULL);
        fake_stop(server);
        server = fake_start_at(address, answer_hello, NULL);
    }
    berth_client_free(client);
    fake_stop(server);
}

static void connecting_gives_up_in_time(void) {
    fake *server = fake_start(answer_hello, NULL);
    char address[64];
    berth_error error;
    Berth__V1__HelloResponse *hello;
    snprintf(address, sizeof address, "%s", fake_address(server));
    fake_stop(server);
    berth_client *client = berth_client_new(address, &(berth_options){.connect_timeout_ms = 200}, &error);
    CHECK(client);
    int64_t began = now_ms();
    CHECK_CODE(berth_hello(client, &hello, &error), BERTH_UNAVAILABLE);
    CHECK(now_ms() - began >= 200 && now_ms() - began < 2000);
    CHECK(strstr(error.message, address) && strstr(error.message, "refused") && strstr(error.message, "berth serve"));
    berth_client_free(client);
}

static void a_unix_socket_is_an_address(void) {
    char folder[] = "/tmp/berth-test-XXXXXX", address[64];
    CHECK(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/s", folder);
    fake *server = fake_start_at(address, answer_hello, NULL);
    setenv("BERTH_SERVER", address, 1);
    berth_client *client = connect_to(NULL, 0);
    unsetenv("BERTH_SERVER");
    berth_error error;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    CHECK(strcmp(hello->server, "fake/1") == 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    berth_client_free(client);
    fake_stop(server);
    unlink(address + 5);
    rmdir(folder);
}

static void what_is_not_an_address_is_refused(void) {
    static const char *const bad[] = {"localhost", "unix:", "::1:7411", "host:", "host:70000", "host:1x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        berth_error error = {0};
        CHECK(!berth_client_new(bad[i], NULL, &error));
        CHECK_CODE(error.code, BERTH_INVALID_ARGUMENT);
    }
}

static void answer_by_token(request *r, void *data) {
    static const char pair[] = "\x0a\x0d"
                               "authorization"
                               "\x12\x0d"
                               "Bearer secret";
    if (memmem(r->data, r->data_size, pair, sizeof pair - 1)) {
        answer_hello(r, data);
    } else {
        send_failure(r, BERTH_UNAUTHENTICATED, "no token");
    }
}

static void a_token_goes_with_every_call(void) {
    fake *server = fake_start(answer_by_token, NULL);
    berth_error error;
    Berth__V1__HelloResponse *hello;
    berth_client *client = berth_client_new(fake_address(server), &(berth_options){.token = "secret"}, &error);
    CHECK(client);
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    berth_client_free(client);
    fake_stop(server);
}

static bool refused;
static void waits(const Berth__V1__HelloResponse *message, void *data) {
    berth_error error;
    berth_result result;
    Berth__V1__HelloResponse *hello;
    CHECK(message);
    CHECK_CODE(berth_hello(data, &hello, &error), BERTH_FAILED_PRECONDITION);
    CHECK_CODE(berth_run(data, NULL, &(berth_command){.shell = "x"}, &result, &error), BERTH_FAILED_PRECONDITION);
    refused = true;
}

static void a_callback_must_not_wait(void) {
    fake *server = fake_start(answer_hello, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    ProtobufCService *pool = berth_service(client, &berth__v1__pool__descriptor);
    Berth__V1__HelloRequest request_ = BERTH__V1__HELLO_REQUEST__INIT;
    CHECK(pool);
    berth__v1__pool__hello(pool, &request_, waits, client);
    poll_until(client, &refused, "the answer");
    protobuf_c_service_destroy(pool);
    berth_client_free(client);
    fake_stop(server);
}

const test client_tests[] = {
    {"errors are typed", errors_are_typed},
    {"a deadline holds without the server", a_deadline_holds_without_the_server},
    {"a lease that comes after its caller left is released", a_lease_that_comes_after_its_caller_left_is_released},
    {"a request over 4 MiB fails and the connection lives", a_request_over_4_mib_fails_and_the_connection_lives},
    {"when the server goes, every open call fails at once, and nothing leaks",
     when_the_server_goes_every_open_call_fails_at_once},
    {"the next call connects again, and no Execute is made twice",
     the_next_call_connects_again_and_no_execute_is_made_twice},
    {"a connection that ended while nobody looked is not used", a_connection_that_ended_unseen_is_not_used},
    {"connecting gives up in time", connecting_gives_up_in_time},
    {"a unix socket is an address", a_unix_socket_is_an_address},
    {"what is not an address is refused", what_is_not_an_address_is_refused},
    {"a token goes with every call", a_token_goes_with_every_call},
    {"a callback must not wait", a_callback_must_not_wait},
    {NULL, NULL},
};
