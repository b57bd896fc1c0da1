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

static void test_a_timestamp_is_gomes_or_iso_or_milliseconds(void **state) {
    assert_int_equal(timestamp_of("2026-02-16 10:00:00", 5), TEN);
    assert_int_equal(timestamp_of("2026-02-16T10:00:00.005Z", 5), TEN + 5);
    assert_int_equal(timestamp_of("2026-02-16T12:00:00+02:00", 5), TEN);
    assert_int_equal(timestamp_of("1771236000000", 5), TEN);
    assert_int_equal(timestamp_of("1771236000", 5), 5); /* seconds? */
    assert_int_equal(timestamp_of("253402300800000", 5), 5);
    assert_int_equal(timestamp_of("-1771236000000", 5), 5);
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
    assert_string_equal(kca_message_header(m, "a"), "5");
    assert_string_equal(kca_message_header(m, "b"), "6");
    assert_headers(m, "a", "1", "b", "2", "a", "3", "c", "4", "a", "5", "b", "6", NULL);
}

static void test_empty_values_of_the_wire_count_as_missing(void **state) {
    reading *r = *state;
    add(r, "route", "kept", "route", "", "origin", "", NULL);
    record_add(&r->source, "version", NULL);
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
    assert_headers(m, "version", NULL, "messageId", NULL, "tenant", "", "region", NULL, "zone",
                   "eu", "zone", "", NULL);
}

static void test_binary_custom_headers_keep_their_bytes(void **state) {
    reading *r = *state;
    record_add_bytes(&r->source, "hash", "\0\1\xff\0", 4);
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_header_value_len(m, 0), 4);
    assert_memory_equal(kca_message_header_value(m, 0), "\0\1\xff\0", 5);
}

static void test_what_has_only_the_name_of_a_wire_header_stays_a_custom_one(void **state) {
    static const struct {
        const char *name, *value;
        size_t len;
    } strangers[] = {{"route", "order\0Created", 13},
                     {"route", "caf\xe9", 4},
                     {"origin", "\0abc", 4},
                     {"messageId", "\x01\x9b\0\xff", 4},
                     {"messageId", "\0", 1},
                     {"correlationId", "\xff\xfe", 2},
                     {"version", "\0\0\0\1", 4},
                     {"replyTo", "\xed\xa0\x80", 3},
                     {"channelName", "\xc0\x80", 2},
                     {"messageType", "com.acme.Order", 14},
                     {"messageType", "event", 5},
                     {"timestamp", "yesterday", 9},
                     {"timestamp", "1700000000000", 13},
                     {"timestamp", "\0\0\1\x8b\xcf\xe5\x68\0", 8},
                     {"traceparent", "00-1-2-3", 8},
                     {"Traceparent", ZERO_TRACEPARENT, 55},
                     {"type", "OrderCreated", 12},
                     {"type", "Event", 5},
                     {"replyChannel", "temp", 4},
                     {"customHeaders", "{}", 2},
                     {"route", NULL, 0}};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        void *one;
        reading_setup(&one);
        record_add_bytes(&((reading *)one)->source, strangers[i].name, strangers[i].value,
                         strangers[i].len);
        const kca_message *m = read_record(one);
        for (int text = 0; text < KCA__MESSAGE_TEXTS; text++)
            assert_string_equal(m->texts[text], kca__message_default_text(text));
        assert_int_equal(kca_message_type(m), KCA_TYPE_DOCUMENT);
        assert_headers(m, strangers[i].name, strangers[i].value, NULL);
        assert_int_equal(kca_message_header_value_len(m, 0), strangers[i].len);
        if (strangers[i].value)
            assert_memory_equal(kca_message_header_value(m, 0), strangers[i].value,
                                strangers[i].len);
        reading_teardown(&one);
    }
}

static void test_a_strangers_header_does_not_hide_the_wires(void **state) {
    reading *r = *state;
    add(r, "messageType", "Event", "messageType", "com.acme.Order", "route", "orderCreated", NULL);
    record_add_bytes(&r->source, "route", "\xff", 1);
    const kca_message *m = read_record(r);
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    assert_string_equal(kca_message_name(m), "orderCreated");
    assert_headers(m, "messageType", "com.acme.Order", "route", "\xff", NULL);
}

