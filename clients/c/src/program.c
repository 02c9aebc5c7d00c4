// SPDX-License-Identifier: Apache-2.0

/* Programs: what begins them, what is done to them while they run, and running one from beginning to end. */
#include "execution.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PART = 256 << 10 };
/* Up to here the standard input goes with the request itself. */
enum { INLINE_INPUT = 1 << 20 };

static berth_execution *execution_new(berth_client *client, const char *lease, const berth_handlers *handlers,
                                      void *data, uint64_t window, berth_error *error) {
    berth_execution *e = calloc(1, sizeof *e);
    if (!e || !(e->lease = copy_string(lease ? lease : ""))) {
        free(e);
        fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the execution");
        return NULL;
    }
    e->client = client;
    if (handlers) e->handlers = *handlers;
    e->data = data;
    e->is_fed = true;
    e->window = window_clamp(window);
    return e;
}

static berth_execution *begin(berth_execution *e, const char *method, const ProtobufCMessage *request,
                              uint32_t deadline_ms, berth_error *error) {
    e->call = call_begin(e->client, FLAG_REMOTE_CLOSED, POOL, method, request, deadline_ms, execution_message,
                         execution_end, e, error);
    if (e->call) return e;
    execution_destroy(e);
    return NULL;
}

static size_t count(const char *const *strings) {
    size_t n = 0;
    while (strings && strings[n]) n++;
    return n;
}

/* Arguments of any bytes. False: no memory. What is made is to be freed. */
static bool arguments(const char *const *argv, Berth__V1__ExecuteRequest *request, berth_error *error) {
    size_t n = count(argv);
    bool is_text = true;
    for (size_t i = 0; i < n; i++) is_text = is_text && is_utf8(argv[i], strlen(argv[i]));
    if (is_text) {
        request->argv = (char **)argv;
        request->n_argv = n;
        return true;
    }
    request->argv_raw = calloc(n, sizeof *request->argv_raw);
    if (!request->argv_raw) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the arguments"), false;
    for (size_t i = 0; i < n; i++) {
        request->argv_raw[i] = (ProtobufCBinaryData){.len = strlen(argv[i]), .data = (uint8_t *)argv[i]};
    }
    request->n_argv_raw = n;
    return true;
}

/* What of the standard input does not go with the request. False: no memory. */
static bool keep_rest(berth_execution *e, const berth_command *command, Berth__V1__ExecuteRequest *request,
                      berth_error *error) {
    e->is_fed = command->input_size <= INLINE_INPUT;
    if (e->is_fed) return true;
    request->stdin.len = MAX_PART;
    request->keep_stdin_open = true;
    e->input_offset = MAX_PART;
    e->rest_ends = !command->keep_stdin_open;
    e->rest_size = command->input_size - MAX_PART;
    e->rest = malloc(e->rest_size);
    if (!e->rest) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the input"), false;
    memcpy(e->rest, (const char *)command->input + MAX_PART, e->rest_size);
    return true;
}

static void fed(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    berth_execution *e = owner;
    (void)payload, (void)size;
    e->feeding = NULL;
    if (error) { /* the program has ended, or does not read; its end tells */
        e->is_fed = true;
        return;
    }
    e->rest_sent += e->rest_part;
    e->input_offset += e->rest_part;
    execution_feed(e);
}

void execution_feed(berth_execution *e) {
    if (e->is_fed || e->feeding || !e->id) return;
    e->rest_part = e->rest_size - e->rest_sent < MAX_PART ? e->rest_size - e->rest_sent : MAX_PART;
    if (e->rest_part == 0) {
        e->is_fed = true;
        free(e->rest);
        e->rest = NULL;
        return;
    }
    Berth__V1__InputRequest request = BERTH__V1__INPUT_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    request.offset = e->input_offset;
    request.data = (ProtobufCBinaryData){.len = e->rest_part, .data = e->rest + e->rest_sent};
    request.end = e->rest_ends && e->rest_sent + e->rest_part == e->rest_size;
    e->feeding = call_begin(e->client, 0, POOL, "Input", &request.base, 0, NULL, fed, e, NULL);
    if (!e->feeding) e->is_fed = true;
}

