/* The checker of the fault tests finds each thing that can be wrong, and nothing else. */
#include "checker_log.h"

static void test_all_is_well_when_each_is_handled_once(void **state) {
    log l = new_log(10);
    handle_all(&l, 0, 0, 4);
    handle_all(&l, 1, 5, 9);
    assert_int_equal(checker_deliveries(l.checker, 1), 5);
    assert_int_equal(checker_deliveries(l.checker, -1), 10);
    assert_int_equal(checker_next_id(l.checker), 10);
    account a = close_log(&l);
    assert_int_equal(a.published, 10);
    assert_int_equal(a.handled, 10);
    assert_true(account_is_good(&a, 0));
}

static void test_one_that_was_confirmed_and_never_handled_is_missing(void **state) {
    log l = new_log(10);
    handle_all(&l, 0, 0, 8);
    account a = close_log(&l);
    assert_int_equal(a.missing, 1);
    assert_false(account_is_good(&a, 100));
}

static void test_a_message_without_an_answer_may_come_or_not(void **state) {
    log l = new_log(2);
    checker_sent(l.checker, 9, 2);
    checker_sent(l.checker, 9, 3);
    handle_all(&l, 0, 0, 2);
    assert_int_equal(checker_next_id(l.checker), 4);
    account a = close_log(&l);
    assert_int_equal(a.unsure, 2);
    assert_true(account_is_good(&a, 0));
}

static void test_one_that_nobody_sent_or_that_was_refused_is_unknown(void **state) {
    log l = new_log(2);
    checker_sent(l.checker, 9, 2);
    checker_refused(l.checker, 2);
    handle_all(&l, 0, 0, 3);
    account a = close_log(&l);
    assert_int_equal(a.refused, 1);
    assert_int_equal(a.unknown, 2);
    assert_false(account_is_good(&a, 0));
}

static void test_what_comes_again_in_its_order_is_repeated_and_no_disorder(void **state) {
    log l = new_log(10);
    handle_all(&l, 0, 0, 6); /* killed */
    handle_all(&l, 1, 4, 9);
    account a = close_log(&l);
    assert_int_equal(a.repeated, 3);
    assert_int_equal(a.disorder, 0);
    assert_true(account_is_good(&a, 3));
    assert_false(account_is_good(&a, 2));
}

static void test_a_later_attempt_is_no_repetition(void **state) {
    log l = new_log(1);
    handle(&l, 0, 0);
    handled again = {.begin_ns = l.time_ns, .time_ns = l.time_ns + 1, .attempt = 2, .key = "even"};
    checker_handled(l.checker, &again);
    account a = close_log(&l);
    assert_int_equal(a.handled, 2);
    assert_int_equal(a.repeated, 0);
}

static void test_keys_may_overtake_each_other_but_not_themselves(void **state) {
    log l = new_log(6);
    static const int fine[] = {1, 0, 2, 4, 3, 5};
    for (int i = 0; i < 6; i++)
        handle(&l, 0, fine[i]);
    account a = close_log(&l);
    assert_int_equal(a.disorder, 0);

    l = new_log(6);
    static const int wrong[] = {0, 4, 2, 1, 3, 5};
    for (int i = 0; i < 6; i++)
        handle(&l, 0, wrong[i]);
    a = close_log(&l);
    assert_int_equal(a.disorder, 2); /* for the process and for all */
    assert_false(account_is_good(&a, 0));
}

static void test_without_a_key_there_is_no_order(void **state) {
    log l = new_log(2);
    handle_at(&l, 0, 1, 1, "");
    handle_at(&l, 0, 0, 0, "");
    account a = close_log(&l);
    assert_true(account_is_good(&a, 0));
}

static void test_processes_have_to_keep_the_order_between_them(void **state) {
    log l = new_log(6);
    handle(&l, 0, 2);
    handle(&l, 1, 0);
    handle_all(&l, 1, 3, 5);
    handle(&l, 0, 1);
    account a = close_log(&l);
    assert_int_equal(a.disorder, 2); /* 0 after 2, 1 after 3 */
}

