/* OpenSSL's context for a connection, with its TLS material read, checked and loaded as librdkafka
 * would. */
#ifndef KCA_CONNECTION_TLS_CONTEXT_H
#define KCA_CONNECTION_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "connection/tls.h"

/* Freed with SSL_CTX_free. */
kca_error *kca__tls_context_new(SSL_CTX **out, const char *connection, const kca__tls *tls);

#endif
