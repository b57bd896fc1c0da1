/* CloudEvents: both modes of the Kafka binding, written and read. */
#include "chance.h"

#include "message/cloud_event.h"
#include "messages.h"
#include "readings.h"

#define EVENT_TYPE "application/cloudevents+json; charset=UTF-8"

static const kca__channel_defaults ORDERS[] = {
    {.dialect = KCA__DIALECT_CLOUD_EVENTS, .channel = "orders", .type = KCA_TYPE_EVENT},
    {.dialect = KCA__DIALECT_STRUCTURED, .channel = "orders", .type = KCA_TYPE_EVENT}};

static kca_message *order(void) {
    kca_message *m = new_message("orderCreated");
    kca_message_set_message_id(m, "id-1");
    kca_message_set_correlation_id(m, "corr-1");
    kca_message_set_timestamp_ms(m, TEN + 5);
    kca_message_set_origin(m, "/shop");
    kca_message_set_payload(m, "{\"n\":1.50}", 10);
    return m;
}

/* ---- writing ---- */

static void write_as(kca__wire *wire, const kca_message *m, bool structured) {
    assert_null(kca_message_error(m));
    assert_true(kca__cloud_event_write(wire, m, &ORDERS[structured], NOW));
}

static void assert_bytes(const void *bytes, size_t len, const char *text) {
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, len);
}

/* Name, value, ..., NULL: all that are written. */
static void assert_headers_written(const kca__wire *wire, ...) {
    va_list args;
    int i = 0;
    va_start(args, wire);
    for (const char *name; (name = va_arg(args, const char *)); i++) {
        assert_true(i < wire->header_count);
        assert_string_equal(wire->headers[i].name, name);
        assert_string_equal(wire->headers[i].value, va_arg(args, const char *));
        assert_int_equal(wire->headers[i].value_len, strlen(wire->headers[i].value));
    }
    va_end(args);
    assert_int_equal(wire->header_count, i);
}

static void test_binary_has_attributes_as_headers(void **state) {
    kca_message *m = order();
    kca__wire wire;
    write_as(&wire, m, false);
    assert_headers_written(&wire, "ce_specversion", "1.0", "ce_id", "id-1", "ce_source", "/shop",
                           "ce_type", "orderCreated", "ce_time", "2026-02-16T10:00:00.005Z",
                           "ce_correlationid", "corr-1", "ce_version", "1.0", "ce_messagetype",
                           "Event", "ce_channelname", "orders", "content-type", "application/json",
                           NULL);
    assert_bytes(wire.value, wire.value_len, "{\"n\":1.50}");
    assert_bytes(wire.key, wire.key_len, "corr-1");
    kca_message_free(m);
}

static void test_structured_has_them_in_the_value(void **state) {
    kca_message *m = order();
    kca__wire wire;
    kca_message_set_header(m, "ce_tenant", "a\"b");
    kca_message_set_header(m, "plain", "stays");
    kca_message_set_trace_context(m, TRACEPARENT, "a=1");
    write_as(&wire, m, true);
    assert_headers_written(&wire, "traceparent", TRACEPARENT, "tracestate", "a=1", "content-type",
                           EVENT_TYPE, NULL);
    assert_bytes(wire.value, wire.value_len,
                 "{\"specversion\":\"1.0\",\"id\":\"id-1\",\"source\":\"/shop\","
                 "\"type\":\"orderCreated\",\"time\":\"2026-02-16T10:00:00.005Z\","
                 "\"correlationid\":\"corr-1\",\"version\":\"1.0\",\"messagetype\":\"Event\","
                 "\"channelname\":\"orders\",\"traceparent\":\"" TRACEPARENT
                 "\",\"tracestate\":\"a=1\",\"tenant\":\"a\\\"b\","
                 "\"datacontenttype\":\"application/json\",\"data\":{\"n\":1.50}}");
    assert_int_equal(wire.custom_count, 1);
    assert_string_equal(wire.custom[0].name, "plain");
    kca__wire_clear(&wire);
    kca_message_free(m);
}

static void test_a_message_without_a_name_has_its_types_word(void **state) {
    kca_message *m = new_message(NULL);
    kca_message_set_unnamed(m, 1);
    kca_message_set_type(m, KCA_TYPE_DOCUMENT);
    kca__wire wire;
    write_as(&wire, m, false);
    assert_string_equal(written(&wire, "ce_type"), "Document");
    assert_null(written(&wire, "content-type")); /* of no payload */
    assert_null(wire.value);
    kca_message_free(m);
}

