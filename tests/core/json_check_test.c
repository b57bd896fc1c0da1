#include "testing.h"

#include <stdio.h>

#include "payloads.h"
#include "json/json_check.h"

static void test_every_kind_of_value_is_json(void **state) {
    static const char *const payloads[] = {"null",
                                           "true",
                                           "false",
                                           "0",
                                           "-1.5e-3",
                                           "\"\"",
                                           "[]",
                                           "{}",
                                           " [ ] ",
                                           "\t{ \"\" : [ ] }\r\n",
                                           "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                           "\"\xf4\x8f\xbf\xbf\x7f\"",
                                           order};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        kca_message *m = view(payloads[i]);
        assert_int_equal(kca_message_is_json(m), 1);
        assert_null(kca_message_check_json(m));
        assert_int_not_equal(kca_message_json_type(m, ""), KCA_JSON_MISSING);
        drop(m);
    }
}

static void test_a_check_says_where_the_json_breaks(void **state) {
    static const struct {
        const char *payload, *fault;
    } cases[] = {
        {" ", "offset 1: a value was expected"},
        {"{\"a\":}", "offset 5: a value was expected"},
        {"[1,]", "offset 3: a value was expected"},
        {"tru", "offset 0: a value was expected"},
        {"NaN", "offset 0: a value was expected"},
        {"'a'", "offset 0: a value was expected"},
        {"\xef\xbb\xbf{}", "offset 0: a value was expected"},
        {"// x\n1", "offset 0: a value was expected"},
        {"{\"a\":1} x", "offset 8: text after the end of the value"},
        {"{}{}", "offset 2: text after the end of the value"},
        {"1 2", "offset 2: text after the end of the value"},
        {"truex", "offset 4: text after the end of the value"},
        {"{\"a\":1", "offset 6: ',' or '}' was expected"},
        {"{\"a\":1]", "offset 6: ',' or '}' was expected"},
        {"[1", "offset 2: ',' or ']' was expected"},
        {"[1 2]", "offset 3: ',' or ']' was expected"},
        {"{a:1}", "offset 1: a member's name in quotes was expected"},
        {"{\"a\":1,}", "offset 7: a member's name in quotes was expected"},
        {"{\"a\" 1}", "offset 5: ':' was expected"},
        {"\"abc", "offset 4: the string does not end"},
        {"\"a\nb\"", "offset 2: a control character in a string"},
        {"\"\\x\"", "offset 1: no such escape"},
        {"\"\\u12g4\"", "offset 1: no such escape"},
        {"\"\\u12", "offset 1: no such escape"},
        {"\"\\", "offset 1: no such escape"},
        {"\"\\ud800\"", "offset 1: half a surrogate pair"},
        {"\"\\udc00\"", "offset 1: half a surrogate pair"},
        {"\"\\ud800\\u0041\"", "offset 1: half a surrogate pair"},
        {"\"\xff\"", "offset 1: not UTF-8"},
        {"\"\xc3\"", "offset 1: not UTF-8"},
        {"\"\xc0\x80\"", "offset 1: not UTF-8"},
        {"\"\xe0\x80\x80\"", "offset 1: not UTF-8"},
        {"\"\xed\xa0\x80\"", "offset 1: not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "offset 1: not UTF-8"},
        {"01", "offset 1: a number must not begin with 0"},
        {"-", "offset 1: a digit was expected"},
        {"+1", "offset 0: a value was expected"},
        {".5", "offset 0: a value was expected"},
        {"-.5", "offset 1: a digit was expected"},
        {"1.", "offset 2: a digit was expected"},
        {"1.e5", "offset 2: a digit was expected"},
        {"1e", "offset 2: a digit was expected"},
        {"1e+", "offset 3: a digit was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "message m: payload of %zu bytes is not JSON at %s",
                 strlen(cases[i].payload), cases[i].fault);
        kca_message *m = view(cases[i].payload);
        assert_int_equal(kca_message_is_json(m), 0);
        assert_error(kca_message_check_json(m), KCA_ERROR_PAYLOAD, text);
        const char *value;
        assert_error(kca_message_json_string(m, "", &value), KCA_ERROR_PAYLOAD, text);
        drop(m);
    }
}

static void test_a_nul_byte_in_the_payload_is_not_json(void **state) {
    kca_message *m = view_bytes("{}\0", 3);
    assert_error(kca_message_check_json(m), KCA_ERROR_PAYLOAD,
                 "message m: payload of 3 bytes is not JSON at offset 2: text after the end of the "
                 "value");
    drop(m);
}

static void test_no_payload_is_not_json(void **state) {
    kca_message *m = view("");
    const char *text;
    assert_int_equal(kca_message_is_json(m), 0);
    assert_error(kca_message_json_string(m, "", &text), KCA_ERROR_PAYLOAD,
                 "message m: payload is empty, not JSON");
    drop(m);
    kca_message none;
    kca__message_init_inbound(&none);
    assert_int_equal(kca_message_is_json(&none), 0);
    assert_error(kca_message_check_json(&none), KCA_ERROR_PAYLOAD,
                 "message: payload is missing, not JSON");
    kca__message_clear_inbound(&none);
}

static void test_nesting_is_limited(void **state) {
    char deep[2 * KCA__JSON_DEPTH + 3];
    memset(deep, '[', sizeof deep);
    memset(deep + KCA__JSON_DEPTH, ']', KCA__JSON_DEPTH);
    kca_message *m = view_bytes(deep, 2 * KCA__JSON_DEPTH);
    assert_null(kca_message_check_json(m));
    assert_int_equal(kca_message_json_type(m, "/0/0/0"), KCA_JSON_ARRAY);
    drop(m);
    kca__json_fault fault;
    assert_false(kca__json_check_inside(deep, 2 * KCA__JSON_DEPTH, 1, &fault));
    assert_int_equal(fault.offset, KCA__JSON_DEPTH - 1);
    assert_true(kca__json_check_inside(deep + 1, 2 * KCA__JSON_DEPTH - 2, 1, &fault));

    memset(deep, '[', KCA__JSON_DEPTH + 1);
    memset(deep + KCA__JSON_DEPTH + 1, ']', KCA__JSON_DEPTH + 1);
    m = view_bytes(deep, 2 * KCA__JSON_DEPTH + 2);
    assert_error(
        kca_message_check_json(m), KCA_ERROR_PAYLOAD,
        "message m: payload of 2002 bytes is not JSON at offset 1000: more than 1000 arrays "
        "and objects in one another");
    drop(m);
}

/* What passes the check is never refused by the parser. */
static void test_the_parser_takes_all_that_passes_the_check(void **state) {
    unsigned seed = 20260216;
    print_message("seed %u\n", seed);
    int passed = 0;
    for (int i = 0; i < 200000; i++) {
        char text[sizeof order];
        size_t len = sizeof order - 1;
        memcpy(text, order, sizeof order);
        for (int changes = 1 + rand_r(&seed) % 3; changes > 0; changes--) {
            static const char bytes[] = "{}[]\",:\\/u0019eE+-. \n\ttrufalsn\x80\xc3\xa9";
            text[(size_t)rand_r(&seed) % len] = bytes[(size_t)rand_r(&seed) % (sizeof bytes - 1)];
        }
        len = (size_t)rand_r(&seed) % 8 ? len : (size_t)rand_r(&seed) % len;
        kca_message *m = view_bytes(text, len);
        if (kca_message_is_json(m)) {
            passed++;
            if (kca_message_json_type(m, "") == KCA_JSON_MISSING)
                fail_msg("refused: %.*s", (int)len, text);
        }
        int64_t integer;
        kca_error_free(kca_message_json_int64(m, "/items/1/sku", &integer));
        kca_error_free(kca_message_json_int64(m, "/qty", &integer));
        drop(m);
    }
    assert_true(passed > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value_is_json),
        cmocka_unit_test(test_a_check_says_where_the_json_breaks),
        cmocka_unit_test(test_a_nul_byte_in_the_payload_is_not_json),
        cmocka_unit_test(test_no_payload_is_not_json),
        cmocka_unit_test(test_nesting_is_limited),
        cmocka_unit_test(test_the_parser_takes_all_that_passes_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
