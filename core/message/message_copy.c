#include "message/message_copy.h"

#include "message/block.h"

#include <stdlib.h>

enum { LEAST = 512, LARGE = 16384 };

static bool is_kept(int text, const char *value) {
    return value[0] && value != kca__message_default_text(text);
}

static size_t text_size(const char *text) {
    return text ? strlen(text) + 1 : 0;
}

static size_t size_of(const kca_message *m, const kca__trace_context *context) {
    size_t size =
        kca__block_headers_size(m->headers, m->header_count) + m->payload_len + m->key_len + 2;
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        if (is_kept(i, m->texts[i]))
            size += text_size(m->texts[i]);
    return size + text_size(context->traceparent) + text_size(context->tracestate) +
           text_size(context->baggage);
}

static const char *put_text(char **end, const char *text) {
    return text ? kca__block_put(end, text, strlen(text)) : NULL;
}

static bool make_room(kca__message_copy **at, size_t size) {
    if (*at && (*at)->room >= size)
        return true;
    size_t room = size < LEAST ? LEAST : size;
    free(*at);
    *at = malloc(sizeof **at + room);
    if (*at)
        (*at)->room = room;
    return *at;
}

bool kca__message_copy_make(kca__message_copy **at, const kca_message *m,
                            const kca__trace_context *context) {
    if (!make_room(at, size_of(m, context)))
        return false;
    kca_message *out = &(*at)->message;
    kca__message_init_inbound(out);
    char *end = (char *)(*at + 1);
    out->headers = kca__block_put_headers(&end, m->headers, m->header_count);
    out->header_count = m->header_count;
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        out->texts[i] = is_kept(i, m->texts[i]) ? put_text(&end, m->texts[i])
                        : m->texts[i][0]        ? kca__message_default_text(i)
                                                : "";
    out->type = m->type;
    out->timestamp_ms = m->timestamp_ms;
    out->payload = kca__block_put(&end, m->payload, m->payload_len);
    out->payload_len = m->payload_len;
    out->key = kca__block_put(&end, m->key, m->key_len);
    out->key_len = m->key_len;
    out->partition = m->partition;
    out->deliver_at_ms = m->deliver_at_ms;
    out->raw = m->raw;
    (*at)->context =
        (kca__trace_context){put_text(&end, context->traceparent),
                             put_text(&end, context->tracestate), put_text(&end, context->baggage)};
    return true;
}

kca__message_copy *kca__message_copy_take_large(kca__message_copy **at) {
    kca__message_copy *h = *at;
    if (h->room < LARGE)
        return NULL;
    *at = NULL;
    return h;
}
