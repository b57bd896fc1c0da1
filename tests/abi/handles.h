/* A system on the embedded broker, and one handle of each kind. All of it asserts that it works. */
#ifndef KCA_TESTS_HANDLES_H
#define KCA_TESTS_HANDLES_H

#include "testing.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kca.h"

enum { PATIENCE_MS = 20000 };

#define CHANNEL  "order.events"
#define CONSUMER "invoices"

/* Two keys of partition 0, which is the one that the consumer reads. */
static const char *const KEYS[] = {"k3", "k4"};

/* What became of one user pointer. */
typedef struct user {
    atomic_int freed;
} user;

static inline void free_user(void *pointer) {
    atomic_fetch_add(&((user *)pointer)->freed, 1);
}

static inline void assert_ok(kca_error *e) {
    if (e)
        fail_msg("%s: %s", kca_error_name(e), kca_error_text(e));
}

/* Frees the error. */
static inline void assert_error(kca_error *e, int code) {
    if (kca_error_code(e) != code)
        fail_msg("expected error %d, got %s: %s", code, kca_error_name(e), kca_error_text(e));
    kca_error_free(e);
}

static inline int answer_done(kca_delivery *d, void *pointer) {
    (void)d, (void)pointer;
    return KCA_DONE;
}

static inline void ignore_event(const kca_event *e, void *pointer) {
    (void)e, (void)pointer;
}

static inline void add_connection(kca_system *s, const char *name) {
    kca_connection *c;
    assert_ok(kca_connection_new(&c, name, "embedded://"));
    assert_ok(kca_system_add_connection(s, c));
    kca_connection_free(c);
}

static inline void add_adapters(kca_system *s, const char *connection) {
    kca_publisher_builder *p;
    assert_ok(kca_publisher_builder_new(&p, connection, CHANNEL));
    kca_publisher_builder_with_required_acks(p, 1);
    kca_publisher_builder_with_linger_ms(p, 0);
    assert_ok(kca_system_add_publisher(s, p));
    kca_publisher_builder_free(p);

    kca_consumer_builder *c;
    assert_ok(kca_consumer_builder_new(&c, connection, CHANNEL, CONSUMER));
    kca_consumer_builder_with_partition(c, 0); /* no group, no rebalance to wait for */
    assert_ok(kca_system_add_consumer(s, c));
    kca_consumer_builder_free(c);
}

static inline kca_system *declared_system(user *handler_user, user *event_user) {
    kca_system *s;
    assert_ok(kca_system_new(&s));
    add_connection(s, "shop");
    add_adapters(s, "shop");
    assert_ok(
        kca_system_add_handler(s, "*", answer_done, handler_user, handler_user ? free_user : NULL));
    if (event_user)
        assert_ok(
            kca_system_set_event_handler(s, KCA_EVENT_FAULT, ignore_event, event_user, free_user));
    return s;
}

static inline kca_system *started_system(user *handler_user, user *event_user) {
    kca_system *s = declared_system(handler_user, event_user);
    assert_ok(kca_system_start(s, PATIENCE_MS));
    return s;
}

static inline kca_message *new_order(const char *key) {
    kca_message *m;
    assert_ok(kca_message_new(&m, "OrderPlaced"));
    kca_message_set_payload(m, "{\"total\":42}", 12);
    kca_message_set_key(m, key, strlen(key));
    return m;
}

/* The next event, which must be of this type. */
static inline kca_event *next_event(kca_queue *q, int type) {
    kca_event *e = NULL;
    assert_int_equal(kca_queue_next(q, &e, 1, PATIENCE_MS), 1);
    if (kca_event_type(e) != type)
        fail_msg("event of type %d instead of %d: %s%s", kca_event_type(e), type,
                 kca_error_text(kca_event_error(e)), kca_event_log_text(e));
    return e;
}

/* Publishes and gives the receipt, which must say stored. */
static inline kca_event *publish_order(kca_bus *bus, kca_queue *receipts, const char *key) {
    kca_message *m = new_order(key);
    assert_ok(kca_bus_publish(bus, m, 7));
    kca_message_free(m);
    kca_event *receipt = next_event(receipts, KCA_EVENT_RECEIPT);
    assert_null(kca_event_error(receipt));
    assert_int_equal(kca_event_token(receipt), 7);
    assert_int_equal(kca_event_partition(receipt), 0);
    return receipt;
}

/* ---- one of each ---- */

enum { HANDLES = 9 };

typedef struct handles {
    kca_system *system;
    kca_bus *bus;
    kca_consumer *consumer;
    kca_queue *receipts;
    kca_queue *deliveries;
    kca_event *receipt;
    kca_event *event; /* with a delivery in it */
    kca_delivery *delivery;
    kca_message *message;
} handles;

static inline handles handles_of(kca_system *s) {
    handles h = {.system = s};
    assert_ok(kca_system_event_bus(s, CHANNEL, &h.bus));
    assert_ok(kca_system_consumer(s, CONSUMER, &h.consumer));
    assert_ok(kca_system_queue(s, &h.receipts));
    assert_ok(kca_consumer_queue(h.consumer, &h.deliveries));
    h.message = new_order(KEYS[0]);
    h.receipt = publish_order(h.bus, h.receipts, KEYS[0]);
    h.delivery = kca_event_into_delivery(next_event(h.deliveries, KCA_EVENT_DELIVERY));
    kca_event_free(publish_order(h.bus, h.receipts, KEYS[1]));
    h.event = next_event(h.deliveries, KCA_EVENT_DELIVERY);
    return h;
}

static inline void free_handle(const handles *h, int which) {
    switch (which) {
    case 0:
        kca_system_free(h->system);
        break;
    case 1:
        kca_bus_free(h->bus);
        break;
    case 2:
        kca_consumer_free(h->consumer);
        break;
    case 3:
        kca_queue_free(h->receipts);
        break;
    case 4:
        kca_queue_free(h->deliveries);
        break;
    case 5:
        kca_event_free(h->receipt);
        break;
    case 6:
        kca_event_free(h->event);
        break;
    case 7:
        kca_delivery_free(h->delivery);
        break;
    default:
        kca_message_free(h->message);
        break;
    }
}

static inline void free_handles(const handles *h) {
    for (int which = 0; which < HANDLES; which++)
        free_handle(h, which);
}

#endif
