#include "message/message.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"
#include "base/utf8.h"
#include "message/cloud_event.h"
#include "message/custom_headers.h"
#include "message/json_payload.h"
#include "message/old_wire.h"
#include "message/trace_context.h"
#include "message/wire_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct outbound {
    kca_message message; /* first: what the application holds */
    kca__message_store store;
} outbound;

const char *kca__message_default_text(int text) {
    switch (text) {
    case KCA__TEXT_ORIGIN:
        return "Gomes";
    case KCA__TEXT_VERSION:
        return "1.0";
    default:
        return "";
    }
}

static const char *text_noun(int text) {
    static const char *const nouns[KCA__MESSAGE_TEXTS] = {
        [KCA__TEXT_NAME] = "name",
        [KCA__TEXT_MESSAGE_ID] = "message id",
        [KCA__TEXT_CORRELATION_ID] = "correlation id",
        [KCA__TEXT_ORIGIN] = "origin",
        [KCA__TEXT_VERSION] = "version",
        [KCA__TEXT_CHANNEL] = "channel",
        [KCA__TEXT_REPLY_TO] = "reply channel",
        [KCA__TEXT_TRACEPARENT] = "traceparent",
        [KCA__TEXT_TRACESTATE] = "tracestate",
    };
    return nouns[text];
}

/* ---- errors ---- */

static kca_error *new_error(const kca_message *m, int code, const char *format, va_list args) {
    char what[512];
    const char *name = m->texts[KCA__TEXT_NAME];
    vsnprintf(what, sizeof what, format, args);
    return kca__error_new(code, "message%s%.*s: %.*s", name[0] ? " " : "",
                          (int)kca__utf8_clip(name, 100), name,
                          (int)kca__utf8_clip(what, sizeof what - 4), what);
}

kca_error *kca__message_error(const kca_message *m, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kca_error *e = new_error(m, code, format, args);
    va_end(args);
    return e;
}

void kca__message_fail(kca_message *m, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    kca__error_keep_first(&m->error, new_error(m, code, format, args));
    va_end(args);
}

kca_error *kca__message_check(const kca_message *m) {
    if (m->error)
        return kca__error_copy(m->error);
    if (m->texts[KCA__TEXT_NAME][0] || m->unnamed || m->raw || m->inbound)
        return NULL;
    return kca__message_error(m, KCA_ERROR_ARGUMENT,
                              "it has no name, by which its handler is found; one that is to have "
                              "none is published as unnamed");
}

int64_t kca__message_record_time_ms(const kca_message *m) {
    return m->raw && m->timestamp_ms != -1 ? m->timestamp_ms : 0;
}

/* ---- inbound views ---- */

void kca__message_init_inbound(kca_message *m) {
    memset(m, 0, sizeof *m);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        m->texts[i] = "";
    m->timestamp_ms = -1;
    m->partition = -1;
    m->inbound = true;
}

const char *kca__message_identity(size_t *out_len, const kca_message *m) {
    const char *id = m->texts[KCA__TEXT_MESSAGE_ID];
    *out_len = strlen(id);
    if (*out_len > 0)
        return id;
    const kca__header *h = kca__custom_headers_find(m, "messageId");
    if (!h || h->value_len == 0)
        return NULL;
    *out_len = h->value_len;
    return h->value;
}

kca__trace_context kca__message_context(const kca_message *m) {
    const kca__header *h = kca__custom_headers_find(m, "baggage");
    bool has = h && h->value && kca__utf8_is_text(h->value, h->value_len);
    return (kca__trace_context){m->texts[KCA__TEXT_TRACEPARENT], m->texts[KCA__TEXT_TRACESTATE],
                                has ? h->value : NULL};
}

void kca__message_clear_inbound(kca_message *m) {
    kca__json_payload_forget(m);
    if (m->old_headers || m->grown_headers)
        kca__old_wire_clear(m);
    if (m->event_block)
        kca__cloud_event_clear(m);
    if (m->translated)
        kca__message_free(m->translated);
    m->translated = NULL;
}

void kca__message_view(kca_message *m, const kca_message *of) {
    kca__message_init_inbound(m);
    memcpy(m->texts, of->texts, sizeof m->texts);
    m->type = of->type;
    m->timestamp_ms = of->timestamp_ms;
    m->payload = of->payload;
    m->payload_len = of->payload_len;
    m->key = of->key;
    m->key_len = of->key_len;
    m->headers = of->headers;
    m->header_count = of->header_count;
}

