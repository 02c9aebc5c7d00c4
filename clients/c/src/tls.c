// SPDX-License-Identifier: Apache-2.0

/* TLS between the bytes of a client and those of its socket, by OpenSSL: what is to be sent goes through it into client->out,
 * what was received through it into client->in. It never touches the socket, so that a peer that has gone raises no signal. */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BERTH_TLS

int tls_prepare(berth_client *client, const char *ca, const char *certificate, const char *key, const char *server_name,
                berth_error *error) {
    (void)client, (void)ca, (void)certificate, (void)key, (void)server_name;
    return fail(error, BERTH_INVALID_ARGUMENT,
                "this libberth was built without TLS: build it with OpenSSL's headers (libssl-dev), or connect through a tunnel "
                "that ends on this machine, such as stunnel");
}
void tls_free(tls *t) { (void)t; }
bool tls_begin(berth_client *client) { return (void)client, false; }
void tls_end(berth_client *client) { (void)client; }
tls_state tls_handshake(berth_client *client) { return (void)client, TLS_REFUSED; }
tls_state tls_feed(berth_client *client, const void *bytes, size_t size) {
    return (void)client, (void)bytes, (void)size, TLS_REFUSED;
}
bool tls_put(berth_client *client, const void *bytes, size_t size) { return (void)client, (void)bytes, (void)size, false; }
tls_state tls_take(berth_client *client, const void *bytes, size_t size) {
    return (void)client, (void)bytes, (void)size, TLS_REFUSED;
}

#else

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { PIECE = 16 << 10 };

struct tls {
    SSL_CTX *context;
    char *server_name, *ca, *certificate, *key; /* paths; NULL: none */
    bool is_address;                            /* server_name is one of IP */
    bool was_used;
    SSL *ssl; /* of the connection */
};

/* OpenSSL would ask the terminal. */
static int no_password(char *word, int size, int writing, void *data) {
    (void)word, (void)size, (void)writing, (void)data;
    return -1;
}

static const char *reason(void) {
    const char *words = ERR_reason_error_string(ERR_peek_error());
    return words ? words : "no reason is known";
}

/* Reads the files. */
static int load(tls *t, berth_error *error) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for TLS");
    SSL_CTX_free(t->context);
    t->context = context;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    ERR_clear_error();
    if (!t->ca) {
        SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_locations(context, t->ca, NULL) != 1) {
        return fail(error, BERTH_INVALID_ARGUMENT, "the authorities in %.100s cannot be used: %.80s", t->ca, reason());
    }
    if (!t->certificate) return 0;
    if (SSL_CTX_use_certificate_chain_file(context, t->certificate) != 1) {
        return fail(error, BERTH_INVALID_ARGUMENT, "the certificate in %.100s cannot be used: %.80s", t->certificate,
                    reason());
    }
    if (SSL_CTX_use_PrivateKey_file(context, t->key, SSL_FILETYPE_PEM) != 1) {
        bool is_other = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH;
        return fail(error, BERTH_INVALID_ARGUMENT, "the key in %.100s cannot be used: %.80s", t->key,
                    is_other ? "it does not belong to the certificate" : reason());
    }
    return 0;
}

int tls_prepare(berth_client *client, const char *ca, const char *certificate, const char *key, const char *server_name,
                berth_error *error) {
    unsigned char address[16];
    if (key && !certificate) {
        return fail(error, BERTH_INVALID_ARGUMENT,
                    "a key without its certificate: name that too, as cert_file or in BERTH_TLS_CERT");
    }
    if (!key) key = certificate;
    tls *t = client->tls = calloc(1, sizeof *t);
    if (!t || !(t->server_name = copy_string(server_name)) || (ca && !(t->ca = copy_string(ca))) ||
        (certificate && (!(t->certificate = copy_string(certificate)) || !(t->key = copy_string(key))))) {
        return fail(error, BERTH_RESOURCE_EXHAUSTED, "no memory for TLS");
    }
    t->is_address = inet_pton(AF_INET, server_name, address) == 1 || inet_pton(AF_INET6, server_name, address) == 1;
    return load(t, error);
}

void tls_free(tls *t) {
    if (!t) return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->context);
    free(t->server_name);
    free(t->ca);
    free(t->certificate);
    free(t->key);
    free(t);
}

void tls_end(berth_client *client) {
    SSL_free(client->tls->ssl);
    client->tls->ssl = NULL;
}

bool tls_begin(berth_client *client) {
    tls *t = client->tls;
    berth_error error;
    snprintf(client->trouble, sizeof client->trouble, "no memory for TLS");
    /* The files may have been exchanged since the last connection. */
    if (t->was_used && load(t, &error) != 0) {
        snprintf(client->trouble, sizeof client->trouble, "%.200s", error.message);
        return false;
    }
    t->was_used = true;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    tls_end(client);
    t->ssl = SSL_new(t->context);
    if (!in || !out || !t->ssl) {
        BIO_free(in);
        BIO_free(out);
        return false;
    }
    SSL_set_bio(t->ssl, in, out);
    SSL_set_connect_state(t->ssl);
    if (t->is_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->server_name) == 1;
    return SSL_set_tlsext_host_name(t->ssl, t->server_name) == 1 && SSL_set1_host(t->ssl, t->server_name) == 1;
}

