/* Each option of a publisher has an effect. */
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

#include <cjson/cJSON.h>
#include <stdio.h>

enum { PATIENCE_MS = 20000 };

/* A started system with this publisher alone (freed). */
static kca_system *with(kca_publisher_builder *b) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, b);
    start(s);
    return s;
}

/* Milliseconds until `count` messages published at once are answered; one key, one partition. */
static int64_t time_of(kca_system *s, const char *topic, int count, size_t payload_len) {
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    char *payload = calloc(1, payload_len + 1);
    memset(payload, '1', payload_len);
    kca_message *m = thing(payload, "k");
    int64_t begin = now_ms();
    for (int i = 1; i <= count; i++)
        must(kca_bus_publish(bus, m, (uint64_t)i));
    for (int i = 1; i <= count; i++) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
        assert_non_null(receipt);
        assert_null(kca_event_error(receipt));
        kca_event_free(receipt);
    }
    int64_t took = now_ms() - begin;
    kca_message_free(m);
    free(payload);
    kca_queue_free(q);
    kca_bus_free(bus);
    return took;
}

static void test_linger_makes_a_message_wait_for_company(void **state) {
    const char *topic = unique("linger");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_linger_ms(b, 900);
    kca_system *s = with(b);
    time_of(s, topic, 1, 10);
    assert_in_range(time_of(s, topic, 1, 10), 700, 3000);
    finish(s);
}

static void test_a_batch_that_is_full_by_batch_size_goes_at_once(void **state) {
    const char *topic = unique("batch-size");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_linger_ms(b, 3000);
    kca_publisher_builder_with_batch_size(b, 10);
    kca_system *s = with(b);
    time_of(s, topic, 10, 10);
    assert_in_range(time_of(s, topic, 10, 10), 0, 1500);
    must_have_property(s, "publishers", "batch.num.messages", "10");
    finish(s);
}

static void test_no_batch_is_larger_than_batch_bytes(void **state) {
    const char *topic = unique("batch-bytes");
    topic_create_with(topic, 1, "max.message.bytes", "30000");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_linger_ms(b, 200);
    kca_publisher_builder_with_batch_bytes(b, 20000);
    kca_system *s = with(b);
    time_of(s, topic, 50, 5000);
    assert_int_equal(topic_end(topic, 0), 50);
    finish(s);
}

static int64_t bytes_with(const char *codec) {
    const char *topic = unique(codec);
    topic_create(topic, 1);
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_compression(b, codec);
    kca_publisher_builder_with_linger_ms(b, 100);
    kca_system *s = with(b);
    time_of(s, topic, 50, 5000);
    finish(s);
    int count;
    raw_record *records = topic_read(&count, topic, 1);
    assert_int_equal(count, 50);
    assert_int_equal(records[49].value_len, 5000);
    records_free(records, count);
    return topic_bytes(topic, 0);
}

static void test_compression_makes_records_smaller(void **state) {
    int64_t plain = bytes_with("none");
    assert_in_range(plain, 250000, 300000);
    const char *const codecs[] = {"gzip", "snappy", "lz4", "zstd"};
    for (int i = 0; i < 4; i++)
        assert_in_range(bytes_with(codecs[i]), 1, plain / 8);
}

static void test_acks_0_warns_once_and_knows_no_offset(void **state) {
    const char *topic = unique("acks");
    topic_create(topic, 1);
    kca_publisher_builder *b;
    must(kca_publisher_builder_new(&b, "kafka", topic));
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, b);
    must(kca_system_log_to_queue(s, KCA_LOG_WARN));
    start(s);
    kca_queue *q = queue_of(s);
    assert_true(log_says(q, "required_acks is 0", 100));
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 1);
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
    assert_non_null(receipt);
    assert_null(kca_event_error(receipt));
    assert_int_equal(kca_event_offset(receipt), -1);
    kca_event_free(receipt);
    assert_false(log_says(q, "required_acks", 0));
    must_have_property(s, "publishers", "request.required.acks", "0");
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

/* What acks 1 and -1 do differently takes three brokers to see. */
static void test_acks_are_told_to_the_broker(void **state) {
    const int acks[] = {1, -1};
    for (int i = 0; i < 2; i++) {
        const char *topic = unique("acks");
        kca_publisher_builder *b = publisher_of(topic);
        kca_publisher_builder_with_required_acks(b, acks[i]);
        kca_system *s = with(b);
        time_of(s, topic, 1, 10);
        must_have_property(s, "publishers", "request.required.acks", acks[i] == 1 ? "1" : "-1");
        finish(s);
    }
}

