// SPDX-License-Identifier: Apache-2.0

/* ttrpc's frames and envelope. The envelope is written by hand: so the message is packed once, into the frame itself,
 * and the library brings no symbols of the package ttrpc, which others have too. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve(buffer *b, size_t more) {
    if (b->capacity - b->size >= more) return true;
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity - b->size < more) capacity *= 2;
    unsigned char *bytes = realloc(b->bytes, capacity);
    if (!bytes) return false;
    b->bytes = bytes;
    b->capacity = capacity;
    return true;
}

bool buffer_append(buffer *b, const void *bytes, size_t size) {
    if (size == 0) return true;
    if (!buffer_reserve(b, size)) return false;
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
    return true;
}

void buffer_clear(buffer *b) {
    free(b->bytes);
    *b = (buffer){0};
}

static void write_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t read_u32(const unsigned char *from) {
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void header_write(unsigned char *to, header h) {
    write_u32(to, h.length);
    write_u32(to + 4, h.stream);
    to[8] = h.kind;
    to[9] = h.flags;
}

header header_read(const unsigned char *from) {
    return (header){.length = read_u32(from), .stream = read_u32(from + 4), .kind = from[8], .flags = from[9]};
}

void frame_set_stream(unsigned char *frame, uint32_t stream) { write_u32(frame + 4, stream); }

/* Protocol Buffers: a field is a varint of number << 3 | type; type 0 is a varint, 2 a length and bytes. */

static void put_varint(buffer *b, uint64_t value) {
    for (; value >= 0x80; value >>= 7) b->bytes[b->size++] = (unsigned char)(value | 0x80);
    b->bytes[b->size++] = (unsigned char)value;
}

