/*
 * A TCP connection for looking at a server, plain or in TLS. Sockets do not block, every wait ends
 * at the deadline, and writing never raises SIGPIPE: OpenSSL reads and writes through a BIO of our
 * own.
 */
#ifndef KCA_CONNECTION_LINK_H
#define KCA_CONNECTION_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

typedef enum kca__link_state {
    KCA__LINK_FINE,
    KCA__LINK_CLOSED, /* by the peer */
    KCA__LINK_SILENT, /* until the deadline */
    KCA__LINK_BROKEN  /* TLS does not go on; OpenSSL's error queue says why */
} kca__link_state;

typedef struct kca__link {
    int fd;
    int64_t deadline;
    SSL *ssl; /* NULL: plain */
    BIO_METHOD *method;
    kca__link_state state;
    unsigned char first[2]; /* bytes of the peer, as they came over the wire */
    size_t received;
} kca__link;

/* Connects; 0, or an errno value, ETIMEDOUT when the deadline is over first. The link must be
 * closed also after a failure. */
int kca__link_open(kca__link *out, const struct sockaddr *address, socklen_t len, int64_t deadline);
void kca__link_close(kca__link *l);

/* Starts TLS on the link and shakes hands; in callbacks SSL_get_app_data gives `arg`. */
bool kca__link_start_tls(kca__link *l, SSL_CTX *context, const char *host, void *arg);

/* Write or read all bytes; or false, and l->state says why. */
bool kca__link_write(kca__link *l, const void *data, size_t len);
bool kca__link_read(kca__link *l, void *out, size_t len);

/* True when the peer's first bytes are those of a TLS record. */
bool kca__link_saw_tls(const kca__link *l);

#endif
