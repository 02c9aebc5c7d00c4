// SPDX-License-Identifier: Apache-2.0

/* The verbs of contexts, and what pieces of code show, as lines. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

const context *context_of(const step *s) {
    void **c = named('p', step_text(s, "context"));
    if (!c) printf("failed no context %s\n", step_text(s, "context"));
    return c ? *c : NULL;
}

void context_free(context *c) {
    free(c->lease);
    free(c->id);
    free(c);
}

static void keep(const step *s, const char *lease, berth_context *opened) {
    context *c = calloc(1, sizeof *c);
    if (!c) abort();
    *c = (context){.lease = strdup(lease), .id = strdup(opened->id)};
    name_it('p', step_text(s, "as"), c);
    berth_context_clear(opened);
}

void do_open_context(const step *s) {
    berth_error error;
    berth_context opened;
    const char **env = step_list(s, "env");
    berth_context_options options = {.language = step_text(s, "language"),
                                     .env = env,
                                     .cwd = step_has(s, "cwd") ? step_text(s, "cwd") : NULL,
                                     .uid = (uint32_t)step_number(s, "uid")};
    int code = berth_open_context(client_of(s), lease_of(s), &options, &opened, &error);
    if (code == 0) keep(s, lease_of(s), &opened);
    free(env);
    say(s, code, "opened", "as", &error);
}

void do_fork_context(const step *s) {
    berth_error error;
    berth_context copy;
    const context *c = context_of(s);
    if (!c) return;
    int code = berth_fork_context(client_of(s), c->lease, c->id, &copy, &error);
    if (code == 0) keep(s, c->lease, &copy);
    say(s, code, "forked", "as", &error);
}

void do_close_context(const step *s) {
    berth_error error;
    const context *c = context_of(s);
    if (c) say(s, berth_close_context(client_of(s), c->lease, c->id, &error), "closed-context", "context", &error);
}

void do_contexts(const step *s) {
    berth_error error;
    Berth__V1__ListContextsResponse *response;
    if (berth_list_contexts(client_of(s), lease_of(s), &response, &error) != 0) {
        say_error(s, "lease", &error);
        return;
    }
    for (size_t i = 0; i < response->n_contexts; i++) {
        const Berth__V1__ContextInfo *info = response->contexts[i];
        printf("context %s pieces=%llu %s\n", info->language, (unsigned long long)info->pieces,
               *info->execution ? "running" : "idle");
    }
    printf("contexts %zu\n", response->n_contexts);
    berth__v1__list_contexts_response__free_unpacked(response, NULL);
}

static size_t cursor_of(const step *s) { return step_has(s, "cursor") ? step_number(s, "cursor") : BERTH_CODE_END; }

void do_complete(const step *s) {
    berth_error error;
    const context *c = context_of(s);
    Berth__V1__CompleteResponse *response;
    if (!c) return;
    if (berth_complete(client_of(s), c->lease, c->id, step_text(s, "code"), cursor_of(s), &response, &error) != 0) {
        say_error(s, "context", &error);
        return;
    }
    printf("complete start=%llu end=%llu", (unsigned long long)response->start, (unsigned long long)response->end);
    for (size_t i = 0; i < response->n_matches; i++) putchar(' '), encode_text(response->matches[i]);
    putchar('\n');
    berth__v1__complete_response__free_unpacked(response, NULL);
}

void do_inspect(const step *s) {
    berth_error error;
    const context *c = context_of(s);
    Berth__V1__InspectResponse *response;
    if (!c) return;
    if (berth_inspect(client_of(s), c->lease, c->id, step_text(s, "code"), cursor_of(s), step_has(s, "detail"),
                      &response, &error) != 0) {
        say_error(s, "context", &error);
        return;
    }
    sort_forms(response->data, response->n_data);
    for (size_t i = 0; i < response->n_data; i++) {
        fputs("form ", stdout);
        encode_text(response->data[i]->mime);
        putchar(' ');
        show(response->data[i]->data.data, response->data[i]->data.len);
        putchar('\n');
    }
    printf("inspected %d\n", response->found ? 1 : 0);
    berth__v1__inspect_response__free_unpacked(response, NULL);
}

/* --- Transcripts */

