#include "testing.h"

#include "messages.h"
#include "readings.h"

static const kca__channel_defaults ORDERS = {.channel = "orders", .type = KCA_TYPE_EVENT};

/* Name, value, ..., NULL; a NULL value: any. */
static void assert_wire(const kca__wire *wire, ...) {
    va_list args;
    int i = 0;
    va_start(args, wire);
    for (const char *name; (name = va_arg(args, const char *)); i++) {
        const char *value = va_arg(args, const char *);
        assert_true(i < wire->header_count);
        assert_string_equal(wire->headers[i].name, name);
        assert_int_equal(wire->headers[i].value_len, strlen(wire->headers[i].value));
        if (value)
            assert_string_equal(wire->headers[i].value, value);
    }
    va_end(args);
    assert_int_equal(wire->header_count, i);
}

static void test_a_bare_message_is_written_with_fresh_ids(void **state) {
    kca_message *m = new_message("orderCreated");
    kca__wire wire, again;
    kca__translator_write(&wire, m, &ORDERS, TEN);
    assert_wire(&wire, "messageId", NULL, "messageType", "Event", "timestamp",
                "2026-02-16 10:00:00", "origin", "Gomes", "version", "1.0", "correlationId", NULL,
                "route", "orderCreated", "channelName", "orders", NULL);
    assert_int_equal(strlen(written(&wire, "messageId")), 36);
    assert_int_equal(strlen(written(&wire, "correlationId")), 36);
    assert_string_not_equal(written(&wire, "messageId"), written(&wire, "correlationId"));
    assert_int_equal(wire.key_len, 36);
    assert_memory_equal(wire.key, written(&wire, "correlationId"), 36);

    kca__translator_write(&again, m, &ORDERS, TEN);
    assert_string_not_equal(written(&wire, "messageId"), written(&again, "messageId"));
    assert_string_not_equal(written(&wire, "correlationId"), written(&again, "correlationId"));
    kca_message_free(m);
}

static void test_all_that_a_message_has_is_written(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_type(m, KCA_TYPE_COMMAND);
    kca_message_set_message_id(m, "id-1");
    kca_message_set_correlation_id(m, "corr-1");
    kca_message_set_timestamp_ms(m, 0);
    kca_message_set_origin(m, "billing");
    kca_message_set_version(m, "2.1");
    kca_message_set_reply_to(m, "replies");
    kca_message_set_key(m, "\0k", 2);
    kca_message_set_trace_context(m, TRACEPARENT, "a=1");
    assert_null(kca_message_error(m));
    kca__channel_defaults channel = {"orders",       "unused",
                                     KCA_TYPE_EVENT, {OTHER_TRACEPARENT, "b=2", NULL},
                                     NULL,           KCA__DIALECT_GOMES};
    kca__wire wire;
    kca__translator_write(&wire, m, &channel, TEN);
    assert_wire(&wire, "messageId", "id-1", "messageType", "Command", "timestamp",
                "1970-01-01 00:00:00", "origin", "billing", "version", "2.1", "correlationId",
                "corr-1", "route", "orderCreated", "channelName", "orders", "replyTo", "replies",
                "traceparent", TRACEPARENT, "Traceparent", TRACEPARENT, "tracestate", "a=1",
                "Tracestate", "a=1", NULL);
    assert_int_equal(wire.header_count, KCA__WIRE_HEADERS - 1); /* all but baggage */
    assert_int_equal(wire.key_len, 2);
    assert_memory_equal(wire.key, "\0k", 2);
    kca_message_free(m);
}

static void test_the_channel_adds_what_a_message_lacks(void **state) {
    kca_message *m = new_message(NULL);
    kca__channel_defaults channel = {"orders",       "replies",
                                     KCA_TYPE_QUERY, {TRACEPARENT, "", "tenant=acme"},
                                     NULL,           KCA__DIALECT_GOMES};
    kca__wire wire;
    kca__translator_write(&wire, m, &channel, TEN);
    assert_wire(&wire, "messageId", NULL, "messageType", "Query", "timestamp", NULL, "origin",
                "Gomes", "version", "1.0", "correlationId", NULL, "channelName", "orders",
                "replyTo", "replies", "traceparent", TRACEPARENT, "Traceparent", TRACEPARENT,
                "baggage", "tenant=acme", NULL);
    kca_message_set_header(m, "baggage", "own=1");
    kca__translator_write(&wire, m, &channel, TEN);
    assert_null(written(&wire, "baggage"));
    kca_message_free(m);
}