static void test_a_raw_message_is_written_as_it_is(void **state) {
    kca_message *m = new_message(NULL);
    kca_message_set_raw(m, 1);
    kca_message_set_header(m, "ce_id", "mine");
    kca_message_set_payload(m, "x", 1);
    for (int structured = 0; structured < 2; structured++) {
        kca__wire wire;
        write_as(&wire, m, structured);
        assert_int_equal(wire.header_count, 0);
        assert_int_equal(wire.custom_count, 1);
        assert_bytes(wire.value, wire.value_len, "x");
        assert_null(wire.key);
    }
    kca_message_free(m);
}

/* ---- there and back ---- */

/* A message written, and read again. */
typedef struct journey {
    kca__wire wire;
    kca__header headers[RECORD_MOST];
    kca_message m;
} journey;

static const kca_message *travel(journey *j, const kca_message *m, bool structured) {
    write_as(&j->wire, m, structured);
    int count = j->wire.custom_count;
    if (count > 0)
        memcpy(j->headers, j->wire.custom, (size_t)count * sizeof *j->headers);
    memcpy(j->headers + count, j->wire.headers, (size_t)j->wire.header_count * sizeof *j->headers);
    kca__record record = {.key = j->wire.key,
                          .key_len = j->wire.key_len,
                          .value = j->wire.value,
                          .value_len = j->wire.value_len,
                          .timestamp_ms = NOW,
                          .headers = j->headers,
                          .header_count = count + j->wire.header_count};
    kca__message_init_inbound(&j->m);
    assert_true(kca__cloud_event_read(&j->m, KCA__DIALECT_CLOUD_EVENTS, &record, NOW));
    return &j->m;
}

static void arrive(journey *j) {
    kca__message_clear_inbound(&j->m);
    kca__wire_clear(&j->wire);
}

static void test_all_of_a_message_comes_back(void **state) {
    kca_message *m = order();
    kca_message_set_type(m, KCA_TYPE_COMMAND);
    kca_message_set_version(m, "2.1");
    kca_message_set_reply_to(m, "replies");
    kca_message_set_key(m, "\0k", 2);
    kca_message_set_trace_context(m, TRACEPARENT, "a=1");
    kca_message_set_header(m, "plain", "p");
    kca_message_add_header(m, "plain", NULL, 0);
    kca_message_set_header(m, "ce_tenant", "\xc3\xa9\n");
    kca_message_add_header(m, "baggage", "b=2", 3);
    for (int structured = 0; structured < 2; structured++) {
        journey j;
        const kca_message *back = travel(&j, m, structured);
        assert_string_equal(kca_message_name(back), "orderCreated");
        assert_string_equal(kca_message_message_id(back), "id-1");
        assert_string_equal(kca_message_correlation_id(back), "corr-1");
        assert_string_equal(kca_message_origin(back), "/shop");
        assert_string_equal(kca_message_version(back), "2.1");
        assert_string_equal(kca_message_channel(back), "orders");
        assert_string_equal(kca_message_reply_to(back), "replies");
        assert_string_equal(kca_message_traceparent(back), TRACEPARENT);
        assert_string_equal(kca_message_tracestate(back), "a=1");
        assert_int_equal(kca_message_type(back), KCA_TYPE_COMMAND);
        assert_true(kca_message_timestamp_ms(back) == TEN + 5);
        assert_bytes(kca_message_payload(back), kca_message_payload_len(back), "{\"n\":1.50}");
        assert_int_equal(kca_message_key_len(back), 2);
        assert_headers(back, "plain", "p", "plain", NULL, structured ? "baggage" : "ce_tenant",
                       structured ? "b=2" : "\xc3\xa9\n", structured ? "ce_tenant" : "baggage",
                       structured ? "\xc3\xa9\n" : "b=2", "content-type", "application/json", NULL);
        arrive(&j);
    }
    kca_message_free(m);
}

/* A payload of a content type (NULL: none is named) comes back byte for byte, in both modes. */
static void assert_payload_travels(const char *type, const char *payload, size_t len,
                                   const char *in_envelope) {
    kca_message *m = order();
    kca_message_set_header(m, "content-type", type);
    kca_message_set_payload(m, payload, len);
    for (int structured = 0; structured < 2; structured++) {
        journey j;
        const kca_message *back = travel(&j, m, structured);
        assert_int_equal(kca_message_payload_len(back), len);
        assert_true(!payload == !kca_message_payload(back));
        if (len > 0)
            assert_memory_equal(kca_message_payload(back), payload, len);
        const char *told = kca_message_header(back, "content-type");
        if (type)
            assert_string_equal(told, type);
        if (structured) {
            char *text = record_copy(j.wire.value, j.wire.value_len);
            assert_true(!strstr(text, "\"data") == !in_envelope || type);
            if (in_envelope)
                assert_non_null(strstr(text, in_envelope));
            free(text);
        }
        arrive(&j);
    }
    kca_message_free(m);
}

