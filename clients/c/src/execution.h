// SPDX-License-Identifier: Apache-2.0

/* An execution, for execution.c and program.c. */
#ifndef BERTH_EXECUTION_H
#define BERTH_EXECUTION_H

#include "internal.h"

/* Output, a gap in it, or what a piece of code shows, that is kept while paused. */
typedef struct piece {
    struct piece *next;
    Berth__V1__ExecuteEvent *shown; /* or output */
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
    uint64_t consumed[3], acknowledged[3], input_offset; /* of output, and of what is shown beside it */
    bool asks_for_offset; /* others have written before */
    unsigned taken;       /* events since the last credit */
    /* Standard input that did not go with the request: sent once it has started, a piece after the other. */
    unsigned char *rest;
    size_t rest_size, rest_sent, rest_part;
    bool rest_ends, is_fed;
    call *feeding;

    bool is_paused, is_delivering, is_freed, holds;
    piece *first, *last;
    uint64_t kept;

    bool has_begun; /* started, or over */
    bool was_told;  /* the end */
    Berth__V1__Ended *ended;
    berth_error error;
    Berth__V1__ExecuteEvent *ending; /* where ended is in */
};

/* What the call of an execution gives to it, its owner. */
void execution_message(void *owner, const unsigned char *data, size_t size);
void execution_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error);
void execution_destroy(berth_execution *e);
/* Sends the next piece of the input that did not go with the request. */
void execution_feed(berth_execution *e);

#endif
