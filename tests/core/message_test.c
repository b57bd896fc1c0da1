#include "testing.h"

#include <string.h>

#include "message/translator.h"
#include "message/wire_time.h"
#include "messages.h"

#define TRACEPARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void test_a_new_message_has_a_name_and_defaults(void **state) {
    kca_message *m = new_message("orderCreated");
    assert_string_equal(kca_message_name(m), "orderCreated");
    assert_int_equal(kca_message_type(m), KCA_TYPE_NONE);
    assert_string_equal(kca_message_message_id(m), "");
    assert_string_equal(kca_message_correlation_id(m), "");
    assert_int_equal(kca_message_timestamp_ms(m), -1);
    assert_string_equal(kca_message_origin(m), "Gomes");
    assert_string_equal(kca_message_version(m), "1.0");
    assert_string_equal(kca_message_channel(m), "");
    assert_string_equal(kca_message_reply_to(m), "");
    assert_string_equal(kca_message_traceparent(m), "");
    assert_null(kca_message_payload(m));
    assert_null(kca_message_key(m));
    assert_int_equal(kca_message_header_count(m), 0);
    assert_null(kca_message_error(m));
    kca_message_free(m);

    m = new_message(NULL);
    assert_string_equal(kca_message_name(m), "");
    kca_message_free(m);
}