static void test_flags_that_gomes_refuses_are_left_out_of_its_spelling(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_trace_context(m, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
                                  NULL);
    kca__wire wire;
    kca__translator_write(&wire, m, &ORDERS, TEN);
    assert_string_equal(written(&wire, "traceparent"),
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03");
    assert_string_equal(written(&wire, "Traceparent"), TRACEPARENT);
    kca_message_free(m);
}

static void test_a_raw_message_is_written_as_it_is(void **state) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_raw(m, 1);
    kca_message_add_header(m, "route", "x", 1);
    kca_message_add_header(m, "route", NULL, 0);
    kca_message_add_header(m, "messageId", "\0\xff", 2);
    kca_message_add_header(m, "", "no name", 7);
    kca_message_add_header(m, "\xff\n", "not UTF-8", 9);
    kca_message_set_timestamp_ms(m, INT64_MAX);
    assert_null(kca_message_error(m));
    kca__wire wire;
    kca__translator_write(&wire, m, &ORDERS, TEN);
    assert_int_equal(wire.header_count, 0);
    assert_null(wire.key);
    assert_int_equal(kca_message_header_count(m), 5);
    assert_null(kca_message_header_value(m, 1));
    assert_string_equal(kca_message_header_name(m, 4), "\xff\n");
    assert_int_equal(kca_message_timestamp_ms(m), INT64_MAX);
    kca_message_set_timestamp_ms(m, -1);
    assert_null(kca_message_error(m));
    assert_int_equal(kca_message_timestamp_ms(m), -1);
    assert_null(kca_message_reset(m, "again"));
    kca__translator_write(&wire, m, &ORDERS, TEN);
    assert_string_equal(written(&wire, "route"), "again");
    kca_message_free(m);
}

static void test_a_messages_own_context_comes_without_the_channels_state(void **state) {
    kca_message *m = new_message("m");
    kca_message_set_trace_context(m, TRACEPARENT, NULL);
    kca__channel_defaults channel = {
        "orders", "", KCA_TYPE_EVENT, {OTHER_TRACEPARENT, "b=2", NULL}, NULL, KCA__DIALECT_GOMES};
    kca__wire wire;
    kca__translator_write(&wire, m, &channel, TEN);
    assert_string_equal(written(&wire, "traceparent"), TRACEPARENT);
    assert_null(written(&wire, "tracestate"));
    kca_message_free(m);
}

static void test_without_any_type_a_message_is_a_document(void **state) {
    kca_message *m = new_message("m");
    kca__channel_defaults channel = {.channel = "orders"};
    kca__wire wire;
    kca__translator_write(&wire, m, &channel, TEN);
    assert_string_equal(written(&wire, "messageType"), "Document");
    kca_message_free(m);
}

static void test_a_deliverys_message_is_written_as_it_came(void **state) {
    reading *r = *state;
    add(r, "tenant", "acme", "messageType", "Query", "messageId", "id-1", "correlationId", "corr-1",
        "timestamp", "2026-02-16T10:00:00Z", "route", "orderCreated", "origin", "billing",
        "version", "2.1", "channelName", "old.channel", "replyTo", "replies", "Traceparent",
        TRACEPARENT, NULL);
    r->source.record.key = "k";
    r->source.record.key_len = 1;
    const kca_message *m = read_record(r);
    kca__wire wire;
    kca__translator_write(&wire, m, &ORDERS, NOW);
    assert_wire(&wire, "messageId", "id-1", "messageType", "Query", "timestamp",
                "2026-02-16 10:00:00", "origin", "billing", "version", "2.1", "correlationId",
                "corr-1", "route", "orderCreated", "channelName", "orders", "replyTo", "replies",
                "traceparent", TRACEPARENT, "Traceparent", TRACEPARENT, NULL);
    assert_memory_equal(wire.key, "k", 2);
    assert_headers(m, "tenant", "acme", NULL);
}

static void test_a_key_of_zero_length_is_not_null(void **state) {
    reading *r = *state;
    r->source.record.key = "";
    kca__wire wire;
    kca__translator_write(&wire, read_record(r), &ORDERS, NOW);
    assert_non_null(wire.key);
    assert_int_equal(wire.key_len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_bare_message_is_written_with_fresh_ids,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_all_that_a_message_has_is_written, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_the_channel_adds_what_a_message_lacks, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(
            test_a_messages_own_context_comes_without_the_channels_state, reading_setup,
            reading_teardown),
        cmocka_unit_test(test_flags_that_gomes_refuses_are_left_out_of_its_spelling),
        cmocka_unit_test(test_a_raw_message_is_written_as_it_is),
        cmocka_unit_test_setup_teardown(test_without_any_type_a_message_is_a_document,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_deliverys_message_is_written_as_it_came,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_key_of_zero_length_is_not_null, reading_setup,
                                        reading_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
