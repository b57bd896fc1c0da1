#include "dead_letter/dead_letter_wire.h"
#include "message/wire_time.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static const kca__header *find(const kca__record *record, const char *name) {
    return kca__dead_letter_find(record->headers, record->header_count, name);
}

static const char *text(const kca__record *record, const char *name) {
    const kca__header *h = find(record, name);
    return h ? h->value : "";
}

/* The number that a value of decimal digits writes; any other value: `unknown`. */
static int64_t decimal(const kca__record *record, const char *name, int64_t most, int64_t unknown) {
    const char *p = text(record, name);
    int64_t number = 0;
    if (!*p)
        return unknown;
    for (; *p; p++) {
        int digit = *p - '0';
        if (digit < 0 || digit > 9 || number > (most - digit) / 10)
            return unknown;
        number = number * 10 + digit;
    }
    return number;
}

static int64_t time_of(const kca__record *record, const char *name) {
    int64_t ms;
    return kca__wire_time_read(&ms, text(record, name)) ? ms : -1;
}

/* A big-endian number of exactly `bytes` bytes; negative or unreadable: -1. */
static int64_t binary(const kca__record *record, const char *name, size_t bytes) {
    const kca__header *h = find(record, name);
    uint64_t number = 0;
    if (!h || h->value_len != bytes || h->value[0] & 0x80)
        return -1;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | (unsigned char)h->value[i];
    return (int64_t)number;
}

/* ---- the formats ---- */

void kca__dead_letter_read_ours(kca__dead_letter *out, const kca__record *record) {
    out->topic = text(record, KCA__DEAD_LETTER_TOPIC);
    out->partition = (int)decimal(record, KCA__DEAD_LETTER_PARTITION, INT_MAX, -1);
    out->offset = decimal(record, KCA__DEAD_LETTER_OFFSET, INT64_MAX, -1);
    out->timestamp_ms = time_of(record, KCA__DEAD_LETTER_TIMESTAMP);
    out->group = text(record, KCA__DEAD_LETTER_GROUP);
    out->attempts = (int)decimal(record, KCA__DEAD_LETTER_ATTEMPTS, INT_MAX, 0);
    out->error_name = text(record, KCA__DEAD_LETTER_ERROR_NAME);
    out->error_text = text(record, KCA__DEAD_LETTER_ERROR_TEXT);
    out->time_ms = time_of(record, KCA__DEAD_LETTER_TIME);
}

/* Whether our two headers beside Spring's belong to this hop, as when kca wrote the letter. When a
 * dead letter in kca's format failed in Spring, its headers of ours belong to the record. */
static bool has_our_two(const kca__record *record) {
    return !find(record, KCA__DEAD_LETTER_TOPIC);
}

static void read_spring(kca__dead_letter *out, const kca__record *record) {
    out->topic = text(record, KCA__SPRING_TOPIC);
    out->partition = (int)binary(record, KCA__SPRING_PARTITION, 4);
    out->offset = binary(record, KCA__SPRING_OFFSET, 8);
    out->timestamp_ms = binary(record, KCA__SPRING_TIMESTAMP, 8);
    out->log_append_time = strcmp(text(record, KCA__SPRING_TIMESTAMP_TYPE), "LogAppendTime") == 0;
    out->group = text(record, KCA__SPRING_GROUP);
    out->error_name = text(record, KCA__SPRING_EXCEPTION);
    out->error_text = text(record, KCA__SPRING_MESSAGE);
    if (has_our_two(record)) {
        out->attempts = (int)decimal(record, KCA__DEAD_LETTER_ATTEMPTS, INT_MAX, 0);
        out->time_ms = time_of(record, KCA__DEAD_LETTER_TIME);
    }
}

enum { ORIGINALS = 6 };

/* Finds the last header of each name: those that the dead letter itself added. */
static void find_originals(const kca__header *out[ORIGINALS], const kca__record *record) {
    out[0] = find(record, KCA__SPRING_TOPIC);
    out[1] = find(record, KCA__SPRING_PARTITION);
    out[2] = find(record, KCA__SPRING_OFFSET);
    out[3] = find(record, KCA__SPRING_TIMESTAMP);
    out[4] = find(record, KCA__SPRING_TIMESTAMP_TYPE);
    out[5] = find(record, KCA__SPRING_GROUP);
}

static bool is_among(const kca__header *h, const kca__header *const headers[ORIGINALS]) {
    for (int i = 0; i < ORIGINALS; i++)
        if (h == headers[i])
            return true;
    return false;
}

static bool take_headers(kca__dead_letter_reading *out, const kca__record *record, int format) {
    const kca__header *originals[ORIGINALS] = {0};
    kca__header *headers = malloc((size_t)record->header_count * sizeof *headers);
    bool spring = format == KCA__DEAD_LETTER_SPRING;
    bool drop_ours = !spring || has_our_two(record);
    int count = 0;
    if (!headers)
        return false;
    if (spring)
        find_originals(originals, record);
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *h = &record->headers[i];
        bool ours = drop_ours && kca__dead_letter_is_ours(h->name);
        bool springs =
            spring && (kca__dead_letter_is_springs_last(h->name) || is_among(h, originals));
        if (!ours && !springs)
            headers[count++] = *h;
    }
    out->block = headers;
    out->letter.headers = headers;
    out->letter.header_count = count;
    return true;
}

/* The last header that only dead letters have decides the format. Spring's group header does not
 * count: it is also on records that Spring will try again. */
static int format_of(const kca__record *record) {
    for (int i = record->header_count - 1; i >= 0; i--) {
        const char *name = record->headers[i].name;
        if (strcmp(name, KCA__DEAD_LETTER_TOPIC) == 0)
            return KCA__DEAD_LETTER_KCA;
        if (kca__dead_letter_has_prefix(name, KCA__SPRING_PREFIX) &&
            strcmp(name, KCA__SPRING_GROUP) != 0)
            return KCA__DEAD_LETTER_SPRING;
    }
    return KCA__DEAD_LETTER_GOMES;
}

int kca__dead_letter_read(kca__dead_letter_reading *out, const kca__record *record) {
    int format = format_of(record);
    kca__dead_letter *d = &out->letter;
    memset(out, 0, sizeof *out);
    d->key = record->key;
    d->key_len = record->key ? record->key_len : 0;
    d->value = record->value;
    d->value_len = record->value ? record->value_len : 0;
    if (format == KCA__DEAD_LETTER_SPRING) {
        d->time_ms = -1;
        read_spring(d, record);
        return take_headers(out, record, format) ? format : KCA__DEAD_LETTER_NO_MEMORY;
    }
    kca__dead_letter_read_ours(d, record);
    if (format == KCA__DEAD_LETTER_GOMES)
        return kca__dead_letter_read_gomes(out, record, NULL);
    const kca__header *payload = find(record, KCA__DEAD_LETTER_PAYLOAD);
    if (payload)
        return kca__dead_letter_read_gomes(out, record, payload->value);
    return take_headers(out, record, format) ? format : KCA__DEAD_LETTER_NO_MEMORY;
}

void kca__dead_letter_reading_clear(kca__dead_letter_reading *r) {
    free(r->block);
    memset(r, 0, sizeof *r);
}
