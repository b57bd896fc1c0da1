/* Dead letters that the real libraries wrote to a real broker (tests/foreign/write_letters): read,
 * and compared with the records that failed. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/base64.h"
#include "dead_letters.h"

enum { LONGEST_LINE = 1 << 17, MOST_HEADERS = 64 };

/* A record of a line; its bytes are the JSON's own texts, decoded in place. */
typedef struct a_record {
    kca__record record;
    kca__header headers[MOST_HEADERS];
} a_record;

static const cJSON *member(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    assert_non_null(item);
    return item;
}

static const char *text(const cJSON *json, const char *name) {
    return member(json, name)->valuestring;
}

/* Null stays NULL. */
static const char *decoded(size_t *len, const cJSON *item) {
    char *bytes = item->valuestring;
    *len = 0;
    if (!bytes)
        return NULL;
    assert_true(kca__base64_read(bytes, len, &kca__base64_standard, bytes, strlen(bytes)));
    bytes[*len] = '\0';
    return bytes;
}

static void take_record(a_record *out, const cJSON *json) {
    memset(out, 0, sizeof *out);
    out->record.key = decoded(&out->record.key_len, member(json, "key"));
    out->record.value = decoded(&out->record.value_len, member(json, "value"));
    out->record.timestamp_ms = (int64_t)member(json, "timestamp_ms")->valuedouble;
    out->record.headers = out->headers;
    for (const cJSON *pair = member(json, "headers")->child; pair; pair = pair->next) {
        kca__header *h = &out->headers[out->record.header_count++];
        assert_in_range(out->record.header_count, 1, MOST_HEADERS);
        h->name = pair->child->valuestring;
        h->value = decoded(&h->value_len, pair->child->next);
    }
}

static void assert_is_original(const kca__dead_letter *d, const a_record *original) {
    const kca__record *r = &original->record;
    assert_bytes(d->key, d->key_len, r->key, r->key_len);
    assert_bytes(d->value, d->value_len, r->value, r->value_len);
    assert_headers_are(d->headers, d->header_count, r->headers, r->header_count);
}

/* Spring says the record's time; Connect gives its letter that time. */
static int64_t time_of(const kca__dead_letter *d, const a_record *letter) {
    return d->timestamp_ms >= 0 ? d->timestamp_ms : letter->record.timestamp_ms;
}

static void assert_line_is_read(const cJSON *json, const char *house) {
    const cJSON *place = member(json, "original"), *why = member(json, "why");
    a_record original, letter;
    kca__dead_letter_reading reading;
    take_record(&original, place);
    take_record(&letter, member(json, "letter"));
    assert_in_range(kca__dead_letter_read(&reading, &letter.record), 0, KCA__DEAD_LETTER_FOREIGN);
    const kca__dead_letter *d = &reading.letter;
    assert_string_equal(reading.house, house);
    assert_false(reading.is_ours);
    assert_string_equal(d->topic, text(place, "topic"));
    assert_int_equal(d->partition, member(place, "partition")->valueint);
    assert_int_equal(d->offset, member(place, "offset")->valueint);
    assert_int_equal(time_of(d, &letter), original.record.timestamp_ms);
    assert_string_equal(d->group, text(why, "group"));
    assert_int_equal(d->attempts, member(why, "attempts")->valueint);
    assert_string_equal(d->error_name, text(why, "error_name"));
    assert_non_null(strstr(d->error_text, text(why, "text")));
    assert_is_original(d, &original);
    kca__dead_letter_reading_clear(&reading);
}

static void assert_file_is_read(const char *name, const char *house, int lines) {
    static char line[LONGEST_LINE];
    char path[1000];
    snprintf(path, sizeof path, "%s/dead_letters/%s.jsonl", KCA_TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); lines--) {
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        assert_line_is_read(json, house);
        cJSON_Delete(json);
    }
    fclose(file);
    assert_int_equal(lines, 0);
}

static void test_springs_own_letters_go_back_as_they_were(void **state) {
    assert_file_is_read("spring", "spring", 2);
}

static void test_letters_of_springs_retry_topics_go_back_as_they_were(void **state) {
    assert_file_is_read("spring-retry", "spring-retry", 2);
}

static void test_what_spring_could_not_deserialize_goes_back_as_it_was(void **state) {
    assert_file_is_read("spring-typed", "spring", 2);
}

static void test_letters_of_connect_go_back_as_they_were(void **state) {
    assert_file_is_read("connect", "kafka-connect", 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_springs_own_letters_go_back_as_they_were),
        cmocka_unit_test(test_letters_of_springs_retry_topics_go_back_as_they_were),
        cmocka_unit_test(test_what_spring_could_not_deserialize_goes_back_as_it_was),
        cmocka_unit_test(test_letters_of_connect_go_back_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
