#include "message/translator.h"

#include "base/utf8.h"
#include "message/custom_headers.h"
#include "message/old_wire.h"
#include "message/trace_context.h"
#include "message/wire_name.h"
#include "message/wire_time.h"

#include <string.h>

/* ---- reading ---- */

static int read_type(const char *word, int otherwise) {
    int type = word ? kca__wire_name_type(word) : KCA_TYPE_NONE;
    return type != KCA_TYPE_NONE ? type : otherwise;
}

/* Another's header of the same name may hold a time, too. */
static bool read_foreign_time(int64_t *out_ms, const kca_message *m) {
    const kca__header *h = kca__custom_headers_find(m, "timestamp");
    return h && h->value && kca__utf8_is_text(h->value, h->value_len) &&
           kca__wire_time_read_digits(out_ms, h->value);
}

static int64_t read_time(const kca_message *m, const char *text, int64_t record_ms,
                         int64_t now_ms) {
    int64_t ms;
    if (text ? kca__wire_time_read(&ms, text) : read_foreign_time(&ms, m))
        return ms;
    return record_ms >= 0 && record_ms <= KCA__WIRE_TIME_MAX_MS ? record_ms : now_ms;
}

/* Where the two spellings differ, Gomes' is the fresher one: its hops renew only their own, while
 * kca writes both alike. Without a traceparent there is no context. */
static void read_trace(const char **values) {
    const char *gomes_parent = values[KCA__WIRE_GOMES_TRACEPARENT];
    const char *gomes_state = values[KCA__WIRE_GOMES_TRACESTATE];
    const char **parent = &values[KCA__TEXT_TRACEPARENT];
    const char **tracestate = &values[KCA__TEXT_TRACESTATE];
    char room[KCA__TRACEPARENT_ROOM];
    bool same = *parent && gomes_parent &&
                strcmp(kca__trace_context_for_gomes(room, *parent), gomes_parent) == 0;
    if (gomes_parent && *parent && !same)
        *tracestate = gomes_state;
    else if (!*tracestate)
        *tracestate = gomes_state;
    if (gomes_parent && !same)
        *parent = gomes_parent;
    if (!*parent)
        *tracestate = NULL;
}

/* Keeps the value of a wire header, of duplicates the last one's, which comes first here. An empty
 * one counts as missing. False: it is another's header of the same name. */
static bool take(const char **values, int wire, const kca__header *h) {
    if (h->value && h->value_len == 0)
        return true;
    if (!kca__wire_name_is_own(wire, h->value, h->value_len))
        return false;
    if (!values[wire])
        values[wire] = h->value;
    return true;
}

/* Sorts the record's headers: the wire's into `values`, the others, in their order, to the array's
 * front. Gives how many these are. */
static int sort_headers(kca__record *record, const char **values, bool *old) {
    kca__header *headers = record->headers;
    int first = record->header_count;
    for (int i = record->header_count - 1; i >= 0; i--) {
        int wire = headers[i].name ? kca__wire_name_find(headers[i].name) : KCA__WIRE_CUSTOM;
        if (!headers[i].name || (wire >= 0 && take(values, wire, &headers[i])))
            continue;
        *old |= wire == KCA__WIRE_OLD;
        headers[--first] = headers[i];
    }
    int count = record->header_count - first;
    if (count > 0 && first > 0)
        memmove(headers, headers + first, (size_t)count * sizeof *headers);
    return count;
}

void kca__translator_take(kca_message *out, const kca__record *record, const char **values,
                          int type, int64_t now_ms) {
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        out->texts[i] = values[i] ? values[i] : kca__message_default_text(i);
    out->type = read_type(values[KCA__WIRE_TYPE], type);
    out->timestamp_ms = read_time(out, values[KCA__WIRE_TIMESTAMP], record->timestamp_ms, now_ms);
    out->payload = record->value;
    out->payload_len = record->value ? record->value_len : 0;
    out->key = record->key;
    out->key_len = record->key ? record->key_len : 0;
}

void kca__translator_read(kca_message *out, kca__record *record, int64_t now_ms) {
    const char *values[KCA__WIRE_NAMES] = {0};
    bool old = false;

    out->headers = record->headers;
    out->header_count = sort_headers(record, values, &old);
    if (old && !values[KCA__WIRE_TYPE])
        kca__old_wire_read(out, record->header_count, values);
    read_trace(values);
    kca__translator_take(out, record, values, KCA_TYPE_DOCUMENT, now_ms);
}

/* ---- writing ---- */

static void put(kca__wire *out, const char *name, const char *value, size_t len) {
    out->headers[out->header_count++] = (kca__header){name, value, len};
}

static bool is_set(const char *text) {
    return text && text[0];
}

/* Writes W3C's spelling for everybody, and Gomes', because Gomes finds no other. */
static void put_trace(kca__wire *out, const char *traceparent, const char *tracestate) {
    kca__wire_put(out, "traceparent", traceparent);
    kca__wire_put(out, "Traceparent", kca__trace_context_for_gomes(out->traceparent, traceparent));
    if (is_set(tracestate)) {
        kca__wire_put(out, "tracestate", tracestate);
        kca__wire_put(out, "Tracestate", tracestate);
    }
}

static void put_context(kca__wire *out, const kca_message *m, const kca__trace_context *context) {
    if (m->texts[KCA__TEXT_TRACEPARENT][0])
        put_trace(out, m->texts[KCA__TEXT_TRACEPARENT], m->texts[KCA__TEXT_TRACESTATE]);
    else if (is_set(context->traceparent))
        put_trace(out, context->traceparent, context->tracestate);
    if (is_set(context->baggage) && !kca__custom_headers_find(m, "baggage"))
        kca__wire_put(out, "baggage", context->baggage);
}

void kca__translator_write(kca__wire *out, const kca_message *m,
                           const kca__channel_defaults *channel, int64_t now_ms) {
    kca__wire_begin(out, m);
    if (m->raw)
        return;
    const char *const *texts = m->texts;
    const char *asked = channel->correlation_id;
    const char *correlation_id =
        is_set(asked) ? asked : kca__wire_id(texts[KCA__TEXT_CORRELATION_ID], out->correlation_id);
    const char *own_reply = texts[KCA__TEXT_REPLY_TO];
    const char *reply_to = own_reply[0] ? own_reply : channel->reply_to;
    size_t correlation_id_len = strlen(correlation_id);

    kca__wire_time_write(out->timestamp, m->timestamp_ms >= 0 ? m->timestamp_ms : now_ms);
    kca__wire_put(out, "messageId", kca__wire_id(texts[KCA__TEXT_MESSAGE_ID], out->message_id));
    kca__wire_put(out, "messageType",
                  kca__wire_type(m->type != KCA_TYPE_NONE ? m->type : channel->type));
    put(out, "timestamp", out->timestamp, 19); /* its form's characters */
    kca__wire_put(out, "origin", texts[KCA__TEXT_ORIGIN]);
    kca__wire_put(out, "version", texts[KCA__TEXT_VERSION]);
    put(out, "correlationId", correlation_id, correlation_id_len);
    if (texts[KCA__TEXT_NAME][0])
        kca__wire_put(out, "route", texts[KCA__TEXT_NAME]);
    kca__wire_put(out, "channelName", channel->channel ? channel->channel : "");
    if (is_set(reply_to))
        kca__wire_put(out, "replyTo", reply_to);
    put_context(out, m, &channel->context);

    if (!m->key) {
        out->key = correlation_id;
        out->key_len = correlation_id_len;
    }
}