berth_execution *berth_execute(berth_client *client, const char *lease, const berth_command *command,
                               const berth_handlers *handlers, void *data, berth_error *error) {
    Berth__V1__ExecuteRequest request = BERTH__V1__EXECUTE_REQUEST__INIT;
    Berth__V1__Terminal terminal = BERTH__V1__TERMINAL__INIT;
    variables env = {0};
    bool has_code = command->language || (command->context && command->code);
    if (!(command->argv && command->argv[0]) && !command->shell && !has_code) {
        return fail(error, BERTH_INVALID_ARGUMENT,
                    "the command has neither argv nor shell nor code with a language or a context"),
               NULL;
    }
    if (command->no_echo && !command->terminal) {
        return fail(error, BERTH_INVALID_ARGUMENT, "no_echo is of a terminal: set terminal too"), NULL;
    }
    berth_execution *e = execution_new(client, lease, handlers, data, command->window, error);
    if (!e) return NULL;
    e->input_offset = command->input_size;
    e->detaches = command->resumable_ms > 0;
    request.lease = e->lease;
    if (command->shell) request.shell = (char *)command->shell;
    if (command->code) request.code = (char *)command->code;
    if (command->language) request.language = (char *)command->language;
    if (command->context) request.context = (char *)command->context;
    if (command->cwd) put_word(command->cwd, &request.cwd, &request.cwd_raw);
    request.merge_output = command->merge_output;
    request.uid = command->uid;
    request.stdin = (ProtobufCBinaryData){.len = command->input_size, .data = (uint8_t *)command->input};
    request.keep_stdin_open = command->keep_stdin_open;
    if (command->terminal) {
        terminal.rows = command->rows;
        terminal.columns = command->columns;
        terminal.no_echo = command->no_echo;
        request.terminal = &terminal;
    }
    request.timeout_ms = command->timeout_ms;
    request.grace_ms = command->grace_ms;
    request.idle_timeout_ms = command->idle_timeout_ms;
    request.cpu_time_ms = command->cpu_time_ms;
    request.keep_background = command->keep_background;
    request.window_bytes = e->window;
    request.max_output_bytes = command->max_output;
    if (command->kill_at_max_output) request.output_policy = BERTH__V1__OUTPUT_POLICY__KILL_AT_LIMIT;
    request.resumable_ms = command->resumable_ms;
    if (command->wait_unwatched) request.unwatched = BERTH__V1__UNWATCHED__WAIT;
    if (!lease) {
        if (command->pool) request.pool = (char *)command->pool;
        request.wait_ms = command->wait_ms;
    }
    if (keep_rest(e, command, &request, error) && arguments(command->argv, &request, error) &&
        variables_set(&env, command->env, &berth__v1__execute_request__env_entry__descriptor, error)) {
        request.env = (Berth__V1__ExecuteRequest__EnvEntry **)env.entries;
        request.n_env = env.n_entries;
        request.env_raw = env.raw;
        request.n_env_raw = env.n_raw;
        e = begin(e, "Execute", &request.base, command->deadline_ms, error);
    } else {
        execution_destroy(e);
        e = NULL;
    }
    variables_free(&env);
    free(request.argv_raw);
    return e;
}

berth_execution *berth_attach(berth_client *client, const char *lease, const char *execution,
                              const berth_attach_options *options, const berth_handlers *handlers, void *data,
                              berth_error *error) {
    static const berth_attach_options standard;
    if (!options) options = &standard;
    berth_execution *e = execution_new(client, lease, handlers, data, options->window, error);
    if (!e) return NULL;
    e->detaches = true;
    e->input_offset = options->input_offset;
    e->asks_for_offset = options->input_offset == 0;
    e->consumed[0] = e->acknowledged[0] = options->stdout_offset;
    e->consumed[1] = e->acknowledged[1] = options->stderr_offset;
    e->consumed[2] = e->acknowledged[2] = options->events_position;
    Berth__V1__AttachRequest request = BERTH__V1__ATTACH_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = (char *)execution;
    request.stdout_offset = options->stdout_offset;
    request.stderr_offset = options->stderr_offset;
    request.events_position = options->events_position;
    request.from_now = options->from_now;
    request.observe = options->observe;
    request.window_bytes = e->window;
    return begin(e, "Attach", &request.base, 0, error);
}

