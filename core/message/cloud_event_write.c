/* Messages become CloudEvents. */
#include "message/cloud_event.h"

#include "base/base64.h"
#include "base/sink.h"
#include "base/utf8.h"
#include "message/content_type.h"
#include "message/custom_headers.h"
#include "message/wire_name.h"
#include "message/wire_time.h"
#include "json/json_check.h"
#include "json/json_string.h"

#include <stdlib.h>
#include <string.h>

#define JSON_TYPE  "application/json"
#define BYTES_TYPE "application/octet-stream"

/* How the payload stands in an envelope. */
typedef enum data_form { DATA_NONE, DATA_JSON, DATA_TEXT, DATA_BASE64 } data_form;

static bool is_set(const char *text) {
    return text && text[0];
}

static const kca__header *own_content_type(const kca_message *m) {
    for (int i = m->header_count - 1; i >= 0; i--)
        if (kca__content_type_is_name(m->headers[i].name))
            return &m->headers[i];
    return NULL;
}

/* ---- attributes: headers "ce_..." of the wire, in either mode ---- */

static void put_trace(kca__wire *out, const kca_message *m, const kca__trace_context *context) {
    bool own = m->texts[KCA__TEXT_TRACEPARENT][0];
    const char *traceparent = own ? m->texts[KCA__TEXT_TRACEPARENT] : context->traceparent;
    const char *tracestate = own ? m->texts[KCA__TEXT_TRACESTATE] : context->tracestate;
    if (!is_set(traceparent))
        return;
    kca__wire_put(out, "ce_traceparent", traceparent);
    if (is_set(tracestate))
        kca__wire_put(out, "ce_tracestate", tracestate);
}

static void put_attributes(kca__wire *out, const kca_message *m,
                           const kca__channel_defaults *channel, int64_t now_ms) {
    const char *const *texts = m->texts;
    const char *type = kca__wire_type(m->type != KCA_TYPE_NONE ? m->type : channel->type);
    const char *own_reply = texts[KCA__TEXT_REPLY_TO];
    const char *reply_to = own_reply[0] ? own_reply : channel->reply_to;
    const char *correlation_id =
        is_set(channel->correlation_id)
            ? channel->correlation_id
            : kca__wire_id(texts[KCA__TEXT_CORRELATION_ID], out->correlation_id);

    kca__wire_time_write_rfc3339(out->timestamp, m->timestamp_ms >= 0 ? m->timestamp_ms : now_ms);
    kca__wire_put(out, "ce_specversion", "1.0");
    kca__wire_put(out, "ce_id", kca__wire_id(texts[KCA__TEXT_MESSAGE_ID], out->message_id));
    kca__wire_put(out, "ce_source", texts[KCA__TEXT_ORIGIN]);
    kca__wire_put(out, "ce_type", texts[KCA__TEXT_NAME][0] ? texts[KCA__TEXT_NAME] : type);
    kca__wire_put(out, "ce_time", out->timestamp);
    kca__wire_put(out, "ce_correlationid", correlation_id);
    kca__wire_put(out, "ce_version", texts[KCA__TEXT_VERSION]);
    kca__wire_put(out, "ce_messagetype", type);
    if (is_set(channel->channel))
        kca__wire_put(out, "ce_channelname", channel->channel);
    if (is_set(reply_to))
        kca__wire_put(out, "ce_replyto", reply_to);
    put_trace(out, m, &channel->context);
    if (!m->key) {
        out->key = correlation_id;
        out->key_len = strlen(correlation_id);
    }
}

/* ---- headers that are no attributes ---- */

static const char *attribute_of(const kca__wire *wire, const char *name) {
    for (int i = 0; i < wire->header_count; i++)
        if (strcmp(wire->headers[i].name, name) == 0)
            return wire->headers[i].value;
    return NULL;
}

static void put_transport(kca__wire *out, const kca_message *m,
                          const kca__channel_defaults *channel) {
    const char *traceparent = attribute_of(out, "ce_traceparent");
    const char *tracestate = attribute_of(out, "ce_tracestate");
    if (traceparent)
        kca__wire_put(out, "traceparent", traceparent);
    if (tracestate)
        kca__wire_put(out, "tracestate", tracestate);
    if (is_set(channel->context.baggage) && !kca__custom_headers_find(m, "baggage"))
        kca__wire_put(out, "baggage", channel->context.baggage);
}

/* ---- the envelope ---- */

static void put_member(kca__sink *s, const char *name, const char *value, size_t len) {
    kca__sink_put_text(s, s->len > 1 ? ",\"" : "\"");
    kca__sink_put_text(s, name);
    kca__sink_put_text(s, "\":");
    kca__json_string_write(s, value, len);
}

/* Its name and value may be an attribute's, and it is not one that kca writes. */
static bool is_extension(const kca__header *h) {
    const char *name = kca__cloud_event_header(h->name);
    return name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0' && h->value &&
           kca__utf8_is_text(h->value, h->value_len) &&
           kca__cloud_event_attribute(name) == KCA__WIRE_CUSTOM;
}