static void test_a_process_has_to_keep_the_order_though_others_were_there_before(void **state) {
    log l = new_log(6);
    handle_all(&l, 0, 0, 5);
    handle(&l, 1, 4);
    handle(&l, 1, 2);
    account a = close_log(&l);
    assert_int_equal(a.repeated, 2);
    assert_int_equal(a.disorder, 1);
}

static void test_a_record_must_be_where_its_receipt_says(void **state) {
    log l = new_log(2);
    handle(&l, 0, 0);
    handle_at(&l, 0, 1, 7, "odd");
    account a = close_log(&l);
    assert_int_equal(a.misplaced, 1);
    assert_false(account_is_good(&a, 0));
}

static void test_an_id_that_is_stored_twice_is_doubled(void **state) {
    log l = new_log(2);
    handle_all(&l, 0, 0, 1);
    handle_at(&l, 0, 1, 2, "odd");
    account a = close_log(&l);
    assert_int_equal(a.doubled, 1);
    assert_int_equal(a.repeated, 0);
    assert_false(account_is_good(&a, 0));
}

static account stored_in_another_order(int publisher_of_0, int publisher_of_1) {
    log l = {checker_new(), 0};
    checker_sent(l.checker, publisher_of_0, 0);
    checker_sent(l.checker, publisher_of_1, 1);
    handle_at(&l, 0, 1, 0, "same");
    handle_at(&l, 0, 0, 1, "same");
    return close_log(&l);
}

static void test_a_publishers_ids_that_were_stored_in_another_order_are_shuffled(void **state) {
    account a = stored_in_another_order(1, 1);
    assert_int_equal(a.shuffled, 1);
    assert_int_equal(a.disorder, 0);
    assert_false(account_is_good(&a, 0));
    a = stored_in_another_order(1, 2);
    assert_int_equal(a.shuffled, 0);
}

static void test_counts_the_most_within_a_time(void **state) {
    log l = new_log(10);
    handle_all(&l, 0, 0, 2);
    l.time_ns += 50000000;
    handle_all(&l, 0, 3, 9); /* a millisecond apart */
    assert_int_equal(checker_most_within(l.checker, -1, 0), 1);
    assert_int_equal(checker_most_within(l.checker, -1, 3), 4);
    assert_int_equal(checker_most_within(l.checker, -1, 40), 7);
    assert_int_equal(checker_most_within(l.checker, -1, 1000), 10);
    handle(&l, 1, 0);
    handle(&l, 1, 2);
    assert_int_equal(checker_most_within(l.checker, 1, 1000), 2);
    assert_int_equal(checker_most_within(l.checker, 2, 1000), 0);
    close_log(&l);
}

static void test_prints_one_line(void **state) {
    char line[300];
    account a = {.published = 5, .missing = 2, .disorder = 3};
    account_print(line, sizeof line, &a);
    assert_non_null(strstr(line, "published 5 "));
    assert_non_null(strstr(line, "missing 2,"));
    assert_non_null(strstr(line, "disorder 3,"));
    assert_null(strchr(line, '\n'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well_when_each_is_handled_once),
        cmocka_unit_test(test_one_that_was_confirmed_and_never_handled_is_missing),
        cmocka_unit_test(test_a_message_without_an_answer_may_come_or_not),
        cmocka_unit_test(test_one_that_nobody_sent_or_that_was_refused_is_unknown),
        cmocka_unit_test(test_what_comes_again_in_its_order_is_repeated_and_no_disorder),
        cmocka_unit_test(test_a_later_attempt_is_no_repetition),
        cmocka_unit_test(test_keys_may_overtake_each_other_but_not_themselves),
        cmocka_unit_test(test_without_a_key_there_is_no_order),
        cmocka_unit_test(test_processes_have_to_keep_the_order_between_them),
        cmocka_unit_test(test_a_process_has_to_keep_the_order_though_others_were_there_before),
        cmocka_unit_test(test_a_record_must_be_where_its_receipt_says),
        cmocka_unit_test(test_an_id_that_is_stored_twice_is_doubled),
        cmocka_unit_test(test_a_publishers_ids_that_were_stored_in_another_order_are_shuffled),
        cmocka_unit_test(test_counts_the_most_within_a_time),
        cmocka_unit_test(test_prints_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
