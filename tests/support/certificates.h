/* Certificates for tests, made by OpenSSL in memory. Every function asserts that it works. */
#ifndef KCA_TESTS_CERTIFICATES_H
#define KCA_TESTS_CERTIFICATES_H

#include <openssl/x509.h>
#include <stdbool.h>

typedef struct identity {
    X509 *certificate;
    EVP_PKEY *key;
} identity;

typedef struct identity_wish {
    const char *name;       /* common name; NULL: none */
    const char *alt_names;  /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
    const identity *signer; /* NULL: itself */
    bool ca;
    bool key_ids;          /* names keys of subject and signer, as openssl req does */
    long begins_s, ends_s; /* from now on; both 0: valid now for a day */
} identity_wish;

identity identity_new(identity_wish wish);
void identity_free(identity *i);

/* PEM texts, freed with free(). */
char *certificate_pem(const identity *i);
char *key_pem(const identity *i, const char *password);

/* Writes `first` and `second` (NULL: nothing) into the file. */
void write_text(const char *path, const char *first, const char *second);

#endif
