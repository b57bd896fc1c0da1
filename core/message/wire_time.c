#include "message/wire_time.h"

#include <string.h>
#include <time.h>

/*
 * The calendar is computed here, because timegm and gmtime_r take a lock of the whole process each
 * time, and every record has a timestamp. Years begin in March, so that a leap day is a year's
 * last.
 */

enum { DAYS_OF_400_YEARS = 146097, DAYS_FROM_MARCH_OF_0_TO_1970 = 719468 };

static int64_t days_from_date(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = year / 400, year_of_era = year % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_OF_400_YEARS + day_of_era - DAYS_FROM_MARCH_OF_0_TO_1970;
}

static void date_from_days(int64_t days, int *year, int *month, int *day) {
    days += DAYS_FROM_MARCH_OF_0_TO_1970;
    int64_t era = days / DAYS_OF_400_YEARS, day_of_era = days % DAYS_OF_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int from_march = (int)((5 * day_of_year + 2) / 153);
    *day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static char *put(char *p, int number, int digits, char after) {
    for (int i = digits - 1; i >= 0; i--, number /= 10)
        p[i] = (char)('0' + number % 10);
    p[digits] = after;
    return p + digits + 1;
}

static void write_second(char out[20], int64_t second) {
    int year, month, day, of_day = (int)(second % 86400);
    date_from_days(second / 86400, &year, &month, &day);
    char *p = put(out, year, 4, '-');
    p = put(p, month, 2, '-');
    p = put(p, day, 2, ' ');
    p = put(p, of_day / 3600, 2, ':');
    p = put(p, of_day / 60 % 60, 2, ':');
    put(p, of_day % 60, 2, '\0');
}

static int64_t within_range(int64_t ms) {
    return ms < 0 ? 0 : ms > KCA__WIRE_TIME_MAX_MS ? KCA__WIRE_TIME_MAX_MS : ms;
}

void kca__wire_time_write(char out[20], int64_t ms) {
    static _Thread_local int64_t last_second = -1;
    static _Thread_local char last_text[20];
    int64_t second = within_range(ms) / 1000;
    if (second != last_second) {
        write_second(last_text, second);
        last_second = second;
    }
    memcpy(out, last_text, sizeof last_text);
}

void kca__wire_time_write_rfc3339(char out[25], int64_t ms) {
    kca__wire_time_write(out, ms);
    out[10] = 'T';
    out[19] = '.';
    put(put(out + 20, (int)(within_range(ms) % 1000), 3, 'Z'), 0, 0, '\0');
}

/* Reads `digits` digits at `*p` and, unless `after` is NUL, that character; -1: something else is
 * there. */
static int take(const char **p, int digits, char after) {
    int number = 0;
    for (; digits > 0; digits--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        number = number * 10 + (**p - '0');
    }
    if (after && *(*p)++ != after)
        return -1;
    return number;
}

/* Reads the fraction of a second, in milliseconds, and ignores further digits; -1: there is no
 * digit after the point. */
static int take_fraction(const char **p) {
    if (**p != '.' && **p != ',')
        return 0;
    const char *first = ++*p;
    int ms = 0;
    for (int unit = 100; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
        ms += unit * (**p - '0');
    return *p > first ? ms : -1;
}

/* Reads the minutes east of Greenwich (nothing, "Z", "+02", "+0200" or "+02:00") up to the text's
 * end. */
static bool take_offset(const char **p, int *minutes) {
    *minutes = 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
    } else if (**p == '+' || **p == '-') {
        int sign = *(*p)++ == '+' ? 1 : -1;
        int hour = take(p, 2, '\0'), minute = 0;
        if (**p) {
            *p += **p == ':';
            minute = take(p, 2, '\0');
        }
        if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
            return false;
        *minutes = sign * (hour * 60 + minute);
    }
    return **p == '\0';
}

static bool is_date(int year, int month, int day) {
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month != 2 || day < 29 || leap;
}

bool kca__wire_time_read(int64_t *out_ms, const char *text) {
    const char *p = text;
    int year = take(&p, 4, '-');
    int month = year < 0 ? -1 : take(&p, 2, '-');
    int day = month < 0 ? -1 : take(&p, 2, '\0');
    if (!is_date(year, month, day) || (*p != ' ' && *p != 'T' && *p != 't'))
        return false;
    p++;
    int hour = take(&p, 2, ':');
    int minute = hour < 0 ? -1 : take(&p, 2, ':');
    int second = minute < 0 ? -1 : take(&p, 2, '\0');
    int fraction = second < 0 ? -1 : take_fraction(&p);
    int offset;
    if (fraction < 0 || hour > 23 || minute > 59 || second > 60 || !take_offset(&p, &offset))
        return false;

    int64_t minutes = days_from_date(year, month, day) * 1440 + hour * 60 + minute - offset;
    int64_t ms = (minutes * 60 + second) * 1000 + fraction;
    if (ms < 0 || ms > KCA__WIRE_TIME_MAX_MS)
        return false;
    *out_ms = ms;
    return true;
}

bool kca__wire_time_read_digits(int64_t *out_ms, const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (text[digits] != '\0' || digits < 12 || digits > 15)
        return false;
    int64_t ms = 0;
    for (const char *p = text; *p; p++)
        ms = ms * 10 + (*p - '0');
    if (ms > KCA__WIRE_TIME_MAX_MS)
        return false;
    *out_ms = ms;
    return true;
}
