/* One piece of TLS material as the application gave it: a file's path or PEM text. */
#ifndef KCA_CONNECTION_TLS_SOURCE_H
#define KCA_CONNECTION_TLS_SOURCE_H

#include <openssl/x509.h>

#include "kca.h"

typedef STACK_OF(X509) kca__certificates;

typedef enum kca__tls_role {
    KCA__TLS_CA,
    KCA__TLS_CERTIFICATE,
    KCA__TLS_KEY,
} kca__tls_role;

/* `text` is the PEM text; `label` names it in errors: "CA file ca.pem", "the given key text". */
typedef struct kca__tls_source {
    const char *connection;
    char *text;
    size_t len;
    char label[320];
} kca__tls_source;

/* Writes the label of `given`. Never shows what may be key material. */
void kca__tls_source_label(char *out, size_t size, kca__tls_role role, const char *given);

/* Reads the file or copies the text. The source must be closed also after a failure. */
kca_error *kca__tls_source_open(kca__tls_source *out, const char *connection, kca__tls_role role,
                                const char *given);
void kca__tls_source_close(kca__tls_source *s);

/* All certificates in it, at least one. */
kca_error *kca__tls_source_certificates(kca__certificates **out, const kca__tls_source *s);

/* The private key in it. */
kca_error *kca__tls_source_key(EVP_PKEY **out, const kca__tls_source *s, const char *password);

#endif
