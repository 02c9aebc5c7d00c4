// SPDX-License-Identifier: Apache-2.0

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int malformed(const char *text, const char *what, berth_error *error) {
    return fail(error, BERTH_INVALID_ARGUMENT,
                "\"%.100s\" is %s: use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket", text,
                what);
}

static int set_address(berth_client *client, const char *text, berth_error *error) {
    if (strncmp(text, "unix:", 5) == 0) {
        const char *path = text + 5;
        if (strncmp(path, "//", 2) == 0) path += 2;
        if (!*path) return malformed(text, "not an address", error);
        if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
            return fail(error, BERTH_INVALID_ARGUMENT, "the path of \"%.100s\" is too long for a socket", text);
        }
        client->path = copy_string(path);
        return client->path ? 0 : fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
    }
    if (strstr(text, "://")) return malformed(text, "a URL, not an address", error);
    const char *colon = strrchr(text, ':');
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!colon || end == colon + 1 || *end || port < 0 || port > 65535) {
        return malformed(text, "not an address", error);
    }
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size)) {
        return malformed(text, "not an address", error);
    }
    client->host = size > 0 ? strndup(text, size) : copy_string("127.0.0.1");
    client->port = copy_string(colon + 1);
    return client->host && client->port ? 0 : fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
}

berth_client *berth_client_new(const char *address, const berth_options *options, berth_error *error) {
    static const berth_options standard;
    if (!options) options = &standard;
    if (!address) address = getenv("BERTH_SERVER");
    if (!address || !*address) address = "127.0.0.1:7411";
    berth_client *client = calloc(1, sizeof *client);
    if (!client) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory"), NULL;
    client->fd = -1;
    client->last_id = UINT32_MAX;
    client->next_timer = NEVER;
    client->pause = 50;
    client->connect_timeout = options->connect_timeout_ms ? options->connect_timeout_ms : 5000;
    client->timeout = options->timeout_ms;
    client->keepalive = options->keepalive_ms ? options->keepalive_ms : 60000;
    snprintf(client->trouble, sizeof client->trouble, "no connection to the server was made in time");
    bool ready = set_address(client, address, error) == 0;
    if (ready && options->token && !(client->token = copy_string(options->token))) {
        fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
        ready = false;
    }
    if (!ready) {
        berth_client_free(client);
        return NULL;
    }
    return client;
}

void berth_client_free(berth_client *client) {
    if (!client) return;
    berth_error closed;
    fail(&closed, BERTH_UNAVAILABLE, "the client is closed");
    client->is_closing = true;
    connection_end(client, &closed);
    buffer_clear(&client->in);
    buffer_clear(&client->out);
    free(client->host);
    free(client->port);
    free(client->path);
    free(client->token);
    free(client);
}
