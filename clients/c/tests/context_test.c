// SPDX-License-Identifier: Apache-2.0

/* Contexts, and what their pieces of code show. */
#include "test.h"

#include <pthread.h>

static void send_shown(const request *r, Berth__V1__ExecuteEvent__EventCase kind, const void *message) {
    Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
    event.event_case = kind;
    event.display = (Berth__V1__Display *)message; /* all of them are pointers */
    send_message(r, &event.base);
}

/* A display with one form, and perhaps a second one. */
static void send_display(const request *r, uint64_t position, const char *text, const char *html, bool is_result) {
    Berth__V1__MimeData forms[2] = {BERTH__V1__MIME_DATA__INIT, BERTH__V1__MIME_DATA__INIT};
    Berth__V1__MimeData *list[] = {&forms[0], &forms[1]};
    Berth__V1__Display display = BERTH__V1__DISPLAY__INIT;
    forms[0].mime = "text/html";
    forms[0].data = (ProtobufCBinaryData){.len = html ? strlen(html) : 0, .data = (uint8_t *)html};
    forms[1].mime = "text/plain";
    forms[1].data = (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
    display.position = position;
    display.data = html ? list : list + 1;
    display.n_data = html ? 2 : 1;
    display.result = is_result;
    if (html) display.id = "t";
    display.update = html != NULL;
    send_shown(r, BERTH__V1__EXECUTE_EVENT__EVENT_DISPLAY, &display);
}

static void send_failure_event(const request *r, uint64_t position, const char *name, const char *message) {
    Berth__V1__Failure failure = BERTH__V1__FAILURE__INIT;
    failure.position = position;
    failure.name = (char *)name;
    failure.message = (char *)message;
    send_shown(r, BERTH__V1__EXECUTE_EVENT__EVENT_FAILURE, &failure);
}

static void send_prompt(const request *r, uint64_t position, const char *text) {
    Berth__V1__Prompt prompt = BERTH__V1__PROMPT__INIT;
    prompt.position = position;
    prompt.text = (char *)text;
    prompt.password = true;
    send_shown(r, BERTH__V1__EXECUTE_EVENT__EVENT_PROMPT, &prompt);
}

/* --- Calls */

static void answer_calls(request *r, void *data) {
    unsigned *seen = data;
    if (strcmp(r->method, "OpenContext") == 0) {
        Berth__V1__OpenContextRequest *request_ = berth__v1__open_context_request__unpack(NULL, r->size, r->payload);
        Berth__V1__OpenContextResponse response = BERTH__V1__OPEN_CONTEXT_RESPONSE__INIT;
        CHECK(request_ && strcmp(request_->lease, "l") == 0 && strcmp(request_->language, "bash") == 0);
        CHECK(strcmp(request_->cwd, "/tmp") == 0 && request_->uid == 7);
        CHECK(request_->n_env == 1 && strcmp(request_->env[0]->key, "A") == 0 &&
              strcmp(request_->env[0]->value, "b=c") == 0);
        CHECK(request_->n_env_raw == 1 && memcmp(request_->env_raw[0].data, "B=\xff", 3) == 0);
        berth__v1__open_context_request__free_unpacked(request_, NULL);
        response.context = "c";
        response.version = "5.2";
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "ForkContext") == 0) {
        Berth__V1__ForkContextRequest *request_ = berth__v1__fork_context_request__unpack(NULL, r->size, r->payload);
        Berth__V1__ForkContextResponse response = BERTH__V1__FORK_CONTEXT_RESPONSE__INIT;
        CHECK(request_ && strcmp(request_->lease, "l") == 0 && strcmp(request_->context, "c") == 0);
        berth__v1__fork_context_request__free_unpacked(request_, NULL);
        response.context = "copy";
        response.version = "5.2";
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "CloseContext") == 0) {
        Berth__V1__CloseContextRequest *request_ = berth__v1__close_context_request__unpack(NULL, r->size, r->payload);
        CHECK(request_ && strcmp(request_->lease, "l") == 0 && strcmp(request_->context, "c") == 0);
        berth__v1__close_context_request__free_unpacked(request_, NULL);
        if (++*seen > 1) {
            send_failure(r, BERTH_NOT_FOUND, "it has ended");
            return;
        }
        Berth__V1__CloseContextResponse response = BERTH__V1__CLOSE_CONTEXT_RESPONSE__INIT;
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "ListContexts") == 0) {
        Berth__V1__ContextInfo info = BERTH__V1__CONTEXT_INFO__INIT, *infos[] = {&info};
        Berth__V1__ListContextsResponse response = BERTH__V1__LIST_CONTEXTS_RESPONSE__INIT;
        info.pieces = 3;
        response.contexts = infos;
        response.n_contexts = 1;
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "Complete") == 0) {
        Berth__V1__CompleteRequest *request_ = berth__v1__complete_request__unpack(NULL, r->size, r->payload);
        Berth__V1__CompleteResponse response = BERTH__V1__COMPLETE_RESPONSE__INIT;
        char *matches[] = {"print"};
        CHECK(request_ && strcmp(request_->lease, "l") == 0 && strcmp(request_->context, "c") == 0);
        response.start = request_->cursor;
        response.matches = matches;
        response.n_matches = 1;
        berth__v1__complete_request__free_unpacked(request_, NULL);
        send_reply(r, &response.base);
    } else if (strcmp(r->method, "Inspect") == 0) {
        Berth__V1__InspectRequest *request_ = berth__v1__inspect_request__unpack(NULL, r->size, r->payload);
        Berth__V1__InspectResponse response = BERTH__V1__INSPECT_RESPONSE__INIT;
        CHECK(request_ && strcmp(request_->code, "print") == 0 && request_->cursor == 2 && request_->detail);
        berth__v1__inspect_request__free_unpacked(request_, NULL);
        response.found = true;
        send_reply(r, &response.base);
    } else {
        answer_hello(r, data);
    }
}

