// SPDX-License-Identifier: Apache-2.0

/* Berth's C client: programs in warm containers.
 *
 *     berth_client *client = berth_client_new(NULL, NULL, &error);
 *     berth_result result;
 *     if (berth_run(client, NULL, &(berth_command){.shell = "echo hello"}, &result, &error) == 0) …
 *
 * A client is one connection with any number of calls under way. It is driven by poll(2): either by the program's own
 * loop (berth_fd, berth_events, berth_timeout, berth_process), or by the functions here that wait, which run that loop
 * meanwhile, so that the callbacks of everything else under way come too. It belongs to one thread at a time.
 *
 * Functions that can fail return 0 or one of gRPC's codes, and say more in *error, which may be NULL.
 * Callbacks may begin calls, and must not wait: a function that waits fails there with BERTH_FAILED_PRECONDITION.
 * They must not free the client. All strings are copied. Arguments, environment, directories and paths may be any bytes;
 * all other strings are UTF-8.
 *
 * What is not freed is not given back: C has no finalizers. A lease lasts until berth_release, its time without use, or, if
 * it is not detached, 10 s after berth_client_free or the end of the program.
 */
#ifndef BERTH_H
#define BERTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <berth/v1/pool.pb-c.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BERTH_API __attribute__((visibility("default")))
#else
#define BERTH_API
#endif

/* gRPC's codes, as far as Berth uses them. */
enum {
    BERTH_OK = 0,
    BERTH_CANCELLED = 1,
    BERTH_UNKNOWN = 2,
    BERTH_INVALID_ARGUMENT = 3,
    BERTH_DEADLINE_EXCEEDED = 4,
    BERTH_NOT_FOUND = 5,
    BERTH_PERMISSION_DENIED = 7,
    BERTH_RESOURCE_EXHAUSTED = 8,
    BERTH_FAILED_PRECONDITION = 9,
    BERTH_UNIMPLEMENTED = 12,
    BERTH_INTERNAL = 13,
    BERTH_UNAVAILABLE = 14, /* the server cannot be reached, or cannot serve this now: the message says which */
    BERTH_UNAUTHENTICATED = 16
};

typedef struct {
    int code;
    char message[256]; /* one line: what was wrong and, where that is known, what would be right */
    int reason;        /* BERTH__V1__ERROR_REASON__IS_A_DIRECTORY …: tells apart what has the same code; 0: none is known */
    uint32_t retry_after_ms; /* with BREAKER_OPEN: when to try again; else 0 */
} berth_error;

/* "NOT_FOUND" for 5 … */
BERTH_API const char *berth_code_name(int code);

/* "IS_A_DIRECTORY" for 2 …, "NONE" for 0 */
BERTH_API const char *berth_reason_name(int reason);

typedef struct berth_client berth_client;
typedef struct berth_execution berth_execution;

/* --- Client ------------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t connect_timeout_ms; /* how long a call tries to connect; 0: 5000 */
    uint32_t timeout_ms;         /* of every call that has none of its own, executions aside; 0: none */
    /* Sent as "authorization: Bearer …" with every call; NULL: $BERTH_TOKEN, else what is in the file that $BERTH_TOKEN_FILE
     * names; "": none. Without TLS it goes to this machine only. */
    const char *token;
    /* How long the server may say nothing to calls that wait; 0: 60000. After half of it, it is asked whether it is there;
     * after all of it the connection counts as lost. */
    uint32_t keepalive_ms;
    /* For tls://, files in PEM format: the authorities that may have signed the server's certificate; NULL: $BERTH_TLS_CA, else
     * the system's. */
    const char *ca_file;
    /* This client's certificate and its key, for servers that want one; NULL: $BERTH_TLS_CERT and $BERTH_TLS_KEY. */
    const char *cert_file, *key_file;
    const char *server_name; /* whom the server's certificate must name; NULL: the address's host */
} berth_options;

