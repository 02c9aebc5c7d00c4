// SPDX-License-Identifier: Apache-2.0

/* proto/vectors, as a client uses them. */
#include "test.h"

#include <ctype.h>
#include <sys/socket.h>

typedef struct {
    char name[128];
    unsigned char client[4096], server[4096];
    size_t client_size, server_size;
} vector;

static vector vectors[32];
static size_t vector_count;

static void load(void) {
    FILE *file = fopen("../../proto/vectors/recorded.txt", "r");
    char line[4096];
    CHECK(file);
    vector_count = 0;
    memset(vectors, 0, sizeof vectors);
    vector *v = NULL;
    bool from_client = false;
    while (fgets(line, sizeof line, file)) {
        char *at = line;
        line[strcspn(line, "#\n")] = 0;
        if (strncmp(line, "vector ", 7) == 0) {
            v = &vectors[vector_count++];
            snprintf(v->name, sizeof v->name, "%.100s", line + 7);
            continue;
        }
        if (strncmp(line, "C>S", 3) == 0 || strncmp(line, "S>C", 3) == 0) {
            from_client = *line == 'C';
            at += 3;
        }
        for (; *at; at++) {
            unsigned byte;
            if (!isxdigit((unsigned char)*at)) continue;
            CHECK(v && sscanf(at++, "%2x", &byte) == 1);
            if (from_client) {
                v->client[v->client_size++] = (unsigned char)byte;
            } else {
                v->server[v->server_size++] = (unsigned char)byte;
            }
        }
    }
    fclose(file);
    CHECK(vector_count == 7);
}

static vector *named(const char *name) {
    for (size_t i = 0; i < vector_count; i++) {
        if (strcmp(vectors[i].name, name) == 0) return &vectors[i];
    }
    CHECK(!"the vector is there");
    return NULL;
}

static void requests_are_the_recorded_bytes(void) {
    load();
    buffer frame;
    berth_error error;
    vector *v = named("unary call with time-out and metadata");
    /* {1: "default", 2: 1000} is an AcquireRequest too. The recorded time-out is no whole ms: it is put in by hand. */
    Berth__V1__AcquireRequest acquire = BERTH__V1__ACQUIRE_REQUEST__INIT;
    acquire.pool = "default";
    acquire.wait_ms = 1000;
    CHECK_CODE(request_frame(&frame, 0, "demo.v1.Exec", "Acquire", &acquire.base, 5000, "t", &error), 0);
    frame_set_stream(frame.bytes, 1);
    CHECK(frame.size == v->client_size);
    size_t timeout = 10 + 14 + 9 + 14 + 1;
    memcpy(frame.bytes + timeout, v->client + timeout, 5);
    CHECK(memcmp(frame.bytes, v->client, frame.size) == 0);
    buffer_clear(&frame);

    v = named("server stream of two events");
    /* {1: "log", 2: 4, 3: 2} */
    Berth__V1__Started started = BERTH__V1__STARTED__INIT;
    started.execution = "log";
    CHECK_CODE(request_frame(&frame, FLAG_REMOTE_CLOSED, "demo.v1.Exec", "Execute", &started.base, 0, NULL, &error), 0);
    CHECK(memcmp(frame.bytes + 4, v->client + 4, 4) != 0);
    frame_set_stream(frame.bytes, 5);
    CHECK(memcmp(frame.bytes + 4, v->client + 4, 6) == 0);
    CHECK(memcmp(frame.bytes + 10, v->client + 10, 14 + 9) == 0);
    buffer_clear(&frame);
}

/* --- Answers, in pieces */

static struct {
    const vector *vector;
    size_t piece; /* 0: whole */
    unsigned seed;
} way;

static void answer_recorded(request *r, void *data) {
    unsigned char bytes[4096];
    const vector *v = way.vector; /* the test goes on as soon as it has all */
    (void)data;
    memcpy(bytes, v->server, v->server_size);
    for (size_t at = 0; at < v->server_size; at += HEADER + header_read(bytes + at).length) {
        frame_set_stream(bytes + at, r->stream);
    }
    for (size_t sent = 0; sent < v->server_size;) {
        size_t left = v->server_size - sent;
        size_t size = way.piece ? 1 + (size_t)rand_r(&way.seed) % way.piece : left;
        if (size > left) size = left;
        CHECK(send(r->fd, bytes + sent, size, MSG_NOSIGNAL) == (ssize_t)size);
        sent += size;
    }
}

static struct {
    unsigned char bytes[256];
    size_t size;
    unsigned messages;
    bool done;
    berth_error error;
} got;

static void on_message(void *owner, const unsigned char *data, size_t size) {
    (void)owner;
    memcpy(got.bytes + got.size, data, size);
    got.size += size;
    got.messages++;
}

static void on_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    (void)owner;
    CHECK(!got.done);
    got.done = true;
    if (size > 0) memcpy(got.bytes, payload, got.size = size);
    if (error) got.error = *error;
}

static void expect(const char *bytes, size_t size, int code, const char *message) {
    CHECK(got.size == size && memcmp(got.bytes, bytes, size) == 0);
    CHECK(got.error.code == code && strcmp(got.error.message, message) == 0);
}