/* ---- outbound messages ---- */

kca_error *kca__message_new(kca_message **out, const char *name) {
    *out = NULL;
    outbound *o = calloc(1, sizeof *o);
    if (!o)
        return kca__error_memory();
    kca_message *m = &o->message;
    m->store = &o->store;
    kca_error *e = kca__message_reset(m, name);
    if (e)
        kca__message_free(m);
    else
        *out = m;
    return e;
}

/* What translators have said and made of it. */
static void forget_translation(kca__message_store *store) {
    if (!store->why_name && !store->why_text && !store->record)
        return;
    free(store->why_name);
    free(store->why_text);
    kca__message_free(store->record);
    store->why_name = store->why_text = NULL;
    store->record = NULL;
}

kca_error *kca__message_reset(kca_message *m, const char *name) {
    kca__error_free(m->error);
    m->error = NULL;
    forget_translation(m->store);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        m->texts[i] = kca__message_default_text(i);
    kca__message_set_text(m, KCA__TEXT_NAME, name);
    kca__json_payload_forget(m); /* only now: `name` may be a string of the parsed payload */
    m->type = KCA_TYPE_NONE;
    m->timestamp_ms = -1;
    m->payload = m->key = NULL;
    m->payload_len = m->key_len = 0;
    m->header_count = 0;
    m->partition = -1;
    m->deliver_at_ms = 0;
    m->raw = m->unnamed = false;

    kca_error *e = m->error;
    m->error = NULL;
    return e;
}

/* Not checked anew: what came in may be published as it is. */
static bool copy_texts(kca_message *to, const kca_message *from) {
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++) {
        const char *text = from->texts[i];
        kca__buffer *b = &to->store->texts[i];
        if (!text[0] || text == kca__message_default_text(i))
            to->texts[i] = text[0] ? text : "";
        else if (kca__buffer_set(b, text, strlen(text)))
            to->texts[i] = b->data;
        else
            return false;
    }
    return true;
}

/* Makes an empty message as another; false: memory is out. */
static bool fill(kca_message *copy, const kca_message *m) {
    kca__message_set_payload(copy, m->payload, m->payload_len);
    kca__message_set_key(copy, m->key, m->key_len);
    if (copy->error || !copy_texts(copy, m) || !kca__custom_headers_copy(copy, m))
        return false;
    copy->type = m->type;
    copy->timestamp_ms = m->timestamp_ms;
    copy->partition = m->partition;
    copy->deliver_at_ms = m->deliver_at_ms;
    copy->raw = m->raw;
    copy->unnamed = m->unnamed || m->inbound;
    copy->error = kca__error_copy(m->error);
    return true;
}

kca_error *kca__message_clone(kca_message **out, const kca_message *m) {
    kca_error *e = kca__message_new(out, NULL);
    if (e || fill(*out, m))
        return e;
    kca__message_free(*out);
    *out = NULL;
    return kca__error_memory();
}

void kca__message_set_all(kca_message *m, const kca_message *from) {
    if (m == from)
        return;
    kca__error_free(kca__message_reset(m, NULL));
    if (!fill(m, from))
        kca__error_keep_first(&m->error, kca__error_memory());
}

kca_message *kca__message_keep(const kca_message *m) {
    if (m->inbound)
        return NULL;
    kca_message *kept = (kca_message *)m; /* of the application's: not const */
    kept->keepers++;
    return kept;
}

void kca__message_let_go(kca_message *m) {
    if (m && --m->keepers == 0 && m->freed)
        kca__message_free(m);
}

void kca__message_free(kca_message *m) {
    if (!m || m->inbound)
        return;
    if (m->keepers > 0) {
        m->freed = true;
        return;
    }
    kca__json_payload_forget(m);
    kca__custom_headers_free(m);
    forget_translation(m->store);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        kca__buffer_free(&m->store->texts[i]);
    kca__buffer_free(&m->store->payload);
    kca__buffer_free(&m->store->key);
    kca__error_free(m->error);
    free(m);
}

