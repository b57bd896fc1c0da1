/* The wire before 2026-02-15. */
#include "testing.h"

#include <stdio.h>

#include "readings.h"

static void add_old(reading *r, const char *custom_headers) {
    add(r, "messageId", "id-1", "type", "Command", "timestamp", "2026-02-16 10:00:00", "origin",
        "billing", "version", "2.1", "correlationId", "corr-1", "route", "orderCreated",
        "channelName", "orders", "replyChannel", "replies", "customHeaders", custom_headers, NULL);
}

static void test_the_old_wire_is_read(void **state) {
    reading *r = *state;
    add_old(r, "{\"tenant\":\"acme\",\"note\":\"\\u00e9 \\\"q\\\"\",\"empty\":\"\"}");
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_type(m), KCA_TYPE_COMMAND);
    assert_string_equal(kca_message_reply_to(m), "replies");
    assert_string_equal(kca_message_message_id(m), "id-1");
    assert_string_equal(kca_message_correlation_id(m), "corr-1");
    assert_string_equal(kca_message_name(m), "orderCreated");
    assert_string_equal(kca_message_channel(m), "orders");
    assert_string_equal(kca_message_origin(m), "billing");
    assert_string_equal(kca_message_version(m), "2.1");
    assert_int_equal(kca_message_timestamp_ms(m), TEN);
    assert_headers(m, "tenant", "acme", "note", "\xc3\xa9 \"q\"", NULL);
}

static void test_members_that_are_no_strings_come_as_their_json(void **state) {
    reading *r = *state;
    add_old(
        r,
        " { \"n\" : 9007199254740993 , \"f\":1.50,\"t\":true,\"z\":null,\"a\":[1, {\"b\":\"]\"}],"
        "\"o\":{ \"x\":\"}\" },\"s\":\"last\"}");
    assert_headers(read_record(r), "n", "9007199254740993", "f", "1.50", "t", "true", "z", "null",
                   "a", "[1, {\"b\":\"]\"}]", "o", "{ \"x\":\"}\" }", "s", "last", NULL);
}

static void test_more_members_than_the_record_has_headers(void **state) {
    reading *r = *state;
    char json[4000] = "{\"h0\":\"v0\"";
    for (int i = 1; i < 100; i++)
        sprintf(json + strlen(json), ",\"h%d\":\"v%d\"", i, i);
    strcat(json, ",\"own\":\"member\"}");
    add(r, "type", "Event", "own", "header", "customHeaders", json, NULL);
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_header_count(m), 102);
    assert_string_equal(kca_message_header(m, "h0"), "v0");
    assert_string_equal(kca_message_header(m, "h99"), "v99");
    assert_string_equal(kca_message_header(m, "own"), "member");
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
}

static void test_no_custom_headers_in_the_old_wire(void **state) {
    static const char *const texts[] = {"{}", "null", " { } ", ""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        void *one;
        reading_setup(&one);
        add_old(one, texts[i]);
        assert_headers(read_record(one), NULL);
        reading_teardown(&one);
    }
}

static void test_unreadable_custom_headers_stay_a_header(void **state) {
    static const char *const texts[] = {"{", "[1]", "\"text\"", "5", "{\"a\":1}x", "{\"a\":01}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        void *one;
        reading_setup(&one);
        add_old(one, texts[i]);
        assert_headers(read_record(one), "customHeaders", texts[i], NULL);
        reading_teardown(&one);
    }
}

static void test_wire_names_among_the_members_fill_gaps_only(void **state) {
    reading *r = *state;
    add(r, "type", "Event", "route", "orderCreated", "customHeaders",
        "{\"route\":\"other\",\"messageId\":\"id-1\",\"Traceparent\":\"" TRACEPARENT
        "\",\"Tracestate\":\"a=1\",\"messageType\":\"Query\",\"type\":\"kept\"}",
        NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_name(m), "orderCreated");
    assert_string_equal(kca_message_message_id(m), "id-1");
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "a=1");
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    assert_headers(m, "type", "kept", NULL);
}

static void test_a_reply_channel_of_the_new_wire_comes_first(void **state) {
    reading *r = *state;
    add(r, "type", "Event", "replyTo", "new", "replyChannel", "old", "customHeaders", "", NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_reply_to(m), "new");
    assert_headers(m, NULL);
}

static void test_in_the_new_wire_the_old_names_are_custom(void **state) {
    reading *r = *state;
    add(r, "messageType", "Event", "type", "pizza", "replyChannel", "5", "customHeaders",
        "{\"a\":\"1\"}", NULL);
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    assert_string_equal(kca_message_reply_to(m), "");
    assert_headers(m, "type", "pizza", "replyChannel", "5", "customHeaders", "{\"a\":\"1\"}", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_old_wire_is_read, reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_members_that_are_no_strings_come_as_their_json,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_more_members_than_the_record_has_headers,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_no_custom_headers_in_the_old_wire, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_unreadable_custom_headers_stay_a_header, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_wire_names_among_the_members_fill_gaps_only,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_channel_of_the_new_wire_comes_first,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_in_the_new_wire_the_old_names_are_custom,
                                        reading_setup, reading_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
