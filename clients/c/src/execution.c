/* Executions: events to callbacks, credit for what they took, and what is kept while one is paused. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_WINDOW = 64 << 10, MAX_WINDOW = 1 << 20 };
/* A server that knows no windows sends what the connection takes. When so many windows are kept for a paused execution,
 * nothing more is read from the connection, and everything on it waits. */
enum { LAST_RESORT = 4 };
enum { MAX_PART = 256 << 10 };

/* Output, or a gap in it, that is kept while paused. */
typedef struct piece {
    struct piece *next;
    berth_stream stream;
    uint64_t offset, dropped;
    size_t size;
    unsigned char bytes[];
} piece;

struct berth_execution {
    berth_client *client;
    call *call; /* NULL: it is over */
    char *lease, *id, *member;
    uint32_t watcher;
    uint64_t window;
    bool detaches; /* when it is given up; else it is cancelled */

    berth_handlers handlers;
    void *data;
    uint64_t consumed[2], acknowledged[2], input_offset;

    bool is_paused, is_delivering, is_freed, holds;
    piece *first, *last;
    uint64_t kept;

    bool has_begun; /* started, or over */
    bool was_told;  /* the end */
    Berth__V1__Ended *ended;
    berth_error error;
    Berth__V1__ExecuteEvent *ending; /* where ended is in */
};

uint64_t window_clamp(uint64_t window) {
    if (window == 0) return WINDOW;
    return window < MIN_WINDOW ? MIN_WINDOW : window > MAX_WINDOW ? MAX_WINDOW : window;
}

/* --- What comes */

static void really_free(berth_execution *e);

static void hold(berth_execution *e) {
    bool must = e->call && e->kept > LAST_RESORT * e->window;
    if (must && !e->holds) e->client->holds++;
    if (!must && e->holds) e->client->holds--;
    e->holds = must;
}

/* Gives credit back in quarters of the window. */
static void consumed(berth_execution *e, berth_stream stream, uint64_t up_to) {
    if (up_to > e->consumed[stream]) e->consumed[stream] = up_to;
    uint64_t owed = e->consumed[0] - e->acknowledged[0] + e->consumed[1] - e->acknowledged[1];
    if (!e->call || owed < e->window / 4) return;
    memcpy(e->acknowledged, e->consumed, sizeof e->consumed);
    Berth__V1__AcknowledgeRequest request = BERTH__V1__ACKNOWLEDGE_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    request.watcher = e->watcher;
    request.stdout_offset = e->consumed[0];
    request.stderr_offset = e->consumed[1];
    call_post(e->client, "Acknowledge", &request.base);
}

static void give(berth_execution *e, berth_stream stream, uint64_t offset, const unsigned char *bytes, size_t size,
                 uint64_t dropped) {
    if (dropped > 0) {
        if (e->handlers.dropped) e->handlers.dropped(e, stream, offset, dropped, e->data);
    } else if (e->handlers.output) {
        e->handlers.output(e, stream, offset, bytes, size, e->data);
    }
    if (!e->is_freed) consumed(e, stream, offset + size + dropped);
}

static void keep(berth_execution *e, berth_stream stream, uint64_t offset, const unsigned char *bytes, size_t size,
                 uint64_t dropped) {
    piece *p = malloc(sizeof *p + size);
    if (!p) {
        fail(&e->error, BERTH_RESOURCE_EXHAUSTED, "no memory for the program's output");
        return;
    }
    *p = (piece){.stream = stream, .offset = offset, .dropped = dropped, .size = size};
    if (size > 0) memcpy(p->bytes, bytes, size);
    *(e->last ? &e->last->next : &e->first) = p;
    e->last = p;
    e->kept += size;
    hold(e);
}

static void tell_end(berth_execution *e) {
    if (e->call || e->first || e->is_paused || e->was_told || e->is_freed) return;
    e->was_told = true;
    if (!e->handlers.ended) return;
    if (e->ended && !e->error.code) {
        e->handlers.ended(e, e->ended, NULL, e->data);
    } else {
        e->handlers.ended(e, NULL, &e->error, e->data);
    }
}

/* Callbacks may free the execution: that waits until they have returned. */
static void enter(berth_execution *e) {
    e->client->depth++;
    e->is_delivering = true;
}

static void leave(berth_execution *e) {
    e->client->depth--;
    e->is_delivering = false;
    if (e->is_freed) really_free(e);
}