static void a_context_is_opened_listed_completes_inspects_and_is_closed(void) {
    unsigned closes = 0;
    fake *server = fake_start(answer_calls, &closes);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_context context;
    const char *const env[] = {"A=b=c", "B=\xff", NULL}, *const bad[] = {"A", NULL};
    berth_context_options options = {.language = "bash", .env = bad, .cwd = "/tmp", .uid = 7};
    CHECK_CODE(berth_open_context(client, "l", &options, &context, &error), BERTH_INVALID_ARGUMENT);
    options.env = env;
    CHECK_CODE(berth_open_context(client, "l", &options, &context, &error), 0);
    CHECK(strcmp(context.id, "c") == 0 && strcmp(context.version, "5.2") == 0);

    Berth__V1__ListContextsResponse *list;
    CHECK_CODE(berth_list_contexts(client, "l", &list, &error), 0);
    CHECK(list->n_contexts == 1 && list->contexts[0]->pieces == 3);
    berth__v1__list_contexts_response__free_unpacked(list, NULL);
    for (int i = 0; i < 2; i++) {
        Berth__V1__CompleteResponse *completion;
        size_t cursor = i == 0 ? BERTH_CODE_END : 3;
        CHECK_CODE(berth_complete(client, "l", "c", "\xc3\xa9;pr", cursor, &completion, &error), 0);
        CHECK(completion->start == (i == 0 ? 5u : 3u) && strcmp(completion->matches[0], "print") == 0);
        berth__v1__complete_response__free_unpacked(completion, NULL);
    }
    Berth__V1__InspectResponse *known;
    CHECK_CODE(berth_inspect(client, "l", "c", "print", 2, true, &known, &error), 0);
    CHECK(known->found);
    berth__v1__inspect_response__free_unpacked(known, NULL);

    berth_context copy;
    CHECK_CODE(berth_fork_context(client, "l", context.id, &copy, &error), 0);
    CHECK(strcmp(copy.id, "copy") == 0 && strcmp(copy.version, "5.2") == 0);
    berth_context_clear(&copy);
    CHECK_CODE(berth_close_context(client, "l", context.id, &error), 0);
    CHECK_CODE(berth_close_context(client, "l", context.id, &error), BERTH_NOT_FOUND);
    berth_context_clear(&context);
    CHECK(!context.id);
    berth_client_free(client);
    fake_stop(server);
}

static request late_opening;
static bool was_closed;