static void test_max_attempts_counts_the_first_one(void **state) {
    kca_publisher_builder *b = publisher_of(unique("attempts"));
    kca_publisher_builder_with_max_attempts(b, 5);
    kca_system *s = with(b);
    must_have_property(s, "publishers", "message.send.max.retries", "4");
    finish(s);
}

static kca_error *add_idempotent(int acks, int attempts) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of("once");
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_required_acks(b, acks);
    kca_publisher_builder_with_max_attempts(b, attempts);
    kca_error *e = kca_system_add_publisher(s, b);
    kca_publisher_builder_free(b);
    kca_system_free(s);
    return e;
}

static void test_idempotence_says_what_it_needs(void **state) {
    must_fail(add_idempotent(0, 10), KCA_ERROR_ARGUMENT, "publisher once", "required_acks -1", "0");
    must_fail(add_idempotent(1, 10), KCA_ERROR_ARGUMENT, "required_acks -1");
    must_fail(add_idempotent(-1, 1), KCA_ERROR_ARGUMENT, "max_attempts of at least 2", "1");
    must(add_idempotent(-1, 2));
}

static void test_an_idempotent_publisher_publishes(void **state) {
    const char *topic = unique("once");
    topic_create(topic, 1);
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_idempotence(b, 1);
    kca_system *s = with(b);
    time_of(s, topic, 100, 20);
    assert_int_equal(topic_end(topic, 0), 100);
    must_have_property(s, "publishers", "enable.idempotence", "true");
    finish(s);
}

static void test_an_unknown_property_is_refused_with_the_nearest(void **state) {
    kca_publisher_builder *b = publisher_of("orders");
    kca_publisher_builder_with_property(b, "mesage.timeout.ms", "1000");
    const kca_error *e = kca_publisher_builder_error(b);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    must_have(kca_error_text(e), "publisher orders");
    must_have(kca_error_text(e), "nearest is message.timeout.ms");
    kca_system *s = system_on("localhost:1");
    must_fail(kca_system_add_publisher(s, b), KCA_ERROR_ARGUMENT, "message.timeout.ms");
    kca_system_free(s);
    kca_publisher_builder_free(b);
}

static void test_a_property_of_an_option_is_refused_with_the_option(void **state) {
    const char *const owned[][2] = {{"linger.ms", "linger_ms"},
                                    {"acks", "required_acks"},
                                    {"batch.size", "batch_bytes"},
                                    {"enable.idempotence", "idempotence"},
                                    {"bootstrap.servers", "hosts"}};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) {
        kca_publisher_builder *b = publisher_of("orders");
        kca_publisher_builder_with_property(b, owned[i][0], "1");
        assert_int_equal(kca_error_code(kca_publisher_builder_error(b)), KCA_ERROR_ARGUMENT);
        must_have(kca_error_text(kca_publisher_builder_error(b)), owned[i][1]);
        kca_publisher_builder_free(b);
    }
}

static kca_system *two_publishers(int first_linger, int second_linger) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    const int lingers[] = {first_linger, second_linger};
    for (int i = 0; i < 2; i++) {
        kca_publisher_builder *b = publisher_of(unique("shared"));
        kca_publisher_builder_with_linger_ms(b, lingers[i]);
        give_publisher(s, b);
    }
    start(s);
    return s;
}

static void test_publishers_of_equal_settings_share_a_client(void **state) {
    kca_system *s = two_publishers(7, 7);
    assert_int_equal(described(s, "connections", 0, "producer_clients"), 1);
    finish(s);
    s = two_publishers(7, 8);
    assert_int_equal(described(s, "connections", 0, "producer_clients"), 2);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linger_makes_a_message_wait_for_company),
        cmocka_unit_test(test_a_batch_that_is_full_by_batch_size_goes_at_once),
        cmocka_unit_test(test_no_batch_is_larger_than_batch_bytes),
        cmocka_unit_test(test_compression_makes_records_smaller),
        cmocka_unit_test(test_acks_0_warns_once_and_knows_no_offset),
        cmocka_unit_test(test_acks_are_told_to_the_broker),
        cmocka_unit_test(test_max_attempts_counts_the_first_one),
        cmocka_unit_test(test_idempotence_says_what_it_needs),
        cmocka_unit_test(test_an_idempotent_publisher_publishes),
        cmocka_unit_test(test_an_unknown_property_is_refused_with_the_nearest),
        cmocka_unit_test(test_a_property_of_an_option_is_refused_with_the_option),
        cmocka_unit_test(test_publishers_of_equal_settings_share_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
