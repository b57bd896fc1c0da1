/* Records in retry channels: ours, and those of Spring's non-blocking retries. */
#include "testing.h"

#include "dead_letter/retry_record.h"
#include "dead_letters.h"

static const int64_t DUE_AT = 1795405344005; /* a minute after FAILED_AT */

static void assert_written(const kca__dead_letter *d, int format, const kca__header *expected,
                           int count) {
    kca__dead_letter_record r;
    assert_true(kca__retry_record_write(&r, d, DUE_AT, format));
    assert_headers_are(r.record.headers, r.record.header_count, expected, count);
    assert_bytes(r.record.key, r.record.key_len, d->key, d->key_len);
    assert_ptr_equal(r.record.value, d->value);
    kca__dead_letter_record_clear(&r);
}

static void test_our_headers_tell_the_first_place_the_attempts_and_when_it_is_due(void **state) {
    static const kca__header headers[] = {TEXT("tenant", "acme"), NOTHING("empty"),
                                          TEXT("kafka_original-topic", "somebody else's")};
    static const kca__header expected[] = {
        TEXT("tenant", "acme"),
        NOTHING("empty"),
        TEXT("kafka_original-topic", "somebody else's"),
        TEXT("kca-retry-topic", "orders"),
        TEXT("kca-retry-partition", "3"),
        TEXT("kca-retry-offset", "9007199254740993"),
        TEXT("kca-retry-timestamp", "2026-11-23T03:40:00.999Z"),
        TEXT("kca-retry-group", "billing"),
        TEXT("kca-retry-attempts", "4"),
        TEXT("kca-retry-error-name", "ValueError"),
        TEXT("kca-retry-error-text", "negative amount"),
        TEXT("kca-retry-due-ms", "1795405344005"),
    };
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    assert_written(&d, KCA__DEAD_LETTER_KCA, expected, COUNT_OF(expected));
    assert_written(&d, KCA__DEAD_LETTER_GOMES, expected, COUNT_OF(expected));
}

static void test_trimmed_they_leave_out_the_error(void **state) {
    static const kca__header expected[] = {
        TEXT("kca-retry-topic", "orders"),
        TEXT("kca-retry-partition", "3"),
        TEXT("kca-retry-offset", "9007199254740993"),
        TEXT("kca-retry-timestamp", "2026-11-23T03:40:00.999Z"),
        TEXT("kca-retry-group", "billing"),
        TEXT("kca-retry-attempts", "4"),
        TEXT("kca-retry-due-ms", "1795405344005"),
    };
    kca__dead_letter d = dead_letter(NULL, 0);
    d.trimmed = true;
    assert_written(&d, KCA__DEAD_LETTER_KCA, expected, COUNT_OF(expected));
}

