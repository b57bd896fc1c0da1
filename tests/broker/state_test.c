/* States of connections and consumers: told by events, by describe, and by one fault when trouble
 * lasts. The listener PROXIED answers, but advertises an address where nobody listens unless the
 * test puts a proxy there. */
#include "consuming.h"
#include "proxy.h"

#include <stdio.h>

/* From this version on librdkafka may stand still for ever when first hosts answer, but advertised
 * addresses do not (#5476), unless it is told not to begin anew at the first hosts. */
enum { STANDSTILL_VERSION = 0x020a00ff };

enum { FAULT_AFTER_MS = 2000, QUIET_MS = 3500, NEVER_MS = 60000 };

static kca_system *advertised_system(int fault_after_ms) {
    kca_system *s;
    kca_connection *c;
    must(kca_system_new(&s));
    must(kca_connection_new(&c, "kafka", listener("PROXIED")));
    kca_connection_with_fault_after_ms(c, fault_after_ms);
    give_connection(s, c);
    return s;
}

static kca_consumer_builder *steady_consumer_of(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    if (rd_kafka_version() >= STANDSTILL_VERSION)
        kca_consumer_builder_with_property(b, "metadata.recovery.strategy", "none");
    return b;
}

static proxy *reachable(void) {
    return proxy_start(listener("PROXY"), listener("PROXIED"));
}

/* A consumer that reads over the advertised address, and runs. */
typedef struct reading {
    consuming c;
    runner r;
    kca_queue *q;
} reading;

static void begin_reading(reading *x, int fault_after_ms, int partition) {
    const char *topic = unique("state"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 1, 1);
    x->c = (consuming){advertised_system(fault_after_ms), NULL, recorder_new(), topic, group};
    kca_consumer_builder *b = steady_consumer_of(topic, group);
    kca_consumer_builder_with_partition(b, partition);
    give_consumer(x->c.system, b);
    record(x->c.system, "thing", x->c.recorder);
    start(x->c.system);
    x->q = queue_of(x->c.system);
    x->c.consumer = reader_of(x->c.system, group);
    runner_start(&x->r, x->c.consumer);
}

static void end_reading(reading *x) {
    runner_stop(&x->r);
    kca_queue_free(x->q);
    end(&x->c);
}

/* The next event of a state of this consumer ("": the connection), freed by the caller. Those of
 * the other are dropped: the connection's producer may complain of the same broker.
 */
static kca_event *next_state(kca_queue *q, int state, const char *consumer) {
    kca_event *e;
    while ((e = next_event(q, KCA_EVENT_STATE, COME_MS)) &&
           strcmp(kca_event_consumer(e), consumer) != 0)
        kca_event_free(e);
    assert_non_null(e);
    assert_int_equal(kca_event_state(e), state);
    assert_string_equal(kca_event_connection(e), "kafka");
    assert_true(kca_event_since_ms(e) > 0);
    return e;
}

static void must_be_well(kca_queue *q, int state, const char *consumer) {
    kca_event *e = next_state(q, state, consumer);
    assert_null(kca_event_error(e));
    kca_event_free(e);
}

static void must_be_in_trouble(kca_queue *q, int state, const char *consumer) {
    kca_event *e = next_state(q, state, consumer);
    const kca_error *error = kca_event_error(e);
    assert_int_equal(kca_error_code(error), KCA_ERROR_UNREACHABLE);
    must_have(kca_error_text(error), listener("PROXY"));
    must_have(kca_error_text(error), "connection refused");
    must_have(kca_error_text(error), "check advertised.listeners");
    kca_event_free(e);
}

static void must_be_a_fault(kca_queue *q, const char *who, const char *state) {
    kca_event *fault;
    while ((fault = next_event(q, KCA_EVENT_FAULT, COME_MS)) &&
           !strstr(kca_error_text(kca_event_error(fault)), who))
        kca_event_free(fault);
    assert_non_null(fault);
    const char *text = kca_error_text(kca_event_error(fault));
    must_have(text, state);
    must_have(text, " s: ");
    must_have(text, listener("PROXY"));
    assert_true(kca_error_retriable(kca_event_error(fault)));
    kca_event_free(fault);
}

/* Of whom it is: "consumer NAME: ..." or "connection NAME: ...". */
static int tells_of(const kca_event *e, const char *who) {
    int type = kca_event_type(e);
    return (type == KCA_EVENT_STATE && strcmp(kca_event_consumer(e), who) == 0) ||
           (type == KCA_EVENT_FAULT && strstr(kca_error_text(kca_event_error(e)), who));
}

/* Nothing is told of it while nothing changes. */
static void must_be_quiet(kca_queue *q, const char *who) {
    int64_t stop = now_ms() + QUIET_MS;
    for (int64_t left; (left = stop - now_ms()) > 0;) {
        kca_event *e;
        if (kca_queue_next(q, &e, 1, (int)left) != 1)
            continue;
        char text[600];
        snprintf(text, sizeof text, "%s", kca_error_text(kca_event_error(e)));
        int tells = tells_of(e, who);
        kca_event_free(e);
        if (tells)
            fail_msg("it was told of %s: %s", who, text);
    }
}

static void must_describe(kca_system *s, const char *part) {
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_TEXT, &text));
    must_have(text, part);
    kca_string_free(text);
}

