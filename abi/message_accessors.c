/* Messages: accessors. */
#include "message/custom_headers.h"
#include "message/message.h"

static const char *text(const kca_message *m, int which) {
    return m ? m->texts[which] : NULL;
}

const char *kca_message_name(const kca_message *m) {
    return text(m, KCA__TEXT_NAME);
}

int kca_message_type(const kca_message *m) {
    return m ? m->type : KCA_TYPE_NONE;
}

const char *kca_message_message_id(const kca_message *m) {
    return text(m, KCA__TEXT_MESSAGE_ID);
}

const char *kca_message_correlation_id(const kca_message *m) {
    return text(m, KCA__TEXT_CORRELATION_ID);
}

int64_t kca_message_timestamp_ms(const kca_message *m) {
    if (m && m->timestamp_ms == KCA__MESSAGE_UNTIMED)
        return -1;
    return m ? m->timestamp_ms : 0;
}

const char *kca_message_origin(const kca_message *m) {
    return text(m, KCA__TEXT_ORIGIN);
}

const char *kca_message_version(const kca_message *m) {
    return text(m, KCA__TEXT_VERSION);
}

const char *kca_message_channel(const kca_message *m) {
    return text(m, KCA__TEXT_CHANNEL);
}

const char *kca_message_reply_to(const kca_message *m) {
    return text(m, KCA__TEXT_REPLY_TO);
}

int kca_message_partition(const kca_message *m) {
    return m ? m->partition : -1;
}

const char *kca_message_traceparent(const kca_message *m) {
    return text(m, KCA__TEXT_TRACEPARENT);
}

const char *kca_message_tracestate(const kca_message *m) {
    return text(m, KCA__TEXT_TRACESTATE);
}

const void *kca_message_payload(const kca_message *m) {
    return m ? m->payload : NULL;
}

size_t kca_message_payload_len(const kca_message *m) {
    return m ? m->payload_len : 0;
}

const void *kca_message_key(const kca_message *m) {
    return m ? m->key : NULL;
}

size_t kca_message_key_len(const kca_message *m) {
    return m ? m->key_len : 0;
}

int kca_message_header_count(const kca_message *m) {
    return m ? m->header_count : 0;
}

static const kca__header *header_at(const kca_message *m, int index) {
    return m && index >= 0 && index < m->header_count ? &m->headers[index] : NULL;
}

const char *kca_message_header_name(const kca_message *m, int index) {
    const kca__header *h = header_at(m, index);
    return h ? h->name : NULL;
}

const void *kca_message_header_value(const kca_message *m, int index) {
    const kca__header *h = header_at(m, index);
    return h ? h->value : NULL;
}

size_t kca_message_header_value_len(const kca_message *m, int index) {
    const kca__header *h = header_at(m, index);
    return h ? h->value_len : 0;
}

const char *kca_message_header(const kca_message *m, const char *name) {
    const kca__header *h = m && name ? kca__custom_headers_find(m, name) : NULL;
    return h ? h->value : NULL;
}
