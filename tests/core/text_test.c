#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void test_a_copy_of_nothing_is_nothing(void **state) {
    assert_null(kca__text_copy(NULL));
    char *copy = kca__text_copy("");
    assert_string_equal(copy, "");
    free(copy);
}

static void test_setting_replaces_and_takes_away(void **state) {
    char *text = NULL;
    assert_true(kca__text_set(&text, "one"));
    assert_string_equal(text, "one");
    assert_true(kca__text_set(&text, text + 1));
    assert_string_equal(text, "ne");
    assert_true(kca__text_set(&text, NULL));
    assert_null(text);
}

static void test_a_format_is_as_long_as_it_needs(void **state) {
    char *text = kca__text_format("%s-%0900d", "a", 7);
    assert_int_equal(strlen(text), 902);
    free(text);
}

static void test_the_distance_is_the_number_of_edits(void **state) {
    assert_int_equal(kca__text_distance("", ""), 0);
    assert_int_equal(kca__text_distance("linger.ms", "linger.ms"), 0);
    assert_int_equal(kca__text_distance("", "abc"), 3);
    assert_int_equal(kca__text_distance("abc", ""), 3);
    assert_int_equal(kca__text_distance("kitten", "sitting"), 3);
    assert_int_equal(kca__text_distance("flaw", "lawn"), 2);
}

static void test_the_distance_of_very_long_names_looks_at_their_beginning(void **state) {
    char a[400], b[400];
    memset(a, 'a', sizeof a - 1);
    memset(b, 'a', sizeof b - 1);
    a[sizeof a - 1] = b[sizeof b - 1] = '\0';
    b[300] = 'b';
    assert_int_equal(kca__text_distance(a, b), 0);
    b[3] = 'b';
    assert_int_equal(kca__text_distance(a, b), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_of_nothing_is_nothing),
        cmocka_unit_test(test_setting_replaces_and_takes_away),
        cmocka_unit_test(test_a_format_is_as_long_as_it_needs),
        cmocka_unit_test(test_the_distance_is_the_number_of_edits),
        cmocka_unit_test(test_the_distance_of_very_long_names_looks_at_their_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