static void test_setters_copy_what_they_are_given(void **state) {
    char text[] = "abc";
    kca_message *m = new_message(text);
    kca_message_set_payload(m, text, 3);
    kca_message_set_key(m, text, 3);
    kca_message_set_message_id(m, text);
    kca_message_set_correlation_id(m, text);
    kca_message_set_origin(m, text);
    kca_message_set_version(m, text);
    kca_message_set_reply_to(m, text);
    kca_message_set_header(m, text, text);
    memset(text, 'x', 3);

    assert_string_equal(kca_message_name(m), "abc");
    assert_memory_equal(kca_message_payload(m), "abc", 4);
    assert_int_equal(kca_message_payload_len(m), 3);
    assert_memory_equal(kca_message_key(m), "abc", 4);
    assert_int_equal(kca_message_key_len(m), 3);
    assert_string_equal(kca_message_message_id(m), "abc");
    assert_string_equal(kca_message_correlation_id(m), "abc");
    assert_string_equal(kca_message_origin(m), "abc");
    assert_string_equal(kca_message_version(m), "abc");
    assert_string_equal(kca_message_reply_to(m), "abc");
    assert_string_equal(kca_message_header(m, "abc"), "abc");
    assert_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_null_and_empty_take_a_value_away(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_message_id(m, "id-1");
    kca_message_set_message_id(m, NULL);
    assert_string_equal(kca_message_message_id(m), "");
    kca_message_set_origin(m, "billing");
    kca_message_set_origin(m, "");
    assert_string_equal(kca_message_origin(m), "Gomes");
    kca_message_set_key(m, "k", 1);
    kca_message_set_key(m, NULL, 0);
    assert_null(kca_message_key(m));
    kca_message_set_type(m, KCA_TYPE_QUERY);
    kca_message_set_type(m, KCA_TYPE_NONE);
    assert_int_equal(kca_message_type(m), KCA_TYPE_NONE);
    kca_message_set_trace_context(m, TRACEPARENT, "vendor=abc");
    kca_message_set_trace_context(m, NULL, "vendor=abc");
    assert_string_equal(kca_message_traceparent(m), "");
    assert_string_equal(kca_message_tracestate(m), "");
    assert_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_an_empty_key_is_not_a_missing_one(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_correlation_id(m, "c-1");
    kca_message_set_key(m, "", 0);
    assert_non_null(kca_message_key(m));
    assert_int_equal(kca_message_key_len(m), 0);
    kca__wire wire;
    kca__translator_write(&wire, m, &(kca__channel_defaults){.channel = "orders"}, 0);
    assert_non_null(wire.key);
    assert_int_equal(wire.key_len, 0);
    kca_message_free(m);
}

static void test_an_empty_payload_is_not_a_missing_one(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_payload(m, "{}", 2);
    kca_message_set_payload(m, "", 0);
    assert_non_null(kca_message_payload(m));
    assert_int_equal(kca_message_payload_len(m), 0);
    kca_message_set_payload(m, NULL, 0);
    assert_null(kca_message_payload(m));
    assert_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_a_payload_may_hold_any_bytes(void **state) {
    const char bytes[] = {'\0', '\xff', '\n', '\0', 'a'};
    kca_message *m = new_message("orderCreated");
    kca_message_set_payload(m, bytes, sizeof bytes);
    assert_int_equal(kca_message_payload_len(m), sizeof bytes);
    assert_memory_equal(kca_message_payload(m), bytes, sizeof bytes);
    kca_message_free(m);
}

static void test_memory_is_used_again_when_a_value_is_set_again(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_payload(m, "0123456789", 10);
    kca_message_set_key(m, "0123456789", 10);
    kca_message_set_header(m, "tenant", "0123456789");
    const void *payload = kca_message_payload(m), *key = kca_message_key(m);
    const char *header = kca_message_header(m, "tenant");
    for (int i = 0; i < 100; i++) {
        kca_message_set_payload(m, i % 3 ? "short" : NULL, i % 3 ? 5 : 0);
        kca_message_set_payload(m, "9876543210", 10);
        kca_message_set_key(m, "9876543210", 10);
        kca_message_set_header(m, "tenant", i % 2 ? NULL : "acme");
        kca_message_set_header(m, "tenant", "9876543210");
        assert_ptr_equal(kca_message_payload(m), payload);
        assert_ptr_equal(kca_message_key(m), key);
        assert_ptr_equal(kca_message_header(m, "tenant"), header);
    }
    assert_memory_equal(payload, "9876543210", 11);
    assert_string_equal(header, "9876543210");
    kca_message_free(m);
}

static void test_a_value_may_be_set_from_the_message_itself(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_message_id(m, "0123456789");
    kca_message_set_message_id(m, kca_message_message_id(m) + 3);
    assert_string_equal(kca_message_message_id(m), "3456789");
    kca_message_set_payload(m, "{\"a\":\"an inner text\"}", 21);
    kca_message_set_payload(m, (const char *)kca_message_payload(m) + 5, 15);
    assert_memory_equal(kca_message_payload(m), "\"an inner text\"", 16);

    const char *inner;
    assert_null(kca_message_json_string(m, "", &inner));
    kca_message_set_payload(m, inner, strlen(inner));
    assert_memory_equal(kca_message_payload(m), "an inner text", 14);

    kca_message_set_header(m, "a", "a");
    kca_message_set_header(m, kca_message_header(m, "a"), "b");
    assert_string_equal(kca_message_header(m, "a"), "b");
    kca_message_set_header(m, "a", kca_message_header_name(m, 0));
    assert_string_equal(kca_message_header(m, "a"), "a");
    kca_message_set_header(m, kca_message_header_name(m, 0), NULL);
    assert_int_equal(kca_message_header_count(m), 0);
    kca_message_free(m);
}

static void test_a_message_that_is_reset_is_a_new_one(void **state) {
    kca_message *m = new_message("orderCreated");
    for (int round = 0; round < 2; round++) {
        kca_message_set_payload(m, "{\"next\":\"orderBilled\"}", 22);
        kca_message_set_key(m, "k", 1);
        kca_message_set_type(m, KCA_TYPE_QUERY);
        kca_message_set_timestamp_ms(m, 7);
        kca_message_set_message_id(m, "id-1");
        kca_message_set_origin(m, "billing");
        kca_message_set_trace_context(m, TRACEPARENT, "vendor=abc");
        kca_message_set_header(m, "tenant", "acme");
        kca_message_set_origin(m, "\n");
        assert_non_null(kca_message_error(m));
        const char *next;
        assert_null(kca_message_json_string(m, "/next", &next));

        assert_null(kca_message_reset(m, next)); /* a text of its own */
        assert_string_equal(kca_message_name(m), "orderBilled");
        assert_null(kca_message_error(m));
        assert_null(kca_message_payload(m));
        assert_null(kca_message_key(m));
        assert_int_equal(kca_message_is_json(m), 0);
        assert_int_equal(kca_message_type(m), KCA_TYPE_NONE);
        assert_int_equal(kca_message_timestamp_ms(m), -1);
        assert_string_equal(kca_message_message_id(m), "");
        assert_string_equal(kca_message_origin(m), "Gomes");
        assert_string_equal(kca_message_traceparent(m), "");
        assert_string_equal(kca_message_tracestate(m), "");
        assert_int_equal(kca_message_header_count(m), 0);
    }
    kca_message_set_header(m, "tenant", "b");
    assert_string_equal(kca_message_header(m, "tenant"), "b");
    kca_error *e = kca_message_reset(m, "a\nb");
    assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
    assert_non_null(strstr(e->text, "message: name must be without control characters"));
    kca_error_free(e);
    assert_string_equal(kca_message_name(m), "");
    assert_null(kca_message_error(m));
    kca_message_free(m);

    kca_message view;
    kca__message_init_inbound(&view);
    e = kca_message_reset(&view, "orderCreated");
    assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
    kca_error_free(e);
    e = kca_message_reset(NULL, "orderCreated");
    assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
    kca_error_free(e);
}

static void test_control_characters_in_texts_are_refused(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_message_id(m, "a\tb");
    assert_string_equal(kca_message_message_id(m), "");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message orderCreated: message id must be without control characters, got one "
                  "(code 9) at offset 1 in \"a\\tb\"");

    m = NULL;
    kca_error *e = kca_message_new(&m, "a\nb");
    assert_null(m);
    assert_non_null(e);
    assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
    assert_string_equal(e->text, "message: name must be without control characters, got one (code "
                                 "10) at offset 1 in \"a\\nb\"");
    kca_error_free(e);

    e = kca_message_new(&m, "caf\xe9");
    assert_string_equal(
        kca_error_text(e),
        "message: name must be UTF-8, got the byte 0xe9 at offset 3 in \"caf\\xe9\"");
    kca_error_free(e);
}

static void test_types_and_times_out_of_range_are_refused(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_type(m, 5);
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: type must be 1 (command), 2 (query), 3 (event), 4 (document) or 0 "
                  "(the bus' own), got 5");
    m = new_message("m");
    kca_message_set_type(m, -1);
    assert_non_null(kca_message_error(m));
    kca_message_free(m);

    m = new_message("m");
    kca_message_set_timestamp_ms(m, 0);
    kca_message_set_timestamp_ms(m, KCA__WIRE_TIME_MAX_MS);
    assert_null(kca_message_error(m));
    kca_message_set_timestamp_ms(m, KCA__WIRE_TIME_MAX_MS + 1);
    assert_int_equal(kca_message_timestamp_ms(m), KCA__WIRE_TIME_MAX_MS);
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: timestamp must be 0 to 253402300799999 ms (year 9999), got "
                  "253402300800000");
    m = new_message("m");
    kca_message_set_timestamp_ms(m, -1);
    assert_non_null(kca_message_error(m));
    kca_message_free(m);
}

