/* The checker of the fault tests reconciles dead letters and results, too. */
#include "checker_log.h"

static void try_in_vain(log *l, int id, int attempt) {
    handled h = {.begin_ns = l->time_ns,
                 .time_ns = l->time_ns += 1000000,
                 .id = id,
                 .offset = id,
                 .attempt = attempt,
                 .undone = true};
    strcpy(h.key, id % 2 ? "odd" : "even");
    checker_handled(l->checker, &h);
}

static void bury(log *l, int id) {
    dead_letter d = {.id = id, .offset = id, .time_ns = l->time_ns};
    checker_dead(l->checker, &d);
}

static void condemn(log *l, int id) {
    checker_condemn(l->checker, id);
    try_in_vain(l, id, 1);
    try_in_vain(l, id, 2);
}

static void test_a_dead_letter_is_an_end(void **state) {
    log l = new_log(4);
    handle(&l, 0, 0);
    condemn(&l, 1);
    assert_int_equal(checker_waiting(l.checker), 1);
    bury(&l, 1);
    assert_int_equal(checker_waiting(l.checker), 0);
    handle_all(&l, 0, 2, 3);
    account a = close_log(&l);
    assert_int_equal(a.dead, 1);
    assert_int_equal(a.handled, 5);
    assert_true(account_is_good(&a, 0));
}

static void test_one_that_failed_and_has_no_dead_letter_is_missing(void **state) {
    log l = new_log(2);
    handle(&l, 0, 0);
    condemn(&l, 1);
    account a = close_log(&l);
    assert_int_equal(a.missing, 1);
    assert_false(account_is_good(&a, 100));
}

static void test_what_may_be_done_must_not_be_dead_lettered(void **state) {
    log l = new_log(2);
    handle_all(&l, 0, 0, 1);
    bury(&l, 1);
    account a = close_log(&l);
    assert_int_equal(a.undue, 1);
    assert_false(account_is_good(&a, 100));
}

static void test_unless_one_of_its_deliveries_took_too_long(void **state) {
    log l = new_log(2);
    checker_excuse_after(l.checker, 5);
    handle(&l, 0, 0);
    handled late = {.begin_ns = 2000000,
                    .time_ns = l.time_ns = 9000000,
                    .id = 1,
                    .offset = 1,
                    .attempt = 1,
                    .undone = true,
                    .key = "odd"};
    checker_handled(l.checker, &late);
    bury(&l, 1);
    account a = close_log(&l);
    assert_int_equal(a.undue, 0);
    assert_true(account_is_good(&a, 0));
}

static void test_two_dead_letters_of_a_record_are_a_repetition(void **state) {
    log l = new_log(2);
    handle(&l, 0, 0);
    condemn(&l, 1);
    bury(&l, 1);
    bury(&l, 1);
    account a = close_log(&l);
    assert_int_equal(a.again, 1);
    assert_true(account_is_good(&a, 1));
    assert_false(account_is_good(&a, 0));
}

static void test_a_dead_letter_of_nothing_that_came_is_unknown(void **state) {
    log l = new_log(2);
    handle_all(&l, 0, 0, 1);
    checker_condemn(l.checker, 2);
    bury(&l, 2);
    account a = close_log(&l);
    assert_true(a.unknown > 0);
    assert_false(account_is_good(&a, 100));
}

static void test_a_dead_letter_must_tell_where_it_came_from(void **state) {
    log l = new_log(2);
    handle(&l, 0, 0);
    condemn(&l, 1);
    dead_letter d = {.id = 1, .offset = 0, .time_ns = l.time_ns};
    checker_dead(l.checker, &d);
    account a = close_log(&l);
    assert_int_equal(a.misplaced, 1);
    assert_false(account_is_good(&a, 100));
}

