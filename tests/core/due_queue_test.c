#include "testing.h"

#include <pthread.h>
#include <stdlib.h>

#include "chance.h"

#include "engine/due_queue.h"

enum { MANY = 100000, SMALL_STACK = 256 * 1024, SEEDS = 300, STEPS = 2000, HELD = 64, TIMES = 20 };

static void add(kca__due_queue *q, kca__due_entry *e, int64_t due_ms) {
    e->due_ms = due_ms;
    kca__due_queue_add(q, e);
}

static void test_an_empty_queue_is_due_never(void **state) {
    kca__due_queue q = {0};
    assert_true(kca__due_queue_next_ms(&q) == INT64_MAX);
    assert_null(kca__due_queue_take(&q, INT64_MAX));
    assert_null(kca__due_queue_take_any(&q));
}

static void test_an_entry_is_taken_when_its_time_has_come(void **state) {
    kca__due_queue q = {0};
    kca__due_entry late, early;
    add(&q, &late, 20);
    add(&q, &early, 10);
    assert_int_equal(kca__due_queue_next_ms(&q), 10);
    assert_null(kca__due_queue_take(&q, 9));
    assert_ptr_equal(kca__due_queue_take(&q, 10), &early);
    assert_int_equal(kca__due_queue_next_ms(&q), 20);
    assert_null(kca__due_queue_take(&q, 19));
    assert_ptr_equal(kca__due_queue_take(&q, 500), &late);
    assert_null(kca__due_queue_take(&q, 500));
}

static void test_entries_of_one_time_come_in_the_order_of_adding(void **state) {
    kca__due_queue q = {0};
    kca__due_entry entries[50], first;
    add(&q, &first, 5);
    for (int i = 0; i < 50; i++)
        add(&q, &entries[i], 7);
    assert_ptr_equal(kca__due_queue_take(&q, 7), &first);
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(kca__due_queue_take(&q, 7), &entries[i]);
}

static void test_an_entry_that_was_taken_may_be_added_again(void **state) {
    kca__due_queue q = {0};
    kca__due_entry a, b, c;
    add(&q, &a, 1);
    add(&q, &b, 2);
    add(&q, &c, 3);
    assert_ptr_equal(kca__due_queue_take(&q, 1), &a);
    add(&q, &a, 2);
    assert_ptr_equal(kca__due_queue_take(&q, 2), &b);
    assert_ptr_equal(kca__due_queue_take(&q, 2), &a);
    assert_ptr_equal(kca__due_queue_take(&q, 3), &c);
    assert_int_equal(kca__due_queue_next_ms(&q), INT64_MAX);
}

static void test_a_queue_is_emptied_in_order_before_the_time(void **state) {
    kca__due_queue q = {0};
    kca__due_entry a, b;
    add(&q, &a, INT64_MAX);
    add(&q, &b, 1000);
    assert_ptr_equal(kca__due_queue_take_any(&q), &b);
    assert_ptr_equal(kca__due_queue_take_any(&q), &a);
    assert_null(kca__due_queue_take_any(&q));
}

static int64_t rising(int i) {
    return i;
}

static int64_t falling(int i) {
    return MANY - i;
}

static int64_t level(int i) {
    (void)i;
    return 1;
}

static int64_t scattered(int i) {
    return (int64_t)i * 7919 % MANY;
}

static void *fill_and_empty(void *due) {
    int64_t (*const *due_of)(int) = due;
    kca__due_entry *entries = calloc(MANY, sizeof *entries);
    kca__due_queue q = {0};
    int64_t last = -1, taken = 0;
    for (int i = 0; entries && i < MANY; i++)
        add(&q, &entries[i], (*due_of)(i));
    for (kca__due_entry *e; (e = kca__due_queue_take_any(&q)); last = e->due_ms)
        taken += e->due_ms >= last;
    free(entries);
    return taken == MANY ? due : NULL;
}

/* As deep as the queue recursion would need far more. */
static void test_many_entries_need_no_deep_stack(void **state) {
    int64_t (*orders[])(int) = {rising, falling, level, scattered};
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, &attr, fill_and_empty, &orders[i]), 0);
        pthread_join(thread, &result);
        assert_non_null(result);
    }
    pthread_attr_destroy(&attr);
}

/* ---- against a list ---- */

typedef struct model {
    kca__due_queue queue;
    kca__due_entry entries[HELD];
    kca__due_entry *list[HELD]; /* in the order of adding */
    kca__due_entry *idle[HELD];
    int listed, idle_count;
} model;

static int first_listed(const model *m) {
    int first = 0;
    for (int i = 1; i < m->listed; i++)
        if (m->list[i]->due_ms < m->list[first]->due_ms)
            first = i;
    return m->listed ? first : -1;
}

static void take(model *m, int64_t now_ms) {
    int first = first_listed(m);
    kca__due_entry *expected = first < 0 || m->list[first]->due_ms > now_ms ? NULL : m->list[first];
    check(kca__due_queue_take(&m->queue, now_ms) == expected);
    if (!expected)
        return;
    m->idle[m->idle_count++] = expected;
    m->listed--;
    for (int i = first; i < m->listed; i++)
        m->list[i] = m->list[i + 1];
}

static void play(void) {
    model m = {.listed = 0};
    for (int i = 0; i < HELD; i++)
        m.idle[m.idle_count++] = &m.entries[i];
    for (int step = 0; step < STEPS; step++) {
        if (m.idle_count > 0 && pick(2) == 0) {
            kca__due_entry *e = m.idle[--m.idle_count];
            add(&m.queue, e, (int64_t)pick(TIMES));
            m.list[m.listed++] = e;
        } else {
            take(&m, (int64_t)pick(TIMES));
        }
        int first = first_listed(&m);
        check(kca__due_queue_next_ms(&m.queue) == (first < 0 ? INT64_MAX : m.list[first]->due_ms));
    }
    while (m.listed > 0)
        take(&m, TIMES);
    check(!kca__due_queue_take_any(&m.queue));
}

static void test_any_order_of_adding_and_taking_is_that_of_a_list(void **state) {
    play_each(play, SEEDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_queue_is_due_never),
        cmocka_unit_test(test_an_entry_is_taken_when_its_time_has_come),
        cmocka_unit_test(test_entries_of_one_time_come_in_the_order_of_adding),
        cmocka_unit_test(test_an_entry_that_was_taken_may_be_added_again),
        cmocka_unit_test(test_a_queue_is_emptied_in_order_before_the_time),
        cmocka_unit_test(test_many_entries_need_no_deep_stack),
        cmocka_unit_test(test_any_order_of_adding_and_taking_is_that_of_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
