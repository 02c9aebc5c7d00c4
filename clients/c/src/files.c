// SPDX-License-Identifier: Apache-2.0

/* Files of a leased container: in parts of unary calls, out as streams with credit. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PART = 256 << 10 };

/* --- In */

typedef struct {
    unsigned char *bytes, *next;
    size_t size, next_size;
    uint64_t offset;
    char *upload;
} parts;

static int fill(unsigned char *bytes, size_t *size, berth_source source, void *data, berth_error *error) {
    for (*size = 0; *size < MAX_PART;) {
        ptrdiff_t n = source(bytes + *size, MAX_PART - *size, data);
        if (n == 0) break;
        if (n < 0) return fail(error, BERTH_CANCELLED, "the caller's source has failed");
        *size += (size_t)n;
    }
    return 0;
}

static int parts_begin(parts *p, berth_source source, void *data, berth_error *error) {
    *p = (parts){.bytes = malloc(MAX_PART), .next = malloc(MAX_PART), .upload = copy_string("")};
    if (!p->bytes || !p->next || !p->upload) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for a part");
    return fill(p->bytes, &p->size, source, data, error);
}

/* Looks whether another part follows. */
static int parts_look(parts *p, berth_source source, void *data, berth_error *error) {
    p->next_size = 0;
    return p->size == MAX_PART ? fill(p->next, &p->next_size, source, data, error) : 0;
}

/* The part was taken; false: it was the last. */
static bool parts_advance(parts *p, const char *upload) {
    unsigned char *bytes = p->bytes;
    p->offset += p->size;
    p->bytes = p->next;
    p->size = p->next_size;
    p->next = bytes;
    if (p->size == 0) return false;
    free(p->upload);
    p->upload = copy_string(upload);
    return p->upload != NULL;
}

static void parts_end(parts *p) {
    free(p->bytes);
    free(p->next);
    free(p->upload);
}

int berth_write_file(berth_client *client, const char *lease, const char *path, berth_source source, void *data,
                     uint32_t mode, bool create_parents, berth_error *error) {
    parts p;
    int code = parts_begin(&p, source, data, error);
    for (bool more = code == 0; more;) {
        Berth__V1__WriteFileRequest request = BERTH__V1__WRITE_FILE_REQUEST__INIT;
        ProtobufCMessage *answer;
        if ((code = parts_look(&p, source, data, error)) != 0) break;
        request.lease = (char *)lease;
        put_word(path, &request.path, &request.path_raw);
        request.data = (ProtobufCBinaryData){.len = p.size, .data = p.bytes};
        request.mode = mode;
        request.create_parents = create_parents;
        request.more = p.next_size > 0;
        request.upload = p.upload;
        request.offset = p.offset;
        code = pool_call(client, "WriteFile", &request, &berth__v1__write_file_response__descriptor, &answer, error);
        if (code != 0) break;
        more = parts_advance(&p, ((Berth__V1__WriteFileResponse *)answer)->upload);
        protobuf_c_message_free_unpacked(answer, NULL);
    }
    parts_end(&p);
    return code;
}

int berth_write_archive(berth_client *client, const char *lease, const char *path, berth_source source, void *data,
                        uint64_t *files, berth_error *error) {
    parts p;
    int code = parts_begin(&p, source, data, error);
    for (bool more = code == 0; more;) {
        Berth__V1__WriteArchiveRequest request = BERTH__V1__WRITE_ARCHIVE_REQUEST__INIT;
        ProtobufCMessage *answer;
        if ((code = parts_look(&p, source, data, error)) != 0) break;
        request.lease = (char *)lease;
        put_word(path, &request.path, &request.path_raw);
        request.data = (ProtobufCBinaryData){.len = p.size, .data = p.bytes};
        request.more = p.next_size > 0;
        request.upload = p.upload;
        request.offset = p.offset;
        code =
            pool_call(client, "WriteArchive", &request, &berth__v1__write_archive_response__descriptor, &answer, error);
        if (code != 0) break;
        if (files) *files = ((Berth__V1__WriteArchiveResponse *)answer)->files;
        more = parts_advance(&p, ((Berth__V1__WriteArchiveResponse *)answer)->upload);
        protobuf_c_message_free_unpacked(answer, NULL);
    }
    parts_end(&p);
    return code;
}