static void test_an_id_is_known_by_its_bytes(void **state) {
    size_t len;
    reading *r = *state;
    assert_null(kca__message_identity(&len, read_record(r)));
    record_add_bytes(&r->source, "messageId", "\1\0\2", 3);
    const kca_message *m = read_record(r);
    assert_memory_equal(kca__message_identity(&len, m), "\1\0\2", 3);
    assert_int_equal(len, 3);
    record_add(&r->source, "messageId", "id-1");
    r->source.record.header_count = r->source.count;
    assert_string_equal(kca__message_identity(&len, read_record(r)), "id-1");
    assert_int_equal(len, 4);
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

static void test_a_trace_context_is_read_in_any_case_and_gomes_is_the_fresher(void **state) {
    static const struct {
        const char *names[4], *parent, *tracestate;
    } cases[] = {
        {{"traceparent", "tracestate"}, TRACEPARENT, "a=1"},
        {{"Traceparent", "Tracestate"}, TRACEPARENT, "a=1"},
        {{"TRACEPARENT", "traceState"}, TRACEPARENT, "a=1"},
        {{"traceparent", "tracestate", "Traceparent", "Tracestate"}, OTHER_TRACEPARENT, "b=2"},
        {{"Traceparent", "Tracestate", "traceparent", "tracestate"}, TRACEPARENT, "a=1"},
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

static void test_an_invalid_traceparent_is_no_context(void **state) {
    static const char *const parents[] = {ZERO_TRACEPARENT, "garbage", "00-1-2-3"};
    for (size_t i = 0; i < sizeof parents / sizeof parents[0]; i++) {
        void *one;
        reading_setup(&one);
        add(one, "traceparent", parents[i], "tracestate", "a=1", "Tracestate", "b=2", NULL);
        const kca_message *m = read_record(one);
        assert_string_equal(kca_message_traceparent(m), "");
        assert_string_equal(kca_message_tracestate(m), "");
        assert_headers(m, "traceparent", parents[i], NULL);
        reading_teardown(&one);
    }
}

/* What kca itself wrote: Gomes' spelling has fewer flags, and W3C's all. */
static void test_spellings_that_differ_by_masked_flags_are_one_context(void **state) {
    reading *r = *state;
    add(r, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", "Traceparent",
        TRACEPARENT, "tracestate", "a=1", "Tracestate", "a=1", NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_traceparent(m),
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03");
    assert_string_equal(kca_message_tracestate(m), "a=1");
}

static void test_a_fresher_context_comes_without_the_older_ones_state(void **state) {
    reading *r = *state;
    add(r, "traceparent", TRACEPARENT, "tracestate", "a=1", "Traceparent", OTHER_TRACEPARENT, NULL);
    const kca_message *m = read_record(r);
    assert_string_equal(kca_message_traceparent(m), OTHER_TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "");
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
        cmocka_unit_test_setup_teardown(test_a_timestamp_is_gomes_or_iso_or_milliseconds,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(
            test_without_a_readable_timestamp_the_records_counts_and_then_now, reading_setup,
            reading_teardown),
        cmocka_unit_test_setup_teardown(test_of_duplicates_the_last_counts, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_empty_values_of_the_wire_count_as_missing,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_binary_custom_headers_keep_their_bytes, reading_setup,
                                        reading_teardown),
        cmocka_unit_test(test_what_has_only_the_name_of_a_wire_header_stays_a_custom_one),
        cmocka_unit_test_setup_teardown(test_a_strangers_header_does_not_hide_the_wires,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_an_id_is_known_by_its_bytes, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_headers_without_a_name_do_no_harm, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_trace_context_is_read_in_any_case_and_gomes_is_the_fresher, reading_setup,
            reading_teardown),
        cmocka_unit_test(test_an_invalid_traceparent_is_no_context),
        cmocka_unit_test_setup_teardown(test_spellings_that_differ_by_masked_flags_are_one_context,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_fresher_context_comes_without_the_older_ones_state,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_gomes_spelling_stands_in_for_an_invalid_w3c_one,
                                        reading_setup, reading_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
