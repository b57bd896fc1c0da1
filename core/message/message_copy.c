#include "message/message_copy.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST = 512, LARGE = 16384 };

static bool is_kept(int text, const char *value) {
    return value[0] && value != kca__message_default_text(text);
}

static size_t size_of(const kca_message *m) {
    size_t size = (size_t)m->header_count * sizeof *m->headers + m->payload_len + m->key_len + 2;
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        if (is_kept(i, m->texts[i]))
            size += strlen(m->texts[i]) + 1;
    for (int i = 0; i < m->header_count; i++)
        size += strlen(m->headers[i].name) + m->headers[i].value_len + 2;
    return size;
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

/* Copies bytes to `*end`, with a NUL after them, and moves on; NULL stays NULL. */
static const void *copy(char **end, const void *bytes, size_t len) {
    if (!bytes)
        return NULL;
    char *at = *end;
    memcpy(at, bytes, len);
    at[len] = '\0';
    *end += len + 1;
    return at;
}

static void copy_headers(kca_message *out, char **end, kca__header *headers, const kca_message *m) {
    out->headers = headers;
    out->header_count = m->header_count;
    for (int i = 0; i < m->header_count; i++) {
        const kca__header *h = &m->headers[i];
        headers[i].name = copy(end, h->name, strlen(h->name));
        headers[i].value = copy(end, h->value, h->value_len);
        headers[i].value_len = h->value_len;
    }
}

bool kca__message_copy_make(kca__message_copy **at, const kca_message *m, const char *traceparent,
                            const char *tracestate) {
    kca_message plain = *m;
    if (!m->texts[KCA__TEXT_TRACEPARENT][0] && traceparent) {
        plain.texts[KCA__TEXT_TRACEPARENT] = traceparent;
        plain.texts[KCA__TEXT_TRACESTATE] = tracestate ? tracestate : "";
    }
    if (!make_room(at, size_of(&plain)))
        return false;
    kca_message *out = &(*at)->message;
    kca__message_init_inbound(out);
    kca__header *headers = (kca__header *)(*at + 1);
    char *end = (char *)(headers + m->header_count);
    for (int i = 0; i < KCA__MESSAGE_TEXTS; i++)
        out->texts[i] = is_kept(i, plain.texts[i])
                            ? copy(&end, plain.texts[i], strlen(plain.texts[i]))
                        : plain.texts[i][0] ? kca__message_default_text(i)
                                            : "";
    out->type = m->type;
    out->timestamp_ms = m->timestamp_ms;
    out->payload = copy(&end, m->payload, m->payload_len);
    out->payload_len = m->payload_len;
    out->key = copy(&end, m->key, m->key_len);
    out->key_len = m->key_len;
    copy_headers(out, &end, headers, m);
    return true;
}

kca__message_copy *kca__message_copy_take_large(kca__message_copy **at) {
    kca__message_copy *h = *at;
    if (h->room < LARGE)
        return NULL;
    *at = NULL;
    return h;
}
