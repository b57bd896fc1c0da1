#include "testing.h"

#include <stdio.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "message/trace_context.h"

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID  "00f067aa0ba902b7"
#define NO_TRACE "00000000000000000000000000000000"
#define NO_SPAN  "0000000000000000"

/* On the heap without a byte to spare, so that a look beyond the end is seen. */
static bool is_valid(const char *text) {
    char *copy = strdup(text);
    bool valid = kca__trace_context_is_valid(copy);
    free(copy);
    return valid;
}

static void test_the_w3c_form_is_valid(void **state) {
    assert_true(is_valid("00-" TRACE_ID "-" SPAN_ID "-01"));
    assert_true(is_valid("00-" TRACE_ID "-" SPAN_ID "-00"));
    assert_true(is_valid("00-" TRACE_ID "-" SPAN_ID "-ff"));
    assert_true(is_valid("cc-" TRACE_ID "-" SPAN_ID "-01"));
    assert_true(is_valid("01-" TRACE_ID "-" SPAN_ID "-01-what-the-future-brings"));
    assert_true(is_valid("01-" TRACE_ID "-" SPAN_ID "-01-"));
}

static void test_zero_ids_are_no_context(void **state) {
    assert_false(is_valid("00-" NO_TRACE "-" SPAN_ID "-01"));
    assert_false(is_valid("00-" TRACE_ID "-" NO_SPAN "-01"));
}

static void test_other_forms_are_not_valid(void **state) {
    static const char *const texts[] = {"",
                                        "0",
                                        "00",
                                        "00-",
                                        "xyz",
                                        "ff-" TRACE_ID "-" SPAN_ID "-01",
                                        "00-" TRACE_ID "-" SPAN_ID,
                                        "00-" TRACE_ID "-" SPAN_ID "-",
                                        "00-" TRACE_ID "-" SPAN_ID "-1",
                                        "00-" TRACE_ID "-" SPAN_ID "-011",
                                        "00-" TRACE_ID "-" SPAN_ID "-01-more",
                                        "00-" TRACE_ID "-" SPAN_ID "-01 ",
                                        " 00-" TRACE_ID "-" SPAN_ID "-01",
                                        "01-" TRACE_ID "-" SPAN_ID "-01.more",
                                        "00_" TRACE_ID "-" SPAN_ID "-01",
                                        "00-" TRACE_ID "_" SPAN_ID "-01",
                                        "00-" TRACE_ID "-" SPAN_ID "_01",
                                        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01",
                                        "00-" TRACE_ID "-00F067AA0BA902B7-01",
                                        "00-" TRACE_ID "-" SPAN_ID "-0A",
                                        "00-" TRACE_ID "0-" SPAN_ID "-01",
                                        "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN_ID "-01"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (is_valid(texts[i]))
            fail_msg("valid: %s", texts[i]);
    assert_false(kca__trace_context_is_valid(NULL));
}

static void test_every_cut_of_a_context_is_not_valid(void **state) {
    const char whole[] = "00-" TRACE_ID "-" SPAN_ID "-01";
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        char *cut = strndup(whole, len);
        assert_false(is_valid(cut));
        free(cut);
    }
}

static void *other_thread(void *argument) {
    (void)argument;
    assert_null(kca__trace_context_current()->traceparent);
    return NULL;
}

static void test_the_current_context_is_the_threads_own(void **state) {
    const kca__trace_context context = {"00-" TRACE_ID "-" SPAN_ID "-01", "vendor=abc", "a=b"};
    assert_null(kca__trace_context_current()->traceparent);
    kca__trace_context_set_current(&context);
    assert_memory_equal(kca__trace_context_current(), &context, sizeof context);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
    pthread_join(thread, NULL);
    kca__trace_context_set_current(NULL);
    assert_null(kca__trace_context_current()->traceparent);
    assert_null(kca__trace_context_current()->tracestate);
    assert_null(kca__trace_context_current()->baggage);
}

static void test_gomes_reader_gets_flags_that_it_takes(void **state) {
    static const char *const flags[][2] = {{"00", "00"}, {"01", "01"}, {"02", "02"}, {"03", "01"},
                                           {"04", "00"}, {"ff", "01"}, {"a0", "00"}};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char given[64], wanted[64], room[KCA__TRACEPARENT_ROOM];
        snprintf(given, sizeof given, "00-" TRACE_ID "-" SPAN_ID "-%s", flags[i][0]);
        snprintf(wanted, sizeof wanted, "00-" TRACE_ID "-" SPAN_ID "-%s", flags[i][1]);
        assert_string_equal(kca__trace_context_for_gomes(room, given), wanted);
    }
    const char *higher = "cc-" TRACE_ID "-" SPAN_ID "-ff-more";
    char room[KCA__TRACEPARENT_ROOM];
    assert_ptr_equal(kca__trace_context_for_gomes(room, higher), higher);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_w3c_form_is_valid),
        cmocka_unit_test(test_zero_ids_are_no_context),
        cmocka_unit_test(test_other_forms_are_not_valid),
        cmocka_unit_test(test_every_cut_of_a_context_is_not_valid),
        cmocka_unit_test(test_the_current_context_is_the_threads_own),
        cmocka_unit_test(test_gomes_reader_gets_flags_that_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
