// SPDX-License-Identifier: Apache-2.0

/* The words of scenarios: key=value, percent-encoded; and how results are printed. */
#ifndef WORDS_H
#define WORDS_H

#include <berth.h>
#include <stdio.h>

typedef struct {
    char *key;
    char *value; /* decoded; a 0 follows, and may be within */
    size_t size;
} word;

enum { MAX_WORDS = 64 };

typedef struct {
    char *verb;
    word words[MAX_WORDS];
    size_t count;
} step;

/* Cuts a line up, in place. False: it is no step. */
bool step_parse(step *s, char *line);
const word *step_word(const step *s, const char *key);
bool step_has(const step *s, const char *key);
/* "" and 0 for what is not there. */
const char *step_text(const step *s, const char *key);
unsigned long step_number(const step *s, const char *key);
/* All values of a key, NULL at the end; to be freed. */
const char **step_list(const step *s, const char *key);
/* A value, repeated as often as another says; to be freed. */
unsigned char *step_bytes(const step *s, const char *key, const char *repeat, size_t *size);

/* Where the rest here prints: stdout, if it is not set. */
void print_to(FILE *file);
/* Prints percent-encoded; show gives length and CRC-32 of what is long. */
void encode(const void *bytes, size_t size);
void encode_text(const char *text);
void show(const void *bytes, size_t size);
void show_end(const Berth__V1__Ended *ended);
/* The name of an enum's value, in lower case. */
void show_enum(const ProtobufCEnumDescriptor *descriptor, int value);
/* What a piece of code shows, each in a line without its line feed. */
void show_display(const Berth__V1__Display *display);
void show_failure(const Berth__V1__Failure *failure);
void show_prompt(const Berth__V1__Prompt *prompt);
/* In the order of their types. */
void sort_forms(Berth__V1__MimeData **forms, size_t count);
uint32_t crc32(const void *bytes, size_t size);

#endif
