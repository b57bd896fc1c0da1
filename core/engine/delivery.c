#include "engine/delivery.h"

#include "base/text.h"

#include <stdlib.h>

void kca__delivery_explain(kca_delivery *d, const char *error_name, const char *text) {
    kca__text_set(&d->error_name, error_name);
    kca__text_set(&d->error_text, text);
}

void kca__delivery_note_outcome(kca_delivery *d, int verdict) {
    kca__outcome *o = &d->outcome;
    if (!o->is_wanted || o->is_there)
        return;
    o->is_there = true;
    o->verdict = verdict;
    kca__text_set(&o->error_name, d->error_name);
    kca__text_set(&o->error_text, d->error_text);
}

void kca__delivery_clear_outcome(kca_delivery *d) {
    free(d->outcome.error_name);
    free(d->outcome.error_text);
    d->outcome = (kca__outcome){0};
}

kca__trace_context kca__delivery_context(const kca_delivery *d) {
    kca__trace_context context = kca__message_context(&d->message);
    if (d->traceparent) {
        context.traceparent = d->traceparent;
        context.tracestate = d->tracestate;
    }
    return context;
}

bool kca__delivery_set_context(kca_delivery *d, const char *traceparent, const char *tracestate) {
    char *parent = kca__text_copy(traceparent);
    char *state = kca__text_copy(tracestate ? tracestate : "");
    if (!parent || !state) {
        free(parent);
        free(state);
        return false;
    }
    free(d->traceparent);
    free(d->tracestate);
    d->traceparent = parent;
    d->tracestate = state;
    return true;
}
