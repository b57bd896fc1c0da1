/* TLS material of a connection, checked by OpenSSL before a socket is opened. Knows nothing of
 * librdkafka. */
#ifndef KCA_CONNECTION_TLS_H
#define KCA_CONNECTION_TLS_H

#include <stdbool.h>

#include "kca.h"

/* Each text is a path or PEM text ("-----BEGIN..."); NULL: not given. */
typedef struct kca__tls {
    bool enabled;
    const char *ca;
    const char *certificate;
    const char *key;
    const char *key_password;
} kca__tls;

/* True when `text` is PEM text rather than a path. */
bool kca__tls_is_pem(const char *text);

/* Checks that files can be read and are PEM, that certificate and key are both there and match,
 * that no certificate is expired or not yet valid, and that the password is right. NULL when all is
 * well. Errors begin with "connection NAME: " and never hold key material. */
kca_error *kca__tls_check(const char *connection, const kca__tls *tls);

#endif
