#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frontier.h"

enum { MANY = 5000 };

static uint64_t add(kca__frontier *f, int64_t offset) {
    uint64_t number;
    assert_true(kca__frontier_add(&number, f, offset));
    return number;
}

static void test_a_new_frontier_has_nothing_to_commit(void **state) {
    (void)state;
    kca__frontier f;
    kca__frontier_init(&f);
    assert_int_equal(f.offset, -1);
    assert_int_equal(kca__frontier_open(&f), 0);
    add(&f, 10);
    assert_int_equal(f.offset, -1);
    assert_int_equal(kca__frontier_open(&f), 1);
    kca__frontier_close(&f);
}

static void test_it_moves_over_what_is_settled_behind_the_first(void **state) {
    (void)state;
    kca__frontier f;
    kca__frontier_init(&f);
    uint64_t a = add(&f, 10), b = add(&f, 11), c = add(&f, 12);
    assert_false(kca__frontier_settle(&f, b));
    assert_int_equal(f.offset, -1);
    assert_true(kca__frontier_settle(&f, a));
    assert_int_equal(f.offset, 12);
    assert_true(kca__frontier_settle(&f, c));
    assert_int_equal(f.offset, 13);
    assert_int_equal(kca__frontier_open(&f), 0);
    kca__frontier_close(&f);
}

static void test_offsets_may_have_gaps(void **state) {
    (void)state;
    kca__frontier f;
    kca__frontier_init(&f);
    uint64_t a = add(&f, 10), b = add(&f, 500);
    kca__frontier_settle(&f, a);
    assert_int_equal(f.offset, 11);
    kca__frontier_settle(&f, b);
    assert_int_equal(f.offset, 501);
    kca__frontier_close(&f);
}

static void test_one_slow_record_holds_back_thousands(void **state) {
    (void)state;
    kca__frontier f;
    kca__frontier_init(&f);
    uint64_t slow = add(&f, 0);
    for (int i = 1; i < MANY; i++)
        assert_false(kca__frontier_settle(&f, add(&f, i)));
    assert_int_equal(kca__frontier_open(&f), MANY);
    assert_true(kca__frontier_settle(&f, slow));
    assert_int_equal(f.offset, MANY);
    kca__frontier_close(&f);
}

/* The ring is used again, at any place in it, also while it grows. */
static void test_the_ring_keeps_its_order_while_it_turns_and_grows(void **state) {
    (void)state;
    kca__frontier f;
    kca__frontier_init(&f);
    int64_t came = 0, settled = 0;
    for (int round = 1; round < 400; round++) {
        for (int i = 0; i < round; i++)
            assert_int_equal(add(&f, came * 2), came), came++;
        for (int i = 0; i < round - round % 7; i++)
            assert_true(kca__frontier_settle(&f, (uint64_t)settled++));
        assert_int_equal(f.offset, settled ? settled * 2 - 1 : -1);
        assert_int_equal(kca__frontier_open(&f), came - settled);
    }
    kca__frontier_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_frontier_has_nothing_to_commit),
        cmocka_unit_test(test_it_moves_over_what_is_settled_behind_the_first),
        cmocka_unit_test(test_offsets_may_have_gaps),
        cmocka_unit_test(test_one_slow_record_holds_back_thousands),
        cmocka_unit_test(test_the_ring_keeps_its_order_while_it_turns_and_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
