#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "payloads.h"

static int64_t int64_of(const char *json) {
    kca_message *m = view(json);
    int64_t value;
    assert_null(kca_message_json_int64(m, "", &value));
    drop(m);
    return value;
}

static void assert_no_int64(const char *json, const char *text) {
    kca_message *m = view(json);
    int64_t value = 7;
    assert_error(kca_message_json_int64(m, "", &value), KCA_ERROR_PAYLOAD, text);
    assert_int_equal(value, 0);
    drop(m);
}

static void test_fields_are_read_by_pointer(void **state) {
    kca_message *m = view(order);
    const char *text;
    int64_t integer;
    double number;
    int flag, count;
    assert_null(kca_message_json_string(m, "/orderId", &text));
    assert_string_equal(text, "ORD-1");
    assert_null(kca_message_json_string(m, "/items/1/sku", &text));
    assert_string_equal(text, "B");
    assert_null(kca_message_json_double(m, "/amount", &number));
    assert_true(number == 299.99);
    assert_null(kca_message_json_int64(m, "/qty", &integer));
    assert_int_equal(integer, INT64_C(9007199254740993));
    assert_null(kca_message_json_bool(m, "/paid", &flag));
    assert_int_equal(flag, 1);
    assert_null(kca_message_json_bool(m, "/open", &flag));
    assert_int_equal(flag, 0);
    assert_null(kca_message_json_count(m, "/items", &count));
    assert_int_equal(count, 3);
    assert_null(kca_message_json_count(m, "", &count));
    assert_int_equal(count, 8);
    assert_null(kca_message_json_count(m, "/items/2", &count));
    assert_int_equal(count, 0);
    drop(m);
}

static void test_types_are_told(void **state) {
    kca_message *m = view(order);
    assert_int_equal(kca_message_json_type(m, ""), KCA_JSON_OBJECT);
    assert_int_equal(kca_message_json_type(m, "/orderId"), KCA_JSON_STRING);
    assert_int_equal(kca_message_json_type(m, "/amount"), KCA_JSON_NUMBER);
    assert_int_equal(kca_message_json_type(m, "/paid"), KCA_JSON_BOOL);
    assert_int_equal(kca_message_json_type(m, "/open"), KCA_JSON_BOOL);
    assert_int_equal(kca_message_json_type(m, "/note"), KCA_JSON_NULL);
    assert_int_equal(kca_message_json_type(m, "/items"), KCA_JSON_ARRAY);
    assert_int_equal(kca_message_json_type(m, "/empty"), KCA_JSON_OBJECT);
    assert_int_equal(kca_message_json_type(m, "/absent"), KCA_JSON_MISSING);
    assert_int_equal(kca_message_json_type(m, "no pointer"), KCA_JSON_MISSING);
    assert_int_equal(kca_message_json_type(m, NULL), KCA_JSON_MISSING);
    drop(m);
    m = view("not JSON");
    assert_int_equal(kca_message_json_type(m, ""), KCA_JSON_MISSING);
    drop(m);
}

static void test_another_type_is_an_error_that_says_which(void **state) {
    kca_message *m = view(order);
    const char *text = "before";
    int64_t integer;
    double number;
    int flag;
    assert_error(kca_message_json_string(m, "/amount", &text), KCA_ERROR_PAYLOAD,
                 "message m: payload is a number, not a string, at \"/amount\"");
    assert_null(text);
    assert_error(kca_message_json_string(m, "/note", &text), KCA_ERROR_PAYLOAD,
                 "message m: payload is null, not a string, at \"/note\"");
    assert_error(kca_message_json_int64(m, "/orderId", &integer), KCA_ERROR_PAYLOAD,
                 "message m: payload is a string, not a number, at \"/orderId\"");
    assert_error(kca_message_json_double(m, "", &number), KCA_ERROR_PAYLOAD,
                 "message m: payload is an object, not a number");
    assert_error(kca_message_json_bool(m, "/items", &flag), KCA_ERROR_PAYLOAD,
                 "message m: payload is an array, not a bool, at \"/items\"");
    assert_error(kca_message_json_count(m, "/paid", &flag), KCA_ERROR_PAYLOAD,
                 "message m: payload is a bool, not an array or object, at \"/paid\"");
    drop(m);
}

