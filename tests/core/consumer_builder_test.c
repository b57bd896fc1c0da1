#include "testing.h"

#include <string.h>

#include "base/error.h"
#include "inbound/consumer_builder.h"

static kca_consumer_builder *builder(void) {
    kca_consumer_builder *b;
    assert_null(kca_consumer_builder_new(&b, "kafka", "orders", "billing"));
    return b;
}

static void assert_failed(kca_consumer_builder *b, const char *text) {
    assert_string_equal(kca_error_text(kca_consumer_builder_error(b)), text);
    kca_consumer_builder_free(b);
}

static void assert_check(kca_consumer_builder *b, const char *text) {
    kca_error *e = kca__consumer_builder_check(b);
    assert_string_equal(kca_error_text(e), text);
    kca__error_free(e);
    kca_consumer_builder_free(b);
}

static rd_kafka_conf_t *configured(const kca_consumer_builder *b) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__consumer_builder_configure(b, false, conf));
    return conf;
}

static void assert_property(rd_kafka_conf_t *conf, const char *name, const char *expected) {
    char value[100];
    size_t size = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

static void test_the_defaults_are_those_of_the_document(void **state) {
    kca_consumer_builder *b = builder();
    assert_null(kca__consumer_builder_check(b));
    rd_kafka_conf_t *conf = configured(b);
    assert_property(conf, "group.id", "billing");
    assert_property(conf, "queued.min.messages", "1000");
    assert_property(conf, "fetch.min.bytes", "1");
    assert_property(conf, "fetch.max.bytes", "1048576");
    assert_property(conf, "max.partition.fetch.bytes", "1048576");
    assert_property(conf, "fetch.wait.max.ms", "100");
    assert_property(conf, "socket.timeout.ms", "10000");
    assert_property(conf, "heartbeat.interval.ms", "3000");
    assert_property(conf, "session.timeout.ms", "45000");
    assert_property(conf, "max.poll.interval.ms", "300000");
    assert_property(conf, "enable.auto.commit", "false");
    assert_property(conf, "auto.offset.reset", "smallest");
    assert_property(conf, "isolation.level", "read_committed");
    rd_kafka_conf_destroy(conf);
    assert_false(kca__consumer_builder_skips(b));
    assert_int_equal(kca__consumer_builder_start_time(b), -1);
    kca_consumer_builder_free(b);
}

static void test_every_option_reaches_its_property(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_queue_capacity(b, 77);
    kca_consumer_builder_with_min_bytes(b, 9);
    kca_consumer_builder_with_max_bytes(b, 6000000);
    kca_consumer_builder_with_max_wait_ms(b, 222);
    kca_consumer_builder_with_read_batch_timeout_ms(b, 4000);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 500);
    kca_consumer_builder_with_session_timeout_ms(b, 6000);
    kca_consumer_builder_with_rebalance_timeout_ms(b, 9000);
    kca_consumer_builder_with_watch_partition_changes(b, 1);
    kca_consumer_builder_with_partition_watch_interval_ms(b, 1500);
    kca_consumer_builder_with_start_offset(b, "latest");
    kca_consumer_builder_with_isolation_level(b, "read_uncommitted");
    kca_consumer_builder_with_group_id(b, "kafka:billing");
    kca_consumer_builder_with_failure_policy(b, "skip");
    kca_consumer_builder_with_property(b, "fetch.error.backoff.ms", "55");
    assert_null(kca_consumer_builder_error(b));
    assert_null(kca__consumer_builder_check(b));
    rd_kafka_conf_t *conf = configured(b);
    assert_property(conf, "group.id", "kafka:billing");
    assert_property(conf, "queued.min.messages", "77");
    assert_property(conf, "queued.max.messages.kbytes", "5859");
    assert_property(conf, "fetch.min.bytes", "9");
    assert_property(conf, "fetch.max.bytes", "6000000");
    assert_property(conf, "fetch.wait.max.ms", "222");
    assert_property(conf, "socket.timeout.ms", "4000");
    assert_property(conf, "heartbeat.interval.ms", "500");
    assert_property(conf, "session.timeout.ms", "6000");
    assert_property(conf, "max.poll.interval.ms", "9000");
    assert_property(conf, "topic.metadata.refresh.interval.ms", "1500");
    assert_property(conf, "auto.offset.reset", "smallest"); /* of a place that is gone */
    assert_property(conf, "isolation.level", "read_uncommitted");
    assert_property(conf, "fetch.error.backoff.ms", "55");
    rd_kafka_conf_destroy(conf);
    assert_true(kca__consumer_builder_skips(b));
    kca_consumer_builder_free(b);
}