static void answer_late(request *r, void *data) {
    if (strcmp(r->method, "OpenContext") == 0 || strcmp(r->method, "ForkContext") == 0) {
        late_opening = *r;
    } else if (strcmp(r->method, "Hello") == 0) {
        Berth__V1__OpenContextResponse response = BERTH__V1__OPEN_CONTEXT_RESPONSE__INIT;
        response.context = "late"; /* both answers have the id in the same field */
        send_reply(&late_opening, &response.base);
        answer_hello(r, data);
    } else if (strcmp(r->method, "CloseContext") == 0) {
        Berth__V1__CloseContextRequest *request_ = berth__v1__close_context_request__unpack(NULL, r->size, r->payload);
        CHECK(request_ && strcmp(request_->lease, "l") == 0);
        was_closed = strcmp(request_->context, "late") == 0;
        berth__v1__close_context_request__free_unpacked(request_, NULL);
    }
}

static void check_late(bool is_copy) {
    fake *server = fake_start(answer_late, NULL);
    berth_client *client = connect_to(fake_address(server), 100);
    berth_error error;
    berth_context context;
    Berth__V1__HelloResponse *hello;
    was_closed = false;
    CHECK_CODE(is_copy ? berth_fork_context(client, "l", "c", &context, &error)
                       : berth_open_context(client, "l", &(berth_context_options){.language = "sh"}, &context, &error),
               BERTH_DEADLINE_EXCEEDED);
    CHECK(!context.id);
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    wait_for(server, "CloseContext", 1);
    berth_client_free(client);
    fake_stop(server);
    CHECK(was_closed);
}

static void a_context_that_comes_after_its_time_out_is_closed(void) {
    check_late(false);
    check_late(true);
}

/* --- Pieces of code */

static void answer_a_piece(request *r, void *data) {
    if (strcmp(r->method, "Execute") != 0) {
        answer_hello(r, data);
        return;
    }
    Berth__V1__ExecuteRequest *request_ = berth__v1__execute_request__unpack(NULL, r->size, r->payload);
    CHECK(request_ && strcmp(request_->lease, "l") == 0 && strcmp(request_->context, "c") == 0);
    CHECK(strcmp(request_->code, "x * 7") == 0 && !*request_->language && request_->n_argv == 0);
    berth__v1__execute_request__free_unpacked(request_, NULL);
    send_started(r);
    send_output(r, BERTH_STDOUT, 0, "so:", 3);
    send_display(r, 10, "a table", "<b>", false);
    send_output(r, BERTH_STDOUT, 3, "\n", 1);
    send_display(r, 20, "42", NULL, true);
    send_failure_event(r, 30, "ValueError", "no");
    send_prompt(r, 40, "? ");
    send_ended(r, 1);
}