static void on_message(void *owner, const unsigned char *data, size_t size) {
    berth_execution *e = owner;
    Berth__V1__ExecuteEvent *event = berth__v1__execute_event__unpack(NULL, size, data);
    if (!event) {
        fail(&e->error, BERTH_INTERNAL, "the server sent a malformed event");
        return;
    }
    enter(e);
    switch (event->event_case) {
    case BERTH__V1__EXECUTE_EVENT__EVENT_STARTED:
        if (e->id) break;
        e->id = copy_string(event->started->execution);
        e->member = copy_string(event->started->member);
        e->watcher = event->started->watcher;
        e->has_begun = true;
        if (e->handlers.started) e->handlers.started(e, e->data);
        break;
    case BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT:
    case BERTH__V1__EXECUTE_EVENT__EVENT_DROPPED: {
        bool is_output = event->event_case == BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT;
        int stream = is_output ? (int)event->output->stream : (int)event->dropped->stream;
        uint64_t offset = is_output ? event->output->offset : event->dropped->offset;
        const unsigned char *bytes = is_output ? event->output->data.data : NULL;
        size_t count = is_output ? event->output->data.len : 0;
        uint64_t dropped = is_output ? 0 : event->dropped->bytes;
        if (stream < 0 || stream > 1) break; /* of a newer contract */
        if (e->is_paused || e->first) {
            keep(e, (berth_stream)stream, offset, bytes, count, dropped);
        } else {
            give(e, (berth_stream)stream, offset, bytes, count, dropped);
        }
        break;
    }
    case BERTH__V1__EXECUTE_EVENT__EVENT_ENDED:
        if (e->ended) break;
        e->ending = event;
        e->ended = event->ended;
        event = NULL;
        break;
    default:
        break;
    }
    if (event) berth__v1__execute_event__free_unpacked(event, NULL);
    leave(e);
}

static void on_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    berth_execution *e = owner;
    (void)payload, (void)size;
    e->call = NULL;
    hold(e);
    e->has_begun = true;
    if (e->ended || e->error.code) {
        /* It is told already. */
    } else if (error) {
        e->error = *error;
    } else {
        fail(&e->error, BERTH_INTERNAL, "the server ended the stream without an end of the program");
    }
    enter(e);
    tell_end(e);
    leave(e);
}

void berth_pause(berth_execution *e) { e->is_paused = true; }

void berth_resume(berth_execution *e) {
    e->is_paused = false;
    if (e->is_delivering) return; /* the one below, or the event that is being told, goes on */
    enter(e);
    while (e->first && !e->is_paused && !e->is_freed) {
        piece *p = e->first;
        e->first = p->next;
        if (!e->first) e->last = NULL;
        e->kept -= p->size;
        hold(e);
        give(e, p->stream, p->offset, p->bytes, p->size, p->dropped);
        free(p);
    }
    tell_end(e);
    leave(e);
}

/* --- Beginning and giving up */

static berth_execution *execution_new(berth_client *client, const char *lease, const berth_handlers *handlers, void *data,
                                      uint64_t window, berth_error *error) {
    berth_execution *e = calloc(1, sizeof *e);
    if (!e || !(e->lease = copy_string(lease ? lease : ""))) {
        free(e);
        fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the execution");
        return NULL;
    }
    e->client = client;
    if (handlers) e->handlers = *handlers;
    e->data = data;
    e->window = window_clamp(window);
    return e;
}

static berth_execution *begin(berth_execution *e, const char *method, const ProtobufCMessage *request, uint32_t deadline_ms,
                              berth_error *error) {
    e->call = call_begin(e->client, FLAG_REMOTE_CLOSED, POOL, method, request, deadline_ms, on_message, on_end, e, error);
    if (e->call) return e;
    really_free(e);
    return NULL;
}

static size_t count(const char *const *strings) {
    size_t n = 0;
    while (strings && strings[n]) n++;
    return n;
}