static void answers_in_pieces_are_the_recorded_ones(void) {
    load();
    way.seed = (unsigned)now_ms();
    printf("seed %u\n", way.seed);
    fake *server = fake_start(answer_recorded, NULL);
    for (size_t i = 0; i < vector_count; i++) {
        const vector *v = &vectors[i];
        bool streams = v->server[8] == KIND_DATA;
        if (v->server_size == 0) continue;
        for (size_t piece = 0; piece <= 8; piece += piece ? 7 : 1) {
            berth_error error;
            berth_client *client = connect_to(fake_address(server), 0);
            Berth__V1__HelloRequest request_ = BERTH__V1__HELLO_REQUEST__INIT;
            way.vector = v;
            way.piece = piece;
            memset(&got, 0, sizeof got);
            CHECK(call_begin(client, streams ? FLAG_REMOTE_CLOSED : 0, "demo.v1.Exec", "X", &request_.base, 0,
                             on_message, on_end, &got, &error));
            poll_until(client, &got.done, v->name);
            if (strcmp(v->name, "unary call with time-out and metadata") == 0) expect("\x0a\x07lease-1", 9, 0, "");
            if (strcmp(v->name, "server stream of two events") == 0) {
                expect("\x0a\x04\0\0\0\0\x0a\x04\0\0\0\0\x18\x01", 14, 0, "");
                CHECK(got.messages == 2);
            }
            if (strcmp(v->name, "handler error") == 0) expect("", 0, BERTH_UNKNOWN, "boom");
            if (strcmp(v->name, "empty unary answer") == 0) expect("", 0, 0, "");
            if (strcmp(v->name, "bad method") == 0) expect("", 0, BERTH_UNIMPLEMENTED, "method Nope");
            if (strcmp(v->name, "messages of a client stream") == 0) expect("\x08\x02\x10\x02", 4, 0, "");
            berth_client_free(client);
        }
    }
    fake_stop(server);
}

static void answer_too_long(request *r, void *data) {
    static const unsigned char long_one[MAX_DATA + 1];
    if (strcmp(r->method, "Stats") == 0) {
        send_frame(r, KIND_RESPONSE, 0, long_one, sizeof long_one);
    } else {
        answer_hello(r, data);
    }
}

static void a_frame_over_the_limit_is_skipped(void) {
    fake *server = fake_start(answer_too_long, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    Berth__V1__StatsResponse *stats;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_stats(client, &stats, &error), BERTH_RESOURCE_EXHAUSTED);
    CHECK(client->in.capacity < 1 << 20);
    CHECK_CODE(berth_hello(client, &hello, &error), 0);
    berth__v1__hello_response__free_unpacked(hello, NULL);
    berth_client_free(client);
    fake_stop(server);
}

static void malformed_envelopes_are_errors(void) {
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {{"\x0a", 1},
               {"\x0a\x05x", 3},
               {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
               {"\x0f", 1},
               {"\x00", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const unsigned char *payload;
        size_t size;
        berth_error error;
        unsigned char *copy = malloc(bad[i].size); /* so that a byte read too far is noticed */
        CHECK(copy);
        memcpy(copy, bad[i].bytes, bad[i].size);
        response_parse(copy, bad[i].size, &payload, &size, &error);
        CHECK_CODE(error.code, BERTH_INTERNAL);
        free(copy);
    }
}

/* --- A server that makes no sense */

static unsigned random_seed;

static size_t random_bytes(unsigned char *bytes, size_t most) {
    size_t size = (size_t)rand_r(&random_seed) % most;
    for (size_t i = 0; i < size; i++) {
        /* Small numbers are tags and lengths. */
        int byte = rand_r(&random_seed);
        bytes[i] = (unsigned char)(byte & 0x300 ? byte % 40 : byte);
    }
    return size;
}

static void answer_at_random(request *r, void *data) {
    (void)data;
    for (int i = 0; i < 40; i++) {
        unsigned char bytes[96];
        size_t size = random_bytes(bytes, sizeof bytes);
        int kind = rand_r(&random_seed) % 16;
        send_frame(r,
                   kind == 0   ? KIND_RESPONSE
                   : kind == 1 ? 9
                               : KIND_DATA,
                   (uint8_t)(kind == 2   ? 5
                             : kind == 3 ? 1
                                         : 0),
                   bytes, size);
        if (kind == 4) send_started(r);
        if (kind == 5) send_output(r, BERTH_STDOUT, (uint64_t)rand_r(&random_seed), bytes, size);
    }
    shutdown(r->fd, SHUT_RDWR);
}

static void ignore_entry(const Berth__V1__FileInfo *entry, void *data) { (void)entry, (void)data; }

static void a_server_that_makes_no_sense_does_no_harm(void) {
    random_seed = (unsigned)now_ms();
    printf("seed %u\n", random_seed);
    for (int i = 0; i < 20000; i++) {
        const unsigned char *payload;
        size_t size;
        berth_error error;
        unsigned char bytes[64], *copy;
        size_t count = random_bytes(bytes, sizeof bytes);
        CHECK((copy = malloc(count + 1)));
        memcpy(copy, bytes, count);
        copy = realloc(copy, count ? count : 1);
        CHECK(copy);
        response_parse(copy, count, &payload, &size, &error);
        CHECK(payload >= copy && payload + size <= copy + count);
        free(copy);
    }
    for (int i = 0; i < 50; i++) {
        fake *server = fake_start(answer_at_random, NULL);
        berth_client *client = connect_to(fake_address(server), 2000);
        berth_error error = {0};
        berth_result result;
        berth_command command = {.shell = "x", .deadline_ms = 2000};
        if (berth_run(client, NULL, &command, &result, &error) == 0) berth_result_clear(&result);
        berth_list_directory(client, "l", "/", ignore_entry, NULL, NULL);
        berth_client_free(client);
        fake_stop(server);
    }
}

const test wire_tests[] = {
    {"requests are the recorded bytes", requests_are_the_recorded_bytes},
    {"answers in pieces are the recorded ones", answers_in_pieces_are_the_recorded_ones},
    {"a frame over the limit is skipped", a_frame_over_the_limit_is_skipped},
    {"malformed envelopes are errors", malformed_envelopes_are_errors},
    {"a server that makes no sense does no harm", a_server_that_makes_no_sense_does_no_harm},
    {NULL, NULL},
};