/* A client for HOST:PORT, :PORT (loopback), [IPv6]:PORT, tls:// and one of these, or unix:PATH; NULL is $BERTH_SERVER, else
 * 127.0.0.1:7411. tls:// needs a library that was built with OpenSSL, and is refused by others.
 * It connects at its first call. When the connection ends, open calls fail with BERTH_UNAVAILABLE at once; no call is
 * ever made twice, and the next one connects again. Looking up a host name is the one thing that blocks. NULL: the
 * address is malformed, files of TLS or the token cannot be used, or there is no memory. */
BERTH_API berth_client *berth_client_new(const char *address, const berth_options *options, berth_error *error);

/* Closes the connection. Calls that are open fail first, so that their callbacks come. Of the executions that are left
 * then, nothing may be called but berth_execution_free and what only asks. */
BERTH_API void berth_client_free(berth_client *client);

/* For the program's own loop: the descriptor to poll (-1: none now; it changes when the client connects again), the
 * events to poll it for, and how long at most, in ms (-1: for ever). Then berth_process, which does not wait. */
BERTH_API int berth_fd(const berth_client *client);
BERTH_API short berth_events(const berth_client *client);
BERTH_API int berth_timeout(const berth_client *client);
BERTH_API void berth_process(berth_client *client);

/* Polls, for timeout_ms at most (-1: for ever), and processes. */
BERTH_API void berth_poll(berth_client *client, int timeout_ms);

/* --- Any call ----------------------------------------------------------------------------------------------------- */

/* protobuf-c's own service: for the generated stubs, for instance
 *
 *     ProtobufCService *pool = berth_service(client, &berth__v1__pool__descriptor);
 *     berth__v1__pool__stats(pool, &request, on_stats, data);
 *
 * The closure gets the answer, or NULL when the call has failed: then berth_last_error says why. Of a method that
 * streams, it gets every message, and NULL at the end (with code 0 at a good one); credit is then the caller's
 * business. Free it with protobuf_c_service_destroy, before the client. */
BERTH_API ProtobufCService *berth_service(berth_client *client, const ProtobufCServiceDescriptor *descriptor);

/* Within a closure: of the call that it is for. */
BERTH_API const berth_error *berth_last_error(const berth_client *client);

/* A unary call that waits. *response is freed with protobuf_c_message_free_unpacked(…, NULL). */
BERTH_API int berth_call(berth_client *client, const ProtobufCServiceDescriptor *service, const char *method,
                         const ProtobufCMessage *request, ProtobufCMessage **response, berth_error *error);

BERTH_API int berth_hello(berth_client *client, Berth__V1__HelloResponse **response, berth_error *error);
BERTH_API int berth_stats(berth_client *client, Berth__V1__StatsResponse **response, berth_error *error);

/* --- Leases ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *pool; /* NULL: the default pool */
    uint32_t wait_ms; /* in line, when no member is warm; 0: the server's default */
    uint32_t ttl_ms;  /* how long the lease lasts without use; 0: the server's longest */
    bool detached;    /* outlives its connection; time alone ends it */
} berth_acquire_options;

typedef struct {
    char *token;  /* whoever knows it may use the lease */
    char *member; /* for logs */
    uint32_t ttl_ms;
    bool warm; /* the member was idle; else it was created while the call waited */
} berth_lease;

/* Leases a member. When the call's time-out passes, a lease that comes of it all the same is released. */
BERTH_API int berth_acquire(berth_client *client, const berth_acquire_options *options, berth_lease *lease,
                            berth_error *error);
/* Ends a lease and what runs in it. */
BERTH_API int berth_release(berth_client *client, const char *lease, berth_error *error);
/* Frees the strings; the lease itself goes on. */
BERTH_API void berth_lease_clear(berth_lease *lease);
/* *ttl_ms is how long it is to last without use, 0 as before, and then the time left; NULL is 0. */
BERTH_API int berth_renew(berth_client *client, const char *lease, uint32_t *ttl_ms, berth_error *error);
BERTH_API int berth_list_executions(berth_client *client, const char *lease,
                                    Berth__V1__ListExecutionsResponse **response, berth_error *error);