/* --- Out */

typedef struct {
    berth_client *client;
    call *call;
    const char *lease;
    char *execution;
    uint32_t watcher;
    berth_sink sink;
    void *data;
    Berth__V1__FileInfo **info;
    uint64_t consumed, acknowledged;
    unsigned taken; /* events since the last credit */
    bool is_complete, done;
    berth_error error;
} transfer;

static void acknowledge(transfer *t) {
    bool is_much = t->consumed - t->acknowledged >= WINDOW / 4 || ++t->taken >= 30;
    if (!is_much || !t->execution) return;
    t->taken = 0;
    t->acknowledged = t->consumed;
    Berth__V1__AcknowledgeRequest request = BERTH__V1__ACKNOWLEDGE_REQUEST__INIT;
    request.lease = (char *)t->lease;
    request.execution = t->execution;
    request.watcher = t->watcher;
    request.stdout_offset = t->consumed;
    call_post(t->client, "Acknowledge", &request.base);
}

/* The caller, or we, want no more of it. */
static void abandon(transfer *t) {
    call_leave(t->client, t->call, NULL, NULL);
    t->done = true;
    if (!t->execution) return;
    Berth__V1__DetachRequest request = BERTH__V1__DETACH_REQUEST__INIT;
    request.lease = (char *)t->lease;
    request.execution = t->execution;
    request.watcher = t->watcher;
    call_post(t->client, "Detach", &request.base);
}

static void transfer_message(void *owner, const unsigned char *bytes, size_t size) {
    transfer *t = owner;
    Berth__V1__FileEvent *event = berth__v1__file_event__unpack(NULL, size, bytes);
    if (!event) {
        fail(&t->error, BERTH_INTERNAL, "the server sent a malformed event");
        abandon(t);
        return;
    }
    switch (event->event_case) {
    case BERTH__V1__FILE_EVENT__EVENT_START:
        if (t->execution) break;
        t->execution = copy_string(event->start->execution);
        t->watcher = event->start->watcher;
        if (t->info) {
            *t->info = event->start->info;
            event->start->info = NULL;
        }
        break;
    case BERTH__V1__FILE_EVENT__EVENT_OUTPUT:
        t->consumed += event->output->data.len;
        if (t->sink(event->output->data.data, event->output->data.len, t->data) != 0) {
            fail(&t->error, BERTH_CANCELLED, "the caller wants no more of it");
            abandon(t);
        } else {
            acknowledge(t);
        }
        break;
    case BERTH__V1__FILE_EVENT__EVENT_END:
        t->is_complete = true;
        break;
    default:
        break;
    }
    berth__v1__file_event__free_unpacked(event, NULL);
}

static void transfer_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    transfer *t = owner;
    (void)payload, (void)size;
    t->done = true;
    if (t->is_complete) return;
    if (error) {
        t->error = *error;
    } else {
        fail(&t->error, BERTH_INTERNAL, "the server ended the stream before the file's end");
    }
}

static int transfer_run(transfer *t, const char *method, const ProtobufCMessage *request, berth_error *error) {
    if (t->client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    t->call = call_begin(t->client, FLAG_REMOTE_CLOSED, POOL, method, request, t->client->timeout, transfer_message,
                         transfer_end, t, &t->error);
    if (t->call) wait_until(t->client, &t->done, NULL);
    free(t->execution);
    return t->error.code ? fail_with(error, &t->error) : 0;
}

int berth_read_file(berth_client *client, const char *lease, const char *path, uint64_t offset, uint64_t length,
                    berth_sink sink, void *data, Berth__V1__FileInfo **info, berth_error *error) {
    transfer t = {.client = client, .lease = lease, .sink = sink, .data = data, .info = info};
    Berth__V1__ReadFileRequest request = BERTH__V1__READ_FILE_REQUEST__INIT;
    if (info) *info = NULL;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.offset = offset;
    request.length = length;
    request.window_bytes = WINDOW;
    int code = transfer_run(&t, "ReadFile", &request.base, error);
    if (code != 0 && info && *info) {
        berth__v1__file_info__free_unpacked(*info, NULL);
        *info = NULL;
    }
    return code;
}

int berth_read_archive(berth_client *client, const char *lease, const char *path, berth_sink sink, void *data,
                       berth_error *error) {
    transfer t = {.client = client, .lease = lease, .sink = sink, .data = data};
    Berth__V1__ReadArchiveRequest request = BERTH__V1__READ_ARCHIVE_REQUEST__INIT;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.window_bytes = WINDOW;
    return transfer_run(&t, "ReadArchive", &request.base, error);
}

/* --- Directories */

typedef struct {
    berth_entry entry;
    void *data;
    bool done;
    berth_error error;
} listing;

static void listing_message(void *owner, const unsigned char *bytes, size_t size) {
    listing *l = owner;
    Berth__V1__ListDirectoryResponse *response = berth__v1__list_directory_response__unpack(NULL, size, bytes);
    if (!response) {
        fail(&l->error, BERTH_INTERNAL, "the server sent a malformed list");
        return;
    }
    for (size_t i = 0; i < response->n_entries; i++) l->entry(response->entries[i], l->data);
    berth__v1__list_directory_response__free_unpacked(response, NULL);
}

static void listing_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    listing *l = owner;
    (void)payload, (void)size;
    l->done = true;
    if (error) l->error = *error;
}