/* Entries of env for the request; NULL: one is malformed, or no memory. *entries is to be freed, with what it points to. */
static bool environment(const char *const *env, Berth__V1__ExecuteRequest *request, berth_error *error) {
    size_t n = count(env);
    if (n == 0) return true;
    request->env = calloc(n, sizeof *request->env);
    for (size_t i = 0; request->env && i < n; i++) {
        const char *equals = strchr(env[i], '=');
        if (!equals || equals == env[i]) {
            fail(error, BERTH_INVALID_ARGUMENT, "\"%s\" in env is not NAME=VALUE", env[i]);
            return false;
        }
        Berth__V1__ExecuteRequest__EnvEntry *entry = malloc(sizeof *entry);
        if (!entry) break;
        berth__v1__execute_request__env_entry__init(entry);
        request->env[request->n_env++] = entry;
        entry->key = strndup(env[i], (size_t)(equals - env[i]));
        entry->value = (char *)equals + 1;
        if (!entry->key) break;
        if (i + 1 == n) return true;
    }
    fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the environment");
    return false;
}

static void free_environment(Berth__V1__ExecuteRequest *request) {
    for (size_t i = 0; i < request->n_env; i++) {
        free(request->env[i]->key);
        free(request->env[i]);
    }
    free(request->env);
}

