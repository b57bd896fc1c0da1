#include "testing.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "message/wire_time.h"

static void assert_writes(int64_t ms, const char *text) {
    char out[20];
    memset(out, 'x', sizeof out);
    kca__wire_time_write(out, ms);
    assert_string_equal(out, text);
}

static void assert_reads(const char *text, int64_t expected) {
    int64_t ms = -7;
    if (!kca__wire_time_read(&ms, text))
        fail_msg("unreadable: %s", text);
    if (ms != expected)
        fail_msg("%s: %lld, not %lld", text, (long long)ms, (long long)expected);
}

static void test_a_time_is_written_in_utc_to_the_second(void **state) {
    assert_writes(0, "1970-01-01 00:00:00");
    assert_writes(999, "1970-01-01 00:00:00");
    assert_writes(1000, "1970-01-01 00:00:01");
    assert_writes(INT64_C(1771236000005), "2026-02-16 10:00:00");
    assert_writes(INT64_C(951782400000), "2000-02-29 00:00:00");
    assert_writes(INT64_C(4107542399000), "2100-02-28 23:59:59");
    assert_writes(INT64_C(4107542400000), "2100-03-01 00:00:00");
    assert_writes(KCA__WIRE_TIME_MAX_MS, "9999-12-31 23:59:59");
}

static void assert_writes_rfc3339(int64_t ms, const char *text) {
    char out[25];
    memset(out, 'x', sizeof out);
    kca__wire_time_write_rfc3339(out, ms);
    assert_string_equal(out, text);
    assert_reads(text, ms);
}

static void test_a_time_is_written_to_the_millisecond_for_everybody(void **state) {
    assert_writes_rfc3339(0, "1970-01-01T00:00:00.000Z");
    assert_writes_rfc3339(INT64_C(1771236000005), "2026-02-16T10:00:00.005Z");
    assert_writes_rfc3339(KCA__WIRE_TIME_MAX_MS, "9999-12-31T23:59:59.999Z");
    char out[25];
    kca__wire_time_write_rfc3339(out, INT64_MAX);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    kca__wire_time_write_rfc3339(out, -5);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
}

static void test_the_kept_text_is_only_used_for_its_own_second(void **state) {
    assert_writes(INT64_C(1771236000005), "2026-02-16 10:00:00");
    assert_writes(INT64_C(1771236000999), "2026-02-16 10:00:00");
    assert_writes(INT64_C(1771236001000), "2026-02-16 10:00:01");
    assert_writes(INT64_C(1771236000000), "2026-02-16 10:00:00");
}

static void test_times_that_cannot_be_written_become_the_nearest(void **state) {
    assert_writes(-1, "1970-01-01 00:00:00");
    assert_writes(INT64_MIN, "1970-01-01 00:00:00");
    assert_writes(KCA__WIRE_TIME_MAX_MS + 1, "9999-12-31 23:59:59");
    assert_writes(INT64_MAX, "9999-12-31 23:59:59");
}