/* --- Programs ----------------------------------------------------------------------------------------------------- */

typedef enum {
    BERTH_STDOUT = 0,
    BERTH_STDERR = 1,
    BERTH_EVENTS = 2 /* of no output: what a piece of code in a context shows */
} berth_stream;

/* One of argv, shell and code says what; for the rest, zero is the server's choice. */
typedef struct {
    const char *const *argv; /* the program and its arguments, NULL at the end */
    const char *shell;       /* a line for the container's /bin/sh */
    const char *code;        /* source text, run as language says: "python", "sh" … */
    const char *language;
    const char *const *env; /* "NAME=VALUE", NULL at the end; added to what the pool gives */
    const char *cwd;
    uint32_t uid;

    const void *input; /* the first bytes of its standard input …; over 1 MiB they follow in pieces, as it reads */
    size_t input_size;
    bool keep_stdin_open; /* … and more comes with berth_input; else these are all */
    bool terminal;        /* it has one: all that it writes is BERTH_STDOUT */
    uint32_t rows, columns;
    bool no_echo;      /* with terminal: what is typed is not echoed */
    bool merge_output; /* stdout and stderr are one pipe, in the order of writing: all is BERTH_STDOUT */

    uint32_t timeout_ms;      /* then it is ended with all it started */
    uint32_t grace_ms;        /* between TERM and KILL */
    uint32_t idle_timeout_ms; /* how long it may write nothing */
    uint32_t cpu_time_ms;
    bool keep_background; /* what it leaves running goes on until the lease ends */

    uint64_t window;         /* bytes of output under way at most, 64 KiB to 1 MiB; 0: 256 KiB */
    uint64_t max_output;     /* bytes, of each of its streams */
    bool kill_at_max_output; /* else the rest is counted and not sent */

    uint32_t resumable_ms; /* how long it goes on, and is kept, when nobody watches */
    bool wait_unwatched;   /* it blocks then rather than lose what nobody has read */

    const char *pool; /* without a lease: of the member that is acquired for it */
    uint32_t wait_ms;
    uint32_t deadline_ms; /* of the call: then it fails with BERTH_DEADLINE_EXCEEDED, and the program is cancelled */

    /* With code: the id of the context that runs it, see below. Its language, environment, directory, user and terminal are the
     * context's: they are not to be given. */
    const char *context;
} berth_command;

/* Called from berth_process, berth_poll and what waits. Each may be NULL. */
typedef struct {
    void (*started)(berth_execution *execution, void *data);
    /* Its bytes are consumed when this returns, and credit for them is given back. */
    void (*output)(berth_execution *execution, berth_stream stream, uint64_t offset, const void *bytes, size_t size,
                   void *data);
    /* Bytes that were no longer held when this watcher came to them; of BERTH_EVENTS, displays, failures and prompts. */
    void (*dropped)(berth_execution *execution, berth_stream stream, uint64_t offset, uint64_t size, void *data);
    /* Once, and last: how the program ended, or why the call failed; the other is NULL. */
    void (*ended)(berth_execution *execution, const Berth__V1__Ended *ended, const berth_error *error, void *data);
    /* Of a piece of code in a context, in order with its output: something it shows, how it failed, a line that it asks for,
     * which is answered with berth_input, its line feed included. They are gone when this returns, and credit for them is
     * given back. */
    void (*display)(berth_execution *execution, const Berth__V1__Display *display, void *data);
    void (*failure)(berth_execution *execution, const Berth__V1__Failure *failure, void *data);
    void (*prompt)(berth_execution *execution, const Berth__V1__Prompt *prompt, void *data);
    /* Of a connection: the other side has sent all that it will. What is sent there still arrives. */
    void (*output_ended)(berth_execution *execution, void *data);
} berth_handlers;

