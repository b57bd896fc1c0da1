#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "messages.h"

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void test_headers_keep_their_order_and_replace_by_name(void **state) {
    kca_message *m = new_message("orderCreated");
    for (int i = 0; i < 50; i++) {
        char name[16], value[16];
        snprintf(name, sizeof name, "h%d", i);
        snprintf(value, sizeof value, "v%d", i);
        kca_message_set_header(m, name, value);
    }
    kca_message_set_header(m, "h7", "a much longer value than it had before");
    kca_message_set_header(m, "h20", NULL);
    kca_message_set_header(m, "h21", "");
    kca_message_set_header(m, "never set", NULL);
    kca_message_set_header(m, "H7", "names differ by case");

    assert_null(kca_message_error(m));
    assert_int_equal(kca_message_header_count(m), 49);
    assert_string_equal(kca_message_header_name(m, 0), "h0");
    assert_string_equal(kca_message_header_value(m, 7), "a much longer value than it had before");
    assert_string_equal(kca_message_header_name(m, 20), "h22");
    assert_string_equal(kca_message_header_value(m, 20), "v22");
    assert_string_equal(kca_message_header_name(m, 48), "H7");
    assert_null(kca_message_header(m, "h20"));
    kca_message_free(m);
}

static void test_a_binary_header_keeps_its_bytes(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_binary_header(m, "hash", "\0\1\xff\0", 4);
    assert_int_equal(kca_message_header_value_len(m, 0), 4);
    assert_memory_equal(kca_message_header_value(m, 0), "\0\1\xff\0", 5);
    kca_message_set_binary_header(m, "hash", "", 0);
    assert_non_null(kca_message_header_value(m, 0));
    assert_int_equal(kca_message_header_value_len(m, 0), 0);
    kca_message_set_binary_header(m, "hash", NULL, 0);
    assert_int_equal(kca_message_header_count(m), 0);
    assert_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_a_header_index_out_of_range_gives_nothing(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_header(m, "tenant", "acme");
    static const int indexes[] = {-1, 1, 2, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
        assert_null(kca_message_header_name(m, indexes[i]));
        assert_null(kca_message_header_value(m, indexes[i]));
        assert_int_equal(kca_message_header_value_len(m, indexes[i]), 0);
    }
    assert_null(kca_message_header(m, "other"));
    assert_null(kca_message_header(m, NULL));
    kca_message_free(m);
}

static void test_header_names_have_1_to_1000_characters(void **state) {
    char name[1002];
    memset(name, 'n', sizeof name);
    name[1000] = '\0';
    kca_message *m = new_message("orderCreated");
    kca_message_set_header(m, name, "v");
    assert_null(kca_message_error(m));
    name[1000] = 'n';
    name[1001] = '\0';
    kca_message_set_header(m, name, "v");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message orderCreated: header name must be 1 to 1000 characters, got 1001");

    m = new_message("orderCreated");
    kca_message_set_header(m, "", "v");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message orderCreated: header name must be 1 to 1000 characters, got 0");

    m = new_message(NULL);
    kca_message_set_header(m, NULL, "v");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message: header name must be 1 to 1000 characters, got 0");

    m = new_message("orderCreated");
    kca_message_set_header(m, "two\nlines", "v");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message orderCreated: header name must be without control characters, got one "
                  "(code 10) at offset 3 in \"two\\nlines\"");
}

static void test_the_wires_own_names_are_refused_with_the_field_to_use(void **state) {
    static const struct {
        const char *name, *value, *field;
    } cases[] = {
        {"messageId", "v", "message_id"},
        {"messageType", "Event", "type"},
        {"timestamp", "2026-02-16 10:00:00", "timestamp_ms"},
        {"origin", "v", "origin"},
        {"version", "v", "version"},
        {"correlationId", "v", "correlation_id"},
        {"route", "v", "name"},
        {"channelName", "v", "the publisher's topic"},
        {"replyTo", "v", "reply_to"},
        {"traceparent", PARENT, "trace_context"},
        {"Traceparent", PARENT, "trace_context"},
        {"TRACESTATE", "v", "trace_context"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "message m: header %s belongs to the wire: set %s instead",
                 cases[i].name, cases[i].field);
        kca_message *m = new_message("m");
        kca_message_set_header(m, cases[i].name, cases[i].value);
        assert_int_equal(kca_message_header_count(m), 0);
        assert_failed(m, KCA_ERROR_ARGUMENT, text);

        m = new_message("m");
        kca_message_add_header(m, cases[i].name, "", 0);
        assert_failed(m, KCA_ERROR_ARGUMENT, text);
    }
}

/* So a handler can publish on what a stranger sent, whatever it is. */
static void test_a_header_that_has_only_the_name_of_the_wires_goes_on(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_header(m, "messageType", "com.acme.Order");
    kca_message_set_header(m, "timestamp", "1700000000000");
    kca_message_set_header(m, "traceparent", "garbage");
    kca_message_set_binary_header(m, "messageId", "\0\xff", 2);
    kca_message_set_binary_header(m, "route", "caf\xe9", 4);
    kca_message_add_header(m, "origin", NULL, 0);
    assert_null(kca_message_error(m));
    assert_int_equal(kca_message_header_count(m), 6);
    kca_message_free(m);
}

static void test_several_headers_of_a_name_and_some_without_a_value(void **state) {
    kca_message *m = new_message("m");
    kca_message_add_header(m, "x", "1", 1);
    kca_message_add_header(m, "y", "", 0);
    kca_message_add_header(m, "x", NULL, 0);
    kca_message_add_header(m, "x", "3", 1);
    assert_int_equal(kca_message_header_count(m), 4);
    assert_null(kca_message_header_value(m, 2));
    assert_non_null(kca_message_header_value(m, 1));
    assert_string_equal(kca_message_header(m, "x"), "3");
    kca_message_set_header(m, "x", "all");
    assert_int_equal(kca_message_header_count(m), 2);
    assert_string_equal(kca_message_header_value(m, 0), "all");
    assert_string_equal(kca_message_header_name(m, 1), "y");
    kca_message_add_header(m, "x", "more", 4);
    kca_message_set_header(m, "x", NULL);
    assert_int_equal(kca_message_header_count(m), 1);
    assert_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_names_are_utf8(void **state) {
    kca_message *m = new_message("m");
    kca_message_add_header(m, "caf\xe9", "v", 1);
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: header name must be UTF-8, got the byte 0xe9 at offset 3 in "
                  "\"caf\\xe9\"");
}

static void test_names_like_the_wires_are_free(void **state) {
    static const char *const names[] = {
        "MessageId",     "messageid", "Route",     "routes",       "type", "replyChannel",
        "customHeaders", "replyto",   "tracepath", "traceparents", "x",    "é"};
    kca_message *m = new_message("m");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        kca_message_set_header(m, names[i], "v");
    assert_null(kca_message_error(m));
    assert_int_equal(kca_message_header_count(m), sizeof names / sizeof names[0]);
    kca_message_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_keep_their_order_and_replace_by_name),
        cmocka_unit_test(test_a_binary_header_keeps_its_bytes),
        cmocka_unit_test(test_a_header_index_out_of_range_gives_nothing),
        cmocka_unit_test(test_header_names_have_1_to_1000_characters),
        cmocka_unit_test(test_the_wires_own_names_are_refused_with_the_field_to_use),
        cmocka_unit_test(test_a_header_that_has_only_the_name_of_the_wires_goes_on),
        cmocka_unit_test(test_several_headers_of_a_name_and_some_without_a_value),
        cmocka_unit_test(test_names_are_utf8),
        cmocka_unit_test(test_names_like_the_wires_are_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
