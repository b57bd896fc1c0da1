#include "testing.h"

#include <stdio.h>

#include "base/error.h"
#include "base/state.h"

enum { AFTER_MS = 30000 };

static const kca__trouble refused = {.code = KCA_ERROR_UNREACHABLE,
                                     .broker = 1,
                                     .coordinator = true,
                                     .address = "h:1",
                                     .reason = "nobody listens at h:1"};

static void test_each_change_is_told_once(void **state) {
    kca__state s = {0};
    assert_true(kca__state_enter(&s, KCA_STATE_CONNECTING, 5, 1005));
    assert_false(kca__state_enter(&s, KCA_STATE_CONNECTING, 6, 1006));
    assert_int_equal(s.since_ms, 5);
    assert_int_equal(s.since_unix_ms, 1005);
    assert_true(kca__state_enter(&s, KCA_STATE_JOINED, 7, 1007));
    assert_int_equal(s.since_unix_ms, 1007);
}

static void test_the_first_trouble_of_a_state_is_told(void **state) {
    kca__state s = {0};
    kca__state_enter(&s, KCA_STATE_CONNECTING, 0, 0);
    assert_true(kca__state_meet(&s, &refused));
    assert_false(kca__state_meet(&s, &refused));
    assert_true(kca__state_enter(&s, KCA_STATE_JOINED, 1, 1));
    assert_false(s.in_trouble);
}

static void test_a_fault_comes_once_for_each_state(void **state) {
    kca__state s = {0};
    kca__state_enter(&s, KCA_STATE_RECONNECTING, 1000, 0);
    assert_false(kca__state_fault_is_due(&s, 1000 + AFTER_MS, AFTER_MS)); /* no trouble */
    kca__state_meet(&s, &refused);
    assert_false(kca__state_fault_is_due(&s, 999 + AFTER_MS, AFTER_MS));
    assert_false(kca__state_fault_is_due(&s, 1000 + AFTER_MS, 0));
    assert_true(kca__state_fault_is_due(&s, 1000 + AFTER_MS, AFTER_MS));
    assert_false(kca__state_fault_is_due(&s, 1000 + 9 * AFTER_MS, AFTER_MS));
    kca__state_enter(&s, KCA_STATE_CONNECTED, 400000, 0);
    kca__state_enter(&s, KCA_STATE_RECONNECTING, 500000, 0);
    kca__state_meet(&s, &refused);
    assert_true(kca__state_fault_is_due(&s, 500000 + AFTER_MS, AFTER_MS));
}

static void must_say(const kca__state *s, int64_t waited_ms, const char *text) {
    kca_error *e = kca__state_error(s, "consumer billing", waited_ms);
    assert_string_equal(e->text, text);
    assert_int_equal(e->code, s->trouble.code);
    assert_true(e->retriable);
    kca__error_free(e);
}

static void test_the_text_says_what_since_when_and_why(void **state) {
    kca__state s = {.now = KCA_STATE_CONNECTING, .trouble = refused};
    must_say(&s, 30500,
             "consumer billing: connecting for 30 s: group coordinator, broker 1: nobody listens "
             "at h:1");
    s.trouble.coordinator = false;
    must_say(&s, -1, "consumer billing: broker 1: nobody listens at h:1");
    s.trouble.broker = -1;
    must_say(&s, -1, "consumer billing: nobody listens at h:1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_change_is_told_once),
        cmocka_unit_test(test_the_first_trouble_of_a_state_is_told),
        cmocka_unit_test(test_a_fault_comes_once_for_each_state),
        cmocka_unit_test(test_the_text_says_what_since_when_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
