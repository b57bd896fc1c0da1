#include "engine/delivery.h"

#include "base/text.h"

#include <stdlib.h>

void kca__delivery_explain(kca_delivery *d, const char *error_name, const char *text) {
    kca__text_set(&d->error_name, error_name);
    kca__text_set(&d->error_text, text);
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
