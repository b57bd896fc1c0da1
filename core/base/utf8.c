#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t kca__utf8_len(const char *character, const char *end) {
    const unsigned char *p = (const unsigned char *)character;
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - character) < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : len;
}

/* Eight ASCII characters at once: most texts have no others. */
static const char *skip_ascii(const char *p, const char *end) {
    uint64_t word;
    for (; (size_t)(end - p) >= sizeof word; p += sizeof word) {
        memcpy(&word, p, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    return p;
}

bool kca__utf8_is_valid(const void *bytes, size_t len) {
    const char *p = bytes, *end = p + len;
    while ((p = skip_ascii(p, end)) < end) {
        size_t step = kca__utf8_len(p, end);
        if (step == 0)
            return false;
        p += step;
    }
    return true;
}

bool kca__utf8_is_text(const void *bytes, size_t len) {
    return !memchr(bytes, '\0', len) && kca__utf8_is_valid(bytes, len);
}

size_t kca__utf8_clip(const char *text, size_t most) {
    size_t len = strnlen(text, most + 1);
    if (len > most)
        for (len = most; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    return len;
}
