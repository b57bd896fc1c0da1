#include "testing.h"

#include <stdio.h>

#include "readings.h"

static void test_a_record_without_headers_gets_defaults(void **state) {
    const kca_message *m = read_record(*state);
    assert_string_equal(kca_message_name(m), "");
    assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
    assert_string_equal(kca_message_message_id(m), "");
    assert_string_equal(kca_message_correlation_id(m), "");
    assert_int_equal(kca_message_timestamp_ms(m), NOW);
    assert_string_equal(kca_message_origin(m), "Gomes");
    assert_string_equal(kca_message_version(m), "1.0");
    assert_string_equal(kca_message_channel(m), "");
    assert_string_equal(kca_message_reply_to(m), "");
    assert_string_equal(kca_message_traceparent(m), "");
    assert_string_equal(kca_message_tracestate(m), "");
    assert_null(kca_message_payload(m));
    assert_int_equal(kca_message_payload_len(m), 0);
    assert_null(kca_message_key(m));
    assert_headers(m, NULL);
}

static void test_a_payload_that_is_not_json_passes_untouched(void **state) {
    reading *r = *state;
    r->source.record.value = "\0\xff not JSON";
    r->source.record.value_len = 11;
    r->source.record.key = "";
    const kca_message *m = read_record(r);
    assert_ptr_equal(kca_message_payload(m), r->source.record.value);
    assert_int_equal(kca_message_payload_len(m), 11);
    assert_int_equal(kca_message_is_json(m), 0);
    assert_non_null(kca_message_key(m));
    assert_int_equal(kca_message_key_len(m), 0);
}

static void test_header_names_match_by_exact_case(void **state) {
    reading *r = *state;
    add(r, "messageid", "a", "MessageType", "Event", "ROUTE", "b", "replyto", "c", NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_message_id(m), "");
    assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
    assert_headers(m, "messageid", "a", "MessageType", "Event", "ROUTE", "b", "replyto", "c", NULL);
}

static void test_names_as_long_as_the_wires_are_custom(void **state) {
    reading *r = *state;
    add(r, "messageType", "Event", "typo", "1", "routs", "2", "origim", "3", "verzion", "4",
        "replyTu", "5", "messageIq", "6", "timestump", "7", "tracestats", "8", "messageTypo", "9",
        "channelNome", "10", "traceparemt", "11", "replyChannal", "12", "correlationIt", "13",
        "customHeaderz", "14", NULL);
    assert_int_equal(kca_message_header_count(read_record(r)), 14);
}

static void test_types_are_read_and_unknown_ones_are_documents(void **state) {
    static const struct {
        const char *text;
        int type;
    } cases[] = {{"Command", KCA_TYPE_COMMAND},   {"Query", KCA_TYPE_QUERY},
                 {"Event", KCA_TYPE_EVENT},       {"Document", KCA_TYPE_DOCUMENT},
                 {"event", KCA_TYPE_DOCUMENT},    {"Eventful", KCA_TYPE_DOCUMENT},
                 {"Telegram", KCA_TYPE_DOCUMENT}, {"", KCA_TYPE_DOCUMENT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *one;
        reading_setup(&one);
        add(one, "messageType", cases[i].text, NULL);
        assert_int_equal(kca_message_type(read_record(one)), cases[i].type);
        reading_teardown(&one);
    }
}

static int64_t timestamp_of(const char *text, int64_t record_ms) {
    void *one;
    reading_setup(&one);
    reading *r = one;
    r->source.record.timestamp_ms = record_ms;
    if (text)
        record_add(&r->source, "timestamp", text);
    int64_t ms = kca_message_timestamp_ms(read_record(r));
    reading_teardown(&one);
    return ms;
}

static void test_a_timestamp_is_gomes_or_iso(void **state) {
    assert_int_equal(timestamp_of("2026-02-16 10:00:00", 5), TEN);
    assert_int_equal(timestamp_of("2026-02-16T10:00:00.005Z", 5), TEN + 5);
    assert_int_equal(timestamp_of("2026-02-16T12:00:00+02:00", 5), TEN);
}

static void test_without_a_readable_timestamp_the_records_counts_and_then_now(void **state) {
    assert_int_equal(timestamp_of(NULL, 1234), 1234);
    assert_int_equal(timestamp_of("", 1234), 1234);
    assert_int_equal(timestamp_of("yesterday", 1234), 1234);
    assert_int_equal(timestamp_of("0001-01-01 00:00:00", 1234), 1234);
    assert_int_equal(timestamp_of("2026-02-30 10:00:00", 1234), 1234);
    assert_int_equal(timestamp_of("yesterday", 0), 0);
    assert_int_equal(timestamp_of("yesterday", -1), NOW);
    assert_int_equal(timestamp_of(NULL, INT64_MIN), NOW);
    assert_int_equal(timestamp_of(NULL, INT64_MAX), NOW);
}

static void test_of_duplicates_the_last_counts(void **state) {
    reading *r = *state;
    add(r, "route", "first", "a", "1", "b", "2", "route", "last", "a", "3", "c", "4", "a", "5", "b",
        "6", NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_name(m), "last");
    assert_headers(m, "c", "4", "a", "5", "b", "6", NULL);
}

static void test_of_very_many_duplicates_the_last_counts(void **state) {
    enum { MANY = 200000, NAMES = 1000 };
    static char names[NAMES][16];
    kca__header *headers = malloc(MANY * sizeof *headers);
    for (int i = 0; i < NAMES; i++)
        snprintf(names[i], sizeof names[i], "h%d", i);
    for (int i = 0; i < MANY; i++)
        headers[i] = (kca__header){names[i * 7 % NAMES], i < MANY - NAMES ? "old" : "new", 3};
    kca__record record = {.headers = headers, .header_count = MANY, .timestamp_ms = -1};
    kca_message m;
    kca__message_init_inbound(&m);
    kca__translator_read(&m, &record, NOW);
    assert_int_equal(kca_message_header_count(&m), NAMES);
    for (int i = 0; i < NAMES; i++) {
        assert_string_equal(kca_message_header_name(&m, i), names[i * 7 % NAMES]);
        assert_string_equal(kca_message_header_value(&m, i), "new");
    }
    kca__message_clear_inbound(&m);
    free(headers);
}

static void test_empty_values_of_the_wire_count_as_missing(void **state) {
    reading *r = *state;
    add(r, "route", "kept", "route", "", "origin", "", "version", NULL, NULL);
    record_add(&r->source, "messageId", NULL);
    record_add(&r->source, "tenant", "");
    record_add(&r->source, "region", NULL);
    record_add(&r->source, "zone", "eu");
    record_add(&r->source, "zone", "");
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_name(m), "kept");
    assert_string_equal(kca_message_origin(m), "Gomes");
    assert_string_equal(kca_message_version(m), "1.0");
    assert_string_equal(kca_message_message_id(m), "");
    assert_headers(m, "tenant", "", "zone", "", NULL);
}

