/* What a consumer says of its group before it joins. */
#include "testing.h"

#include "base/error.h"
#include "inbound/consumer_builder.h"

enum { COOPERATIVE_FIXED = 0x020601ff };

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_strategy_is_the_same_whatever_the_librdkafka),
        cmocka_unit_test(test_a_strategy_is_refused_where_librdkafka_may_loop_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
