#include "message/trace_context.h"

#include <string.h>

/* Number of lowercase hex digits at `text`, `most` at most; `*zero`: all of them are 0. */
static int hex_digits(const char *text, int most, bool *zero) {
    int n = 0;
    *zero = true;
    for (; n < most; n++) {
        char c = text[n];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            break;
        *zero &= c == '0';
    }
    return n;
}

bool kca__trace_context_is_valid(const char *traceparent) {
    static const int fields[] = {2, 32, 16, 2}; /* version, trace id, span id, flags */
    const char *p = traceparent;
    bool zero, version_zero = false;

    if (!p)
        return false;
    for (int i = 0; i < 4; i++) {
        if (i > 0 && *p++ != '-')
            return false;
        if (hex_digits(p, fields[i], &zero) != fields[i])
            return false;
        if (i == 0)
            version_zero = zero;
        if ((i == 1 || i == 2) && zero)
            return false;
        p += fields[i];
    }
    if (memcmp(traceparent, "ff", 2) == 0)
        return false;
    return *p == '\0' || (*p == '-' && !version_zero);
}

static _Thread_local kca__trace_context current;

void kca__trace_context_set_current(const kca__trace_context *context) {
    current = context ? *context : (kca__trace_context){0};
}

const kca__trace_context *kca__trace_context_current(void) {
    return &current;
}

enum { FLAGS = 53 }; /* where they are in a text of version 00 */

static int hex(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

const char *kca__trace_context_for_gomes(char room[KCA__TRACEPARENT_ROOM],
                                         const char *traceparent) {
    if (strncmp(traceparent, "00-", 3) != 0)
        return traceparent;
    int flags = hex(traceparent[FLAGS]) << 4 | hex(traceparent[FLAGS + 1]);
    if (flags <= 2)
        return traceparent;
    memcpy(room, traceparent, FLAGS);
    room[FLAGS] = '0';
    room[FLAGS + 1] = flags & 1 ? '1' : '0';
    room[FLAGS + 2] = '\0';
    return room;
}
