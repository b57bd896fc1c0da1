/*
 * Two consumers of one group: the second comes while the first is at work. The embedded broker of
 * librdkafka 2.0.2 begins a rebalance but does not end it; what comes after it is tested on a real
 * one.
 */
#include "behaviour.h"

#include "systems.h"

enum { PATIENCE_MS = 30000 };

static void give_member(kca_system *s, const char *name) {
    kca_consumer_builder *b = consumer_of("things", name);
    kca_consumer_builder_with_group_id(b, "group");
    kca_consumer_builder_with_heartbeat_interval_ms(b, 200);
    give_consumer(s, b);
}

static kca_system *system_of_two(void) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    give_member(s, "first");
    give_member(s, "second");
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    must(kca_system_log_to_queue(s, KCA_LOG_INFO));
    start(s);
    return s;
}

static void publish(kca_system *s, int count) {
    kca_bus *bus = bus_of(s, "things");
    publish_things(bus, 0, count, 0, 0);
    must(kca_bus_flush(bus, PATIENCE_MS));
    kca_bus_free(bus);
}

static void test_a_shutdown_does_not_wait_for_a_rebalance_that_waits_for_a_delivery(void **state) {
    kca_system *s = system_of_two();
    kca_consumer *first = reader_of(s, "first"), *second = reader_of(s, "second");
    kca_queue *events = queue_of(s), *q, *other;
    publish(s, 100);
    must(kca_consumer_queue(first, &q));
    kca_event *kept = next_event(q, KCA_EVENT_DELIVERY, PATIENCE_MS);
    assert_non_null(kept);
    must(kca_consumer_queue(second, &other));
    assert_true(log_says(events, "partitions revoked", PATIENCE_MS));
    for (kca_event *late; kca_queue_next(q, &late, 1, 300) == 1;) {
        kca_delivery_settle(kca_event_delivery(late), KCA_DONE);
        kca_event_free(late);
    }
    int64_t begin = now_ms();
    must_fail(kca_system_shutdown(s, 1000), KCA_ERROR_TIMEOUT, "1 deliveries were not settled");
    assert_true(now_ms() - begin < 15000);
    kca_event_free(kept);
    kca_queue_free(q);
    kca_queue_free(other);
    kca_queue_free(events);
    kca_consumer_free(first);
    kca_consumer_free(second);
    kca_system_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_shutdown_does_not_wait_for_a_rebalance_that_waits_for_a_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
