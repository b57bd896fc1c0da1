#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "chance.h"
#include "failing_memory.h"

#include "engine/recent_ids.h"

enum { SEEDS = 200, STEPS = 3000, NAMES = 300, LONGEST = 24, MANY = 200000 };

static bool has(const kca__recent_ids *ids, const char *id) {
    return kca__recent_ids_has(ids, id, strlen(id));
}

static void add(kca__recent_ids *ids, const char *id) {
    assert_true(kca__recent_ids_add(ids, id, strlen(id)));
}

static void test_an_id_is_new_once(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(10);
    assert_false(has(ids, "a"));
    add(ids, "a");
    assert_true(has(ids, "a"));
    assert_false(has(ids, "b"));
    kca__recent_ids_free(ids);
    kca__recent_ids_free(NULL);
}

static void test_the_oldest_is_forgotten(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(2);
    add(ids, "a");
    add(ids, "b");
    add(ids, "c");
    assert_false(has(ids, "a"));
    assert_true(has(ids, "b"));
    assert_true(has(ids, "c"));
    kca__recent_ids_free(ids);
}

static void test_an_id_that_comes_again_stays_as_old_as_it_is(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(2);
    add(ids, "a");
    add(ids, "b");
    add(ids, "a");
    add(ids, "c");
    assert_false(has(ids, "a"));
    assert_true(has(ids, "b"));
    kca__recent_ids_free(ids);
}

static void test_a_set_of_one_knows_the_last(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(1);
    add(ids, "a");
    add(ids, "b");
    assert_false(has(ids, "a"));
    assert_true(has(ids, "b"));
    kca__recent_ids_free(ids);
}

static void test_ids_are_bytes_of_any_length(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(10);
    assert_false(kca__recent_ids_has(ids, NULL, 0));
    assert_true(kca__recent_ids_add(ids, NULL, 0));
    assert_true(kca__recent_ids_has(ids, "", 0));
    assert_true(kca__recent_ids_add(ids, "a\0b", 3));
    assert_true(kca__recent_ids_has(ids, "a\0b", 3));
    assert_false(kca__recent_ids_has(ids, "a\0c", 3));
    assert_false(kca__recent_ids_has(ids, "a\0", 2));
    assert_false(kca__recent_ids_has(ids, "a", 1));
    kca__recent_ids_free(ids);
}

static void test_the_caller_keeps_the_text(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(10);
    char text[] = "order-1";
    add(ids, text);
    text[6] = '2';
    assert_true(has(ids, "order-1"));
    assert_false(has(ids, "order-2"));
    kca__recent_ids_free(ids);
}

/* Ids that differ only in one place, at any distance from the ends; half are forgotten again. */
static void test_many_ids_are_told_apart(void **state) {
    kca__recent_ids *ids = kca__recent_ids_new(MANY / 2);
    char id[48];
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%08d-1f6c-4a3e-9d0b-%012d", i % 1000, i / 1000);
        assert_false(has(ids, id));
        add(ids, id);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%08d-1f6c-4a3e-9d0b-%012d", i % 1000, i / 1000);
        assert_int_equal(has(ids, id), i >= MANY / 2);
    }
    kca__recent_ids_free(ids);
}

static void test_a_great_capacity_takes_no_memory_until_it_is_used(void **state) {
    if (!memory_can_fail)
        skip();
    long before = memory_held;
    kca__recent_ids *ids = kca__recent_ids_new(10 * 1000 * 1000);
    assert_int_equal(memory_held - before, 1);
    add(ids, "a");
    add(ids, "b");
    assert_int_equal(memory_held - before, 4);
    kca__recent_ids_free(ids);
    assert_int_equal(memory_held, before);
}

static void test_what_is_forgotten_is_freed(void **state) {
    if (!memory_can_fail)
        skip();
    kca__recent_ids *ids = kca__recent_ids_new(100);
    char id[16];
    long full = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "%d", i);
        add(ids, id);
        if (i == 99)
            full = memory_held;
    }
    assert_int_equal(memory_held, full);
    kca__recent_ids_free(ids);
}

