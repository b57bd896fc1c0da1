#include "testing.h"

#include <string.h>

#include "base/error.h"

static void test_an_error_is_one_line(void **state) {
    kca_error *e = kca__error_new(KCA_ERROR_BROKER, "topic %s:\n\tgone\x7f", "a\rb");
    assert_string_equal(kca_error_text(e), "topic a\\rb:\\n\\tgone\\x7f");
    assert_int_equal(kca_error_code(e), KCA_ERROR_BROKER);
    assert_int_equal(kca_error_retriable(e) + kca_error_fatal(e) + kca_error_rdkafka_code(e), 0);
    kca_error_free(e);
}

static void test_what_strangers_wrote_is_made_visible(void **state) {
    static const char *const cases[][2] = {
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9f"},
        {"caf\xe9", "caf\\xe9"},
        {"\x1b[2J", "\\x1b[2J"},
        {"\xc2\x9b"
         "2J\xc2\x85",
         "\\u009b2J\\u0085"},
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c\xd8\x9c",
         "a\\u202eb\\u2066c\\u061c"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
        {"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80", "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80\\xc0\\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kca_error *e = kca__error_new(KCA_ERROR_HANDLER, "%s", cases[i][0]);
        assert_string_equal(kca_error_text(e), cases[i][1]);
        assert_int_equal(kca_error_code(e), KCA_ERROR_HANDLER);
        kca_error_free(e);
    }
}

static void test_a_text_may_be_long(void **state) {
    kca_error *e = kca__error_new(KCA_ERROR_ARGUMENT, "%05000d", 1);
    assert_int_equal(strlen(kca_error_text(e)), 5000);
    kca_error_free(e);
}

static void test_no_error_is_ok_and_says_nothing(void **state) {
    assert_int_equal(kca_error_code(NULL), KCA_OK);
    assert_string_equal(kca_error_name(NULL), "ok");
    assert_string_equal(kca_error_text(NULL), "");
    assert_int_equal(kca_error_retriable(NULL), 0);
    kca_error_free(NULL);
    assert_null(kca__error_copy(NULL));
}

static void test_every_code_has_a_name_of_its_own(void **state) {
    for (int code = KCA_OK; code <= KCA_ERROR_BROKER; code++) {
        kca_error *e = kca__error_new(code, "x");
        assert_true(strlen(kca_error_name(e)) > 1);
        for (int other = KCA_OK; other < code; other++) {
            kca_error *o = kca__error_new(other, "x");
            assert_string_not_equal(kca_error_name(e), kca_error_name(o));
            kca_error_free(o);
        }
        kca_error_free(e);
    }
}

static void test_a_copy_has_all_of_it_and_a_life_of_its_own(void **state) {
    kca_error *e = kca__error_new(KCA_ERROR_NOT_STORED, "lost");
    e->rdkafka_code = 7;
    e->retriable = e->fatal = 1;
    kca_error *copy = kca__error_copy(e);
    kca_error_free(e);
    assert_int_equal(kca_error_code(copy), KCA_ERROR_NOT_STORED);
    assert_int_equal(kca_error_rdkafka_code(copy), 7);
    assert_int_equal(kca_error_retriable(copy), 1);
    assert_int_equal(kca_error_fatal(copy), 1);
    assert_string_equal(kca_error_text(copy), "lost");
    kca_error_free(copy);
}

static void assert_marks(const kca_error *e, int rdkafka_code, int retriable, int fatal) {
    assert_int_equal(kca_error_rdkafka_code(e), rdkafka_code);
    assert_int_equal(kca_error_retriable(e), retriable);
    assert_int_equal(kca_error_fatal(e), fatal);
}

static void test_an_error_has_the_marks_it_is_given(void **state) {
    kca_error *e = kca__error_new(KCA_ERROR_BROKER, "gone");
    assert_ptr_equal(kca__error_mark(e, 7, KCA__RETRIABLE), e);
    assert_marks(e, 7, 1, 0);
    assert_marks(kca__error_mark(e, -3, KCA__FATAL), -3, 0, 1);
    assert_marks(kca__error_mark(e, 0, 0), 0, 0, 0);
    kca_error_free(e);
}

static void test_no_mark_reaches_the_memory_error_of_all(void **state) {
    assert_marks(kca__error_mark(kca__error_memory(), 7, KCA__FATAL), 0, 1, 0);
}

static void test_the_first_failure_is_kept(void **state) {
    kca_error *first = NULL;
    kca__error_keep_first(&first, kca__error_new(KCA_ERROR_ARGUMENT, "one"));
    kca__error_keep_first(&first, kca__error_new(KCA_ERROR_MEMORY, "two"));
    assert_string_equal(kca_error_text(first), "one");
    kca_error_free(first);
}

static void test_the_memory_error_may_be_freed_and_copied_at_will(void **state) {
    kca_error *e = kca__error_memory();
    kca_error *copy = kca__error_copy(e);
    kca_error_free(e);
    kca_error_free(e);
    assert_int_equal(kca_error_code(copy), KCA_ERROR_MEMORY);
    assert_string_equal(kca_error_text(copy), "out of memory");
    kca_error_free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_is_one_line),
        cmocka_unit_test(test_what_strangers_wrote_is_made_visible),
        cmocka_unit_test(test_a_text_may_be_long),
        cmocka_unit_test(test_no_error_is_ok_and_says_nothing),
        cmocka_unit_test(test_every_code_has_a_name_of_its_own),
        cmocka_unit_test(test_a_copy_has_all_of_it_and_a_life_of_its_own),
        cmocka_unit_test(test_an_error_has_the_marks_it_is_given),
        cmocka_unit_test(test_no_mark_reaches_the_memory_error_of_all),
        cmocka_unit_test(test_the_first_failure_is_kept),
        cmocka_unit_test(test_the_memory_error_may_be_freed_and_copied_at_will),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
