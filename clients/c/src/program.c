/* Programs: what begins them, what is done to them while they run, and running one from beginning to end. */
#include "execution.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PART = 256 << 10 };

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

/* Entries of env for the request; NULL: one is malformed, or no memory. *entries is to be freed, with what it points
 * to. */
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
        return fail(error, BERTH_INVALID_ARGUMENT, "the command has neither argv nor shell nor code with language"),
               NULL;
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
        execution_destroy(e);
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

/* --- While it runs */

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

static void collect(berth_execution *e, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                    void *data) {
    collected *c = data;
    (void)e, (void)offset;
    /* One more for the 0 at the end. */
    if (!buffer_reserve(&c->streams[stream], size + 1) || !buffer_append(&c->streams[stream], bytes, size))
        c->no_memory = true;
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
