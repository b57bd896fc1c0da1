#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "outbound/publisher_builder.h"

static kca_publisher_builder *builder(void) {
    kca_publisher_builder *b;
    assert_null(kca_publisher_builder_new(&b, "kafka", "orders"));
    return b;
}

static void assert_failed(kca_publisher_builder *b, const char *text) {
    assert_string_equal(kca_error_text(kca_publisher_builder_error(b)), text);
    kca_publisher_builder_free(b);
}

static void assert_check(kca_publisher_builder *b, const char *text) {
    kca_error *e = kca__publisher_builder_check(b);
    assert_string_equal(kca_error_text(e), text);
    kca__error_free(e);
    kca_publisher_builder_free(b);
}

/* The properties that come of the options, for a look; freed with rd_kafka_conf_destroy. */
static rd_kafka_conf_t *configured(const kca_publisher_builder *b) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char *fingerprint;
    assert_null(kca__publisher_builder_configure(&fingerprint, b, conf));
    free(fingerprint);
    return conf;
}

static void assert_property(rd_kafka_conf_t *conf, const char *name, const char *expected) {
    char value[100];
    size_t size = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

static void test_the_defaults_are_those_of_the_document(void **state) {
    kca_publisher_builder *b = builder();
    rd_kafka_conf_t *conf = configured(b);
    assert_property(conf, "message.send.max.retries", "9");
    assert_property(conf, "batch.num.messages", "100");
    assert_property(conf, "batch.size", "1048576");
    assert_property(conf, "message.max.bytes", "1048576");
    assert_property(conf, "linger.ms", "5");
    assert_property(conf, "acks", "0");
    assert_property(conf, "compression.codec", "none");
    assert_property(conf, "enable.idempotence", "false");
    rd_kafka_conf_destroy(conf);
    assert_null(kca__publisher_builder_check(b));
    kca_publisher_builder_free(b);
}

static void test_every_option_reaches_its_property(void **state) {
    kca_publisher_builder *b = builder();
    kca_publisher_builder_with_max_attempts(b, 4);
    kca_publisher_builder_with_batch_size(b, 7);
    kca_publisher_builder_with_batch_bytes(b, 5000);
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_compression(b, "lz4");
    kca_publisher_builder_with_linger_ms(b, 33);
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_property(b, "retry.backoff.ms", "321");
    assert_null(kca_publisher_builder_error(b));
    assert_null(kca__publisher_builder_check(b));
    rd_kafka_conf_t *conf = configured(b);
    assert_property(conf, "message.send.max.retries", "3");
    assert_property(conf, "batch.num.messages", "7");
    assert_property(conf, "batch.size", "5000");
    assert_property(conf, "message.max.bytes", "5000");
    assert_property(conf, "linger.ms", "33");
    assert_property(conf, "acks", "-1");
    assert_property(conf, "compression.codec", "lz4");
    assert_property(conf, "enable.idempotence", "true");
    assert_property(conf, "retry.backoff.ms", "321");
    rd_kafka_conf_destroy(conf);
    kca_publisher_builder_free(b);
}

static void test_no_batch_timer_delays_a_synchronous_publish(void **state) {
    kca_publisher_builder *b = builder();
    kca_publisher_builder_with_async(b, 0);
    kca_publisher_builder_with_linger_ms(b, 50);
    rd_kafka_conf_t *conf = configured(b);
    assert_property(conf, "linger.ms", "0");
    rd_kafka_conf_destroy(conf);
    kca_publisher_builder_free(b);
}

static void test_the_first_failure_of_the_setters_is_kept(void **state) {
    kca_publisher_builder *b = builder();
    kca_publisher_builder_with_batch_size(b, 0);
    kca_publisher_builder_with_max_attempts(b, 0);
    assert_failed(b, "publisher orders: batch_size must be 1 to 1000000, got 0");
}

static void test_idempotence_needs_all_acks_and_a_second_attempt(void **state) {
    kca_publisher_builder *b = builder();
    kca_publisher_builder_with_idempotence(b, 1);
    assert_check(b, "publisher orders: idempotence needs required_acks -1, got 0");
    b = builder();
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_max_attempts(b, 1);
    assert_check(b, "publisher orders: idempotence needs max_attempts of at least 2, got 1");
}

static void test_a_bad_topic_or_connection_makes_no_builder(void **state) {
    const char *const wrong[][2] = {
        {"kafka", "a b"}, {"kafka", NULL}, {"", "orders"}, {NULL, "orders"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kca_publisher_builder *b = (kca_publisher_builder *)wrong;
        kca_error *e = kca_publisher_builder_new(&b, wrong[i][0], wrong[i][1]);
        assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
        assert_null(b);
        kca_error_free(e);
    }
}

static void test_a_copy_shares_nothing(void **state) {
    kca_publisher_builder *b = builder(), *copy;
    kca_publisher_builder_with_reply_channel(b, "replies");
    kca_publisher_builder_with_compression(b, "zstd");
    kca_publisher_builder_with_property(b, "retry.backoff.ms", "321");
    assert_null(kca__publisher_builder_copy(&copy, b));
    kca_publisher_builder_with_compression(b, "gzip");
    kca_publisher_builder_free(b);
    assert_string_equal(copy->reply_channel, "replies");
    assert_string_equal(copy->compression, "zstd");
    assert_string_equal(kca__properties_get(&copy->properties, "retry.backoff.ms"), "321");
    kca__publisher_builder_free(copy);
}

/* Publishers of equal fingerprints share a client. */
static void test_the_fingerprint_is_that_of_the_settings(void **state) {
    char *prints[4];
    for (int i = 0; i < 4; i++) {
        kca_publisher_builder *b = builder();
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        kca_publisher_builder_with_batch_size(b, i == 2 ? 7 : 8);
        if (i == 3)
            kca_publisher_builder_with_property(b, "retry.backoff.ms", "321");
        kca_publisher_builder_with_buffer_messages(b, 10 + i);
        assert_null(kca__publisher_builder_configure(&prints[i], b, conf));
        rd_kafka_conf_destroy(conf);
        kca_publisher_builder_free(b);
    }
    assert_string_equal(prints[0], prints[1]);
    assert_string_not_equal(prints[0], prints[2]);
    assert_string_not_equal(prints[0], prints[3]);
    for (int i = 0; i < 4; i++)
        free(prints[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_defaults_are_those_of_the_document),
        cmocka_unit_test(test_every_option_reaches_its_property),
        cmocka_unit_test(test_no_batch_timer_delays_a_synchronous_publish),
        cmocka_unit_test(test_the_first_failure_of_the_setters_is_kept),
        cmocka_unit_test(test_idempotence_needs_all_acks_and_a_second_attempt),
        cmocka_unit_test(test_a_bad_topic_or_connection_makes_no_builder),
        cmocka_unit_test(test_a_copy_shares_nothing),
        cmocka_unit_test(test_the_fingerprint_is_that_of_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
