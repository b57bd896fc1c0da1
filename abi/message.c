/* Messages: setters. */
#include "message/message.h"

#include "base/error.h"
#include "message/custom_headers.h"

#include <string.h>

/* The message if it may be changed: none of a delivery's. */
static bool writable(const kca_message *m) {
    return m && !m->inbound;
}

kca_error *kca_message_new(kca_message **out, const char *name) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "message: out must not be NULL");
    return kca__message_new(out, name);
}

kca_error *kca_message_copy(kca_message **out, const kca_message *m) {
    if (out)
        *out = NULL;
    if (!out || !m)
        return kca__error_new(KCA_ERROR_ARGUMENT, "message: copy: %s is missing",
                              m ? "out" : "message");
    return kca__message_clone(out, m);
}

void kca_message_free(kca_message *m) {
    if (writable(m))
        kca__message_free(m);
}

kca_error *kca_message_reset(kca_message *m, const char *name) {
    if (!writable(m))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              m ? "message: a delivery's message cannot be reset"
                                : "message: message must not be NULL");
    return kca__message_reset(m, name);
}

const kca_error *kca_message_error(const kca_message *m) {
    return m ? m->error : NULL;
}

void kca_message_set_payload(kca_message *m, const void *payload, size_t len) {
    if (writable(m))
        kca__message_set_payload(m, payload, len);
}

void kca_message_set_key(kca_message *m, const void *key, size_t len) {
    if (writable(m))
        kca__message_set_key(m, key, len);
}

void kca_message_set_type(kca_message *m, int type) {
    if (writable(m))
        kca__message_set_type(m, type);
}

void kca_message_set_message_id(kca_message *m, const char *id) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_MESSAGE_ID, id);
}

void kca_message_set_correlation_id(kca_message *m, const char *id) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_CORRELATION_ID, id);
}

void kca_message_set_timestamp_ms(kca_message *m, int64_t ms_since_1970) {
    if (writable(m))
        kca__message_set_timestamp_ms(m, ms_since_1970);
}

void kca_message_set_origin(kca_message *m, const char *origin) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_ORIGIN, origin);
}

void kca_message_set_version(kca_message *m, const char *version) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_VERSION, version);
}

void kca_message_set_reply_to(kca_message *m, const char *channel) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_REPLY_TO, channel);
}

void kca_message_set_partition(kca_message *m, int partition) {
    if (writable(m))
        kca__message_set_partition(m, partition);
}

void kca_message_set_deliver_at_ms(kca_message *m, int64_t ms_since_1970) {
    if (writable(m))
        kca__message_set_deliver_at_ms(m, ms_since_1970);
}

void kca_message_set_header(kca_message *m, const char *name, const char *value) {
    if (writable(m))
        kca__custom_headers_set(m, name, value && value[0] ? value : NULL,
                                value ? strlen(value) : 0);
}

void kca_message_set_binary_header(kca_message *m, const char *name, const void *value,
                                   size_t len) {
    if (writable(m))
        kca__custom_headers_set(m, name, value, len);
}

void kca_message_add_header(kca_message *m, const char *name, const void *value, size_t len) {
    if (writable(m))
        kca__custom_headers_add(m, name, value, len);
}

void kca_message_set_raw(kca_message *m, int raw) {
    if (writable(m))
        kca__message_set_raw(m, raw != 0);
}

void kca_message_set_name(kca_message *m, const char *name) {
    if (writable(m))
        kca__message_set_text(m, KCA__TEXT_NAME, name);
}

void kca_message_set_all(kca_message *m, const kca_message *from) {
    if (writable(m) && from)
        kca__message_set_all(m, from);
}

void kca_message_set_record(kca_message *m, const kca_message *record) {
    if (writable(m))
        kca__message_set_record(m, record);
}

void kca_message_explain(kca_message *m, const char *error_name, const char *text) {
    if (writable(m))
        kca__message_explain(m, error_name, text);
}

void kca_message_set_unnamed(kca_message *m, int unnamed) {
    if (writable(m))
        m->unnamed = unnamed != 0;
}

void kca_message_set_trace_context(kca_message *m, const char *traceparent,
                                   const char *tracestate) {
    if (writable(m))
        kca__message_set_trace_context(m, traceparent, tracestate);
}

void kca_message_follow(kca_message *m, const kca_message *cause) {
    if (!writable(m) || m->raw)
        return;
    const kca__trace_context context =
        cause ? kca__message_context(cause) : (kca__trace_context){0};
    kca__message_set_trace_context(m, context.traceparent, context.tracestate);
    if (context.baggage && !kca__custom_headers_find(m, "baggage"))
        kca__custom_headers_add(m, "baggage", context.baggage, strlen(context.baggage));
}
