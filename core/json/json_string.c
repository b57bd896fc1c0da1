#include "json/json_string.h"

#include "base/utf8.h"
#include "base/visible.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

/* The character after the backslash that escapes an ASCII character; 'u': its code follows; 0: it
 * needs no escape. */
static char escape_of(unsigned char c) {
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '<':
    case '>':
    case '&':
        return 'u';
    default:
        return c < ' ' || c == 0x7f ? 'u' : 0;
    }
}

static void put_code(kca__sink *out, unsigned code) {
    char text[7];
    snprintf(text, sizeof text, "\\u%04x", code & 0xffff);
    kca__sink_put(out, text, 6);
}

static void put_ascii(kca__sink *out, char c) {
    char escape = escape_of((unsigned char)c);
    if (escape == 'u')
        put_code(out, (unsigned char)c);
    else if (escape)
        kca__sink_put(out, (char[]){'\\', escape}, 2);
    else
        kca__sink_put(out, &c, 1);
}

void kca__json_string_escape(kca__sink *out, const char *text, size_t len) {
    const char *end = text + len;
    for (const char *p = text; p < end;) {
        size_t step = kca__utf8_len(p, end);
        if (step == 0) {
            put_code(out, 0xfffd);
            step = 1;
        } else if (step == 1) {
            put_ascii(out, *p);
        } else if (kca__visible_hides(p, step)) {
            kca__visible_put(out, p, step); /* its escape is JSON's, too */
        } else {
            kca__sink_put(out, p, step);
        }
        p += step;
    }
}

void kca__json_string_write(kca__sink *out, const char *text, size_t len) {
    kca__sink_put(out, "\"", 1);
    kca__json_string_escape(out, text, len);
    kca__sink_put(out, "\"", 1);
}

/* ---- reading ---- */

static uint32_t hex4(const char *p) {
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)p[i];
        code = code << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return code;
}

static char *put_utf8(char *to, uint32_t code) {
    if (code < 0x80) {
        *to++ = (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* The character of \uXXXX at `*p`, or of two of them that are a surrogate pair. */
static uint32_t take_code(const char **p) {
    uint32_t code = hex4(*p + 2);
    *p += 6;
    if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(*p + 2) - 0xdc00);
        *p += 6;
    }
    return code;
}

static char unescaped(char c) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *found = strchr(from, c);
    return found ? to[found - from] : c;
}

size_t kca__json_string_read(char *out, const char *string) {
    char *to = out;
    for (const char *p = string + 1; *p != '"';) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (p[1] == 'u') {
            to = put_utf8(to, take_code(&p));
        } else {
            *to++ = unescaped(p[1]);
            p += 2;
        }
    }
    return (size_t)(to - out);
}
