/* Options of a consumer that are checked, and those that show only as properties in effect. */
#include "consuming.h"

#include <stdio.h>

static kca_error *add(kca_consumer_builder *b) {
    kca_system *s = system_on("localhost:1");
    kca_error *e = kca_system_add_consumer(s, b);
    kca_consumer_builder_free(b);
    kca_system_free(s);
    return e;
}

static void test_a_heartbeat_over_a_third_of_the_session_is_refused(void **state) {
    kca_consumer_builder *b = consumer_of("orders", "reader");
    kca_consumer_builder_with_session_timeout_ms(b, 9000);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 3001);
    must_fail(add(b), KCA_ERROR_ARGUMENT, "consumer reader", "heartbeat_interval_ms", "a third",
              "3000", "3001");
    b = consumer_of("orders", "reader");
    kca_consumer_builder_with_session_timeout_ms(b, 9000);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 3000);
    must(add(b));
}

static void test_a_rebalance_timeout_below_the_session_is_refused(void **state) {
    kca_consumer_builder *b = consumer_of("orders", "reader");
    kca_consumer_builder_with_rebalance_timeout_ms(b, 44999);
    must_fail(add(b), KCA_ERROR_ARGUMENT, "consumer reader", "rebalance_timeout_ms", "45000",
              "44999");
}

static void test_a_read_batch_timeout_must_leave_room_for_max_wait(void **state) {
    kca_consumer_builder *b = consumer_of("orders", "reader");
    kca_consumer_builder_with_max_wait_ms(b, 5000);
    kca_consumer_builder_with_read_batch_timeout_ms(b, 5999);
    must_fail(add(b), KCA_ERROR_ARGUMENT, "read_batch_timeout_ms", "6000", "5999");
}

static void test_one_partition_of_several_topics_is_refused(void **state) {
    kca_consumer_builder *b = consumer_of("orders", "reader");
    kca_consumer_builder_with_group_topic(b, "bills");
    kca_consumer_builder_with_partition(b, 0);
    must_fail(add(b), KCA_ERROR_ARGUMENT, "partition 0", "one topic");
}

typedef void (*int_setter)(kca_consumer_builder *b, int value);

static void test_values_out_of_range_are_refused_with_the_range(void **state) {
    static const struct {
        int_setter set;
        int least, most;
        const char *name;
    } options[] = {
        {kca_consumer_builder_with_queue_capacity, 1, 10000000, "queue_capacity"},
        {kca_consumer_builder_with_min_bytes, 1, 100000000, "min_bytes"},
        {kca_consumer_builder_with_max_bytes, 1000, 1000000000, "max_bytes"},
        {kca_consumer_builder_with_max_wait_ms, 1, 60000, "max_wait_ms"},
        {kca_consumer_builder_with_read_batch_timeout_ms, 2000, 300000, "read_batch_timeout_ms"},
        {kca_consumer_builder_with_heartbeat_interval_ms, 1, 3600000, "heartbeat_interval_ms"},
        {kca_consumer_builder_with_commit_interval_ms, 0, 86400000, "commit_interval_ms"},
        {kca_consumer_builder_with_partition_watch_interval_ms, 10, 700000,
         "partition_watch_interval_ms"},
        {kca_consumer_builder_with_session_timeout_ms, 1000, 3600000, "session_timeout_ms"},
        {kca_consumer_builder_with_rebalance_timeout_ms, 1000, 86400000, "rebalance_timeout_ms"},
        {kca_consumer_builder_with_partition, -2, 2147483647, "partition"},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        char least[20], most[20];
        snprintf(least, sizeof least, "%d to", options[i].least);
        snprintf(most, sizeof most, "to %d", options[i].most);
        kca_consumer_builder *b = consumer_of("orders", "reader");
        options[i].set(b, -7);
        must_fail(add(b), KCA_ERROR_ARGUMENT, "consumer reader", options[i].name, "-7");
        b = consumer_of("orders", "reader");
        options[i].set(b, options[i].least);
        assert_null(kca_consumer_builder_error(b));
        options[i].set(b, options[i].most);
        assert_null(kca_consumer_builder_error(b));
        if (options[i].most < 2147483647) {
            options[i].set(b, options[i].most + 1);
            must_fail(add(b), KCA_ERROR_ARGUMENT, options[i].name, least, most);
        } else {
            kca_consumer_builder_free(b);
        }
    }
}

