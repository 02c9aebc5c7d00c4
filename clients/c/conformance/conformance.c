// SPDX-License-Identifier: Apache-2.0

/* Replays the scenarios that all clients share: conformance FILE [SCENARIO…], with BERTH_SERVER set.
 * What it prints is described in clients/conformance/README.md. */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the steps of a scenario know by name. */
typedef struct {
    char kind; /* client, lease, execution, archive, place (a context) */
    char name[64];
    void *what;
} entry;

static entry entries[256];
static size_t entry_count;

void **named(char kind, const char *name) {
    for (size_t i = entry_count; i > 0; i--) {
        if (entries[i - 1].kind == kind && strcmp(entries[i - 1].name, name) == 0) return &entries[i - 1].what;
    }
    return NULL;
}

void name_it(char kind, const char *name, void *what) {
    if (entry_count == sizeof entries / sizeof *entries) {
        fputs("conformance: the scenario has too many names\n", stderr);
        exit(1);
    }
    entries[entry_count].kind = kind;
    snprintf(entries[entry_count].name, sizeof entries->name, "%s", name);
    entries[entry_count++].what = what;
}

static void forget_all(void) {
    static const char order[] = {'e', 'c', 'l', 'a', 'p'}; /* executions before their clients */
    for (size_t k = 0; k < sizeof order; k++) {
        for (size_t i = 0; i < entry_count; i++) {
            if (entries[i].kind != order[k] || !entries[i].what) continue;
            if (order[k] == 'c') {
                berth_client_free(entries[i].what);
            } else if (order[k] == 'e') {
                execution *e = entries[i].what;
                berth_execution_free(e->handle);
                free(e->kept[0].bytes);
                free(e->kept[1].bytes);
                free(e->as_text[0].bytes);
                free(e->as_text[1].bytes);
                transcript_free(&e->seen);
                free(e->id);
                free(e->lease);
                free(e);
            } else if (order[k] == 'p') {
                context_free(entries[i].what);
            } else if (order[k] == 'a') {
                free(((store *)entries[i].what)->bytes);
                free(entries[i].what);
            } else {
                free(entries[i].what);
            }
        }
    }
    entry_count = 0;
}

void append(store *s, const void *bytes, size_t size) {
    if (s->capacity - s->size < size) {
        s->capacity = (s->size + size) * 2;
        s->bytes = realloc(s->bytes, s->capacity);
        if (!s->bytes) abort();
    }
    if (size > 0) memcpy(s->bytes + s->size, bytes, size);
    s->size += size;
}

size_t left(const store *s) { return s->size - s->start; }

/* --- A step */

berth_client *client_of(const step *s) {
    void **client = named('c', step_has(s, "client") ? step_text(s, "client") : "main");
    return client ? *client : *named('c', "main");
}

const char *lease_of(const step *s) {
    void **lease = named('l', step_text(s, "lease"));
    return lease ? *lease : "no such name in the scenario";
}

execution *execution_of(const step *s) {
    void **e = named('e', step_text(s, "exec"));
    if (!e) printf("failed no execution %s\n", step_text(s, "exec"));
    return e ? *e : NULL;
}

void say_error(const step *s, const char *key, const berth_error *error) {
    fputs(s->verb, stdout);
    if (key) {
        putchar(' ');
        encode_text(step_text(s, key));
    }
    printf(" error %s", berth_code_name(error->code));
    if (step_has(s, "reason")) printf(" reason=%s", berth_reason_name(error->reason));
    putchar('\n');
}

void say(const step *s, int code, const char *verb, const char *key, const berth_error *error) {
    if (code != 0) {
        say_error(s, key, error);
    } else {
        printf("%s ", verb);
        encode_text(step_text(s, key));
        putchar('\n');
    }
}

static void do_connect(const step *s) {
    berth_error error;
    berth_options options = {.connect_timeout_ms = (uint32_t)step_number(s, "connect_timeout_ms")};
    berth_client *client = berth_client_new(step_has(s, "address") ? step_text(s, "address") : NULL, &options, &error);
    if (client) {
        name_it('c', step_text(s, "as"), client);
        say(s, 0, "connected", "as", &error);
    } else {
        printf("connect %s refused ", step_text(s, "as"));
        show(error.message, strlen(error.message));
        putchar('\n');
    }
}

