/*
 * An attempt is one address of one host: connect, shake hands, greet. Its error is definite when it
 * is not retriable. Attempts share the time: each may use the time that is left, divided by the
 * number of attempts left.
 */
#include "connection/diagnosis.h"

#include "base/clock.h"
#include "base/error.h"
#include "connection/host_list.h"
#include "connection/kafka_greeting.h"
#include "connection/tls_context.h"
#include "connection/tls_handshake.h"

#include <openssl/err.h>

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_MS = 10000 };

typedef struct attempt {
    const char *connection;
    const kca__tls *tls;
    SSL_CTX *context; /* NULL: plain */
    const kca__host *host;
    const struct addrinfo *address;
    int64_t deadline;
} attempt;

static kca_error *may_pass(kca_error *e) {
    if (!e->retriable) /* the static out-of-memory error, which has it set, must not be written */
        e->retriable = 1;
    return e;
}

static kca_error *not_connected(const attempt *a, int reason) {
    const char *connection = a->connection, *host = a->host->text;
    if (reason == ECONNREFUSED)
        return may_pass(kca__error_new(KCA_ERROR_UNREACHABLE,
                                       "connection %s: nobody listens at %s (connection refused): "
                                       "check the address and that the broker runs",
                                       connection, host));
    if (reason == ETIMEDOUT)
        return may_pass(kca__error_new(KCA_ERROR_UNREACHABLE,
                                       "connection %s: %s does not answer (timed out): check the "
                                       "address and that no firewall is in the way",
                                       connection, host));
    return may_pass(
        kca__error_new(KCA_ERROR_UNREACHABLE,
                       "connection %s: %s cannot be reached (%s): check the address and "
                       "the network",
                       connection, host, strerror(reason)));
}

static kca_error *no_answer(const attempt *a, const kca__link *l) {
    if (l->state == KCA__LINK_CLOSED)
        return may_pass(kca__error_new(KCA_ERROR_UNREACHABLE,
                                       "connection %s: %s accepts connections and closes them "
                                       "without an answer: check that the broker behind it runs",
                                       a->connection, a->host->text));
    return may_pass(kca__error_new(KCA_ERROR_UNREACHABLE,
                                   "connection %s: %s accepts connections but does not answer: "
                                   "check the port and that the broker is well",
                                   a->connection, a->host->text));
}

static kca_error *not_kafka(const attempt *a) {
    return kca__error_new(
        KCA_ERROR_UNREACHABLE,
        "connection %s: %s answers, but not as a Kafka broker does: check the port", a->connection,
        a->host->text);
}

static kca_error *speaks_tls(const attempt *a) {
    return kca__error_new(
        KCA_ERROR_TLS,
        "connection %s: %s speaks TLS and this connection does not: add TLS to it "
        "(with_tls)",
        a->connection, a->host->text);
}

static kca_error *speaks_plain(const attempt *a) {
    return kca__error_new(KCA_ERROR_TLS,
                          "connection %s: %s does not speak TLS and this connection does: use the "
                          "broker's TLS port, or leave TLS out (with_tls)",
                          a->connection, a->host->text);
}

static int open_link(kca__link *out, const attempt *a) {
    return kca__link_open(out, a->address->ai_addr, a->address->ai_addrlen, a->deadline);
}

/* Whether a server that closed the plain link without a word answers in TLS. */
static bool answers_tls(const attempt *a) {
    kca__link l;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context && open_link(&l, a) == 0)
        kca__link_start_tls(&l, context, a->host->name, NULL);
    bool answers = context && kca__link_saw_tls(&l);
    if (context)
        kca__link_close(&l);
    SSL_CTX_free(context);
    return answers;
}

/* Whether the server answers without TLS. */
static bool answers_plain(const attempt *a) {
    kca__link l;
    bool answers = open_link(&l, a) == 0 && kca__kafka_greet(&l) == KCA__GREETING_KAFKA;
    kca__link_close(&l);
    return answers;
}

static kca_error *try_plain(const attempt *a, kca__link *l) {
    switch (kca__kafka_greet(l)) {
    case KCA__GREETING_KAFKA:
        return NULL;
    case KCA__GREETING_TLS:
        return speaks_tls(a);
    case KCA__GREETING_OTHER:
        return not_kafka(a);
    default:
        return l->state == KCA__LINK_CLOSED && answers_tls(a) ? speaks_tls(a) : no_answer(a, l);
    }
}

