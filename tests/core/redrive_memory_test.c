/* What a redrive's group remembers, against a plain list of what is done. */
#include "chance.h"

#include <stdlib.h>
#include <string.h>

#include "redrive/redrive_memory.h"

enum { MOST = 3000, ROUNDS = 300, CALLS = 6 };

typedef struct group {
    int64_t committed;
    char text[KCA__OFFSET_MAP_SIZE];
    bool done[MOST]; /* as it is */
} group;

static int up_to(int most) {
    return (int)pick((uint64_t)most + 1);
}

/* One call: reads from `begin` on, does some, leaves some up to `end`, where it is cut, and
 * commits.
 */
static void call(group *g, int begin, int end, int one_in) {
    kca__redrive_memory m;
    int base = g->committed < 0 ? 0 : (int)g->committed;
    if (begin < base)
        begin = base;
    if (end < begin)
        end = begin;
    assert_true(kca__redrive_memory_open(&m, g->text, strlen(g->text), g->committed, base, begin));
    int read = end + up_to(MOST - end);
    for (int i = begin; i < read; i++)
        check(kca__redrive_memory_knows(&m, i) == g->done[i]);
    for (int i = begin; i < end; i++) {
        if (!g->done[i])
            g->done[i] = up_to(one_in) == 0;
        if (g->done[i])
            kca__redrive_memory_pass(&m);
        else
            assert_true(kca__redrive_memory_leave(&m, i));
    }
    int64_t told = kca__redrive_memory_write(&m, NULL, 0, end, &g->committed, g->text);
    assert_int_equal(told, end);
    kca__redrive_memory_close(&m);
}

static void play_round(void) {
    group g = {.committed = -1};
    for (int i = 0; i < CALLS; i++) {
        int begin = up_to(MOST - 1);
        call(&g, up_to(1) ? 0 : begin, begin + up_to(MOST - begin), up_to(3));
    }
    call(&g, 0, MOST, 0);
    check(g.committed == MOST);
    check(strcmp(g.text, "") == 0);
}

static void test_what_is_done_is_known_and_nothing_else_is(void **state) {
    play_each(play_round, ROUNDS);
}

static void test_it_counts_what_is_left(void **state) {
    kca__redrive_memory m, again;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, 0));
    for (int i = 0; i < 100; i++) {
        if (i % 10)
            kca__redrive_memory_pass(&m);
        else
            assert_true(kca__redrive_memory_leave(&m, i));
    }
    assert_int_equal(kca__redrive_memory_write(&m, NULL, 0, 100, &base, text), 100);
    assert_int_equal(base, 0);
    assert_true(kca__redrive_memory_open(&again, text, strlen(text), base, 0, 50));
    assert_int_equal(kca__redrive_memory_count_left(&again, 0, 50), 5);
    assert_int_equal(kca__redrive_memory_count_left(&again, 50, 1000), 5 + 900);
    assert_int_equal(kca__redrive_memory_count_left(&again, 10, 10), 0);
    kca__redrive_memory_close(&again);
    kca__redrive_memory_close(&m);
}

/* It is asked whether what was committed can be of the partition as it is. */
static void test_it_tells_where_the_last_letter_that_was_done_ends(void **state) {
    kca__redrive_memory m, again;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, 0));
    assert_int_equal(kca__redrive_memory_known_end(&m), -1);
    assert_true(kca__redrive_memory_leave(&m, 0));
    kca__redrive_memory_pass(&m);
    assert_int_equal(kca__redrive_memory_write(&m, NULL, 0, 700, &base, text), 700);
    assert_true(kca__redrive_memory_open(&again, text, strlen(text), base, 0, 0));
    assert_int_equal(kca__redrive_memory_known_end(&again), 700);
    kca__redrive_memory_close(&again);
    kca__redrive_memory_close(&m);
}

