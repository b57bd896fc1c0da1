#include "collector.h"

#include "behaviour.h"

#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { HEAD_MOST = 8192, LOOK_MS = 50, DEADLINE_MS = 60000, ROOM = 1 << 22 };

struct collector {
    int fd, port;
    SSL_CTX *tls; /* NULL: plain */
    SSL *ssl;     /* of the client that is served now */
    pthread_t thread;
    atomic_bool stops, hushed;
    pthread_mutex_t lock; /* guards what follows */
    int status, times, requests;
    char headers[256];
    char head[HEAD_MOST];
    cJSON *spans, *last; /* `last`: the last request that was taken */
    char settings[2048];
};

/* ---- requests ---- */

/* Up to `len` bytes; 0: the client has closed, or the test ends. */
static size_t take(collector *c, int fd, char *to, size_t len) {
    struct pollfd p = {fd, POLLIN, 0};
    while (!atomic_load(&c->stops)) {
        if (!(c->ssl && SSL_pending(c->ssl)) && poll(&p, 1, LOOK_MS) <= 0)
            continue;
        ssize_t n = c->ssl ? SSL_read(c->ssl, to, (int)len) : read(fd, to, len);
        return n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static bool take_all(collector *c, int fd, char *to, size_t len) {
    for (size_t n; len > 0; to += n, len -= n)
        if (!(n = take(c, fd, to, len)))
            return false;
    return true;
}

static bool take_head(collector *c, int fd, char head[HEAD_MOST]) {
    for (size_t len = 0; len + 1 < HEAD_MOST; len++) {
        if (!take_all(c, fd, head + len, 1))
            return false;
        head[len + 1] = '\0';
        if (len >= 3 && strcmp(head + len - 3, "\r\n\r\n") == 0)
            return true;
    }
    return false;
}

static char *unpacked(const char *body, size_t len) {
    char *out = malloc(ROOM);
    assert_non_null(out);
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)body,
                  .avail_in = (unsigned)len,
                  .next_out = (unsigned char *)out,
                  .avail_out = ROOM - 1};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    out[z.total_out] = '\0';
    inflateEnd(&z);
    return out;
}

static cJSON *scope_of(const cJSON *request) {
    cJSON *r = cJSON_GetArrayItem(cJSON_GetObjectItem(request, "resourceSpans"), 0);
    return cJSON_GetArrayItem(cJSON_GetObjectItem(r, "scopeSpans"), 0);
}

static void keep_locked(collector *c, cJSON *request) {
    cJSON *spans = cJSON_GetObjectItem(scope_of(request), "spans");
    assert_true(cJSON_GetArraySize(spans) > 0);
    while (cJSON_GetArraySize(spans) > 0)
        cJSON_AddItemToArray(c->spans, cJSON_DetachItemFromArray(spans, 0));
    cJSON_Delete(c->last);
    c->last = request;
}

static void answer(collector *c, int fd, const char *head, const char *body, size_t len) {
    char page[512];
    char *text = strstr(head, "Content-Encoding: gzip") ? unpacked(body, len) : strdup(body);
    cJSON *request = cJSON_Parse(text);
    free(text);
    assert_non_null(request);
    pthread_mutex_lock(&c->lock);
    bool refuses = c->times > 0;
    strcpy(c->head, head);
    snprintf(page, sizeof page, "HTTP/1.1 %d Done\r\n%sContent-Length: 2\r\n\r\n{}",
             refuses ? c->status : 200, refuses ? c->headers : "");
    c->times -= refuses;
    c->requests++;
    if (refuses)
        cJSON_Delete(request);
    else
        keep_locked(c, request);
    pthread_mutex_unlock(&c->lock);
    ssize_t n = c->ssl ? SSL_write(c->ssl, page, (int)strlen(page))
                       : send(fd, page, strlen(page), MSG_NOSIGNAL);
    (void)n; /* the client may have given up */
}

static void serve(collector *c, int fd) {
    char head[HEAD_MOST];
    while (take_head(c, fd, head)) {
        const char *length = strcasestr(head, "content-length:");
        assert_non_null(length);
        size_t len = strtoul(length + strlen("content-length:"), NULL, 10);
        char *body = calloc(1, len + 1);
        bool whole = take_all(c, fd, body, len);
        if (whole && !atomic_load(&c->hushed))
            answer(c, fd, head, body, len);
        free(body);
        if (!whole)
            return;
    }
}

