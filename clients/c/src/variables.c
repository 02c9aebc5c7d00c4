// SPDX-License-Identifier: Apache-2.0

/* Environments, as the maps of requests want them. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* protobuf-c makes a type of its own for the entries of each map; those of text to text are all the same. */
typedef Berth__V1__ExecuteRequest__EnvEntry entry;
_Static_assert(sizeof(entry) == sizeof(Berth__V1__OpenContextRequest__EnvEntry) &&
                   offsetof(entry, key) == offsetof(Berth__V1__OpenContextRequest__EnvEntry, key) &&
                   offsetof(entry, value) == offsetof(Berth__V1__OpenContextRequest__EnvEntry, value),
               "the entries of all maps of text are alike");

static bool add(variables *v, const char *variable, const char *equals, const ProtobufCMessageDescriptor *descriptor) {
    if (!is_utf8(variable, strlen(variable))) { /* it goes as bytes */
        v->raw[v->n_raw++] = (ProtobufCBinaryData){.len = strlen(variable), .data = (uint8_t *)variable};
        return true;
    }
    entry *made = malloc(sizeof *made);
    if (!made) return false;
    protobuf_c_message_init(descriptor, made);
    v->entries[v->n_entries++] = &made->base;
    made->key = strndup(variable, (size_t)(equals - variable));
    made->value = (char *)equals + 1;
    return made->key != NULL;
}

bool variables_set(variables *v, const char *const *env, const ProtobufCMessageDescriptor *descriptor,
                   berth_error *error) {
    size_t n = 0;
    *v = (variables){0};
    while (env && env[n]) n++;
    if (n == 0) return true;
    v->entries = calloc(n, sizeof *v->entries);
    v->raw = calloc(n, sizeof *v->raw);
    bool has_room = v->entries && v->raw;
    for (size_t i = 0; has_room && i < n; i++) {
        const char *equals = strchr(env[i], '=');
        if (!equals || equals == env[i]) {
            fail(error, BERTH_INVALID_ARGUMENT, "\"%s\" in env is not NAME=VALUE", env[i]);
            return false;
        }
        has_room = add(v, env[i], equals, descriptor);
    }
    if (!has_room) fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the environment");
    return has_room;
}

void variables_free(variables *v) {
    for (size_t i = 0; i < v->n_entries; i++) {
        free(((entry *)v->entries[i])->key);
        free(v->entries[i]);
    }
    free(v->entries);
    free(v->raw);
}