static void test_a_keys_next_waits_for_the_end_of_the_earlier_one(void **state) {
    log l = new_log(4);
    condemn(&l, 1);
    handle(&l, 0, 0); /* another key */
    handle(&l, 0, 2);
    handle(&l, 0, 3);
    bury(&l, 1);
    account a = close_log(&l);
    assert_int_equal(a.overtaken, 1);
    assert_int_equal(a.disorder, 0);
    assert_false(account_is_good(&a, 100));

    l = new_log(4);
    try_in_vain(&l, 0, 1);
    handle(&l, 0, 2);
    handle(&l, 0, 0); /* its second attempt comes too late */
    a = close_log(&l);
    assert_int_equal(a.overtaken, 1);
}

static void test_knows_what_is_open_below_an_offset(void **state) {
    log l = new_log(5);
    handle(&l, 0, 0);
    condemn(&l, 1);
    handle(&l, 0, 2);
    assert_int_equal(checker_open_below(l.checker, 0, 1, l.time_ns), 0);
    assert_int_equal(checker_open_below(l.checker, 0, 3, l.time_ns), 1);
    assert_int_equal(checker_open_below(l.checker, 0, 4, l.time_ns), 2); /* nobody came across 3 */
    bury(&l, 1);
    assert_int_equal(checker_open_below(l.checker, 0, 3, l.time_ns), 0);
    checker_forget_dead(l.checker);
    assert_int_equal(checker_open_below(l.checker, 0, 3, l.time_ns), 1);
    close_log(&l);
}

/* ---- results ---- */

static void pass(log *l, int from, int to) {
    for (int id = from; id <= to; id++)
        checker_passed(l->checker, id, id % 2 ? "odd" : "even");
}

static void test_each_has_a_result_or_a_dead_letter(void **state) {
    log l = new_log(4);
    checker_expect_results(l.checker);
    handle_all(&l, 0, 0, 2);
    handle_all(&l, 1, 1, 2);
    condemn(&l, 3);
    bury(&l, 3);
    pass(&l, 0, 2);
    account a = close_log(&l);
    assert_int_equal(a.passed, 3);
    assert_true(account_is_good(&a, 2));
}

static void test_one_without_either_is_missing_though_it_was_handled(void **state) {
    log l = new_log(4);
    checker_expect_results(l.checker);
    handle_all(&l, 0, 0, 3);
    pass(&l, 0, 2);
    account a = close_log(&l);
    assert_int_equal(a.missing, 1);
}

static void test_one_with_two_of_them_is_twice(void **state) {
    log l = new_log(4);
    checker_expect_results(l.checker);
    handle_all(&l, 0, 0, 2);
    condemn(&l, 3);
    bury(&l, 3);
    pass(&l, 0, 3);
    checker_passed(l.checker, 2, "even");
    account a = close_log(&l);
    assert_int_equal(a.twice, 2);
    assert_false(account_is_good(&a, 100));
}

static void test_results_in_another_order_are_shuffled(void **state) {
    log l = new_log(4);
    checker_expect_results(l.checker);
    handle_all(&l, 0, 0, 3);
    pass(&l, 2, 3);
    pass(&l, 0, 1);
    account a = close_log(&l);
    assert_int_equal(a.shuffled, 2);
    assert_false(account_is_good(&a, 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dead_letter_is_an_end),
        cmocka_unit_test(test_one_that_failed_and_has_no_dead_letter_is_missing),
        cmocka_unit_test(test_what_may_be_done_must_not_be_dead_lettered),
        cmocka_unit_test(test_unless_one_of_its_deliveries_took_too_long),
        cmocka_unit_test(test_two_dead_letters_of_a_record_are_a_repetition),
        cmocka_unit_test(test_a_dead_letter_of_nothing_that_came_is_unknown),
        cmocka_unit_test(test_a_dead_letter_must_tell_where_it_came_from),
        cmocka_unit_test(test_a_keys_next_waits_for_the_end_of_the_earlier_one),
        cmocka_unit_test(test_knows_what_is_open_below_an_offset),
        cmocka_unit_test(test_each_has_a_result_or_a_dead_letter),
        cmocka_unit_test(test_one_without_either_is_missing_though_it_was_handled),
        cmocka_unit_test(test_one_with_two_of_them_is_twice),
        cmocka_unit_test(test_results_in_another_order_are_shuffled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