static void *run(void *argument) {
    collector *c = argument;
    struct pollfd p = {c->fd, POLLIN, 0};
    while (!atomic_load(&c->stops)) {
        if (poll(&p, 1, LOOK_MS) <= 0)
            continue;
        int fd = accept(c->fd, NULL, NULL);
        if (fd < 0)
            continue;
        c->ssl = c->tls ? SSL_new(c->tls) : NULL;
        if (!c->ssl || (SSL_set_fd(c->ssl, fd) && SSL_accept(c->ssl) == 1))
            serve(c, fd);
        SSL_free(c->ssl);
        close(fd);
    }
    return NULL;
}

/* ---- life ---- */

collector *collector_start(void) {
    return collector_start_tls(NULL);
}

static SSL_CTX *context_of(const identity *own) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(tls, own->certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, own->key), 1);
    return tls;
}

collector *collector_start_tls(const identity *own) {
    collector *c = calloc(1, sizeof *c);
    assert_non_null(c);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    signal(SIGPIPE, SIG_IGN);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(c->fd, 16), 0);
    assert_int_equal(getsockname(c->fd, (struct sockaddr *)&a, &size), 0);
    c->port = ntohs(a.sin_port);
    c->tls = own ? context_of(own) : NULL;
    c->spans = cJSON_CreateArray();
    pthread_mutex_init(&c->lock, NULL);
    assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
    return c;
}

void collector_stop(collector *c) {
    atomic_store(&c->stops, true);
    pthread_join(c->thread, NULL);
    close(c->fd);
    SSL_CTX_free(c->tls);
    cJSON_Delete(c->spans);
    cJSON_Delete(c->last);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const char *collector_settings(collector *c, const char *more) {
    snprintf(c->settings, sizeof c->settings,
             "OTEL_EXPORTER_OTLP_ENDPOINT=http%s://127.0.0.1:%d\nOTEL_BSP_SCHEDULE_DELAY=20\n%s",
             c->tls ? "s" : "", c->port, more);
    return c->settings;
}

void collector_refuse(collector *c, int status, const char *headers, int times) {
    pthread_mutex_lock(&c->lock);
    c->status = status;
    c->times = times;
    snprintf(c->headers, sizeof c->headers, "%s", headers);
    pthread_mutex_unlock(&c->lock);
}

void collector_hush(collector *c) {
    atomic_store(&c->hushed, true);
}

/* ---- looking ---- */

int collector_requests(collector *c) {
    pthread_mutex_lock(&c->lock);
    int requests = c->requests;
    pthread_mutex_unlock(&c->lock);
    return requests;
}

const char *collector_head(collector *c) {
    return c->head;
}

int collector_spans(collector *c) {
    pthread_mutex_lock(&c->lock);
    int spans = cJSON_GetArraySize(c->spans);
    pthread_mutex_unlock(&c->lock);
    return spans;
}

typedef struct wanted {
    collector *c;
    int spans;
} wanted;

static int has_spans(void *argument) {
    const wanted *w = argument;
    return collector_spans(w->c) >= w->spans;
}

void must_collect(collector *c, int spans) {
    wanted w = {c, spans};
    must_become(has_spans, &w, DEADLINE_MS, "spans come");
    assert_int_equal(collector_spans(c), spans);
}

const cJSON *collected(collector *c, const char *name, int n) {
    const cJSON *span, *found = NULL;
    pthread_mutex_lock(&c->lock);
    cJSON_ArrayForEach(span, c->spans) {
        if (strcmp(span_text(span, "name"), name) == 0 && n-- == 0)
            found = span;
    }
    pthread_mutex_unlock(&c->lock);
    if (!found)
        fail_msg("no span %s came", name);
    return found;
}

static const char *text_of(const cJSON *value) {
    static _Thread_local char number[32];
    if (cJSON_IsString(value))
        return value->valuestring;
    if (!cJSON_IsNumber(value))
        return "";
    snprintf(number, sizeof number, "%d", value->valueint);
    return number;
}

const char *span_text(const cJSON *span, const char *name) {
    return text_of(cJSON_GetObjectItem(span, name));
}

static const char *attribute_in(const cJSON *list, const char *key) {
    const cJSON *a;
    cJSON_ArrayForEach(a, list) {
        if (strcmp(span_text(a, "key"), key) == 0)
            return text_of(cJSON_GetObjectItem(a, "value")->child);
    }
    return "";
}

const char *span_attribute(const cJSON *span, const char *key) {
    return attribute_in(cJSON_GetObjectItem(span, "attributes"), key);
}

const char *collector_resource(collector *c, const char *key) {
    const cJSON *r = cJSON_GetArrayItem(cJSON_GetObjectItem(c->last, "resourceSpans"), 0);
    return attribute_in(cJSON_GetObjectItem(cJSON_GetObjectItem(r, "resource"), "attributes"), key);
}
