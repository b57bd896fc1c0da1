#include "message/translator.h"

#include "base/id.h"
#include "message/custom_headers.h"
#include "message/old_wire.h"
#include "message/trace_context.h"
#include "message/wire_name.h"
#include "message/wire_time.h"

#include <string.h>

/* ---- reading ---- */

static int read_type(const char *text) {
    if (!text)
        return KCA_TYPE_DOCUMENT;
    if (strcmp(text, "Event") == 0)
        return KCA_TYPE_EVENT;
    if (strcmp(text, "Command") == 0)
        return KCA_TYPE_COMMAND;
    return strcmp(text, "Query") == 0 ? KCA_TYPE_QUERY : KCA_TYPE_DOCUMENT;
}

static int64_t read_time(const char *text, int64_t record_ms, int64_t now_ms) {
    int64_t ms;
    if (text && kca__wire_time_read(&ms, text))
        return ms;
    return record_ms >= 0 && record_ms <= KCA__WIRE_TIME_MAX_MS ? record_ms : now_ms;
}

/* W3C's spelling wins over Gomes' if it is valid; without a valid traceparent there is no context.
 */
static void read_trace(const char **values) {
    const char *gomes_parent = values[KCA__WIRE_GOMES_TRACEPARENT];
    const char *gomes_state = values[KCA__WIRE_GOMES_TRACESTATE];
    if (!kca__trace_context_is_valid(values[KCA__TEXT_TRACEPARENT]))
        values[KCA__TEXT_TRACEPARENT] =
            kca__trace_context_is_valid(gomes_parent) ? gomes_parent : NULL;
    if (!values[KCA__TEXT_TRACEPARENT])
        values[KCA__TEXT_TRACESTATE] = NULL;
    else if (!values[KCA__TEXT_TRACESTATE])
        values[KCA__TEXT_TRACESTATE] = gomes_state;
}

/* Sorts the record's headers: the wire's into `values`, the custom ones to the array's front. A
 * wire header that is empty or has no value counts as missing. */
static int sort_headers(kca__record *record, const char **values, bool *old) {
    kca__header *headers = record->headers;
    int custom = 0;
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *h = &headers[i];
        if (!h->name || !h->value)
            continue;
        int wire = kca__wire_name_find(h->name);
        if (wire == KCA__WIRE_OLD && h->value_len == 0)
            continue;
        if (wire < 0) {
            *old |= wire == KCA__WIRE_OLD;
            headers[custom++] = *h;
        } else if (h->value[0]) {
            values[wire] = h->value;
        }
    }
    return kca__custom_headers_unique(headers, custom);
}

void kca__translator_read(kca_message *out, kca__record *record, int64_t now_ms) {
    const char *values[KCA__WIRE_NAMES] = {0};
    bool old = false;

    out->headers = record->headers;
    out->header_count = sort_headers(record, values, &old);
    if (old && !values[KCA__WIRE_TYPE])
        kca__old_wire_read(out, record->header_count, values);
    read_trace(values);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        out->texts[i] = values[i] ? values[i] : kca__message_default_text(i);
    out->type = read_type(values[KCA__WIRE_TYPE]);
    out->timestamp_ms = read_time(values[KCA__WIRE_TIMESTAMP], record->timestamp_ms, now_ms);
    out->payload = record->value;
    out->payload_len = record->value ? record->value_len : 0;
    out->key = record->key;
    out->key_len = record->key ? record->key_len : 0;
}

/* ---- writing ---- */

static void put(kca__wire *out, const char *name, const char *value, size_t len) {
    out->headers[out->header_count++] = (kca__header){name, value, len};
}

static void put_text(kca__wire *out, const char *name, const char *value) {
    put(out, name, value, strlen(value));
}

/* The message's own id, or a fresh one made in `room`. */
static const char *id_text(const char *own, char room[37]) {
    if (own[0])
        return own;
    kca__id_uuid4(room);
    return room;
}

static void put_type(kca__wire *out, int type) {
    switch (type) {
    case KCA_TYPE_COMMAND:
        put(out, "messageType", "Command", 7);
        break;
    case KCA_TYPE_QUERY:
        put(out, "messageType", "Query", 5);
        break;
    case KCA_TYPE_EVENT:
        put(out, "messageType", "Event", 5);
        break;
    default:
        put(out, "messageType", "Document", 8);
    }
}

static bool is_set(const char *text) {
    return text && text[0];
}

/* Writes W3C's spelling for everybody, and Gomes', because Gomes finds no other. */
static void put_trace(kca__wire *out, const char *traceparent, const char *tracestate) {
    size_t len = strlen(traceparent);
    put(out, "traceparent", traceparent, len);
    put(out, "Traceparent", traceparent, len);
    if (is_set(tracestate)) {
        len = strlen(tracestate);
        put(out, "tracestate", tracestate, len);
        put(out, "Tracestate", tracestate, len);
    }
}

void kca__translator_write(kca__wire *out, const kca_message *m,
                           const kca__channel_defaults *channel, int64_t now_ms) {
    const char *const *texts = m->texts;
    const char *correlation_id = id_text(texts[KCA__TEXT_CORRELATION_ID], out->correlation_id);
    const char *own_reply = texts[KCA__TEXT_REPLY_TO];
    const char *reply_to = own_reply[0] ? own_reply : channel->reply_to;
    size_t correlation_id_len = strlen(correlation_id);

    out->header_count = 0;
    kca__wire_time_write(out->timestamp, m->timestamp_ms >= 0 ? m->timestamp_ms : now_ms);
    put_text(out, "messageId", id_text(texts[KCA__TEXT_MESSAGE_ID], out->message_id));
    put_type(out, m->type != KCA_TYPE_NONE ? m->type : channel->type);
    put(out, "timestamp", out->timestamp, sizeof out->timestamp - 1);
    put_text(out, "origin", texts[KCA__TEXT_ORIGIN]);
    put_text(out, "version", texts[KCA__TEXT_VERSION]);
    put(out, "correlationId", correlation_id, correlation_id_len);
    if (texts[KCA__TEXT_NAME][0])
        put_text(out, "route", texts[KCA__TEXT_NAME]);
    put_text(out, "channelName", channel->channel ? channel->channel : "");
    if (is_set(reply_to))
        put_text(out, "replyTo", reply_to);
    if (texts[KCA__TEXT_TRACEPARENT][0])
        put_trace(out, texts[KCA__TEXT_TRACEPARENT], texts[KCA__TEXT_TRACESTATE]);
    else if (is_set(channel->traceparent))
        put_trace(out, channel->traceparent, channel->tracestate);

    out->key = m->key ? m->key : correlation_id;
    out->key_len = m->key ? m->key_len : correlation_id_len;
}