static void do_close(const step *s) {
    void **client = named('c', step_text(s, "client"));
    if (client) {
        berth_client_free(*client); /* what it ran is told so, and freed at the end */
        *client = NULL;
    }
    printf("closed %s\n", step_text(s, "client"));
}

static void do_hello(const step *s) {
    berth_error error;
    Berth__V1__HelloResponse *response;
    if (berth_hello(client_of(s), &response, &error) != 0) {
        say_error(s, NULL, &error);
        return;
    }
    fputs("hello pools=", stdout);
    for (size_t i = 0; i < response->n_pools; i++) printf("%s%s", i ? "," : "", response->pools[i]);
    putchar('\n');
    berth__v1__hello_response__free_unpacked(response, NULL);
}

static void do_acquire(const step *s) {
    berth_error error;
    berth_lease lease;
    berth_acquire_options options = {.pool = step_text(s, "pool"),
                                     .wait_ms = (uint32_t)step_number(s, "wait_ms"),
                                     .ttl_ms = (uint32_t)step_number(s, "ttl_ms"),
                                     .detached = step_has(s, "detached")};
    int code = berth_acquire(client_of(s), &options, &lease, &error);
    if (code == 0) {
        name_it('l', step_text(s, "as"), strdup(lease.token));
        berth_lease_clear(&lease);
    }
    say(s, code, "acquired", "as", &error);
}

static void do_token(const step *s) { name_it('l', step_text(s, "as"), strdup(step_text(s, "token"))); }

static void do_renew(const step *s) {
    berth_error error;
    uint32_t ttl = (uint32_t)step_number(s, "ttl_ms");
    say(s, berth_renew(client_of(s), lease_of(s), &ttl, &error), "renewed", "lease", &error);
}

static void do_release(const step *s) {
    berth_error error;
    say(s, berth_release(client_of(s), lease_of(s), &error), "released", "lease", &error);
}

