/* Certificates in words, for error texts. */
#ifndef KCA_CONNECTION_CERTIFICATE_H
#define KCA_CONNECTION_CERTIFICATE_H

#include <openssl/x509.h>

enum { KCA__CERTIFICATE_TIME = 40, KCA__CERTIFICATE_WORDS = 256 };

/* A subject or issuer: "CN=some CA,O=Example". A name that is too long ends with "...". */
void kca__certificate_name(char out[KCA__CERTIFICATE_WORDS], const X509_NAME *name);

/* "2026-01-02 03:04:05 UTC" */
void kca__certificate_time(char out[KCA__CERTIFICATE_TIME], const ASN1_TIME *time);

/* The host names and addresses that the certificate is issued for: "a.example, 10.0.0.1". If its
 * alternative names hold no name, also its common name as "CN=a.example". */
void kca__certificate_hosts(char out[KCA__CERTIFICATE_WORDS], const X509 *certificate);

#endif
