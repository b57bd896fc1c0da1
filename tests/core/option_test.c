#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/option.h"

static kca_error *failure;

static kca__option_owner owner(void) {
    failure = NULL;
    return (kca__option_owner){"publisher", "orders", &failure};
}

static void assert_refused(const char *text) {
    assert_non_null(failure);
    assert_int_equal(failure->code, KCA_ERROR_ARGUMENT);
    assert_string_equal(failure->text, text);
    kca__error_free(failure);
}

static void test_a_number_in_range_is_taken_its_ends_too(void **state) {
    int field = 5;
    kca__option_owner o = owner();
    kca__option_int(&field, o, "size", 1, 1, 10);
    assert_int_equal(field, 1);
    kca__option_int(&field, o, "size", 10, 1, 10);
    assert_int_equal(field, 10);
    assert_null(failure);
}

static void test_a_number_out_of_range_is_refused_with_the_range(void **state) {
    int field = 5;
    kca__option_int(&field, owner(), "size", 0, 1, 10);
    assert_int_equal(field, 5);
    assert_refused("publisher orders: size must be 1 to 10, got 0");
}

static void test_a_text_is_copied_and_may_not_be_empty(void **state) {
    char *field = NULL, given[] = "one";
    kca__option_text(&field, owner(), "name", given);
    given[0] = 'X';
    assert_string_equal(field, "one");
    kca__option_text(&field, owner(), "name", "");
    assert_refused("publisher orders: name is empty");
    kca__option_text(&field, owner(), "name", NULL);
    assert_refused("publisher orders: name is empty");
    assert_string_equal(field, "one");
    free(field);
}

static void test_a_choice_is_one_of_its_list(void **state) {
    const char *const choices[] = {"none", "gzip", NULL};
    const char *field = NULL;
    kca__option_choice(&field, owner(), "codec", "gzip", choices);
    assert_ptr_equal(field, choices[1]);
    kca__option_choice(&field, owner(), "codec", "GZIP", choices);
    assert_refused("publisher orders: codec must be one of none, gzip, got GZIP");
    kca__option_choice(&field, owner(), "codec", NULL, choices);
    assert_refused("publisher orders: codec must be one of none, gzip, got NULL");
}

static void assert_check(kca_error *e, const char *text) {
    assert_string_equal(kca_error_text(e), text);
    kca__error_free(e);
}

static void test_a_name_has_a_length_and_no_control_characters(void **state) {
    assert_null(kca__option_check_name("handler", "order created \xc3\xa7", 20));
    assert_check(kca__option_check_name("handler", NULL, 20),
                 "handler must have 1 to 20 characters, got 0");
    assert_check(kca__option_check_name("handler", "", 20),
                 "handler must have 1 to 20 characters, got 0");
    assert_check(kca__option_check_name("handler", "abc", 2),
                 "handler must have 1 to 2 characters, got 3");
    assert_check(kca__option_check_name("handler", "a\nb", 20),
                 "handler must be without control characters, got one (code 10) at offset 1 in "
                 "\"a\\nb\"");
    assert_check(kca__option_check_name("handler", "a\xc2\x85", 20),
                 "handler must be without control characters, got one (code 133) at offset 1 in "
                 "\"a\\u0085\"");
    assert_check(kca__option_check_name("handler", "a\xff", 20),
                 "handler must be UTF-8, got the byte 0xff at offset 1 in \"a\\xff\"");
}

static void test_a_topic_follows_the_rules_of_kafka(void **state) {
    char longest[251];
    memset(longest, 'a', sizeof longest);
    longest[249] = '\0';
    assert_null(kca__option_check_topic("order.events_v2-A"));
    assert_null(kca__option_check_topic(longest));
    longest[249] = 'a';
    longest[250] = '\0';
    const char *const wrong[] = {longest, "", ".", "..", "a b", "a/b", "caf\xc3\xa9", NULL};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        kca_error *e = kca__option_check_topic(wrong[i]);
        assert_int_equal(kca_error_code(e), KCA_ERROR_ARGUMENT);
        kca__error_free(e);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_in_range_is_taken_its_ends_too),
        cmocka_unit_test(test_a_number_out_of_range_is_refused_with_the_range),
        cmocka_unit_test(test_a_text_is_copied_and_may_not_be_empty),
        cmocka_unit_test(test_a_choice_is_one_of_its_list),
        cmocka_unit_test(test_a_name_has_a_length_and_no_control_characters),
        cmocka_unit_test(test_a_topic_follows_the_rules_of_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
