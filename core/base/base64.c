#include "base/base64.h"

const kca__base64 kca__base64_standard = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true};
const kca__base64 kca__base64_url = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false};

void kca__base64_write(kca__sink *out, const kca__base64 *form, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned group = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                         (left > 2 ? p[i + 2] : 0);
        char text[4] = {form->digits[group >> 18], form->digits[group >> 12 & 63],
                        left > 1 ? form->digits[group >> 6 & 63] : '=',
                        left > 2 ? form->digits[group & 63] : '='};
        kca__sink_put(out, text, left < 3 && !form->padded ? left + 1 : sizeof text);
    }
}

/* -1: the form has no such digit. */
static int value_of(const kca__base64 *form, char digit) {
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == form->digits[62] ? 62 : digit == form->digits[63] ? 63 : -1;
}

bool kca__base64_read(void *out, size_t *out_len, const kca__base64 *form, const char *text,
                      size_t len) {
    unsigned char *to = out;
    unsigned held = 0; /* its lowest `bits` are yet to become bytes */
    int bits = 0;
    if (form->padded && len % 4 != 0)
        return false;
    for (int pad = 0; form->padded && pad < 2 && len > 0 && text[len - 1] == '='; pad++)
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(form, text[i]);
        if (value < 0)
            return false;
        held = held << 6 | (unsigned)value;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        *to++ = (unsigned char)(held >> bits);
    }
    *out_len = (size_t)(to - (unsigned char *)out);
    return bits < 6 && (held & ((1u << bits) - 1)) == 0;
}
