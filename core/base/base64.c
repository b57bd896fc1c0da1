#include "base/base64.h"

#include <string.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void kca__base64_write(kca__sink *out, const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned group = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                         (left > 2 ? p[i + 2] : 0);
        char text[4] = {DIGITS[group >> 18], DIGITS[group >> 12 & 63],
                        left > 1 ? DIGITS[group >> 6 & 63] : '=',
                        left > 2 ? DIGITS[group & 63] : '='};
        kca__sink_put(out, text, sizeof text);
    }
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kca__base64_read(char *out, size_t *out_len, const char *text, size_t len) {
    char *to = out;
    if (len % 4 != 0)
        return false;
    for (size_t i = 0; i < len; i += 4) {
        size_t pad = i + 4 < len || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        unsigned group = 0;
        for (size_t j = 0; j < 4; j++) {
            int value = j < 4 - pad ? digit(text[i + j]) : 0;
            if (value < 0)
                return false;
            group = group << 6 | (unsigned)value;
        }
        if ((pad == 1 && group & 0xff) || (pad == 2 && group & 0xffff))
            return false; /* bits that no byte has */
        *to++ = (char)(group >> 16);
        if (pad < 2)
            *to++ = (char)(group >> 8);
        if (pad < 1)
            *to++ = (char)group;
    }
    *out_len = (size_t)(to - out);
    return true;
}