static void the_result_of_a_piece_has_what_it_showed(void) {
    fake *server = fake_start(answer_a_piece, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    berth_command command = {.context = "c", .code = "x * 7"};
    CHECK_CODE(berth_run(client, "l", &command, &result, &error), 0);
    CHECK(strcmp((char *)result.out, "so:\n") == 0 && strcmp(result.value, "42") == 0);
    CHECK(result.n_displays == 2 && strcmp(result.failure->name, "ValueError") == 0);
    CHECK(strcmp(result.failure->message, "no") == 0 && result.ended->exit_code == 1);
    const Berth__V1__Display *table = result.displays[0];
    CHECK(strcmp(table->id, "t") == 0 && table->update && !table->result && table->position == 10);
    CHECK(berth_form(table, "text/html")->len == 3 && !berth_form(table, "image/png"));
    berth_result_clear(&result);
    CHECK(!result.displays && !result.failure && !result.value);
    berth_client_free(client);
    fake_stop(server);
}

static char story[1024];
static void tell_output(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                        void *data) {
    (void)e, (void)data, (void)stream, (void)offset;
    sprintf(story + strlen(story), "%.*s, ", (int)size, (const char *)bytes);
}
static void tell_display(berth_execution *e, const Berth__V1__Display *display, void *data) {
    const ProtobufCBinaryData *text = berth_form(display, "text/plain");
    (void)data;
    CHECK(berth_offset(e, BERTH_EVENTS) < display->position);
    sprintf(story + strlen(story), "display %.*s, ", (int)text->len, (const char *)text->data);
}
static void tell_failure(berth_execution *e, const Berth__V1__Failure *failure, void *data) {
    (void)e, (void)data;
    sprintf(story + strlen(story), "failure %s, ", failure->name);
}
static void tell_prompt(berth_execution *e, const Berth__V1__Prompt *prompt, void *data) {
    (void)e, (void)data;
    sprintf(story + strlen(story), "prompt %s%s, ", prompt->text, prompt->password ? "(password)" : "");
}
static const berth_handlers telling = {
    .output = tell_output, .display = tell_display, .failure = tell_failure, .prompt = tell_prompt};

static void hello(berth_client *client) {
    berth_error error;
    Berth__V1__HelloResponse *response;
    CHECK_CODE(berth_hello(client, &response, &error), 0);
    berth__v1__hello_response__free_unpacked(response, NULL);
}

static void what_is_shown_comes_in_order_with_the_output_also_when_it_was_paused(void) {
    for (int pauses = 0; pauses < 2; pauses++) {
        fake *server = fake_start(answer_a_piece, NULL);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        berth_command command = {.context = "c", .code = "x * 7"};
        *story = 0;
        berth_execution *e = berth_execute(client, "l", &command, &telling, NULL, &error);
        CHECK(e);
        if (pauses) {
            berth_pause(e);
            hello(client);
            hello(client);
            CHECK(!*story);
        }
        CHECK_CODE(berth_wait(e, NULL, &error), 0);
        CHECK(strcmp(story, "so:, display a table, \n, display 42, failure ValueError, prompt ? (password), ") == 0);
        CHECK(berth_offset(e, BERTH_EVENTS) == 40 && berth_offset(e, BERTH_STDOUT) == 4);
        berth_execution_free(e);
        berth_client_free(client);
        fake_stop(server);
    }
}

static void one_that_is_freed_while_it_keeps_what_was_shown_leaks_nothing(void) {
    fake *server = fake_start(answer_a_piece, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_command command = {.context = "c", .code = "x * 7"};
    berth_execution *e = berth_execute(client, "l", &command, &telling, NULL, &error);
    CHECK(e);
    berth_pause(e);
    hello(client);
    hello(client);
    berth_execution_free(e);
    berth_client_free(client);
    fake_stop(server);
}

static void free_at_display(berth_execution *e, const Berth__V1__Display *display, void *data) {
    (void)display;
    CHECK(!*(bool *)data);
    *(bool *)data = true;
    berth_execution_free(e);
}

static void a_callback_of_what_is_shown_may_free_its_execution(void) {
    for (int pauses = 0; pauses < 2; pauses++) {
        bool freed = false;
        fake *server = fake_start(answer_a_piece, NULL);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        berth_command command = {.context = "c", .code = "x * 7"};
        berth_handlers handlers = {.display = free_at_display};
        berth_execution *e = berth_execute(client, "l", &command, &handlers, &freed, &error);
        CHECK(e);
        if (pauses) {
            berth_pause(e);
            hello(client);
            hello(client);
            berth_resume(e);
        } else {
            poll_until(client, &freed, "the display");
        }
        hello(client);
        CHECK(freed);
        berth_client_free(client);
        fake_stop(server);
    }
}

/* Shows 300 things, with at most 60 on their way, from a position on. */
enum { SHOWN = 300, ON_THE_WAY = 60 };
static struct {
    pthread_mutex_t lock;
    request stream;
    uint64_t shown, acknowledged;
} shower = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void answer_showing(request *r, void *data) {
    pthread_mutex_lock(&shower.lock);
    bool begins = true;
    if (strcmp(r->method, "Execute") == 0) {
        shower.shown = shower.acknowledged = 0;
    } else if (strcmp(r->method, "Attach") == 0) {
        Berth__V1__AttachRequest *request_ = berth__v1__attach_request__unpack(NULL, r->size, r->payload);
        CHECK(request_);
        shower.shown = shower.acknowledged = request_->events_position / 10;
        berth__v1__attach_request__free_unpacked(request_, NULL);
    } else if (strcmp(r->method, "Acknowledge") == 0) {
        Berth__V1__AcknowledgeRequest *request_ = berth__v1__acknowledge_request__unpack(NULL, r->size, r->payload);
        CHECK(request_);
        shower.acknowledged = request_->events_position / 10;
        berth__v1__acknowledge_request__free_unpacked(request_, NULL);
        begins = false;
    } else {
        if (strcmp(r->method, "Hello") == 0) answer_hello(r, data);
        pthread_mutex_unlock(&shower.lock);
        return;
    }
    if (begins) {
        shower.stream = *r;
        send_started(r);
    }
    while (shower.shown < SHOWN && shower.shown - shower.acknowledged < ON_THE_WAY) {
        uint64_t position = ++shower.shown * 10;
        if (shower.shown % 3 == 0) send_display(&shower.stream, position, "x", NULL, false);
        if (shower.shown % 3 == 1) send_failure_event(&shower.stream, position, "x", "");
        if (shower.shown % 3 == 2) send_prompt(&shower.stream, position, "x");
        if (shower.shown == SHOWN) send_ended(&shower.stream, 0);
    }
    pthread_mutex_unlock(&shower.lock);
}

static void count_display(berth_execution *e, const Berth__V1__Display *display, void *data) {
    (void)e, (void)display;
    ++*(unsigned *)data;
}

static void what_is_shown_gives_credit_back_whoever_takes_it_and_when_attached_to(void) {
    for (int way = 0; way < 4; way++) {
        bool takes = way & 1, attaches = way & 2;
        unsigned displays = 0;
        fake *server = fake_start(answer_showing, NULL);
        berth_client *client = connect_to(fake_address(server), 0);
        berth_error error;
        berth_handlers handlers = {.display = takes ? count_display : NULL};
        berth_command command = {.context = "c", .code = "show"};
        berth_attach_options from = {.events_position = 1000};
        berth_execution *e = attaches ? berth_attach(client, "l", "e1", &from, &handlers, &displays, &error)
                                      : berth_execute(client, "l", &command, &handlers, &displays, &error);
        CHECK(e);
        CHECK(berth_offset(e, BERTH_EVENTS) == (attaches ? 1000u : 0u));
        CHECK_CODE(berth_wait(e, NULL, &error), 0);
        CHECK(displays == (!takes ? 0u : attaches ? 67u : 100u) && berth_offset(e, BERTH_EVENTS) == SHOWN * 10);
        berth_execution_free(e);
        berth_client_free(client);
        fake_stop(server);
    }
}

static void answer_with_a_gap(request *r, void *data) {
    Berth__V1__Dropped dropped = BERTH__V1__DROPPED__INIT;
    (void)data;
    dropped.stream = BERTH__V1__OUTPUT_STREAM__EVENTS;
    dropped.bytes = 1000;
    send_started(r);
    send_output(r, BERTH_STDOUT, 0, "a", 1);
    send_shown(r, BERTH__V1__EXECUTE_EVENT__EVENT_DROPPED, &dropped);
    send_output(r, BERTH_STDOUT, 1, "b", 1);
    send_ended(r, 0);
}

static void tell_gap(berth_execution *e, berth_stream stream, uint64_t offset, uint64_t size, void *data) {
    (void)e, (void)offset;
    CHECK(stream == BERTH_EVENTS);
    *(uint64_t *)data += size;
}

static void events_that_were_dropped_are_told_and_lose_nothing_of_the_output(void) {
    uint64_t lost = 0;
    fake *server = fake_start(answer_with_a_gap, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_execution *e =
        berth_attach(client, "l", "e1", NULL, &(berth_handlers){.dropped = tell_gap}, &lost, &error);
    CHECK(e);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(lost == 1000 && berth_offset(e, BERTH_EVENTS) == 1000 && berth_offset(e, BERTH_STDOUT) == 2);
    berth_execution_free(e);
    berth_client_free(client);
    fake_stop(server);
}

const test context_tests[] = {
    {"a context is opened, listed, completes, inspects and is closed",
     a_context_is_opened_listed_completes_inspects_and_is_closed},
    {"a context that comes after its time-out is closed", a_context_that_comes_after_its_time_out_is_closed},
    {"the result of a piece has what it showed", the_result_of_a_piece_has_what_it_showed},
    {"what is shown comes in order with the output, also when it was paused",
     what_is_shown_comes_in_order_with_the_output_also_when_it_was_paused},
    {"one that is freed while it keeps what was shown leaks nothing",
     one_that_is_freed_while_it_keeps_what_was_shown_leaks_nothing},
    {"a callback of what is shown may free its execution", a_callback_of_what_is_shown_may_free_its_execution},
    {"what is shown gives credit back, whoever takes it, and when attached to",
     what_is_shown_gives_credit_back_whoever_takes_it_and_when_attached_to},
    {"events that were dropped are told, and lose nothing of the output",
     events_that_were_dropped_are_told_and_lose_nothing_of_the_output},
    {NULL, NULL},
};
