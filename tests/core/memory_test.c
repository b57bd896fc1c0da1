/* Messages when memory runs out: an error or a default, never a crash, never a leak. */
#include "testing.h"

#include <string.h>

#include "base/error.h"
#include "failing_memory.h"
#include "message/cloud_event.h"

#define PAYLOAD "{\"a\":[1,2,{\"b\":\"text\"}],\"n\":9007199254740993}"

static void make_a_message(void) {
    kca_message *m;
    kca_error *e = kca_message_new(&m, "orderCreated");
    if (e) {
        assert_int_equal(e->code, KCA_ERROR_MEMORY);
        assert_null(m);
        kca_error_free(e);
        return;
    }
    kca_message_set_payload(m, PAYLOAD, strlen(PAYLOAD));
    kca_message_set_key(m, "key", 3);
    kca_message_set_message_id(m, "id-1");
    kca_message_set_origin(m, "billing");
    for (char name[] = "a"; name[0] <= 'z'; name[0]++)
        kca_message_set_header(m, name, "value");
    kca_message_set_header(m, "c", "a much longer value than the one before");
    kca_message_set_header(m, "d", NULL);

    const kca_error *failure = kca_message_error(m);
    assert_int_equal(failure != NULL, memory_failed);
    if (failure)
        assert_int_equal(failure->code, KCA_ERROR_MEMORY);
    else
        assert_int_equal(kca_message_header_count(m), 25);
    for (int i = 0; i < kca_message_header_count(m); i++)
        assert_true(strlen(kca_message_header_value(m, i)) > 0);
    kca_message_free(m);
}

static void read_json(void) {
    kca_message m;
    const char *text;
    int64_t number;
    kca__message_init_inbound(&m);
    m.payload = PAYLOAD;
    m.payload_len = strlen(PAYLOAD);
    assert_int_equal(kca_message_is_json(&m), 1);
    kca_error *e = kca_message_json_string(&m, "/a/2/b", &text);
    if (e)
        assert_true(memory_failed && !text);
    else
        assert_string_equal(text, "text");
    kca_error_free(e);
    e = kca_message_json_int64(&m, "/n", &number);
    assert_true(e ? memory_failed : number == INT64_C(9007199254740993));
    kca_error_free(e);
    kca__message_clear_inbound(&m);
}

static void read_the_old_wire(void) {
    static char json[] = "{\"a\":\"1\",\"b\":2,\"c\":[3],\"d\":\"4\",\"e\":\"5\",\"a\":\"6\"}";
    kca__header headers[] = {{"type", "Event", 5}, {"customHeaders", json, sizeof json - 1}};
    kca__record record = {.headers = headers, .header_count = 2, .timestamp_ms = 5};
    kca_message m;
    kca__message_init_inbound(&m);
    kca__translator_read(&m, &record, 7);
    assert_int_equal(kca_message_type(&m), KCA_TYPE_EVENT);
    assert_int_equal(kca_message_timestamp_ms(&m), 5);
    if (!memory_failed)
        assert_int_equal(kca_message_header_count(&m), 6);
    for (int i = 0; i < kca_message_header_count(&m); i++)
        assert_true(strlen(kca_message_header_value(&m, i)) > 0);
    kca__message_clear_inbound(&m);
}

static const kca__channel_defaults STRUCTURED = {.dialect = KCA__DIALECT_STRUCTURED,
                                                 .channel = "orders"};

static void pass_an_envelope_on(void) {
    static const char value[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"data\":{}}";
    kca__header headers[] = {{"content-type", "application/cloudevents+json", 28}};
    kca__record record = {.value = value,
                          .value_len = sizeof value - 1,
                          .headers = headers,
                          .header_count = 1,
                          .timestamp_ms = 5};
    kca_message m;
    kca__wire wire;
    kca__message_init_inbound(&m);
    if (!kca__cloud_event_read(&m, KCA__DIALECT_CLOUD_EVENTS, &record, 7)) {
        assert_true(memory_failed);
        return;
    }
    assert_string_equal(kca_message_message_id(&m), "1");
    if (kca__cloud_event_write(&wire, &m, &STRUCTURED, 7))
        kca__wire_clear(&wire);
    else
        assert_true(memory_failed);
    kca__message_clear_inbound(&m);
}

static void test_a_message_keeps_the_failure(void **state) {
    memory_fail_each(make_a_message);
}

static void test_json_that_cannot_be_parsed_now_is_an_error(void **state) {
    memory_fail_each(read_json);
}

static void test_an_envelope_needs_memory(void **state) {
    memory_fail_each(pass_an_envelope_on);
}

static void test_the_old_wire_is_read_as_far_as_memory_goes(void **state) {
    memory_fail_each(read_the_old_wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_message_keeps_the_failure),
        cmocka_unit_test(test_json_that_cannot_be_parsed_now_is_an_error),
        cmocka_unit_test(test_an_envelope_needs_memory),
        cmocka_unit_test(test_the_old_wire_is_read_as_far_as_memory_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