static void test_the_calendar_is_the_c_librarys(void **state) {
    /* Steps of 1 day and a few seconds: each date of the 8000 years, at all times of the day. */
    for (int64_t second = 0; second * 1000 <= KCA__WIRE_TIME_MAX_MS; second += 86400 + 37) {
        time_t t = (time_t)second;
        struct tm tm;
        char expected[80], text[20];
        gmtime_r(&t, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        kca__wire_time_write(text, second * 1000);
        if (strcmp(text, expected) != 0)
            fail_msg("%s, not %s", text, expected);
        assert_reads(text, second * 1000);
    }
}

static void test_iso_8601_is_read(void **state) {
    const int64_t ten = INT64_C(1771236000000); /* 2026-02-16 10:00:00 UTC */
    assert_reads("2026-02-16 10:00:00", ten);
    assert_reads("2026-02-16T10:00:00", ten);
    assert_reads("2026-02-16T10:00:00Z", ten);
    assert_reads("2026-02-16t10:00:00z", ten);
    assert_reads("2026-02-16T10:00:00.005Z", ten + 5);
    assert_reads("2026-02-16T10:00:00,5Z", ten + 500);
    assert_reads("2026-02-16 10:00:00.25", ten + 250);
    assert_reads("2026-02-16T10:00:00.123456789Z", ten + 123);
    assert_reads("2026-02-16T07:00:00-03:00", ten);
    assert_reads("2026-02-16T15:30:00.5+0530", ten + 500);
    assert_reads("2026-02-16T12:00:00+02", ten);
    assert_reads("2026-02-17T00:00:00+14:00", ten);
    assert_reads("2016-12-31T23:59:60Z", INT64_C(1483228800000));
    assert_reads("2024-02-29 00:00:00", INT64_C(1709164800000));
    assert_reads("9999-12-31T23:59:59.999Z", KCA__WIRE_TIME_MAX_MS);
}

static void test_anything_else_is_unreadable(void **state) {
    static const char *const texts[] = {"",
                                        " ",
                                        "now",
                                        "1771236000000",
                                        "2026",
                                        "2026-02-16",
                                        "2026-02-16T",
                                        "2026-02-16T10",
                                        "2026-02-16T10:00",
                                        "2026-02-16T10:00:0",
                                        "2026-02-16_10:00:00",
                                        "2026/02/16 10:00:00",
                                        "2026-2-16 10:00:00",
                                        "2026-02-30 10:00:00",
                                        "2025-02-29 10:00:00",
                                        "2100-02-29 10:00:00",
                                        "2026-00-16 10:00:00",
                                        "2026-13-16 10:00:00",
                                        "2026-02-00 10:00:00",
                                        "2026-04-31 10:00:00",
                                        "2026-02-16 24:00:00",
                                        "2026-02-16 10:60:00",
                                        "2026-02-16 10:00:61",
                                        "2026-02-16 10:00:00.",
                                        "2026-02-16 10:00:00.Z",
                                        "2026-02-16 10:00:00 ",
                                        "2026-02-16 10:00:00x",
                                        "2026-02-16 10:00:00ZZ",
                                        "2026-02-16 10:00:00+",
                                        "2026-02-16 10:00:00+2",
                                        "2026-02-16 10:00:00+24:00",
                                        "2026-02-16 10:00:00+02:60",
                                        "2026-02-16 10:00:00+02:",
                                        "2026-02-16 10:00:00+02:0",
                                        "2026-02-16 10:00:00+02000",
                                        "-026-02-16 10:00:00",
                                        "+2026-02-16 10:00:00",
                                        "0000-01-01 00:00:00",
                                        "0001-01-01 00:00:00",
                                        "1969-12-31 23:59:59",
                                        "1970-01-01T00:00:00+00:01",
                                        "9999-12-31T23:59:59-00:01",
                                        "Mon Feb 16 10:00:00 2026"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t ms = -7;
        if (kca__wire_time_read(&ms, texts[i]))
            fail_msg("read: '%s'", texts[i]);
        assert_int_equal(ms, -7);
    }
}

/* Not time(NULL), which may be some milliseconds behind the clock, in the second before. */
static int64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_now_is_between_two_looks_at_the_clock(void **state) {
    int64_t before = clock_ms(), now = kca__clock_unix_ms(), after = clock_ms();
    assert_true(before <= now && now <= after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_is_written_in_utc_to_the_second),
        cmocka_unit_test(test_a_time_is_written_to_the_millisecond_for_everybody),
        cmocka_unit_test(test_the_kept_text_is_only_used_for_its_own_second),
        cmocka_unit_test(test_times_that_cannot_be_written_become_the_nearest),
        cmocka_unit_test(test_the_calendar_is_the_c_librarys),
        cmocka_unit_test(test_iso_8601_is_read),
        cmocka_unit_test(test_anything_else_is_unreadable),
        cmocka_unit_test(test_now_is_between_two_looks_at_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
