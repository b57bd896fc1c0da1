/* Dead letters for tests: a failed record, what is written for it, and that read back. Include
 * cmocka.h first. */
#ifndef KCA_TESTS_DEAD_LETTERS_H
#define KCA_TESTS_DEAD_LETTERS_H

#include <string.h>

#include "dead_letter/dead_letter.h"

static const int64_t FAILED_AT = 1795405284005;  /* 2026-11-23T03:41:24.005Z */
static const int64_t WRITTEN_AT = 1795405200999; /* 2026-11-23T03:40:00.999Z */

/* A header with a text; one with bytes given as a literal. */
#define TEXT(name, text)                                                                           \
    { name, text, sizeof(text) - 1 }
#define NOTHING(name)                                                                              \
    { name, NULL, 0 }
#define COUNT_OF(array)    ((int)(sizeof(array) / sizeof(array)[0]))
#define WITH_HEADERS(list) .headers = list, .header_count = COUNT_OF(list)

static inline kca__dead_letter dead_letter(const kca__header *headers, int count) {
    return (kca__dead_letter){
        .key = "k-1",
        .key_len = 3,
        .value = "{\"a\":1}",
        .value_len = 7,
        .headers = headers,
        .header_count = count,
        .topic = "orders",
        .partition = 3,
        .offset = INT64_C(9007199254740993),
        .timestamp_ms = WRITTEN_AT,
        .group = "billing",
        .attempts = 4,
        .error_name = "ValueError",
        .error_text = "negative amount",
        .time_ms = FAILED_AT,
    };
}

static inline void assert_bytes(const void *bytes, size_t len, const void *expected,
                                size_t expected_len) {
    assert_int_equal(bytes != NULL, expected != NULL);
    assert_int_equal(len, expected_len);
    if (len > 0)
        assert_memory_equal(bytes, expected, len);
}

static inline void assert_headers_are(const kca__header *headers, int count,
                                      const kca__header *expected, int expected_count) {
    for (int i = 0; i < count && i < expected_count; i++) {
        assert_string_equal(headers[i].name, expected[i].name);
        assert_bytes(headers[i].value, headers[i].value_len, expected[i].value,
                     expected[i].value_len);
        if (headers[i].value)
            assert_int_equal(headers[i].value[headers[i].value_len], '\0');
    }
    assert_int_equal(count, expected_count);
}

/* The last header of this name; fails without. */
static inline const kca__header *header_of(const kca__dead_letter_record *r, const char *name) {
    for (int i = r->record.header_count - 1; i >= 0; i--)
        if (strcmp(r->record.headers[i].name, name) == 0)
            return &r->record.headers[i];
    fail_msg("no header %s", name);
    return NULL;
}

static inline bool has_header(const kca__dead_letter_record *r, const char *name) {
    for (int i = 0; i < r->record.header_count; i++)
        if (strcmp(r->record.headers[i].name, name) == 0)
            return true;
    return false;
}

/* Reads what was written and checks that it is in this format. */
static inline void read_back(kca__dead_letter_reading *out, const kca__dead_letter_record *r,
                             int format) {
    assert_int_equal(kca__dead_letter_read(out, &r->record), format);
}

static inline void assert_source_is(const kca__dead_letter *d, const kca__dead_letter *expected) {
    assert_string_equal(d->topic, expected->topic);
    assert_int_equal(d->partition, expected->partition);
    assert_int_equal(d->offset, expected->offset);
    assert_int_equal(d->timestamp_ms, expected->timestamp_ms);
    assert_string_equal(d->group, expected->group);
    assert_int_equal(d->attempts, expected->attempts);
    assert_string_equal(d->error_name, expected->error_name);
    assert_string_equal(d->error_text, expected->error_text);
    assert_int_equal(d->time_ms, expected->time_ms);
}

static inline void assert_record_is(const kca__dead_letter *d, const kca__dead_letter *expected) {
    assert_bytes(d->key, d->key_len, expected->key, expected->key_len);
    assert_bytes(d->value, d->value_len, expected->value, expected->value_len);
    assert_headers_are(d->headers, d->header_count, expected->headers, expected->header_count);
}

/* Writes, reads back, and checks that nothing is lost. */
static inline void assert_survives(const kca__dead_letter *d, int format) {
    kca__dead_letter_record written;
    kca__dead_letter_reading reading;
    assert_true(kca__dead_letter_write(&written, d, format, "orders.dead"));
    read_back(&reading, &written, format);
    assert_record_is(&reading.letter, d);
    assert_source_is(&reading.letter, d);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&written);
}

#endif
