#include "testing.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "redrive/redrive.h"

static kca_redrive *redrive(void) {
    kca_redrive *r;
    assert_null(kca_redrive_new(&r, "kafka", "orders.dead"));
    return r;
}

static void assert_failed(kca_redrive *r, const char *text) {
    assert_string_equal(kca_error_text(kca_redrive_error(r)), text);
    kca_redrive_free(r);
}

static void assert_check(kca_redrive *r, const char *text) {
    kca_error *e = kca__redrive_check(r);
    assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
    assert_string_equal(kca_error_text(e), text);
    kca_error_free(e);
    kca_redrive_free(r);
}

static void test_by_default_it_only_looks_at_all_of_the_topic(void **state) {
    kca_redrive *r = redrive();
    assert_null(kca__redrive_check(r));
    assert_string_equal(r->group_id, "orders.dead.redrive");
    assert_null(r->to_topic);
    assert_int_equal(r->max_messages, 0);
    assert_int_equal(r->max_redrives, 3);
    assert_int_equal(r->dry_run, 1);
    assert_true(kca__redrive_takes(r, "", "", -1));
    assert_true(kca__redrive_takes(r, "orders", "Late", 5));
    kca_redrive_free(r);
}

static void test_filters_of_one_kind_are_alternatives_and_of_two_kinds_conditions(void **state) {
    kca_redrive *r = redrive();
    kca_redrive_with_only_topic(r, "orders");
    kca_redrive_with_only_topic(r, "payments");
    kca_redrive_with_only_error(r, "Late");
    kca_redrive_with_only_error(r, "Early");
    assert_null(kca_redrive_error(r));
    assert_true(kca__redrive_takes(r, "orders", "Early", -1));
    assert_true(kca__redrive_takes(r, "payments", "Late", -1));
    assert_false(kca__redrive_takes(r, "orders", "Wrong", -1));
    assert_false(kca__redrive_takes(r, "invoices", "Late", -1));
    assert_false(kca__redrive_takes(r, "", "", -1));
    kca_redrive_free(r);
}

static void test_times_are_from_the_first_and_before_the_second(void **state) {
    kca_redrive *r = redrive();
    kca_redrive_with_start_time_ms(r, 100);
    kca_redrive_with_end_time_ms(r, 200);
    assert_null(kca__redrive_check(r));
    assert_false(kca__redrive_takes(r, "orders", "Late", 99));
    assert_true(kca__redrive_takes(r, "orders", "Late", 100));
    assert_true(kca__redrive_takes(r, "orders", "Late", 199));
    assert_false(kca__redrive_takes(r, "orders", "Late", 200));
    assert_false(kca__redrive_takes(r, "orders", "Late", -1));
    kca_redrive_free(r);
}

static void test_every_number_has_its_range(void **state) {
    kca_redrive *r = redrive();
    kca_redrive_with_max_messages(r, INT_MAX);
    kca_redrive_with_max_redrives(r, 1000000);
    kca_redrive_with_max_redrives(r, 1);
    kca_redrive_with_start_time_ms(r, 0);
    kca_redrive_with_end_time_ms(r, INT64_C(253402300799999));
    kca_redrive_with_dry_run(r, 0);
    assert_null(kca_redrive_error(r));
    kca_redrive_with_max_messages(r, -1);
    kca_redrive_with_max_redrives(r, 0); /* the first failure stays */
    assert_failed(r, "redrive orders.dead: max_messages must be 0 to 2147483647, got -1");
    r = redrive();
    kca_redrive_with_max_redrives(r, 0);
    assert_failed(r, "redrive orders.dead: max_redrives must be 1 to 1000000, got 0");
    r = redrive();
    kca_redrive_with_start_time_ms(r, -1);
    assert_failed(r, "redrive orders.dead: start_time_ms must be 0 to 253402300799999, got -1");
    r = redrive();
    kca_redrive_with_end_time_ms(r, INT64_C(253402300800000));
    assert_failed(
        r, "redrive orders.dead: end_time_ms must be 0 to 253402300799999, got 253402300800000");
    r = redrive();
    kca_redrive_with_dry_run(r, 2);
    assert_failed(r, "redrive orders.dead: dry_run must be 0 to 1, got 2");
}

static void test_names_are_those_that_a_broker_takes(void **state) {
    kca_redrive *r = redrive();
    kca_redrive_with_to_topic(r, "a b");
    assert_failed(r, "topic a b: letters, digits, '.', '_' and '-' are allowed");
    r = redrive();
    kca_redrive_with_only_topic(r, NULL);
    assert_failed(r, "topic must have 1 to 249 characters, got 0");
    r = redrive();
    kca_redrive_with_only_error(r, "");
    assert_failed(r, "only_error must have 1 to 1000 characters, got 0");
    r = redrive();
    kca_redrive_with_group_id(r, "");
    assert_failed(r, "redrive orders.dead: group_id is empty");
}

static void test_a_bad_name_makes_no_redrive(void **state) {
    const char *const wrong[][2] = {{"kafka", ""}, {"kafka", "a b"}, {"", "orders"}, {NULL, "a"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kca_redrive *r = (kca_redrive *)wrong;
        kca_error *e = kca_redrive_new(&r, wrong[i][0], wrong[i][1]);
        assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
        assert_null(r);
        kca_error_free(e);
    }
}

static void test_options_that_depend_on_each_other_are_checked_together(void **state) {
    kca_redrive *r = redrive();
    kca_redrive_with_to_topic(r, "orders.dead");
    assert_check(r, "redrive orders.dead: to_topic is the topic that it reads");
    r = redrive();
    kca_redrive_with_start_time_ms(r, 5);
    kca_redrive_with_end_time_ms(r, 5);
    assert_check(r, "redrive orders.dead: start_time_ms must be before end_time_ms, 5, got 5");
    r = redrive();
    kca_redrive_with_max_messages(r, -1);
    assert_check(r, "redrive orders.dead: max_messages must be 0 to 2147483647, got -1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_default_it_only_looks_at_all_of_the_topic),
        cmocka_unit_test(test_filters_of_one_kind_are_alternatives_and_of_two_kinds_conditions),
        cmocka_unit_test(test_times_are_from_the_first_and_before_the_second),
        cmocka_unit_test(test_every_number_has_its_range),
        cmocka_unit_test(test_names_are_those_that_a_broker_takes),
        cmocka_unit_test(test_a_bad_name_makes_no_redrive),
        cmocka_unit_test(test_options_that_depend_on_each_other_are_checked_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