static void test_a_group_whose_address_leads_nowhere_is_told_once_and_joined_later(void **state) {
    reading x;
    begin_reading(&x, FAULT_AFTER_MS, KCA_PARTITION_ASSIGNED);
    must_be_in_trouble(x.q, KCA_STATE_CONNECTING, x.c.group);
    must_describe(x.c.system, "    connecting since 20");
    must_be_a_fault(x.q, x.c.group, "connecting");
    must_be_quiet(x.q, x.c.group);
    proxy *p = reachable();
    must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    must_be_handled(x.c.recorder, 1, COME_MS);
    must_describe(x.c.system, ", running, joined, ");
    end_reading(&x);
    proxy_stop(p);
}

static void test_a_consumer_reconnects_and_joins_again(void **state) {
    reading x;
    proxy *p = reachable();
    begin_reading(&x, FAULT_AFTER_MS, KCA_PARTITION_ASSIGNED);
    must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    must_be_handled(x.c.recorder, 1, COME_MS);
    for (int round = 0; round < 2; round++) {
        proxy_refuse(p);
        must_be_in_trouble(x.q, KCA_STATE_RECONNECTING, x.c.group);
        must_be_a_fault(x.q, x.c.group, "reconnecting");
        must_be_quiet(x.q, x.c.group);
        proxy_pass(p);
        must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    }
    end_reading(&x);
    proxy_stop(p);
}

static void test_a_consumer_without_a_group_reconnects(void **state) {
    reading x;
    proxy *p = reachable();
    begin_reading(&x, FAULT_AFTER_MS, 0);
    must_be_handled(x.c.recorder, 1, COME_MS);
    must_describe(x.c.system, ", running, connected, ");
    proxy_refuse(p);
    must_be_in_trouble(x.q, KCA_STATE_RECONNECTING, x.c.group);
    proxy_pass(p);
    must_be_well(x.q, KCA_STATE_CONNECTED, x.c.group);
    end_reading(&x);
    proxy_stop(p);
}

static void test_a_publisher_whose_address_leads_nowhere_is_told_of_its_connection(void **state) {
    const char *topic = unique("state");
    topic_create(topic, 1);
    kca_system *s = advertised_system(FAULT_AFTER_MS);
    give_publisher(s, publisher_of(topic));
    start(s);
    must_describe(s, ", connected\n");
    kca_queue *q = queue_of(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 1);
    must_be_in_trouble(q, KCA_STATE_RECONNECTING, "");
    must_describe(s, "    reconnecting since 20");
    must_be_a_fault(q, "connection kafka", "reconnecting");
    must_be_quiet(q, "connection kafka");
    proxy *p = reachable();
    must_be_well(q, KCA_STATE_CONNECTED, "");
    must(kca_bus_flush(bus, COME_MS));
    assert_int_equal(described(s, "publishers", 0, "stored"), 1);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
    proxy_stop(p);
}

/* It connects, but nothing comes through: only time tells. */
static void test_a_network_that_swallows_everything_is_told(void **state) {
    reading x;
    proxy *p = reachable();
    begin_reading(&x, FAULT_AFTER_MS, KCA_PARTITION_ASSIGNED);
    must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    proxy_hole(p);
    kca_event *e;
    while ((e = next_event(x.q, KCA_EVENT_STATE, NEVER_MS)) && !kca_event_error(e))
        kca_event_free(e); /* put out of the group before librdkafka complains */
    assert_non_null(e);
    assert_int_equal(kca_event_state(e), KCA_STATE_RECONNECTING);
    must_have(kca_error_text(kca_event_error(e)), "does not answer");
    kca_event_free(e);
    proxy_pass(p);
    must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    end_reading(&x);
    proxy_stop(p);
}

static void test_without_an_end_of_patience_there_is_no_fault(void **state) {
    reading x;
    begin_reading(&x, 0, KCA_PARTITION_ASSIGNED);
    must_be_in_trouble(x.q, KCA_STATE_CONNECTING, x.c.group);
    must_be_quiet(x.q, x.c.group);
    end_reading(&x);
}

static int hold(recorder *r, kca_delivery *d, int id) {
    (void)d;
    (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

/* The group waits for a member that is still at work: that is no trouble. */
static void test_waiting_for_the_group_is_no_fault(void **state) {
    gate g = GATE_CLOSED;
    proxy *p = reachable();
    reading x;
    begin_reading(&x, 1000, KCA_PARTITION_ASSIGNED);
    x.c.recorder->behave = hold;
    x.c.recorder->context = &g;
    must_be_well(x.q, KCA_STATE_JOINED, x.c.group);
    must_wait_at(&g, 1, COME_MS);
    kca_system *s = advertised_system(1000);
    give_consumer(s, steady_consumer_of(x.c.topic, x.c.group));
    record(s, "thing", x.c.recorder);
    start(s);
    kca_queue *q = queue_of(s);
    kca_consumer *late = reader_of(s, x.c.group);
    runner r;
    runner_start(&r, late);
    must_be_quiet(q, x.c.group);
    must_describe(s, ", running, connecting, ");
    gate_open(&g);
    must_be_well(q, KCA_STATE_JOINED, x.c.group);
    runner_stop(&r);
    kca_queue_free(q);
    kca_consumer_free(late);
    finish(s);
    end_reading(&x);
    proxy_stop(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_group_whose_address_leads_nowhere_is_told_once_and_joined_later),
        cmocka_unit_test(test_a_consumer_reconnects_and_joins_again),
        cmocka_unit_test(test_a_consumer_without_a_group_reconnects),
        cmocka_unit_test(test_a_publisher_whose_address_leads_nowhere_is_told_of_its_connection),
        cmocka_unit_test(test_a_network_that_swallows_everything_is_told),
        cmocka_unit_test(test_without_an_end_of_patience_there_is_no_fault),
        cmocka_unit_test(test_waiting_for_the_group_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
