// SPDX-License-Identifier: Apache-2.0

/* Executions: events, credit, giving up. */
#include "test.h"

#include <pthread.h>

/* A server that sends no more than the credit it was given. */
static struct {
    pthread_mutex_t lock;
    request execute;
    uint64_t total, sent, acknowledged, window;
    unsigned acknowledgements, cancels, detaches;
    bool ignores_credit, starts_late;
} patient = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const unsigned char zeros[32 << 10];

static void patient_send(void) {
    while (patient.sent < patient.total) {
        uint64_t size = patient.total - patient.sent < sizeof zeros ? patient.total - patient.sent : sizeof zeros;
        if (!patient.ignores_credit && patient.sent + size - patient.acknowledged > patient.window) return;
        send_output(&patient.execute, BERTH_STDOUT, patient.sent, zeros, (size_t)size);
        patient.sent += size;
    }
    if (patient.total > 0) send_ended(&patient.execute, 0);
    patient.total = 0;
}

static void answer_patiently(request *r, void *data) {
    pthread_mutex_lock(&patient.lock);
    if (strcmp(r->method, "Execute") == 0) {
        Berth__V1__ExecuteRequest *request_ = berth__v1__execute_request__unpack(NULL, r->size, r->payload);
        CHECK(request_);
        patient.window = request_->window_bytes;
        berth__v1__execute_request__free_unpacked(request_, NULL);
        patient.execute = *r;
        if (!patient.starts_late) send_started(r);
        patient_send();
    } else if (strcmp(r->method, "Acknowledge") == 0) {
        Berth__V1__AcknowledgeRequest *request_ = berth__v1__acknowledge_request__unpack(NULL, r->size, r->payload);
        Berth__V1__AcknowledgeResponse nothing = BERTH__V1__ACKNOWLEDGE_RESPONSE__INIT;
        CHECK(request_ && request_->watcher == 7 && strcmp(request_->execution, "e1") == 0);
        patient.acknowledged = request_->stdout_offset;
        patient.acknowledgements++;
        berth__v1__acknowledge_request__free_unpacked(request_, NULL);
        send_reply(r, &nothing.base);
        patient_send();
    } else if (strcmp(r->method, "Signal") == 0) {
        Berth__V1__SignalRequest *request_ = berth__v1__signal_request__unpack(NULL, r->size, r->payload);
        CHECK(request_ && request_->cancel && strcmp(request_->execution, "e1") == 0);
        berth__v1__signal_request__free_unpacked(request_, NULL);
        patient.cancels++;
    } else if (strcmp(r->method, "Detach") == 0) {
        patient.detaches++;
    } else if (strcmp(r->method, "Renew") == 0) { /* what starts a program late */
        send_started(&patient.execute);
        Berth__V1__RenewResponse nothing = BERTH__V1__RENEW_RESPONSE__INIT;
        send_reply(r, &nothing.base);
    } else {
        answer_hello(r, data);
    }
    pthread_mutex_unlock(&patient.lock);
}

static fake *patient_start(uint64_t total) {
    patient.total = total;
    patient.sent = patient.acknowledged = 0;
    patient.acknowledgements = patient.cancels = patient.detaches = 0;
    patient.ignores_credit = patient.starts_late = false;
    return fake_start(answer_patiently, NULL);
}

static void hello(berth_client *client) {
    berth_error error;
    Berth__V1__HelloResponse *response;
    CHECK_CODE(berth_hello(client, &response, &error), 0);
    berth__v1__hello_response__free_unpacked(response, NULL);
}

static void count_bytes(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                        void *data) {
    uint64_t *total = data;
    (void)e, (void)stream, (void)bytes;
    CHECK(offset == *total);
    *total += size;
}

