/* Dead letters in Gomes' envelope: those that the real Gomes wrote, and ours. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "dead_letters.h"
#include "message/wire_time.h"
#include "records.h"

enum { LONGEST_LINE = 1 << 16, GOLDEN = 10, EVENTS = 18 };

/* ---- what Gomes wrote ---- */

typedef struct golden {
    cJSON *json;
    test_record source;
    kca__dead_letter_reading reading;
} golden;

static const char *member(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static int read_lines(const char *name, cJSON **lines, int most) {
    static char line[LONGEST_LINE];
    char path[1000];
    int count = 0;
    snprintf(path, sizeof path, "%s/gomes/%s", KCA_TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); count++) {
        assert_true(count < most);
        lines[count] = cJSON_Parse(line);
        assert_non_null(lines[count]);
    }
    fclose(file);
    return count;
}

static void golden_open(golden *g, cJSON *json) {
    g->json = json;
    record_init(&g->source);
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(json, "headers");
    for (const cJSON *h = headers->child; h; h = h->next->next)
        record_add(&g->source, h->valuestring, h->next->valuestring);
    kca__record *record = &g->source.record;
    record->key = member(json, "key");
    record->key_len = strlen(record->key);
    record->value = member(json, "payload");
    record->value_len = strlen(record->value);
    assert_int_equal(kca__dead_letter_read(&g->reading, record), KCA__DEAD_LETTER_GOMES);
}

static void golden_close(golden *g) {
    kca__dead_letter_reading_clear(&g->reading);
    record_free(&g->source);
    cJSON_Delete(g->json);
}

static void for_each_golden(void (*check)(const golden *g)) {
    cJSON *lines[GOLDEN];
    assert_int_equal(read_lines("dlq.jsonl", lines, GOLDEN), GOLDEN);
    for (int i = 0; i < GOLDEN; i++) {
        golden g;
        golden_open(&g, lines[i]);
        check(&g);
        golden_close(&g);
    }
}

static const char *wire_header(const golden *g, const char *name) {
    const kca__header *given = g->source.given;
    for (int i = 0; i < g->source.count; i++)
        if (strcmp(given[i].name, name) == 0)
            return given[i].value;
    fail_msg("no header %s", name);
    return NULL;
}

static void assert_is_read(const golden *g) {
    const kca__dead_letter *d = &g->reading.letter;
    cJSON *envelope = cJSON_Parse(member(g->json, "payload"));
    const char *payload = strstr(member(g->json, "payload"), "\"Payload\":") + 10;
    const char *end = strstr(payload, ",\"Headers\":");
    assert_bytes(d->value, d->value_len, payload, (size_t)(end - payload));
    assert_bytes(d->key, d->key_len, member(g->json, "key"), strlen(member(g->json, "key")));
    assert_string_equal(d->error_text, member(envelope, "ReasonError"));

    int i = 0;
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(envelope, "Headers");
    for (const cJSON *h = headers->child; h; h = h->next, i++) {
        assert_string_equal(d->headers[i].name, h->string);
        assert_string_equal(d->headers[i].value, h->valuestring);
        assert_int_equal(d->headers[i].value_len, strlen(h->valuestring));
    }
    assert_int_equal(d->header_count, i);
    cJSON_Delete(envelope);

    assert_string_equal(d->topic, ""); /* Gomes' channelName was */
    assert_int_equal(d->partition, -1);
    assert_int_equal(d->offset, -1);
    assert_int_equal(d->timestamp_ms, -1);
    assert_int_equal(d->attempts, 0);
    int64_t time_ms;
    assert_true(kca__wire_time_read(&time_ms, wire_header(g, "timestamp")));
    assert_int_equal(d->time_ms, time_ms);
}

static void test_what_gomes_wrote_is_read(void **state) {
    for_each_golden(assert_is_read);
}

static void assert_is_written_back(const golden *g) {
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, &g->reading.letter, KCA__DEAD_LETTER_GOMES, "gold.dlq"));
    assert_bytes(r.record.value, r.record.value_len, g->source.record.value,
                 g->source.record.value_len);
    assert_bytes(r.record.key, r.record.key_len, g->source.record.key, g->source.record.key_len);
    for (int i = 0; i < g->source.count; i++) {
        const kca__header *h = &g->source.given[i];
        if (strcmp(h->name, "messageId") != 0) /* a new one in Gomes: its fault 10 */
            assert_string_equal(header_of(&r, h->name)->value, h->value);
    }
    kca__dead_letter_record_clear(&r);
}

static void test_what_gomes_wrote_is_written_back_byte_for_byte(void **state) {
    for_each_golden(assert_is_written_back);
}