static void test_for_spring_they_are_springs_byte_for_byte(void **state) {
    static const kca__header headers[] = {TEXT("tenant", "acme")};
    static const kca__header expected[] = {
        TEXT("tenant", "acme"),
        TEXT("kafka_original-topic", "orders"),
        TEXT("kafka_original-partition", "\0\0\0\x03"),
        TEXT("kafka_original-offset", "\0\x20\0\0\0\0\0\x01"),
        TEXT("kafka_original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
        TEXT("kafka_original-timestamp-type", "CreateTime"),
        TEXT("kafka_dlt-original-consumer-group", "billing"),
        TEXT("kafka_exception-fqcn", "ValueError"),
        TEXT("kafka_exception-message", "negative amount"),
        TEXT("retry_topic-attempts", "\0\0\0\x05"),
        TEXT("retry_topic-original-timestamp", "\x01\xa2\x06\x7d\x3e\x67"),
        TEXT("retry_topic-backoff-timestamp", "\x01\xa2\x06\x7f\x6d\x05"),
    };
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    assert_written(&d, KCA__DEAD_LETTER_SPRING, expected, COUNT_OF(expected));
}

static void assert_tells_all(const kca__retry_record *r) {
    assert_int_equal(r->attempts, 4);
    assert_int_equal(r->due_ms, DUE_AT);
    assert_string_equal(r->topic, "orders");
    assert_int_equal(r->partition, 3);
    assert_int_equal(r->offset, INT64_C(9007199254740993));
    assert_int_equal(r->timestamp_ms, WRITTEN_AT);
}

static void test_what_was_written_is_read_and_the_next_hop_replaces_it(void **state) {
    static const kca__header headers[] = {TEXT("tenant", "acme"),
                                          TEXT("kca-dead-letter-topic", "earlier")};
    static const int formats[] = {KCA__DEAD_LETTER_KCA, KCA__DEAD_LETTER_SPRING,
                                  KCA__DEAD_LETTER_GOMES};
    for (int i = 0; i < COUNT_OF(formats); i++) {
        kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
        kca__dead_letter_record first, second;
        kca__retry_record read;
        assert_true(kca__retry_record_write(&first, &d, DUE_AT, formats[i]));
        kca__retry_record_read(&read, first.record.headers, first.record.header_count);
        assert_tells_all(&read);
        int count = first.record.header_count;
        kca__header *left = first.record.headers;
        assert_int_equal(kca__retry_record_strip(left, count), 2);
        assert_headers_are(left, 2, headers, 2);
        d.headers = left;
        d.attempts = 5;
        assert_true(kca__retry_record_write(&second, &d, DUE_AT + 1, formats[2 - i]));
        kca__retry_record_read(&read, second.record.headers, second.record.header_count);
        assert_int_equal(read.attempts, 5);
        assert_int_equal(read.due_ms, DUE_AT + 1);
        kca__dead_letter_record_clear(&second);
        kca__dead_letter_record_clear(&first);
    }
}

/* As spring-kafka 2.7 wrote attempts, in one byte. */
static void test_what_spring_itself_wrote_is_read(void **state) {
    static const kca__header headers[] = {
        TEXT("__TypeId__", "com.example.Order"),
        TEXT("kafka_original-topic", "orders"),
        TEXT("kafka_original-partition", "\0\0\0\x02"),
        TEXT("kafka_original-offset", "\0\0\0\0\0\0\x01\0"),
        TEXT("kafka_original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
        TEXT("kafka_original-timestamp-type", "LogAppendTime"),
        TEXT("kafka_exception-stacktrace", "at com.example"),
        TEXT("retry_topic-attempts", "\x03"),
        TEXT("retry_topic-backoff-timestamp", "\x01\xa2\x06\x7f\x6d\x05"),
    };
    kca__header left[COUNT_OF(headers)];
    kca__retry_record read;
    kca__retry_record_read(&read, headers, COUNT_OF(headers));
    assert_int_equal(read.attempts, 2);
    assert_int_equal(read.due_ms, DUE_AT);
    assert_string_equal(read.topic, "orders");
    assert_int_equal(read.partition, 2);
    assert_int_equal(read.offset, 256);
    assert_int_equal(read.timestamp_ms, WRITTEN_AT);
    assert_true(read.log_append_time);
    memcpy(left, headers, sizeof headers);
    assert_int_equal(kca__retry_record_strip(left, COUNT_OF(left)), 1);
    assert_string_equal(left[0].name, "__TypeId__");
}

static void assert_tells_nothing(const kca__header *headers, int count) {
    kca__retry_record read;
    kca__retry_record_read(&read, headers, count);
    assert_int_equal(read.attempts, 0);
    assert_int_equal(read.due_ms, -1);
    assert_string_equal(read.topic, "");
}

static void test_what_cannot_be_is_not_told(void **state) {
    static const kca__header absurd[] = {
        TEXT("kca-retry-topic", "orders\0else"),
        TEXT("kca-retry-attempts", "2147483648"),
        TEXT("kca-retry-due-ms", "9223372036854775808"),
        TEXT("retry_topic-attempts", "\xff\xff\xff\xff"),
        TEXT("retry_topic-backoff-timestamp", "\x01\0\0\0\0\0\0\0\0"),
        NOTHING("kafka_original-topic"),
    };
    static const kca__header empty[] = {
        TEXT("kca-retry-topic", ""),
        TEXT("kca-retry-attempts", "-1"),
        TEXT("kca-retry-due-ms", "soon"),
        TEXT("retry_topic-attempts", ""),
        TEXT("retry_topic-backoff-timestamp", "\x80"),
    };
    assert_tells_nothing(absurd, COUNT_OF(absurd));
    assert_tells_nothing(empty, COUNT_OF(empty));
    assert_tells_nothing(NULL, 0);
}

static void test_of_two_who_tell_the_later_counts(void **state) {
    static const kca__header headers[] = {
        TEXT("kca-retry-topic", "orders"),
        TEXT("kca-retry-attempts", "1"),
        TEXT("kca-retry-due-ms", "1795405284005"),
        TEXT("kafka_original-topic", "orders-retry-0"),
        TEXT("retry_topic-attempts", "\0\0\0\x04"),
        TEXT("retry_topic-backoff-timestamp", "\x01\xa2\x06\x7f\x6d\x05"),
    };
    kca__retry_record read;
    kca__retry_record_read(&read, headers, COUNT_OF(headers));
    assert_string_equal(read.topic, "orders");
    assert_int_equal(read.attempts, 3);
    assert_int_equal(read.due_ms, DUE_AT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trimmed_they_leave_out_the_error),
        cmocka_unit_test(test_our_headers_tell_the_first_place_the_attempts_and_when_it_is_due),
        cmocka_unit_test(test_for_spring_they_are_springs_byte_for_byte),
        cmocka_unit_test(test_what_was_written_is_read_and_the_next_hop_replaces_it),
        cmocka_unit_test(test_what_spring_itself_wrote_is_read),
        cmocka_unit_test(test_what_cannot_be_is_not_told),
        cmocka_unit_test(test_of_two_who_tell_the_later_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
