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
    int trouble;   /* X509_V_ERR_... of the first bad certificate; 0: none is bad */
    int depth;     /* of that certificate in the chain; 0: the broker's own */
    X509 *own;     /* the broker's own certificate, when there is trouble */
    X509 *culprit; /* the bad certificate */
    bool namesake; /* a CA of ours has the name of its signer */
} kca__tls_handshake;

/* False: kca__tls_handshake_explain says why. True is no promise: with TLS 1.3 the broker judges
 * the client's certificate only with, or instead of, its first answer. */
bool kca__tls_handshake_run(kca__tls_handshake *h, kca__link *l, SSL_CTX *context);

/* Why the handshake, or what followed it, failed; NULL: the failure does not look like one of TLS.
 */
kca_error *kca__tls_handshake_explain(const kca__tls_handshake *h, const kca__link *l);

void kca__tls_handshake_clear(kca__tls_handshake *h);

#endif