static const cJSON *event_of(cJSON *const *events, const char *correlation_id) {
    for (int i = 0; i < EVENTS; i++)
        if (strcmp(member(events[i], "key"), correlation_id) == 0)
            return events[i];
    fail_msg("no event %s", correlation_id);
    return NULL;
}

/* From the event that failed; Gomes printed numbers anew. */
static void test_the_failed_event_gives_gomes_envelope_but_exact_numbers(void **state) {
    cJSON *lines[GOLDEN], *events[EVENTS];
    int same = 0;
    assert_int_equal(read_lines("dlq.jsonl", lines, GOLDEN), GOLDEN);
    assert_int_equal(read_lines("events.jsonl", events, EVENTS), EVENTS);
    for (int i = 0; i < GOLDEN; i++) {
        golden g;
        golden_open(&g, lines[i]);
        kca__dead_letter d = g.reading.letter;
        kca__dead_letter_record r;
        d.value = member(event_of(events, member(g.json, "key")), "payload");
        d.value_len = strlen(d.value);
        assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, "gold.dlq"));
        if (strstr(d.value, "9007199254740993")) {
            assert_non_null(memmem(r.record.value, r.record.value_len, d.value, d.value_len));
        } else {
            assert_bytes(r.record.value, r.record.value_len, g.source.record.value,
                         g.source.record.value_len);
            same++;
        }
        kca__dead_letter_record_clear(&r);
        golden_close(&g);
    }
    assert_int_equal(same, 5);
    for (int i = 0; i < EVENTS; i++)
        cJSON_Delete(events[i]);
}

/* ---- what we write ---- */

static void assert_envelope(const kca__dead_letter *d, const char *envelope, const char *payload) {
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, d, KCA__DEAD_LETTER_GOMES, "orders.dead"));
    assert_bytes(r.record.value, r.record.value_len, envelope, strlen(envelope));
    assert_string_equal(header_of(&r, "kca-dead-letter-payload")->value, payload);
    kca__dead_letter_record_clear(&r);
    assert_survives(d, KCA__DEAD_LETTER_GOMES);
}

static void assert_payload(const void *value, size_t len, const char *json, const char *payload) {
    char envelope[1000];
    kca__dead_letter d = dead_letter(NULL, 0);
    d.value = value;
    d.value_len = len;
    snprintf(envelope, sizeof envelope,
             "{\"ReasonError\":\"negative amount\",\"Payload\":%s,\"Headers\":{}}", json);
    assert_envelope(&d, envelope, payload);
}

static void test_json_goes_in_as_it_is(void **state) {
    static const char *const values[] = {"{\"qty\":9007199254740993,\"at\":\"<\\u003c>\"}",
                                         " \n[1e400, -0.0,\t1]\r\n ", "null", "\"text\"", "12"};
    for (int i = 0; i < COUNT_OF(values); i++)
        assert_payload(values[i], strlen(values[i]), values[i], "json");
}

static const char ODD[] = "a\0\"\\\b\f\n\r\t\x1f\x7f&\xe2\x80\xa8\xe2\x80\xa9ção";

static void test_what_is_not_json_goes_in_as_text_or_base64(void **state) {
    assert_payload("<order/>", 8, "\"\\u003corder/\\u003e\"", "text");
    assert_payload(ODD, sizeof ODD - 1,
                   "\"a\\u0000\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u007f\\u0026\\u2028\\u2029ção\"",
                   "text");
    assert_payload("", 0, "\"\"", "text");
    assert_payload("1,\"Headers\":{}", 14, "\"1,\\\"Headers\\\":{}\"", "text");
    assert_payload("\xff", 1, "\"/w==\"", "base64");
    assert_payload("\0\xff\xfe", 3, "\"AP/+\"", "base64");
    assert_payload(NULL, 0, "null", "none");
}

static void test_json_too_deep_for_a_reader_goes_in_as_text(void **state) {
    char value[2000];
    kca__dead_letter d = dead_letter(NULL, 0);
    kca__dead_letter_record r;
    memset(value, '[', 1000);
    memset(value + 1000, ']', 1000);
    for (size_t depth = 999; depth <= 1000; depth++) {
        d.value = value + 1000 - depth;
        d.value_len = 2 * depth;
        assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, NULL));
        assert_string_equal(header_of(&r, "kca-dead-letter-payload")->value,
                            depth < 1000 ? "json" : "text");
        kca__dead_letter_record_clear(&r);
        assert_survives(&d, KCA__DEAD_LETTER_GOMES);
    }
}

