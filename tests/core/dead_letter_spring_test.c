/* Dead letters as spring-kafka writes and reads them. */
#include "testing.h"

#include "dead_letters.h"

static void test_headers_are_springs_byte_for_byte(void **state) {
    static const kca__header headers[] = {TEXT("tenant", "acme")};
    static const kca__header expected[] = {
        TEXT("tenant", "acme"),
        TEXT("kca-dead-letter-attempts", "4"),
        TEXT("kca-dead-letter-time", "2026-11-23T03:41:24.005Z"),
        TEXT("kafka_dlt-original-topic", "orders"),
        TEXT("kafka_dlt-original-partition", "\0\0\x01\x02"),
        TEXT("kafka_dlt-original-offset", "\0\x20\0\0\0\0\0\x01"),
        TEXT("kafka_dlt-original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
        TEXT("kafka_dlt-original-timestamp-type", "CreateTime"),
        TEXT("kafka_dlt-original-consumer-group", "billing"),
        TEXT("kafka_dlt-exception-fqcn", "ValueError"),
        TEXT("kafka_dlt-exception-message", "negative amount"),
    };
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    kca__dead_letter_record r;
    d.partition = 258;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_SPRING, NULL));
    assert_headers_are(r.record.headers, r.record.header_count, expected, COUNT_OF(expected));
    assert_bytes(r.record.key, r.record.key_len, "k-1", 3);
    assert_ptr_equal(r.record.value, d.value);
    kca__dead_letter_record_clear(&r);
    assert_survives(&d, KCA__DEAD_LETTER_SPRING);
}

static void assert_time_is(const kca__dead_letter *d, const char *type, const char *bytes) {
    kca__dead_letter_record r;
    kca__dead_letter_reading reading;
    assert_true(kca__dead_letter_write(&r, d, KCA__DEAD_LETTER_SPRING, NULL));
    assert_string_equal(header_of(&r, "kafka_dlt-original-timestamp-type")->value, type);
    assert_memory_equal(header_of(&r, "kafka_dlt-original-timestamp")->value, bytes, 8);
    read_back(&reading, &r, KCA__DEAD_LETTER_SPRING);
    assert_int_equal(reading.letter.log_append_time, d->log_append_time);
    assert_int_equal(reading.letter.timestamp_ms, d->timestamp_ms);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&r);
}

static void test_the_times_type_is_told(void **state) {
    kca__dead_letter d = dead_letter(NULL, 0);
    d.timestamp_ms = 255;
    assert_time_is(&d, "CreateTime", "\0\0\0\0\0\0\0\xff");
    d.log_append_time = true;
    assert_time_is(&d, "LogAppendTime", "\0\0\0\0\0\0\0\xff");
    d.log_append_time = false;
    d.timestamp_ms = -1;
    assert_time_is(&d, "NoTimestampType", "\xff\xff\xff\xff\xff\xff\xff\xff");
}

static void test_nothing_of_an_earlier_hop_is_taken_for_the_last(void **state) {
    static const kca__header headers[] = {
        TEXT("kafka_dlt-original-topic", "first"),
        TEXT("kafka_dlt-original-offset", "\0\0\0\0\0\0\0\x07"),
        TEXT("kafka_dlt-original-consumer-group", "first-group"),
        TEXT("kafka_dlt-exception-message", "first error"),
        TEXT("kafka_dlt-exception-stacktrace", "at First"),
        TEXT("kafka_dlt-key-exception-fqcn", "FirstKey"),
    };
    kca__dead_letter d = {WITH_HEADERS(headers), .partition = -1, .offset = -1, .timestamp_ms = -1,
                          .time_ms = -1};
    kca__dead_letter_record r;
    kca__dead_letter_reading reading;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_SPRING, NULL));
    assert_headers_are(r.record.headers, 3, headers, 3);
    assert_false(has_header(&r, "kafka_dlt-exception-message"));
    assert_false(has_header(&r, "kafka_dlt-exception-stacktrace"));
    assert_false(has_header(&r, "kafka_dlt-key-exception-fqcn"));
    read_back(&reading, &r, KCA__DEAD_LETTER_SPRING);
    assert_headers_are(reading.letter.headers, reading.letter.header_count, headers, 3);
    d.topic = d.group = d.error_name = d.error_text = "";
    assert_source_is(&reading.letter, &d);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&r);
}

