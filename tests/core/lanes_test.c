#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "engine/lanes.h"

enum { MANY = 3000 };

static const char first_partition, second_partition;

static kca__lane_entry entry(const void *topic_partition, const char *key) {
    return (kca__lane_entry){
        .topic_partition = topic_partition, .key = key, .key_len = key ? strlen(key) : 0};
}

static void test_entries_of_one_key_leave_one_after_another(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a, c = a;
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    kca__lanes_add(&l, &c);
    assert_int_equal(l.ready.count, 1);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_null(kca__lanes_take(&l));
    assert_true(kca__lanes_finish(&l, &a));
    assert_ptr_equal(kca__lanes_take(&l), &b);
    assert_true(kca__lanes_finish(&l, &b));
    assert_ptr_equal(kca__lanes_take(&l), &c);
    assert_false(kca__lanes_finish(&l, &c));
    assert_null(kca__lanes_take(&l));
    kca__lanes_close(&l);
}

static void test_an_entry_that_comes_while_its_key_is_out_waits(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a;
    kca__lanes_add(&l, &a);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    kca__lanes_add(&l, &b);
    assert_null(kca__lanes_take(&l));
    assert_true(kca__lanes_finish(&l, &a));
    assert_ptr_equal(kca__lanes_take(&l), &b);
    assert_false(kca__lanes_finish(&l, &b));
    kca__lanes_close(&l);
}

static void test_equal_keys_of_two_partitions_go_side_by_side(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = entry(&second_partition, "k");
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_ptr_equal(kca__lanes_take(&l), &b);
    kca__lanes_close(&l);
}

static void test_entries_without_a_key_go_side_by_side(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, NULL), b = a;
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_ptr_equal(kca__lanes_take(&l), &b);
    assert_false(kca__lanes_finish(&l, &a));
    assert_false(kca__lanes_finish(&l, &b));
    kca__lanes_close(&l);
}

static void test_what_is_ready_longest_leaves_first(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "a"), a2 = a, b = entry(&first_partition, "b");
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &a2);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    kca__lanes_add(&l, &b);
    assert_true(kca__lanes_finish(&l, &a));
    assert_ptr_equal(kca__lanes_take(&l), &b);
    assert_ptr_equal(kca__lanes_take(&l), &a2);
    kca__lanes_close(&l);
}

/* Far more keys than buckets, with tails of 1 to 7 bytes after each word. */
static void test_many_keys_share_few_buckets(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 1));
    kca__lane_entry *entries = calloc(MANY * 2, sizeof *entries);
    char(*keys)[24] = calloc(MANY, sizeof *keys);
    for (int i = 0; i < MANY; i++) {
        memcpy(keys[i], &i, sizeof i);
        for (int j = 0; j < 2; j++)
            entries[2 * i + j] = (kca__lane_entry){.topic_partition = &first_partition,
                                                   .key = keys[i],
                                                   .key_len = (size_t)(4 + i % 20)};
    }
    for (int i = 0; i < MANY * 2; i++)
        kca__lanes_add(&l, &entries[i]);
    assert_int_equal(l.ready.count, MANY);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(kca__lanes_take(&l), &entries[2 * i]);
    for (int i = MANY - 1; i >= 0; i--)
        assert_true(kca__lanes_finish(&l, &entries[2 * i]));
    for (int i = MANY - 1; i >= 0; i--)
        assert_ptr_equal(kca__lanes_take(&l), &entries[2 * i + 1]);
    for (int i = 0; i < MANY; i++)
        assert_false(kca__lanes_finish(&l, &entries[2 * i + 1]));
    free(keys);
    free(entries);
    kca__lanes_close(&l);
}

/* A key inside a record is binary, and one may be the beginning of another. */
static void test_keys_are_compared_whole(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = {.topic_partition = &first_partition, .key = "a\0b", .key_len = 3};
    kca__lane_entry b = {.topic_partition = &first_partition, .key = "a\0c", .key_len = 3};
    kca__lane_entry c = {.topic_partition = &first_partition, .key = "a\0", .key_len = 2};
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    kca__lanes_add(&l, &c);
    assert_int_equal(l.ready.count, 3);
    kca__lanes_close(&l);
}

static void test_an_entry_that_is_put_back_is_still_the_first_of_its_lane(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), a2 = a, none = entry(&first_partition, NULL);
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &a2);
    kca__lanes_add(&l, &none);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_ptr_equal(kca__lanes_take(&l), &none);
    kca__lanes_put_back(&l, &a);
    kca__lanes_put_back(&l, &none);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_ptr_equal(kca__lanes_take(&l), &none);
    assert_null(kca__lanes_take(&l));
    assert_true(kca__lanes_finish(&l, &a));
    assert_ptr_equal(kca__lanes_take(&l), &a2);
    kca__lanes_close(&l);
}

