#include "testing.h"

#include <string.h>

#include "chance.h"

#include "engine/frontier.h"

enum { MOST = 200, ORDERS = 300 };

static kca__frontier_entry entries[MOST];

/* A frontier with records of these offsets, ended by -1; entries[i] is the ith. */
static kca__frontier frontier_of(const int64_t *offsets) {
    kca__frontier f;
    kca__frontier_init(&f);
    for (int i = 0; offsets[i] >= 0; i++)
        kca__frontier_add(&f, &entries[i], offsets[i]);
    return f;
}

static void test_nothing_is_known_before_something_is_settled(void **state) {
    kca__frontier f = frontier_of((int64_t[]){7, 8, -1});
    assert_int_equal(kca__frontier_offset(&f), -1);
    kca__frontier_settle(&f, &entries[1]);
    assert_int_equal(kca__frontier_offset(&f), 7);
}

static void test_the_frontier_waits_for_the_slowest(void **state) {
    kca__frontier f = frontier_of((int64_t[]){10, 11, 12, -1});
    kca__frontier_settle(&f, &entries[2]);
    kca__frontier_settle(&f, &entries[1]);
    assert_int_equal(kca__frontier_offset(&f), 10);
    kca__frontier_settle(&f, &entries[0]);
    assert_int_equal(kca__frontier_offset(&f), 13);
}

static void test_the_frontier_is_the_first_open_offset_beyond_gaps(void **state) {
    kca__frontier f = frontier_of((int64_t[]){10, 20, 30, -1});
    kca__frontier_settle(&f, &entries[0]);
    assert_int_equal(kca__frontier_offset(&f), 20);
    kca__frontier_settle(&f, &entries[2]);
    kca__frontier_settle(&f, &entries[1]);
    assert_int_equal(kca__frontier_offset(&f), 31);
}

static void test_what_was_finished_before_counts_as_settled(void **state) {
    kca__frontier f = frontier_of((int64_t[]){5, -1});
    kca__frontier_pass(&f, 6);
    assert_int_equal(kca__frontier_offset(&f), 5);
    kca__frontier_settle(&f, &entries[0]);
    assert_int_equal(kca__frontier_offset(&f), 7);
    kca__frontier_pass(&f, 9);
    assert_int_equal(kca__frontier_offset(&f), 10);
}

static void test_the_end_is_reached_once_all_before_it_is_settled(void **state) {
    kca__frontier f = frontier_of((int64_t[]){5, 6, -1});
    kca__frontier_reach(&f, 9);
    assert_int_equal(kca__frontier_offset(&f), -1);
    kca__frontier_settle(&f, &entries[1]);
    assert_int_equal(kca__frontier_offset(&f), 5);
    kca__frontier_settle(&f, &entries[0]);
    assert_int_equal(kca__frontier_offset(&f), 9);
    uint64_t changes = f.changes;
    kca__frontier_reach(&f, 9);
    kca__frontier_reach(&f, 8); /* nothing comes between the two */
    assert_int_equal(f.changes, changes);
    kca__frontier_reach(&f, 12);
    assert_int_equal(kca__frontier_offset(&f), 12);
    assert_int_equal(f.changes, changes + 1);
}

static void test_each_settlement_is_a_change(void **state) {
    kca__frontier f = frontier_of((int64_t[]){1, 2, 3, -1});
    assert_int_equal(f.changes, 0);
    kca__frontier_settle(&f, &entries[2]);
    kca__frontier_settle(&f, &entries[0]);
    assert_int_equal(f.changes, 2);
}

static void test_another_entry_takes_an_open_ones_place(void **state) {
    for (int which = 0; which < 3; which++) {
        kca__frontier f = frontier_of((int64_t[]){1, 2, 3, -1});
        kca__frontier_entry other;
        kca__frontier_replace(&f, &entries[which], &other);
        memset(&entries[which], 0xee, sizeof entries[which]);
        for (int i = 0; i < 3; i++)
            if (i != which)
                kca__frontier_settle(&f, &entries[i]);
        assert_int_equal(kca__frontier_offset(&f), which + 1);
        kca__frontier_settle(&f, &other);
        assert_int_equal(kca__frontier_offset(&f), 4);
        assert_null(f.first);
        assert_null(f.last);
    }
}

/* The frontier is the lowest open offset. */
static void settle_in_any_order(void) {
    int64_t offsets[MOST + 1], offset = 0;
    int order[MOST], settled[MOST] = {0};
    for (int i = 0; i < MOST; i++) {
        offset += 1 + (int64_t)pick(3);
        offsets[i] = offset;
        order[i] = i;
    }
    offsets[MOST] = -1;
    kca__frontier f = frontier_of(offsets);
    for (int left = MOST; left > 0; left--) {
        int at = (int)pick((uint64_t)left);
        int which = order[at];
        order[at] = order[left - 1];
        kca__frontier_settle(&f, &entries[which]);
        settled[which] = 1;
        int lowest = 0;
        while (lowest < MOST && settled[lowest])
            lowest++;
        check(kca__frontier_offset(&f) == (lowest < MOST ? offsets[lowest] : offset + 1));
    }
}

static void test_any_order_of_settling_gives_the_lowest_open_offset(void **state) {
    play_each(settle_in_any_order, ORDERS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_before_something_is_settled),
        cmocka_unit_test(test_the_frontier_waits_for_the_slowest),
        cmocka_unit_test(test_the_frontier_is_the_first_open_offset_beyond_gaps),
        cmocka_unit_test(test_what_was_finished_before_counts_as_settled),
        cmocka_unit_test(test_the_end_is_reached_once_all_before_it_is_settled),
        cmocka_unit_test(test_each_settlement_is_a_change),
        cmocka_unit_test(test_another_entry_takes_an_open_ones_place),
        cmocka_unit_test(test_any_order_of_settling_gives_the_lowest_open_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