/* Begins a program, in a lease or (NULL) in a member of its own, acquired and released around it. handlers are copied.
 * NULL: the request cannot be made; everything later is told by handlers->ended. */
BERTH_API berth_execution *berth_execute(berth_client *client, const char *lease, const berth_command *command,
                                         const berth_handlers *handlers, void *data, berth_error *error);

typedef struct {
    uint64_t stdout_offset, stderr_offset; /* how much of each stream the caller has already */
    bool from_now;                         /* leave out what was written before */
    bool observe;                          /* never slow the program down: miss output instead */
    uint64_t window;
    uint64_t input_offset; /* where berth_input goes on, if an earlier watcher wrote to it; 0: behind all that was taken */
    uint64_t events_position; /* as stdout_offset, of displays, failures and prompts */
} berth_attach_options;

/* Watches an execution that runs, or has ended and is still kept, begun on any connection. */
BERTH_API berth_execution *berth_attach(berth_client *client, const char *lease, const char *execution,
                                        const berth_attach_options *options, const berth_handlers *handlers, void *data,
                                        berth_error *error);

/* Gives it up, if it has not ended: one that was attached to is detached from, as is one that is resumable; else the
 * program is cancelled. No callback comes any more. Callbacks may free their own. */
BERTH_API void berth_execution_free(berth_execution *execution);

/* Wait until it has started, or has ended. */
BERTH_API int berth_wait_started(berth_execution *execution, berth_error *error);
/* Resumes it, and waits for its end. *ended belongs to the execution; NULL is allowed. Returns the error of the call, 0
 * however the program ended. */
BERTH_API int berth_wait(berth_execution *execution, const Berth__V1__Ended **ended, berth_error *error);

/* While it is paused, no callback comes; at most the window of its output is kept meanwhile, and the program waits.
 * Nothing else on the connection does. */
BERTH_API void berth_pause(berth_execution *execution);
BERTH_API void berth_resume(berth_execution *execution);

/* NULL before it has started. Keep the id secret. */
BERTH_API const char *berth_execution_id(const berth_execution *execution);
BERTH_API const char *berth_execution_member(const berth_execution *execution);
BERTH_API const char *berth_execution_lease(const berth_execution *execution);
BERTH_API bool berth_has_ended(const berth_execution *execution);
/* How much of a stream its callbacks were given: where an attach goes on. */
BERTH_API uint64_t berth_offset(const berth_execution *execution, berth_stream stream);

/* Adds to its standard input; waits until all was taken, which is as long as the program takes to read it. */
BERTH_API int berth_input(berth_execution *execution, const void *bytes, size_t size, bool end, berth_error *error);
/* By name, "INT", "SIGTERM" …; KILL ends everything that it started. */
BERTH_API int berth_signal(berth_execution *execution, const char *name, berth_error *error);
/* By Linux's number, 1 to 64. */
BERTH_API int berth_signal_number(berth_execution *execution, int number, berth_error *error);
/* TERM, a grace, KILL of everything it started. Its end follows. */
BERTH_API int berth_cancel(berth_execution *execution, berth_error *error);
BERTH_API int berth_resize(berth_execution *execution, uint32_t rows, uint32_t columns, berth_error *error);
/* Ends this stream and nothing else; its handlers->ended gets BERTH_CANCELLED. */
BERTH_API int berth_detach(berth_execution *execution, berth_error *error);

typedef struct {
    unsigned char *out; /* a 0 follows the last byte, for text */
    size_t out_size;
    unsigned char *err;
    size_t err_size;
    Berth__V1__Ended *ended;
    /* Of a piece of code in a context. */
    Berth__V1__Display **displays; /* what it has shown, in order */
    size_t n_displays;
    Berth__V1__Failure *failure; /* NULL: it has not failed */
    char *value;                 /* of its last expression, as text; NULL: it has none, or is not shown */
} berth_result;

/* Text of output: a piece may end within a character, and what is not whole yet, at most 3 bytes, is held back until the rest
 * has come. What is not UTF-8 becomes U+FFFD. One of these for each stream; zero it at the beginning. */
