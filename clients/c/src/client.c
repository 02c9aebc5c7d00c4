// SPDX-License-Identifier: Apache-2.0

#include "tls.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int malformed(const char *text, const char *what, berth_error *error) {
    return fail(error, BERTH_INVALID_ARGUMENT,
                strncmp(text, "tls:", 4) == 0
                    ? "\"%.100s\" is %s: use tls://HOST:PORT, such as tls://berth.example:7411 or tls://[::1]:7411"
                    : "\"%.100s\" is %s: use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket",
                text, what);
}

static int set_address(berth_client *client, const char *text, bool *is_tls, berth_error *error) {
    *is_tls = false;
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
    *is_tls = strncmp(text, "tls://", 6) == 0;
    const char *whole = text;
    if (*is_tls) text += 6;
    if (strstr(text, "://")) return malformed(whole, "a URL, not an address", error);
    const char *colon = strrchr(text, ':');
    char *end;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    if (!colon || end == colon + 1 || *end || port < 0 || port > 65535) {
        return malformed(whole, "not an address", error);
    }
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    } else if (memchr(text, ':', size)) {
        return malformed(whole, "not an address", error);
    }
    client->host = size > 0 ? strndup(text, size) : copy_string("127.0.0.1");
    client->port = copy_string(colon + 1);
    return client->host && client->port ? 0 : fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int set_tls(berth_client *client, const berth_options *options, berth_error *error) {
    const char *ca = options->ca_file, *certificate = options->cert_file, *key = options->key_file;
    if (!ca) ca = variable("BERTH_TLS_CA");
    if (!certificate && !key) {
        certificate = variable("BERTH_TLS_CERT");
        key = variable("BERTH_TLS_KEY");
    }
    return tls_prepare(client, ca, certificate, key, options->server_name ? options->server_name : client->host, error);
}

static bool is_local(const berth_client *client) {
    if (client->path || strcmp(client->host, "localhost") == 0 || strcmp(client->host, "::1") == 0) return true;
    return strncmp(client->host, "127.", 4) == 0 && client->host[strspn(client->host, "0123456789.")] == 0;
}

static int use_token(berth_client *client, const char *token, berth_error *error) {
    for (const char *c = token; *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return fail(error, BERTH_INVALID_ARGUMENT,
                        "this is no token: it has characters other than ASCII's visible ones");
        }
    }
    if (*token && !client->tls && !is_local(client)) {
        return fail(error, BERTH_INVALID_ARGUMENT,
                    "a token is not sent to %.60s:%s without TLS, since others could read it: connect to tls://%.60s:%s",
                    client->host, client->port, client->host, client->port);
    }
    char *copy = *token ? copy_string(token) : NULL;
    if (*token && !copy) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
    free(client->token);
    client->token = copy;
    return 0;
}

int token_read(berth_client *client, berth_error *error) {
    char token[1024];
    FILE *file = fopen(client->token_file, "re");
    if (!file) {
        return fail(error, BERTH_INVALID_ARGUMENT, "BERTH_TOKEN_FILE, %.100s, cannot be read: %s", client->token_file,
                    strerror(errno));
    }
    size_t count = fread(token, 1, sizeof token - 1, file);
    fclose(file);
    while (count > 0 && isspace((unsigned char)token[count - 1])) count--;
    token[count] = 0;
    char *word = token + strspn(token, " \t\r\n");
    if (!*word) {
        return fail(error, BERTH_INVALID_ARGUMENT, "BERTH_TOKEN_FILE, %.100s, holds no token", client->token_file);
    }
    return use_token(client, word, error);
}

static int set_token(berth_client *client, const char *token, berth_error *error) {
    const char *path = variable("BERTH_TOKEN_FILE");
    if (!token) token = variable("BERTH_TOKEN");
    if (token) return use_token(client, token, error);
    if (!path) return 0;
    client->token_file = copy_string(path);
    return client->token_file ? token_read(client, error) : fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory");
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
    bool is_tls;
    if (set_address(client, address, &is_tls, error) != 0 || (is_tls && set_tls(client, options, error) != 0) ||
        set_token(client, options->token, error) != 0) {
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
    free(client->token_file);
    tls_free(client->tls);
    free(client);
}
