// SPDX-License-Identifier: Apache-2.0

#include "test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 64 };

struct fake {
    int listener;
    char address[128];
    answer *answers;
    void *data;
    pthread_t accepting, serving[MAX_CONNECTIONS];
    int fds[MAX_CONNECTIONS];
    unsigned connections;
    pthread_mutex_t lock;
    char seen[4096][32];
    unsigned seen_count;
};

static bool read_full(int fd, void *bytes, size_t size) {
    for (char *at = bytes; size > 0;) {
        ssize_t n = recv(fd, at, size, 0);
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

typedef struct {
    fake *server;
    int fd;
} connection;

/* A field of the envelope whose length fits: the tests' own requests only. */
static void envelope(request *r) {
    const unsigned char *at = r->data, *end = r->data + r->data_size;
    while (at < end) {
        unsigned field = *at >> 3, type = *at & 7;
        uint64_t value = 0;
        int shift = 0;
        for (at++; *at & 0x80; at++, shift += 7) value |= (uint64_t)(*at & 0x7f) << shift;
        value |= (uint64_t)*at++ << shift;
        if (type == 0) continue;
        if (field == 2) snprintf(r->method, sizeof r->method, "%.*s", (int)value, (const char *)at);
        if (field == 3) {
            r->payload = at;
            r->size = (size_t)value;
        }
        at += value;
    }
}

static void *serve(void *argument) {
    connection c = *(connection *)argument;
    unsigned char head[HEADER];
    free(argument);
    while (read_full(c.fd, head, sizeof head)) {
        header h = header_read(head);
        unsigned char *data = malloc(h.length + 1);
        CHECK(data);
        if (!read_full(c.fd, data, h.length)) {
            free(data);
            break;
        }
        request r = {
            .server = c.server, .fd = c.fd, .stream = h.stream, .data = data, .data_size = h.length, .payload = data};
        envelope(&r);
        pthread_mutex_lock(&c.server->lock);
        memcpy(c.server->seen[c.server->seen_count++ % 4096], r.method, sizeof r.method);
        pthread_mutex_unlock(&c.server->lock);
        c.server->answers(&r, c.server->data);
        free(data);
    }
    return NULL;
}

static void *accept_all(void *argument) {
    fake *server = argument;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        connection *c = malloc(sizeof *c);
        CHECK(c && server->connections < MAX_CONNECTIONS);
        *c = (connection){server, fd};
        pthread_mutex_lock(&server->lock);
        server->fds[server->connections] = fd;
        CHECK(pthread_create(&server->serving[server->connections++], NULL, serve, c) == 0);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

fake *fake_start_at(const char *address, answer *answers, void *data) {
    fake *server = calloc(1, sizeof *server);
    CHECK(server);
    server->answers = answers;
    server->data = data;
    pthread_mutex_init(&server->lock, NULL);
    if (strncmp(address, "unix:", 5) == 0) {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%.100s", address + 5);
        server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(bind(server->listener, (struct sockaddr *)&at, sizeof at) == 0);
        snprintf(server->address, sizeof server->address, "%s", address);
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        int on = 1;
        at.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
        server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        CHECK(bind(server->listener, (struct sockaddr *)&at, sizeof at) == 0);
        CHECK(getsockname(server->listener, (struct sockaddr *)&at, &size) == 0);
        snprintf(server->address, sizeof server->address, "127.0.0.1:%d", ntohs(at.sin_port));
    }
    CHECK(listen(server->listener, 64) == 0);
    CHECK(pthread_create(&server->accepting, NULL, accept_all, server) == 0);
    return server;
}

fake *fake_start(answer *answers, void *data) { return fake_start_at("127.0.0.1:0", answers, data); }

const char *fake_address(const fake *server) { return server->address; }

void fake_stop(fake *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->accepting, NULL);
    close(server->listener);
    for (unsigned i = 0; i < server->connections; i++) shutdown(server->fds[i], SHUT_RDWR);
    for (unsigned i = 0; i < server->connections; i++) {
        pthread_join(server->serving[i], NULL);
        close(server->fds[i]);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
}

unsigned fake_count(fake *server, const char *method) {
    unsigned count = 0;
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < server->seen_count && i < 4096; i++) count += strcmp(server->seen[i], method) == 0;
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* --- Answers */

void send_frame(const request *r, uint8_t kind, uint8_t flags, const void *data, size_t size) {
    unsigned char *frame = malloc(HEADER + size);
    CHECK(frame);
    header_write(frame, (header){.length = (uint32_t)size, .stream = r->stream, .kind = kind, .flags = flags});
    if (size > 0) memcpy(frame + HEADER, data, size);
    for (size_t sent = 0; sent < HEADER + size;) {
        ssize_t n = send(r->fd, frame + sent, HEADER + size - sent, MSG_NOSIGNAL);
        if (n <= 0) break; /* the client has gone */
        sent += (size_t)n;
    }
    free(frame);
}

static size_t put(unsigned char *to, unsigned field, const void *bytes, size_t size) {
    size_t n = 0;
    to[n++] = (unsigned char)(field << 3 | 2);
    size_t left = size;
    for (; left >= 0x80; left >>= 7) to[n++] = (unsigned char)(left | 0x80);
    to[n++] = (unsigned char)left;
    memcpy(to + n, bytes, size);
    return n + size;
}

void send_reply(const request *r, const ProtobufCMessage *message) {
    unsigned char payload[4096], data[4200];
    CHECK(protobuf_c_message_get_packed_size(message) <= sizeof payload);
    size_t size = protobuf_c_message_pack(message, payload);
    send_frame(r, KIND_RESPONSE, 0, data, size > 0 ? put(data, 2, payload, size) : 0);
}

void send_failure(const request *r, int code, const char *message) {
    unsigned char status[256] = {1 << 3, (unsigned char)code}, data[300];
    size_t size = 2 + put(status + 2, 2, message, strlen(message));
    send_frame(r, KIND_RESPONSE, 0, data, put(data, 1, status, size));
}

void send_message(const request *r, const ProtobufCMessage *message) {
    unsigned char *data = malloc(protobuf_c_message_get_packed_size(message) + 1);
    CHECK(data);
    send_frame(r, KIND_DATA, 0, data, protobuf_c_message_pack(message, data));
    free(data);
}

void send_started(const request *r) {
    Berth__V1__Started started = BERTH__V1__STARTED__INIT;
    Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
    started.execution = "e1";
    started.member = "m1";
    started.watcher = 7;
    event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_STARTED;
    event.started = &started;
    send_message(r, &event.base);
}

void send_output(const request *r, berth_stream stream, uint64_t offset, const void *bytes, size_t size) {
    Berth__V1__Output output = BERTH__V1__OUTPUT__INIT;
    Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
    output.stream = (Berth__V1__OutputStream)stream;
    output.offset = offset;
    output.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)bytes};
    event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_OUTPUT;
    event.output = &output;
    send_message(r, &event.base);
}

void send_ended(const request *r, int exit_code) {
    Berth__V1__Ended ended = BERTH__V1__ENDED__INIT;
    Berth__V1__ExecuteEvent event = BERTH__V1__EXECUTE_EVENT__INIT;
    ended.cause = BERTH__V1__END_CAUSE__EXITED;
    ended.exit_code = exit_code;
    event.event_case = BERTH__V1__EXECUTE_EVENT__EVENT_ENDED;
    event.ended = &ended;
    send_message(r, &event.base);
    send_frame(r, KIND_DATA, FLAG_REMOTE_CLOSED | FLAG_NO_DATA, NULL, 0);
}

void answer_hello(request *r, void *data) {
    Berth__V1__HelloResponse response = BERTH__V1__HELLO_RESPONSE__INIT;
    (void)data;
    response.server = "fake/1";
    send_reply(r, &response.base);
}

/* --- For tests */

berth_client *connect_to(const char *address, uint32_t timeout_ms) {
    berth_error error;
    berth_client *client = berth_client_new(address, &(berth_options){.timeout_ms = timeout_ms}, &error);
    CHECK(client);
    return client;
}

void poll_until(berth_client *client, const volatile bool *done, const char *what) {
    for (int64_t until = now_ms() + 10000; !*done;) {
        if (now_ms() > until) fprintf(stderr, "it never came: %s\n", what);
        CHECK(now_ms() <= until);
        berth_poll(client, 100);
    }
}

void wait_for(fake *server, const char *method, unsigned count) {
    for (int64_t until = now_ms() + 10000; fake_count(server, method) < count;) {
        CHECK(now_ms() <= until);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

unsigned open_descriptors(void) {
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}
