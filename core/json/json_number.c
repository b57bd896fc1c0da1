#include "json/json_number.h"

#include <stdbool.h>

/* The magnitude of INT64_MIN. */
#define LARGEST (UINT64_C(1) << 63)

enum { EXPONENT_LIMIT = 1000000000 };

/* A number is digits * 10^exponent, the digits without the point. */
typedef struct decimal {
    const char *digits; /* the point, if there is one, is among them */
    const char *digits_end;
    int64_t exponent;
} decimal;

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static decimal split(const char *text, const char *end) {
    decimal d = {text, text, 0};
    bool fraction = false;
    const char *p = text;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        d.exponent -= fraction;
        fraction |= *p == '.';
    }
    d.digits_end = p;
    if (p == end || (*p != 'e' && *p != 'E'))
        return d;

    bool negative = ++p < end && *p == '-';
    if (negative || (p < end && *p == '+'))
        p++;
    int64_t exponent = 0;
    for (; p < end && is_digit(*p); p++)
        if (exponent < EXPONENT_LIMIT)
            exponent = exponent * 10 + (*p - '0');
    d.exponent += negative ? -exponent : exponent;
    return d;
}

/* Appends a digit; false when the value would be above LARGEST. */
static bool append(uint64_t *value, unsigned digit) {
    if (*value > (LARGEST - digit) / 10)
        return false;
    *value = *value * 10 + digit;
    return true;
}

static bool append_zeros(uint64_t *value, int64_t zeros) {
    for (; *value > 0 && zeros > 0; zeros--)
        if (!append(value, 0))
            return false;
    return true;
}

/* Zeros are held back until another digit follows: the last ones may cancel a negative exponent. */
static int magnitude(uint64_t *value, const decimal *d) {
    int64_t zeros = 0;
    *value = 0;
    for (const char *p = d->digits; p < d->digits_end; p++) {
        if (*p == '.')
            continue;
        if (*p == '0') {
            zeros++;
            continue;
        }
        if (!append_zeros(value, zeros) || !append(value, (unsigned)(*p - '0')))
            return KCA__NUMBER_TOO_LARGE;
        zeros = 0;
    }
    zeros += d->exponent;
    if (*value > 0 && zeros < 0)
        return KCA__NUMBER_FRACTION;
    return append_zeros(value, zeros) ? KCA__NUMBER_EXACT : KCA__NUMBER_TOO_LARGE;
}

int kca__json_number_int64(int64_t *out, const char *text, const char *end) {
    *out = 0;
    bool negative = text < end && *text == '-';
    decimal d = split(text + negative, end);
    uint64_t value;
    int result = magnitude(&value, &d);
    if (result != KCA__NUMBER_EXACT)
        return result;
    if (value == LARGEST && !negative)
        return KCA__NUMBER_TOO_LARGE;
    *out = value == LARGEST ? INT64_MIN : negative ? -(int64_t)value : (int64_t)value;
    return KCA__NUMBER_EXACT;
}
