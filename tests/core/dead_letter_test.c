/* Dead letters in kca's own format, and which format a record is in. */
#include "testing.h"

#include "dead_letters.h"

#include "message/record_size.h"

static const kca__header PLAIN[] = {
    TEXT("tenant", "acme"), TEXT("token", "\xff\0\x01"), TEXT("tenant", "other"),
    NOTHING("nothing"),     TEXT("empty", ""),           TEXT("kafka_dlt-exception-fqcn", "E"),
};

static void test_formats_have_names(void **state) {
    assert_int_equal(kca__dead_letter_format("kca"), KCA__DEAD_LETTER_KCA);
    assert_int_equal(kca__dead_letter_format("spring"), KCA__DEAD_LETTER_SPRING);
    assert_int_equal(kca__dead_letter_format("gomes"), KCA__DEAD_LETTER_GOMES);
    assert_int_equal(kca__dead_letter_format("Kca"), KCA__DEAD_LETTER_NONE);
    assert_int_equal(kca__dead_letter_format(""), KCA__DEAD_LETTER_NONE);
}

static void test_a_dead_letter_is_the_record_and_says_where_it_was_and_why(void **state) {
    static const kca__header expected[] = {
        TEXT("tenant", "acme"),
        TEXT("token", "\xff\0\x01"),
        TEXT("tenant", "other"),
        NOTHING("nothing"),
        TEXT("empty", ""),
        TEXT("kafka_dlt-exception-fqcn", "E"),
        TEXT("kca-dead-letter-topic", "orders"),
        TEXT("kca-dead-letter-partition", "3"),
        TEXT("kca-dead-letter-offset", "9007199254740993"),
        TEXT("kca-dead-letter-timestamp", "2026-11-23T03:40:00.999Z"),
        TEXT("kca-dead-letter-group", "billing"),
        TEXT("kca-dead-letter-attempts", "4"),
        TEXT("kca-dead-letter-error-name", "ValueError"),
        TEXT("kca-dead-letter-error-text", "negative amount"),
        TEXT("kca-dead-letter-time", "2026-11-23T03:41:24.005Z"),
    };
    kca__dead_letter d = dead_letter(PLAIN, COUNT_OF(PLAIN));
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_KCA, "orders.dead"));
    assert_headers_are(r.record.headers, r.record.header_count, expected, COUNT_OF(expected));
    assert_bytes(r.record.key, r.record.key_len, "k-1", 3);
    assert_ptr_equal(r.record.value, d.value);
    assert_int_equal(r.record.value_len, d.value_len);
    kca__dead_letter_record_clear(&r);
    assert_null(r.block);
}

static void test_a_dead_letter_is_read_back_whole(void **state) {
    kca__dead_letter d = dead_letter(PLAIN, COUNT_OF(PLAIN));
    assert_survives(&d, KCA__DEAD_LETTER_KCA);
    d = dead_letter(NULL, 0);
    d.value = "\0\xff{";
    d.value_len = 3;
    assert_survives(&d, KCA__DEAD_LETTER_KCA);
}

static void must_be_trimmed(const kca__dead_letter *d, int format) {
    kca__dead_letter_record whole, trimmed;
    kca__dead_letter_reading reading;
    kca__dead_letter small = *d;
    small.trimmed = true;
    assert_true(kca__dead_letter_write(&whole, d, format, "orders.dead"));
    assert_true(kca__dead_letter_write(&trimmed, &small, format, "orders.dead"));
    assert_true(kca__record_size(&trimmed.record) + 900 < kca__record_size(&whole.record));
    read_back(&reading, &trimmed, format);
    assert_record_is(&reading.letter, d);
    assert_string_equal(reading.letter.topic, d->topic);
    assert_int_equal(reading.letter.partition, d->partition);
    assert_int_equal(reading.letter.offset, d->offset);
    assert_string_equal(reading.letter.error_name, d->error_name);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&trimmed);
    kca__dead_letter_record_clear(&whole);
}

static void test_a_trimmed_one_is_small_and_goes_back_all_the_same(void **state) {
    char text[KCA__DEAD_LETTER_ERROR_MOST + 1];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int format = KCA__DEAD_LETTER_KCA; format <= KCA__DEAD_LETTER_GOMES; format++) {
        kca__dead_letter d = dead_letter(PLAIN, COUNT_OF(PLAIN) - 1);
        d.error_text = text;
        must_be_trimmed(&d, format);
        d.value = "\0\xff{";
        d.value_len = 3;
        must_be_trimmed(&d, format);
    }
}