static void test_headers_are_texts_by_name(void **state) {
    static const kca__header headers[] = {TEXT("Traceparent", "00-1"), TEXT("a", "<\x00>"),
                                          TEXT("b\"", ""), NOTHING("c"), TEXT("ção", "ção")};
    static const kca__header shuffled[] = {NOTHING("c"), TEXT("ção", "ção"), TEXT("a", "<\x00>"),
                                           TEXT("Traceparent", "00-1"), TEXT("b\"", "")};
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    const char *envelope =
        "{\"ReasonError\":\"negative amount\",\"Payload\":{\"a\":1},\"Headers\":{"
        "\"Traceparent\":\"00-1\",\"a\":\"\\u003c\\u0000\\u003e\",\"b\\\"\":\"\","
        "\"c\":null,\"ção\":\"ção\"}}";
    assert_envelope(&d, envelope, "json");
    d = dead_letter(shuffled, COUNT_OF(shuffled));
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, NULL));
    assert_bytes(r.record.value, r.record.value_len, envelope, strlen(envelope));
    assert_false(has_header(&r, "kca-dead-letter-headers"));
    kca__dead_letter_record_clear(&r);
}

static void test_headers_that_no_map_of_texts_holds_are_kept_beside_it(void **state) {
    static const kca__header twice[] = {TEXT("z", "1"), TEXT("a", "2"), TEXT("z", "3"),
                                        NOTHING("n")};
    static const kca__header binary[] = {TEXT("z", "1"), TEXT("token", "\xff\0"),
                                         TEXT("n\xff", "x")};
    kca__dead_letter d = dead_letter(twice, COUNT_OF(twice));
    kca__dead_letter_record r;
    assert_envelope(&d,
                    "{\"ReasonError\":\"negative amount\",\"Payload\":{\"a\":1},\"Headers\":{"
                    "\"a\":\"2\",\"n\":null,\"z\":\"3\"}}",
                    "json");
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, NULL));
    const kca__header *exact = header_of(&r, "kca-dead-letter-headers");
    static const char bytes[] = "z\0\0\0\0\1"
                                "1\0a\0\0\0\0\1"
                                "2\0z\0\0\0\0\1"
                                "3\0n\0\xff\xff\xff\xff";
    assert_bytes(exact->value, exact->value_len, bytes, sizeof bytes);
    kca__dead_letter_record_clear(&r);

    d = dead_letter(binary, COUNT_OF(binary));
    assert_envelope(&d,
                    "{\"ReasonError\":\"negative amount\",\"Payload\":{\"a\":1},\"Headers\":{"
                    "\"n\\ufffd\":\"x\",\"base64:token\":\"/wA=\",\"z\":\"1\"}}",
                    "json");
}

static void test_the_record_is_one_that_gomes_would_write(void **state) {
    static const kca__header headers[] = {
        TEXT("messageId", "m-1"),     TEXT("messageType", "Event"),  TEXT("correlationId", "c-0"),
        TEXT("correlationId", "c-1"), TEXT("channelName", "orders"), TEXT("route", "orderCreated"),
        TEXT("origin", "shop"),
    };
    static const kca__header expected[] = {
        TEXT("messageId", "m-1"),
        TEXT("messageType", "Document"),
        TEXT("timestamp", "2026-11-23 03:41:24"),
        TEXT("origin", "Gomes"),
        TEXT("version", "1.0"),
        TEXT("correlationId", "c-1"),
        TEXT("channelName", "orders.dead"),
        TEXT("kca-dead-letter-topic", "orders"),
        TEXT("kca-dead-letter-partition", "3"),
        TEXT("kca-dead-letter-offset", "9007199254740993"),
        TEXT("kca-dead-letter-timestamp", "2026-11-23T03:40:00.999Z"),
        TEXT("kca-dead-letter-group", "billing"),
        TEXT("kca-dead-letter-attempts", "4"),
        TEXT("kca-dead-letter-error-name", "ValueError"),
        TEXT("kca-dead-letter-error-text", "negative amount"),
        TEXT("kca-dead-letter-time", "2026-11-23T03:41:24.005Z"),
        TEXT("kca-dead-letter-payload", "json"),
    };
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, "orders.dead"));
    assert_headers_are(r.record.headers, r.record.header_count - 1, expected, COUNT_OF(expected));
    assert_string_equal(r.record.headers[r.record.header_count - 1].name,
                        "kca-dead-letter-headers");
    assert_bytes(r.record.key, r.record.key_len, "k-1", 3);
    kca__dead_letter_record_clear(&r);
    assert_survives(&d, KCA__DEAD_LETTER_GOMES);
}

