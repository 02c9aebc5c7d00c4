// SPDX-License-Identifier: Apache-2.0

/* A test is a function with a sentence; the first thing that is wrong ends the process. */
#ifndef TEST_H
#define TEST_H

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *sentence;
    void (*run)(void);
} test;

extern const test wire_tests[], client_tests[], stream_tests[], context_tests[], use_tests[], tls_tests[], live_tests[];

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: this is not so: %s\n", __FILE__, __LINE__, #condition);                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define CHECK_CODE(expression, expected)                                                                               \
    do {                                                                                                               \
        int code_ = (expression);                                                                                      \
        if (code_ != (expected)) {                                                                                     \
            fprintf(stderr, "%s:%d: %s is %s (%s), not %s\n", __FILE__, __LINE__, #expression, berth_code_name(code_), \
                    error.message, berth_code_name(expected));                                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* A server at the level of frames, in threads of its own, one for each connection. */
typedef struct fake fake;
typedef struct {
    fake *server;
    int fd;
    uint32_t stream;
    char method[32];
    const unsigned char *payload, *data; /* of the envelope; the envelope */
    size_t size, data_size;
} request;
/* Called for each request of a connection, in turn. */
typedef void answer(request *r, void *data);

fake *fake_start(answer *answers, void *data);
/* Again, at a port that is known. */
fake *fake_start_at(const char *address, answer *answers, void *data);
const char *fake_address(const fake *server);
/* Ends all connections, and nobody listens. Then it is gone. */
void fake_stop(fake *server);
unsigned fake_count(fake *server, const char *method);

void send_frame(const request *r, uint8_t kind, uint8_t flags, const void *data, size_t size);
void send_reply(const request *r, const ProtobufCMessage *message);
void send_failure(const request *r, int code, const char *message);
void send_message(const request *r, const ProtobufCMessage *message);
void send_started(const request *r);
void send_output(const request *r, berth_stream stream, uint64_t offset, const void *bytes, size_t size);
void send_ended(const request *r, int exit_code);
void answer_hello(request *r, void *data);

berth_client *connect_to(const char *address, uint32_t timeout_ms);
/* Polls until *done, or fails after 10 s. */
void poll_until(berth_client *client, const volatile bool *done, const char *what);
/* Waits for another thread's counter. */
void wait_for(fake *server, const char *method, unsigned count);
unsigned open_descriptors(void);

#endif
