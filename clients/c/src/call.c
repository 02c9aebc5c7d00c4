// SPDX-License-Identifier: Apache-2.0

/* Calls with one answer: with callbacks through protobuf-c's service, and those that wait. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

const berth_error *berth_last_error(const berth_client *client) { return &client->last_error; }

/* --- protobuf-c's service */

typedef struct {
    ProtobufCService base; /* first: the stubs know only this */
    berth_client *client;
    char *name;
} service;

typedef struct {
    berth_client *client;
    const ProtobufCMessageDescriptor *output;
    ProtobufCClosure closure;
    void *data;
    bool streams;
} stub_call;

static bool method_streams(const char *package, const char *method) {
    static const char *const streaming[] = {"Execute",       "Attach",      "Connect",   "ReadFile",
                                            "ListDirectory", "ReadArchive", "WatchStats"};
    if (strcmp(package, POOL) != 0) return false;
    for (size_t i = 0; i < sizeof streaming / sizeof *streaming; i++) {
        if (strcmp(method, streaming[i]) == 0) return true;
    }
    return false;
}

static void stub_gives(stub_call *s, const unsigned char *data, size_t size) {
    ProtobufCMessage *message = protobuf_c_message_unpack(s->output, NULL, size, data);
    fail(&s->client->last_error, message ? BERTH_OK : BERTH_INTERNAL, "%s",
         message ? "" : "the server sent a malformed message");
    s->closure(message, s->data);
    if (message) protobuf_c_message_free_unpacked(message, NULL);
}

static void stub_message(void *owner, const unsigned char *data, size_t size) { stub_gives(owner, data, size); }

static void stub_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    stub_call *s = owner;
    if (error || s->streams) {
        static const berth_error good;
        s->client->last_error = error ? *error : good;
        s->closure(NULL, s->data);
    } else {
        stub_gives(s, payload, size);
    }
    free(s);
}

static void service_invoke(ProtobufCService *base, unsigned index, const ProtobufCMessage *input,
                           ProtobufCClosure closure, void *data) {
    service *self = (service *)base;
    const ProtobufCMethodDescriptor *method = &base->descriptor->methods[index];
    bool streams = method_streams(self->name, method->name);
    berth_error *error = &self->client->last_error;
    stub_call *s = malloc(sizeof *s);
    if (s) {
        *s = (stub_call){self->client, method->output, closure, data, streams};
        if (call_begin(self->client, streams ? FLAG_REMOTE_CLOSED : 0, self->name, method->name, input,
                       streams ? 0 : self->client->timeout, stub_message, stub_end, s, error)) {
            return;
        }
        free(s);
    } else {
        fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the call");
    }
    closure(NULL, data);
}

static void service_destroy(ProtobufCService *base) {
    service *self = (service *)base;
    free(self->name);
    free(self);
}

ProtobufCService *berth_service(berth_client *client, const ProtobufCServiceDescriptor *descriptor) {
    service *self = calloc(1, sizeof *self);
    if (!self || !(self->name = copy_string(descriptor->name))) {
        free(self);
        return NULL;
    }
    self->base.descriptor = descriptor;
    self->base.invoke = service_invoke;
    self->base.destroy = service_destroy;
    self->client = client;
    return &self->base;
}

/* --- Calls that wait */

typedef struct {
    const ProtobufCMessageDescriptor *output;
    ProtobufCMessage *response;
    berth_error error;
    bool done;
    berth_client *client;
    const char *lease;
    void (*late)(berth_client *, const char *, const unsigned char *, size_t);
    call *call;
} waiting;

static void waiting_end(void *owner, const unsigned char *payload, size_t size, const berth_error *error) {
    waiting *w = owner;
    w->done = true;
    if (error) {
        w->error = *error;
        /* After a deadline the call itself goes on until the server has ended it. */
        if (error->code == BERTH_DEADLINE_EXCEEDED && !w->call->owner) {
            w->call->late = w->late;
            w->call->lease = w->lease ? copy_string(w->lease) : NULL;
        }
        return;
    }
    w->response = protobuf_c_message_unpack(w->output, NULL, size, payload);
    if (!w->response) fail(&w->error, BERTH_INTERNAL, "the server sent a malformed answer");
}

int call_wait(berth_client *client, const char *service_name, const char *method, const ProtobufCMessage *request,
              const ProtobufCMessageDescriptor *output, ProtobufCMessage **response, const char *lease,
              void (*late)(berth_client *, const char *, const unsigned char *, size_t), berth_error *error) {
    waiting w = {.output = output, .client = client, .lease = lease, .late = late};
    if (client->depth > 0) return fail(error, BERTH_FAILED_PRECONDITION, "a callback must not wait");
    w.call = call_begin(client, 0, service_name, method, request, client->timeout, NULL, waiting_end, &w, &w.error);
    if (w.call) wait_until(client, &w.done, NULL);
    if (w.error.code) return fail_with(error, &w.error);
    if (response) {
        *response = w.response;
    } else {
        protobuf_c_message_free_unpacked(w.response, NULL);
    }
    return 0;
}