/* An error's name may be long, too; a character is not cut in two. */
static void test_the_error_of_a_trimmed_one_is_cut_between_characters(void **state) {
    char name[2 * KCA__DEAD_LETTER_ERROR_TRIMMED + 2] = "x";
    for (int i = 0; i < KCA__DEAD_LETTER_ERROR_TRIMMED; i++)
        strcat(name, "\xc3\xa9");
    kca__dead_letter d = dead_letter(NULL, 0);
    kca__dead_letter_record r;
    d.error_name = name;
    d.trimmed = true;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_KCA, NULL));
    const kca__header *h = header_of(&r, "kca-dead-letter-error-name");
    assert_bytes(h->value, h->value_len, name, KCA__DEAD_LETTER_ERROR_TRIMMED - 1);
    kca__dead_letter_record_clear(&r);
}

static void test_no_key_and_no_value_are_not_empty_ones(void **state) {
    for (int format = KCA__DEAD_LETTER_KCA; format <= KCA__DEAD_LETTER_GOMES; format++) {
        kca__dead_letter d = dead_letter(NULL, 0);
        d.key = d.value = NULL;
        d.key_len = d.value_len = 0;
        assert_survives(&d, format);
        d.key = d.value = "";
        assert_survives(&d, format);
    }
}

static void test_what_is_not_known_is_left_out(void **state) {
    static const kca__header expected[] = {TEXT("kca-dead-letter-topic", "")};
    kca__dead_letter d = {.partition = -1, .offset = -1, .timestamp_ms = -1, .time_ms = -1};
    kca__dead_letter_record r;
    kca__dead_letter_reading reading;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_KCA, NULL));
    assert_headers_are(r.record.headers, r.record.header_count, expected, COUNT_OF(expected));
    read_back(&reading, &r, KCA__DEAD_LETTER_KCA);
    d.topic = d.group = d.error_name = d.error_text = "";
    assert_source_is(&reading.letter, &d);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&r);
}

static void test_an_earlier_hops_headers_are_replaced(void **state) {
    static const kca__header headers[] = {
        TEXT("kca-dead-letter-topic", "older"), TEXT("kca-dead-letter-error-name", "OlderError"),
        TEXT("tenant", "acme"), TEXT("kca-dead-letter-payload", "base64")};
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    d.error_name = NULL;
    for (int format = KCA__DEAD_LETTER_KCA; format <= KCA__DEAD_LETTER_GOMES; format++) {
        kca__dead_letter_record r;
        kca__dead_letter_reading reading;
        assert_true(kca__dead_letter_write(&r, &d, format, "orders.dead"));
        read_back(&reading, &r, format);
        assert_headers_are(reading.letter.headers, reading.letter.header_count, &headers[2], 1);
        assert_string_equal(reading.letter.topic, "orders");
        assert_string_equal(reading.letter.error_name, "");
        kca__dead_letter_reading_clear(&reading);
        kca__dead_letter_record_clear(&r);
    }
}

static void assert_error_text(const char *text, const char *expected) {
    kca__dead_letter d = dead_letter(NULL, 0);
    kca__dead_letter_record r;
    d.error_text = d.error_name = text;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_KCA, NULL));
    const kca__header *h = header_of(&r, "kca-dead-letter-error-text");
    assert_bytes(h->value, h->value_len, expected, strlen(expected));
    h = header_of(&r, "kca-dead-letter-error-name");
    assert_bytes(h->value, h->value_len, expected, strlen(expected));
    kca__dead_letter_record_clear(&r);
}

static void test_an_error_is_one_line_of_text(void **state) {
    assert_error_text("a\r\n\tb\x7f\xc2\x85\x01", "a\\r\\n\\tb\\x7f\\u0085\\x01");
    assert_error_text("ção \xe2\x82\xac \xf0\x9f\x92\xa5", "ção € 💥");
    assert_error_text("\xff\xc3(\xe2\x82", "\\xff\\xc3(\\xe2\\x82");
}

static void test_a_long_error_is_cut_between_characters(void **state) {
    static char text[5000], expected[KCA__DEAD_LETTER_ERROR_MOST + 1];
    memset(text, 'x', sizeof text - 1);
    memset(expected, 'x', KCA__DEAD_LETTER_ERROR_MOST);
    assert_error_text(text, expected);
    memcpy(text + KCA__DEAD_LETTER_ERROR_MOST - 2, "€", 3);
    expected[KCA__DEAD_LETTER_ERROR_MOST - 2] = '\0';
    assert_error_text(text, expected);
    memcpy(text + KCA__DEAD_LETTER_ERROR_MOST - 3, "€x", 4);
    memcpy(expected + KCA__DEAD_LETTER_ERROR_MOST - 3, "€", 3);
    assert_error_text(text, expected);
}

