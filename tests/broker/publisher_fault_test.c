/* Publishers while the broker is slow, gone or comes back: nothing is lost unseen, nothing grows
 * without bound. */
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

#include <pthread.h>
#include <stdio.h>

enum { PATIENCE_MS = 40000 };

static kca_publisher_builder *small_publisher(const char *topic, int messages, int timeout_ms) {
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_buffer_messages(b, messages);
    kca_publisher_builder_with_buffer_timeout_ms(b, timeout_ms);
    return b;
}

/* A started system with this publisher, that has published one message before. */
static kca_system *with(kca_publisher_builder *b, const char *topic, kca_bus **bus) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, b);
    start(s);
    *bus = bus_of(s, topic);
    publish_things(*bus, 0, 1, 1, 0);
    must(kca_bus_flush(*bus, PATIENCE_MS));
    return s;
}

static kca_error *publish_one(kca_bus *bus, const char *payload, uint64_t token) {
    kca_message *m = thing(payload, "k");
    kca_error *e = kca_bus_publish(bus, m, token);
    kca_message_free(m);
    return e;
}

/* ---- a broker that does not answer ---- */

static int go_on(void **state) {
    cluster_do("cont");
    return 0;
}

static void test_a_full_buffer_waits_and_then_says_so(void **state) {
    const char *topic = unique("full");
    kca_bus *bus;
    kca_system *s = with(small_publisher(topic, 5, 400), topic, &bus);
    cluster_do("pause");
    publish_things(bus, 1, 5, 1, 0);
    int64_t begin = now_ms();
    kca_error *e = publish_one(bus, "6", 0);
    assert_in_range(now_ms() - begin, 390, 1500);
    assert_int_equal(kca_error_retriable(e), 1);
    must_fail(e, KCA_ERROR_BUFFER_FULL, topic, "400 ms", "5 messages", "buffer_messages 5");
    cluster_do("cont");
    must(kca_bus_flush(bus, PATIENCE_MS));
    must(publish_one(bus, "6", 0));
    kca_bus_free(bus);
    finish(s);
    assert_int_equal(topic_count(topic, 3), 7);
}

static void test_a_timeout_of_0_does_not_wait(void **state) {
    const char *topic = unique("full");
    kca_bus *bus;
    kca_system *s = with(small_publisher(topic, 3, 0), topic, &bus);
    cluster_do("pause");
    publish_things(bus, 1, 3, 1, 0);
    int64_t begin = now_ms();
    must_fail(publish_one(bus, "4", 0), KCA_ERROR_BUFFER_FULL, topic);
    assert_in_range(now_ms() - begin, 0, 100);
    cluster_do("cont");
    kca_bus_free(bus);
    finish(s);
}

static void test_buffer_bytes_bound_it_too(void **state) {
    const char *topic = unique("full");
    kca_publisher_builder *b = small_publisher(topic, 1000, 0);
    kca_publisher_builder_with_buffer_bytes(b, 10000);
    kca_bus *bus;
    kca_system *s = with(b, topic, &bus);
    char payload[3001];
    memset(payload, '1', 3000);
    payload[3000] = '\0';
    cluster_do("pause");
    for (int i = 0; i < 3; i++)
        must(publish_one(bus, payload, 0));
    must_fail(publish_one(bus, payload, 0), KCA_ERROR_BUFFER_FULL, "3 messages of 9003 bytes",
              "buffer_bytes 10000");
    cluster_do("cont");
    kca_bus_free(bus);
    finish(s);
}

typedef struct waiting_publish {
    kca_bus *bus;
    kca_error *error;
    pthread_t thread;
} waiting_publish;

static void *publish_and_wait(void *argument) {
    waiting_publish *w = argument;
    w->error = publish_one(w->bus, "5", 0);
    return NULL;
}