static void test_nothing_there_is_not_found(void **state) {
    kca_message *m = view(order);
    const char *text;
    assert_error(kca_message_json_string(m, "/customer/name", &text), KCA_ERROR_NOT_FOUND,
                 "message m: payload has nothing at \"/customer/name\"");
    assert_error(kca_message_json_string(m, "/orderId/0", &text), KCA_ERROR_NOT_FOUND,
                 "message m: payload has nothing at \"/orderId/0\"");
    drop(m);
}

static void test_pointers_follow_rfc_6901(void **state) {
    kca_message *m = view(
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
        "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,\"/\":10,\"A\":11,\"a\":12,\"01\":13,"
        "\"\\u00e9\":14,\"o\":{\"\":{\"\":15}}}");
    static const struct {
        const char *pointer;
        int64_t value;
    } cases[] = {{"/", 0},     {"/a~1b", 1}, {"/c%d", 2},       {"/e^f", 3},
                 {"/g|h", 4},  {"/i\\j", 5}, {"/k\"l", 6},      {"/ ", 7},
                 {"/m~0n", 8}, {"/~01", 9},  {"/~1", 10},       {"/A", 11},
                 {"/a", 12},   {"/01", 13},  {"/\xc3\xa9", 14}, {"/o//", 15}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = -1;
        kca_error *e = kca_message_json_int64(m, cases[i].pointer, &value);
        if (e)
            fail_msg("%s: %s", cases[i].pointer, e->text);
        assert_int_equal(value, cases[i].value);
    }
    const char *text;
    assert_null(kca_message_json_string(m, "/foo/0", &text));
    assert_string_equal(text, "bar");
    drop(m);
}

static void test_array_indexes_are_plain_numbers_only(void **state) {
    kca_message *m = view("{\"foo\":[\"bar\",\"baz\",\"qux\"]}");
    static const char *const pointers[] = {
        "/foo/",    "/foo/-",   "/foo/00",         "/foo/01",
        "/foo/1 ",  "/foo/ 1",  "/foo/+1",         "/foo/-1",
        "/foo/1.0", "/foo/1e0", "/foo/3",          "/foo/x",
        "/foo/0/",  "/foo/0x1", "/foo/4294967296", "/foo/18446744073709551616",
        "/Foo/0"};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
        if (kca_message_json_type(m, pointers[i]) != KCA_JSON_MISSING)
            fail_msg("found: %s", pointers[i]);
    assert_int_equal(kca_message_json_type(m, "/foo/2"), KCA_JSON_STRING);
    drop(m);
}

static void test_what_is_no_pointer_is_refused(void **state) {
    kca_message *m = view("{\"a\":1,\"~2\":2}");
    static const char *const pointers[] = {"a", "a/b", "/a~", "/~2", "/~", "#/a", " "};
    int64_t value;
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        kca_error *e = kca_message_json_int64(m, pointers[i], &value);
        assert_non_null(e);
        assert_int_equal(e->code, KCA_ERROR_ARGUMENT);
        kca_error_free(e);
    }
    assert_error(kca_message_json_int64(m, "a", &value), KCA_ERROR_ARGUMENT,
                 "message m: a JSON pointer must be \"\" or begin with \"/\", and have \"~\" as "
                 "\"~0\" or \"~1\" only, got \"a\"");
    drop(m);
}

static void test_of_members_with_one_name_the_last_counts(void **state) {
    kca_message *m = view("{\"a\":1,\"b\":[0],\"a\":2}");
    int64_t value;
    assert_null(kca_message_json_int64(m, "/a", &value));
    assert_int_equal(value, 2);
    drop(m);
}

