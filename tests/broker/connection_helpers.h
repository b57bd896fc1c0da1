/* Starts a system over one connection, for tests of connections. */
#ifndef KCA_TESTS_CONNECTION_HELPERS_H
#define KCA_TESTS_CONNECTION_HELPERS_H

#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

enum { START_MS = 20000, QUICK_MS = 3000 };

static inline kca_connection *connection_to(const char *hosts) {
    kca_connection *c;
    must(kca_connection_new(&c, "kafka", hosts));
    return c;
}

static inline kca_connection *tls_to(const char *hosts, const char *ca, const char *certificate,
                                     const char *key) {
    kca_connection *c = connection_to(hosts);
    kca_connection_with_tls(c, ca, certificate, key);
    return c;
}

static inline kca_connection *sasl_to(const char *hosts, const char *mechanism, const char *user,
                                      const char *password) {
    kca_connection *c = connection_to(hosts);
    kca_connection_with_sasl(c, mechanism, user, password);
    kca_connection_with_unencrypted_sasl(c, 1);
    return c;
}

/* What start says over this connection, which is freed. */
static inline kca_error *start_over(kca_connection *c, int timeout_ms) {
    kca_system *s;
    must(kca_system_new(&s));
    give_connection(s, c);
    kca_error *e = kca_system_start(s, timeout_ms);
    kca_system_free(s);
    return e;
}

/* Starts, publishes one message that is stored, shuts down. */
static inline void must_publish_over(kca_connection *c, const char *topic) {
    kca_system *s;
    must(kca_system_new(&s));
    give_connection(s, c);
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_async(b, 0);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 0);
    kca_bus_free(bus);
    finish(s);
}

/* A definite cause is said at once, not at the end of the time given. */
#define must_be_refused_at_once(connection, code, ...)                                             \
    do {                                                                                           \
        int64_t begin = now_ms();                                                                  \
        must_fail(start_over((connection), START_MS), (code), __VA_ARGS__);                        \
        assert_in_range(now_ms() - begin, 0, QUICK_MS);                                            \
    } while (0)

/* What may pass is tried until the time is over, and not longer. */
#define must_be_refused_in_time(connection, timeout_ms, code, ...)                                 \
    do {                                                                                           \
        int64_t begin = now_ms();                                                                  \
        must_fail(start_over((connection), (timeout_ms)), (code), __VA_ARGS__);                    \
        assert_in_range(now_ms() - begin, (timeout_ms)*3 / 4, (timeout_ms) + 1500);                \
    } while (0)

#endif