/* What OpenSSL wants to send. False: no memory. */
static bool drain(berth_client *client) {
    BIO *from = SSL_get_wbio(client->tls->ssl);
    for (size_t size; (size = BIO_ctrl_pending(from)) > 0;) {
        if (!buffer_reserve(&client->out, size)) return false;
        int n = BIO_read(from, client->out.bytes + client->out.size, (int)size);
        if (n <= 0) return false;
        client->out.size += (size_t)n;
    }
    return true;
}

/* Says in client->trouble what is wrong with the server's TLS, and what would be right. */
static tls_state refused(berth_client *client) {
    tls *t = client->tls;
    char *words = client->trouble;
    size_t size = sizeof client->trouble;
    unsigned long code = ERR_peek_error();
    int number = ERR_GET_REASON(code);
    long verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK) {
        const char *why = X509_verify_cert_error_string(verified);
        switch (verified) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            snprintf(words, size, "the time of its certificate is over or has not begun (%.60s): exchange it, or set this "
                     "machine's clock", why);
            break;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            snprintf(words, size, "its certificate is not for \"%.80s\": connect to a name that it has, or say server_name",
                     t->server_name);
            break;
        default:
            snprintf(words, size, "its certificate is not trusted (%.60s): name the file of its authority as ca_file or in "
                     "BERTH_TLS_CA", why);
        }
        return TLS_REFUSED;
    }
    if (number == SSL_R_WRONG_VERSION_NUMBER || number == SSL_R_PACKET_LENGTH_TOO_LONG) {
        snprintf(words, size, "it does not speak TLS: leave tls:// out, or give the server a certificate");
        return TLS_REFUSED;
    }
    if (number == SSL_R_UNSUPPORTED_PROTOCOL || number == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
        snprintf(words, size, "it speaks no TLS that is safe: 1.2 and newer are");
        return TLS_REFUSED;
    }
    switch (number - SSL_AD_REASON_OFFSET) { /* an alert's */
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        if (t->certificate) {
            snprintf(words, size, "it does not accept this client's certificate (%.60s)", reason());
        } else {
            snprintf(words, size, "it wants a certificate of this client (%.60s): name one as cert_file and key_file, or in "
                     "BERTH_TLS_CERT and BERTH_TLS_KEY", reason());
        }
        return TLS_REFUSED;
    default:
        snprintf(words, size, "TLS failed: %.100s", reason());
        return TLS_FAILED;
    }
}

tls_state tls_handshake(berth_client *client) {
    ERR_clear_error();
    int done = SSL_do_handshake(client->tls->ssl);
    int error = SSL_get_error(client->tls->ssl, done);
    if (done != 1 && error != SSL_ERROR_WANT_READ) return refused(client);
    if (!drain(client)) {
        snprintf(client->trouble, sizeof client->trouble, "no memory for TLS");
        return TLS_FAILED;
    }
    return done == 1 ? TLS_GOOD : TLS_WAITS;
}

bool tls_put(berth_client *client, const void *bytes, size_t size) {
    ERR_clear_error();
    size_t written;
    /* Into memory all of it goes at once. */
    return size == 0 || (SSL_write_ex(client->tls->ssl, bytes, size, &written) == 1 && drain(client));
}

tls_state tls_feed(berth_client *client, const void *bytes, size_t size) {
    if (size == 0 || BIO_write(SSL_get_rbio(client->tls->ssl), bytes, (int)size) == (int)size) return TLS_GOOD;
    snprintf(client->trouble, sizeof client->trouble, "no memory for what it sends");
    return TLS_FAILED;
}

tls_state tls_take(berth_client *client, const void *bytes, size_t size) {
    if (tls_feed(client, bytes, size) != TLS_GOOD) return TLS_FAILED;
    for (;;) {
        size_t n;
        if (!buffer_reserve(&client->in, PIECE)) {
            snprintf(client->trouble, sizeof client->trouble, "no memory for what it sends");
            return TLS_FAILED;
        }
        ERR_clear_error();
        int read = SSL_read_ex(client->tls->ssl, client->in.bytes + client->in.size, PIECE, &n);
        if (read == 1) {
            client->in.size += n;
            continue;
        }
        int error = SSL_get_error(client->tls->ssl, read);
        if (error == SSL_ERROR_WANT_READ) {
            if (drain(client)) return TLS_GOOD; /* an answer to what only TLS knows of */
            snprintf(client->trouble, sizeof client->trouble, "no memory for TLS");
            return TLS_FAILED;
        }
        if (error != SSL_ERROR_ZERO_RETURN) return refused(client);
        snprintf(client->trouble, sizeof client->trouble, "the server closed it");
        return TLS_FAILED;
    }
}

#endif