/* The value of a field by its name, as text. */
static void stats_field(const Berth__V1__StatsResponse *stats, const char *name, char *value, size_t size) {
    snprintf(value, size, "unknown");
    if (strcmp(name, "connections") == 0 || strcmp(name, "executions") == 0) {
        snprintf(value, size, "%u", *name == 'c' ? stats->connections : stats->executions);
        return;
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&berth__v1__pool_stats__descriptor, name);
    if (!field || stats->n_pools == 0) return;
    const char *at = (const char *)stats->pools[0] + field->offset;
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        snprintf(value, size, "%u", *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        snprintf(value, size, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        snprintf(value, size, "%s", *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        snprintf(value, size, "%s", *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM: {
        const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
        snprintf(value, size, "%s", v ? v->name : "unknown");
        for (char *c = value; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        break;
    }
    default:
        break;
    }
}

static void do_stats(const step *s) {
    berth_error error;
    Berth__V1__StatsResponse *stats;
    if (berth_stats(client_of(s), &stats, &error) != 0) {
        say_error(s, NULL, &error);
        return;
    }
    fputs("stats", stdout);
    for (size_t i = 0; i < s->count; i++) {
        char value[128];
        if (strcmp(s->words[i].key, "field") != 0) continue;
        stats_field(stats, s->words[i].value, value, sizeof value);
        printf(" %s=%s", s->words[i].value, value);
    }
    putchar('\n');
    berth__v1__stats_response__free_unpacked(stats, NULL);
}

static int64_t now_in_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void do_await(const step *s) {
    int64_t until = now_in_ms() + (step_has(s, "timeout_ms") ? (int64_t)step_number(s, "timeout_ms") : 5000);
    for (;;) {
        berth_error error;
        Berth__V1__StatsResponse *stats;
        char value[128];
        if (berth_stats(client_of(s), &stats, &error) != 0) {
            say_error(s, NULL, &error);
            return;
        }
        stats_field(stats, step_text(s, "field"), value, sizeof value);
        berth__v1__stats_response__free_unpacked(stats, NULL);
        if (strcmp(value, step_text(s, "value")) == 0 || now_in_ms() >= until) {
            printf("await %s=%s\n", step_text(s, "field"), value);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* --- Programs */

static const char *text_or_null(const step *s, const char *key) { return step_has(s, key) ? step_text(s, key) : NULL; }

/* The step's PROGRAM; argv, env and input are to be freed. */
static berth_command command_of(const step *s) {
    berth_command c = {.argv = step_list(s, "argv"),
                       .shell = text_or_null(s, "shell"),
                       .code = text_or_null(s, "code"),
                       .language = text_or_null(s, "language"),
                       .env = step_list(s, "env"),
                       .cwd = text_or_null(s, "cwd"),
                       .uid = (uint32_t)step_number(s, "uid"),
                       .keep_stdin_open = step_has(s, "stdin_open"),
                       .terminal = step_has(s, "terminal"),
                       .timeout_ms = (uint32_t)step_number(s, "timeout_ms"),
                       .grace_ms = (uint32_t)step_number(s, "grace_ms"),
                       .idle_timeout_ms = (uint32_t)step_number(s, "idle_timeout_ms"),
                       .cpu_time_ms = (uint32_t)step_number(s, "cpu_time_ms"),
                       .keep_background = step_has(s, "keep_background"),
                       .window = step_number(s, "window"),
                       .max_output = step_number(s, "max_output_bytes"),
                       .kill_at_max_output = strcmp(step_text(s, "output_policy"), "kill") == 0,
                       .resumable_ms = (uint32_t)step_number(s, "resumable_ms"),
                       .wait_unwatched = strcmp(step_text(s, "unwatched"), "wait") == 0,
                       .pool = text_or_null(s, "pool"),
                       .wait_ms = (uint32_t)step_number(s, "wait_ms"),
                       .deadline_ms = (uint32_t)step_number(s, "deadline_ms")};
    c.merge_output = step_has(s, "merge_output");
    c.no_echo = step_has(s, "no_echo");
    c.input = step_bytes(s, "stdin", "stdin_repeat", &c.input_size);
    if (step_has(s, "argv_repeat")) { /* the driver ends with its process: this is never freed */
        const char **last = (const char **)c.argv;
        while (last[0] && last[1]) last++;
        size_t size = strlen(*last), times = step_number(s, "argv_repeat");
        char *all = malloc(size * times + 1);
        for (size_t i = 0; all && i < times; i++) memcpy(all + i * size, *last, size);
        if (all) all[size * times] = 0, *last = all;
    }
    if (c.terminal) sscanf(step_text(s, "terminal"), "%ux%u", &c.rows, &c.columns);
    return c;
}

static void command_free(berth_command *c) {
    free((void *)c->argv);
    free((void *)c->env);
    free((void *)c->input);
}

/* Where the step's PROGRAM runs: NULL in a member of its own. False: its context is not there. */
static bool place_of(const step *s, berth_command *command, const char **lease) {
    *lease = step_has(s, "lease") ? lease_of(s) : NULL;
    if (!step_has(s, "context")) return true;
    const context *c = context_of(s);
    if (!c) return false;
    command->context = c->id;
    *lease = c->lease;
    return true;
}

static void do_run(const step *s) {
    berth_error error;
    berth_result result;
    berth_command command = command_of(s);
    const char *lease;
    if (!place_of(s, &command, &lease)) {
        command_free(&command);
        return;
    }
    if (berth_run(client_of(s), lease, &command, &result, &error) != 0) {
        say_error(s, NULL, &error);
    } else {
        if (result.out_size > 0) fputs("stdout ", stdout), show(result.out, result.out_size), putchar('\n');
        if (result.err_size > 0) fputs("stderr ", stdout), show(result.err, result.err_size), putchar('\n');
        for (size_t i = 0; i < result.n_displays; i++) show_display(result.displays[i]), putchar('\n');
        if (result.failure) show_failure(result.failure), putchar('\n');
        if (result.value) fputs("value ", stdout), show(result.value, strlen(result.value)), putchar('\n');
        fputs("ended ", stdout);
        show_end(result.ended);
        putchar('\n');
        berth_result_clear(&result);
    }
    command_free(&command);
}

static void on_text(const char *text, size_t size, void *data) { append(data, text, size); }

static void on_output(berth_execution *handle, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                      void *data) {
    execution *e = data;
    (void)offset;
    see_output(e, stream, bytes, size);
    append(&e->kept[stream], bytes, size);
    berth_text_add(&e->texts[stream], bytes, size, on_text, &e->as_text[stream]);
    if ((int)stream == e->wanted && left(&e->kept[stream]) >= e->enough) berth_pause(handle);
}

static void on_dropped(berth_execution *handle, berth_stream stream, uint64_t offset, uint64_t size, void *data) {
    (void)handle, (void)offset;
    ((execution *)data)->dropped[stream] += size;
    see_dropped(data, stream, size);
}

static void on_ended(berth_execution *handle, const Berth__V1__Ended *ended, const berth_error *error, void *data) {
    execution *e = data;
    (void)handle;
    e->ended = ended;
    if (error) e->error = *error;
    e->is_over = true;
    see_end(e);
}

static void on_output_ended(berth_execution *handle, void *data) {
    (void)handle;
    ((execution *)data)->output_ended = true;
}

const berth_handlers handlers = {.output = on_output,
                                 .dropped = on_dropped,
                                 .ended = on_ended,
                                 .display = on_display,
                                 .failure = on_failure,
                                 .prompt = on_prompt,
                                 .output_ended = on_output_ended};

void begun(const step *s, execution *e, const char *lease, const char *verb, berth_error *error) {
    int code = error->code;
    snprintf(e->name, sizeof e->name, "%s", step_text(s, "as"));
    if (e->handle) {
        berth_pause(e->handle);
        code = berth_wait_started(e->handle, error);
    }
    if (code == 0) {
        const char *id = berth_execution_id(e->handle);
        e->id = strdup(id ? id : "");
        e->lease = lease ? strdup(lease) : NULL;
        name_it('e', step_text(s, "as"), e);
    } else {
        berth_execution_free(e->handle);
        free(e);
    }
    say(s, code, verb, "as", error);
}

static void do_start(const step *s) {
    berth_error error = {0};
    berth_command command = command_of(s);
    const char *lease;
    if (!place_of(s, &command, &lease)) {
        command_free(&command);
        return;
    }
    execution *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->client = client_of(s);
    e->handle = berth_execute(client_of(s), lease, &command, &handlers, e, &error);
    begun(s, e, lease, "started", &error);
    command_free(&command);
}

static void do_attach(const step *s) {
    execution *of = execution_of(s);
    if (!of) return;
    berth_error error = {0};
    berth_attach_options options = {.stdout_offset = step_number(s, "stdout_offset"),
                                    .stderr_offset = step_number(s, "stderr_offset"),
                                    .from_now = step_has(s, "from_now"),
                                    .observe = step_has(s, "observe"),
                                    .window = step_number(s, "window")};
    execution *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->client = client_of(s);
    e->handle = berth_attach(client_of(s), of->lease, of->id, &options, &handlers, e, &error);
    begun(s, e, of->lease, "attached", &error);
}

static void do_read(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    store *from = &e->kept[strcmp(step_text(s, "stream"), "stderr") == 0];
    e->wanted = from == &e->kept[1];
    e->enough = step_number(s, "bytes");
    if (!e->is_over && left(from) < e->enough) {
        berth_resume(e->handle);
        while (!e->is_over && left(from) < e->enough) berth_poll(e->client, -1);
        berth_pause(e->handle);
    }
    if (e->error.code) {
        printf("%s error %s\n", step_text(s, "exec"), berth_code_name(e->error.code));
        return;
    }
    size_t size = left(from) < e->enough ? left(from) : e->enough;
    printf("%s %s ", step_text(s, "exec"), e->wanted ? "stderr" : "stdout");
    show(from->bytes + from->start, size);
    putchar('\n');
    from->start += size;
}

static void do_text(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    const char *name = step_text(s, "exec");
    e->enough = SIZE_MAX;
    if (!e->is_over && e->handle) berth_wait(e->handle, NULL, NULL);
    for (int stream = 0; stream < 2; stream++) {
        berth_text_end(&e->texts[stream], on_text, &e->as_text[stream]);
        if (e->as_text[stream].size == 0) continue;
        printf("%s %s ", name, stream ? "stderr" : "stdout");
        show(e->as_text[stream].bytes, e->as_text[stream].size);
        putchar('\n');
    }
    if (e->error.code) {
        printf("%s error %s\n", name, berth_code_name(e->error.code));
    } else {
        printf("%s ended ", name);
        show_end(e->ended);
        putchar('\n');
    }
}

static void do_finish(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    const char *name = step_text(s, "exec");
    e->enough = SIZE_MAX;
    if (!e->is_over && e->handle) berth_wait(e->handle, NULL, NULL);
    for (int stream = 0; stream < 2; stream++) {
        store *kept = &e->kept[stream];
        if (left(kept) == 0) continue;
        printf("%s %s ", name, stream ? "stderr" : "stdout");
        show(kept->bytes + kept->start, left(kept));
        putchar('\n');
        kept->start = kept->size;
    }
    static const char *const streams[] = {"stdout", "stderr", "events"};
    for (int stream = 0; stream < 3; stream++) {
        if (e->dropped[stream]) {
            printf("%s dropped %s=%llu\n", name, streams[stream], (unsigned long long)e->dropped[stream]);
        }
    }
    if (e->error.code) {
        printf("%s error %s\n", name, berth_code_name(e->error.code));
    } else {
        printf("%s ended ", name);
        show_end(e->ended);
        putchar('\n');
    }
}

static void do_input(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    berth_error error;
    size_t size;
    unsigned char *bytes = step_bytes(s, "data", "repeat", &size);
    say(s, berth_input(e->handle, bytes, size, step_has(s, "end"), &error), "input", "exec", &error);
    free(bytes);
}

static void do_signal(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    berth_error error;
    int number = (int)step_number(s, "signal");
    int code = number > 0 ? berth_signal_number(e->handle, number, &error)
                          : berth_signal(e->handle, step_text(s, "signal"), &error);
    say(s, code, "signal", "exec", &error);
}

static void do_cancel(const step *s) {
    execution *e = execution_of(s);
    berth_error error;
    if (e) say(s, berth_cancel(e->handle, &error), "cancel", "exec", &error);
}

static void do_resize(const step *s) {
    execution *e = execution_of(s);
    berth_error error;
    if (!e) return;
    int code = berth_resize(e->handle, (uint32_t)step_number(s, "rows"), (uint32_t)step_number(s, "columns"), &error);
    say(s, code, "resize", "exec", &error);
}

static void do_detach(const step *s) {
    execution *e = execution_of(s);
    berth_error error;
    if (e) say(s, berth_detach(e->handle, &error), "detach", "exec", &error);
}

static void do_executions(const step *s) {
    berth_error error;
    Berth__V1__ListExecutionsResponse *response;
    if (berth_list_executions(client_of(s), lease_of(s), &response, &error) != 0) {
        say_error(s, "lease", &error);
        return;
    }
    size_t ended = 0;
    for (size_t i = 0; i < response->n_executions; i++) ended += response->executions[i]->ended != NULL;
    printf("executions running=%zu ended=%zu\n", response->n_executions - ended, ended);
    berth__v1__list_executions_response__free_unpacked(response, NULL);
}

/* --- Files */

static ptrdiff_t from_store(void *bytes, size_t size, void *data) {
    store *s = data;
    if (size > left(s)) size = left(s);
    if (size > 0) memcpy(bytes, s->bytes + s->start, size);
    s->start += size;
    return (ptrdiff_t)size;
}

static int to_store(const void *bytes, size_t size, void *data) {
    append(data, bytes, size);
    return 0;
}

static void do_write_file(const step *s) {
    berth_error error;
    store content = {0};
    content.bytes = step_bytes(s, "data", "repeat", &content.size);
    uint32_t mode = (uint32_t)strtoul(step_text(s, "mode"), NULL, 8);
    say(s,
        berth_write_file(client_of(s), lease_of(s), step_text(s, "path"), from_store, &content, mode,
                         step_has(s, "parents"), &error),
        "wrote", "path", &error);
    free(content.bytes);
}

static void do_read_file(const step *s) {
    berth_error error;
    store content = {0};
    Berth__V1__FileInfo *info;
    if (berth_read_file(client_of(s), lease_of(s), step_text(s, "path"), step_number(s, "offset"),
                        step_number(s, "length"), to_store, &content, &info, &error) != 0) {
        say_error(s, "path", &error);
    } else {
        fputs("file ", stdout);
        encode_text(step_text(s, "path"));
        printf(" size=%llu mode=%04o\n", info ? (unsigned long long)info->size : 0, info ? info->mode : 0);
        if (content.size > 0) fputs("data ", stdout), show(content.bytes, content.size), putchar('\n');
        if (info) berth__v1__file_info__free_unpacked(info, NULL);
    }
    free(content.bytes);
}

static void show_info(const char *what, const Berth__V1__FileInfo *info) {
    printf("%s ", what);
    if (info->name_raw.len > 0) {
        encode(info->name_raw.data, info->name_raw.len);
    } else {
        encode_text(info->name);
    }
    putchar(' ');
    show_enum(&berth__v1__file_type__descriptor, (int)info->type);
    if (info->type == BERTH__V1__FILE_TYPE__REGULAR) printf(" size=%llu", (unsigned long long)info->size);
    printf(" mode=%04o", info->mode);
}

static void on_entry(const Berth__V1__FileInfo *info, void *data) {
    (*(size_t *)data)++;
    show_info("entry", info);
    putchar('\n');
}

static void do_stat(const step *s) {
    berth_error error;
    Berth__V1__FileInfo *info;
    if (berth_stat(client_of(s), lease_of(s), step_text(s, "path"), step_has(s, "follow"), &info, &error) != 0) {
        say_error(s, "path", &error);
        return;
    }
    show_info("info", info);
    if (info->link_target.len > 0) fputs(" target=", stdout), encode(info->link_target.data, info->link_target.len);
    putchar('\n');
    berth__v1__file_info__free_unpacked(info, NULL);
}

static uint32_t mode_of(const step *s) { return (uint32_t)strtoul(step_text(s, "mode"), NULL, 8); }

static void do_make_directory(const step *s) {
    berth_error error;
    say(s,
        berth_make_directory(client_of(s), lease_of(s), step_text(s, "path"), mode_of(s), step_has(s, "parents"),
                             &error),
        "made", "path", &error);
}

static void do_rename(const step *s) {
    berth_error error;
    say(s,
        berth_rename(client_of(s), lease_of(s), step_text(s, "path"), step_text(s, "to"), step_has(s, "no_replace"),
                     &error),
        "renamed", "path", &error);
}

static void do_change_mode(const step *s) {
    berth_error error;
    say(s, berth_change_mode(client_of(s), lease_of(s), step_text(s, "path"), mode_of(s), &error), "changed", "path",
        &error);
}

static void do_list(const step *s) {
    berth_error error;
    size_t count = 0;
    if (berth_list_directory(client_of(s), lease_of(s), step_text(s, "path"), on_entry, &count, &error) != 0) {
        say_error(s, "path", &error);
    } else {
        printf("listed %zu\n", count);
    }
}

static void do_remove(const step *s) {
    berth_error error;
    say(s, berth_remove(client_of(s), lease_of(s), step_text(s, "path"), step_has(s, "recursive"), &error), "removed",
        "path", &error);
}

static void do_read_archive(const step *s) {
    berth_error error;
    store *archive = calloc(1, sizeof *archive);
    if (!archive) abort();
    int code = berth_read_archive(client_of(s), lease_of(s), step_text(s, "path"), to_store, archive, &error);
    if (code == 0) {
        name_it('a', step_text(s, "as"), archive);
    } else {
        free(archive->bytes);
        free(archive);
    }
    say(s, code, "archive", "as", &error);
}

static void do_write_archive(const step *s) {
    berth_error error;
    uint64_t files = 0;
    void **found = named('a', step_text(s, "archive"));
    store empty = {0}, copy = found ? *(store *)*found : empty;
    if (berth_write_archive(client_of(s), lease_of(s), step_text(s, "path"), from_store, &copy, &files, &error) != 0) {
        say_error(s, "archive", &error);
    } else {
        printf("unpacked files=%llu\n", (unsigned long long)files);
    }
}

static void do_world(const step *s) {
    char line[64];
    printf("@%s\n", step_text(s, "action"));
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) fputs("conformance: nobody changes the world\n", stderr);
}

/* --- All steps */

#define PROGRAM                                                                                                        \
    " argv shell code language lease pool wait_ms env cwd uid stdin stdin_repeat timeout_ms grace_ms idle_timeout_ms " \
    "cpu_time_ms max_output_bytes output_policy keep_background deadline_ms argv_repeat merge_output context "

static const struct {
    const char *verb;
    void (*act)(const step *);
    const char *keys;
} verbs[] = {
    {"connect", do_connect, " as window connect_timeout_ms address "},
    {"close", do_close, ""},
    {"hello", do_hello, ""},
    {"acquire", do_acquire, " as pool wait_ms detached ttl_ms "},
    {"token", do_token, " as token "},
    {"renew", do_renew, " lease ttl_ms "},
    {"release", do_release, " lease "},
    {"stats", do_stats, " field "},
    {"await", do_await, " field value timeout_ms "},
    {"run", do_run, PROGRAM},
    {"start", do_start, PROGRAM " as stdin_open terminal no_echo window resumable_ms unwatched "},
    {"read", do_read, " exec bytes stream "},
    {"finish", do_finish, " exec "},
    {"text", do_text, " exec "},
    {"stat", do_stat, " lease path follow "},
    {"make-directory", do_make_directory, " lease path mode parents "},
    {"rename", do_rename, " lease path to no_replace "},
    {"change-mode", do_change_mode, " lease path mode "},
    {"input", do_input, " exec data repeat end "},
    {"signal", do_signal, " exec signal "},
    {"cancel", do_cancel, " exec "},
    {"resize", do_resize, " exec rows columns "},
    {"detach", do_detach, " exec "},
    {"attach", do_attach, " as exec stdout_offset stderr_offset from_now observe window "},
    {"executions", do_executions, " lease "},
    {"write-file", do_write_file, " lease path data repeat mode parents "},
    {"read-file", do_read_file, " lease path offset length "},
    {"list", do_list, " lease path "},
    {"remove", do_remove, " lease path recursive "},
    {"read-archive", do_read_archive, " as lease path "},
    {"write-archive", do_write_archive, " archive lease path "},
    {"open-context", do_open_context, " as lease language env cwd uid "},
    {"close-context", do_close_context, " context "},
    {"fork-context", do_fork_context, " as context "},
    {"dial", do_dial, " as lease port path wait_ms timeout_ms idle_timeout_ms window "},
    {"send", do_send, " conn data repeat end "},
    {"receive", do_receive, " conn bytes "},
    {"exchange", do_exchange, " conn data repeat "},
    {"hang-up", do_hang_up, " conn "},
    {"contexts", do_contexts, " lease "},
    {"complete", do_complete, " context code cursor "},
    {"inspect", do_inspect, " context code cursor detail "},
    {"events", do_events, " exec shown digest "},
    {"world", do_world, " action "},
};

static void perform(const step *s) {
    for (size_t v = 0; v < sizeof verbs / sizeof *verbs; v++) {
        if (strcmp(verbs[v].verb, s->verb) != 0) continue;
        for (size_t i = 0; i < s->count; i++) {
            char key[64];
            snprintf(key, sizeof key, " %s ", s->words[i].key);
            if (!strstr(verbs[v].keys, key) && !strstr(" client within_ms reason ", key)) {
                printf("unsupported %s %s\n", s->verb, s->words[i].key);
                return;
            }
        }
        int64_t began = now_in_ms();
        verbs[v].act(s);
        if (step_has(s, "within_ms") && now_in_ms() - began > (int64_t)step_number(s, "within_ms")) puts("late");
        return;
    }
    printf("unsupported %s\n", s->verb);
}

int main(int argc, char **argv) {
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, argc > 1 ? "conformance: %s: %s\n" : "usage: conformance FILE [SCENARIO...]\n", argv[1],
                strerror(errno));
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *line = NULL;
    size_t capacity = 0;
    bool active = false;
    while (getline(&line, &capacity, file) >= 0) {
        step s;
        if (!step_parse(&s, line)) continue;
        if (strcmp(s.verb, "scenario") == 0) {
            const char *name = s.count > 0 ? s.words[0].key : "";
            active = argc == 2;
            for (int i = 2; i < argc; i++) active |= strcmp(argv[i], name) == 0;
            if (!active) continue;
            berth_error error;
            berth_client *client = berth_client_new(NULL, NULL, &error);
            if (!client) {
                fprintf(stderr, "conformance: %s\n", error.message);
                return 1;
            }
            name_it('c', "main", client);
            printf("scenario %s\n", name);
        } else if (active && strcmp(s.verb, "end") == 0) {
            forget_all();
            puts("end");
            active = false;
        } else if (active) {
            perform(&s);
        }
    }
    free(line);
    fclose(file);
    return 0;
}