static void test_any_payload_comes_back_as_it_was(void **state) {
    assert_payload_travels(NULL, "[1, 2.0]", 8, "\"data\":[1, 2.0]}");
    assert_payload_travels(NULL, "\"text\"", 6, "\"data\":\"text\"}");
    assert_payload_travels(NULL, "null", 4, "\"data\":null}");
    assert_payload_travels(NULL, "12", 2, "\"data\":12}");
    assert_payload_travels(NULL, "no json", 7,
                           "\"datacontenttype\":\"application/octet-stream\","
                           "\"data_base64\":\"bm8ganNvbg==\"}");
    assert_payload_travels(NULL, "", 0, "\"data_base64\":\"\"}");
    assert_payload_travels(NULL, NULL, 0, NULL);
    assert_payload_travels("application/vnd.shop+json; v=2", "{}", 2, "\"data\":{}}");
    assert_payload_travels("text/plain", "a \"b\" \xc3\xa9", 8,
                           "\"data\":\"a \\\"b\\\" \xc3\xa9\"}");
    assert_payload_travels("text/plain", "nul\0inside", 10, "\"data\":\"nul\\u0000inside\"}");
    assert_payload_travels("text/plain", "\xff", 1, "\"data_base64\":\"/w==\"}");
    assert_payload_travels("image/png", "\x89PNG", 4, "\"data_base64\":\"iVBORw==\"}");
}

static void test_extensions_that_no_envelope_takes_stay_headers(void **state) {
    kca_message *m = order();
    kca_message_add_header(m, "ce_twice", "1", 1);
    kca_message_add_header(m, "ce_twice", "2", 1);
    kca_message_add_header(m, "ce_Odd-Name", "o", 1);
    kca_message_add_header(m, "ce_bytes", "\xff", 1);
    kca_message_add_header(m, "ce_none", NULL, 0);
    kca_message_add_header(m, "ce_id", "another", 7);
    kca__wire wire;
    write_as(&wire, m, true);
    assert_int_equal(wire.custom_count, 3);
    assert_string_equal(wire.custom[0].name, "ce_Odd-Name");
    assert_string_equal(wire.custom[1].name, "ce_bytes");
    assert_string_equal(wire.custom[2].name, "ce_none");
    char *text = record_copy(wire.value, wire.value_len);
    assert_non_null(strstr(text, "\"twice\":\"2\""));
    assert_null(strstr(text, "\"twice\":\"1\""));
    assert_null(strstr(text, "another"));
    free(text);
    kca__wire_clear(&wire);
    kca_message_free(m);
}

/* ---- reading what others write ---- */

static const kca_message *read_event(reading *r, const char *value) {
    r->source.record.value = value;
    r->source.record.value_len = value ? strlen(value) : 0;
    assert_true(kca__cloud_event_read(&r->m, KCA__DIALECT_CLOUD_EVENTS, &r->source.record, NOW));
    return &r->m;
}

static void test_a_strangers_envelope_is_read(void **state) {
    reading *r = *state;
    add(r, "own", "1", "content-type", "Application/CloudEvents+JSON", "ce_type", "a copy", NULL);
    const kca_message *m = read_event(
        r, " { \"specversion\" : \"1.0\" , \"id\":\"A234\", \"source\" : \"/mine\", \"type\":\"com."
           "example\\u002esome\", \"time\":\"2018-04-05T17:31:00.123456789+02:00\", \"count\": 5, "
           "\"flag\":true,\"gone\":null,\"subject\":\"123\\n\",\"data\" :\t{ \"a\": [1,{}] } } ");
    assert_string_equal(kca_message_name(m), "com.example.some");
    assert_string_equal(kca_message_message_id(m), "A234");
    assert_string_equal(kca_message_origin(m), "/mine");
    assert_string_equal(kca_message_correlation_id(m), "");
    assert_string_equal(kca_message_version(m), "1.0");
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    assert_true(kca_message_timestamp_ms(m) == INT64_C(1522942260123));
    assert_headers(m, "own", "1", "ce_count", "5", "ce_flag", "true", "ce_subject", "123\n", NULL);
    assert_bytes(kca_message_payload(m), kca_message_payload_len(m), "{ \"a\": [1,{}] }");
    int64_t n;
    assert_null(kca_message_json_int64(m, "/a/0", &n));
    assert_int_equal(n, 1);
}

static void test_a_strangers_headers_are_read(void **state) {
    reading *r = *state;
    add(r, "ce_specversion", "1.0", "ce_type", "com.example", "ce_id", "1", "ce_source", "/s",
        "ce_time", "yesterday", "ce_subject", "x", "route", "not Gomes'", "ce_traceparent",
        OTHER_TRACEPARENT, "ce_tracestate", "old=1", "traceparent", TRACEPARENT, "ce_messagetype",
        "Order", NULL);
    const kca_message *m = read_event(r, NULL);
    assert_string_equal(kca_message_name(m), "com.example");
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "");
    assert_int_equal(kca_message_type(m), KCA_TYPE_EVENT);
    assert_true(kca_message_timestamp_ms(m) == NOW);
    assert_headers(m, "ce_time", "yesterday", "ce_subject", "x", "route", "not Gomes'",
                   "ce_messagetype", "Order", NULL);
    assert_null(kca_message_payload(m));
}