void kca__message_set_text(kca_message *m, int text, const char *value) {
    if (!value || !value[0]) {
        m->texts[text] = kca__message_default_text(text);
        return;
    }
    kca_error *e = kca__option_check_text(text_noun(text), value);
    if (e) {
        kca__message_fail(m, e->code, "%s", e->text);
        kca__error_free(e);
        return;
    }
    kca__buffer *b = &m->store->texts[text];
    if (kca__buffer_set(b, value, strlen(value)))
        m->texts[text] = b->data;
    else
        kca__error_keep_first(&m->error, kca__error_memory());
}

/* Copies bytes into the buffer; `*out` is then the copy, or NULL for NULL. */
static void set_bytes(kca_message *m, const char *noun, kca__buffer *b, const void **out,
                      size_t *out_len, const void *bytes, size_t len) {
    if (len > INT32_MAX || (!bytes && len > 0)) {
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "%s must be at most %d bytes and not NULL, got %zu bytes%s", noun,
                          INT32_MAX, len, bytes ? "" : " at NULL");
        return;
    }
    if (bytes && !kca__buffer_set(b, bytes, len)) {
        kca__error_keep_first(&m->error, kca__error_memory());
        return;
    }
    *out = bytes ? b->data : NULL;
    *out_len = len;
}

void kca__message_set_payload(kca_message *m, const void *payload, size_t len) {
    set_bytes(m, "payload", &m->store->payload, &m->payload, &m->payload_len, payload, len);
    kca__json_payload_forget(m); /* only now: the bytes may be a string of the parsed payload */
}

void kca__message_set_key(kca_message *m, const void *key, size_t len) {
    set_bytes(m, "key", &m->store->key, &m->key, &m->key_len, key, len);
}

void kca__message_set_type(kca_message *m, int type) {
    if (type < KCA_TYPE_NONE || type > KCA_TYPE_DOCUMENT)
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "type must be 1 (command), 2 (query), 3 (event), 4 (document) or 0 (the "
                          "bus' own), got %d",
                          type);
    else
        m->type = type;
}

void kca__message_set_timestamp_ms(kca_message *m, int64_t ms) {
    if (m->raw)
        m->timestamp_ms = ms == -1 ? KCA__MESSAGE_UNTIMED : ms;
    else if (ms < 0 || ms > KCA__WIRE_TIME_MAX_MS)
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "timestamp must be 0 to %lld ms (year 9999), got %lld",
                          (long long)KCA__WIRE_TIME_MAX_MS, (long long)ms);
    else
        m->timestamp_ms = ms;
}

void kca__message_set_partition(kca_message *m, int partition) {
    if (partition < -1)
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "partition must be 0 or above, or -1 for the key to choose, got %d",
                          partition);
    else
        m->partition = partition;
}

void kca__message_set_deliver_at_ms(kca_message *m, int64_t ms) {
    if (ms < 0 || ms > KCA__WIRE_TIME_MAX_MS)
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "deliver_at_ms must be 0 to %lld ms (year 9999), got %lld",
                          (long long)KCA__WIRE_TIME_MAX_MS, (long long)ms);
    else
        m->deliver_at_ms = ms;
}

void kca__message_set_raw(kca_message *m, bool raw) {
    m->raw = raw;
}

void kca__message_set_record(kca_message *m, const kca_message *record) {
    kca_message *copy = NULL;
    kca_error *e = record ? kca__message_clone(&copy, record) : NULL;
    if (e) {
        kca__error_keep_first(&m->error, e);
        return;
    }
    if (copy)
        copy->raw = true;
    kca__message_free(m->store->record);
    m->store->record = copy;
}

void kca__message_explain(kca_message *m, const char *error_name, const char *text) {
    kca__text_set(&m->store->why_name, error_name);
    kca__text_set(&m->store->why_text, text);
}

void kca__message_set_trace_context(kca_message *m, const char *traceparent,
                                    const char *tracestate) {
    bool none = !traceparent || !traceparent[0];
    if (!none && !kca__trace_context_is_valid(traceparent)) {
        kca__message_fail(m, KCA_ERROR_ARGUMENT,
                          "traceparent must be W3C's 00-<32 hex>-<16 hex>-<2 hex> in lowercase "
                          "with ids other than 0, got \"%s\"",
                          traceparent);
        return;
    }
    kca__message_set_text(m, KCA__TEXT_TRACEPARENT, traceparent);
    kca__message_set_text(m, KCA__TEXT_TRACESTATE, none ? NULL : tracestate);
}
