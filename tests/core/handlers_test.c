#include "testing.h"

#include <stdio.h>

#include "base/error.h"
#include "inbound/handlers.h"

enum { MANY = 500 };

static void count_free(void *user) {
    ++*(int *)user;
}

static int handle(kca_delivery *d, void *user) {
    (void)d, (void)user;
    return KCA_DONE;
}

static void test_the_exact_name_goes_before_the_star(void **state) {
    kca__handlers h = {0};
    int exact = 1, any = 2;
    assert_null(kca__handlers_find(&h, "a"));
    assert_null(kca__handlers_add(&h, "*", handle, &any, NULL));
    assert_null(kca__handlers_add(&h, "a", handle, &exact, NULL));
    assert_ptr_equal(kca__handlers_find(&h, "a")->user, &exact);
    assert_ptr_equal(kca__handlers_find(&h, "b")->user, &any);
    assert_ptr_equal(kca__handlers_find(&h, "")->user, &any);
    assert_ptr_equal(kca__handlers_find(&h, "*")->user, &any);
    assert_int_equal(h.count, 2);
    kca__handlers_close(&h);
}

static void test_many_names_are_all_found(void **state) {
    static int users[MANY];
    kca__handlers h = {0};
    char name[20];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "order %d", i);
        assert_null(kca__handlers_add(&h, name, handle, &users[i], NULL));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "order %d", i);
        assert_ptr_equal(kca__handlers_find(&h, name)->user, &users[i]);
    }
    assert_null(kca__handlers_find(&h, "order"));
    kca__handlers_close(&h);
}

static void test_a_name_is_taken_once_the_star_too(void **state) {
    kca__handlers h = {0};
    const char *const names[] = {"a", "*"};
    for (int i = 0; i < 2; i++) {
        assert_null(kca__handlers_add(&h, names[i], handle, NULL, NULL));
        kca_error *e = kca__handlers_add(&h, names[i], handle, NULL, NULL);
        assert_int_equal(kca_error_code(e), KCA_ERROR_DUPLICATE);
        kca__error_free(e);
    }
    kca__handlers_close(&h);
}

static void test_what_belongs_to_a_handler_is_freed_once_and_stays_the_callers_when_refused(
    void **state) {
    kca__handlers h = {0};
    int kept = 0, duplicate = 0, nameless = 0;
    assert_null(kca__handlers_add(&h, "a", handle, &kept, count_free));
    assert_null(kca__handlers_add(&h, "b", handle, &kept, NULL));
    kca__error_free(kca__handlers_add(&h, "a", handle, &duplicate, count_free));
    kca__error_free(kca__handlers_add(&h, "", handle, &nameless, count_free));
    kca__handlers_close(&h);
    kca__handlers_close(&h);
    assert_int_equal(kept, 1);
    assert_int_equal(duplicate + nameless, 0);
}

static void test_a_handler_without_a_function_declares_what_is_pulled(void **state) {
    kca__handlers h = {0};
    assert_null(kca__handlers_add(&h, "a", NULL, NULL, NULL));
    assert_null(kca__handlers_find(&h, "a")->fn);
    assert_int_equal(h.count, 1);
    kca__handlers_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_exact_name_goes_before_the_star),
        cmocka_unit_test(test_many_names_are_all_found),
        cmocka_unit_test(test_a_name_is_taken_once_the_star_too),
        cmocka_unit_test(
            test_what_belongs_to_a_handler_is_freed_once_and_stays_the_callers_when_refused),
        cmocka_unit_test(test_a_handler_without_a_function_declares_what_is_pulled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