/* Records that are no letters join what is around them. */
static void test_what_is_no_letter_takes_no_room(void **state) {
    kca__redrive_memory m;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    enum { MANY = 100000 };
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, 0));
    for (int i = 0; i < MANY; i++)
        assert_true(i % 2 ? kca__redrive_memory_ignore(&m, i) : kca__redrive_memory_leave(&m, i));
    assert_int_equal(kca__redrive_memory_write(&m, NULL, 0, MANY, &base, text), MANY);
    assert_int_equal(m.open_count, 1);
    assert_int_equal(base, 0);
    kca__redrive_memory_close(&m);
}

static void test_it_says_how_far_there_is_room(void **state) {
    kca__redrive_memory m;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    enum { MANY = 100000 };
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, 0));
    for (int i = 0; i < MANY; i++) {
        kca__redrive_memory_pass(&m);
        if (i % 2)
            assert_true(kca__redrive_memory_leave(&m, i));
    }
    int64_t told = kca__redrive_memory_write(&m, NULL, 0, MANY, &base, text);
    assert_in_range(told, 20000, MANY - 1);
    kca__redrive_memory again;
    assert_true(kca__redrive_memory_open(&again, text, strlen(text), base, base, base));
    for (int64_t i = base; i < told; i++)
        assert_int_equal(kca__redrive_memory_knows(&again, i), i % 2 == 0);
    kca__redrive_memory_close(&again);
    kca__redrive_memory_close(&m);
}

static void test_what_is_left_at_the_end_takes_no_room(void **state) {
    kca__redrive_memory m;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    enum { MOST_BITS = KCA__OFFSET_MAP_BYTES * 8 };
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, 0));
    for (int i = 0; i < MOST_BITS; i++) {
        kca__redrive_memory_pass(&m);
        if (i % 2 == 0)
            assert_true(kca__redrive_memory_leave(&m, i));
    }
    kca__redrive_memory_pass(&m);
    assert_true(kca__redrive_memory_leave(&m, MOST_BITS));
    assert_int_equal(kca__redrive_memory_write(&m, NULL, 0, MOST_BITS + 1, &base, text),
                     MOST_BITS + 1);
    kca__offset_run further = {MOST_BITS + 1, MOST_BITS + 2};
    assert_int_equal(kca__redrive_memory_write(&m, &further, 1, MOST_BITS + 2, &base, text),
                     MOST_BITS + 2);
    assert_int_not_equal(kca__redrive_memory_write(&m, &further, 1, MOST_BITS + 3, &base, text),
                         MOST_BITS + 3);
    kca__redrive_memory_close(&m);
}

/* What was done far beyond must stay known: there is no room at all, then. */
static void test_it_does_not_forget_what_is_beyond(void **state) {
    kca__redrive_memory m, again;
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    enum { FAR = 200000, MANY = 210000 };
    assert_true(kca__redrive_memory_open(&m, NULL, 0, -1, 0, FAR));
    kca__redrive_memory_pass(&m);
    assert_int_equal(kca__redrive_memory_write(&m, NULL, 0, MANY, &base, text), MANY);
    assert_int_equal(base, 0);
    assert_true(kca__redrive_memory_open(&again, text, strlen(text), base, 0, 0));
    for (int i = 0; i < MANY / 2; i++) {
        kca__redrive_memory_pass(&again);
        if (i % 2)
            assert_true(kca__redrive_memory_leave(&again, i));
    }
    int64_t told = kca__redrive_memory_write(&again, NULL, 0, MANY / 2, &base, text);
    assert_int_equal(told, base);
    kca__redrive_memory_close(&again);
    kca__redrive_memory_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_done_is_known_and_nothing_else_is),
        cmocka_unit_test(test_it_counts_what_is_left),
        cmocka_unit_test(test_it_tells_where_the_last_letter_that_was_done_ends),
        cmocka_unit_test(test_what_is_no_letter_takes_no_room),
        cmocka_unit_test(test_it_says_how_far_there_is_room),
        cmocka_unit_test(test_what_is_left_at_the_end_takes_no_room),
        cmocka_unit_test(test_it_does_not_forget_what_is_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