static void test_a_message_without_ids_gets_fresh_ones(void **state) {
    static const kca__header headers[] = {TEXT("messageId", ""), NOTHING("correlationId")};
    kca__dead_letter d = dead_letter(headers, COUNT_OF(headers));
    kca__dead_letter_record r;
    assert_true(kca__dead_letter_write(&r, &d, KCA__DEAD_LETTER_GOMES, "orders.dead"));
    const kca__header *id = header_of(&r, "messageId"), *other = header_of(&r, "correlationId");
    assert_int_equal(strlen(id->value), 36);
    assert_int_equal(id->value_len, 36);
    assert_int_equal(strlen(other->value), 36);
    assert_string_not_equal(id->value, other->value);
    kca__dead_letter_record_clear(&r);
}

/* ---- reading what is unusual or damaged ---- */

static int read_value(kca__dead_letter_reading *out, const char *value, kca__header *headers,
                      int count) {
    kca__record record = {
        .value = value, .value_len = strlen(value), .headers = headers, .header_count = count};
    return kca__dead_letter_read(out, &record);
}

static void test_an_envelope_may_be_printed_in_any_way(void **state) {
    static const kca__header expected[] = {
        TEXT("a\xf0\x9f\x92\xa5", "\xc3\xa7\n/"), TEXT("n", "9007199254740993"), NOTHING("x"),
        TEXT("o", "{\"b\": [1]}"), TEXT("channelName", "orders")};
    kca__dead_letter_reading reading;
    int format = read_value(&reading,
                            " {\n \"Headers\" : { \"a\\uD83d\\udca5\" : \"\\u00e7\\n\\/\","
                            " \"n\":9007199254740993 , \"x\":null, \"o\":{\"b\": [1]},"
                            " \"channelName\":\"orders\" },"
                            " \"Other\": {\"Payload\": 7}, \"Payload\" : [ 1 ] ,"
                            " \"ReasonError\" : \"\\u20ac\" } ",
                            NULL, 0);
    assert_int_equal(format, KCA__DEAD_LETTER_GOMES);
    assert_bytes(reading.letter.value, reading.letter.value_len, "[ 1 ]", 5);
    assert_headers_are(reading.letter.headers, reading.letter.header_count, expected,
                       COUNT_OF(expected));
    assert_string_equal(reading.letter.error_text, "€");
    assert_string_equal(reading.letter.topic, "orders");
    kca__dead_letter_reading_clear(&reading);

    assert_int_equal(
        read_value(&reading, "{\"ReasonError\":\"\",\"Payload\":1,\"Headers\":null}", NULL, 0),
        KCA__DEAD_LETTER_GOMES);
    assert_int_equal(reading.letter.header_count, 0);
    assert_int_equal(reading.letter.time_ms, -1);
    kca__dead_letter_reading_clear(&reading);
}

static void test_a_damaged_dead_letter_of_ours_is_none(void **state) {
    static const char *const bad_payloads[] = {"text", "base64", "other", ""};
    const char *value = "{\"ReasonError\":\"\",\"Payload\":1,\"Headers\":{}}";
    const char *text = "{\"ReasonError\":\"\",\"Payload\":\"a===\",\"Headers\":{}}";
    kca__header headers[] = {TEXT("kca-dead-letter-topic", "orders"),
                             TEXT("kca-dead-letter-payload", "json"),
                             TEXT("kca-dead-letter-headers", "a\0\0\0\0\1x")};
    kca__dead_letter_reading reading;
    assert_int_equal(read_value(&reading, "{", headers, 2), KCA__DEAD_LETTER_NONE);
    assert_int_equal(read_value(&reading, value, headers, 3), KCA__DEAD_LETTER_NONE);
    for (int i = 0; i < COUNT_OF(bad_payloads); i++) {
        headers[1].value = bad_payloads[i];
        assert_int_equal(read_value(&reading, value, headers, 2), KCA__DEAD_LETTER_NONE);
    }
    headers[1].value = "base64";
    assert_int_equal(read_value(&reading, text, headers, 2), KCA__DEAD_LETTER_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_gomes_wrote_is_read),
        cmocka_unit_test(test_what_gomes_wrote_is_written_back_byte_for_byte),
        cmocka_unit_test(test_the_failed_event_gives_gomes_envelope_but_exact_numbers),
        cmocka_unit_test(test_json_goes_in_as_it_is),
        cmocka_unit_test(test_what_is_not_json_goes_in_as_text_or_base64),
        cmocka_unit_test(test_json_too_deep_for_a_reader_goes_in_as_text),
        cmocka_unit_test(test_headers_are_texts_by_name),
        cmocka_unit_test(test_headers_that_no_map_of_texts_holds_are_kept_beside_it),
        cmocka_unit_test(test_the_record_is_one_that_gomes_would_write),
        cmocka_unit_test(test_a_message_without_ids_gets_fresh_ones),
        cmocka_unit_test(test_an_envelope_may_be_printed_in_any_way),
        cmocka_unit_test(test_a_damaged_dead_letter_of_ours_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