berth_execution *berth_execute(berth_client *client, const char *lease, const berth_command *command,
                               const berth_handlers *handlers, void *data, berth_error *error) {
    Berth__V1__ExecuteRequest request = BERTH__V1__EXECUTE_REQUEST__INIT;
    Berth__V1__Terminal terminal = BERTH__V1__TERMINAL__INIT;
    if (!(command->argv && command->argv[0]) && !command->shell && !command->language) {
        return fail(error, BERTH_INVALID_ARGUMENT, "the command has neither argv nor shell nor code with language"), NULL;
    }
    berth_execution *e = execution_new(client, lease, handlers, data, command->window, error);
    if (!e) return NULL;
    e->input_offset = command->input_size;
    e->detaches = command->resumable_ms > 0;
    request.lease = e->lease;
    request.argv = (char **)command->argv;
    request.n_argv = count(command->argv);
    if (command->shell) request.shell = (char *)command->shell;
    if (command->code) request.code = (char *)command->code;
    if (command->language) request.language = (char *)command->language;
    if (command->cwd) request.cwd = (char *)command->cwd;
    request.uid = command->uid;
    request.stdin = (ProtobufCBinaryData){.len = command->input_size, .data = (uint8_t *)command->input};
    request.keep_stdin_open = command->keep_stdin_open;
    if (command->terminal) {
        terminal.rows = command->rows;
        terminal.columns = command->columns;
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
    if (environment(command->env, &request, error)) {
        e = begin(e, "Execute", &request.base, command->deadline_ms, error);
    } else {
        really_free(e);
        e = NULL;
    }
    free_environment(&request);
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
    e->consumed[0] = e->acknowledged[0] = options->stdout_offset;
    e->consumed[1] = e->acknowledged[1] = options->stderr_offset;
    Berth__V1__AttachRequest request = BERTH__V1__ATTACH_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = (char *)execution;
    request.stdout_offset = options->stdout_offset;
    request.stderr_offset = options->stderr_offset;
    request.from_now = options->from_now;
    request.observe = options->observe;
    request.window_bytes = e->window;
    return begin(e, "Attach", &request.base, 0, error);
}

static void tell_cancel(berth_client *client, const char *lease, const char *execution) {
    Berth__V1__SignalRequest request = BERTH__V1__SIGNAL_REQUEST__INIT;
    request.lease = (char *)lease;
    request.execution = (char *)execution;
    request.cancel = true;
    call_post(client, "Signal", &request.base);
}

static void tell_detach(berth_client *client, const char *lease, const char *execution, uint32_t watcher) {
    Berth__V1__DetachRequest request = BERTH__V1__DETACH_REQUEST__INIT;
    request.lease = (char *)lease;
    request.execution = (char *)execution;
    request.watcher = watcher;
    call_post(client, "Detach", &request.base);
}

/* One that was given up before it had started has now. */
static void late_started(berth_client *client, const char *lease, const unsigned char *data, size_t size, bool detaches) {
    Berth__V1__ExecuteEvent *event = berth__v1__execute_event__unpack(NULL, size, data);
    if (event && event->event_case == BERTH__V1__EXECUTE_EVENT__EVENT_STARTED) {
        if (detaches) {
            tell_detach(client, lease, event->started->execution, event->started->watcher);
        } else {
            tell_cancel(client, lease, event->started->execution);
        }
    }
    if (event) berth__v1__execute_event__free_unpacked(event, NULL);
}

static void late_cancel(berth_client *client, const char *lease, const unsigned char *data, size_t size) {
    late_started(client, lease, data, size, false);
}

static void late_detach(berth_client *client, const char *lease, const unsigned char *data, size_t size) {
    late_started(client, lease, data, size, true);
}

void berth_execution_free(berth_execution *e) {
    if (!e || e->is_freed) return;
    e->is_freed = true;
    if (e->call) {
        call_leave(e->client, e->call, e->lease, e->id ? NULL : e->detaches ? late_detach : late_cancel);
        e->call = NULL;
        if (e->id && !e->ended) {
            if (e->detaches) {
                tell_detach(e->client, e->lease, e->id, e->watcher);
            } else {
                tell_cancel(e->client, e->lease, e->id);
            }
        }
    }
    if (e->holds) hold(e);
    if (!e->is_delivering) really_free(e); /* nothing of the client is touched then: it may be gone */
}

static void really_free(berth_execution *e) {
    for (piece *p = e->first, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (e->ending) berth__v1__execute_event__free_unpacked(e->ending, NULL);
    free(e->lease);
    free(e->id);
    free(e->member);
    free(e);
}

/* --- While it runs */

const char *berth_execution_id(const berth_execution *e) { return e->id; }
const char *berth_execution_member(const berth_execution *e) { return e->member; }
const char *berth_execution_lease(const berth_execution *e) { return e->lease; }
bool berth_has_ended(const berth_execution *e) { return e->was_told; }
uint64_t berth_offset(const berth_execution *e, berth_stream stream) { return e->consumed[stream]; }

int berth_wait_started(berth_execution *e, berth_error *error) {
    int code = wait_until(e->client, &e->has_begun, error);
    if (code != 0) return code;
    return e->error.code ? fail_with(error, &e->error) : 0;
}

int berth_wait(berth_execution *e, const Berth__V1__Ended **ended, berth_error *error) {
    if (e->client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    if (ended) *ended = NULL;
    if (!e->was_told) berth_resume(e);
    while (!e->was_told) {
        if (e->is_paused) return fail(error, BERTH_FAILED_PRECONDITION, "its callback has paused it");
        berth_poll(e->client, -1);
    }
    if (e->error.code) return fail_with(error, &e->error);
    if (ended) *ended = e->ended;
    return 0;
}

static int not_started(berth_error *error) {
    return fail(error, BERTH_FAILED_PRECONDITION, "the program has not started");
}

int berth_input(berth_execution *e, const void *bytes, size_t size, bool end, berth_error *error) {
    if (!e->id) return not_started(error);
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
    bool no_memory;
} collected;

static void collect(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size, void *data) {
    collected *c = data;
    (void)e, (void)offset;
    /* One more for the 0 at the end. */
    if (!buffer_reserve(&c->streams[stream], size + 1) || !buffer_append(&c->streams[stream], bytes, size)) c->no_memory = true;
}

int berth_run(berth_client *client, const char *lease, const berth_command *command, berth_result *result,
              berth_error *error) {
    collected c = {0};
    *result = (berth_result){0};
    if (client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    berth_error why;
    berth_execution *e = berth_execute(client, lease, command, &(berth_handlers){.output = collect}, &c, &why);
    if (!e) return fail_with(error, &why);
    int code = berth_wait(e, NULL, error);
    for (int i = 0; i < 2 && code == 0; i++) {
        if (c.no_memory || !buffer_reserve(&c.streams[i], 1)) {
            code = fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the program's output");
        } else {
            c.streams[i].bytes[c.streams[i].size] = 0;
        }
    }
    if (code == 0) {
        *result = (berth_result){c.streams[0].bytes, c.streams[0].size, c.streams[1].bytes, c.streams[1].size, NULL};
        /* The end outlives its execution in a message of its own. */
        Berth__V1__ExecuteEvent *event = e->ending;
        result->ended = event->ended;
        event->event_case = BERTH__V1__EXECUTE_EVENT__EVENT__NOT_SET;
        event->ended = NULL;
        e->ended = NULL;
    } else {
        buffer_clear(&c.streams[0]);
        buffer_clear(&c.streams[1]);
    }
    berth_execution_free(e);
    return code;
}

void berth_result_clear(berth_result *result) {
    free(result->out);
    free(result->err);
    if (result->ended) berth__v1__ended__free_unpacked(result->ended, NULL);
    *result = (berth_result){0};
}