int berth_list_directory(berth_client *client, const char *lease, const char *path, berth_entry entry, void *data,
                         berth_error *error) {
    listing l = {.entry = entry, .data = data};
    Berth__V1__ListDirectoryRequest request = BERTH__V1__LIST_DIRECTORY_REQUEST__INIT;
    if (client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    if (call_begin(client, FLAG_REMOTE_CLOSED, POOL, "ListDirectory", &request.base, client->timeout, listing_message,
                   listing_end, &l, &l.error)) {
        wait_until(client, &l.done, NULL);
    }
    return l.error.code ? fail_with(error, &l.error) : 0;
}

int berth_stat(berth_client *client, const char *lease, const char *path, bool follow, Berth__V1__FileInfo **info,
               berth_error *error) {
    Berth__V1__StatRequest request = BERTH__V1__STAT_REQUEST__INIT;
    ProtobufCMessage *answer;
    *info = NULL;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.follow = follow;
    int code = pool_call(client, "Stat", &request, &berth__v1__stat_response__descriptor, &answer, error);
    if (code != 0) return code;
    Berth__V1__StatResponse *response = (Berth__V1__StatResponse *)answer;
    *info = response->info;
    response->info = NULL;
    protobuf_c_message_free_unpacked(answer, NULL);
    return *info ? 0 : fail(error, BERTH_INTERNAL, "the server sent no answer to Stat");
}

int berth_make_directory(berth_client *client, const char *lease, const char *path, uint32_t mode, bool parents,
                         berth_error *error) {
    Berth__V1__MakeDirectoryRequest request = BERTH__V1__MAKE_DIRECTORY_REQUEST__INIT;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.mode = mode;
    request.parents = parents;
    return pool_call(client, "MakeDirectory", &request, &berth__v1__make_directory_response__descriptor, NULL, error);
}

int berth_rename(berth_client *client, const char *lease, const char *from, const char *to, bool no_replace,
                 berth_error *error) {
    Berth__V1__RenameFileRequest request = BERTH__V1__RENAME_FILE_REQUEST__INIT;
    request.lease = (char *)lease;
    put_word(from, &request.from, &request.from_raw);
    put_word(to, &request.to, &request.to_raw);
    request.no_replace = no_replace;
    return pool_call(client, "RenameFile", &request, &berth__v1__rename_file_response__descriptor, NULL, error);
}

int berth_change_mode(berth_client *client, const char *lease, const char *path, uint32_t mode, berth_error *error) {
    Berth__V1__ChangeModeRequest request = BERTH__V1__CHANGE_MODE_REQUEST__INIT;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.mode = mode;
    return pool_call(client, "ChangeMode", &request, &berth__v1__change_mode_response__descriptor, NULL, error);
}

int berth_remove(berth_client *client, const char *lease, const char *path, bool recursive, berth_error *error) {
    Berth__V1__RemoveFileRequest request = BERTH__V1__REMOVE_FILE_REQUEST__INIT;
    request.lease = (char *)lease;
    put_word(path, &request.path, &request.path_raw);
    request.recursive = recursive;
    return pool_call(client, "RemoveFile", &request, &berth__v1__remove_file_response__descriptor, NULL, error);
}
