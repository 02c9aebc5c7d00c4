// SPDX-License-Identifier: Apache-2.0

/* The verbs of connections. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

static execution *connection_of(const step *s) {
    void **e = named('e', step_text(s, "conn"));
    if (!e) printf("failed no connection %s\n", step_text(s, "conn"));
    return e ? *e : NULL;
}

void do_dial(const step *s) {
    berth_error error = {0};
    berth_connect_options options = {.path = step_has(s, "path") ? step_text(s, "path") : NULL,
                                     .port = (uint16_t)step_number(s, "port"),
                                     .wait_ms = (uint32_t)step_number(s, "wait_ms"),
                                     .timeout_ms = (uint32_t)step_number(s, "timeout_ms"),
                                     .idle_timeout_ms = (uint32_t)step_number(s, "idle_timeout_ms"),
                                     .window = step_number(s, "window")};
    execution *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->client = client_of(s);
    e->handle = berth_connect(client_of(s), lease_of(s), &options, &handlers, e, &error);
    begun(s, e, lease_of(s), "dialled", &error);
}

static int input(const step *s, execution *e, bool end) {
    size_t size;
    unsigned char *bytes = step_bytes(s, "data", "repeat", &size);
    int code = berth_input(e->handle, bytes, size, end, NULL);
    free(bytes);
    return code;
}

void do_send(const step *s) {
    execution *e = connection_of(s);
    if (!e) return;
    int code = input(s, e, step_has(s, "end"));
    bool takes_no_more = code == BERTH_FAILED_PRECONDITION || code == BERTH_NOT_FOUND;
    printf("send %s%s\n", step_text(s, "conn"), code == 0 ? "" : takes_no_more ? " broken" : " aborted");
}

static bool has_ended(const execution *e) { return e->output_ended || e->is_over; }

static const char *end_of(const execution *e) {
    if (e->output_ended || (e->ended && e->ended->cause == BERTH__V1__END_CAUSE__EXITED)) return "end";
    return e->ended && e->ended->cause == BERTH__V1__END_CAUSE__CONNECTION_RESET ? "reset" : "aborted";
}

static void receive(const step *s, execution *e) {
    store *from = &e->kept[BERTH_STDOUT];
    e->wanted = BERTH_STDOUT;
    e->enough = step_has(s, "bytes") ? step_number(s, "bytes") : SIZE_MAX;
    if (!e->is_over) berth_resume(e->handle);
    while (!has_ended(e) && left(from) < e->enough) berth_poll(e->client, -1);
    if (!e->is_over) berth_pause(e->handle);
    size_t size = left(from) < e->enough ? left(from) : e->enough;
    if (size > 0) {
        printf("%s received ", step_text(s, "conn"));
        show(from->bytes + from->start, size);
        putchar('\n');
    }
    from->start += size;
    if (has_ended(e) && left(from) == 0) printf("%s %s\n", step_text(s, "conn"), end_of(e));
}

void do_receive(const step *s) {
    execution *e = connection_of(s);
    if (e) receive(s, e);
}

void do_exchange(const step *s) {
    execution *e = connection_of(s);
    if (!e) return;
    e->enough = SIZE_MAX;
    berth_resume(e->handle); /* so that what comes is taken while this sends */
    input(s, e, true);
    receive(s, e);
}

void do_hang_up(const step *s) {
    execution *e = connection_of(s);
    if (!e) return;
    berth_execution_free(e->handle);
    e->handle = NULL;
    e->is_over = true;
    printf("hung-up %s\n", step_text(s, "conn"));
}