/* In an object of JSON each name is once: the last one's, as readers of headers take it. */
static bool is_last(const kca_message *m, int index) {
    for (int i = index + 1; i < m->header_count; i++)
        if (strcmp(m->headers[i].name, m->headers[index].name) == 0 && is_extension(&m->headers[i]))
            return false;
    return true;
}

/* It goes into the envelope, or is one that kca writes there. */
static bool is_in_envelope(const kca__header *h) {
    const char *name = kca__cloud_event_header(h->name);
    return is_extension(h) || kca__content_type_is_name(h->name) ||
           (name && kca__cloud_event_attribute(name) != KCA__WIRE_CUSTOM);
}

static data_form form_of(const kca_message *m, const kca__header *type) {
    kca__json_fault fault;
    const char *named = type && type->value ? type->value : JSON_TYPE;
    if (!m->payload)
        return DATA_NONE;
    if (kca__content_type_is_json(named) &&
        kca__json_check_inside(m->payload, m->payload_len, 1, &fault))
        return DATA_JSON;
    return kca__content_type_is_text(named) && kca__utf8_is_valid(m->payload, m->payload_len)
               ? DATA_TEXT
               : DATA_BASE64;
}

static void put_data(kca__sink *s, const kca_message *m, data_form form) {
    switch (form) {
    case DATA_NONE:
        break;
    case DATA_JSON:
        kca__sink_put_text(s, ",\"data\":");
        kca__sink_put(s, m->payload, m->payload_len);
        break;
    case DATA_TEXT:
        put_member(s, "data", m->payload, m->payload_len);
        break;
    case DATA_BASE64:
        kca__sink_put_text(s, ",\"data_base64\":\"");
        kca__base64_write(s, &kca__base64_standard, m->payload, m->payload_len);
        kca__sink_put_text(s, "\"");
    }
}

static void put_envelope(kca__sink *s, const kca__wire *wire, const kca_message *m,
                         data_form form) {
    const kca__header *type = own_content_type(m);
    kca__sink_put_text(s, "{");
    for (int i = 0; i < wire->header_count; i++)
        put_member(s, wire->headers[i].name + 3, wire->headers[i].value,
                   wire->headers[i].value_len);
    for (int i = 0; i < m->header_count; i++)
        if (is_extension(&m->headers[i]) && is_last(m, i))
            put_member(s, m->headers[i].name + 3, m->headers[i].value, m->headers[i].value_len);
    if (type && type->value)
        put_member(s, "datacontenttype", type->value, type->value_len);
    else if (form != DATA_NONE)
        put_member(s, "datacontenttype", form == DATA_JSON ? JSON_TYPE : BYTES_TYPE,
                   strlen(form == DATA_JSON ? JSON_TYPE : BYTES_TYPE));
    put_data(s, m, form);
    kca__sink_put_text(s, "}");
}

/* The headers that stay, and after them the envelope, in one block. */
static bool make_envelope(kca__wire *out, const kca_message *m) {
    kca__sink counted = {0};
    data_form form = form_of(m, own_content_type(m));
    put_envelope(&counted, out, m, form);
    size_t headers_size = (size_t)m->header_count * sizeof(kca__header);
    char *block = malloc(headers_size + counted.len);
    if (!block)
        return false;
    kca__header *custom = (void *)block;
    kca__sink written = {block + headers_size, 0};
    put_envelope(&written, out, m, form);
    out->custom = custom;
    out->custom_count = 0;
    for (int i = 0; i < m->header_count; i++)
        if (!is_in_envelope(&m->headers[i]))
            custom[out->custom_count++] = m->headers[i];
    out->owned = block;
    out->value = block + headers_size;
    out->value_len = written.len;
    return true;
}

bool kca__cloud_event_write(kca__wire *out, const kca_message *m,
                            const kca__channel_defaults *channel, int64_t now_ms) {
    if (m->raw || channel->dialect == KCA__DIALECT_GOMES) {
        kca__translator_write(out, m, channel, now_ms);
        return true;
    }
    kca__wire_begin(out, m);
    put_attributes(out, m, channel, now_ms);
    if (channel->dialect == KCA__DIALECT_CLOUD_EVENTS) {
        put_transport(out, m, channel);
        if (m->payload && !own_content_type(m))
            kca__wire_put(out, "content-type", JSON_TYPE);
        return true;
    }
    if (!make_envelope(out, m))
        return false;
    int attributes = out->header_count;
    put_transport(out, m, channel);
    int transport = out->header_count - attributes;
    memmove(out->headers, out->headers + attributes, (size_t)transport * sizeof *out->headers);
    out->header_count = transport;
    kca__wire_put(out, "content-type", "application/cloudevents+json; charset=UTF-8");
    return true;
}
