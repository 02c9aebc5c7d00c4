// SPDX-License-Identifier: Apache-2.0

/* One connection, driven by poll(2): connecting, bytes in and out, the calls under way and their deadlines. */
#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PAUSE = 50, LAST_PAUSE = 1000 };
enum { READ_SIZE = 64 << 10, READS_IN_A_ROW = 16 };
/* What the server does not read is kept up to here; then calls fail instead. */
enum { MAX_UNSENT = 16 << 20 };

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- Calls */

static call **bucket_of(berth_client *client, uint32_t id) { return &client->buckets[id / 2 % BUCKETS]; }

static call *call_find(berth_client *client, uint32_t id) {
    call *c = *bucket_of(client, id);
    while (c && c->id != id) c = c->in_bucket;
    return c;
}

static void call_unlink(berth_client *client, call *c) {
    call **at = bucket_of(client, c->id);
    while (*at != c) at = &(*at)->in_bucket;
    *at = c->in_bucket;
    *(c->previous ? &c->previous->next : &client->first) = c->next;
    *(c->next ? &c->next->previous : &client->last) = c->previous;
}

/* Takes the call out and tells its owner, if it still has one. */
static void call_end(berth_client *client, call *c, const unsigned char *payload, size_t size,
                     const berth_error *error) {
    call_unlink(client, c);
    client->depth++;
    if (c->owner) {
        c->end(c->owner, payload, size, error);
    } else if (c->late && !error && payload) {
        c->late(client, c->lease, payload, size);
    }
    client->depth--;
    buffer_clear(&c->frame);
    free(c->lease);
    free(c);
}

static void remember(berth_client *client, int64_t time) {
    if (time < client->next_timer) client->next_timer = time;
}

/* Silence counts from now on. */
static void hear(berth_client *client) {
    client->heard = now_ms();
    client->asked = 0;
}

static bool send_bytes(berth_client *client, buffer *frame);
static void flush(berth_client *client);
static void connection_begin(berth_client *client);

