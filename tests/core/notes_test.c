#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/notes.h"
#include "failing_memory.h"

enum { MORE = 5 };

static void add_log(kca__notes *n, const char *text) {
    kca__notes_add(n, kca__event_new_log(KCA_LOG_INFO, "system", text));
}

static void add_fault(kca__notes *n, int number) {
    kca_error *error = kca__error_new(KCA_ERROR_BROKER, "fault %d", number);
    kca__notes_add(n,
                   kca__event_new_fault(kca__error_mark(error, 7, KCA__RETRIABLE), "t", 0, number));
}

static void add_faults(kca__notes *n, int count) {
    for (int i = 0; i < count; i++)
        add_fault(n, i);
}

static void must_take_fault(kca__notes *n, const char *text, int64_t dropped) {
    kca_event *e = kca__notes_take(n);
    assert_int_equal(kca_event_type(e), KCA_EVENT_FAULT);
    assert_string_equal(kca_error_text(kca_event_error(e)), text);
    assert_int_equal(kca_event_dropped(e), dropped);
    assert_int_equal(kca_error_code(kca_event_error(e)), KCA_ERROR_BROKER);
    assert_int_equal(kca_error_rdkafka_code(kca_event_error(e)), 7);
    assert_true(kca_error_retriable(kca_event_error(e)));
    kca_event_free(e);
}

static void must_take_log(kca__notes *n, const char *text) {
    kca_event *e = kca__notes_take(n);
    assert_string_equal(kca_event_log_text(e), text);
    assert_int_equal(kca_event_dropped(e), 0);
    kca_event_free(e);
}

static void test_notes_leave_in_the_order_of_their_coming(void **state) {
    kca__notes n = {0};
    add_log(&n, "a");
    add_fault(&n, 1);
    add_fault(&n, 2);
    add_log(&n, "b");
    assert_int_equal(kca__notes_count(&n), 4);
    must_take_log(&n, "a");
    must_take_fault(&n, "fault 1", 0);
    must_take_fault(&n, "fault 2", 0);
    must_take_log(&n, "b");
    assert_null(kca__notes_take(&n));
    kca__notes_close(&n);
}

static void test_faults_that_were_dropped_are_counted_in_the_next(void **state) {
    kca__notes n = {0};
    add_faults(&n, KCA__NOTES_MOST + MORE);
    assert_int_equal(kca__notes_count(&n), KCA__NOTES_MOST);
    must_take_fault(&n, "fault 5 (and 5 more faults were dropped)", MORE);
    must_take_fault(&n, "fault 6", 0);
    add_faults(&n, 3);
    must_take_fault(&n, "fault 8 (and 1 more fault was dropped)", 1);
    kca__notes_close(&n);
}

static void test_a_flood_of_log_lines_drops_no_fault(void **state) {
    kca__notes n = {0};
    add_fault(&n, 1);
    for (int i = 0; i < KCA__NOTES_MOST + MORE; i++)
        add_log(&n, "again");
    assert_int_equal(kca__notes_count(&n), 1 + KCA__NOTES_MOST);
    must_take_fault(&n, "fault 1", 0);
    kca__notes_close(&n);
}

static void test_only_faults_are_counted(void **state) {
    kca__notes n = {0};
    kca__notes_add(&n, kca__event_new_end("reader", "t", 0, 9));
    add_faults(&n, KCA__NOTES_MOST);
    must_take_fault(&n, "fault 0", 0);
    kca__notes_close(&n);
}

static void test_without_memory_the_number_tells_it_alone(void **state) {
    if (!memory_can_fail)
        skip();
    kca__notes n = {0};
    add_faults(&n, KCA__NOTES_MOST + 1);
    memory_until = 0;
    kca_event *e = kca__notes_take(&n);
    memory_until = -1;
    assert_string_equal(kca_error_text(kca_event_error(e)), "fault 1");
    assert_int_equal(kca_event_dropped(e), 1);
    kca_event_free(e);
    kca__notes_close(&n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_leave_in_the_order_of_their_coming),
        cmocka_unit_test(test_faults_that_were_dropped_are_counted_in_the_next),
        cmocka_unit_test(test_a_flood_of_log_lines_drops_no_fault),
        cmocka_unit_test(test_only_faults_are_counted),
        cmocka_unit_test(test_without_memory_the_number_tells_it_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