typedef struct {
    unsigned char held[4];
    unsigned char size;
} berth_text;

/* Gets whole characters of UTF-8; no 0 follows them. */
typedef void (*berth_text_sink)(const char *text, size_t size, void *data);
/* To be called from the output callback. */
BERTH_API void berth_text_add(berth_text *text, const void *bytes, size_t size, berth_text_sink sink, void *data);
/* At the end, and at a gap: what was never finished comes as U+FFFD. */
BERTH_API void berth_text_end(berth_text *text, berth_text_sink sink, void *data);

/* Runs a program to its end and collects what it writes; command->max_output bounds that. keep_stdin_open is refused, since
 * nobody could write. */
BERTH_API int berth_run(berth_client *client, const char *lease, const berth_command *command, berth_result *result,
                        berth_error *error);
BERTH_API void berth_result_clear(berth_result *result);

/* --- Contexts ----------------------------------------------------------------------------------------------------- */

/* An interpreter in a lease that keeps its state from one piece of code to the next. A piece is a berth_command with context and
 * code, one at a time in each context; it is run by berth_run or berth_execute, in the context's lease. berth_signal INT stops
 * it, and keeps the context; `context_lost` of its end says that the context ended with it. */

typedef struct {
    const char *language;   /* "python", "bash", "sh" or "node" */
    const char *const *env; /* "NAME=VALUE", NULL at the end; added to what the pool gives */
    const char *cwd;        /* NULL: the server's choice */
    uint32_t uid;           /* 0: the server's choice */
} berth_context_options;

typedef struct {
    char *id;      /* for all calls about it */
    char *version; /* of the interpreter; empty where it does not tell */
} berth_context;

/* Starts an interpreter, and returns when it takes code. When the call's time-out passes, a context that comes of it all the same
 * is closed. */
BERTH_API int berth_open_context(berth_client *client, const char *lease, const berth_context_options *options,
                                 berth_context *context, berth_error *error);
/* Copies one with all that it holds, in milliseconds: what a piece does in one, the other does not see. BERTH_FAILED_PRECONDITION
 * while a piece runs in it (CONTEXT_BUSY), and while threads do (CONTEXT_START_FAILED, with their names); BERTH_UNIMPLEMENTED:
 * only Python can be copied. When the call's time-out passes, a copy that comes of it all the same is closed. */
BERTH_API int berth_fork_context(berth_client *client, const char *lease, const char *context, berth_context *copy,
                                 berth_error *error);
/* Ends it, with all that it started. BERTH_NOT_FOUND when it has ended. */
BERTH_API int berth_close_context(berth_client *client, const char *lease, const char *context, berth_error *error);
/* Frees the strings; the context itself goes on. */
BERTH_API void berth_context_clear(berth_context *context);
/* Those that are open, the oldest first. */
BERTH_API int berth_list_contexts(berth_client *client, const char *lease, Berth__V1__ListContextsResponse **response,
                                  berth_error *error);

/* A place in code that is more than there is: its end. */
#define BERTH_CODE_END SIZE_MAX
/* What could stand at a place in code, in bytes of UTF-8. Nothing of it is run. */
BERTH_API int berth_complete(berth_client *client, const char *lease, const char *context, const char *code,
                             size_t cursor, Berth__V1__CompleteResponse **response, berth_error *error);
/* What is known about the name at a place in code. detail: the source too, where there is one. */
BERTH_API int berth_inspect(berth_client *client, const char *lease, const char *context, const char *code,
                            size_t cursor, bool detail, Berth__V1__InspectResponse **response, berth_error *error);

/* One of a display's forms, by its MIME type, "text/plain" …; no 0 follows its bytes. NULL: it has none of that type. */
BERTH_API const ProtobufCBinaryData *berth_form(const Berth__V1__Display *display, const char *mime);

/* --- Connections -------------------------------------------------------------------------------------------------- */

