#include "testing.h"

#include <string.h>

#include "base/base64.h"

static void assert_is(const char *bytes, size_t len, const char *text) {
    char out[32];
    kca__sink s = {.data = NULL};
    kca__base64_write(&s, bytes, len);
    assert_int_equal(s.len, strlen(text));
    s = (kca__sink){.data = out};
    kca__base64_write(&s, bytes, len);
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(out, text, s.len);

    size_t back;
    assert_true(kca__base64_read(out, &back, out, s.len));
    assert_int_equal(back, len);
    assert_memory_equal(out, bytes, len);
}

static void test_bytes_are_written_and_read(void **state) {
    assert_is("", 0, "");
    assert_is("f", 1, "Zg==");
    assert_is("fo", 2, "Zm8=");
    assert_is("foo", 3, "Zm9v");
    assert_is("foob", 4, "Zm9vYg==");
    assert_is("fooba", 5, "Zm9vYmE=");
    assert_is("foobar", 6, "Zm9vYmFy");
    assert_is("\0\xff\xfb\xf0", 4, "AP/78A==");
}

static void test_other_text_is_not_read(void **state) {
    static const char *const texts[] = {"Z",        "Zg=",      "Zg",   "Zh==", "Zm9=", "====",
                                        "Zg==Zg==", "Zm9v====", "Zm 8", "Zm9-", "Z===", "=m9v"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[32];
        size_t len;
        if (kca__base64_read(out, &len, texts[i], strlen(texts[i])))
            fail_msg("read: %s", texts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_written_and_read),
        cmocka_unit_test(test_other_text_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
