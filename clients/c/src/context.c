// SPDX-License-Identifier: Apache-2.0

/* Contexts: interpreters that keep their state. Their pieces of code are executions. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static void close_unwanted(berth_client *client, const char *lease, char *context) {
    Berth__V1__CloseContextRequest request = BERTH__V1__CLOSE_CONTEXT_REQUEST__INIT;
    request.lease = (char *)lease;
    request.context = context;
    call_post(client, "CloseContext", &request.base);
}

static void close_late(berth_client *client, const char *lease, const unsigned char *data, size_t size) {
    Berth__V1__OpenContextResponse *response = berth__v1__open_context_response__unpack(NULL, size, data);
    if (!response) return;
    close_unwanted(client, lease, response->context);
    berth__v1__open_context_response__free_unpacked(response, NULL);
}

static void close_late_copy(berth_client *client, const char *lease, const unsigned char *data, size_t size) {
    Berth__V1__ForkContextResponse *response = berth__v1__fork_context_response__unpack(NULL, size, data);
    if (!response) return;
    close_unwanted(client, lease, response->context);
    berth__v1__fork_context_response__free_unpacked(response, NULL);
}

static int keep(berth_context *context, const char *id, const char *version, berth_error *error) {
    *context = (berth_context){.id = copy_string(id), .version = copy_string(version)};
    if (context->id && context->version) return 0;
    berth_context_clear(context);
    return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the context");
}

int berth_open_context(berth_client *client, const char *lease, const berth_context_options *options,
                       berth_context *context, berth_error *error) {
    Berth__V1__OpenContextRequest request = BERTH__V1__OPEN_CONTEXT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    variables env;
    berth_error why = {0};
    *context = (berth_context){0};
    request.lease = (char *)lease;
    if (options->language) request.language = (char *)options->language;
    if (options->cwd) put_word(options->cwd, &request.cwd, &request.cwd_raw);
    request.uid = options->uid;
    if (variables_set(&env, options->env, &berth__v1__open_context_request__env_entry__descriptor, &why)) {
        request.env = (Berth__V1__OpenContextRequest__EnvEntry **)env.entries;
        request.n_env = env.n_entries;
        request.env_raw = env.raw;
        request.n_env_raw = env.n_raw;
        call_wait(client, POOL, "OpenContext", &request.base, &berth__v1__open_context_response__descriptor, &answer,
                  lease, close_late, &why);
    }
    variables_free(&env);
    if (!answer) return fail_with(error, &why);
    Berth__V1__OpenContextResponse *response = (Berth__V1__OpenContextResponse *)answer;
    int code = keep(context, response->context, response->version, error);
    protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

int berth_fork_context(berth_client *client, const char *lease, const char *context, berth_context *copy,
                       berth_error *error) {
    Berth__V1__ForkContextRequest request = BERTH__V1__FORK_CONTEXT_REQUEST__INIT;
    ProtobufCMessage *answer;
    *copy = (berth_context){0};
    request.lease = (char *)lease;
    request.context = (char *)context;
    int code = call_wait(client, POOL, "ForkContext", &request.base, &berth__v1__fork_context_response__descriptor,
                         &answer, lease, close_late_copy, error);
    if (code != 0) return code;
    Berth__V1__ForkContextResponse *response = (Berth__V1__ForkContextResponse *)answer;
    code = keep(copy, response->context, response->version, error);
    protobuf_c_message_free_unpacked(answer, NULL);
    return code;
}

int berth_close_context(berth_client *client, const char *lease, const char *context, berth_error *error) {
    Berth__V1__CloseContextRequest request = BERTH__V1__CLOSE_CONTEXT_REQUEST__INIT;
    request.lease = (char *)lease;
    request.context = (char *)context;
    return pool_call(client, "CloseContext", &request, &berth__v1__close_context_response__descriptor, NULL, error);
}

void berth_context_clear(berth_context *context) {
    free(context->id);
    free(context->version);
    *context = (berth_context){0};
}

int berth_list_contexts(berth_client *client, const char *lease, Berth__V1__ListContextsResponse **response,
                        berth_error *error) {
    Berth__V1__ListContextsRequest request = BERTH__V1__LIST_CONTEXTS_REQUEST__INIT;
    request.lease = (char *)lease;
    return pool_call(client, "ListContexts", &request, &berth__v1__list_contexts_response__descriptor,
                     (ProtobufCMessage **)response, error);
}

static uint64_t place(const char *code, size_t cursor) {
    size_t end = strlen(code);
    return cursor < end ? cursor : end;
}

int berth_complete(berth_client *client, const char *lease, const char *context, const char *code, size_t cursor,
                   Berth__V1__CompleteResponse **response, berth_error *error) {
    Berth__V1__CompleteRequest request = BERTH__V1__COMPLETE_REQUEST__INIT;
    request.lease = (char *)lease;
    request.context = (char *)context;
    request.code = (char *)code;
    request.cursor = place(code, cursor);
    return pool_call(client, "Complete", &request, &berth__v1__complete_response__descriptor,
                     (ProtobufCMessage **)response, error);
}

int berth_inspect(berth_client *client, const char *lease, const char *context, const char *code, size_t cursor,
                  bool detail, Berth__V1__InspectResponse **response, berth_error *error) {
    Berth__V1__InspectRequest request = BERTH__V1__INSPECT_REQUEST__INIT;
    request.lease = (char *)lease;
    request.context = (char *)context;
    request.code = (char *)code;
    request.cursor = place(code, cursor);
    request.detail = detail;
    return pool_call(client, "Inspect", &request, &berth__v1__inspect_response__descriptor,
                     (ProtobufCMessage **)response, error);
}

const ProtobufCBinaryData *berth_form(const Berth__V1__Display *display, const char *mime) {
    for (size_t i = 0; i < display->n_data; i++) {
        if (strcmp(display->data[i]->mime, mime) == 0) return &display->data[i]->data;
    }
    return NULL;
}
