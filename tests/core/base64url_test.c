#include "testing.h"

#include <string.h>

#include "base/base64url.h"

static void assert_text(const void *bytes, size_t len, const char *text) {
    char written[64];
    unsigned char read[64];
    kca__base64url_write(written, bytes, len);
    assert_string_equal(written, text);
    assert_true(kca__base64url_read(read, text, strlen(text)));
    assert_memory_equal(read, bytes, len);
}

static void assert_refused(const char *text) {
    unsigned char read[64];
    assert_false(kca__base64url_read(read, text, strlen(text)));
}

/* RFC 4648, section 10, without the padding. */
static void test_the_vectors_of_the_rfc(void **state) {
    assert_text("", 0, "");
    assert_text("f", 1, "Zg");
    assert_text("fo", 2, "Zm8");
    assert_text("foo", 3, "Zm9v");
    assert_text("foob", 4, "Zm9vYg");
    assert_text("fooba", 5, "Zm9vYmE");
    assert_text("foobar", 6, "Zm9vYmFy");
}

static void test_the_last_two_digits_are_those_of_addresses(void **state) {
    assert_text("\xfb\xff\xbf", 3, "-_-_");
}

static void test_all_bytes_come_back(void **state) {
    for (int i = 0; i < 65536; i++) {
        unsigned char bytes[5] = {(unsigned char)i, (unsigned char)(i >> 8), 0, 255,
                                  (unsigned char)i},
                      read[5];
        char text[8];
        for (size_t len = 1; len <= 5; len++) {
            kca__base64url_write(text, bytes, len);
            assert_true(kca__base64url_read(read, text, strlen(text)));
            assert_memory_equal(read, bytes, len);
        }
    }
}

static void test_another_text_for_the_same_bytes_is_refused(void **state) {
    assert_refused("Z");
    assert_refused("A");
    assert_refused("Zm9vA");
    assert_refused("Zh");
    assert_refused("Zm9");
    assert_refused("Zm9vY");
    assert_refused("Zg==");
    assert_refused("+/+/");
    assert_refused("Zm 9v");
    assert_refused("Zm9\xc3\xbc");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_the_rfc),
        cmocka_unit_test(test_the_last_two_digits_are_those_of_addresses),
        cmocka_unit_test(test_all_bytes_come_back),
        cmocka_unit_test(test_another_text_for_the_same_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