static void test_bytes_at_null_and_beyond_kafkas_reach_are_refused(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_payload(m, NULL, 3);
    assert_failed(
        m, KCA_ERROR_ARGUMENT,
        "message m: payload must be at most 2147483647 bytes and not NULL, got 3 bytes at "
        "NULL");
    m = new_message("m");
    kca_message_set_key(m, "k", SIZE_MAX);
    assert_non_null(kca_message_error(m));
    kca_message_free(m);
    m = new_message("m");
    kca_message_set_binary_header(m, "h", NULL, 3);
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: header value must be at most 2147483647 bytes and not NULL, got 3 "
                  "bytes at NULL for h");
}

static void test_the_first_failure_is_kept(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_type(m, 9);
    kca_message_set_timestamp_ms(m, -5);
    kca_message_set_header(m, "", "v");
    kca_message_set_message_id(m, "fine");
    assert_string_equal(kca_message_message_id(m), "fine");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: type must be 1 (command), 2 (query), 3 (event), 4 (document) or 0 "
                  "(the bus' own), got 9");
}

static void test_an_errors_text_is_cut_between_characters(void **state) {
    char name[151], header[901] = "";
    for (int i = 0; i < 150; i += 2)
        memcpy(name + i, "é", 2);
    name[150] = '\0';
    header[0] = '\n';
    for (int i = 1; i < 899; i += 2)
        memcpy(header + i, "é", 3);
    kca_message *m = new_message(name);
    kca_message_set_header(m, header, "v");
    const char *text = kca_message_error(m)->text;
    assert_true(strlen(text) > 500 && strlen(text) < 700);
    int bytes = 0;
    for (const char *p = text; *p; p++)
        bytes += (*p & 0x80) != 0;
    assert_int_equal(bytes % 2, 0);
    kca_message_free(m);
}

static void test_a_trace_context_must_be_w3cs(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_trace_context(m, TRACEPARENT, NULL);
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "");
    kca_message_set_trace_context(m, "00-1-2-3", "vendor=abc");
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "");
    assert_failed(m, KCA_ERROR_ARGUMENT,
                  "message m: traceparent must be W3C's 00-<32 hex>-<16 hex>-<2 hex> in lowercase "
                  "with ids other than 0, got \"00-1-2-3\"");
}

static void test_a_message_follows_another_ones_trace(void **state) {
    kca_message *cause = new_message("cause"), *m = new_message("effect");
    kca_message_set_trace_context(cause, TRACEPARENT, "vendor=abc");
    kca_message_follow(m, cause);
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "vendor=abc");
    kca_message_follow(m, m);
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    kca_message_free(cause);
    assert_string_equal(kca_message_tracestate(m), "vendor=abc");
    kca_message_follow(m, NULL);
    assert_string_equal(kca_message_traceparent(m), "");
    kca_message_free(m);
}