berth_execution *berth_connect(berth_client *client, const char *lease, const berth_connect_options *options,
                               const berth_handlers *handlers, void *data, berth_error *error) {
    if (!options->path == !options->port) {
        return fail(error, BERTH_INVALID_ARGUMENT, "a connection goes to a path or to a port: set one of both"), NULL;
    }
    berth_execution *e = execution_new(client, lease, handlers, data, options->window, error);
    if (!e) return NULL;
    e->detaches = true; /* nobody else watches it: then it is closed, and what was sent arrives */
    Berth__V1__ConnectRequest request = BERTH__V1__CONNECT_REQUEST__INIT;
    request.lease = e->lease;
    if (options->path) put_word(options->path, &request.path, &request.path_raw);
    request.port = options->port;
    request.wait_ms = options->wait_ms;
    request.timeout_ms = options->timeout_ms;
    request.idle_timeout_ms = options->idle_timeout_ms;
    request.window_bytes = e->window;
    return begin(e, "Connect", &request.base, 0, error);
}

/* --- While it runs */

static int not_started(berth_error *error) {
    return fail(error, BERTH_FAILED_PRECONDITION, "the program has not started");
}

/* The answer to nothing at the beginning says how much was taken. */
static int ask_for_offset(berth_execution *e, berth_error *error) {
    ProtobufCMessage *answer;
    Berth__V1__InputRequest request = BERTH__V1__INPUT_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    int code = pool_call(e->client, "Input", &request, &berth__v1__input_response__descriptor, &answer, error);
    if (code != 0) return code;
    e->input_offset = ((Berth__V1__InputResponse *)answer)->offset;
    e->asks_for_offset = false;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

int berth_input(berth_execution *e, const void *bytes, size_t size, bool end, berth_error *error) {
    if (!e->id) return not_started(error);
    int waited = wait_until(e->client, &e->is_fed, error); /* what was to be first */
    if (waited == 0 && e->asks_for_offset) waited = ask_for_offset(e, error);
    if (waited != 0) return waited;
    do {
        size_t part = size < MAX_PART ? size : MAX_PART;
        Berth__V1__InputRequest request = BERTH__V1__INPUT_REQUEST__INIT;
        request.lease = e->lease;
        request.execution = e->id;
        request.offset = e->input_offset;
        request.data = (ProtobufCBinaryData){.len = part, .data = (uint8_t *)bytes};
        request.end = end && part == size;
        int code = pool_call(e->client, "Input", &request, &berth__v1__input_response__descriptor, NULL, error);
        if (code != 0) return code;
        e->input_offset += part;
        bytes = (const char *)bytes + part;
        size -= part;
    } while (size > 0);
    return 0;
}

static int send_signal(berth_execution *e, const char *name, int number, bool cancel, berth_error *error) {
    if (!e->id) return not_started(error);
    Berth__V1__SignalRequest request = BERTH__V1__SIGNAL_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    if (name) request.name = (char *)name;
    request.signal = number;
    request.cancel = cancel;
    return pool_call(e->client, "Signal", &request, &berth__v1__signal_response__descriptor, NULL, error);
}

int berth_signal(berth_execution *e, const char *name, berth_error *error) {
    return send_signal(e, name, 0, false, error);
}

int berth_signal_number(berth_execution *e, int number, berth_error *error) {
    return send_signal(e, NULL, number, false, error);
}

int berth_cancel(berth_execution *e, berth_error *error) { return send_signal(e, NULL, 0, true, error); }

int berth_resize(berth_execution *e, uint32_t rows, uint32_t columns, berth_error *error) {
    if (!e->id) return not_started(error);
    Berth__V1__ResizeTerminalRequest request = BERTH__V1__RESIZE_TERMINAL_REQUEST__INIT;
    Berth__V1__Terminal terminal = BERTH__V1__TERMINAL__INIT;
    terminal.rows = rows;
    terminal.columns = columns;
    request.lease = e->lease;
    request.execution = e->id;
    request.terminal = &terminal;
    return pool_call(e->client, "Resize", &request, &berth__v1__resize_terminal_response__descriptor, NULL, error);
}

int berth_detach(berth_execution *e, berth_error *error) {
    if (!e->id) return not_started(error);
    Berth__V1__DetachRequest request = BERTH__V1__DETACH_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    request.watcher = e->watcher;
    return pool_call(e->client, "Detach", &request, &berth__v1__detach_response__descriptor, NULL, error);
}

/* --- Run */

typedef struct {
    buffer streams[2];
    berth_result result; /* displays, failure and value */
    bool no_memory;
} collected;

static void collect(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                    void *data) {
    collected *c = data;
    (void)e, (void)offset;
    /* One more for the 0 at the end. */
    if (!buffer_reserve(&c->streams[stream], size + 1) || !buffer_append(&c->streams[stream], bytes, size))
        c->no_memory = true;
}

/* Takes what is in a message that is about to be freed. NULL: no memory. */
static void *taken(const ProtobufCMessage *message) {
    size_t size = message->descriptor->sizeof_message;
    void *copy = malloc(size);
    if (!copy) return NULL;
    memcpy(copy, message, size);
    message->descriptor->message_init((ProtobufCMessage *)message);
    return copy;
}

static void collect_value(berth_result *result, const Berth__V1__Display *display) {
    const ProtobufCBinaryData *text = berth_form(display, "text/plain");
    free(result->value);
    result->value = text ? calloc(1, text->len + 1) : NULL;
    if (result->value && text->len > 0) memcpy(result->value, text->data, text->len);
}

static void collect_display(berth_execution *e, const Berth__V1__Display *display, void *data) {
    collected *c = data;
    berth_result *result = &c->result;
    (void)e;
    Berth__V1__Display **more = realloc(result->displays, (result->n_displays + 1) * sizeof *more);
    if (more) result->displays = more;
    Berth__V1__Display *mine = more ? taken(&display->base) : NULL;
    if (!mine) {
        c->no_memory = true;
        return;
    }
    result->displays[result->n_displays++] = mine;
    if (mine->result) collect_value(result, mine);
}

static void collect_failure(berth_execution *e, const Berth__V1__Failure *failure, void *data) {
    collected *c = data;
    (void)e;
    if (c->result.failure) berth__v1__failure__free_unpacked(c->result.failure, NULL);
    c->result.failure = taken(&failure->base);
    if (!c->result.failure) c->no_memory = true;
}

int berth_run(berth_client *client, const char *lease, const berth_command *command, berth_result *result,
              berth_error *error) {
    static const berth_handlers collecting = {
        .output = collect, .display = collect_display, .failure = collect_failure};
    collected c = {0};
    *result = (berth_result){0};
    if (client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    if (command->keep_stdin_open) {
        return fail(error, BERTH_INVALID_ARGUMENT,
                    "berth_run has no way to write to a standard input that is kept open: use berth_execute");
    }
    berth_error why;
    berth_execution *e = berth_execute(client, lease, command, &collecting, &c, &why);
    if (!e) return fail_with(error, &why);
    int code = berth_wait(e, NULL, error);
    for (int i = 0; i < 2 && code == 0; i++) {
        if (c.no_memory || !buffer_reserve(&c.streams[i], 1)) {
            code = fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the program's output");
        } else {
            c.streams[i].bytes[c.streams[i].size] = 0;
        }
    }
    c.result.out = c.streams[0].bytes;
    c.result.out_size = c.streams[0].size;
    c.result.err = c.streams[1].bytes;
    c.result.err_size = c.streams[1].size;
    if (code == 0) {
        /* The end outlives its execution in a message of its own. */
        Berth__V1__ExecuteEvent *event = e->ending;
        c.result.ended = event->ended;
        event->event_case = BERTH__V1__EXECUTE_EVENT__EVENT__NOT_SET;
        event->ended = NULL;
        e->ended = NULL;
        *result = c.result;
    } else {
        berth_result_clear(&c.result);
    }
    berth_execution_free(e);
    return code;
}

void berth_result_clear(berth_result *result) {
    free(result->out);
    free(result->err);
    if (result->ended) berth__v1__ended__free_unpacked(result->ended, NULL);
    for (size_t i = 0; i < result->n_displays; i++) berth__v1__display__free_unpacked(result->displays[i], NULL);
    free(result->displays);
    if (result->failure) berth__v1__failure__free_unpacked(result->failure, NULL);
    free(result->value);
    *result = (berth_result){0};
}