/* An adding that failed changes nothing: neither is the id there, nor has the oldest gone. */
static void fill_a_set(void) {
    kca__recent_ids *ids = kca__recent_ids_new(150);
    if (!ids)
        return;
    char id[16], oldest[16] = "0";
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "%d", i);
        bool was_full = i >= 150;
        if (!kca__recent_ids_add(ids, id, strlen(id))) {
            assert_true(memory_failed);
            assert_false(has(ids, id));
            assert_true(i == 0 || has(ids, oldest));
            add(ids, id); /* the memory is back */
        }
        assert_true(has(ids, id));
        if (was_full)
            assert_false(has(ids, oldest));
        snprintf(oldest, sizeof oldest, "%d", i < 149 ? 0 : i - 149);
        assert_true(has(ids, oldest));
    }
    kca__recent_ids_free(ids);
}

static void test_an_adding_without_memory_changes_nothing(void **state) {
    memory_fail_each(fill_a_set);
}

/* ---- against a list ---- */

typedef struct model {
    kca__recent_ids *ids;
    char names[NAMES][LONGEST];
    size_t lengths[NAMES];
    int list[NAMES]; /* names, the oldest first */
    int listed;
    int capacity;
} model;

static void make_names(model *m) {
    for (int i = 0; i < NAMES; i++) {
        m->lengths[i] = 2 + (size_t)pick(LONGEST - 2);
        memset(m->names[i], 'x', LONGEST);
        memcpy(m->names[i] + pick(m->lengths[i] - 1), &(uint16_t){(uint16_t)i}, 2);
    }
}

static bool same(const model *m, int a, int b) {
    return m->lengths[a] == m->lengths[b] && !memcmp(m->names[a], m->names[b], m->lengths[a]);
}

static bool is_listed(const model *m, int name) {
    for (int i = 0; i < m->listed; i++)
        if (same(m, m->list[i], name))
            return true;
    return false;
}

static void list(model *m, int name) {
    if (is_listed(m, name))
        return;
    if (m->listed == m->capacity)
        memmove(m->list, m->list + 1, (size_t)--m->listed * sizeof *m->list);
    m->list[m->listed++] = name;
}

static void play(void) {
    model m = {.listed = 0};
    make_names(&m);
    m.capacity = 1 + (int)pick(NAMES);
    m.ids = kca__recent_ids_new(m.capacity);
    for (int step = 0; step < STEPS; step++) {
        int name = (int)pick(NAMES);
        bool seen = kca__recent_ids_has(m.ids, m.names[name], m.lengths[name]);
        check(seen == is_listed(&m, name));
        if (pick(3) == 0)
            continue;
        check(kca__recent_ids_add(m.ids, m.names[name], m.lengths[name]));
        list(&m, name);
    }
    for (int i = 0; i < NAMES; i++)
        check(kca__recent_ids_has(m.ids, m.names[i], m.lengths[i]) == is_listed(&m, i));
    kca__recent_ids_free(m.ids);
}

static void test_any_order_of_ids_is_that_of_a_list(void **state) {
    play_each(play, SEEDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_is_new_once),
        cmocka_unit_test(test_the_oldest_is_forgotten),
        cmocka_unit_test(test_an_id_that_comes_again_stays_as_old_as_it_is),
        cmocka_unit_test(test_a_set_of_one_knows_the_last),
        cmocka_unit_test(test_ids_are_bytes_of_any_length),
        cmocka_unit_test(test_the_caller_keeps_the_text),
        cmocka_unit_test(test_many_ids_are_told_apart),
        cmocka_unit_test(test_a_great_capacity_takes_no_memory_until_it_is_used),
        cmocka_unit_test(test_what_is_forgotten_is_freed),
        cmocka_unit_test(test_an_adding_without_memory_changes_nothing),
        cmocka_unit_test(test_any_order_of_ids_is_that_of_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
