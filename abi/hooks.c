#include "system/call.h"
#include "system/handle.h"

#include "base/error.h"
#include "base/text.h"
#include "message/trace_context.h"

/* ---- accessors ---- */

const kca_message *kca_hooked_message(const kca_hooked *h) {
    return h ? h->message : NULL;
}

kca_message *kca_hooked_change(kca_hooked *h) {
    return h ? kca__hooked_change(h) : NULL;
}

kca_delivery *kca_hooked_delivery(const kca_hooked *h) {
    return h ? h->delivery : NULL;
}

const char *kca_hooked_channel(const kca_hooked *h) {
    return h && h->channel ? h->channel : "";
}

void kca_hooked_keep(kca_hooked *h, void *kept) {
    if (h)
        h->kept[h->at] = kept;
}

void *kca_hooked_kept(const kca_hooked *h) {
    return h ? h->kept[h->at] : NULL;
}

void kca_hooked_explain(kca_hooked *h, const char *error_name, const char *text) {
    if (!h)
        return;
    kca__text_set(&h->explained_name, error_name);
    kca__text_set(&h->explained_text, text);
}

int kca_hooked_verdict(const kca_hooked *h) {
    return h ? h->verdict : KCA_GO_ON;
}

const char *kca_hooked_error_name(const kca_hooked *h) {
    return h && h->error_name ? h->error_name : "";
}

const char *kca_hooked_error_text(const kca_hooked *h) {
    return h && h->error_text ? h->error_text : "";
}

int64_t kca_hooked_duration_us(const kca_hooked *h) {
    return h ? h->duration_us : 0;
}

int kca_hooked_partition(const kca_hooked *h) {
    return h ? h->partition : -1;
}

int64_t kca_hooked_offset(const kca_hooked *h) {
    return h ? h->offset : -1;
}

/* ---- the trace that goes on ---- */

static kca_error *check_trace(const char *what, const char *traceparent) {
    if (traceparent && kca__trace_context_is_valid(traceparent))
        return NULL;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "%s: traceparent must be W3C's 00-<32 hex>-<16 hex>-<2 hex> in lowercase "
                          "with ids other than 0, got \"%s\"",
                          what, traceparent ? traceparent : "");
}

kca_error *kca_delivery_set_trace_context(kca_delivery *d, const char *traceparent,
                                          const char *tracestate) {
    if (!d)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "delivery: set trace context: delivery is missing");
    kca_error *e = check_trace("delivery", traceparent);
    return e || kca__delivery_set_context(d, traceparent, tracestate) ? e : kca__error_memory();
}

static kca_error *set_of_handling(kca_delivery *d, const char *traceparent,
                                  const char *tracestate) {
    if (!kca__delivery_set_context(d, traceparent, tracestate))
        return kca__error_memory();
    kca__trace_context context = kca__delivery_context(d);
    kca__trace_context_set_current(&context);
    return NULL;
}

static kca_error *set_of_message(kca_message *m, const char *traceparent, const char *tracestate) {
    if (!m)
        return kca__error_memory();
    kca__message_set_trace_context(m, traceparent, tracestate);
    return NULL;
}

kca_error *kca_hooked_set_trace_context(kca_hooked *h, const char *traceparent,
                                        const char *tracestate) {
    if (!h)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "hook: set trace context: what is hooked is missing");
    kca_error *e = check_trace("hook", traceparent);
    if (e)
        return e;
    return h->hooks->of_publish ? set_of_message(kca__hooked_change(h), traceparent, tracestate)
                                : set_of_handling(h->delivery, traceparent, tracestate);
}