static const char *const streams[] = {"stdout", "stderr", "events"};

/* Until line_end, what is printed is a line of the transcript. */
static void line_begin(execution *e) {
    if (!e->seen.file) e->seen.file = open_memstream(&e->seen.text, &e->seen.size);
    if (!e->seen.file) abort();
    print_to(e->seen.file);
    fprintf(e->seen.file, "%s ", e->name);
    e->seen.lines++;
}

static void line_end(execution *e) {
    putc('\n', e->seen.file);
    print_to(NULL);
}

static void end_output(execution *e) {
    store *output = &e->seen.output;
    if (output->size == 0) return;
    line_begin(e);
    fprintf(e->seen.file, "%s ", streams[e->seen.stream]);
    show(output->bytes, output->size);
    line_end(e);
    output->size = 0;
}

void see_output(execution *e, berth_stream stream, const void *bytes, size_t size) {
    if (!e->has_transcript) return;
    if (stream != e->seen.stream) end_output(e);
    e->seen.stream = stream;
    append(&e->seen.output, bytes, size);
}

void see_dropped(execution *e, berth_stream stream, uint64_t size) {
    if (!e->has_transcript) return;
    end_output(e);
    line_begin(e);
    fprintf(e->seen.file, "dropped %s=%llu", streams[stream], (unsigned long long)size);
    line_end(e);
}

void see_end(execution *e) {
    if (!e->has_transcript) return;
    end_output(e);
    line_begin(e);
    if (e->ended) {
        fputs("ended ", e->seen.file);
        show_end(e->ended);
    } else {
        fprintf(e->seen.file, "error %s", berth_code_name(e->error.code));
    }
    line_end(e);
}

/* Begins the line of something that is shown, if it is wanted. */
static bool see(execution *e) {
    if (!e->has_transcript) return false;
    end_output(e);
    line_begin(e);
    return true;
}

static void seen(execution *e) {
    line_end(e);
    if (--e->shown == 0) berth_pause(e->handle);
}

void on_display(berth_execution *handle, const Berth__V1__Display *display, void *data) {
    (void)handle;
    if (!see(data)) return;
    show_display(display);
    seen(data);
}

void on_failure(berth_execution *handle, const Berth__V1__Failure *failure, void *data) {
    (void)handle;
    if (!see(data)) return;
    show_failure(failure);
    seen(data);
}

void on_prompt(berth_execution *handle, const Berth__V1__Prompt *prompt, void *data) {
    (void)handle;
    if (!see(data)) return;
    show_prompt(prompt);
    seen(data);
}

void transcript_free(transcript *t) {
    if (t->file) fclose(t->file);
    free(t->text);
    free(t->output.bytes);
    *t = (transcript){0};
}

void do_events(const step *s) {
    execution *e = execution_of(s);
    if (!e) return;
    e->has_transcript = true;
    e->enough = SIZE_MAX;
    e->shown = step_has(s, "shown") ? step_number(s, "shown") : SIZE_MAX;
    if (!e->is_over) berth_resume(e->handle);
    while (!e->is_over && e->shown > 0) berth_poll(e->client, -1);
    if (!e->is_over) berth_pause(e->handle);
    end_output(e);
    if (e->seen.file) fflush(e->seen.file);
    if (step_has(s, "digest")) {
        printf("%s events %zu crc32=%08x\n", e->name, e->seen.lines, crc32(e->seen.text, e->seen.size));
    } else if (e->seen.size > 0) {
        fwrite(e->seen.text, 1, e->seen.size, stdout);
    }
    transcript_free(&e->seen);
    e->has_transcript = false;
}