static void test_what_spring_itself_wrote_is_read(void **state) {
    kca__header headers[] = {
        TEXT("__TypeId__", "com.example.Order"),
        TEXT("kafka_dlt-original-topic", "orders"),
        TEXT("kafka_dlt-original-partition", "\0\0\0\x02"),
        TEXT("kafka_dlt-original-offset", "\0\0\0\0\0\0\x01\0"),
        TEXT("kafka_dlt-original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
        TEXT("kafka_dlt-original-timestamp-type", "CreateTime"),
        TEXT("kafka_dlt-original-consumer-group", "billing"),
        TEXT("kafka_dlt-exception-fqcn", "org.springframework.kafka.listener.ListenerException"),
        TEXT("kafka_dlt-exception-cause-fqcn", "java.lang.IllegalStateException"),
        TEXT("kafka_dlt-exception-message", "Listener failed"),
        TEXT("kafka_dlt-exception-stacktrace", "at com.example\n\tat java"),
        TEXT("kafka_dlt-key-exception-fqcn", "DeserializationException"),
        TEXT("kafka_dlt-key-exception-message", "bad key"),
        TEXT("kafka_dlt-key-exception-stacktrace", "at"),
    };
    kca__record record = {.value = "v", .value_len = 1, WITH_HEADERS(headers)};
    kca__dead_letter expected = {.value = "v",
                                 .value_len = 1,
                                 .headers = headers,
                                 .header_count = 1,
                                 .topic = "orders",
                                 .partition = 2,
                                 .offset = 256,
                                 .timestamp_ms = WRITTEN_AT,
                                 .group = "billing",
                                 .error_name = "java.lang.IllegalStateException",
                                 .error_text = "Listener failed",
                                 .time_ms = -1};
    kca__dead_letter_reading reading;
    assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_SPRING);
    assert_record_is(&reading.letter, &expected);
    assert_source_is(&reading.letter, &expected);
    kca__dead_letter_reading_clear(&reading);
}

static void test_numbers_of_the_wrong_size_are_not_known(void **state) {
    kca__header headers[] = {TEXT("kafka_dlt-original-topic", "orders"),
                             TEXT("kafka_dlt-original-partition", "\0\0\0\x01\x02"),
                             TEXT("kafka_dlt-original-offset", "\0\0\0\x01"), /* of eight */
                             NOTHING("kafka_dlt-original-timestamp")};
    kca__record record = {WITH_HEADERS(headers)};
    kca__dead_letter_reading reading;
    assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_SPRING);
    assert_string_equal(reading.letter.topic, "orders");
    assert_int_equal(reading.letter.partition, -1);
    assert_int_equal(reading.letter.offset, -1);
    assert_int_equal(reading.letter.timestamp_ms, -1);
    kca__dead_letter_reading_clear(&reading);
}

/* Spring failed on a dead letter of ours: redriven, it is that dead letter again. */
static void test_springs_hop_leaves_ours_alone(void **state) {
    kca__header headers[] = {
        TEXT("tenant", "acme"),
        TEXT("kca-dead-letter-topic", "orders"),
        TEXT("kca-dead-letter-attempts", "4"),
        TEXT("kca-dead-letter-time", "2026-11-23T03:41:24.005Z"),
        TEXT("kafka_dlt-original-topic", "orders.dead"),
        TEXT("kafka_dlt-exception-fqcn", "E"),
    };
    kca__record record = {WITH_HEADERS(headers)};
    kca__dead_letter_reading reading;
    assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_SPRING);
    assert_string_equal(reading.letter.topic, "orders.dead");
    assert_int_equal(reading.letter.attempts, 0);
    assert_int_equal(reading.letter.time_ms, -1);
    assert_headers_are(reading.letter.headers, reading.letter.header_count, headers, 4);
    kca__dead_letter_reading_clear(&reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_are_springs_byte_for_byte),
        cmocka_unit_test(test_the_times_type_is_told),
        cmocka_unit_test(test_nothing_of_an_earlier_hop_is_taken_for_the_last),
        cmocka_unit_test(test_what_spring_itself_wrote_is_read),
        cmocka_unit_test(test_numbers_of_the_wrong_size_are_not_known),
        cmocka_unit_test(test_springs_hop_leaves_ours_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
