#include "json/json_text.h"

#include <string.h>

const char *kca__json_text_skip_space(const char *text) {
    while (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t')
        text++;
    return text;
}

static const char *string_end(const char *string) {
    const char *p = string + 1;
    for (; *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p + 1;
}

/* Moves from behind '[', '{' or ',' to the value. */
static const char *to_value(const char *p, bool members) {
    p = kca__json_text_skip_space(p);
    if (!members)
        return p;
    p = kca__json_text_skip_space(string_end(p));
    return kca__json_text_skip_space(p + 1);
}

const char *kca__json_text_first(const char *container) {
    return to_value(container + 1, *container == '{');
}

const char *kca__json_text_end(const char *value) {
    int depth = 0;
    for (const char *p = value;;) {
        switch (*p) {
        case '"':
            p = string_end(p);
            break;
        case '[':
        case '{':
            depth++;
            p++;
            break;
        case ']':
        case '}':
            depth--;
            p++;
            break;
        default:
            if (depth == 0)
                return p + strcspn(p, ",]} \t\r\n");
            p++;
        }
        if (depth == 0)
            return p;
    }
}

const char *kca__json_text_next(const char *value, bool members) {
    const char *comma = kca__json_text_skip_space(kca__json_text_end(value));
    return to_value(comma + 1, members);
}

bool kca__json_text_has_nul(const char *string) {
    const char *end = string_end(string);
    for (const char *p = string + 1; p < end - 1; p++) {
        if (*p != '\\')
            continue;
        if (strncmp(p, "\\u0000", 6) == 0)
            return true;
        p++;
    }
    return false;
}
