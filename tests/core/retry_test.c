#include "testing.h"

#include <limits.h>

#include "engine/retry.h"

static const kca__retry_plan usual = {.max_attempts = 5,
                                      .backoff_ms = 100,
                                      .backoff_max_ms = 30000,
                                      .multiplier = 2,
                                      .jitter_percent = 0};

/* What the delay may be at least and at most, and that both are reached. */
static void assert_range(const kca__retry_plan *plan, int attempts_made, int64_t least,
                         int64_t most) {
    int64_t lowest = INT64_MAX, highest = -1;
    for (uint64_t random = 0; random <= (uint64_t)(most - least) * 2; random++) {
        int64_t delay = kca__retry_delay_ms(plan, attempts_made, random);
        lowest = delay < lowest ? delay : lowest;
        highest = delay > highest ? delay : highest;
    }
    assert_int_equal(lowest, least);
    assert_int_equal(highest, most);
}

static void test_attempts_end_at_the_most(void **state) {
    assert_true(kca__retry_is_due(&usual, 1, NULL));
    assert_true(kca__retry_is_due(&usual, 4, NULL));
    assert_false(kca__retry_is_due(&usual, 5, NULL));
    assert_false(kca__retry_is_due(&usual, INT_MAX, NULL));
}

static void test_one_attempt_is_no_retry_and_zero_is_without_end(void **state) {
    kca__retry_plan plan = usual;
    plan.max_attempts = 1;
    assert_false(kca__retry_is_due(&plan, 1, NULL));
    plan.max_attempts = 0;
    assert_true(kca__retry_is_due(&plan, 1, NULL));
    assert_true(kca__retry_is_due(&plan, INT_MAX, NULL));
}

static void test_a_rejected_error_is_not_retried(void **state) {
    char *names[] = {"NegativeAmount", "UnknownCustomer"};
    kca__retry_plan plan = usual;
    plan.rejected_errors = names;
    plan.rejected_count = 2;
    assert_false(kca__retry_is_due(&plan, 1, "NegativeAmount"));
    assert_false(kca__retry_is_due(&plan, 1, "UnknownCustomer"));
    assert_true(kca__retry_is_due(&plan, 1, "UnknownCustomers"));
    assert_true(kca__retry_is_due(&plan, 1, "Timeout"));
    assert_true(kca__retry_is_due(&plan, 1, NULL));
    plan.max_attempts = 0;
    assert_false(kca__retry_is_due(&plan, 1, "NegativeAmount"));
}