static void test_integers_are_exact(void **state) {
    assert_int_equal(int64_of("0"), 0);
    assert_int_equal(int64_of("-0"), 0);
    assert_int_equal(int64_of("9007199254740993"), INT64_C(9007199254740993));
    assert_int_equal(int64_of("-9007199254740993"), INT64_C(-9007199254740993));
    assert_int_equal(int64_of("9223372036854775807"), INT64_MAX);
    assert_int_equal(int64_of("-9223372036854775808"), INT64_MIN);
    assert_int_equal(int64_of("  42\n"), 42);
}

static void test_integers_may_be_written_with_a_point_or_exponent(void **state) {
    assert_int_equal(int64_of("1.0"), 1);
    assert_int_equal(int64_of("1e3"), 1000);
    assert_int_equal(int64_of("1E+3"), 1000);
    assert_int_equal(int64_of("-1.50e1"), -15);
    assert_int_equal(int64_of("1200e-2"), 12);
    assert_int_equal(int64_of("0.00"), 0);
    assert_int_equal(int64_of("0e999999999999999999999"), 0);
    assert_int_equal(int64_of("0.0e-5"), 0);
    assert_int_equal(int64_of("9007199254740993.000"), INT64_C(9007199254740993));
    assert_int_equal(int64_of("9.223372036854775807e18"), INT64_MAX);
    assert_int_equal(int64_of("922337203685477580700e-2"), INT64_MAX);
    assert_int_equal(int64_of("100000000000000000000000e-23"), 1);
}

static void test_fractions_and_overflows_are_no_integers(void **state) {
    const char *fraction = "message m: payload is a number with a fraction, not an integer";
    const char *large = "message m: payload is a number outside -2^63 to 2^63 - 1";
    assert_no_int64("0.5", fraction);
    assert_no_int64("-299.99", fraction);
    assert_no_int64("1e-1", fraction);
    assert_no_int64("1e-99999999999999999999", fraction);
    assert_no_int64("9007199254740993.5", fraction);
    assert_no_int64("9223372036854775808", large);
    assert_no_int64("-9223372036854775809", large);
    assert_no_int64("9223372036854775807e1", large);
    assert_no_int64("1e19", large);
    assert_no_int64("1e99999999999999999999", large);
    assert_no_int64("18446744073709551617", large);
}

static void test_integers_are_found_wherever_they_stand(void **state) {
    kca_message *m = view(" { \"x\" : \"a,b]}\\\"\" , \"y\" : [ 1 , [ 2 , \"}\" ] , { \"q\" : 3 } ,"
                          " true , 9007199254740995 ] , \"z\" :9007199254740997} ");
    int64_t value;
    assert_null(kca_message_json_int64(m, "/y/0", &value));
    assert_int_equal(value, 1);
    assert_null(kca_message_json_int64(m, "/y/1/0", &value));
    assert_int_equal(value, 2);
    assert_null(kca_message_json_int64(m, "/y/2/q", &value));
    assert_int_equal(value, 3);
    assert_null(kca_message_json_int64(m, "/y/4", &value));
    assert_int_equal(value, INT64_C(9007199254740995));
    assert_null(kca_message_json_int64(m, "/z", &value));
    assert_int_equal(value, INT64_C(9007199254740997));
    drop(m);
}

static void test_doubles_beyond_range_are_an_error(void **state) {
    kca_message *m = view("[1e999,-1.5e-3,1e21]");
    double value;
    assert_error(kca_message_json_double(m, "/0", &value), KCA_ERROR_PAYLOAD,
                 "message m: payload is a number too large for a double, at \"/0\"");
    assert_null(kca_message_json_double(m, "/1", &value));
    assert_true(value == -1.5e-3);
    assert_null(kca_message_json_double(m, "/2", &value));
    assert_true(value == 1e21);
    drop(m);
}

static void test_strings_are_unescaped(void **state) {
    kca_message *m =
        view("\"a\\u003cb\\u003e\\u0026\\\"\xc3\xa7\xc3\xa3o\\\" \\u2028\\ud83d\\ude00\"");
    const char *text;
    assert_null(kca_message_json_string(m, "", &text));
    assert_string_equal(text, "a<b>&\"\xc3\xa7\xc3\xa3o\" \xe2\x80\xa8\xf0\x9f\x98\x80");
    drop(m);
}

