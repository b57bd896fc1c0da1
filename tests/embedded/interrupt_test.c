/* Calls that wait ask the application whether to go on, where it says so. */
#include "mock_cluster.h"
#include "systems.h"
#include "wait.h"

#include <limits.h>
#include <pthread.h>

enum { FOR_EVER = -1, SOON_MS = 3000 };

typedef struct asked {
    int times;
    int until; /* from this time on it says stop */
    int freed;
    pthread_t by;
} asked;

static int ask(void *user) {
    asked *a = user;
    a->by = pthread_self();
    return ++a->times >= a->until;
}

static void set_free(void *user) {
    ((asked *)user)->freed++;
}

static kca_system *asking(const char *hosts, asked *a) {
    kca_system *s = system_on(hosts);
    must(kca_system_set_interrupt(s, ask, a, set_free));
    return s;
}

static void fails_with(int code, kca_error *e) {
    assert_int_equal(kca_error_code(e), code);
    kca_error_free(e);
}

static void test_a_start_ends_and_may_be_tried_again(void **state) {
    asked a = {.until = 2};
    kca_system *s = asking("127.0.0.1:1", &a);
    give_publisher(s, publisher_of("orders"));
    int64_t begin = now_ms();
    fails_with(KCA_ERROR_UNREACHABLE, kca_system_start(s, FOR_EVER));
    assert_true(now_ms() - begin < SOON_MS);
    assert_int_equal(a.times, 2);
    assert_true(pthread_equal(a.by, pthread_self()));
    a.until = 3;
    fails_with(KCA_ERROR_UNREACHABLE, kca_system_start(s, FOR_EVER));
    assert_int_equal(a.times, 3);
    kca_system_free(s);
    assert_int_equal(a.freed, 1);
}

static void test_a_publish_without_room_ends_and_the_next_one_waits_anew(void **state) {
    asked a = {.until = 1};
    const char *topic = unique("orders");
    kca_system *s = asking("embedded://", &a);
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_buffer_messages(b, 1);
    kca_publisher_builder_with_buffer_timeout_ms(b, FOR_EVER);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", NULL);
    a.until = 1000;
    must(kca_bus_publish(bus, m, 1));
    a.until = 0;
    fails_with(KCA_ERROR_BUFFER_FULL, kca_bus_publish(bus, m, 2));
    a.until = 1000;
    kca_event_free(next_event(q, KCA_EVENT_RECEIPT, SOON_MS));
    must(kca_bus_publish(bus, m, 3));
    must(kca_bus_flush(bus, SOON_MS));
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
    assert_int_equal(a.freed, 1);
}

/* A publish that waits for a broker which is not there is ended, with this token. */
static void be_interrupted(kca_bus *bus, asked *a, uint64_t token) {
    kca_message *m = thing("{}", NULL);
    a->until = 0;
    must_fail(kca_bus_publish(bus, m, token), KCA_ERROR_NOT_STORED, "interrupted");
    a->until = INT_MAX;
    kca_message_free(m);
}

static void test_what_became_of_a_publish_that_was_ended_comes_later(void **state) {
    rd_kafka_t *rk = mock_cluster_open();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    asked a = {.until = INT_MAX};
    kca_system *s = asking(rd_kafka_mock_cluster_bootstraps(mock), &a);
    kca_publisher_builder *b = publisher_of("orders");
    kca_publisher_builder_with_async(b, 0);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, "orders");
    kca_queue *q = queue_of(s);
    rd_kafka_mock_broker_set_down(mock, 1);
    be_interrupted(bus, &a, 1);
    rd_kafka_mock_broker_set_up(mock, 1);
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, 20000);
    assert_non_null(receipt);
    assert_int_equal(kca_event_token(receipt), 1);
    assert_null(kca_event_error(receipt));
    kca_event_free(receipt);

    rd_kafka_mock_broker_set_down(mock, 1);
    be_interrupted(bus, &a, 0);
    be_interrupted(bus, &a, 2);
    fails_with(KCA_ERROR_TIMEOUT, kca_system_shutdown(s, 0));
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, 0);
    assert_non_null(fault);
    receipt = next_event(q, KCA_EVENT_RECEIPT, 0);
    assert_non_null(receipt);
    assert_int_equal(kca_event_token(receipt), 2);
    assert_non_null(kca_event_error(receipt));
    kca_event_free(fault);
    kca_event_free(receipt);
    assert_null(next_event(q, KCA_EVENT_RECEIPT, 0));
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_system_free(s);
    rd_kafka_destroy(rk);
}

