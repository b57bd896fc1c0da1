/* Records that wait in delay channels: which channel is next, and what their headers say. */
#include "testing.h"

#include <string.h>

#include "message/postponed.h"

enum { SECOND = 1000, MINUTE = 60000, HOUR = 3600000 };

static const int ladder[] = {MINUTE, SECOND, HOUR}; /* in any order */

static void assert_rung(int64_t left_ms, int channel, int64_t waits_ms) {
    const int64_t now_ms = 1795405200999;
    kca__rung rung = kca__postponed_rung(ladder, 3, now_ms + left_ms, now_ms);
    assert_int_equal(rung.channel, channel);
    if (channel >= 0)
        assert_int_equal(rung.due_ms - now_ms, waits_ms);
}

static void test_the_longest_delay_that_fits_is_next_and_none_is_too_long(void **state) {
    assert_rung(0, -1, 0);
    assert_rung(-5, -1, 0);
    assert_rung(1, 1, 1);
    assert_rung(SECOND - 1, 1, SECOND - 1);
    assert_rung(SECOND, 1, SECOND);
    assert_rung(MINUTE - 1, 1, SECOND);
    assert_rung(MINUTE, 0, MINUTE);
    assert_rung(HOUR - 1, 0, MINUTE);
    assert_rung(30 * (int64_t)HOUR, 2, HOUR);
}

static void test_hops_come_to_an_end_exactly_at_the_time(void **state) {
    for (int64_t left = 1; left < 40 * (int64_t)HOUR; left = left * 7 + 13) {
        int64_t now_ms = 0;
        kca__rung rung;
        int hops = 0;
        while ((rung = kca__postponed_rung(ladder, 3, left, now_ms)).channel >= 0) {
            assert_true(rung.due_ms > now_ms && rung.due_ms <= left);
            now_ms = rung.due_ms;
            hops++;
        }
        assert_int_equal(now_ms, left);
        assert_in_range(hops, 1, 40 + 59 + 59 + 1);
    }
}

static void test_without_delays_nothing_waits(void **state) {
    static const int none[] = {0, 0}, some[] = {0, HOUR};
    assert_int_equal(kca__postponed_rung(NULL, 0, 5, 0).channel, -1);
    assert_int_equal(kca__postponed_rung(none, 2, 5, 0).channel, -1);
    kca__rung rung = kca__postponed_rung(some, 2, 5, 0); /* not there and back for ever */
    assert_int_equal(rung.channel, 0);
    assert_int_equal(rung.due_ms, 5);
}

static void test_headers_are_read_as_they_were_written(void **state) {
    kca__header headers[2 + KCA__POSTPONED_HEADERS] = {{"tenant", "acme", 4}};
    char room[KCA__POSTPONED_HEADERS][KCA__POSTPONED_NUMBER];
    kca__postponed told, wrote = {"orders", INT64_C(253402300799999), INT64_C(1795405200999), 7, 5};
    int count = 1 + kca__postponed_write(headers + 1, room, &wrote);
    assert_int_equal(count, 6);
    headers[count++] = (kca__header){"empty", NULL, 0};
    kca__postponed_read(&told, headers, count);
    assert_string_equal(told.to, "orders");
    assert_int_equal(told.at_ms, wrote.at_ms);
    assert_int_equal(told.due_ms, wrote.due_ms);
    assert_int_equal(told.partition, 7);
    assert_int_equal(told.timestamp_ms, 5);
    assert_int_equal(kca__postponed_strip(headers, count), 2);
    assert_string_equal(headers[0].name, "tenant");
    assert_string_equal(headers[1].name, "empty");
    wrote.partition = -1;
    wrote.timestamp_ms = -1;
    assert_int_equal(kca__postponed_write(headers, room, &wrote), 3);
}

static void test_what_cannot_be_is_not_told(void **state) {
    static const kca__header absurd[] = {
        {"kca-deliver-to", "orders\0else", 11}, {"kca-deliver-at-ms", "9223372036854775808", 19},
        {"kca-deliver-due-ms", "-1", 2},        {"kca-deliver-partition", "2147483648", 10},
        {"kca-deliver-timestamp-ms", "-1", 2},
    };
    static const kca__header empty[] = {{"kca-deliver-to", NULL, 0},
                                        {"kca-deliver-at-ms", "", 0},
                                        {"kca-deliver-due-ms", "soon", 4}};
    kca__postponed told;
    kca__postponed_read(&told, absurd, 5);
    assert_string_equal(told.to, "");
    assert_true(told.at_ms == -1 && told.due_ms == -1 && told.partition == -1);
    assert_int_equal(told.timestamp_ms, -1);
    kca__postponed_read(&told, empty, 3);
    assert_string_equal(told.to, "");
    assert_true(told.at_ms == -1 && told.due_ms == -1 && told.partition == -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_delay_that_fits_is_next_and_none_is_too_long),
        cmocka_unit_test(test_hops_come_to_an_end_exactly_at_the_time),
        cmocka_unit_test(test_without_delays_nothing_waits),
        cmocka_unit_test(test_headers_are_read_as_they_were_written),
        cmocka_unit_test(test_what_cannot_be_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