static void test_a_string_with_nul_is_an_error_instead_of_half_a_text(void **state) {
    kca_message *m = view("{\"a\":\"x\\u0000y\",\"b\":\"x\\\\u0000y\",\"c\":\"plain\"}");
    const char *text;
    assert_error(kca_message_json_string(m, "/a", &text), KCA_ERROR_PAYLOAD,
                 "message m: payload holds \\u0000, which a C text cannot, at \"/a\"");
    assert_null(text);
    assert_null(kca_message_json_string(m, "/b", &text));
    assert_string_equal(text, "x\\u0000y");
    assert_null(kca_message_json_string(m, "/c", &text));
    assert_string_equal(text, "plain");
    drop(m);
}

static void test_a_new_payload_is_parsed_anew(void **state) {
    kca_message *m;
    int64_t value;
    assert_null(kca_message_new(&m, "m"));
    kca_message_set_payload(m, "{\"a\":1}", 7);
    assert_null(kca_message_json_int64(m, "/a", &value));
    assert_int_equal(value, 1);
    kca_message_set_payload(m, "{\"a\":2}", 7);
    assert_null(kca_message_json_int64(m, "/a", &value));
    assert_int_equal(value, 2);
    kca_message_set_payload(m, "{", 1);
    assert_int_equal(kca_message_is_json(m), 0);
    kca_message_set_payload(m, NULL, 0);
    assert_int_equal(kca_message_is_json(m), 0);
    kca_message_set_payload(m, "[]", 2);
    assert_int_equal(kca_message_is_json(m), 1);
    kca_message_free(m);
}

static void test_null_arguments_are_errors(void **state) {
    kca_message *m = view(order);
    const char *text;
    int64_t integer;
    double number;
    int flag;
    assert_error(kca_message_json_string(NULL, "", &text), KCA_ERROR_ARGUMENT,
                 "message: message must not be NULL");
    assert_error(kca_message_json_string(m, NULL, &text), KCA_ERROR_ARGUMENT,
                 "message: JSON pointer must not be NULL");
    assert_error(kca_message_json_string(m, "", NULL), KCA_ERROR_ARGUMENT,
                 "message: out must not be NULL");
    kca_error_free(kca_message_json_int64(NULL, NULL, &integer));
    kca_error_free(kca_message_json_double(NULL, NULL, &number));
    kca_error_free(kca_message_json_bool(NULL, NULL, &flag));
    kca_error_free(kca_message_json_count(NULL, NULL, &flag));
    kca_error_free(kca_message_check_json(NULL));
    assert_int_equal(kca_message_is_json(NULL), 0);
    assert_int_equal(kca_message_json_type(NULL, ""), KCA_JSON_MISSING);
    drop(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_read_by_pointer),
        cmocka_unit_test(test_types_are_told),
        cmocka_unit_test(test_another_type_is_an_error_that_says_which),
        cmocka_unit_test(test_nothing_there_is_not_found),
        cmocka_unit_test(test_pointers_follow_rfc_6901),
        cmocka_unit_test(test_array_indexes_are_plain_numbers_only),
        cmocka_unit_test(test_what_is_no_pointer_is_refused),
        cmocka_unit_test(test_of_members_with_one_name_the_last_counts),
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_integers_may_be_written_with_a_point_or_exponent),
        cmocka_unit_test(test_fractions_and_overflows_are_no_integers),
        cmocka_unit_test(test_integers_are_found_wherever_they_stand),
        cmocka_unit_test(test_doubles_beyond_range_are_an_error),
        cmocka_unit_test(test_strings_are_unescaped),
        cmocka_unit_test(test_a_string_with_nul_is_an_error_instead_of_half_a_text),
        cmocka_unit_test(test_a_new_payload_is_parsed_anew),
        cmocka_unit_test(test_null_arguments_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
