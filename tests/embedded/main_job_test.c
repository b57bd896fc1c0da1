/* The main job of the document, on the broker inside the process. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

enum { GROUP_JOIN_MS = 20000 };

static void test_publishes_and_handles_each_message_once_with_four_processors(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders"), *group = unique("group");
    recorder *r = recorder_new();
    give_publisher(s, publisher_of(topic));
    give_consumer(s, consumer_of(topic, group));
    record(s, "thing", r);
    start(s);

    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 200, 7, 0);
    must(kca_bus_flush(bus, 10000));
    kca_consumer *c = reader_of(s, group);
    kca_consumer_with_amount_of_processors(c, 4);
    r->stop = c;
    r->stop_at = 200;
    runner run;
    runner_start(&run, c);
    must(runner_join(&run, GROUP_JOIN_MS));

    assert_int_equal(came(r), 200);
    assert_int_equal(missing_of(r, 200), 0);
    assert_int_equal(r->same_key_disorder, 0);
    assert_int_equal(described(s, "consumers", 0, "handled"), 200);
    kca_consumer_free(c);
    kca_bus_free(bus);
    finish(s);
    recorder_free(r);
}

static void test_every_partition_is_read_and_committed_without_a_group(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders"), *name = unique("tool");
    recorder *r = recorder_new();
    give_publisher(s, publisher_of(topic));
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(s, b);
    record(s, "thing", r);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_consumer *c = reader_of(s, name);
    r->stop = c;
    for (int run_number = 1; run_number <= 2; run_number++) {
        publish_things(bus, (run_number - 1) * 50, 50, 7, 0);
        must(kca_bus_flush(bus, 10000));
        r->stop_at = run_number * 50;
        runner run;
        runner_start(&run, c);
        must(runner_join(&run, GROUP_JOIN_MS));
    }
    assert_int_equal(came(r), 100);
    assert_int_equal(missing_of(r, 100), 0);
    kca_consumer_free(c);
    kca_bus_free(bus);
    finish(s);
    recorder_free(r);
}

/* librdkafka's mock lets a group's next member wait for the session timeout of the one that left.
 */
static void test_a_consumer_that_stopped_soon_runs_again(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders"), *group = unique("group");
    recorder *r = recorder_new();
    give_publisher(s, publisher_of(topic));
    give_consumer(s, consumer_of(topic, group));
    record(s, "thing", r);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_consumer *c = reader_of(s, group);
    r->stop = c;
    for (int run_number = 1; run_number <= 2; run_number++) {
        publish_things(bus, (run_number - 1) * 10, 10, 7, 0);
        must(kca_bus_flush(bus, 10000));
        r->stop_at = run_number * 10;
        runner run;
        runner_start(&run, c);
        must(runner_join(&run, GROUP_JOIN_MS));
    }
    assert_int_equal(missing_of(r, 20), 0);
    kca_consumer_free(c);
    kca_bus_free(bus);
    finish(s);
    recorder_free(r);
}

static void test_a_receipt_says_where_the_message_is(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders");
    give_publisher(s, publisher_of(topic));
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 1);
    kca_queue *q = queue_of(s);
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, 10000);
    assert_non_null(receipt);
    assert_null(kca_event_error(receipt));
    assert_int_equal(kca_event_token(receipt), 1);
    assert_string_equal(kca_event_topic(receipt), topic);
    assert_in_range(kca_event_partition(receipt), 0, 3);
    assert_int_equal(kca_event_offset(receipt), 0);
    kca_event_free(receipt);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

static void test_it_warns_that_it_is_for_trying_out(void **state) {
    kca_system *s = system_on("embedded://");
    must(kca_system_log_to_queue(s, KCA_LOG_WARN));
    start(s);
    kca_queue *q = queue_of(s);
    assert_true(log_says(q, "embedded broker is for trying out", 1000));
    kca_queue_free(q);
    finish(s);
}

static void test_tls_is_refused(void **state) {
    kca_system *s;
    kca_connection *c;
    must(kca_system_new(&s));
    must(kca_connection_new(&c, "kafka", "embedded://"));
    kca_connection_with_tls(c, NULL, NULL, NULL);
    give_connection(s, c);
    must_fail(kca_system_start(s, 5000), KCA_ERROR_ARGUMENT, "connection kafka",
              "neither TLS nor SASL");
    kca_system_free(s);
}

static void publish_one(kca_system *s, const char *topic) {
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 0);
    must(kca_bus_flush(bus, 10000));
    kca_bus_free(bus);
}

static void test_a_system_starts_again_after_shutdown(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders");
    give_publisher(s, publisher_of(topic));
    for (int i = 0; i < 3; i++) {
        start(s);
        publish_one(s, topic);
        must(kca_system_shutdown(s, 10000));
    }
    assert_int_equal(described(s, "publishers", 0, "stored"), 3);
    kca_bus *bus = bus_of(s, topic);
    kca_message *m = thing("{}", "k");
    must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_STATE, topic, "not started");
    kca_message_free(m);
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_two_systems_know_nothing_of_each_other(void **state) {
    const char *topic = unique("orders");
    kca_system *one = system_on("embedded://"), *two = system_on("embedded://");
    give_publisher(one, publisher_of(topic));
    give_publisher(two, publisher_of(topic));
    start(one);
    start(two);
    publish_one(one, topic);
    assert_int_equal(described(one, "publishers", 0, "stored"), 1);
    assert_int_equal(described(two, "publishers", 0, "stored"), 0);
    finish(one);
    publish_one(two, topic);
    assert_int_equal(described(two, "publishers", 0, "stored"), 1);
    finish(two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publishes_and_handles_each_message_once_with_four_processors),
        cmocka_unit_test(test_every_partition_is_read_and_committed_without_a_group),
        cmocka_unit_test(test_a_consumer_that_stopped_soon_runs_again),
        cmocka_unit_test(test_a_receipt_says_where_the_message_is),
        cmocka_unit_test(test_it_warns_that_it_is_for_trying_out),
        cmocka_unit_test(test_tls_is_refused),
        cmocka_unit_test(test_a_system_starts_again_after_shutdown),
        cmocka_unit_test(test_two_systems_know_nothing_of_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