/* The server may have closed the connection while nobody looked: what is sent on it then is lost. */
static bool server_has_gone(const berth_client *client) {
    struct pollfd is = {.fd = client->fd, .events = POLLRDHUP};
    return poll(&is, 1, 0) > 0 && is.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

call *call_begin(berth_client *client, uint8_t flags, const char *service, const char *method,
                 const ProtobufCMessage *request, int64_t timeout_ms,
                 void (*message)(void *, const unsigned char *, size_t),
                 void (*end)(void *, const unsigned char *, size_t, const berth_error *), void *owner,
                 berth_error *error) {
    if (client->is_closing) return fail(error, BERTH_UNAVAILABLE, "the client is closed"), NULL;
    if (client->out.size - client->out_start > MAX_UNSENT) {
        return fail(error, BERTH_UNAVAILABLE, "the server does not read: %zu bytes wait for it", client->out.size),
               NULL;
    }
    /* A token that a file holds may have been exchanged since the last connection. */
    bool is_open = client->state == OPEN && !server_has_gone(client);
    if (!is_open && client->token_file && token_read(client, error) != 0) return NULL;
    call *c = calloc(1, sizeof *c);
    if (!c) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the call"), NULL;
    if (request_frame(&c->frame, flags, service, method, request, timeout_ms, client->token, error) != 0) {
        free(c);
        return NULL;
    }
    do client->last_id += 2; /* odd for ever: it began at -1 */
    while (call_find(client, client->last_id));
    c->id = client->last_id;
    frame_set_stream(c->frame.bytes, c->id);
    c->message = message;
    c->end = end;
    c->owner = owner;
    int64_t now = now_ms();
    c->deadline = timeout_ms > 0 ? now + timeout_ms : NEVER;
    c->give_up = NEVER;
    remember(client, c->deadline);

    if (!client->first) {
        hear(client);
        remember(client, client->heard + client->keepalive / 2);
    }
    call **bucket = bucket_of(client, c->id);
    c->in_bucket = *bucket;
    *bucket = c;
    c->previous = client->last;
    *(client->last ? &client->last->next : &client->first) = c;
    client->last = c;

    if (is_open) {
        if (!send_bytes(client, &c->frame)) {
            call_unlink(client, c);
            buffer_clear(&c->frame);
            free(c);
            return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the request"), NULL;
        }
    } else {
        /* It waits for the next connection; that begins when what is left to read of this one was read. */
        c->give_up = now + client->connect_timeout;
        remember(client, c->give_up);
        if (client->state == IDLE) connection_begin(client);
    }
    return c;
}

void call_leave(berth_client *client, call *c, const char *lease,
                void (*late)(berth_client *, const char *, const unsigned char *, size_t)) {
    c->owner = NULL;
    c->deadline = NEVER;
    if (c->frame.bytes) { /* the server never heard of it */
        call_unlink(client, c);
        buffer_clear(&c->frame);
        free(c);
        return;
    }
    c->late = late;
    c->lease = lease ? copy_string(lease) : NULL;
}

static void nobody_ends(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    (void)owner, (void)payload, (void)size, (void)error;
}

void call_post(berth_client *client, const char *method, const ProtobufCMessage *request) {
    if (client->state != OPEN) return;
    call *c = call_begin(client, 0, POOL, method, request, 0, NULL, nobody_ends, client, NULL);
    if (c) c->owner = NULL;
}

static void lost(berth_client *client, const char *how);

/* A server that says nothing to calls that wait is asked whether it is there, and given up if it is silent on. What holds up
 * the reading here is no silence of the server's. */
static void look(berth_client *client, int64_t now) {
    if (client->state != OPEN || !client->first || client->holds > 0) {
        hear(client);
    } else if (client->asked) {
        if (now - client->asked >= client->keepalive / 2) {
            char how[80];
            snprintf(how, sizeof how, "it has said nothing for %lld ms, and did not answer a Hello",
                     (long long)client->keepalive);
            lost(client, how);
        }
    } else if (now - client->heard >= client->keepalive / 2) {
        Berth__V1__HelloRequest request = BERTH__V1__HELLO_REQUEST__INIT;
        request.client = "berth-c/0.1.0";
        call_post(client, "Hello", &request.base);
        client->asked = now;
    }
}

/* Ends the calls whose time has come, and finds the next one's. */
static void expire(berth_client *client) {
    int64_t now = now_ms();
    if (now < client->next_timer) return;
    look(client, now);
    /* A callback may begin and end other calls, so that no call but the ended one is sure to be there: begin anew. */
    for (bool again = true; again;) {
        again = false;
        client->next_timer = NEVER;
        for (call *c = client->first; c; c = c->next) {
            berth_error error;
            if (c->deadline <= now) {
                fail(&error, BERTH_DEADLINE_EXCEEDED, "the call's deadline has passed");
            } else if (c->give_up <= now) {
                fail(&error, BERTH_UNAVAILABLE,
                     "%s; start a server with \"berth serve\", or name another with BERTH_SERVER", client->trouble);
            } else {
                remember(client, c->deadline < c->give_up ? c->deadline : c->give_up);
                continue;
            }
            if (c->frame.bytes || !c->owner) {
                call_end(client, c, NULL, 0, &error);
            } else {
                /* It stays until the server has ended it too, so that its id is not used again before. */
                void *owner = c->owner;
                call_leave(client, c, NULL, NULL);
                client->depth++;
                c->end(owner, NULL, 0, &error);
                client->depth--;
            }
            again = true;
            break;
        }
    }
    if (client->first) remember(client, (client->asked ? client->asked : client->heard) + client->keepalive / 2);
}

/* --- Connecting */

static void close_socket(berth_client *client) {
    if (client->tls) {
        tls_end(client);
        client->out.size = client->out_start = 0;
    }
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
}

static void forget_addresses(berth_client *client) {
    if (client->addresses) freeaddrinfo(client->addresses);
    client->addresses = client->address = NULL;
}

static void try_later(berth_client *client) {
    close_socket(client);
    forget_addresses(client);
    client->state = PAUSING;
    /* So that the clients of one server do not all come back at once. */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t half = client->pause / 2, jitter = now.tv_nsec / 1000 % (half + 1);
    client->retry_at = now_ms() + half + jitter;
    client->pause = client->pause * 2 < LAST_PAUSE ? client->pause * 2 : LAST_PAUSE;
}

static void refuse(berth_client *client);

static void opened(berth_client *client) {
    forget_addresses(client);
    client->state = OPEN;
    client->pause = FIRST_PAUSE;
    for (call *c = client->first; c; c = c->next) {
        if (!c->frame.bytes) continue;
        if (send_bytes(client, &c->frame)) {
            c->give_up = NEVER;
        } /* else it gives up in its time */
    }
}

static int new_socket(int family) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd >= 0 && family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void not_connected(berth_client *client, int number) {
    snprintf(client->trouble, sizeof client->trouble, "no Berth server at %.60s%s%.8s: %s",
             client->path ? client->path : client->host, client->path ? "" : ":", client->path ? "" : client->port,
             strerror(number));
}

static void no_handshake(berth_client *client, const char *why) {
    char words[128];
    snprintf(words, sizeof words, "%.120s", why);
    snprintf(client->trouble, sizeof client->trouble, "no TLS with the server at tls://%.60s:%.8s: %.120s", client->host,
             client->port, words);
    try_later(client);
}

static void shake_hands(berth_client *client) {
    switch (tls_handshake(client)) {
    case TLS_GOOD:
        flush(client);
        opened(client);
        return;
    case TLS_WAITS:
        flush(client);
        return;
    case TLS_FAILED:
        no_handshake(client, client->trouble);
        return;
    case TLS_REFUSED:
        flush(client); /* an alert, so that the server knows why too */
        refuse(client);
    }
}

/* There is a connection: over TLS, the handshake comes first. */
static void joined(berth_client *client) {
    if (!client->tls) {
        opened(client);
    } else if (tls_begin(client)) {
        forget_addresses(client);
        client->state = HANDSHAKING;
        snprintf(client->trouble, sizeof client->trouble,
                 "the server at tls://%.60s:%.8s did not finish the handshake of TLS in time; perhaps it speaks none",
                 client->host, client->port);
        shake_hands(client);
    } else {
        refuse(client); /* with files that cannot be used any more */
    }
}

static void receive_handshake(berth_client *client) {
    unsigned char bytes[16 << 10];
    ssize_t n;
    do n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0 && tls_feed(client, bytes, (size_t)n) == TLS_GOOD) {
        shake_hands(client);
    } else if (n == 0) {
        no_handshake(client, "it closed the connection in the handshake");
    } else if (n > 0) {
        no_handshake(client, client->trouble);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        no_handshake(client, strerror(errno));
    }
}