static void test_a_copy_is_as_the_message_and_its_own(void **state) {
    kca_message *m = new_message("orderCreated"), *copy;
    kca_message_set_payload(m, "{\0}", 3);
    kca_message_set_key(m, "", 0);
    kca_message_set_type(m, KCA_TYPE_QUERY);
    kca_message_set_correlation_id(m, "c-1");
    kca_message_set_timestamp_ms(m, 5000);
    kca_message_set_version(m, "2.0");
    kca_message_set_trace_context(m, TRACEPARENT, "a=b");
    kca_message_set_partition(m, 3);
    kca_message_add_header(m, "x", "1", 1);
    kca_message_add_header(m, "x", NULL, 0);
    assert_null(kca_message_copy(&copy, m));
    kca_message_free(m);
    assert_string_equal(kca_message_name(copy), "orderCreated");
    assert_int_equal(kca_message_payload_len(copy), 3);
    assert_memory_equal(kca_message_payload(copy), "{\0}", 4);
    assert_non_null(kca_message_key(copy));
    assert_int_equal(kca_message_key_len(copy), 0);
    assert_int_equal(kca_message_type(copy), KCA_TYPE_QUERY);
    assert_string_equal(kca_message_message_id(copy), "");
    assert_string_equal(kca_message_correlation_id(copy), "c-1");
    assert_int_equal(kca_message_timestamp_ms(copy), 5000);
    assert_string_equal(kca_message_origin(copy), "Gomes");
    assert_string_equal(kca_message_version(copy), "2.0");
    assert_string_equal(kca_message_traceparent(copy), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(copy), "a=b");
    assert_int_equal(copy->partition, 3);
    assert_int_equal(kca_message_header_count(copy), 2);
    assert_string_equal(kca_message_header_value(copy, 0), "1");
    assert_null(kca_message_header_value(copy, 1));
    kca_message_set_header(copy, "x", "3");
    assert_int_equal(kca_message_header_count(copy), 1);
    assert_null(kca__message_check(copy));
    kca_message_free(copy);
}

/* Also one without a name, or with one that could not be set. */
static void test_a_copy_of_a_deliverys_message_may_be_published(void **state) {
    kca_message view, *copy;
    kca__header headers[] = {{"route", "\xff", 1}, {"messageId", "", 0}};
    kca__message_init_inbound(&view);
    view.texts[KCA__TEXT_REPLY_TO] = "answers";
    view.headers = headers;
    view.header_count = 2;
    view.payload = "{}";
    view.payload_len = 2;
    assert_null(kca_message_copy(&copy, &view));
    assert_null(kca__message_check(copy));
    assert_string_equal(kca_message_name(copy), "");
    assert_string_equal(kca_message_origin(copy), "");
    assert_string_equal(kca_message_reply_to(copy), "answers");
    assert_int_equal(kca_message_header_count(copy), 2);
    assert_string_equal(kca_message_header_name(copy, 0), "route");
    kca_message_set_header(copy, "tenant", "acme");
    assert_null(kca_message_error(copy));
    kca_message_free(copy);
}

static void test_a_copy_has_the_failure_of_the_message(void **state) {
    kca_message *m = new_message("orderCreated"), *copy;
    kca_message_set_type(m, 77);
    assert_null(kca_message_copy(&copy, m));
    kca_message_free(m);
    kca_error *e = kca__message_check(copy);
    assert_non_null(strstr(kca_error_text(e), "got 77"));
    kca_error_free(e);
    kca_message_free(copy);
}

static void test_a_raw_message_takes_nothing_over(void **state) {
    kca_message *cause = new_message("cause"), *m = new_message("effect");
    kca_message_set_trace_context(cause, TRACEPARENT, "vendor=abc");
    kca_message_set_header(cause, "baggage", "tenant=acme");
    kca_message_set_raw(m, 1);
    kca_message_follow(m, cause);
    assert_string_equal(kca_message_traceparent(m), "");
    assert_int_equal(kca_message_header_count(m), 0);
    kca_message_set_raw(m, 0);
    kca_message_follow(m, cause);
    assert_int_equal(kca_message_header_count(m), 1);
    kca_message_free(cause);
    kca_message_free(m);
}

