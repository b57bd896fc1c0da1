#include "base/visible.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t code_of(const char *character, size_t len) {
    const unsigned char *p = (const unsigned char *)character;
    switch (len) {
    case 1:
        return p[0];
    case 2:
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3:
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    default:
        return 0x10000; /* none that is escaped is that long */
    }
}

bool kca__visible_hides(const char *character, size_t len) {
    uint32_t code = code_of(character, len);
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool separator = code == 0x2028 || code == 0x2029;
    bool direction = code == 0x061c || code == 0x200e || code == 0x200f ||
                     (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return control || separator || direction;
}

bool kca__visible_is(const char *text, size_t len) {
    const char *end = text + len;
    for (const char *p = text; p < end;) {
        size_t step = kca__utf8_len(p, end);
        if (step == 0 || kca__visible_hides(p, step))
            return false;
        p += step;
    }
    return true;
}

static void put_escape(kca__sink *out, const char *character, size_t len) {
    static const char from[] = "\n\r\t", to[] = "nrt";
    char escape[8];
    const char *found = len == 1 ? strchr(from, *character) : NULL;
    if (found && *found)
        snprintf(escape, sizeof escape, "\\%c", to[found - from]);
    else if (len <= 1)
        snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)*character);
    else
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code_of(character, len) & 0xffff);
    kca__sink_put_text(out, escape);
}

void kca__visible_put(kca__sink *out, const char *text, size_t len) {
    const char *end = text + len;
    for (const char *p = text; p < end;) {
        size_t step = kca__utf8_len(p, end);
        if (step == 0 || kca__visible_hides(p, step))
            put_escape(out, p, step);
        else
            kca__sink_put(out, p, step);
        p += step ? step : 1;
    }
}
