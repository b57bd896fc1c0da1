#include "connection/link.h"

#include "base/interrupt.h"

#include <openssl/err.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { TLS_ALERT = 0x15, TLS_HANDSHAKE = 0x16, TLS_MAJOR = 3 };

static bool wait_for(kca__link *l, short events) {
    struct pollfd p = {.fd = l->fd, .events = events};
    int n, left, slice;
    do {
        left = kca__interrupt_left_ms(l->deadline);
        slice = kca__interrupt_slice_ms(left);
        n = poll(&p, 1, slice);
    } while (n < 0 ? errno == EINTR : n == 0 && slice != left);
    if (n <= 0)
        l->state = KCA__LINK_SILENT;
    return n > 0;
}

static bool would_block(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Drops what a peer that is gone cannot take: what it sent before says why it left. */
static ssize_t socket_send(kca__link *l, const void *data, size_t len) {
    ssize_t n = send(l->fd, data, len, MSG_NOSIGNAL);
    return n < 0 && !would_block() ? (ssize_t)len : n;
}

/* 0: the peer is gone; below 0: nothing has come yet. */
static ssize_t socket_receive(kca__link *l, void *out, size_t len) {
    ssize_t n = recv(l->fd, out, len, 0);
    if (n < 0 && would_block())
        return -1;
    if (n <= 0) {
        l->state = KCA__LINK_CLOSED;
        return 0;
    }
    for (ssize_t i = 0; i < n && l->received < sizeof l->first; i++)
        l->first[l->received++] = ((const unsigned char *)out)[i];
    return n;
}

static int bio_write(BIO *bio, const char *data, int len) {
    BIO_clear_retry_flags(bio);
    ssize_t n = socket_send(BIO_get_data(bio), data, (size_t)len);
    if (n < 0)
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *out, int len) {
    BIO_clear_retry_flags(bio);
    ssize_t n = socket_receive(BIO_get_data(bio), out, (size_t)len);
    if (n < 0)
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO *new_bio(kca__link *l) {
    l->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "kca link");
    if (!l->method)
        return NULL;
    BIO_meth_set_write(l->method, bio_write);
    BIO_meth_set_read(l->method, bio_read);
    BIO_meth_set_ctrl(l->method, bio_control);
    BIO *bio = BIO_new(l->method);
    if (bio) {
        BIO_set_data(bio, l);
        BIO_set_init(bio, 1);
    }
    return bio;
}

int kca__link_open(kca__link *out, const struct sockaddr *address, socklen_t len,
                   int64_t deadline) {
    *out = (kca__link){.deadline = deadline};
    out->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0)
        return errno;
    if (connect(out->fd, address, len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    if (!wait_for(out, POLLOUT))
        return ETIMEDOUT;
    int reason = 0;
    socklen_t reason_len = sizeof reason;
    getsockopt(out->fd, SOL_SOCKET, SO_ERROR, &reason, &reason_len);
    return reason;
}

void kca__link_close(kca__link *l) {
    if (l->ssl && l->state == KCA__LINK_FINE && SSL_is_init_finished(l->ssl))
        SSL_shutdown(l->ssl);
    SSL_free(l->ssl);
    l->ssl = NULL;
    BIO_meth_free(l->method);
    l->method = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* After a call on l->ssl did not succeed: waits until the link can do what the call needs; false
 * when the link has ended. */
static bool tls_again(kca__link *l, int result) {
    switch (SSL_get_error(l->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(l, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(l, POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
        l->state = KCA__LINK_CLOSED;
        return false;
    default:
        if (l->state == KCA__LINK_FINE)
            l->state = KCA__LINK_BROKEN;
        return false;
    }
}

static bool is_address(const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

bool kca__link_start_tls(kca__link *l, SSL_CTX *context, const char *host, void *arg) {
    ERR_clear_error();
    l->ssl = SSL_new(context);
    BIO *bio = l->ssl ? new_bio(l) : NULL;
    if (!bio) {
        l->state = KCA__LINK_BROKEN;
        return false;
    }
    SSL_set_bio(l->ssl, bio, bio);
    SSL_set_app_data(l->ssl, arg);
    SSL_set_connect_state(l->ssl);
    SSL_set1_host(l->ssl, host); /* an address too */
    if (!is_address(host))
        SSL_set_tlsext_host_name(l->ssl, host);

    int result;
    do {
        ERR_clear_error();
        result = SSL_do_handshake(l->ssl);
    } while (result != 1 && tls_again(l, result));
    return result == 1;
}

/* How many bytes one call took; below 0: none now. */
static ssize_t write_some(kca__link *l, const char *data, size_t len) {
    if (!l->ssl)
        return socket_send(l, data, len);
    ERR_clear_error();
    return SSL_write(l->ssl, data, (int)len);
}

bool kca__link_write(kca__link *l, const void *data, size_t len) {
    const char *p = data;
    while (len > 0) {
        ssize_t n = write_some(l, p, len);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (l->ssl ? !tls_again(l, (int)n) : !wait_for(l, POLLOUT)) {
            return false;
        }
    }
    return true;
}

static ssize_t read_some(kca__link *l, char *out, size_t len) {
    if (!l->ssl)
        return socket_receive(l, out, len);
    ERR_clear_error();
    return SSL_read(l->ssl, out, (int)len);
}

bool kca__link_read(kca__link *l, void *out, size_t len) {
    char *p = out;
    while (len > 0) {
        ssize_t n = read_some(l, p, len);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (l->ssl ? !tls_again(l, (int)n) : n == 0 || !wait_for(l, POLLIN)) {
            return false;
        }
    }
    return true;
}

bool kca__link_saw_tls(const kca__link *l) {
    return l->received == sizeof l->first &&
           (l->first[0] == TLS_ALERT || l->first[0] == TLS_HANDSHAKE) && l->first[1] == TLS_MAJOR;
}