/* A byte stream to something that listens in a leased container. It is an execution without a program: what comes is output,
 * BERTH_STDOUT, and then output_ended; berth_input sends, and its end tells the other side that nothing follows;
 * berth_wait_started returns when it is made, with why it can't be: BERTH_FAILED_PRECONDITION (CONNECTION_REFUSED, NOT_A_SOCKET),
 * BERTH_NOT_FOUND (NO_SUCH_FILE), BERTH_PERMISSION_DENIED. Its end has the cause EXITED when both sides have ended,
 * CONNECTION_RESET where the other side broke it off. berth_execution_free closes it. */

typedef struct {
    const char *path; /* of a unix socket: absolute; or */
    uint16_t port;    /* of TCP, on the container's loopback */
    uint32_t wait_ms; /* until somebody listens there; 0: not at all */
    uint32_t timeout_ms;      /* after this it is closed; 0: the server's longest */
    uint32_t idle_timeout_ms; /* after so long without a byte either way; 0: none */
    uint64_t window;          /* as in berth_command */
} berth_connect_options;

/* NULL: the request cannot be made; everything later is told by berth_wait_started and handlers->ended. */
BERTH_API berth_execution *berth_connect(berth_client *client, const char *lease, const berth_connect_options *options,
                                         const berth_handlers *handlers, void *data, berth_error *error);

/* --- Files -------------------------------------------------------------------------------------------------------- */

/* Takes bytes; anything but 0 ends the transfer with BERTH_CANCELLED. */
typedef int (*berth_sink)(const void *bytes, size_t size, void *data);
/* Gives up to size bytes: how many, 0 at the end, -1 for an error, which ends the transfer with BERTH_CANCELLED. */
typedef ptrdiff_t (*berth_source)(void *bytes, size_t size, void *data);

/* mode 0 is 0644. The file is complete under its name or not there at all. */
BERTH_API int berth_write_file(berth_client *client, const char *lease, const char *path, berth_source source,
                               void *data, uint32_t mode, bool create_parents, berth_error *error);
/* length 0: all to the end. *info is freed with berth__v1__file_info__free_unpacked; NULL is allowed. */
BERTH_API int berth_read_file(berth_client *client, const char *lease, const char *path, uint64_t offset,
                              uint64_t length, berth_sink sink, void *data, Berth__V1__FileInfo **info,
                              berth_error *error);
typedef void (*berth_entry)(const Berth__V1__FileInfo *entry, void *data);
BERTH_API int berth_list_directory(berth_client *client, const char *lease, const char *path, berth_entry entry,
                                   void *data, berth_error *error);
/* What is at a path: a link itself, or, if follow, what it leads to. Freed with berth__v1__file_info__free_unpacked. */
BERTH_API int berth_stat(berth_client *client, const char *lease, const char *path, bool follow,
                         Berth__V1__FileInfo **info, berth_error *error);
/* mode 0 is 0755. parents: directories that are missing on the way are made, and it may be there already. */
BERTH_API int berth_make_directory(berth_client *client, const char *lease, const char *path, uint32_t mode,
                                   bool parents, berth_error *error);
/* What is at the new path is replaced, unless no_replace. */
BERTH_API int berth_rename(berth_client *client, const char *lease, const char *from, const char *to, bool no_replace,
                           berth_error *error);
BERTH_API int berth_change_mode(berth_client *client, const char *lease, const char *path, uint32_t mode,
                                berth_error *error);
BERTH_API int berth_remove(berth_client *client, const char *lease, const char *path, bool recursive,
                           berth_error *error);
/* A tar archive into, and out of, a directory. *files is how many were unpacked; NULL is allowed. */
BERTH_API int berth_write_archive(berth_client *client, const char *lease, const char *path, berth_source source,
                                  void *data, uint64_t *files, berth_error *error);
BERTH_API int berth_read_archive(berth_client *client, const char *lease, const char *path, berth_sink sink, void *data,
                                 berth_error *error);

#ifdef __cplusplus
}
#endif
#endif