static void test_a_publish_waits_for_its_answer_as_long_as_it_may(void **state) {
    rd_kafka_t *rk = mock_cluster_open();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(mock));
    kca_publisher_builder *b = publisher_of("orders");
    kca_publisher_builder_with_async(b, 0);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, "orders");
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", NULL);
    kca_event *receipt;
    rd_kafka_mock_broker_set_down(mock, 1);
    int64_t begin = now_ms();
    must_fail(kca_bus_publish_within(&receipt, bus, m, 1, 50), KCA_ERROR_TIMEOUT,
              "publisher orders: the broker did not confirm the message within 50 ms; it may be");
    assert_true(now_ms() - begin >= 50);
    assert_null(receipt);
    must_fail(kca_bus_publish_within(NULL, bus, m, 2, 0), KCA_ERROR_TIMEOUT, "within 0 ms");
    rd_kafka_mock_broker_set_up(mock, 1);
    uint64_t tokens = 0;
    for (int i = 0; i < 2; i++) {
        receipt = next_event(q, KCA_EVENT_RECEIPT, 20000);
        assert_non_null(receipt);
        tokens |= kca_event_token(receipt);
        assert_null(kca_event_error(receipt));
        kca_event_free(receipt);
    }
    assert_true(tokens == (1 | 2));
    must(kca_bus_publish_within(&receipt, bus, m, 3, FOR_EVER));
    assert_true(kca_event_token(receipt) == 3);
    assert_true(kca_event_offset(receipt) >= 0);
    kca_event_free(receipt);
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
    rd_kafka_destroy(rk);
}

static void test_a_publish_waits_for_room_as_long_as_it_may(void **state) {
    const char *topic = unique("orders");
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_buffer_messages(b, 1);
    kca_publisher_builder_with_buffer_timeout_ms(b, FOR_EVER);
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    kca_message *m = thing("{}", NULL);
    must(kca_bus_publish_within(NULL, bus, m, 1, 0));
    must_fail(kca_bus_publish_within(NULL, bus, m, 2, 20), KCA_ERROR_BUFFER_FULL,
              "no room after 20 ms");
    kca_event_free(next_event(q, KCA_EVENT_RECEIPT, 20000));
    must(kca_bus_publish_within(NULL, bus, m, 3, FOR_EVER));
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, 20000);
    assert_true(kca_event_token(receipt) == 3);
    kca_event_free(receipt);
    kca_message_free(m);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

typedef struct meddler {
    kca_system *system;
    int times;
} meddler;

/* As an application's handler of SIGTERM may do. */
static int shut_down(void *user) {
    meddler *m = user;
    m->times++;
    must_fail(kca_system_start(m->system, 0), KCA_ERROR_STATE, "start: ", "interrupt");
    must_fail(kca_system_shutdown(m->system, 0), KCA_ERROR_STATE, "shutdown: ", "interrupt");
    return 1;
}

static void test_who_is_asked_is_told_not_to_shut_down(void **state) {
    rd_kafka_t *rk = mock_cluster_open();
    rd_kafka_mock_cluster_t *mock = rd_kafka_handle_mock_cluster(rk);
    kca_system *s = system_on(rd_kafka_mock_cluster_bootstraps(mock));
    meddler m = {.system = s};
    must(kca_system_set_interrupt(s, shut_down, &m, NULL));
    give_publisher(s, publisher_of("orders"));
    start(s);
    rd_kafka_mock_broker_set_down(mock, 1);
    kca_bus *bus = bus_of(s, "orders");
    publish_things(bus, 0, 1, 1, 0);
    must_fail(kca_bus_flush(bus, FOR_EVER), KCA_ERROR_TIMEOUT, "1 messages");
    must_fail(kca_system_shutdown(s, FOR_EVER), KCA_ERROR_TIMEOUT, "1 messages");
    must_fail(kca_system_start(s, FOR_EVER), KCA_ERROR_UNREACHABLE, "kafka");
    assert_int_equal(m.times, 3);
    kca_bus_free(bus);
    kca_system_free(s);
    rd_kafka_destroy(rk);
}

static void test_a_shutdown_does_not_wait_for_what_is_out(void **state) {
    asked a = {.until = 1000};
    const char *topic = unique("orders"), *name = unique("shop");
    kca_system *s = asking("embedded://", &a);
    give_publisher(s, publisher_of(topic));
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_consumer *c = reader_of(s, name);
    publish_things(bus, 0, 1, 1, 0);
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    kca_event *e = next_event(q, KCA_EVENT_DELIVERY, 20000);
    assert_non_null(e);
    a.until = 0;
    int64_t begin = now_ms();
    fails_with(KCA_ERROR_TIMEOUT, kca_system_shutdown(s, FOR_EVER));
    assert_true(now_ms() - begin < SOON_MS);
    kca_event_free(e);
    kca_queue_free(q);
    kca_consumer_free(c);
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_a_started_system_takes_none(void **state) {
    asked a = {.until = 1000}, late = {.until = 1};
    kca_system *s = asking("embedded://", &a);
    must(kca_system_set_interrupt(s, ask, &a, NULL));
    assert_int_equal(a.freed, 1);
    start(s);
    fails_with(KCA_ERROR_STATE, kca_system_set_interrupt(s, ask, &late, set_free));
    assert_int_equal(late.freed, 1);
    finish(s);
    assert_int_equal(a.freed, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_start_ends_and_may_be_tried_again),
        cmocka_unit_test(test_a_publish_without_room_ends_and_the_next_one_waits_anew),
        cmocka_unit_test(test_what_became_of_a_publish_that_was_ended_comes_later),
        cmocka_unit_test(test_a_publish_waits_for_its_answer_as_long_as_it_may),
        cmocka_unit_test(test_a_publish_waits_for_room_as_long_as_it_may),
        cmocka_unit_test(test_who_is_asked_is_told_not_to_shut_down),
        cmocka_unit_test(test_a_shutdown_does_not_wait_for_what_is_out),
        cmocka_unit_test(test_a_started_system_takes_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