static kca_error *no_handshake(const attempt *a, const kca__link *l, const kca__tls_handshake *h) {
    if (l->received > 0 && !kca__link_saw_tls(l))
        return speaks_plain(a);
    kca_error *e = kca__tls_handshake_explain(h, l);
    if (e)
        return e;
    if (l->state == KCA__LINK_CLOSED && l->received == 0 && answers_plain(a))
        return speaks_plain(a);
    return no_answer(a, l);
}

static kca_error *try_tls(const attempt *a, kca__link *l) {
    kca__tls_handshake h = {.connection = a->connection, .host = a->host, .tls = a->tls};
    kca_error *e = NULL;
    if (!kca__tls_handshake_run(&h, l, a->context)) {
        e = no_handshake(a, l, &h);
    } else {
        kca__greeting greeting = kca__kafka_greet(l);
        if (greeting == KCA__GREETING_OTHER)
            e = not_kafka(a);
        else if (greeting == KCA__GREETING_NONE)
            e = kca__tls_handshake_explain(&h, l);
        if (greeting == KCA__GREETING_NONE && !e)
            e = no_answer(a, l);
    }
    kca__tls_handshake_clear(&h);
    return e;
}

static kca_error *try_address(const attempt *a) {
    kca__link l;
    int reason = open_link(&l, a);
    kca_error *e = reason       ? not_connected(a, reason)
                   : a->context ? try_tls(a, &l)
                                : try_plain(a, &l);
    kca__link_close(&l);
    return e;
}

/* Keeps the first definite error, or while there is none the last error. */
static void keep(kca_error **kept, kca_error *e) {
    if (*kept && !(*kept)->retriable) {
        kca__error_free(e);
        return;
    }
    kca__error_free(*kept);
    *kept = e;
}

static int64_t share(int64_t deadline, int attempts) {
    return kca__clock_ms() + kca__clock_left_ms(deadline) / attempts;
}

static kca_error *unresolved(const attempt *a, int reason) {
    const char *text = reason == EAI_SYSTEM ? strerror(errno) : gai_strerror(reason);
    return may_pass(kca__error_new(KCA_ERROR_UNREACHABLE,
                                   "connection %s: the name %s does not resolve (%s): check the "
                                   "host name and DNS",
                                   a->connection, a->host->name, text));
}

/* NULL as soon as one address is fine. Resolving itself may take longer than the deadline:
 * getaddrinfo has none. */
static kca_error *try_host(attempt *a, int64_t deadline) {
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int reason = getaddrinfo(a->host->name, a->host->port, &hints, &list);
    if (reason)
        return unresolved(a, reason);

    int left = 0;
    for (const struct addrinfo *p = list; p; p = p->ai_next)
        left++;
    kca_error *kept = NULL;
    for (a->address = list; a->address; a->address = a->address->ai_next, left--) {
        a->deadline = share(deadline, left);
        kca_error *e = try_address(a);
        if (!e) {
            kca__error_free(kept);
            kept = NULL;
            break;
        }
        keep(&kept, e);
    }
    freeaddrinfo(list);
    return kept;
}

static kca_error *try_hosts(attempt *a, const kca__host *list, int count, int64_t deadline) {
    kca_error *kept = NULL;
    for (int i = 0; i < count; i++) {
        a->host = &list[i];
        kca_error *e = try_host(a, share(deadline, count - i));
        if (!e) {
            kca__error_free(kept);
            return NULL;
        }
        keep(&kept, e);
    }
    return kept;
}

kca__diagnosis kca__diagnose(const char *connection, const char *hosts, const kca__tls *tls,
                             int timeout_ms) {
    int count = 0;
    kca__host *list = NULL;
    attempt a = {.connection = connection, .tls = tls};
    int64_t deadline = kca__clock_deadline(timeout_ms < 0 ? LONGEST_MS : timeout_ms);

    kca_error *e = kca__host_list_new(&list, &count, connection, hosts);
    if (!e && tls->enabled)
        e = kca__tls_context_new(&a.context, connection, tls);
    if (!e)
        e = try_hosts(&a, list, count, deadline);
    SSL_CTX_free(a.context);
    free(list);
    ERR_clear_error();
    return (kca__diagnosis){e, e && !e->retriable};
}