static void test_the_events_own_trace_counts_where_no_transport_has_one(void **state) {
    reading *r = *state;
    add(r, "ce_specversion", "1.0", "ce_traceparent", TRACEPARENT, "ce_tracestate", "a=1",
        "tracestate", "b=2", NULL);
    const kca_message *m = read_event(r, NULL);
    assert_string_equal(kca_message_traceparent(m), TRACEPARENT);
    assert_string_equal(kca_message_tracestate(m), "a=1");
}

static void test_what_is_no_event_is_read_as_gomes_wrote_it(void **state) {
    static const char *const values[] = {"[]",
                                         "{}",
                                         "{\"specversion\":1}",
                                         "{\"specversion\":\"1.0\"",
                                         "not json",
                                         "\"\"",
                                         "{\"specversion\":\"1.0\",\"data_base64\":\"?\"}",
                                         "{\"specversion\":\"1.0\",\"a\\u0000b\":1}"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        void *made;
        reading_setup(&made);
        reading *r = made;
        add(r, "route", "orderCreated", "content-type", "application/cloudevents+json", NULL);
        const kca_message *m = read_event(r, values[i]);
        assert_string_equal(kca_message_name(m), "orderCreated");
        assert_headers(m, "content-type", "application/cloudevents+json", NULL);
        assert_bytes(kca_message_payload(m), kca_message_payload_len(m), values[i]);
        reading_teardown(&made);
    }
    reading *r = *state;
    add(r, "route", "orderCreated", NULL);
    assert_string_equal(kca_message_name(read_event(r, "{\"specversion\":\"1.0\"}")),
                        "orderCreated");
}

/* ---- whatever comes ---- */

/* An envelope with some bytes changed, in memory of exactly its size. */
static void read_damaged(void) {
    static const char whole[] =
        "{\"specversion\":\"1.0\",\"id\":\"A\\u00e92\",\"source\":\"/m\",\"type\":\"t\",\"a\":1,"
        "\"datacontenttype\":\"text/xml\",\"data\":\"<a>\\n</a>\",\"data_base64\":\"AAE=\"}";
    static const char odd[] = "\"\\{}[],:u0123459ane \x80";
    size_t len = sizeof whole - 1 - (pick(3) == 0 ? pick(sizeof whole) : 0);
    char *value = malloc(len + 1);
    memcpy(value, whole, len);
    for (uint64_t i = pick(4); i > 0 && len > 0; i--)
        value[pick(len)] = odd[pick(sizeof odd - 1)];
    char *exact = realloc(value, len ? len : 1);
    kca__header headers[] = {{"content-type", EVENT_TYPE, sizeof EVENT_TYPE - 1}, {"x", "y", 1}};
    kca__record record = {
        .value = exact, .value_len = len, .timestamp_ms = 1, .headers = headers, .header_count = 2};
    kca_message m;
    kca__message_init_inbound(&m);
    check(kca__cloud_event_read(&m, KCA__DIALECT_CLOUD_EVENTS, &record, NOW));
    size_t sum = kca_message_payload_len(&m);
    for (int i = 0; i < kca_message_header_count(&m); i++)
        sum += strlen(kca_message_header_name(&m, i)) + kca_message_header_value_len(&m, i);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        sum += strlen(m.texts[i]);
    check(sum > 0);
    kca__message_clear_inbound(&m);
    free(exact);
}

static void test_any_envelope_can_be_read(void **state) {
    play_each(read_damaged, 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary_has_attributes_as_headers),
        cmocka_unit_test(test_structured_has_them_in_the_value),
        cmocka_unit_test(test_a_message_without_a_name_has_its_types_word),
        cmocka_unit_test(test_a_raw_message_is_written_as_it_is),
        cmocka_unit_test(test_all_of_a_message_comes_back),
        cmocka_unit_test(test_any_payload_comes_back_as_it_was),
        cmocka_unit_test(test_extensions_that_no_envelope_takes_stay_headers),
        cmocka_unit_test_setup_teardown(test_a_strangers_envelope_is_read, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_a_strangers_headers_are_read, reading_setup,
                                        reading_teardown),
        cmocka_unit_test_setup_teardown(test_the_events_own_trace_counts_where_no_transport_has_one,
                                        reading_setup, reading_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_event_is_read_as_gomes_wrote_it,
                                        reading_setup, reading_teardown),
        cmocka_unit_test(test_any_envelope_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
