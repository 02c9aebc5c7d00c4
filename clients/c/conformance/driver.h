// SPDX-License-Identifier: Apache-2.0

/* What the steps of a scenario share. */
#ifndef DRIVER_H
#define DRIVER_H

#include "words.h"

typedef struct {
    unsigned char *bytes;
    size_t size, capacity, start;
} store;

/* What came of a piece of code, as lines; neighbouring outputs of a stream are one. */
typedef struct {
    char *text;
    size_t size, lines;
    FILE *file; /* writes the text */
    store output;
    berth_stream stream;
} transcript;

typedef struct {
    berth_execution *handle;
    berth_client *client;
    char *id, *lease; /* of lease: NULL when it runs in a member of its own */
    store kept[2];
    berth_text texts[2];
    store as_text[2]; /* what they made of it */
    uint64_t dropped[3];
    const Berth__V1__Ended *ended;
    berth_error error;
    bool is_over, output_ended;
    int wanted; /* the stream that is being read */
    size_t enough;
    char name[64];
    bool has_transcript; /* the step wants to see what is shown */
    transcript seen;
    size_t shown; /* that is still wanted */
} execution;

/* A context, by which any client may use it. */
typedef struct {
    char *lease, *id;
} context;

/* Of a kind: client, lease, execution, archive, place (a context). */
void **named(char kind, const char *name);
void name_it(char kind, const char *name, void *what);

void append(store *s, const void *bytes, size_t size);
size_t left(const store *s);

berth_client *client_of(const step *s);
const char *lease_of(const step *s);
/* NULL: an earlier step has failed to make it. */
execution *execution_of(const step *s);
/* NULL: likewise. */
const context *context_of(const step *s);

/* Those of all that the driver watches; their data is the execution. */
extern const berth_handlers handlers;
/* Waits for Started; nothing is taken before a step asks for it. */
void begun(const step *s, execution *e, const char *lease, const char *verb, berth_error *error);

void say_error(const step *s, const char *key, const berth_error *error);
/* Prints "VERB NAME", or the error. */
void say(const step *s, int code, const char *verb, const char *key, const berth_error *error);

/* --- contexts.c */

void do_open_context(const step *s);
void do_fork_context(const step *s);
void do_close_context(const step *s);
void do_contexts(const step *s);
void do_complete(const step *s);
void do_inspect(const step *s);
void do_events(const step *s);

/* --- connections.c */

void do_dial(const step *s);
void do_send(const step *s);
void do_receive(const step *s);
void do_exchange(const step *s);
void do_hang_up(const step *s);

/* What the callbacks of an execution with a transcript do. */
void see_output(execution *e, berth_stream stream, const void *bytes, size_t size);
void see_dropped(execution *e, berth_stream stream, uint64_t size);
void see_end(execution *e);
void on_display(berth_execution *handle, const Berth__V1__Display *display, void *data);
void on_failure(berth_execution *handle, const Berth__V1__Failure *failure, void *data);
void on_prompt(berth_execution *handle, const Berth__V1__Prompt *prompt, void *data);
void transcript_free(transcript *t);
void context_free(context *c);

#endif
