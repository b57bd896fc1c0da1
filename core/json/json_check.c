#include "json/json_check.h"

#include "base/utf8.h"

#include <string.h>

typedef struct scan {
    const unsigned char *p; /* where the check stands; where the text broke, once `why` is set */
    const unsigned char *end;
    const char *why;
    int depth;
    int deepest;                            /* largest `depth` allowed */
    unsigned char closers[KCA__JSON_DEPTH]; /* of the arrays and objects around p: ']' or '}' */
} scan;

static bool broken(scan *s, const char *why) {
    s->why = why;
    return false;
}

static int at(const scan *s) {
    return s->p < s->end ? *s->p : -1;
}

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static void skip_space(scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static bool check_word(scan *s, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return broken(s, "a value was expected");
    s->p += len;
    return true;
}

static bool check_digits(scan *s) {
    if (!is_digit(at(s)))
        return broken(s, "a digit was expected");
    while (is_digit(at(s)))
        s->p++;
    return true;
}

static bool check_number(scan *s) {
    if (at(s) == '-')
        s->p++;
    if (at(s) == '0') {
        s->p++;
        if (is_digit(at(s)))
            return broken(s, "a number must not begin with 0");
    } else if (!check_digits(s)) {
        return false;
    }
    if (at(s) == '.') {
        s->p++;
        if (!check_digits(s))
            return false;
    }
    if (at(s) == 'e' || at(s) == 'E') {
        s->p++;
        if (at(s) == '+' || at(s) == '-')
            s->p++;
        return check_digits(s);
    }
    return true;
}

/* The four hex digits of \uXXXX at p, or -1. */
static int hex4(const unsigned char *p, const unsigned char *end) {
    int code = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 0x20;
        if (is_digit(p[i]))
            code = code * 16 + (p[i] - '0');
        else if (c >= 'a' && c <= 'f')
            code = code * 16 + (c - 'a' + 10);
        else
            return -1;
    }
    return code;
}

static bool check_escape(scan *s) {
    const unsigned char *p = s->p + 1;
    if (p < s->end && *p && strchr("\"\\/bfnrt", *p)) {
        s->p = p + 1;
        return true;
    }
    int code = p < s->end && *p == 'u' ? hex4(p + 1, s->end) : -1;
    if (code < 0)
        return broken(s, "no such escape");
    size_t len = 6;
    if (code >= 0xd800 && code <= 0xdfff) {
        const unsigned char *low = s->p + 6;
        int second = s->end - low >= 6 && memcmp(low, "\\u", 2) == 0 ? hex4(low + 2, s->end) : -1;
        if (code > 0xdbff || second < 0xdc00 || second > 0xdfff)
            return broken(s, "half a surrogate pair");
        len = 12;
    }
    s->p += len;
    return true;
}

static bool check_string(scan *s) {
    s->p++;
    for (;;) {
        while (s->p < s->end && *s->p >= ' ' && *s->p < 0x80 && *s->p != '"' && *s->p != '\\')
            s->p++;
        if (s->p == s->end)
            return broken(s, "the string does not end");
        if (*s->p == '"') {
            s->p++;
            return true;
        }
        if (*s->p < ' ')
            return broken(s, "a control character in a string");
        if (*s->p == '\\') {
            if (!check_escape(s))
                return false;
        } else {
            size_t len = kca__utf8_len((const char *)s->p, (const char *)s->end);
            if (len == 0)
                return broken(s, "not UTF-8");
            s->p += len;
        }
    }
}

static bool check_name(scan *s) {
    skip_space(s);
    if (at(s) != '"')
        return broken(s, "a member's name in quotes was expected");
    if (!check_string(s))
        return false;
    skip_space(s);
    if (at(s) != ':')
        return broken(s, "':' was expected");
    s->p++;
    return true;
}

/* A value without others inside, or the beginning of one with others; `*open`: values follow. */
static bool check_value(scan *s, bool *open) {
    *open = false;
    skip_space(s);
    int c = at(s);
    switch (c) {
    case '"':
        return check_string(s);
    case 't':
        return check_word(s, "true");
    case 'f':
        return check_word(s, "false");
    case 'n':
        return check_word(s, "null");
    case '[':
    case '{':
        break;
    default:
        return c == '-' || is_digit(c) ? check_number(s) : broken(s, "a value was expected");
    }
    if (s->depth == s->deepest)
        return broken(s, "more than 1000 arrays and objects in one another");
    int closer = c == '[' ? ']' : '}';
    s->p++;
    skip_space(s);
    if (at(s) == closer) {
        s->p++;
        return true;
    }
    s->closers[s->depth++] = (unsigned char)closer;
    *open = true;
    return closer == ']' || check_name(s);
}

/* The text after a value: ends of the arrays and objects around it, and a comma if another comes.
 */
static bool check_after(scan *s, bool *another) {
    *another = false;
    while (s->depth > 0) {
        unsigned char closer = s->closers[s->depth - 1];
        skip_space(s);
        if (at(s) == ',') {
            s->p++;
            *another = true;
            return closer == ']' || check_name(s);
        }
        if (at(s) != closer)
            return broken(s, closer == ']' ? "',' or ']' was expected" : "',' or '}' was expected");
        s->p++;
        s->depth--;
    }
    skip_space(s);
    return s->p == s->end || broken(s, "text after the end of the value");
}

bool kca__json_check_inside(const char *text, size_t len, int around, kca__json_fault *fault) {
    static const unsigned char nothing[1];
    scan s;
    s.p = text ? (const unsigned char *)text : nothing;
    s.end = s.p + len;
    s.depth = 0;
    s.deepest = KCA__JSON_DEPTH - around;
    s.why = NULL;
    const unsigned char *start = s.p;

    bool more = true;
    while (more) {
        bool open;
        if (!check_value(&s, &open) || (!open && !check_after(&s, &more))) {
            *fault = (kca__json_fault){(size_t)(s.p - start), s.why};
            return false;
        }
    }
    return true;
}

bool kca__json_check(const char *text, size_t len, kca__json_fault *fault) {
    return kca__json_check_inside(text, len, 0, fault);
}