static void put_bytes(buffer *b, unsigned field, const void *bytes, size_t size) {
    put_varint(b, field << 3 | 2);
    put_varint(b, size);
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

int request_frame(buffer *frame, uint8_t flags, const char *service, const char *method,
                  const ProtobufCMessage *message, int64_t timeout_ms, const char *token, berth_error *error) {
    static const char authorization[] = "authorization", bearer[] = "Bearer ";
    size_t payload = protobuf_c_message_get_packed_size(message);
    size_t service_size = strlen(service), method_size = strlen(method), token_size = token ? strlen(token) : 0;
    /* Tags and lengths are ten bytes each at most. */
    size_t most =
        HEADER + payload + service_size + method_size + token_size + sizeof authorization + sizeof bearer + 160;
    *frame = (buffer){0};
    if (payload > MAX_DATA || most > (size_t)MAX_DATA * 2) {
        return fail(error, BERTH_RESOURCE_EXHAUSTED, "the request has %zu bytes; a message has %u at most", payload,
                    MAX_DATA);
    }
    if (!buffer_reserve(frame, most)) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the request");
    frame->size = HEADER;
    put_bytes(frame, 1, service, service_size);
    put_bytes(frame, 2, method, method_size);
    if (payload > 0) {
        put_varint(frame, 3 << 3 | 2);
        put_varint(frame, payload);
        frame->size += protobuf_c_message_pack(message, frame->bytes + frame->size);
    }
    if (timeout_ms > 0) {
        put_varint(frame, 4 << 3);
        put_varint(frame, (uint64_t)timeout_ms * 1000000);
    }
    if (token) {
        unsigned char pair[64];
        buffer key = {.bytes = pair, .capacity = sizeof pair};
        put_bytes(&key, 1, authorization, sizeof authorization - 1);
        put_varint(&key, 2 << 3 | 2);
        put_varint(&key, sizeof bearer - 1 + token_size);
        put_varint(frame, 5 << 3 | 2);
        put_varint(frame, key.size + sizeof bearer - 1 + token_size);
        (void)(buffer_append(frame, pair, key.size) && buffer_append(frame, bearer, sizeof bearer - 1) &&
               buffer_append(frame, token, token_size)); /* there is room */
    }
    if (frame->size - HEADER > MAX_DATA) {
        size_t size = frame->size - HEADER;
        buffer_clear(frame);
        return fail(error, BERTH_RESOURCE_EXHAUSTED, "the request has %zu bytes; a message has %u at most", size,
                    MAX_DATA);
    }
    header_write(frame->bytes,
                 (header){.length = (uint32_t)(frame->size - HEADER), .kind = KIND_REQUEST, .flags = flags});
    return 0;
}

typedef struct {
    const unsigned char *at, *end;
    unsigned field;
    uint64_t varint;
    const unsigned char *bytes; /* NULL: the field is no bytes */
    size_t size;
} reader;

static bool read_varint(reader *r, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = *r->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* 1: a field, 0: the end, -1: malformed. */
static int next_field(reader *r) {
    uint64_t tag, size = 0;
    if (r->at == r->end) return 0;
    if (!read_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return -1;
    r->field = (unsigned)(tag >> 3);
    r->bytes = NULL;
    r->size = 0;
    r->varint = 0;
    switch (tag & 7) {
    case 0:
        return read_varint(r, &r->varint) ? 1 : -1;
    case 1:
        size = 8;
        break;
    case 2:
        if (!read_varint(r, &size)) return -1;
        break;
    case 5:
        size = 4;
        break;
    default:
        return -1;
    }
    if (size > (uint64_t)(r->end - r->at)) return -1;
    if ((tag & 7) == 2) {
        r->bytes = r->at;
        r->size = (size_t)size;
    }
    r->at += size;
    return 1;
}

static bool equals(const reader *r, const char *text) {
    return r->bytes && r->size == strlen(text) && memcmp(r->bytes, text, r->size) == 0;
}

/* Berth's google.rpc.ErrorInfo: the code and the message say enough where it cannot be read. */
static void parse_info(reader info, berth_error *error) {
    const ProtobufCEnumValue *reason = NULL;
    bool is_ours = false;
    uint32_t retry = 0;
    while (next_field(&info) > 0) {
        if (info.field == 1 && info.bytes) {
            char name[64] = "";
            if (info.size < sizeof name) memcpy(name, info.bytes, info.size);
            reason = protobuf_c_enum_descriptor_get_value_by_name(&berth__v1__error_reason__descriptor, name);
        } else if (info.field == 2) {
            is_ours = equals(&info, "berth.dev");
        } else if (info.field == 3 && info.bytes) {
            reader entry = {.at = info.bytes, .end = info.bytes + info.size};
            bool is_retry = false;
            while (next_field(&entry) > 0) {
                if (entry.field == 1) is_retry = equals(&entry, "retry_after_ms");
                for (size_t i = 0; entry.field == 2 && is_retry && entry.bytes && i < entry.size; i++) {
                    if (entry.bytes[i] >= '0' && entry.bytes[i] <= '9' && retry < UINT32_MAX / 10 - 1) {
                        retry = retry * 10 + (uint32_t)(entry.bytes[i] - '0');
                    }
                }
            }
        }
    }
    if (!is_ours) return;
    error->reason = reason ? reason->value : 0;
    error->retry_after_ms = retry;
}

static void parse_detail(reader detail, berth_error *error) {
    static const char kind[] = "google.rpc.ErrorInfo";
    bool is_info = false;
    reader info = {0};
    while (next_field(&detail) > 0) {
        if (detail.field == 1 && detail.bytes) {
            size_t size = sizeof kind - 1;
            is_info = detail.size > size && detail.bytes[detail.size - size - 1] == '/' &&
                      memcmp(detail.bytes + detail.size - size, kind, size) == 0;
        } else if (detail.field == 2 && detail.bytes) {
            info = (reader){.at = detail.bytes, .end = detail.bytes + detail.size};
        }
    }
    if (is_info && info.at) parse_info(info, error);
}

void response_parse(const unsigned char *data, size_t size, const unsigned char **payload, size_t *payload_size,
                    berth_error *error) {
    reader r = {.at = data, .end = data + size};
    int more;
    *payload = data;
    *payload_size = 0;
    *error = (berth_error){0};
    while ((more = next_field(&r)) > 0) {
        if (r.field == 2 && r.bytes) {
            *payload = r.bytes;
            *payload_size = r.size;
        } else if (r.field == 1 && r.bytes) {
            reader status = {.at = r.bytes, .end = r.bytes + r.size};
            while ((more = next_field(&status)) > 0) {
                if (status.field == 1) {
                    error->code = (int)(uint32_t)status.varint;
                } else if (status.field == 2 && status.bytes) {
                    size_t length = status.size < sizeof error->message ? status.size : sizeof error->message - 1;
                    memcpy(error->message, status.bytes, length);
                    error->message[length] = 0;
                } else if (status.field == 3 && status.bytes) {
                    parse_detail((reader){.at = status.bytes, .end = status.bytes + status.size}, error);
                }
            }
            if (more < 0) break;
        }
    }
    if (more < 0) fail(error, BERTH_INTERNAL, "the server sent a malformed envelope");
}