static void test_words_that_are_not_allowed_are_refused_with_those_that_are(void **state) {
    kca_consumer_builder *b = consumer_of("orders", "reader");
    kca_consumer_builder_with_start_offset(b, "begin");
    must_fail(add(b), KCA_ERROR_ARGUMENT, "start_offset", "earliest", "latest", "begin");
    b = consumer_of("orders", "reader");
    kca_consumer_builder_with_isolation_level(b, "serializable");
    must_fail(add(b), KCA_ERROR_ARGUMENT, "isolation_level", "read_committed, read_uncommitted");
    b = consumer_of("orders", "reader");
    kca_consumer_builder_with_failure_policy(b, "ignore");
    must_fail(add(b), KCA_ERROR_ARGUMENT, "failure_policy", "stop, skip", "ignore");
}

static void test_properties_of_options_and_of_publishers_are_refused(void **state) {
    static const char *const cases[][2] = {{"group.id", "group_id"},
                                           {"enable.auto.commit", "kca's own commits"},
                                           {"socket.timeout.ms", "read_batch_timeout_ms"},
                                           {"request.timeout.ms", "is for publishers"},
                                           {"fetch.mim.bytes", "nearest is fetch.min.bytes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kca_consumer_builder *b = consumer_of("orders", "reader");
        kca_consumer_builder_with_property(b, cases[i][0], "1");
        must_fail(add(b), KCA_ERROR_ARGUMENT, "consumer reader", cases[i][1]);
    }
}

static void test_options_show_as_properties_in_effect(void **state) {
    const char *topic = unique("properties"), *group = unique("group");
    topic_create(topic, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_session_timeout_ms(b, 12000);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 2500);
    kca_consumer_builder_with_rebalance_timeout_ms(b, 70000);
    kca_consumer_builder_with_max_bytes(b, 2000000);
    kca_consumer_builder_with_read_batch_timeout_ms(b, 7000);
    kca_consumer_builder_with_queue_capacity(b, 77);
    kca_consumer_builder_with_property(b, "check.crcs", "true");
    consuming c = consume(topic, group, b);
    static const char *const wanted[][2] = {{"group.id", NULL},
                                            {"session.timeout.ms", "12000"},
                                            {"heartbeat.interval.ms", "2500"},
                                            {"max.poll.interval.ms", "70000"},
                                            {"fetch.max.bytes", "2000000"},
                                            {"fetch.message.max.bytes", "2000000"},
                                            {"socket.timeout.ms", "7000"},
                                            {"queued.min.messages", "77"},
                                            {"enable.auto.commit", "false"},
                                            {"isolation.level", "read_committed"},
                                            {"auto.offset.reset", "smallest"},
                                            {"check.crcs", "true"}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        must_have_property(c.system, "consumers", wanted[i][0],
                           wanted[i][1] ? wanted[i][1] : group);
    end(&c);
}

static void test_a_consumer_without_any_handler_fails_at_start(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_consumer(s, consumer_of("orders", "reader"));
    must_fail(kca_system_start(s, COME_MS), KCA_ERROR_STATE, "consumer reader", "no handler");
    kca_system_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_heartbeat_over_a_third_of_the_session_is_refused),
        cmocka_unit_test(test_a_rebalance_timeout_below_the_session_is_refused),
        cmocka_unit_test(test_a_read_batch_timeout_must_leave_room_for_max_wait),
        cmocka_unit_test(test_one_partition_of_several_topics_is_refused),
        cmocka_unit_test(test_values_out_of_range_are_refused_with_the_range),
        cmocka_unit_test(test_words_that_are_not_allowed_are_refused_with_those_that_are),
        cmocka_unit_test(test_properties_of_options_and_of_publishers_are_refused),
        cmocka_unit_test(test_options_show_as_properties_in_effect),
        cmocka_unit_test(test_a_consumer_without_any_handler_fails_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
