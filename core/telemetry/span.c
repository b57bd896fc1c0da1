#include "telemetry/span.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 1024, TRACE_ID_AT = 3, SPAN_ID_AT = 36, FLAGS_AT = 53 };

static unsigned char nibble(char c) {
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_hex(unsigned char *out, size_t len, const char *text) {
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
}

static void write_hex(char *out, const unsigned char *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 0x0f];
    }
}

bool kca__span_place_read(kca__span_place *out, const char *traceparent) {
    unsigned char flags;
    if (!kca__trace_context_is_valid(traceparent))
        return false;
    read_hex(out->trace_id, sizeof out->trace_id, traceparent + TRACE_ID_AT);
    read_hex(out->span_id, sizeof out->span_id, traceparent + SPAN_ID_AT);
    read_hex(&flags, 1, traceparent + FLAGS_AT);
    out->sampled = flags & 1;
    return true;
}

void kca__span_place_write(char out[KCA__TRACEPARENT_ROOM], const kca__span_place *place) {
    memcpy(out,
           place->sampled ? "00-................................-................-01"
                          : "00-................................-................-00",
           KCA__TRACEPARENT_ROOM);
    write_hex(out + TRACE_ID_AT, place->trace_id, sizeof place->trace_id);
    write_hex(out + SPAN_ID_AT, place->span_id, sizeof place->span_id);
}

kca__span *kca__span_new(kca__span_operation operation, const char *destination) {
    kca__span *span = calloc(1, sizeof *span);
    if (!span)
        return NULL;
    span->operation = operation;
    span->partition = -1;
    span->offset = -1;
    kca__span_set_text(span, KCA__SPAN_DESTINATION, destination);
    return span;
}

void kca__span_free(kca__span *span) {
    if (!span)
        return;
    for (int i = 0; i < KCA__SPAN_TEXTS; i++)
        free(span->texts[i]);
    free(span);
}

static char *copy_cut(const char *text, size_t len) {
    if (len > TEXT_MOST) {
        for (len = TEXT_MOST; ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    }
    char *copy = malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

void kca__span_set_text(kca__span *span, kca__span_text which, const char *text) {
    bool is_there = text && *text && kca__utf8_is_valid(text, strlen(text));
    free(span->texts[which]);
    span->texts[which] = is_there ? copy_cut(text, strlen(text)) : NULL;
}

void kca__span_describe(kca__span *span, const kca_message *m) {
    kca__span_set_text(span, KCA__SPAN_MESSAGE_ID, m->texts[KCA__TEXT_MESSAGE_ID]);
    kca__span_set_text(span, KCA__SPAN_CONVERSATION_ID, m->texts[KCA__TEXT_CORRELATION_ID]);
    if (m->key && kca__utf8_is_text(m->key, m->key_len))
        span->texts[KCA__SPAN_KEY] = copy_cut(m->key, m->key_len);
    span->body_bytes = m->payload ? (int64_t)m->payload_len : -1;
}

void kca__span_fail(kca__span *span, const char *error_type, const char *text) {
    span->has_failed = true;
    kca__span_set_text(span, KCA__SPAN_ERROR_TYPE,
                       error_type && *error_type ? error_type : "_OTHER");
    kca__span_set_text(span, KCA__SPAN_ERROR_TEXT, text);
}
