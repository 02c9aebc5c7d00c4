// SPDX-License-Identifier: Apache-2.0

#ifndef BERTH_TLS_H
#define BERTH_TLS_H

#include "internal.h"

/* Where it is not good, client->trouble says why. REFUSED does not get better by being tried again. */
typedef enum { TLS_GOOD, TLS_WAITS, TLS_FAILED, TLS_REFUSED } tls_state;

/* Reads the files, and makes client->tls. ca, certificate and key may be NULL. */
int tls_prepare(berth_client *client, const char *ca, const char *certificate, const char *key, const char *server_name,
                berth_error *error);
void tls_free(tls *t);

/* Of a connection: its begin, false with a reason in client->trouble; and its end. */
bool tls_begin(berth_client *client);
void tls_end(berth_client *client);

/* Goes on with the handshake. */
tls_state tls_handshake(berth_client *client);
/* What came, for the handshake. */
tls_state tls_feed(berth_client *client, const void *bytes, size_t size);
/* Puts bytes, encrypted, into client->out. False: no memory. */
bool tls_put(berth_client *client, const void *bytes, size_t size);
/* Takes what came, and puts what is in it into client->in. What was good before a failure is there too. */
tls_state tls_take(berth_client *client, const void *bytes, size_t size);

#endif
