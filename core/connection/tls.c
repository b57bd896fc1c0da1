#include "connection/tls.h"

#include "connection/tls_context.h"

#include <string.h>

/* Comments may stand before the block, as `openssl x509 -text` writes them. */
bool kca__tls_is_pem(const char *text) {
    return text && strstr(text, "-----BEGIN");
}

kca_error *kca__tls_check(const char *connection, const kca__tls *tls) {
    SSL_CTX *context = NULL;
    kca_error *e = tls->enabled ? kca__tls_context_new(&context, connection, tls) : NULL;
    SSL_CTX_free(context);
    return e;
}