static void test_binary_custom_headers_keep_their_bytes(void **state) {
    reading *r = *state;
    record_add_bytes(&r->source, "hash", "\0\1\xff\0", 4);
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_header_value_len(m, 0), 4);
    assert_memory_equal(kca_message_header_value(m, 0), "\0\1\xff\0", 5);
}

static void test_texts_end_at_an_embedded_nul(void **state) {
    reading *r = *state;
    record_add_bytes(&r->source, "route", "order\0Created", 13);
    record_add_bytes(&r->source, "origin", "\0abc", 4);
    record_add_bytes(&r->source, "messageId", "\xff\xfe", 2);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_name(m), "order");
    assert_string_equal(kca_message_origin(m), "Gomes");
    assert_string_equal(kca_message_message_id(m), "\xff\xfe");
    assert_headers(m, NULL);
}

static void test_headers_without_a_name_do_no_harm(void **state) {
    reading *r = *state;
    record_add(&r->source, NULL, "no name");
    record_add(&r->source, "", "empty name");
    record_add(&r->source, NULL, NULL);
    const kca_message *m = read_record(r);
    assert_headers(m, "", "empty name", NULL);
    assert_string_equal(kca_message_header(m, ""), "empty name");
}

static void test_a_trace_context_is_read_in_any_case_and_w3cs_wins(void **state) {
    static const struct {
        const char *names[4], *parent, *tracestate;
    } cases[] = {
        {{"traceparent", "tracestate"}, TRACEPARENT, "a=1"},
        {{"Traceparent", "Tracestate"}, TRACEPARENT, "a=1"},
        {{"TRACEPARENT", "traceState"}, TRACEPARENT, "a=1"},
        {{"traceparent", "tracestate", "Traceparent", "Tracestate"}, TRACEPARENT, "a=1"},
        {{"Traceparent", "Tracestate", "traceparent", "tracestate"}, OTHER_TRACEPARENT, "b=2"},
        {{"traceparent", "Tracestate"}, TRACEPARENT, "a=1"},
    };
    static const char *const values[] = {TRACEPARENT, "a=1", OTHER_TRACEPARENT, "b=2"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *one;
        reading_setup(&one);
        for (int n = 0; n < 4 && cases[i].names[n]; n++)
            add(one, cases[i].names[n], values[n], NULL);
        const kca_message *m = read_record(one);
        assert_string_equal(kca_message_traceparent(m), cases[i].parent);
        assert_string_equal(kca_message_tracestate(m), cases[i].tracestate);
        assert_headers(m, NULL);
        reading_teardown(&one);
    }
}

static void test_an_invalid_trace_context_is_dropped(void **state) {
    static const char *const parents[] = {ZERO_TRACEPARENT, "garbage", "", "00-1-2-3"};
    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
        void *one;
        reading_setup(&one);
        add(one, "traceparent", parents[i], "tracestate", "a=1", "Tracestate", "b=2", NULL);
        const kca_message *m = read_record(one);
        assert_string_equal(kca_message_traceparent(m), "");
        assert_string_equal(kca_message_tracestate(m), "");
        assert_headers(m, NULL);
        reading_teardown(&one);
    }
}

static void test_gomes_spelling_stands_in_for_an_invalid_w3c_one(void **state) {
    reading *r = *state;
    add(r, "traceparent", "garbage", "Traceparent", TRACEPARENT, NULL);
    assert_string_equal(kca_message_traceparent(read_record(r)), TRACEPARENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_record_without_headers_gets_defaults, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_payload_that_is_not_json_passes_untouched,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_header_names_match_by_exact_case, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_names_as_long_as_the_wires_are_custom, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_types_are_read_and_unknown_ones_are_documents,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_timestamp_is_gomes_or_iso, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(
            test_without_a_readable_timestamp_the_records_counts_and_then_now, reading_setup,
            reading_teardown),
        cmocka_unit_test_setup_teardown(test_of_duplicates_the_last_counts, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_of_very_many_duplicates_the_last_counts, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_empty_values_of_the_wire_count_as_missing,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_binary_custom_headers_keep_their_bytes, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_texts_end_at_an_embedded_nul, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_headers_without_a_name_do_no_harm, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_trace_context_is_read_in_any_case_and_w3cs_wins,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_an_invalid_trace_context_is_dropped, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_gomes_spelling_stands_in_for_an_invalid_w3c_one,
                                        reading_setup, reading_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
