// SPDX-License-Identifier: Apache-2.0

/* What the library's files share. */
#ifndef BERTH_INTERNAL_H
#define BERTH_INTERNAL_H

#include <berth.h>

#define MAX_DATA (4u << 20)
#define HEADER 10
#define NEVER INT64_MAX

enum { KIND_REQUEST = 1, KIND_RESPONSE = 2, KIND_DATA = 3 };
enum { FLAG_REMOTE_CLOSED = 0x01, FLAG_NO_DATA = 0x04 };

/* --- wire.c */

typedef struct {
    unsigned char *bytes;
    size_t size, capacity;
} buffer;

/* Room for more bytes at the end; false: no memory. */
bool buffer_reserve(buffer *b, size_t more);
bool buffer_append(buffer *b, const void *bytes, size_t size);
void buffer_clear(buffer *b);

typedef struct {
    uint32_t length, stream;
    uint8_t kind, flags;
} header;

void header_write(unsigned char *to, header h);
header header_read(const unsigned char *from);

/* Makes the frame of a call, header and data in one piece; the stream id is still 0. */
int request_frame(buffer *frame, uint8_t flags, const char *service, const char *method,
                  const ProtobufCMessage *message, int64_t timeout_ms, const char *token, berth_error *error);
void frame_set_stream(unsigned char *frame, uint32_t stream);

/* Takes an answer apart; payload points into data. error->code is 0 after a success. */
void response_parse(const unsigned char *data, size_t size, const unsigned char **payload, size_t *payload_size,
                    berth_error *error);

bool is_utf8(const void *text, size_t size);
/* A string of any bytes goes into the field of text, or, where it is not UTF-8, into that of bytes beside it. */
void put_word(const char *word, char **text, ProtobufCBinaryData *raw);

/* --- variables.c */

/* An environment, for a request. */
typedef struct {
    ProtobufCMessage **entries;
    size_t n_entries;
    ProtobufCBinaryData *raw; /* what is not UTF-8 */
    size_t n_raw;
} variables;

/* entry: of the request's map. False: one is malformed, or no memory. It is to be freed in any case. */
bool variables_set(variables *v, const char *const *env, const ProtobufCMessageDescriptor *entry, berth_error *error);
void variables_free(variables *v);

/* --- error.c */

/* Fills in *error, which may be NULL, and returns code. */
__attribute__((format(printf, 3, 4))) int fail(berth_error *error, int code, const char *format, ...);
int fail_with(berth_error *error, const berth_error *why);
char *copy_string(const char *text);

/* --- client.c */

/* Reads the token anew from its file. */
int token_read(berth_client *client, berth_error *error);

/* --- connection.c */

/* A call under way. It belongs to the client until its end, which comes exactly once, unless the call is left. */
typedef struct call {
    uint32_t id;
    int64_t deadline; /* monotonic ms */
    int64_t give_up;  /* while it is not sent */
    buffer frame;     /* not sent yet: there is no connection */
    void (*message)(void *owner, const unsigned char *data, size_t size);
    /* error is NULL after a success. The call is gone. */
    void (*end)(void *owner, const unsigned char *payload, size_t size, const berth_error *error);
    /* Once it is left: what to do with what comes all the same. NULL: nothing. */
    void (*late)(berth_client *client, const char *lease, const unsigned char *data, size_t size);
    void *owner; /* NULL: left */
    char *lease; /* for late */
    struct call *in_bucket, *previous, *next;
} call;

enum { BUCKETS = 256 };
typedef enum { IDLE, PAUSING, CONNECTING, HANDSHAKING, OPEN } connection_state;
typedef struct tls tls;

struct berth_client {
    char *host, *port, *path; /* path: a unix socket, and no host and port */
    char *token, *token_file;
    tls *tls; /* NULL: plain */
    int64_t connect_timeout, timeout;

    connection_state state;
    int fd;
    struct addrinfo *addresses, *address;
    int64_t retry_at, pause;
    char trouble[256]; /* why it is not connected */

    buffer out;
    size_t out_start;
    buffer in;
    size_t in_start;
    uint64_t skip;  /* bytes of a frame that is too long */
    unsigned holds; /* executions that no more may be read for */

    call *buckets[BUCKETS];
    call *first, *last;
    uint32_t last_id;
    int64_t next_timer; /* no call's deadline or give_up is earlier */
    int64_t keepalive, heard, asked; /* asked: 0 since something was heard */
    int depth;          /* > 0: within callbacks */
    bool is_closing;
    berth_error last_error;
};

int64_t now_ms(void);

/* Begins a call. NULL: it was not, and *error says why. timeout_ms 0: none. */
call *call_begin(berth_client *client, uint8_t flags, const char *service, const char *method,
                 const ProtobufCMessage *request, int64_t timeout_ms,
                 void (*message)(void *, const unsigned char *, size_t),
                 void (*end)(void *, const unsigned char *, size_t, const berth_error *), void *owner,
                 berth_error *error);
/* The owner wants nothing of it any more. lease is copied, for late. */
void call_leave(berth_client *client, call *c, const char *lease,
                void (*late)(berth_client *, const char *, const unsigned char *, size_t));
/* Makes a unary call of the pool whose answer nobody needs. */
void call_post(berth_client *client, const char *method, const ProtobufCMessage *request);
/* Fails every call, closes the connection. */
void connection_end(berth_client *client, const berth_error *why);
/* Runs the loop until *done. */
int wait_until(berth_client *client, const bool *done, berth_error *error);

#define POOL "berth.v1.Pool"

/* --- call.c */

/* A unary call that waits; late as in call_leave, when its time-out passes. */
int call_wait(berth_client *client, const char *service, const char *method, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *output, ProtobufCMessage **response, const char *lease,
              void (*late)(berth_client *, const char *, const unsigned char *, size_t), berth_error *error);
/* The same on the pool, for an answer that is of no interest. */
int pool_call(berth_client *client, const char *method, const void *request, const ProtobufCMessageDescriptor *output,
              ProtobufCMessage **response, berth_error *error);

/* --- execution.c */

#define WINDOW (256u << 10)
uint64_t window_clamp(uint64_t window);

#endif
