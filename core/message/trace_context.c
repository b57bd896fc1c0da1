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

static _Thread_local const char *current_traceparent;
static _Thread_local const char *current_tracestate;

void kca__trace_context_set_current(const char *traceparent, const char *tracestate) {
    current_traceparent = traceparent;
    current_tracestate = tracestate;
}

const char *kca__trace_context_current_traceparent(void) {
    return current_traceparent ? current_traceparent : "";
}

const char *kca__trace_context_current_tracestate(void) {
    return current_tracestate ? current_tracestate : "";
}
