#include "fake_server.h"

#include <openssl/ssl.h>

#include "testing.h"
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_server {
    fake_wish wish;
    SSL_CTX *context;
    pthread_t thread;
    int fd;
    int port;
};

enum { PATIENCE_S = 5, LARGEST_REQUEST = 1000, API_VERSIONS = 18 };

/* Reads or writes all of `len`, in TLS or not. */
static bool transfer(int fd, SSL *ssl, bool out, void *data, size_t len) {
    for (char *p = data; len > 0;) {
        ssize_t n = ssl   ? (out ? SSL_write(ssl, p, (int)len) : SSL_read(ssl, p, (int)len))
                    : out ? write(fd, p, len)
                          : read(fd, p, len);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static void serve_kafka(int fd, SSL *ssl) {
    unsigned char request[4 + LARGEST_REQUEST];
    if (!transfer(fd, ssl, false, request, 4))
        return;
    size_t len =
        (size_t)request[0] << 24 | (size_t)request[1] << 16 | (size_t)request[2] << 8 | request[3];
    if (len < 10 || len > LARGEST_REQUEST || !transfer(fd, ssl, false, request + 4, len) ||
        request[5] != API_VERSIONS)
        return;
    unsigned char answer[14] = {0, 0, 0, 10};
    memcpy(answer + 4, request + 8, 4);
    transfer(fd, ssl, true, answer, sizeof answer);
}

static void serve(fake_server *s, int fd, SSL *ssl) {
    char dropped[2000];
    char page[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    if (s->wish.manner == FAKE_BROKER)
        serve_kafka(fd, ssl);
    else if (s->wish.manner == FAKE_WEB && (ssl || read(fd, dropped, 4) > 0))
        transfer(fd, ssl, true, page, sizeof page - 1);
    else if (s->wish.manner == FAKE_SILENT)
        while (read(fd, dropped, sizeof dropped) > 0)
            ;
}

static bool begins_as_tls(int fd) {
    unsigned char first = 0;
    return recv(fd, &first, 1, MSG_PEEK) == 1 && first == 0x16;
}

static void serve_tls(fake_server *s, int fd) {
    if (s->wish.closes_on_plain && !begins_as_tls(fd))
        return;
    SSL *ssl = SSL_new(s->context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (s->wish.asked_name)
            snprintf(s->wish.asked_name, 100, "%s", name ? name : "");
        serve(s, fd, ssl);
    }
    SSL_free(ssl);
}

static void *run(void *argument) {
    fake_server *s = argument;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int at_once = 1;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);

    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        /* as Kafka does; else closing with unread input would drop what is not sent yet */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        if (s->context)
            serve_tls(s, fd);
        else
            serve(s, fd, NULL);
        close(fd);
    }
    return NULL;
}

static SSL_CTX *new_context(const fake_wish *wish) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_non_null(context);
    assert_true(SSL_CTX_use_certificate(context, wish->tls->certificate));
    assert_true(SSL_CTX_use_PrivateKey(context, wish->tls->key));
    if (wish->intermediate)
        assert_true(SSL_CTX_add1_chain_cert(context, wish->intermediate->certificate));
    if (wish->client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context), wish->client_ca->certificate);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (wish->tls_version) {
        SSL_CTX_set_min_proto_version(context, wish->tls_version);
        SSL_CTX_set_max_proto_version(context, wish->tls_version);
    }
    return context;
}

/* Binds a socket to a free port of loopback; -1 when there is none. */
static int bind_loopback(int *port, bool ipv6) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t len = ipv6 ? sizeof v6 : sizeof v4;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, len) != 0 || getsockname(fd, address, &len) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
    return fd;
}

fake_server *fake_server_start(fake_wish wish) {
    int port = 0;
    int fd = bind_loopback(&port, wish.ipv6);
    if (fd < 0 && wish.ipv6)
        return NULL;
    assert_true(fd >= 0);
    fake_server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    *s = (fake_server){.wish = wish, .fd = fd, .port = port};
    if (wish.tls)
        s->context = new_context(&wish);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
    return s;
}

void fake_server_stop(fake_server *s) {
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    SSL_CTX_free(s->context);
    free(s);
}

int fake_server_port(const fake_server *s) {
    return s->port;
}

int closed_port(void) {
    int port = 0;
    int fd = bind_loopback(&port, false);
    assert_true(fd >= 0);
    close(fd);
    return port;
}
