// SPDX-License-Identifier: Apache-2.0

/* Executions: events to callbacks, credit for what they took, and what is kept while one is paused. */
#include "execution.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_WINDOW = 64 << 10, MAX_WINDOW = 1 << 20 };
/* A server that knows no windows sends what the connection takes. When so many windows are kept for a paused execution,
 * nothing more is read from the connection, and everything on it waits. */
enum { LAST_RESORT = 4 };

uint64_t window_clamp(uint64_t window) {
    if (window == 0) return WINDOW;
    return window < MIN_WINDOW ? MIN_WINDOW : window > MAX_WINDOW ? MAX_WINDOW : window;
}

/* --- What comes */

static void hold(berth_execution *e) {
    bool must = e->call && e->kept > LAST_RESORT * e->window;
    if (must && !e->holds) e->client->holds++;
    if (!must && e->holds) e->client->holds--;
    e->holds = must;
}

/* So many events are acknowledged at the latest: a server has no more than 60 under way, however small they are. */
enum { EVENTS_PER_CREDIT = 30 };

/* Gives credit back in quarters of the window, or for many events. Never for less: a server that gets credit for each small
 * piece has only small pieces to send. */
static void consumed(berth_execution *e, berth_stream stream, uint64_t up_to) {
    e->taken++;
    if (up_to > e->consumed[stream]) e->consumed[stream] = up_to;
    uint64_t owed = 0;
    for (int i = 0; i < 3; i++) owed += e->consumed[i] - e->acknowledged[i];
    if (!e->call || (owed < e->window / 4 && e->taken < EVENTS_PER_CREDIT)) return;
    e->taken = 0;
    memcpy(e->acknowledged, e->consumed, sizeof e->consumed);
    Berth__V1__AcknowledgeRequest request = BERTH__V1__ACKNOWLEDGE_REQUEST__INIT;
    request.lease = e->lease;
    request.execution = e->id;
    request.watcher = e->watcher;
    request.stdout_offset = e->consumed[0];
    request.stderr_offset = e->consumed[1];
    request.events_position = e->consumed[2];
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

/* What a piece of code shows beside its output, and the end of what a connection sends. */
static void give_shown(berth_execution *e, const Berth__V1__ExecuteEvent *event) {
    uint64_t position;
    if (event->event_case == BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT_ENDED) {
        if (e->handlers.output_ended) e->handlers.output_ended(e, e->data);
        return;
    }
    if (event->event_case == BERTH__V1__EXECUTE_EVENT__EVENT_DISPLAY) {
        position = event->display->position;
        if (e->handlers.display) e->handlers.display(e, event->display, e->data);
    } else if (event->event_case == BERTH__V1__EXECUTE_EVENT__EVENT_FAILURE) {
        position = event->failure->position;
        if (e->handlers.failure) e->handlers.failure(e, event->failure, e->data);
    } else {
        position = event->prompt->position;
        if (e->handlers.prompt) e->handlers.prompt(e, event->prompt, e->data);
    }
    if (!e->is_freed) consumed(e, BERTH_EVENTS, position);
}

/* Keeps one more, with room for bytes; size is what it counts. NULL: no memory. */
static piece *keep(berth_execution *e, size_t room, size_t size) {
    piece *p = malloc(sizeof *p + room);
    if (!p) {
        fail(&e->error, BERTH_RESOURCE_EXHAUSTED, "no memory for the program's output");
        return NULL;
    }
    *p = (piece){.size = size};
    *(e->last ? &e->last->next : &e->first) = p;
    e->last = p;
    e->kept += size;
    hold(e);
    return p;
}

static void piece_free(piece *p) {
    if (p->shown) berth__v1__execute_event__free_unpacked(p->shown, NULL);
    free(p);
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
    if (e->is_freed) execution_destroy(e);
}

void execution_message(void *owner, const unsigned char *data, size_t size) {
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
        execution_feed(e);
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
        if (stream < 0 || stream > (is_output ? BERTH_STDERR : BERTH_EVENTS)) break; /* of a newer contract */
        if (e->is_paused || e->first) {
            piece *p = keep(e, count, count);
            if (!p) break;
            p->stream = (berth_stream)stream;
            p->offset = offset;
            p->dropped = dropped;
            if (count > 0) memcpy(p->bytes, bytes, count);
        } else {
            give(e, (berth_stream)stream, offset, bytes, count, dropped);
        }
        break;
    }
    case BERTH__V1__EXECUTE_EVENT__EVENT_DISPLAY:
    case BERTH__V1__EXECUTE_EVENT__EVENT_FAILURE:
    case BERTH__V1__EXECUTE_EVENT__EVENT_PROMPT:
    case BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT_ENDED:
        if (e->is_paused || e->first) {
            piece *p = keep(e, 0, size);
            if (!p) break;
            p->shown = event;
            event = NULL;
        } else {
            give_shown(e, event);
        }
        break;
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

void execution_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    berth_execution *e = owner;
    (void)payload, (void)size;
    e->call = NULL;
    hold(e);
    e->has_begun = true;
    e->is_fed = true;
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
        if (p->shown) {
            give_shown(e, p->shown);
        } else {
            give(e, p->stream, p->offset, p->bytes, p->size, p->dropped);
        }
        piece_free(p);
    }
    tell_end(e);
    leave(e);
}

/* --- Giving up */

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
static void late_started(berth_client *client, const char *lease, const unsigned char *data, size_t size,
                         bool detaches) {
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
    if (e->feeding) call_leave(e->client, e->feeding, NULL, NULL);
    e->feeding = NULL;
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
    if (!e->is_delivering) execution_destroy(e); /* nothing of the client is touched then: it may be gone */
}

void execution_destroy(berth_execution *e) {
    for (piece *p = e->first, *next; p; p = next) {
        next = p->next;
        piece_free(p);
    }
    if (e->ending) berth__v1__execute_event__free_unpacked(e->ending, NULL);
    free(e->rest);
    free(e->lease);
    free(e->id);
    free(e->member);
    free(e);
}

/* --- What is known of it */

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
