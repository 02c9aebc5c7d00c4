// SPDX-License-Identifier: Apache-2.0

/* UTF-8: what may be sent as text, and text of output that comes in pieces. */
#include "internal.h"

#include <string.h>

/* How many bytes at the beginning are one character. 0: they are none; then *begins is how many of them belong together as a
 * broken one, and *is_open says that they may yet become one, when more have come. */
static size_t character(const unsigned char *at, size_t size, size_t *begins, bool *is_open) {
    unsigned char first = at[0], low = 0x80, high = 0xbf;
    size_t length;
    *begins = 1;
    *is_open = false;
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;  /* overlong */
        if (first == 0xed) high = 0x9f; /* surrogates */
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f; /* beyond Unicode */
    } else {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (i == size) {
            *is_open = true;
            return 0;
        }
        if (at[i] < low || at[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
        *begins = i + 1;
    }
    return length;
}

bool is_utf8(const void *text, size_t size) {
    const unsigned char *at = text;
    while (size > 0) {
        size_t begins;
        bool is_open;
        size_t length = character(at, size, &begins, &is_open);
        if (length == 0) return false;
        at += length;
        size -= length;
    }
    return true;
}

void put_word(const char *word, char **text, ProtobufCBinaryData *raw) {
    size_t size = strlen(word);
    if (is_utf8(word, size)) {
        *text = (char *)word;
    } else {
        *raw = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)word};
    }
}

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void berth_text_add(berth_text *text, const void *bytes, size_t size, berth_text_sink sink, void *data) {
    const unsigned char *at = bytes;
    size_t begins;
    bool is_open;
    /* The character that began in an earlier piece, one byte after the other. */
    while (text->size > 0 && size > 0) {
        text->held[text->size++] = *at;
        size_t length = character(text->held, text->size, &begins, &is_open);
        if (length > 0) {
            sink((const char *)text->held, length, data);
            text->size = 0;
        } else if (!is_open) {
            /* This byte does not go on with it: it is looked at again. */
            sink(replacement, 3, data);
            text->size = 0;
            continue;
        }
        at++;
        size--;
    }
    const unsigned char *from = at;
    while (size > 0) {
        size_t length = character(at, size, &begins, &is_open);
        if (length == 0) {
            if (at > from) sink((const char *)from, (size_t)(at - from), data);
            if (is_open) {
                memcpy(text->held, at, size);
                text->size = (unsigned char)size;
                return;
            }
            sink(replacement, 3, data);
            length = begins;
            from = at + length;
        }
        at += length;
        size -= length;
    }
    if (at > from) sink((const char *)from, (size_t)(at - from), data);
}

void berth_text_end(berth_text *text, berth_text_sink sink, void *data) {
    if (text->size > 0) sink(replacement, 3, data);
    text->size = 0;
}
