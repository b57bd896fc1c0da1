/* Dead letters of other libraries, with the headers that each of them writes. */
#include "testing.h"

#include "dead_letters.h"

/* The failed record's own header, which comes back; it is the first of each letter. */
#define OWN TEXT("tenant", "acme")

typedef struct a_letter {
    const char *house;
    kca__header headers[16];
    int header_count;
    kca__dead_letter expected;
} a_letter;

#define COUNTED(...)                                                                               \
    .headers = {OWN, __VA_ARGS__},                                                                 \
    .header_count = COUNT_OF(((const kca__header[]){OWN, __VA_ARGS__}))

static const a_letter letters[] = {
    {"spring-retry",
     COUNTED(TEXT("kafka_original-topic", "orders"), TEXT("kafka_original-partition", "\0\0\0\x02"),
             TEXT("kafka_original-offset", "\0\0\0\0\0\0\x01\0"),
             TEXT("kafka_original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
             TEXT("kafka_original-timestamp-type", "LogAppendTime"),
             TEXT("kafka_dlt-original-consumer-group", "billing"),
             TEXT("kafka_exception-fqcn", "ListenerExecutionFailedException"),
             TEXT("kafka_exception-cause-fqcn", "acme.OutOfStock"),
             TEXT("kafka_exception-message", "Listener failed"),
             TEXT("kafka_exception-stacktrace", "at\n\tat"),
             TEXT("retry_topic-attempts", "\0\0\0\x04"),
             TEXT("retry_topic-original-timestamp", "\x01\xa2\x06\x7d\x3e\x67"),
             TEXT("retry_topic-backoff-timestamp", "\x01\xa2\x06\x7d\x3e\x68")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = WRITTEN_AT,
      .log_append_time = true,
      .group = "billing",
      .attempts = 3,
      .error_name = "acme.OutOfStock",
      .error_text = "Listener failed",
      .time_ms = -1}},
    {"spring-cloud-stream",
     COUNTED(TEXT("x-original-topic", "orders"), TEXT("x-original-partition", "\0\0\0\x02"),
             TEXT("x-original-offset", "\0\0\0\0\0\0\x01\0"),
             TEXT("x-original-timestamp", "\0\0\x01\xa2\x06\x7d\x3e\x67"),
             TEXT("x-original-timestamp-type", "CreateTime"),
             TEXT("x-exception-fqcn", "acme.OutOfStock"), TEXT("x-exception-message", "no stock"),
             TEXT("x-exception-stacktrace", "at")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = WRITTEN_AT,
      .group = "",
      .error_name = "acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = -1}},
    {"kafka-connect",
     COUNTED(TEXT("__connect.errors.topic", "orders"), TEXT("__connect.errors.partition", "2"),
             TEXT("__connect.errors.offset", "256"),
             TEXT("__connect.errors.connector.name", "sink"), TEXT("__connect.errors.task.id", "0"),
             TEXT("__connect.errors.stage", "VALUE_CONVERTER"),
             TEXT("__connect.errors.class.name", "org.apache.kafka.connect.json.JsonConverter"),
             TEXT("__connect.errors.exception.class.name", "DataException"),
             TEXT("__connect.errors.exception.message", "no JSON"),
             TEXT("__connect.errors.exception.stacktrace", "at")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "sink",
      .error_name = "DataException",
      .error_text = "no JSON",
      .time_ms = -1}},
    {"kafka-streams",
     COUNTED(TEXT("__streams.errors.exception", "acme.OutOfStock"),
             TEXT("__streams.errors.stacktrace", "at"),
             TEXT("__streams.errors.message", "no stock"), TEXT("__streams.errors.topic", "orders"),
             TEXT("__streams.errors.partition", "2"), TEXT("__streams.errors.offset", "256")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "",
      .error_name = "acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = -1}},
    {"smallrye",
     COUNTED(TEXT("delayed-retry-count", "3"),
             TEXT("dead-letter-exception-class-name", "acme.OutOfStock"),
             TEXT("dead-letter-cause-class-name", "acme.Empty"),
             TEXT("dead-letter-reason", "no stock"), TEXT("dead-letter-cause", "empty"),
             TEXT("dead-letter-topic", "orders"), TEXT("dead-letter-partition", "2"),
             TEXT("dead-letter-offset", "256")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "",
      .error_name = "acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = -1}},
    {"smallrye-retry",
     COUNTED(TEXT("delayed-retry-count", "3"), TEXT("delayed-retry-original-timestamp", "1"),
             TEXT("delayed-retry-exception-class-name", "acme.OutOfStock"),
             TEXT("delayed-retry-reason", "no stock"), TEXT("delayed-retry-topic", "orders"),
             TEXT("delayed-retry-partition", "2"), TEXT("delayed-retry-offset", "256")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "",
      .attempts = 3,
      .error_name = "acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = -1}},
    {"karafka",
     COUNTED(TEXT("source_topic", "orders"), TEXT("source_partition", "2"),
             TEXT("source_offset", "256"), TEXT("source_consumer_group", "billing"),
             TEXT("source_attempts", "3"), TEXT("source_trace_id", "t")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "billing",
      .attempts = 3,
      .error_name = "",
      .error_text = "",
      .time_ms = -1}},
    {"karafka",
     COUNTED(TEXT("original_topic", "orders"), TEXT("original_partition", "2"),
             TEXT("original_offset", "256"), TEXT("original_consumer_group", "billing"),
             TEXT("original_attempts", "3")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "billing",
      .attempts = 3,
      .error_name = "",
      .error_text = "",
      .time_ms = -1}},
    {"dekaf",
     COUNTED(TEXT("retry.source.topic", "orders"), TEXT("retry.failure.count", "2"),
             TEXT("retry.delay.ms", "5000"), TEXT("retry.due.timestamp.ms", "1"),
             TEXT("dlq.source.topic", "orders"), TEXT("dlq.source.partition", "2"),
             TEXT("dlq.source.offset", "256"), TEXT("dlq.failure.count", "3"),
             TEXT("dlq.timestamp", "2026-11-23T03:41:24.0050000Z"),
             TEXT("dlq.error.message", "no stock"), TEXT("dlq.error.type", "Acme.OutOfStock")),
     {.topic = "orders",
      .partition = 2,
      .offset = 256,
      .timestamp_ms = -1,
      .group = "",
      .attempts = 3,
      .error_name = "Acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = 1795405284005}},
    {"watermill",
     COUNTED(TEXT("reason_poisoned", "no stock"), TEXT("topic_poisoned", "orders"),
             TEXT("handler_poisoned", "bill"), TEXT("subscriber_poisoned", "kafka.Subscriber")),
     {.topic = "orders",
      .partition = -1,
      .offset = -1,
      .timestamp_ms = -1,
      .group = "",
      .error_name = "",
      .error_text = "no stock",
      .time_ms = -1}},
    {"masstransit",
     COUNTED(TEXT("MT-Reason", "fault"), TEXT("MT-Fault-ExceptionType", "Acme.OutOfStock"),
             TEXT("MT-Fault-Message", "no stock"), TEXT("MT-Fault-StackTrace", "at"),
             TEXT("MT-Fault-Timestamp", "2026-11-23T03:41:24.0050000Z"),
             TEXT("MT-Fault-RetryCount", "3"), TEXT("MT-Redelivery-Count", "1")),
     {.topic = "",
      .partition = -1,
      .offset = -1,
      .timestamp_ms = -1,
      .group = "",
      .attempts = 3,
      .error_name = "Acme.OutOfStock",
      .error_text = "no stock",
      .time_ms = 1795405284005}},
};

static void read_letter(kca__dead_letter_reading *out, const kca__header *headers, int count) {
    kca__record record = {.key = "k",
                          .key_len = 1,
                          .value = "\0v",
                          .value_len = 2,
                          .headers = (void *)(uintptr_t)headers,
                          .header_count = count};
    assert_in_range(kca__dead_letter_read(out, &record), 0, KCA__DEAD_LETTER_FOREIGN);
    assert_bytes(out->letter.key, out->letter.key_len, "k", 1);
    assert_bytes(out->letter.value, out->letter.value_len, "\0v", 2);
}

static void test_each_says_where_it_came_from_and_goes_back_without_its_marks(void **state) {
    static const kca__header own[] = {OWN};
    for (int i = 0; i < COUNT_OF(letters); i++) {
        kca__dead_letter_reading reading;
        read_letter(&reading, letters[i].headers, letters[i].header_count);
        assert_string_equal(reading.house, letters[i].house);
        assert_source_is(&reading.letter, &letters[i].expected);
        assert_int_equal(reading.letter.log_append_time, letters[i].expected.log_append_time);
        assert_headers_are(reading.letter.headers, reading.letter.header_count, own, 1);
        assert_false(reading.is_ours);
        kca__dead_letter_reading_clear(&reading);
    }
}

/* Its headers of ours are the failed record's: redriven, it is that dead letter again. */
static void test_one_that_was_ours_before_is_the_last_ones(void **state) {
    for (int i = 0; i < COUNT_OF(letters); i++) {
        kca__dead_letter_reading reading;
        kca__header headers[20] = {TEXT("kca-dead-letter-topic", "first"),
                                   TEXT("kca-dead-letter-attempts", "4")};
        memcpy(headers + 2, letters[i].headers, sizeof letters[i].headers);
        read_letter(&reading, headers, letters[i].header_count + 2);
        assert_string_equal(reading.house, letters[i].house);
        assert_headers_are(reading.letter.headers, reading.letter.header_count, headers, 3);
        assert_false(reading.is_ours);
        kca__dead_letter_reading_clear(&reading);
    }
}

/* In whatever order: a library that keeps no order could put a forged header of ours last. */
static void test_ours_are_trusted_only_when_there_are_no_others(void **state) {
    for (int i = 0; i < COUNT_OF(letters); i++) {
        kca__dead_letter_reading reading;
        kca__header headers[20];
        int count = letters[i].header_count;
        memcpy(headers, letters[i].headers, sizeof letters[i].headers);
        headers[count] = (kca__header)TEXT("kca-dead-letter-topic", "payments");
        read_letter(&reading, headers, count + 1);
        assert_string_equal(reading.house, "kca");
        assert_string_equal(reading.letter.topic, "payments");
        assert_headers_are(reading.letter.headers, reading.letter.header_count, headers, count);
        assert_false(reading.is_ours);
        kca__dead_letter_reading_clear(&reading);
        read_letter(&reading, headers + count, 1);
        assert_true(reading.is_ours);
        kca__dead_letter_reading_clear(&reading);
    }
}

static void test_a_topic_with_a_nul_is_not_cut(void **state) {
    static const kca__header ours[] = {TEXT("kca-dead-letter-topic", "orders\0x")};
    static const kca__header theirs[] = {TEXT("__connect.errors.topic", "orders\0x")};
    kca__dead_letter_reading reading;
    read_letter(&reading, ours, 1);
    assert_string_equal(reading.letter.topic, "");
    kca__dead_letter_reading_clear(&reading);
    read_letter(&reading, theirs, 1);
    assert_string_equal(reading.letter.topic, "");
    kca__dead_letter_reading_clear(&reading);
}

static void test_numbers_that_are_none_are_not_known(void **state) {
    static const kca__header headers[] = {
        TEXT("dlq.source.topic", "orders"), TEXT("dlq.source.partition", "-1"),
        TEXT("dlq.source.offset", "9223372036854775808"), TEXT("dlq.failure.count", "0x3")};
    static const kca__header short_attempt[] = {TEXT("kafka_original-topic", "orders"),
                                                TEXT("kafka_original-offset", "256"),
                                                TEXT("retry_topic-attempts", "\x04")};
    kca__dead_letter_reading reading;
    read_letter(&reading, headers, COUNT_OF(headers));
    assert_int_equal(reading.letter.partition, -1);
    assert_int_equal(reading.letter.offset, -1);
    assert_int_equal(reading.letter.attempts, 0);
    kca__dead_letter_reading_clear(&reading);
    read_letter(&reading, short_attempt, COUNT_OF(short_attempt));
    assert_int_equal(reading.letter.offset, -1);
    assert_int_equal(reading.letter.attempts, 3); /* older versions write one byte */
    kca__dead_letter_reading_clear(&reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_says_where_it_came_from_and_goes_back_without_its_marks),
        cmocka_unit_test(test_one_that_was_ours_before_is_the_last_ones),
        cmocka_unit_test(test_ours_are_trusted_only_when_there_are_no_others),
        cmocka_unit_test(test_a_topic_with_a_nul_is_not_cut),
        cmocka_unit_test(test_numbers_that_are_none_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