static void test_a_damaged_number_is_not_known(void **state) {
    kca__header headers[] = {TEXT("kca-dead-letter-topic", "orders"),
                             TEXT("kca-dead-letter-partition", "2147483648"),
                             TEXT("kca-dead-letter-offset", "9223372036854775808"),
                             TEXT("kca-dead-letter-timestamp", "yesterday"),
                             TEXT("kca-dead-letter-attempts", "3 or so"),
                             TEXT("kca-dead-letter-time", "")};
    kca__record record = {WITH_HEADERS(headers)};
    kca__dead_letter_reading reading;
    assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_KCA);
    assert_int_equal(reading.letter.partition, -1);
    assert_int_equal(reading.letter.offset, -1);
    assert_int_equal(reading.letter.timestamp_ms, -1);
    assert_int_equal(reading.letter.attempts, 0);
    assert_int_equal(reading.letter.time_ms, -1);
    kca__dead_letter_reading_clear(&reading);

    headers[1] = (kca__header)TEXT("kca-dead-letter-partition", "2147483647");
    headers[2] = (kca__header)TEXT("kca-dead-letter-offset", "9223372036854775807");
    assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_KCA);
    assert_int_equal(reading.letter.partition, INT32_MAX);
    assert_int_equal(reading.letter.offset, INT64_MAX);
    kca__dead_letter_reading_clear(&reading);
}

static void test_other_records_are_no_dead_letters(void **state) {
    kca__header headers[] = {TEXT("route", "orderCreated"), TEXT("kca-dead-letter-time", "x"),
                             TEXT("kafka_dlt-original-consumer-group", "on Spring's way to retry")};
    static const char *const values[] = {"{\"a\":1}",
                                         "{\"ReasonError\":\"x\",\"Payload\":1}",
                                         "{\"ReasonError\":1,\"Payload\":1,\"Headers\":{}}",
                                         "{\"ReasonError\":\"x\",\"Payload\":1,\"Headers\":[]}",
                                         "{\"ReasonError\":\"x\",\"Payload\":1,\"Headers\":{}",
                                         "[\"ReasonError\",\"Payload\",\"Headers\"]",
                                         "",
                                         "12"};
    for (int i = 0; i <= COUNT_OF(values); i++) {
        const char *value = i < COUNT_OF(values) ? values[i] : NULL;
        kca__record record = {.value = value, .value_len = value ? strlen(value) : 0};
        kca__dead_letter_reading reading;
        assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_NONE);
        record.headers = headers;
        record.header_count = COUNT_OF(headers);
        assert_int_equal(kca__dead_letter_read(&reading, &record), KCA__DEAD_LETTER_NONE);
    }
}

/* Each hop is undone by itself, the last one first. */
static void test_the_last_hop_tells_the_format(void **state) {
    static const int hops[] = {KCA__DEAD_LETTER_SPRING, KCA__DEAD_LETTER_KCA,
                               KCA__DEAD_LETTER_SPRING};
    static const kca__header headers[] = {TEXT("tenant", "acme")};
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    kca__dead_letter_record r[COUNT_OF(hops)];
    for (int i = 0; i < COUNT_OF(hops); i++) {
        kca__dead_letter_reading reading;
        assert_true(kca__dead_letter_write(&r[i], &d, hops[i], NULL));
        read_back(&reading, &r[i], hops[i]);
        assert_string_equal(reading.letter.topic, d.topic);
        kca__dead_letter_reading_clear(&reading);
        d = dead_letter(r[i].record.headers, r[i].record.header_count);
        d.topic = i == 0 ? "orders-dlt" : "orders.dead";
    }
    for (int i = 0; i < COUNT_OF(hops); i++)
        kca__dead_letter_record_clear(&r[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats_have_names),
        cmocka_unit_test(test_a_dead_letter_is_the_record_and_says_where_it_was_and_why),
        cmocka_unit_test(test_a_dead_letter_is_read_back_whole),
        cmocka_unit_test(test_a_trimmed_one_is_small_and_goes_back_all_the_same),
        cmocka_unit_test(test_the_error_of_a_trimmed_one_is_cut_between_characters),
        cmocka_unit_test(test_no_key_and_no_value_are_not_empty_ones),
        cmocka_unit_test(test_what_is_not_known_is_left_out),
        cmocka_unit_test(test_an_earlier_hops_headers_are_replaced),
        cmocka_unit_test(test_an_error_is_one_line_of_text),
        cmocka_unit_test(test_a_long_error_is_cut_between_characters),
        cmocka_unit_test(test_a_damaged_number_is_not_known),
        cmocka_unit_test(test_other_records_are_no_dead_letters),
        cmocka_unit_test(test_the_last_hop_tells_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
