// SPDX-License-Identifier: Apache-2.0

#include "words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static size_t decode(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '%' && digit(from[1]) >= 0 && digit(from[2]) >= 0) {
            *to++ = (char)(digit(from[1]) << 4 | digit(from[2]));
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
    return (size_t)(to - text);
}

bool step_parse(step *s, char *line) {
    char *rest = NULL;
    s->count = 0;
    s->verb = strtok_r(line, " \n", &rest);
    if (!s->verb || *s->verb == '#' || *s->verb == '=') return false;
    for (char *text; s->count < MAX_WORDS && (text = strtok_r(NULL, " \n", &rest));) {
        char *equals = strchr(text, '=');
        word *w = &s->words[s->count++];
        *w = (word){.key = text, .value = ""};
        if (!equals) continue;
        *equals = 0;
        w->value = equals + 1;
        w->size = decode(w->value);
    }
    return true;
}

const word *step_word(const step *s, const char *key) {
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->words[i].key, key) == 0) return &s->words[i];
    }
    return NULL;
}

bool step_has(const step *s, const char *key) { return step_word(s, key) != NULL; }

const char *step_text(const step *s, const char *key) {
    const word *w = step_word(s, key);
    return w ? w->value : "";
}

unsigned long step_number(const step *s, const char *key) { return strtoul(step_text(s, key), NULL, 10); }

static void *or_end(void *memory) {
    if (!memory) {
        fputs("conformance: no memory\n", stderr);
        exit(1);
    }
    return memory;
}

const char **step_list(const step *s, const char *key) {
    const char **list = or_end(calloc(s->count + 1, sizeof *list));
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->words[i].key, key) == 0) list[n++] = s->words[i].value;
    }
    return list;
}

unsigned char *step_bytes(const step *s, const char *key, const char *repeat, size_t *size) {
    const word *w = step_word(s, key);
    size_t one = w ? w->size : 0, times = step_has(s, repeat) ? step_number(s, repeat) : 1;
    unsigned char *bytes = or_end(malloc(one * times + 1));
    for (size_t i = 0; i < times && w; i++) memcpy(bytes + i * one, w->value, one);
    *size = one * times;
    return bytes;
}

static FILE *file_;

void print_to(FILE *file) { file_ = file; }

static FILE *out(void) { return file_ ? file_ : stdout; }

void encode(const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size; i++) {
        fprintf(out(), b[i] < '!' || b[i] > '~' || b[i] == '%' ? "%%%02X" : "%c", b[i]);
    }
}

void encode_text(const char *text) { encode(text, strlen(text)); }

uint32_t crc32(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint32_t table[256], crc = 0xffffffff;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < size; i++) crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

void show(const void *bytes, size_t size) {
    if (size <= 128) {
        encode(bytes, size);
    } else {
        fprintf(out(), "bytes=%zu crc32=%08x", size, crc32(bytes, size));
    }
}

void show_enum(const ProtobufCEnumDescriptor *descriptor, int value) {
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);
    for (const char *c = found ? found->name : "unknown"; *c; c++) putc(tolower((unsigned char)*c), out());
}

void show_end(const Berth__V1__Ended *ended) {
    show_enum(&berth__v1__end_cause__descriptor, (int)ended->cause);
    if (ended->cause == BERTH__V1__END_CAUSE__EXITED || ended->exit_code) fprintf(out(), " code=%d", ended->exit_code);
    if (ended->signal) fprintf(out(), " signal=%d", ended->signal);
    if (ended->start_failure) {
        fputs(" failure=", out());
        show_enum(&berth__v1__start_failure__descriptor, (int)ended->start_failure);
    }
    if (ended->stdout_truncated) fprintf(out(), " stdout_truncated=%llu", (unsigned long long)ended->stdout_truncated);
    if (ended->stderr_truncated) fprintf(out(), " stderr_truncated=%llu", (unsigned long long)ended->stderr_truncated);
    if (ended->context_lost) fputs(" context_lost=1", out());
}

static int by_mime(const void *a, const void *b) {
    return strcmp((*(Berth__V1__MimeData *const *)a)->mime, (*(Berth__V1__MimeData *const *)b)->mime);
}

void sort_forms(Berth__V1__MimeData **forms, size_t count) {
    if (count > 0) qsort(forms, count, sizeof *forms, by_mime);
}

void show_display(const Berth__V1__Display *display) {
    fputs("display", out());
    if (*display->id) fputs(" id=", out()), show(display->id, strlen(display->id));
    if (display->update) fputs(" update=1", out());
    if (display->result) fputs(" result=1", out());
    sort_forms(display->data, display->n_data);
    for (size_t i = 0; i < display->n_data; i++) {
        putc(' ', out());
        encode_text(display->data[i]->mime);
        putc('=', out());
        show(display->data[i]->data.data, display->data[i]->data.len);
    }
    for (size_t i = 0; i < display->n_left_out; i++) {
        fputs(" left-out=", out());
        encode_text(display->left_out[i]->mime);
        fprintf(out(), ":%llu", (unsigned long long)display->left_out[i]->bytes);
    }
}

void show_failure(const Berth__V1__Failure *failure) {
    fputs("failure ", out());
    encode_text(failure->name);
    if (*failure->message) putc(' ', out()), show(failure->message, strlen(failure->message));
    if (failure->n_traceback > 0) {
        const char *last = failure->traceback[failure->n_traceback - 1];
        fputs(" last=", out());
        show(last, strlen(last));
    }
}

void show_prompt(const Berth__V1__Prompt *prompt) {
    fputs("prompt ", out());
    show(prompt->text, strlen(prompt->text));
    if (prompt->password) fputs(" password=1", out());
}
