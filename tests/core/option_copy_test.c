/* A copy of an object with options has all of them, and shares none of their memory. */
#include "testing.h"

#include <stdlib.h>

#include "option_kinds.h"

static void assert_texts_equal(const kca__option_texts *a, const kca__option_texts *b) {
    assert_int_equal(a->count, 2);
    assert_int_equal(b->count, 2);
    assert_ptr_not_equal(a->items, b->items);
    for (int i = 0; i < a->count; i++) {
        assert_ptr_not_equal(a->items[i], b->items[i]);
        assert_string_equal(a->items[i], b->items[i]);
    }
}

static void assert_ints_equal(const kca__option_ints *a, const kca__option_ints *b) {
    assert_int_equal(a->count, 2);
    assert_int_equal(b->count, 2);
    assert_ptr_not_equal(a->items, b->items);
    assert_memory_equal(a->items, b->items, 2 * sizeof *a->items);
}

static void is_copied(const kind *k, const kca__option *row, void *object) {
    if (!k->copy)
        return;
    change(options_of(k, object), row);
    void *copy = k->copy(object);
    void *a = kca__option_field(row, object), *b = kca__option_field(row, copy);
    if (row->kind == KCA__OPTION_INTS)
        assert_ints_equal(a, b);
    else if (row->kind == KCA__OPTION_TEXTS)
        assert_texts_equal(a, b);
    else if (is_number(row))
        assert_true(kca__option_number(row, object) == kca__option_number(row, copy));
    else {
        assert_string_equal(kca__option_word(row, object), kca__option_word(row, copy));
        if (row->kind == KCA__OPTION_TEXT)
            assert_ptr_not_equal(*(char **)a, *(char **)b);
    }
    k->free(copy);
}

static void test_every_option_is_copied(void **state) {
    for_each_row(is_copied);
}

static void test_a_copy_and_its_original_may_go_in_any_order(void **state) {
    for (int i = 0; i < KINDS * 2; i++) {
        const kind *k = &kinds[i / 2];
        if (!k->copy)
            continue;
        void *object = k->make();
        for (const kca__option *row = k->rows; row->name; row++)
            change(options_of(k, object), row);
        void *copy = k->copy(object);
        k->free(i % 2 ? object : copy);
        for (const kca__option *row = k->rows; row->name; row++) { /* what is left is whole */
            char room[32];
            const char *value = kca__option_value(row, i % 2 ? copy : object, room);
            assert_true(!value || strlen(value) > 0);
        }
        k->free(i % 2 ? copy : object);
    }
}

static size_t size_of(const kca__option *row) {
    static const size_t sizes[] = {[KCA__OPTION_INT] = sizeof(int),
                                   [KCA__OPTION_FLAG] = sizeof(int),
                                   [KCA__OPTION_TIME] = sizeof(int64_t),
                                   [KCA__OPTION_DOUBLE] = sizeof(double),
                                   [KCA__OPTION_TEXT] = sizeof(char *),
                                   [KCA__OPTION_CHOICE] = sizeof(char *),
                                   [KCA__OPTION_INTS] = sizeof(kca__option_ints),
                                   [KCA__OPTION_TEXTS] = sizeof(kca__option_texts)};
    return sizes[row->kind];
}

static void claim(bool *claimed, size_t begin, size_t end) {
    for (size_t at = begin; at < end; at++) {
        assert_false(claimed[at]); /* one row a field */
        claimed[at] = true;
    }
}

/* A pointer without a row would be lost in the copy, and leak. What is left over must be padding,
 * in which there is no room for one. */
static void test_every_field_has_a_row(void **state) {
    for (int i = 0; i < KINDS; i++) {
        const kind *k = &kinds[i];
        bool *claimed = calloc(k->size, sizeof *claimed);
        assert_non_null(claimed);
        for (const kca__option *row = k->rows; row->name; row++)
            claim(claimed, row->field, row->field + size_of(row));
        for (int o = 0; o < 11; o++)
            claim(claimed, k->others[o].begin, k->others[o].end);
        size_t left = 0;
        for (size_t at = 0; at < k->size; at++) {
            left = claimed[at] ? 0 : left + 1;
            if (left >= sizeof(int) && (at + 1) % sizeof(void *) != 0)
                fail_msg("%s: a field at byte %zu has no row", k->name, at + 1 - left);
            assert_true(left < sizeof(void *));
        }
        free(claimed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_option_is_copied),
        cmocka_unit_test(test_a_copy_and_its_original_may_go_in_any_order),
        cmocka_unit_test(test_every_field_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
