#include "base/state.h"

#include "base/error.h"

#include <stdio.h>

bool kca__state_enter(kca__state *s, int state, int64_t now_ms, int64_t unix_ms) {
    if (s->now == state)
        return false;
    *s = (kca__state){.now = state, .since_ms = now_ms, .since_unix_ms = unix_ms};
    return true;
}

bool kca__state_meet(kca__state *s, const kca__trouble *trouble) {
    bool first = !s->in_trouble;
    s->in_trouble = true;
    s->trouble = *trouble;
    return first;
}

void kca__state_clear(kca__state *s) {
    s->in_trouble = false;
}

bool kca__state_fault_is_due(kca__state *s, int64_t now_ms, int after_ms) {
    if (!s->in_trouble || s->fault_told || after_ms <= 0 || now_ms - s->since_ms < after_ms)
        return false;
    s->fault_told = true;
    return true;
}

const char *kca__state_name(int state) {
    static const char *const names[] = {"stopped", "connecting", "connected", "joined",
                                        "reconnecting"};
    return names[state];
}

/* "group coordinator, broker 1: " */
static void name_broker(char *out, size_t size, const kca__trouble *t) {
    char broker[24] = "";
    if (t->broker >= 0)
        snprintf(broker, sizeof broker, "broker %d", t->broker);
    snprintf(out, size, "%s%s%s%s", t->coordinator ? "group coordinator" : "",
             t->coordinator && *broker ? ", " : "", broker, t->coordinator || *broker ? ": " : "");
}

kca_error *kca__state_error(const kca__state *s, const char *who, int64_t waited_ms) {
    char broker[60], waited[60] = "";
    name_broker(broker, sizeof broker, &s->trouble);
    if (waited_ms >= 0)
        snprintf(waited, sizeof waited, "%s for %lld s: ", kca__state_name(s->now),
                 (long long)(waited_ms / 1000));
    kca_error *e =
        kca__error_new(s->trouble.code, "%s: %s%s%s", who, waited, broker, s->trouble.reason);
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}
