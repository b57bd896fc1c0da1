#include "testing.h"

#include "inbound/refused_sizes.h"

static const char channels[KCA__REFUSED_TOPICS + 1];

static void test_what_is_as_large_is_known_for_a_minute(void **state) {
    kca__refused_sizes s;
    kca__refused_sizes_init(&s);
    assert_false(kca__refused_sizes_has(&s, &channels[0], 1000, 0));
    kca__refused_sizes_add(&s, &channels[0], 500, 0);
    kca__refused_sizes_add(&s, &channels[0], 800, 10000);
    assert_true(kca__refused_sizes_has(&s, &channels[0], 500, 69999));
    assert_false(kca__refused_sizes_has(&s, &channels[0], 499, 10000));
    assert_false(kca__refused_sizes_has(&s, &channels[1], 1000, 10000));
    assert_false(kca__refused_sizes_has(&s, &channels[0], 1000, 70000));
    kca__refused_sizes_add(&s, &channels[0], 900, 80000);
    assert_false(kca__refused_sizes_has(&s, &channels[0], 500, 80000));
    kca__refused_sizes_close(&s);
}

static void test_of_too_many_topics_nothing_is_known(void **state) {
    kca__refused_sizes s;
    kca__refused_sizes_init(&s);
    for (int i = 0; i <= KCA__REFUSED_TOPICS; i++)
        kca__refused_sizes_add(&s, &channels[i], 10, 0);
    for (int i = 0; i <= KCA__REFUSED_TOPICS; i++)
        assert_int_equal(kca__refused_sizes_has(&s, &channels[i], 10, 0), i < KCA__REFUSED_TOPICS);
    kca__refused_sizes_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_as_large_is_known_for_a_minute),
        cmocka_unit_test(test_of_too_many_topics_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
