#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "message/message_copy.h"
#include "messages.h"

#define OWN     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define CURRENT "00-11111111111111111111111111111111-2222222222222222-01"

static void test_a_copy_has_everything_when_its_message_is_gone(void **state) {
    kca__message_copy *h = NULL;
    kca_message *m = new_message("orderCreated");
    kca_message_set_payload(m, "{\0}", 3);
    kca_message_set_key(m, "k\0y", 3);
    kca_message_set_type(m, KCA_TYPE_COMMAND);
    kca_message_set_message_id(m, "id-1");
    kca_message_set_correlation_id(m, "cause-1");
    kca_message_set_timestamp_ms(m, 5000);
    kca_message_set_version(m, "2.0");
    kca_message_set_reply_to(m, "answers");
    kca_message_set_trace_context(m, OWN, "a=b");
    kca_message_set_header(m, "tenant", "acme");
    kca_message_set_binary_header(m, "raw", "\0\1", 2);
    assert_true(kca__message_copy_make(&h, m, &(kca__trace_context){CURRENT, NULL, "tenant=acme"}));
    kca_message_free(m);

    const kca_message *copy = &h->message;
    assert_string_equal(kca_message_name(copy), "orderCreated");
    assert_int_equal(kca_message_payload_len(copy), 3);
    assert_memory_equal(kca_message_payload(copy), "{\0}", 4);
    assert_int_equal(kca_message_key_len(copy), 3);
    assert_memory_equal(kca_message_key(copy), "k\0y", 3);
    assert_int_equal(kca_message_type(copy), KCA_TYPE_COMMAND);
    assert_string_equal(kca_message_message_id(copy), "id-1");
    assert_string_equal(kca_message_correlation_id(copy), "cause-1");
    assert_int_equal(kca_message_timestamp_ms(copy), 5000);
    assert_string_equal(kca_message_origin(copy), "Gomes");
    assert_string_equal(kca_message_version(copy), "2.0");
    assert_string_equal(kca_message_reply_to(copy), "answers");
    assert_string_equal(kca_message_traceparent(copy), OWN);
    assert_string_equal(kca_message_tracestate(copy), "a=b");
    assert_int_equal(kca_message_header_count(copy), 2);
    assert_string_equal(kca_message_header_name(copy, 0), "tenant");
    assert_string_equal(kca_message_header_value(copy, 0), "acme");
    assert_string_equal(kca_message_header_name(copy, 1), "raw");
    assert_int_equal(kca_message_header_value_len(copy, 1), 2);
    free(h);
}

static void test_memory_is_used_again_and_the_current_trace_stands_in(void **state) {
    kca__message_copy *h = NULL;
    kca_message *m = new_message("first");
    kca_message_set_payload(m, "{}", 2);
    assert_true(kca__message_copy_make(&h, m, &(kca__trace_context){0}));
    assert_string_equal(kca_message_traceparent(&h->message), "");
    kca__message_copy *before = h;

    kca_message_set_payload(m, NULL, 0);
    assert_true(kca__message_copy_make(&h, m, &(kca__trace_context){CURRENT, NULL, "tenant=acme"}));
    assert_ptr_equal(h, before);
    assert_null(kca_message_payload(&h->message));
    assert_null(kca_message_key(&h->message));
    assert_string_equal(h->context.traceparent, CURRENT);
    assert_null(h->context.tracestate);
    assert_string_equal(h->context.baggage, "tenant=acme");

    kca_message_free(m);
    free(h);
}

static void test_a_large_one_is_not_kept(void **state) {
    kca__message_copy *h = NULL;
    kca_message *m = new_message("first");
    assert_true(kca__message_copy_make(&h, m, &(kca__trace_context){0}));
    assert_null(kca__message_copy_take_large(&h));
    assert_non_null(h);

    char *payload = calloc(1, 100000);
    kca_message_set_payload(m, payload, 100000);
    assert_true(kca__message_copy_make(&h, m, &(kca__trace_context){0}));
    kca__message_copy *large = kca__message_copy_take_large(&h);
    assert_non_null(large);
    assert_int_equal(large->message.payload_len, 100000);
    assert_null(h);
    free(large);
    free(payload);
    kca_message_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_has_everything_when_its_message_is_gone),
        cmocka_unit_test(test_memory_is_used_again_and_the_current_trace_stands_in),
        cmocka_unit_test(test_a_large_one_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
