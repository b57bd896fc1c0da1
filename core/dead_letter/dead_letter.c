#include "dead_letter/dead_letter.h"

#include "dead_letter/dead_letter_wire.h"
#include "message/wire_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kca__dead_letter_format(const char *name) {
    static const char *const names[] = {"kca", "spring", "gomes"};
    for (int i = KCA__DEAD_LETTER_KCA; i <= KCA__DEAD_LETTER_GOMES; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return KCA__DEAD_LETTER_NONE;
}

bool kca__dead_letter_has_prefix(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool kca__dead_letter_is_ours(const char *name) {
    return kca__dead_letter_has_prefix(name, KCA__DEAD_LETTER_PREFIX);
}

bool kca__dead_letter_is_springs_last(const char *name) {
    return kca__dead_letter_has_prefix(name, KCA__SPRING_PREFIX) &&
           !kca__dead_letter_has_prefix(name, KCA__SPRING_ORIGINAL);
}

const kca__header *kca__dead_letter_find(const kca__header *headers, int count, const char *name) {
    for (int i = count - 1; i >= 0; i--)
        if (headers[i].name[0] == name[0] && headers[i].value && strcmp(headers[i].name, name) == 0)
            return &headers[i];
    return NULL;
}

/* ---- the draft ---- */

void kca__draft_add(kca__dead_letter_draft *out, const char *name, const void *value, size_t len) {
    if (out->headers)
        out->headers[out->header_count] = (kca__header){name, value, len};
    out->header_count++;
}

void kca__draft_add_copy(kca__dead_letter_draft *out, const char *name, const void *value,
                         size_t len) {
    const char *copy = out->sink.data ? out->sink.data + out->sink.len : NULL;
    kca__sink_put(&out->sink, value, len);
    kca__sink_put(&out->sink, "", 1);
    kca__draft_add(out, name, copy, len);
}

void kca__draft_add_text(kca__dead_letter_draft *out, const char *name, const char *text) {
    const char *value = text ? text : "";
    kca__draft_add(out, name, value, strlen(value));
}

void kca__draft_add_known(kca__dead_letter_draft *out, const char *name, const char *text) {
    if (text && text[0])
        kca__draft_add_text(out, name, text);
}

void kca__draft_add_number(kca__dead_letter_draft *out, const char *name, int64_t number,
                           int64_t least) {
    char text[24];
    if (number < least)
        return;
    int len = snprintf(text, sizeof text, "%" PRId64, number);
    kca__draft_add_copy(out, name, text, (size_t)len);
}

void kca__draft_add_time(kca__dead_letter_draft *out, const char *name, int64_t ms) {
    char text[25];
    if (ms < 0 || ms > KCA__WIRE_TIME_MAX_MS)
        return;
    kca__wire_time_write_rfc3339(text, ms);
    kca__draft_add_copy(out, name, text, sizeof text - 1);
}

void kca__draft_add_error(kca__dead_letter_draft *out, const char *name, const char *text) {
    char plain[KCA__DEAD_LETTER_ERROR_MOST + 1];
    size_t len = kca__dead_letter_plain(plain, text);
    if (len > 0)
        kca__draft_add_copy(out, name, plain, len);
}

/* ---- writing ---- */

static void compose(kca__dead_letter_draft *out, const kca__dead_letter *d, int format,
                    const kca__envelope *envelope, const char *channel) {
    out->value = d->value;
    out->value_len = d->value ? d->value_len : 0;
    switch (format) {
    case KCA__DEAD_LETTER_SPRING:
        kca__dead_letter_write_spring(out, d);
        break;
    case KCA__DEAD_LETTER_GOMES:
        kca__dead_letter_write_gomes(out, d, envelope, channel);
        break;
    default:
        kca__dead_letter_write_kca(out, d);
    }
}

/* ---- trimming ---- */

typedef char short_text[KCA__DEAD_LETTER_ERROR_MOST + 1];

static const char *shorten(short_text out, const char *text) {
    size_t len = kca__dead_letter_plain(out, text);
    if (len > KCA__DEAD_LETTER_ERROR_TRIMMED) {
        len = KCA__DEAD_LETTER_ERROR_TRIMMED;
        while (len > 0 && ((unsigned char)out[len] & 0xc0) == 0x80)
            len--; /* not in the midst of a character */
    }
    out[len] = '\0';
    return out;
}

/* What is unknown is not written. */
static kca__dead_letter trim(const kca__dead_letter *d, int format, short_text name,
                             short_text text) {
    kca__dead_letter trimmed = *d;
    trimmed.attempts = 0;
    trimmed.error_name = shorten(name, d->error_name);
    trimmed.error_text = format == KCA__DEAD_LETTER_GOMES ? shorten(text, d->error_text) : NULL;
    if (format != KCA__DEAD_LETTER_GOMES)
        trimmed.time_ms = -1;
    if (format != KCA__DEAD_LETTER_SPRING) {
        trimmed.timestamp_ms = -1;
        trimmed.group = NULL;
    }
    return trimmed;
}

/* ---- the record ---- */

static bool write_record(kca__dead_letter_record *out, const kca__dead_letter *d, int format,
                         const char *channel) {
    kca__envelope envelope = {0};
    memset(out, 0, sizeof *out);
    if (format == KCA__DEAD_LETTER_GOMES && !kca__envelope_prepare(&envelope, d))
        return false;

    kca__dead_letter_draft draft = {0};
    compose(&draft, d, format, &envelope, channel);
    size_t headers_size = (size_t)draft.header_count * sizeof *draft.headers;
    char *block = malloc(headers_size + draft.sink.len);
    if (block) {
        draft = (kca__dead_letter_draft){.headers = (void *)block};
        draft.sink.data = block + headers_size;
        compose(&draft, d, format, &envelope, channel);
        out->record = (kca__record){.key = d->key,
                                    .key_len = d->key ? d->key_len : 0,
                                    .value = draft.value,
                                    .value_len = draft.value_len,
                                    .timestamp_ms = -1,
                                    .headers = draft.headers,
                                    .header_count = draft.header_count};
        out->block = block;
    }
    kca__envelope_clear(&envelope);
    return block != NULL;
}

bool kca__dead_letter_write(kca__dead_letter_record *out, const kca__dead_letter *d, int format,
                            const char *channel) {
    short_text name, text;
    if (!d->trimmed)
        return write_record(out, d, format, channel);
    kca__dead_letter trimmed = trim(d, format, name, text);
    return write_record(out, &trimmed, format, channel);
}

void kca__dead_letter_record_clear(kca__dead_letter_record *r) {
    free(r->block);
    memset(r, 0, sizeof *r);
}