/* Goes through the addresses until one begins to connect. */
static void connect_next(berth_client *client) {
    for (; client->address; client->address = client->address->ai_next) {
        close_socket(client);
        client->fd = new_socket(client->address->ai_family);
        if (client->fd >= 0 && connect(client->fd, client->address->ai_addr, client->address->ai_addrlen) == 0) {
            joined(client);
            return;
        }
        if (client->fd >= 0 && errno == EINPROGRESS) {
            client->state = CONNECTING;
            return;
        }
        not_connected(client, errno);
    }
    try_later(client);
}

static void connect_unix(berth_client *client) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, client->path, strlen(client->path)); /* its length was checked */
    client->fd = new_socket(AF_UNIX);
    if (client->fd >= 0 && connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0) {
        opened(client);
    } else {
        not_connected(client, errno);
        try_later(client);
    }
}

static void connection_begin(berth_client *client) {
    if (client->path) {
        connect_unix(client);
        return;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int failure = getaddrinfo(client->host, client->port, &hints, &client->addresses);
    if (failure != 0) {
        client->addresses = NULL;
        snprintf(client->trouble, sizeof client->trouble, "no address of %.100s: %.40s", client->host,
                 gai_strerror(failure));
        try_later(client);
        return;
    }
    client->address = client->addresses;
    connect_next(client);
}

static void connected(berth_client *client) {
    int number = 0;
    socklen_t size = sizeof number;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    if (number == 0) {
        joined(client);
    } else {
        not_connected(client, number);
        client->address = client->address->ai_next;
        connect_next(client);
    }
}

/* also_unsent: those too that wait for a connection. */
static void end_connection(berth_client *client, const berth_error *why, bool also_unsent) {
    close_socket(client);
    forget_addresses(client);
    client->state = IDLE;
    client->pause = FIRST_PAUSE;
    client->in.size = client->in_start = 0;
    client->out.size = client->out_start = 0;
    client->skip = 0;
    /* Those that are there now; callbacks may begin others, which connect again. */
    uint32_t last = client->last_id;
    for (bool again = true; again;) {
        again = false;
        for (call *c = client->first; c && !again; c = c->next) {
            if (!client->is_closing && ((c->frame.bytes && !also_unsent) || (int32_t)(c->id - last) > 0)) continue;
            call_end(client, c, NULL, 0, why);
            again = true;
        }
    }
    for (call *c = client->first; c && client->state == IDLE; c = c->next) {
        if (c->frame.bytes) connection_begin(client);
    }
}

void connection_end(berth_client *client, const berth_error *why) { end_connection(client, why, false); }

/* The server's TLS is not what it must be, which does not get better by being tried again. */
static void refuse(berth_client *client) {
    berth_error error;
    fail(&error, BERTH_UNAVAILABLE, "no TLS with the server at tls://%.60s:%.8s: %s", client->host, client->port,
         client->trouble);
    end_connection(client, &error, true);
}

static void lost(berth_client *client, const char *how) {
    berth_error error;
    fail(&error, BERTH_UNAVAILABLE, "the connection to the server has ended: %s", how);
    connection_end(client, &error);
}

/* --- Bytes out */

/* Takes the frame's bytes: sends what the kernel takes, and keeps the rest. False: no memory. */
static bool send_bytes(berth_client *client, buffer *frame) {
    size_t sent = 0;
    if (client->tls) {
        bool was_empty = client->out.size == client->out_start;
        if (!tls_put(client, frame->bytes, frame->size)) return false;
        buffer_clear(frame);
        if (was_empty) flush(client);
        return true;
    }
    if (client->out.size == client->out_start) {
        client->out.size = client->out_start = 0;
        ssize_t n = send(client->fd, frame->bytes, frame->size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) sent = (size_t)n; /* what is wrong otherwise shows at the next read */
    }
    if (!buffer_append(&client->out, frame->bytes + sent, frame->size - sent)) return false;
    buffer_clear(frame);
    return true;
}

static void flush(berth_client *client) {
    while (client->out_start < client->out.size) {
        ssize_t n = send(client->fd, client->out.bytes + client->out_start, client->out.size - client->out_start,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return; /* full; anything worse shows at the next read */
        client->out_start += (size_t)n;
    }
    client->out.size = client->out_start = 0;
    if (client->out.capacity > 1 << 20) buffer_clear(&client->out);
}

/* --- Bytes in */

static void deliver(berth_client *client, header h, const unsigned char *data) {
    call *c = call_find(client, h.stream);
    if (!c) return;
    if (h.kind == KIND_RESPONSE) {
        const unsigned char *payload;
        size_t size;
        berth_error error;
        response_parse(data, h.length, &payload, &size, &error);
        call_end(client, c, payload, size, error.code ? &error : NULL);
    } else if (h.kind == KIND_DATA) {
        if (!(h.flags & FLAG_NO_DATA)) {
            client->depth++;
            if (c->owner) {
                if (c->message) c->message(c->owner, data, h.length);
            } else if (c->late) {
                c->late(client, c->lease, data, h.length);
            }
            client->depth--;
            c = call_find(client, h.stream);
        }
        if (c && h.flags & FLAG_REMOTE_CLOSED) call_end(client, c, NULL, 0, NULL);
    }
}

static bool may_read(const berth_client *client) { return client->state == OPEN && client->holds == 0; }

/* Delivers the whole frames that are there. */
static void parse(berth_client *client) {
    while (may_read(client)) {
        size_t here = client->in.size - client->in_start;
        const unsigned char *at = client->in.bytes + client->in_start;
        if (client->skip > 0) {
            size_t skipped = client->skip < here ? (size_t)client->skip : here;
            client->skip -= skipped;
            client->in_start += skipped;
            if (skipped == 0) break;
            continue;
        }
        /* No frame begins so, for its length would be too much: it is an alert, the last that a server of TLS says. */
        if (here >= 2 && at[0] == 0x15 && at[1] == 0x03) {
            lost(client, "it speaks TLS: put tls:// before its address");
            return;
        }
        if (here < HEADER) break;
        header h = header_read(at);
        if (h.length > MAX_DATA) {
            client->in_start += HEADER;
            client->skip = h.length;
            call *c = call_find(client, h.stream);
            berth_error error;
            fail(&error, BERTH_RESOURCE_EXHAUSTED, "the server sent %u bytes; a message has %u at most", h.length,
                 MAX_DATA);
            if (c) call_end(client, c, NULL, 0, &error);
            continue;
        }
        if (here - HEADER < h.length) {
            if (!buffer_reserve(&client->in, HEADER + h.length - here)) {
                lost(client, "no memory for its answer");
                return;
            }
            break;
        }
        client->in_start += HEADER + h.length;
        deliver(client, h, at + HEADER);
    }
    if (client->in_start > 0) {
        size_t here = client->in.size - client->in_start;
        if (here > 0) memmove(client->in.bytes, client->in.bytes + client->in_start, here);
        client->in.size = here;
        client->in_start = 0;
    }
}

/* The same as receive, through TLS. */
static void receive_secret(berth_client *client) {
    unsigned char bytes[16 << 10];
    parse(client);
    for (int i = 0; i < READS_IN_A_ROW && may_read(client); i++) {
        ssize_t n = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        /* Something may have come with the end of the handshake already. */
        bool nothing = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (n < 0 && !nothing) {
            lost(client, strerror(errno));
            return;
        }
        if (n == 0) {
            lost(client, "the server closed it");
            return;
        }
        if (n > 0) hear(client);
        size_t before = client->in.size;
        tls_state is = tls_take(client, bytes, nothing ? 0 : (size_t)n);
        flush(client);
        if (client->in.size > before) parse(client);
        if (is != TLS_GOOD && client->state == OPEN) {
            char how[sizeof client->trouble];
            snprintf(how, sizeof how, "%s", client->trouble);
            lost(client, how);
        }
        if (nothing || (size_t)n < sizeof bytes) return;
    }
}

static void receive(berth_client *client) {
    if (client->tls) {
        receive_secret(client);
        return;
    }
    parse(client); /* what was left when reading was held */
    for (int i = 0; i < READS_IN_A_ROW && may_read(client); i++) {
        if (!buffer_reserve(&client->in, READ_SIZE)) {
            lost(client, "no memory for what it sends");
            return;
        }
        size_t room = client->in.capacity - client->in.size;
        ssize_t n = recv(client->fd, client->in.bytes + client->in.size, room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n < 0) {
            lost(client, strerror(errno));
            return;
        }
        if (n == 0) {
            lost(client, "the server closed it");
            return;
        }
        client->in.size += (size_t)n;
        hear(client);
        parse(client);
        if ((size_t)n < room) return; /* there is no more now */
    }
}

/* --- The loop */

int berth_fd(const berth_client *client) {
    return client->state == CONNECTING || client->state == HANDSHAKING || client->state == OPEN ? client->fd : -1;
}

short berth_events(const berth_client *client) {
    switch (client->state) {
    case CONNECTING:
        return POLLOUT;
    case HANDSHAKING:
        return (short)(POLLIN | (client->out.size > client->out_start ? POLLOUT : 0));
    case OPEN:
        return (short)((client->holds == 0 ? POLLIN : 0) | (client->out.size > client->out_start ? POLLOUT : 0));
    default:
        return 0;
    }
}

int berth_timeout(const berth_client *client) {
    int64_t next = client->next_timer;
    if (client->state == PAUSING && client->first && client->retry_at < next) next = client->retry_at;
    if (next == NEVER) return -1;
    int64_t left = next - now_ms();
    return left < 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left;
}

void berth_process(berth_client *client) {
    if (client->depth > 0) return; /* from a callback: whoever called that goes on */
    if (client->state == CONNECTING) {
        struct pollfd is = {.fd = client->fd, .events = POLLOUT};
        if (poll(&is, 1, 0) > 0) connected(client);
    }
    if (client->state == HANDSHAKING) {
        flush(client);
        receive_handshake(client);
    }
    if (client->state == OPEN) {
        flush(client);
        receive(client);
    }
    expire(client);
    if (client->state == HANDSHAKING && !client->first) {
        close_socket(client); /* it took too long for who waited for it */
        client->state = IDLE;
    }
    if (client->state == PAUSING) {
        if (!client->first) {
            client->state = IDLE; /* nobody waits for it any more */
        } else if (now_ms() >= client->retry_at) {
            connection_begin(client);
        }
    }
}

void berth_poll(berth_client *client, int timeout_ms) {
    int most = berth_timeout(client);
    if (most < 0 || (timeout_ms >= 0 && timeout_ms < most)) most = timeout_ms;
    struct pollfd is = {.fd = berth_fd(client), .events = berth_events(client)};
    (void)poll(&is, 1, most); /* a signal ends it early, which does no harm */
    berth_process(client);
}

int wait_until(berth_client *client, const bool *done, berth_error *error) {
    if (client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    while (!*done) berth_poll(client, -1);
    return 0;
}
