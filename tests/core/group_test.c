/* What a consumer says of its group before it joins. */
#include "testing.h"

#include "base/error.h"
#include "inbound/consumer_builder.h"

enum { COOPERATIVE_FIXED = 0x020601ff, PROTOCOL_READY = 0x020c00ff };

static kca_consumer_builder *builder(void) {
    kca_consumer_builder *b;
    assert_null(kca_consumer_builder_new(&b, "kafka", "orders", "billing"));
    return b;
}

/* NULL: nothing is wrong. Frees the builder. */
static void assert_check(kca_consumer_builder *b, const char *text) {
    kca_error *e = kca__consumer_builder_check(b);
    if (text)
        assert_string_equal(kca_error_text(e), text);
    else
        assert_null(e);
    kca__error_free(e);
    kca_consumer_builder_free(b);
}

static void assert_property(const kca_consumer_builder *b, const char *name, const char *expected) {
    char value[100];
    size_t size = sizeof value;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__consumer_builder_configure(b, false, conf));
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
    rd_kafka_conf_destroy(conf);
}

static void test_the_strategy_is_the_same_whatever_the_librdkafka(void **state) {
    kca_consumer_builder *b = builder();
    assert_property(b, "partition.assignment.strategy", "range,roundrobin");
    assert_check(b, NULL);
}

static void test_a_strategy_is_refused_where_librdkafka_may_loop_with_it(void **state) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_assignment_strategy(b, "cooperative-sticky");
    assert_null(kca_consumer_builder_error(b));
    char text[300];
    snprintf(text, sizeof text,
             "consumer billing: assignment_strategy cooperative-sticky needs librdkafka 2.6.1 or "
             "later, before which it may loop for ever (this is %s): use range,roundrobin, range "
             "or roundrobin",
             rd_kafka_version_str());
    assert_check(b, rd_kafka_version() < COOPERATIVE_FIXED ? text : NULL);
}

/* ---- the protocol "consumer" ---- */

static kca_consumer_builder *dealt_by_broker(void) {
    kca_consumer_builder *b = builder();
    kca_consumer_builder_with_group_protocol(b, "consumer");
    return b;
}

/* What a librdkafka says that is too old for it. */
static void assert_check_where_ready(kca_consumer_builder *b, const char *text) {
    char old[200];
    snprintf(old, sizeof old,
             "consumer billing: group_protocol consumer needs librdkafka 2.12.0 or later (this is "
             "%s): use classic",
             rd_kafka_version_str());
    assert_check(b, rd_kafka_version() < PROTOCOL_READY ? old : text);
}

static void test_the_newer_protocol_needs_a_librdkafka_that_has_it(void **state) {
    assert_check_where_ready(dealt_by_broker(), NULL);
    kca_consumer_builder *b = dealt_by_broker();
    kca_consumer_builder_with_group_remote_assignor(b, "uniform");
    assert_check_where_ready(b, NULL);
}

static void test_options_of_the_other_protocol_are_refused_when_they_were_set(void **state) {
    kca_consumer_builder *b = dealt_by_broker();
    kca_consumer_builder_with_session_timeout_ms(b, 45000); /* the default, but set */
    assert_check_where_ready(b, "consumer billing: session_timeout_ms is not for group_protocol "
                                "consumer: the broker decides, by "
                                "group.consumer.session.timeout.ms");
    b = dealt_by_broker();
    kca_consumer_builder_with_heartbeat_interval_ms(b, 3000);
    assert_check_where_ready(b, "consumer billing: heartbeat_interval_ms is not for group_protocol "
                                "consumer: the broker decides, by "
                                "group.consumer.heartbeat.interval.ms");
    b = dealt_by_broker();
    kca_consumer_builder_with_assignment_strategy(b, "range");
    assert_check_where_ready(b, "consumer billing: assignment_strategy is not for group_protocol "
                                "consumer: the broker deals the partitions: use "
                                "group_remote_assignor");
    b = builder();
    kca_consumer_builder_with_group_remote_assignor(b, "range");
    assert_check(b, "consumer billing: group_remote_assignor needs group_protocol consumer, got "
                    "classic, in which members deal the partitions: use assignment_strategy");
}

/* Also in the copy that the system keeps. */
static void test_a_copy_knows_what_was_set(void **state) {
    kca_consumer_builder *b = dealt_by_broker(), *copy;
    kca_consumer_builder_with_session_timeout_ms(b, 45000);
    assert_null(kca__consumer_builder_copy(&copy, b));
    kca_consumer_builder_free(b);
    kca_error *e = kca__consumer_builder_check(copy);
    assert_non_null(e);
    kca__error_free(e);
    kca_consumer_builder_free(copy);
}

/* A rebalance timeout below the default session timeout, of which the broker knows nothing. */
static void test_rules_of_the_other_protocol_do_not_apply(void **state) {
    kca_consumer_builder *b = dealt_by_broker();
    kca_consumer_builder_with_rebalance_timeout_ms(b, 2000);
    assert_check_where_ready(b, NULL);
}

/* It refuses those of the other protocol even with their default values. */
static void test_librdkafka_takes_what_is_set_for_the_newer_protocol(void **state) {
    if (rd_kafka_version() < PROTOCOL_READY)
        skip();
    char reason[300];
    kca_consumer_builder *b = dealt_by_broker();
    kca_consumer_builder_with_group_remote_assignor(b, "range");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_null(kca__consumer_builder_configure(b, false, conf));
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    assert_non_null(rk);
    rd_kafka_destroy(rk);
    assert_property(b, "group.protocol", "consumer");
    assert_property(b, "group.remote.assignor", "range");
    kca_consumer_builder_free(b);
}

static void test_the_protocol_is_not_set_by_its_property(void **state) {
    static const char *const cases[][2] = {
        {"group.protocol", "use group_protocol"},
        {"group.protocol.type", "use group_protocol"},
        {"group.remote.assignor", "use group_remote_assignor"},
        {"session.timeout.ms", "use session_timeout_ms"},
        {"heartbeat.interval.ms", "use heartbeat_interval_ms"},
        {"partition.assignment.strategy", "use assignment_strategy"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        kca_consumer_builder *b = builder();
        kca_consumer_builder_with_property(b, cases[i][0], "consumer");
        snprintf(text, sizeof text, "consumer billing: property %s is not set by name: %s",
                 cases[i][0], cases[i][1]);
        assert_string_equal(kca_error_text(kca_consumer_builder_error(b)), text);
        kca_consumer_builder_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newer_protocol_needs_a_librdkafka_that_has_it),
        cmocka_unit_test(test_options_of_the_other_protocol_are_refused_when_they_were_set),
        cmocka_unit_test(test_a_copy_knows_what_was_set),
        cmocka_unit_test(test_rules_of_the_other_protocol_do_not_apply),
        cmocka_unit_test(test_librdkafka_takes_what_is_set_for_the_newer_protocol),
        cmocka_unit_test(test_the_protocol_is_not_set_by_its_property),
        cmocka_unit_test(test_the_strategy_is_the_same_whatever_the_librdkafka),
        cmocka_unit_test(test_a_strategy_is_refused_where_librdkafka_may_loop_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