/* Those that its rows do not set as they are; the others: option_table_test.c. */
static void test_librdkafka_takes_what_comes_of_every_end_of_a_range(void **state) {
    kca_consumer_builder *b = builder();
    for (int most = 0; most < 2; most++) {
        kca_consumer_builder_with_max_bytes(b, most ? 1000000000 : 1000);
        kca_consumer_builder_with_partition_watch_interval_ms(b, most ? 700000 : 10);
        kca_consumer_builder_with_watch_partition_changes(b, most);
        assert_null(kca_consumer_builder_error(b));
        rd_kafka_conf_destroy(configured(b));
    }
    kca_consumer_builder_free(b);
}

static void test_options_that_depend_on_each_other_are_checked_together(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_heartbeat_interval_ms(b, 15000);
    assert_null(kca__consumer_builder_check(b));
    kca_consumer_builder_with_heartbeat_interval_ms(b, 15001);
    assert_check(b, "consumer billing: heartbeat_interval_ms must be at most a third of "
                    "session_timeout_ms (45000 / 3 = 15000), got 15001");
    b = builder();
    kca_consumer_builder_with_rebalance_timeout_ms(b, 44999);
    assert_check(b, "consumer billing: rebalance_timeout_ms must be at least session_timeout_ms, "
                    "45000, got 44999");
    b = builder();
    kca_consumer_builder_with_max_wait_ms(b, 9001);
    assert_check(b, "consumer billing: read_batch_timeout_ms must be at least max_wait_ms + 1000, "
                    "10001, got 10000");
    b = builder();
    kca_consumer_builder_with_partition(b, 0);
    kca_consumer_builder_with_group_topic(b, "payments");
    assert_check(b,
                 "consumer billing: partition 0 of several topics: with_partition takes one topic");
}

static int not_seen(const char *id, void *user) {
    (void)id, (void)user;
    return 0;
}

/* An id that was remembered, and its transaction aborted: its results would be lost. */
static void test_ids_are_not_remembered_with_transactions(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_transactional_id(b, "billing-1");
    kca_consumer_builder_with_deduplication(b, 100);
    assert_check(b, "consumer billing: with transactional_id deduplication must be 0, got 100: "
                    "what was done in an aborted transaction has to be done again");
    kca_system *s;
    assert_null(kca_system_new(&s));
    b = builder();
    kca_consumer_builder_with_transactional_id(b, "billing-1");
    assert_null(kca_system_add_consumer(s, b));
    kca_error *e = kca_system_set_deduplication_store(s, "billing", not_seen, not_seen, NULL, NULL);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    kca_error_free(e);
    kca_consumer_builder_free(b);
    kca_system_free(s);
}

static void test_transactions_are_committed(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_transactional_id(b, "billing-1");
    kca_consumer_builder_with_commit_interval_ms(b, 0);
    assert_check(b, "consumer billing: with transactional_id commit_interval_ms must be 1 to "
                    "86400000, got 0");
}

static kca_consumer_builder *parking(void) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_park(b, 1);
    kca_consumer_builder_with_dead_letter_channel(b, "orders.dead");
    return b;
}

static void test_parking_needs_what_it_lives_in(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_park(b, 1);
    assert_check(b, "consumer billing: with park there must be a dead_letter_channel");
    b = parking();
    assert_null(kca__consumer_builder_check(b));
    kca_consumer_builder_with_dead_letter_format(b, "spring");
    assert_check(b, "consumer billing: with park dead_letter_format must be kca, got spring");
    b = parking();
    kca_consumer_builder_with_retry_channel(b, "orders.retry");
    assert_check(b, "consumer billing: with park there must be no retry_channel: what comes that "
                    "way keeps no order");
    b = parking();
    kca_consumer_builder_with_relay(b, 1);
    assert_check(b, "consumer billing: with park there must be no relay: what it relays is not "
                    "handled");
    b = parking();
    kca_consumer_builder_with_order(b, "none");
    assert_check(b, "consumer billing: with park order must be key or partition, got none");
    b = parking();
    kca_consumer_builder_with_commit_interval_ms(b, 0);
    assert_check(b, "consumer billing: with park commit_interval_ms must be 1 to 86400000, got 0");
}