static void test_a_deliverys_message_does_not_change(void **state) {
    kca_message view;
    kca__message_init_inbound(&view);
    view.texts[KCA__TEXT_MESSAGE_ID] = "id-1";
    kca_message_set_message_id(&view, "id-2");
    kca_message_set_payload(&view, "{}", 2);
    kca_message_set_key(&view, "k", 1);
    kca_message_set_header(&view, "tenant", "acme");
    kca_message_set_header(&view, "", "acme");
    kca_message_set_type(&view, 77);
    kca_message_set_timestamp_ms(&view, 5);
    kca_message_set_trace_context(&view, TRACEPARENT, NULL);
    kca_message_follow(&view, NULL);
    assert_null(kca_message_error(&view));
    assert_string_equal(kca_message_message_id(&view), "id-1");
    assert_null(kca_message_payload(&view));
    assert_null(kca_message_key(&view));
    assert_int_equal(kca_message_header_count(&view), 0);
    assert_int_equal(kca_message_timestamp_ms(&view), -1);
    assert_string_equal(kca_message_traceparent(&view), "");
    kca_message_free(&view);
    kca__message_clear_inbound(&view);
}

static void test_null_is_no_message_everywhere(void **state) {
    kca_message_set_payload(NULL, "x", 1);
    kca_message_set_key(NULL, "x", 1);
    kca_message_set_type(NULL, 1);
    kca_message_set_message_id(NULL, "x");
    kca_message_set_correlation_id(NULL, "x");
    kca_message_set_timestamp_ms(NULL, 1);
    kca_message_set_origin(NULL, "x");
    kca_message_set_version(NULL, "x");
    kca_message_set_reply_to(NULL, "x");
    kca_message_set_header(NULL, "x", "x");
    kca_message_set_binary_header(NULL, "x", "x", 1);
    kca_message_set_trace_context(NULL, TRACEPARENT, NULL);
    kca_message_follow(NULL, NULL);
    kca_message_free(NULL);
    assert_null(kca_message_error(NULL));
    assert_null(kca_message_name(NULL));
    assert_int_equal(kca_message_type(NULL), 0);
    assert_null(kca_message_message_id(NULL));
    assert_null(kca_message_correlation_id(NULL));
    assert_int_equal(kca_message_timestamp_ms(NULL), 0);
    assert_null(kca_message_origin(NULL));
    assert_null(kca_message_version(NULL));
    assert_null(kca_message_channel(NULL));
    assert_null(kca_message_reply_to(NULL));
    assert_null(kca_message_traceparent(NULL));
    assert_null(kca_message_tracestate(NULL));
    assert_null(kca_message_payload(NULL));
    assert_int_equal(kca_message_payload_len(NULL), 0);
    assert_null(kca_message_key(NULL));
    assert_int_equal(kca_message_key_len(NULL), 0);
    assert_int_equal(kca_message_header_count(NULL), 0);
    assert_null(kca_message_header_name(NULL, 0));
    assert_null(kca_message_header_value(NULL, 0));
    assert_int_equal(kca_message_header_value_len(NULL, 0), 0);
    assert_null(kca_message_header(NULL, "x"));

    kca_error *e = kca_message_new(NULL, "m");
    assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
    kca_error_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_message_has_a_name_and_defaults),
        cmocka_unit_test(test_setters_copy_what_they_are_given),
        cmocka_unit_test(test_null_and_empty_take_a_value_away),
        cmocka_unit_test(test_an_empty_key_is_not_a_missing_one),
        cmocka_unit_test(test_an_empty_payload_is_not_a_missing_one),
        cmocka_unit_test(test_a_payload_may_hold_any_bytes),
        cmocka_unit_test(test_memory_is_used_again_when_a_value_is_set_again),
        cmocka_unit_test(test_a_value_may_be_set_from_the_message_itself),
        cmocka_unit_test(test_a_message_that_is_reset_is_a_new_one),
        cmocka_unit_test(test_control_characters_in_texts_are_refused),
        cmocka_unit_test(test_types_and_times_out_of_range_are_refused),
        cmocka_unit_test(test_bytes_at_null_and_beyond_kafkas_reach_are_refused),
        cmocka_unit_test(test_the_first_failure_is_kept),
        cmocka_unit_test(test_an_errors_text_is_cut_between_characters),
        cmocka_unit_test(test_a_trace_context_must_be_w3cs),
        cmocka_unit_test(test_a_message_follows_another_ones_trace),
        cmocka_unit_test(test_a_copy_is_as_the_message_and_its_own),
        cmocka_unit_test(test_a_copy_of_a_deliverys_message_may_be_published),
        cmocka_unit_test(test_a_copy_has_the_failure_of_the_message),
        cmocka_unit_test(test_a_raw_message_takes_nothing_over),
        cmocka_unit_test(test_a_deliverys_message_does_not_change),
        cmocka_unit_test(test_null_is_no_message_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