static void test_a_publish_that_waits_goes_on_when_there_is_room(void **state) {
    const char *topic = unique("room");
    waiting_publish w = {0};
    kca_system *s = with(small_publisher(topic, 3, -1), topic, &w.bus);
    cluster_do("pause");
    publish_things(w.bus, 1, 3, 1, 0);
    assert_int_equal(pthread_create(&w.thread, NULL, publish_and_wait, &w), 0);
    must_fail(kca_bus_flush(w.bus, 300), KCA_ERROR_TIMEOUT, topic, "3");
    cluster_do("cont");
    pthread_join(w.thread, NULL);
    must(w.error);
    kca_bus_free(w.bus);
    finish(s);
    assert_int_equal(topic_count(topic, 3), 5);
}

static void test_shutdown_in_too_little_time_names_what_was_left(void **state) {
    const char *topic = unique("left");
    kca_bus *bus;
    kca_system *s = with(publisher_of(topic), topic, &bus);
    cluster_do("pause");
    publish_things(bus, 1, 10, 1, 1);
    int64_t begin = now_ms();
    must_fail(kca_system_shutdown(s, 500), KCA_ERROR_TIMEOUT, "500 ms",
              "10 messages were not confirmed");
    assert_in_range(now_ms() - begin, 400, 3000);
    cluster_do("cont");
    kca_queue *q = queue_of(s);
    for (int i = 0; i < 10; i++) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, 0);
        assert_non_null(receipt);
        assert_int_equal(kca_error_code(kca_event_error(receipt)), KCA_ERROR_NOT_STORED);
        kca_event_free(receipt);
    }
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_a_message_that_fails_without_a_receipt_is_a_fault(void **state) {
    const char *topic = unique("fault");
    kca_bus *bus;
    kca_system *s = with(publisher_of(topic), topic, &bus);
    cluster_do("pause");
    publish_things(bus, 1, 1, 1, 0);
    kca_error_free(kca_system_shutdown(s, 100));
    cluster_do("cont");
    kca_queue *q = queue_of(s);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, 0);
    assert_non_null(fault);
    assert_int_equal(kca_error_code(kca_event_error(fault)), KCA_ERROR_NOT_STORED);
    assert_string_equal(kca_event_topic(fault), topic);
    kca_event_free(fault);
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_system_free(s);
}

/* ---- receipts that nobody reads ---- */

static void test_unread_receipts_fill_the_buffer_and_the_error_says_so(void **state) {
    const char *topic = unique("unread");
    kca_bus *bus;
    kca_system *s = with(small_publisher(topic, 5, 100), topic, &bus);
    publish_things(bus, 1, 5, 1, 1);
    must(kca_bus_flush(bus, PATIENCE_MS));
    must_fail(publish_one(bus, "6", 7), KCA_ERROR_BUFFER_FULL, topic, "5 receipts wait to be read");
    kca_queue *q = queue_of(s);
    kca_event_free(next_event(q, KCA_EVENT_RECEIPT, 1000));
    must(publish_one(bus, "6", 7));
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

/* ---- shutdown ---- */

static void test_shutdown_sends_all_that_is_buffered(void **state) {
    const char *topic = unique("flush");
    topic_create(topic, 3);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = small_publisher(topic, 10000, 1000);
    kca_publisher_builder_with_linger_ms(b, 1000);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 5000, 100, 0);
    kca_bus_free(bus);
    finish(s);
    assert_int_equal(topic_count(topic, 3), 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_full_buffer_waits_and_then_says_so, go_on),
        cmocka_unit_test_teardown(test_a_timeout_of_0_does_not_wait, go_on),
        cmocka_unit_test_teardown(test_buffer_bytes_bound_it_too, go_on),
        cmocka_unit_test_teardown(test_a_publish_that_waits_goes_on_when_there_is_room, go_on),
        cmocka_unit_test_teardown(test_shutdown_in_too_little_time_names_what_was_left, go_on),
        cmocka_unit_test_teardown(test_a_message_that_fails_without_a_receipt_is_a_fault, go_on),
        cmocka_unit_test(test_unread_receipts_fill_the_buffer_and_the_error_says_so),
        cmocka_unit_test(test_shutdown_sends_all_that_is_buffered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
