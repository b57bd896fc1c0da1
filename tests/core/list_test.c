#include "testing.h"

#include "base/list.h"

typedef struct entry {
    kca__link link;
    int number;
} entry;

static void add(kca__list *l, entry *entries, int count) {
    for (int i = 0; i < count; i++) {
        entries[i].number = i;
        kca__list_add(l, &entries[i].link);
    }
}

static void assert_takes(kca__list *l, int number) {
    entry *e = kca__list_take(l);
    assert_non_null(e);
    assert_int_equal(e->number, number);
}

static void test_entries_are_taken_in_the_order_of_their_coming(void **state) {
    kca__list l = {0};
    entry entries[3];
    for (int round = 0; round < 2; round++) {
        add(&l, entries, 3);
        assert_int_equal(l.count, 3);
        for (int i = 0; i < 3; i++)
            assert_takes(&l, i);
        assert_null(kca__list_take(&l));
        assert_int_equal(l.count, 0);
    }
}

static void test_entries_are_walked_without_being_taken(void **state) {
    kca__list l = {0};
    entry entries[3];
    int walked = 0;
    assert_null(kca__list_first(&l));
    add(&l, entries, 3);
    for (entry *e = kca__list_first(&l); e; e = kca__list_next(&e->link))
        assert_int_equal(e->number, walked++);
    assert_int_equal(walked, 3);
    assert_int_equal(l.count, 3);
}

static void test_a_list_is_moved_behind_another(void **state) {
    kca__list to = {0}, from = {0};
    entry first[2], second[2];
    kca__list_move(&to, &from);
    assert_int_equal(to.count, 0);
    add(&from, first, 2);
    kca__list_move(&to, &from);
    assert_null(kca__list_first(&from));
    add(&from, second, 2);
    kca__list_move(&to, &from);
    kca__list_move(&to, &from);
    assert_int_equal(from.count, 0);
    assert_int_equal(to.count, 4);
    for (int i = 0; i < 4; i++)
        assert_takes(&to, i % 2);
    assert_null(kca__list_take(&to));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_are_taken_in_the_order_of_their_coming),
        cmocka_unit_test(test_entries_are_walked_without_being_taken),
        cmocka_unit_test(test_a_list_is_moved_behind_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
