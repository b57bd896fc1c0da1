#include "testing.h"

#include <string.h>

#include "base/base64.h"

static void assert_is(const kca__base64 *form, const void *bytes, size_t len, const char *text) {
    char out[32];
    kca__sink s = {.data = NULL};
    kca__base64_write(&s, form, bytes, len);
    assert_int_equal(s.len, strlen(text));
    s = (kca__sink){.data = out};
    kca__base64_write(&s, form, bytes, len);
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(out, text, s.len);

    size_t back;
    assert_true(kca__base64_read(out, &back, form, out, s.len));
    assert_int_equal(back, len);
    assert_memory_equal(out, bytes, len);
}

/* RFC 4648, section 10. */
static void test_bytes_are_written_and_read(void **state) {
    const kca__base64 *form = &kca__base64_standard;
    assert_is(form, "", 0, "");
    assert_is(form, "f", 1, "Zg==");
    assert_is(form, "fo", 2, "Zm8=");
    assert_is(form, "foo", 3, "Zm9v");
    assert_is(form, "foob", 4, "Zm9vYg==");
    assert_is(form, "fooba", 5, "Zm9vYmE=");
    assert_is(form, "foobar", 6, "Zm9vYmFy");
    assert_is(form, "\0\xff\xfb\xf0", 4, "AP/78A==");
}

/* The vectors of section 10 without the padding. */
static void test_the_form_for_addresses_has_no_padding_and_two_other_digits(void **state) {
    const kca__base64 *form = &kca__base64_url;
    assert_is(form, "", 0, "");
    assert_is(form, "f", 1, "Zg");
    assert_is(form, "fo", 2, "Zm8");
    assert_is(form, "foo", 3, "Zm9v");
    assert_is(form, "foob", 4, "Zm9vYg");
    assert_is(form, "fooba", 5, "Zm9vYmE");
    assert_is(form, "foobar", 6, "Zm9vYmFy");
    assert_is(form, "\xfb\xff\xbf", 3, "-_-_");
}

static void assert_all_bytes_come_back(const kca__base64 *form) {
    for (int i = 0; i < 65536; i++) {
        unsigned char bytes[5] = {(unsigned char)i, (unsigned char)(i >> 8), 0, 255,
                                  (unsigned char)i},
                      read[5];
        for (size_t len = 1; len <= 5; len++) {
            char text[8];
            size_t back;
            kca__sink s = {.data = text};
            kca__base64_write(&s, form, bytes, len);
            assert_true(kca__base64_read(read, &back, form, text, s.len));
            assert_int_equal(back, len);
            assert_memory_equal(read, bytes, len);
        }
    }
}

static void test_all_bytes_come_back(void **state) {
    assert_all_bytes_come_back(&kca__base64_standard);
    assert_all_bytes_come_back(&kca__base64_url);
}

static void assert_refused(const kca__base64 *form, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char out[32];
        size_t len;
        if (kca__base64_read(out, &len, form, texts[i], strlen(texts[i])))
            fail_msg("read: %s", texts[i]);
    }
}

static void test_other_text_is_not_read(void **state) {
    static const char *const texts[] = {"Z",        "Zg=",      "Zg",   "Zh==", "Zm9=", "====",
                                        "Zg==Zg==", "Zm9v====", "Zm 8", "Zm9-", "Z===", "=m9v"};
    assert_refused(&kca__base64_standard, texts, sizeof texts / sizeof *texts);
}

static void test_other_text_is_not_read_in_the_form_for_addresses(void **state) {
    static const char *const texts[] = {"Z",     "A",    "Zm9vA", "Zh",    "Zm9",
                                        "Zm9vY", "Zg==", "+/+/",  "Zm 9v", "Zm9\xc3\xbc"};
    assert_refused(&kca__base64_url, texts, sizeof texts / sizeof *texts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_written_and_read),
        cmocka_unit_test(test_the_form_for_addresses_has_no_padding_and_two_other_digits),
        cmocka_unit_test(test_all_bytes_come_back),
        cmocka_unit_test(test_other_text_is_not_read),
        cmocka_unit_test(test_other_text_is_not_read_in_the_form_for_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