/* Beside as many parked keys as may be. */
static void test_a_parking_transaction_holds_what_a_commit_can_tell_of(void **state) {
    kca_consumer_builder *b = parking();
    assert_int_equal(kca__consumer_builder_capacity(b), 1000);
    kca_consumer_builder_with_transactional_id(b, "billing-1");
    assert_int_equal(kca__consumer_builder_capacity(b), 250);
    kca_consumer_builder_free(b);
}

static void test_a_start_is_a_word_or_a_time(void **state) {
    const char *const wrong[] = {NULL, "", "first", "-5", "12a", "1234567890123456", " 5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kca_consumer_builder *b = builder();
        kca_consumer_builder_with_start_offset(b, wrong[i]);
        assert_int_equal(kca_error_code(kca_consumer_builder_error(b)), KCA_ERROR_ARGUMENT);
        kca_consumer_builder_free(b);
    }
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_start_offset(b, "1767225600000");
    assert_int_equal(kca__consumer_builder_start_time(b), 1767225600000);
    kca_consumer_builder_with_start_offset(b, "earliest");
    assert_int_equal(kca__consumer_builder_start_time(b), -1);
    assert_null(kca_consumer_builder_error(b));
    kca_consumer_builder_free(b);
}

static void test_a_topic_is_read_once(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_group_topic(b, "payments");
    kca_consumer_builder_with_group_topic(b, "payments");
    assert_failed(b, "consumer billing: topic payments is there twice");
}

static void assert_not_added(kca_consumer_builder *b, const char *text) {
    kca_system *s;
    assert_null(kca_system_new(&s));
    kca_error *e = kca_system_add_consumer(s, b);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    assert_non_null(strstr(kca_error_text(e), text));
    kca_error_free(e);
    kca_consumer_builder_free(b);
    kca_system_free(s);
}

static void test_what_is_wrong_comes_out_when_it_is_added(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_failure_policy(b, "ignore");
    assert_not_added(b, "consumer billing: failure_policy must be one of stop, skip, got ignore");
    b = builder();
    kca_consumer_builder_with_session_timeout_ms(b, 9000);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 3001);
    assert_not_added(b, "consumer billing: heartbeat_interval_ms must be at most a third of "
                        "session_timeout_ms (9000 / 3 = 3000), got 3001");
}

