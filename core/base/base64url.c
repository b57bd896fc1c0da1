#include "base/base64url.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void kca__base64url_write(char *out, const unsigned char *bytes, size_t len) {
    uint32_t held = 0; /* the lowest `bits` of it are yet to be written */
    int bits = 0;
    for (size_t i = 0; i < len; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *out++ = digits[held >> (bits - 6) & 63];
    }
    if (bits > 0)
        *out++ = digits[held << (6 - bits) & 63];
    *out = '\0';
}

/* 64: no digit. */
static uint32_t value(char c) {
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '-' ? 62 : c == '_' ? 63 : 64;
}

bool kca__base64url_read(unsigned char *out, const char *text, size_t text_len) {
    uint32_t held = 0;
    int bits = 0;
    for (size_t i = 0; i < text_len; i++) {
        uint32_t digit = value(text[i]);
        if (digit == 64)
            return false;
        held = held << 6 | digit;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        *out++ = (unsigned char)(held >> bits);
    }
    return bits < 6 && (held & ((1u << bits) - 1)) == 0;
}
