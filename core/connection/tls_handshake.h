/* A TLS handshake as librdkafka would do it, and why it does not work. */
#ifndef KCA_CONNECTION_TLS_HANDSHAKE_H
#define KCA_CONNECTION_TLS_HANDSHAKE_H

#include "connection/certificate.h"
#include "connection/host_list.h"
#include "connection/link.h"
#include "connection/tls.h"

typedef struct kca__tls_handshake {
    /* given */
    const char *connection;
    const kca__host *host;
    const kca__tls *tls;

    /* found */
    bool asked;    /* the broker wants a certificate of the client */
    int trouble;   /* X509_V_ERR_... of the broker's certificate, 0 none */
    int depth;     /* of the certificate with the trouble: 0 the broker's own */
    X509 *own;     /* the broker's certificate, when there is trouble */
    X509 *culprit; /* the one with the trouble */
    bool namesake; /* we know a CA of its signer's name */
} kca__tls_handshake;

/* False: kca__tls_handshake_explain tells why. True is no promise: with TLS 1.3 the broker's
 * verdict on the client's certificate comes with, or instead of, its first answer. */
bool kca__tls_handshake_run(kca__tls_handshake *h, kca__link *l, SSL_CTX *context);

/* After the handshake or what followed failed with something of TLS; NULL: it does not look like
 * TLS' fault. */
kca_error *kca__tls_handshake_explain(const kca__tls_handshake *h, const kca__link *l);

void kca__tls_handshake_clear(kca__tls_handshake *h);

#endif