static void test_a_property_of_an_option_or_of_publishers_is_refused(void **state) {
    static const char *const cases[][2] = {
        {"group.id", "property group.id is not set by name: use group_id"},
        {"enable.auto.commit", "is not set by name: use kca's own commits"},
        {"socket.timeout.ms", "is not set by name: use read_batch_timeout_ms"},
        {"request.timeout.ms", "property request.timeout.ms is for publishers"},
        {"fetch.mim.bytes", "the nearest is fetch.min.bytes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kca_consumer_builder *b = builder();
        kca_consumer_builder_with_property(b, cases[i][0], "1");
        assert_not_added(b, cases[i][1]);
    }
}

static void test_a_bad_name_makes_no_builder(void **state) {
    const char *const wrong[][3] = {
        {"kafka", "a b", "billing"}, {"kafka", "orders", ""}, {NULL, "orders", "billing"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kca_consumer_builder *b = (kca_consumer_builder *)wrong;
        kca_error *e = kca_consumer_builder_new(&b, wrong[i][0], wrong[i][1], wrong[i][2]);
        assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
        assert_null(b);
        kca_error_free(e);
    }
}

static void test_a_copy_shares_nothing(void **state) {
    kca_consumer_builder *b = builder(), *copy;
    kca_consumer_builder_with_group_topic(b, "payments");
    kca_consumer_builder_with_start_offset(b, "1767225600000");
    kca_consumer_builder_with_isolation_level(b, "read_uncommitted");
    kca_consumer_builder_with_group_id(b, "kafka:billing");
    kca_consumer_builder_with_failure_policy(b, "skip");
    kca_consumer_builder_with_property(b, "fetch.error.backoff.ms", "55");
    assert_null(kca__consumer_builder_copy(&copy, b));
    kca_consumer_builder_free(b);
    assert_int_equal(copy->topic_count, 2);
    assert_string_equal(copy->topics[1], "payments");
    assert_string_equal(kca__consumer_builder_group(copy), "kafka:billing");
    assert_int_equal(kca__consumer_builder_start_time(copy), 1767225600000);
    assert_true(kca__consumer_builder_skips(copy));
    assert_string_equal(kca__properties_get(&copy->properties, "fetch.error.backoff.ms"), "55");
    kca__consumer_builder_free(copy);
}

/* ---- retry channels ---- */

static kca_consumer_builder *retrying_by(const char *first, const char *second) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_retry_channel(b, first);
    kca_consumer_builder_with_retry_channel(b, second);
    return b;
}

static void test_retry_channels_say_how_often_it_is_tried_and_when(void **state) {
    kca_consumer_builder *b = retrying_by("short", "long");
    kca_consumer_builder_with_retry_delay_ms(b, 1000);
    kca_consumer_builder_with_retry_delay_ms(b, 3600000);
    assert_null(kca__consumer_builder_check(b));
    kca__retry_plan plan = kca__consumer_builder_retry(b);
    assert_int_equal(plan.max_attempts, 3);
    for (uint64_t random = 0; random < 100; random++) {
        assert_int_equal(kca__retry_delay_ms(&plan, 1, random), 1000);
        assert_int_equal(kca__retry_delay_ms(&plan, 2, random), 3600000);
    }
    kca_consumer_builder_free(b);
}

/* One that is named twice, as Spring's for all attempts, is read once. */
static void test_a_copy_reads_its_retry_channels_once(void **state) {
    kca_consumer_builder *b = retrying_by("again", "again"), *copy, *copied;
    kca_consumer_builder_with_retry_channel(b, "last");
    assert_null(kca__consumer_builder_copy(&copy, b));
    assert_null(kca__consumer_builder_copy(&copied, copy));
    assert_int_equal(copied->declared_topics, 1);
    assert_int_equal(copied->topic_count, 3);
    assert_string_equal(copied->topics[0], "orders");
    assert_string_equal(copied->topics[1], "again");
    assert_string_equal(copied->topics[2], "last");
    assert_int_equal(kca__consumer_builder_retry_channel(copied, "again"), 0);
    assert_int_equal(kca__consumer_builder_retry_channel(copied, "last"), 2);
    assert_int_equal(kca__consumer_builder_retry_channel(copied, "orders"), -1);
    kca_consumer_builder_free(b);
    kca__consumer_builder_free(copy);
    kca__consumer_builder_free(copied);
}

static void test_retry_channels_that_cannot_work_are_refused(void **state) {
    kca_consumer_builder *b = retrying_by("short", "orders");
    assert_check(b, "consumer billing: retry_channel orders is a topic that it reads: name a topic "
                    "for retries alone");
    b = retrying_by("short", "dead");
    kca_consumer_builder_with_dead_letter_channel(b, "dead");
    assert_check(b,
                 "consumer billing: retry_channel dead is its dead_letter_channel, too: its dead "
                 "letters would come back");
    b = retrying_by("short", "long");
    kca_consumer_builder_with_max_attempts(b, 3);
    assert_null(kca__consumer_builder_check(b));
    kca_consumer_builder_with_max_attempts(b, 4);
    assert_check(b, "consumer billing: with 2 retry_channel max_attempts must be 3, one more, or "
                    "left out, got 4");
    b = retrying_by("short", "long");
    for (int i = 0; i < 3; i++)
        kca_consumer_builder_with_retry_delay_ms(b, 1);
    assert_check(b,
                 "consumer billing: with 2 retry_channel there must be 2 retry_delay_ms at most, "
                 "one for each, got 3");
    assert_failed(retrying_by("^.*", "long"), "topic ^.*: letters, digits, '.', '_' and '-' are "
                                              "allowed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_defaults_are_those_of_the_document),
        cmocka_unit_test(test_every_option_reaches_its_property),
        cmocka_unit_test(test_librdkafka_takes_what_comes_of_every_end_of_a_range),
        cmocka_unit_test(test_options_that_depend_on_each_other_are_checked_together),
        cmocka_unit_test(test_ids_are_not_remembered_with_transactions),
        cmocka_unit_test(test_transactions_are_committed),
        cmocka_unit_test(test_parking_needs_what_it_lives_in),
        cmocka_unit_test(test_a_parking_transaction_holds_what_a_commit_can_tell_of),
        cmocka_unit_test(test_a_start_is_a_word_or_a_time),
        cmocka_unit_test(test_a_topic_is_read_once),
        cmocka_unit_test(test_what_is_wrong_comes_out_when_it_is_added),
        cmocka_unit_test(test_a_property_of_an_option_or_of_publishers_is_refused),
        cmocka_unit_test(test_a_bad_name_makes_no_builder),
        cmocka_unit_test(test_a_copy_shares_nothing),
        cmocka_unit_test(test_retry_channels_say_how_often_it_is_tried_and_when),
        cmocka_unit_test(test_a_copy_reads_its_retry_channels_once),
        cmocka_unit_test(test_retry_channels_that_cannot_work_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