static void credit_comes_back_as_the_callbacks_take(void) {
    const uint64_t total = 8 << 20, window = 64 << 10;
    fake *server = patient_start(total);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    uint64_t taken = 0;
    berth_execution *e = berth_execute(client, NULL, &(berth_command){.shell = "yes", .window = window},
                                       &(berth_handlers){.output = count_bytes}, &taken, &error);
    CHECK(e);
    /* It is paused: no more than the window is here, no credit goes out, and nobody else waits. */
    berth_pause(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    for (int64_t until = now_ms() + 10000; e && now_ms() < until;) {
        hello(client);
        pthread_mutex_lock(&patient.lock);
        bool is_full = patient.sent == window;
        CHECK(patient.acknowledgements == 0);
        pthread_mutex_unlock(&patient.lock);
        if (is_full) break;
    }
    hello(client);
    CHECK(taken == 0 && patient.sent == window);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(taken == total && berth_offset(e, BERTH_STDOUT) == total);
    CHECK(patient.acknowledgements <= total / (window / 4));
    berth_execution_free(e);
    berth_client_free(client);
    fake_stop(server);
}

static void without_windows_in_the_server_what_is_kept_is_bounded(void) {
    const uint64_t total = 8 << 20, window = 64 << 10;
    fake *server = patient_start(total);
    patient.ignores_credit = true;
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    uint64_t taken = 0;
    berth_execution *e = berth_execute(client, NULL, &(berth_command){.shell = "yes", .window = window},
                                       &(berth_handlers){.output = count_bytes}, &taken, &error);
    CHECK(e);
    berth_pause(e);
    for (int64_t until = now_ms() + 10000; client->holds == 0;) {
        CHECK(now_ms() < until);
        berth_poll(client, 100);
    }
    CHECK(!(berth_events(client) & 1 /* POLLIN */));
    CHECK(client->in.size < 1 << 20);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(taken == total && client->holds == 0);
    berth_execution_free(e);
    berth_client_free(client);
    fake_stop(server);
}

static char story[1024];
static void tell_started(berth_execution *e, void *data) {
    (void)data;
    strcat(strcat(story, "started "), berth_execution_id(e));
}
static void tell_output(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                        void *data) {
    (void)e, (void)data;
    sprintf(story + strlen(story), ", %d@%d %.*s", (int)stream, (int)offset, (int)size, (const char *)bytes);
}
static void tell_dropped(berth_execution *e, berth_stream stream, uint64_t offset, uint64_t size, void *data) {
    (void)e, (void)data;
    sprintf(story + strlen(story), ", %d@%d dropped %d", (int)stream, (int)offset, (int)size);
}
static void tell_ended(berth_execution *e, const Berth__V1__Ended *ended, const berth_error *error, void *data) {
    (void)e, (void)data;
    sprintf(story + strlen(story), ", ended %d %.200s", ended ? ended->exit_code : -1, error ? error->message : "");
}
static const berth_handlers telling = {
    .started = tell_started, .output = tell_output, .dropped = tell_dropped, .ended = tell_ended};

static void answer_a_story(request *r, void *data) {
    if (strcmp(r->method, "Execute") != 0) {
        answer_hello(r, data);
        return;
    }
    Berth__V1__Dropped dropped = BERTH__V1__DROPPED__INIT;
    Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
    dropped.offset = 1;
    dropped.bytes = 9;
    event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_DROPPED;
    event.dropped = &dropped;
    send_started(r);
    send_output(r, BERTH_STDOUT, 0, "a", 1);
    send_output(r, BERTH_STDERR, 0, "b", 1);
    send_message(r, &event.base);
    send_output(r, BERTH_STDOUT, 10, "c", 1);
    switch (*(int *)data) {
    case 0:
        send_ended(r, 3);
        break;
    case 1:
        send_failure(r, BERTH_UNAVAILABLE, "lost");
        break;
    default:
        send_frame(r, KIND_DATA, FLAG_REMOTE_CLOSED | FLAG_NO_DATA, NULL, 0);
    }
}

static void events_come_in_order_and_then_the_end_once(void) {
    static const char *const ends[] = {"ended 3 ", "ended -1 lost",
                                       "ended -1 the server ended the stream without an end of the program"};
    static const int codes[] = {0, BERTH_UNAVAILABLE, BERTH_INTERNAL};
    for (int way = 0; way < 6; way++) {
        int end = way / 2;
        bool pauses = way % 2;
        char expected[512];
        fake *server = fake_start(answer_a_story, &end);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        *story = 0;
        berth_execution *e = berth_execute(client, NULL, &(berth_command){.shell = "x"}, &telling, NULL, &error);
        CHECK(e);
        if (pauses) {
            berth_pause(e);
            hello(client);
            hello(client);
            CHECK(strcmp(story, "started e1") == 0);
        }
        CHECK_CODE(berth_wait(e, NULL, &error), codes[end]);
        CHECK_CODE(berth_wait(e, NULL, &error), codes[end]);
        snprintf(expected, sizeof expected, "started e1, 0@0 a, 1@0 b, 0@1 dropped 9, 0@10 c, %s", ends[end]);
        CHECK(strcmp(story, expected) == 0);
        berth_execution_free(e);
        berth_client_free(client);
        fake_stop(server);
    }
}

static void free_self(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    (void)stream, (void)offset, (void)bytes, (void)size;
    CHECK(!*(bool *)data);
    *(bool *)data = true;
    berth_execution_free(e);
}

static void a_callback_may_free_its_execution(void) {
    for (int pauses = 0; pauses < 2; pauses++) {
        int end = 0;
        bool freed = false;
        fake *server = fake_start(answer_a_story, &end);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        berth_execution *e = berth_execute(client, NULL, &(berth_command){.shell = "x"},
                                           &(berth_handlers){.output = free_self}, &freed, &error);
        CHECK(e);
        if (pauses) {
            berth_pause(e);
            hello(client);
            berth_resume(e);
        } else {
            poll_until(client, &freed, "the output");
        }
        hello(client);
        CHECK(freed);
        berth_client_free(client);
        fake_stop(server);
    }
}

static void one_that_is_given_up_is_cancelled_or_detached_from(void) {
    for (int way = 0; way < 4; way++) {
        bool resumable = way & 1, early = way & 2;
        fake *server = patient_start(0);
        patient.starts_late = early;
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        hello(client); /* so that it is connected */
        berth_execution *e = berth_execute(
            client, NULL, &(berth_command){.shell = "x", .resumable_ms = resumable ? 1000 : 0}, NULL, NULL, &error);
        CHECK(e);
        if (early) {
            wait_for(server, "Execute", 1);
        } else {
            CHECK_CODE(berth_wait_started(e, &error), 0);
        }
        berth_execution_free(e);
        if (early) CHECK_CODE(berth_renew(client, "l", NULL, &error), 0);
        hello(client);
        wait_for(server, resumable ? "Detach" : "Signal", 1);
        hello(client);
        CHECK(patient.cancels == !resumable && patient.detaches == resumable);
        berth_client_free(client);
        fake_stop(server);
    }
}

static uint64_t input_taken;
static bool input_ended;
static void answer_input(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") == 0) {
        send_started(r);
        return;
    }
    if (strcmp(r->method, "Input") != 0) return;
    Berth__V1__InputRequest *request_ = berth__v1__input_request__unpack(NULL, r->size, r->payload);
    Berth__V1__InputResponse response = BERTH__V1__INPUT_RESPONSE__INIT;
    CHECK(request_ && request_->offset == input_taken && request_->data.len <= 256 << 10);
    input_taken += request_->data.len;
    input_ended = request_->end;
    berth__v1__input_request__free_unpacked(request_, NULL);
    send_reply(r, &response.base);
}

