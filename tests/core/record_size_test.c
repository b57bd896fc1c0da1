#include "testing.h"

#include "message/record_size.h"

#include <string.h>

static void test_key_value_headers_and_framing_are_counted(void **state) {
    char large[5000];
    memset(large, 'x', sizeof large);
    kca__header headers[] = {{"route", "thing", 5}, {"none", NULL, 0}, {"large", large, 5000}};
    kca__record r = {
        .key_len = 3, .value_len = 100, .headers = headers, .header_count = 3, .key = "abc"};
    assert_int_equal(kca__record_size_bare(0, 0), 36);
    assert_int_equal(kca__record_size_headers(headers, 1), 1 + 5 + 1 + 5);
    assert_int_equal(kca__record_size_headers(headers + 1, 1), 1 + 4 + 1);
    assert_int_equal(kca__record_size_headers(headers + 2, 1), 1 + 5 + 2 + 5000);
    assert_int_equal(kca__record_size(&r), 36 + 103 + 12 + 6 + 5008);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_value_headers_and_framing_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