static void test_the_delay_doubles_up_to_the_cap(void **state) {
    int64_t expected[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    for (int i = 0; i < 11; i++)
        assert_int_equal(kca__retry_delay_ms(&usual, i + 1, 12345), expected[i]);
}

static void test_a_broken_multiplier_is_rounded_to_the_nearest(void **state) {
    kca__retry_plan plan = usual;
    plan.multiplier = 1.1;
    plan.backoff_ms = 1000;
    int64_t expected[] = {1000, 1100, 1210, 1331, 1464, 1611};
    for (int i = 0; i < 6; i++)
        assert_int_equal(kca__retry_delay_ms(&plan, i + 1, 0), expected[i]);
}

static void test_no_number_of_attempts_is_too_great(void **state) {
    kca__retry_plan plan = usual;
    plan.jitter_percent = 100;
    plan.backoff_max_ms = INT_MAX;
    for (int attempts = 30; attempts > 0; attempts = attempts > INT_MAX / 3 ? 0 : attempts * 3) {
        assert_int_equal(kca__retry_delay_ms(&plan, attempts, INT_MAX), INT_MAX);
        assert_int_equal(kca__retry_delay_ms(&plan, attempts, 0), 0);
    }
    assert_int_equal(kca__retry_delay_ms(&plan, INT_MAX, INT_MAX), INT_MAX);
    plan.multiplier = 1e300;
    assert_int_equal(kca__retry_delay_ms(&plan, INT_MAX, INT_MAX), INT_MAX);
    plan.multiplier = 1;
    assert_int_equal(kca__retry_delay_ms(&plan, INT_MAX, 100), 100);
}

static void test_no_backoff_stays_none(void **state) {
    kca__retry_plan plan = usual;
    plan.backoff_ms = 0;
    plan.jitter_percent = 50;
    assert_int_equal(kca__retry_delay_ms(&plan, 1, UINT64_MAX), 0);
    assert_int_equal(kca__retry_delay_ms(&plan, INT_MAX, UINT64_MAX), 0);
}

static void test_jitter_spreads_the_delay_to_both_sides(void **state) {
    kca__retry_plan plan = usual;
    plan.jitter_percent = 20;
    assert_range(&plan, 1, 80, 120);
    assert_range(&plan, 3, 320, 480);
    plan.jitter_percent = 100;
    assert_range(&plan, 1, 0, 200);
}

static void test_jitter_is_even(void **state) {
    kca__retry_plan plan = usual;
    int counts[41] = {0};
    plan.jitter_percent = 20;
    for (uint64_t random = 0; random < 41 * 10; random++)
        counts[kca__retry_delay_ms(&plan, 1, random) - 80]++;
    for (int i = 0; i < 41; i++)
        assert_int_equal(counts[i], 10);
}

static void test_jitter_at_the_cap_goes_downwards_only(void **state) {
    kca__retry_plan plan = usual;
    plan.jitter_percent = 20;
    assert_range(&plan, 50, 24000, 30000);
    assert_range(&plan, 9, 20480, 30000); /* 25600: less room upwards than jitter wants */
}

static void test_a_list_stands_in_place_of_the_backoff_and_its_last_repeats(void **state) {
    int delays[] = {1000, 60000, 500};
    kca__retry_plan plan = usual;
    plan.delays_ms = delays;
    plan.delay_count = 3;
    assert_int_equal(kca__retry_delay_ms(&plan, 1, 9), 1000);
    assert_int_equal(kca__retry_delay_ms(&plan, 2, 9), 60000);
    assert_int_equal(kca__retry_delay_ms(&plan, 3, 9), 500);
    assert_int_equal(kca__retry_delay_ms(&plan, 4, 9), 500);
    assert_int_equal(kca__retry_delay_ms(&plan, INT_MAX, 9), 500);
    plan.jitter_percent = 10;
    assert_range(&plan, 1, 900, 1100);
    assert_range(&plan, 7, 450, 550);
}

static void test_the_greatest_listed_delay_may_be_doubled_by_jitter(void **state) {
    int delays[] = {INT_MAX};
    kca__retry_plan plan = usual;
    plan.delays_ms = delays;
    plan.delay_count = 1;
    plan.jitter_percent = 100;
    int64_t most = kca__retry_delay_ms(&plan, 1, (uint64_t)INT_MAX * 2);
    assert_int_equal(most, (int64_t)INT_MAX * 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_end_at_the_most),
        cmocka_unit_test(test_one_attempt_is_no_retry_and_zero_is_without_end),
        cmocka_unit_test(test_a_rejected_error_is_not_retried),
        cmocka_unit_test(test_the_delay_doubles_up_to_the_cap),
        cmocka_unit_test(test_a_broken_multiplier_is_rounded_to_the_nearest),
        cmocka_unit_test(test_no_number_of_attempts_is_too_great),
        cmocka_unit_test(test_no_backoff_stays_none),
        cmocka_unit_test(test_jitter_spreads_the_delay_to_both_sides),
        cmocka_unit_test(test_jitter_is_even),
        cmocka_unit_test(test_jitter_at_the_cap_goes_downwards_only),
        cmocka_unit_test(test_a_list_stands_in_place_of_the_backoff_and_its_last_repeats),
        cmocka_unit_test(test_the_greatest_listed_delay_may_be_doubled_by_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