static void input_goes_in_parts_with_offsets(void) {
    fake *server = fake_start(answer_input, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    void *bytes = calloc(1, 1000000);
    CHECK(bytes);
    input_taken = 5;
    berth_command command = {.shell = "cat", .input = "first", .input_size = 5, .keep_stdin_open = true};
    berth_execution *e = berth_execute(client, NULL, &command, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_input(e, "x", 1, false, &error), BERTH_FAILED_PRECONDITION);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    CHECK_CODE(berth_input(e, bytes, 1000000, false, &error), 0);
    CHECK(!input_ended);
    CHECK_CODE(berth_input(e, NULL, 0, true, &error), 0);
    CHECK(input_taken == 1000005 && input_ended);
    berth_execution_free(e);
    free(bytes);
    berth_client_free(client);
    fake_stop(server);
}

static void what_cannot_be_asked_is_refused(void) {
    fake *server = fake_start(answer_hello, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error = {0};
    CHECK(!berth_execute(client, NULL, &(berth_command){0}, NULL, NULL, &error));
    CHECK_CODE(error.code, BERTH_INVALID_ARGUMENT);
    const char *const env[] = {"GOOD=1", "BAD", NULL};
    CHECK(!berth_execute(client, NULL, &(berth_command){.shell = "x", .env = env}, NULL, NULL, &error));
    CHECK_CODE(error.code, BERTH_INVALID_ARGUMENT);
    berth_client_free(client);
    fake_stop(server);
}

static void an_execution_may_outlive_its_client(void) {
    fake *server = patient_start(8 << 20);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    *story = 0;
    berth_execution *e = berth_execute(client, NULL, &(berth_command){.shell = "x"}, &telling, NULL, &error);
    CHECK(e);
    berth_pause(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    berth_client_free(client);
    CHECK(strcmp(berth_execution_id(e), "e1") == 0);
    berth_execution_free(e);
    fake_stop(server);
}

/* --- Connections */

static request connection;

/* Echoes; when its input has ended, so has the connection. */
static void answer_connection(request *r, void *data) {
    Berth__V1__EndCause cause = *(Berth__V1__EndCause *)data;
    if (strcmp(r->method, "Connect") == 0) {
        Berth__V1__ConnectRequest *request_ = berth__v1__connect_request__unpack(NULL, r->size, r->payload);
        CHECK(request_ && strcmp(request_->lease, "l") == 0 && request_->port == 80 && request_->wait_ms == 5);
        CHECK(request_->window_bytes == 64 << 10 && request_->resumable_ms == 0);
        berth__v1__connect_request__free_unpacked(request_, NULL);
        if (cause == BERTH__V1__END_CAUSE__END_CAUSE_UNSPECIFIED) {
            send_failure(r, BERTH_FAILED_PRECONDITION, "nobody listens");
            return;
        }
        connection = *r;
        send_started(r);
    } else if (strcmp(r->method, "Input") == 0) {
        Berth__V1__InputRequest *request_ = berth__v1__input_request__unpack(NULL, r->size, r->payload);
        Berth__V1__InputResponse response = BERTH__V1__INPUT_RESPONSE__INIT;
        CHECK(request_);
        if (request_->data.len > 0) {
            send_output(&connection, BERTH_STDOUT, request_->offset, request_->data.data, request_->data.len);
        }
        if (request_->end) {
            Berth__V1__OutputEnded output_ended = BERTH__V1__OUTPUT_ENDED__INIT;
            Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
            event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT_ENDED;
            event.output_ended = &output_ended;
            send_message(&connection, &event.base);
            Berth__V1__Ended ended = BERTH__V1__ENDED__INIT;
            ended.cause = cause;
            event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_ENDED;
            event.ended = &ended;
            send_message(&connection, &event.base);
            send_frame(&connection, KIND_DATA, FLAG_REMOTE_CLOSED | FLAG_NO_DATA, NULL, 0);
        }
        berth__v1__input_request__free_unpacked(request_, NULL);
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "Hello") == 0) {
        answer_hello(r, data);
    }
}

static void tell_output_ended(berth_execution *e, void *data) {
    (void)e, (void)data;
    strcat(story, ", all");
}

static void a_connection_sends_is_told_what_comes_and_ends_on_both_sides(void) {
    static const berth_handlers handlers = {
        .output = tell_output, .ended = tell_ended, .output_ended = tell_output_ended};
    static const berth_connect_options options = {.port = 80, .wait_ms = 5, .window = 1};
    Berth__V1__EndCause causes[] = {BERTH__V1__END_CAUSE__EXITED, BERTH__V1__END_CAUSE__CONNECTION_RESET};
    for (int way = 0; way < 4; way++) {
        fake *server = fake_start(answer_connection, &causes[way / 2]);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        const Berth__V1__Ended *ended;
        *story = 0;
        berth_execution *e = berth_connect(client, "l", &options, &handlers, NULL, &error);
        CHECK(e);
        CHECK_CODE(berth_wait_started(e, &error), 0);
        if (way % 2) berth_pause(e);
        CHECK_CODE(berth_input(e, "hello", 5, false, &error), 0);
        CHECK_CODE(berth_input(e, NULL, 0, true, &error), 0);
        CHECK_CODE(berth_wait(e, &ended, &error), 0);
        CHECK(ended->cause == causes[way / 2] && strcmp(story, ", 0@0 hello, all, ended 0 ") == 0);
        berth_execution_free(e);
        berth_client_free(client);
        fake_stop(server);
    }
}

static void a_connection_that_cannot_be_made_says_why_and_one_that_is_freed_is_closed(void) {
    static const berth_connect_options options = {.port = 80, .wait_ms = 5, .window = 1};
    Berth__V1__EndCause cause = BERTH__V1__END_CAUSE__END_CAUSE_UNSPECIFIED;
    fake *server = fake_start(answer_connection, &cause);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    CHECK(!berth_connect(client, "l", &(berth_connect_options){0}, NULL, NULL, &error));
    CHECK_CODE(error.code, BERTH_INVALID_ARGUMENT);
    berth_execution *e = berth_connect(client, "l", &options, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), BERTH_FAILED_PRECONDITION);
    CHECK(strcmp(error.message, "nobody listens") == 0);
    berth_execution_free(e);
    cause = BERTH__V1__END_CAUSE__EXITED;
    e = berth_connect(client, "l", &options, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    berth_execution_free(e);
    hello(client);
    wait_for(server, "Detach", 1);
    berth_client_free(client);
    fake_stop(server);
}

const test stream_tests[] = {
    {"credit comes back as the callbacks take", credit_comes_back_as_the_callbacks_take},
    {"without windows in the server, what is kept is bounded", without_windows_in_the_server_what_is_kept_is_bounded},
    {"events come in order, and then the end, once", events_come_in_order_and_then_the_end_once},
    {"a callback may free its execution", a_callback_may_free_its_execution},
    {"one that is given up is cancelled, or detached from", one_that_is_given_up_is_cancelled_or_detached_from},
    {"input goes in parts with offsets", input_goes_in_parts_with_offsets},
    {"what cannot be asked is refused", what_cannot_be_asked_is_refused},
    {"an execution may outlive its client", an_execution_may_outlive_its_client},
    {"a connection sends, is told what comes, and ends on both sides",
     a_connection_sends_is_told_what_comes_and_ends_on_both_sides},
    {"a connection that can't be made says why, and one that is freed is closed",
     a_connection_that_cannot_be_made_says_why_and_one_that_is_freed_is_closed},
    {NULL, NULL},
};