int pool_call(berth_client *client, const char *method, const void *request, const ProtobufCMessageDescriptor *output,
              ProtobufCMessage **response, berth_error *error) {
    return call_wait(client, POOL, method, request, output, response, NULL, NULL, error);
}

int berth_call(berth_client *client, const ProtobufCServiceDescriptor *descriptor, const char *method,
               const ProtobufCMessage *request, ProtobufCMessage **response, berth_error *error) {
    const ProtobufCMethodDescriptor *found = protobuf_c_service_descriptor_get_method_by_name(descriptor, method);
    if (!found) return fail(error, BERTH_UNIMPLEMENTED, "%s has no method %s", descriptor->name, method);
    return call_wait(client, descriptor->name, method, request, found->output, response, NULL, NULL, error);
}

int berth_hello(berth_client *client, Berth__V1__HelloResponse **response, berth_error *error) {
    Berth__V1__HelloRequest request = BERTH__V1__HELLO_REQUEST__INIT;
    request.client = "berth-c/0.1.0";
    return pool_call(client, "Hello", &request, &berth__v1__hello_response__descriptor, (ProtobufCMessage **)response,
                     error);
}

int berth_stats(berth_client *client, Berth__V1__StatsResponse **response, berth_error *error) {
    Berth__V1__StatsRequest request = BERTH__V1__STATS_REQUEST__INIT;
    return pool_call(client, "Stats", &request, &berth__v1__stats_response__descriptor, (ProtobufCMessage **)response,
                     error);
}

/* --- Leases */

static void release_late(berth_client *client, const char *lease, const unsigned char *data, size_t size) {
    (void)lease;
    Berth__V1__AcquireResponse *response = berth__v1__acquire_response__unpack(NULL, size, data);
    if (!response) return;
    Berth__V1__ReleaseRequest request = BERTH__V1__RELEASE_REQUEST__INIT;
    request.lease = response->lease;
    call_post(client, "Release", &request.base);
    berth__v1__acquire_response__free_unpacked(response, NULL);
}

int berth_acquire(berth_client *client, const berth_acquire_options *options, berth_lease *lease, berth_error *error) {
    Berth__V1__AcquireRequest request = BERTH__V1__ACQUIRE_REQUEST__INIT;
    ProtobufCMessage *answer;
    *lease = (berth_lease){0};
    if (options) {
        if (options->pool) request.pool = (char *)options->pool;
        request.wait_ms = options->wait_ms;
        request.ttl_ms = options->ttl_ms;
        request.detached = options->detached;
    }
    int code = call_wait(client, POOL, "Acquire", &request.base, &berth__v1__acquire_response__descriptor, &answer,
                         NULL, release_late, error);
    if (code != 0) return code;
    Berth__V1__AcquireResponse *response = (Berth__V1__AcquireResponse *)answer;
    *lease = (berth_lease){.token = copy_string(response->lease),
                           .member = copy_string(response->member),
                           .ttl_ms = response->ttl_ms,
                           .warm = response->warm};
    protobuf_c_message_free_unpacked(answer, NULL);
    if (lease->token && lease->member) return 0;
    berth_lease_clear(lease);
    return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for the lease");
}

void berth_lease_clear(berth_lease *lease) {
    free(lease->token);
    free(lease->member);
    *lease = (berth_lease){0};
}

int berth_release(berth_client *client, const char *lease, berth_error *error) {
    Berth__V1__ReleaseRequest request = BERTH__V1__RELEASE_REQUEST__INIT;
    request.lease = (char *)lease;
    return pool_call(client, "Release", &request, &berth__v1__release_response__descriptor, NULL, error);
}

int berth_renew(berth_client *client, const char *lease, uint32_t *ttl_ms, berth_error *error) {
    Berth__V1__RenewRequest request = BERTH__V1__RENEW_REQUEST__INIT;
    ProtobufCMessage *answer;
    request.lease = (char *)lease;
    if (ttl_ms) request.ttl_ms = *ttl_ms;
    int code = pool_call(client, "Renew", &request, &berth__v1__renew_response__descriptor, &answer, error);
    if (code != 0) return code;
    if (ttl_ms) *ttl_ms = ((Berth__V1__RenewResponse *)answer)->ttl_ms;
    protobuf_c_message_free_unpacked(answer, NULL);
    return 0;
}

int berth_list_executions(berth_client *client, const char *lease, Berth__V1__ListExecutionsResponse **response,
                          berth_error *error) {
    Berth__V1__ListExecutionsRequest request = BERTH__V1__LIST_EXECUTIONS_REQUEST__INIT;
    request.lease = (char *)lease;
    return pool_call(client, "ListExecutions", &request, &berth__v1__list_executions_response__descriptor,
                     (ProtobufCMessage **)response, error);
}