static void test_another_entry_takes_the_place_of_one_that_is_out(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), a2 = a, by;
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &a2);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    kca__lanes_replace(&l, &a, &by);
    memset(&a, 0xee, sizeof a);
    assert_null(kca__lanes_take(&l));
    kca__lanes_put_back(&l, &by);
    assert_ptr_equal(kca__lanes_take(&l), &by);
    assert_true(kca__lanes_finish(&l, &by));
    assert_ptr_equal(kca__lanes_take(&l), &a2);
    kca__lanes_close(&l);
}

static void test_lanes_that_are_cleared_are_as_new(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a;
    kca__lanes_add(&l, &a);
    kca__lanes_clear(&l);
    assert_null(kca__lanes_take(&l));
    kca__lanes_add(&l, &b);
    assert_ptr_equal(kca__lanes_take(&l), &b);
    kca__lanes_close(&l);
}

static void test_those_that_go_along_keep_their_places_and_the_head_waits_for_them(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a, c = a, d = a;
    assert_null(kca__lanes_add(&l, &a));
    assert_ptr_equal(kca__lanes_add(&l, &b), &a);
    assert_ptr_equal(kca__lanes_add(&l, &c), &b);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_ptr_equal(kca__lanes_behind(&a), &b);
    kca__lanes_go_along(&l, &b);
    kca__lanes_go_along(&l, &c);
    assert_ptr_equal(kca__lanes_add(&l, &d), &c);
    kca__lanes_put_back(&l, &a);
    assert_null(kca__lanes_take(&l));
    kca__lanes_put_back(&l, &c);
    assert_null(kca__lanes_take(&l));
    kca__lanes_put_back(&l, &b);
    kca__lane_entry *all[] = {&a, &b, &c, &d};
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(kca__lanes_take(&l), all[i]);
        assert_int_equal(kca__lanes_finish(&l, all[i]), i < 3);
    }
    kca__lanes_close(&l);
}

static void test_a_head_that_leaves_makes_nothing_ready_that_is_out(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a, c = a, d = a;
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    kca__lanes_add(&l, &c);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    kca__lanes_go_along(&l, &b);
    kca__lanes_replace(&l, &b, &d); /* from behind */
    assert_false(kca__lanes_finish(&l, &a));
    assert_null(kca__lanes_take(&l));
    assert_true(kca__lanes_finish(&l, &d));
    assert_ptr_equal(kca__lanes_take(&l), &c);
    kca__lanes_close(&l);
}

static void test_one_that_leaves_from_behind_leaves_the_others_as_they_are(void **state) {
    kca__lanes l;
    assert_true(kca__lanes_init(&l, 4));
    kca__lane_entry a = entry(&first_partition, "k"), b = a, c = a;
    kca__lanes_add(&l, &a);
    kca__lanes_add(&l, &b);
    kca__lanes_add(&l, &c);
    assert_ptr_equal(kca__lanes_take(&l), &a);
    kca__lanes_go_along(&l, &b);
    kca__lanes_put_back(&l, &a);
    assert_false(kca__lanes_finish(&l, &b));
    assert_ptr_equal(kca__lanes_take(&l), &a);
    assert_true(kca__lanes_finish(&l, &a));
    assert_ptr_equal(kca__lanes_take(&l), &c);
    kca__lanes_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_of_one_key_leave_one_after_another),
        cmocka_unit_test(test_an_entry_that_comes_while_its_key_is_out_waits),
        cmocka_unit_test(test_equal_keys_of_two_partitions_go_side_by_side),
        cmocka_unit_test(test_entries_without_a_key_go_side_by_side),
        cmocka_unit_test(test_what_is_ready_longest_leaves_first),
        cmocka_unit_test(test_many_keys_share_few_buckets),
        cmocka_unit_test(test_keys_are_compared_whole),
        cmocka_unit_test(test_an_entry_that_is_put_back_is_still_the_first_of_its_lane),
        cmocka_unit_test(test_another_entry_takes_the_place_of_one_that_is_out),
        cmocka_unit_test(test_lanes_that_are_cleared_are_as_new),
        cmocka_unit_test(test_those_that_go_along_keep_their_places_and_the_head_waits_for_them),
        cmocka_unit_test(test_a_head_that_leaves_makes_nothing_ready_that_is_out),
        cmocka_unit_test(test_one_that_leaves_from_behind_leaves_the_others_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
