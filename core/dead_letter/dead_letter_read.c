#include "dead_letter/dead_letter_wire.h"
#include "message/wire_time.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

/* `name` may be NULL: none. */
static const kca__header *find(const kca__record *record, const char *name) {
    return name ? kca__dead_letter_find(record->headers, record->header_count, name) : NULL;
}

const char *kca__dead_letter_text(const kca__record *record, const char *name) {
    const kca__header *h = find(record, name);
    return h ? h->value : "";
}

const char *kca__dead_letter_name(const kca__record *record, const char *name) {
    const kca__header *h = find(record, name);
    return h && strlen(h->value) == h->value_len ? h->value : "";
}

int64_t kca__dead_letter_decimal(const kca__record *record, const char *name, int64_t most,
                                 int64_t unknown) {
    const char *p = kca__dead_letter_text(record, name);
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

int64_t kca__dead_letter_time(const kca__record *record, const char *name) {
    int64_t ms;
    return kca__wire_time_read(&ms, kca__dead_letter_text(record, name)) ? ms : -1;
}

int64_t kca__dead_letter_binary(const kca__record *record, const char *name, size_t bytes) {
    const kca__header *h = find(record, name);
    uint64_t number = 0;
    if (!h || h->value_len != bytes || h->value[0] & 0x80)
        return -1;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | (unsigned char)h->value[i];
    return (int64_t)number;
}

/* ---- ours ---- */

static void read_parked(kca__dead_letter *out, const kca__record *record) {
    const char *kind = kca__dead_letter_text(record, KCA__DEAD_LETTER_PARKED);
    if (strcmp(kind, "follows") == 0)
        out->kind = KCA__DEAD_LETTER_FOLLOWS;
    else if (strcmp(kind, "repeated") == 0)
        out->kind = KCA__DEAD_LETTER_REPEATED;
    kca__parked_place *place = &out->place;
    place->waits_for = kca__dead_letter_decimal(record, KCA__DEAD_LETTER_WAITS_FOR, INT64_MAX, -1);
    place->behind = kca__dead_letter_decimal(record, KCA__DEAD_LETTER_BEHIND, INT64_MAX, -1);
    place->at = kca__dead_letter_decimal(record, KCA__DEAD_LETTER_AT, INT64_MAX, -1);
    place->in_line = place->waits_for >= 0 && place->at >= 0;
}

void kca__dead_letter_read_ours(kca__dead_letter *out, const kca__record *record) {
    out->topic = kca__dead_letter_name(record, KCA__DEAD_LETTER_TOPIC);
    out->partition = (int)kca__dead_letter_decimal(record, KCA__DEAD_LETTER_PARTITION, INT_MAX, -1);
    out->offset = kca__dead_letter_decimal(record, KCA__DEAD_LETTER_OFFSET, INT64_MAX, -1);
    out->timestamp_ms = kca__dead_letter_time(record, KCA__DEAD_LETTER_TIMESTAMP);
    out->group = kca__dead_letter_text(record, KCA__DEAD_LETTER_GROUP);
    out->attempts = (int)kca__dead_letter_decimal(record, KCA__DEAD_LETTER_ATTEMPTS, INT_MAX, 0);
    out->error_name = kca__dead_letter_text(record, KCA__DEAD_LETTER_ERROR_NAME);
    out->error_text = kca__dead_letter_text(record, KCA__DEAD_LETTER_ERROR_TEXT);
    out->time_ms = kca__dead_letter_time(record, KCA__DEAD_LETTER_TIME);
    read_parked(out, record);
}

/* ---- of other houses ---- */

/* Whether our two headers beside Spring's belong to this hop, as when kca wrote the letter. When a
 * dead letter in kca's format failed in Spring, its headers of ours belong to the record. */
static bool has_our_two(const kca__house *h, const kca__record *record) {
    return h->format == KCA__DEAD_LETTER_SPRING && !find(record, KCA__DEAD_LETTER_TOPIC);
}

static int attempts_of(const kca__house *h, const kca__record *record) {
    if (!h->next_attempt)
        return (int)kca__dead_letter_decimal(record, h->attempts, INT_MAX, 0);
    int64_t next = kca__dead_letter_binary(record, h->next_attempt, 4);
    if (next < 0)
        next = kca__dead_letter_binary(record, h->next_attempt, 1);
    return next > 1 ? (int)next - 1 : 0;
}

static void read_house(kca__dead_letter *out, const kca__house *h, const kca__record *record) {
    const char *cause = kca__dead_letter_text(record, h->cause);
    out->topic = kca__dead_letter_name(record, h->topic);
    out->partition = (int)(h->javas ? kca__dead_letter_binary(record, h->partition, 4)
                                    : kca__dead_letter_decimal(record, h->partition, INT_MAX, -1));
    out->offset = h->javas ? kca__dead_letter_binary(record, h->offset, 8)
                           : kca__dead_letter_decimal(record, h->offset, INT64_MAX, -1);
    out->timestamp_ms = kca__dead_letter_binary(record, h->timestamp, 8);
    out->log_append_time =
        strcmp(kca__dead_letter_text(record, h->timestamp_type), "LogAppendTime") == 0;
    out->group = kca__dead_letter_text(record, h->group);
    out->attempts = attempts_of(h, record);
    out->error_name = *cause ? cause : kca__dead_letter_text(record, h->error_name);
    out->error_text = kca__dead_letter_text(record, h->error_text);
    out->time_ms = kca__dead_letter_time(record, h->time);
    if (has_our_two(h, record)) {
        out->attempts =
            (int)kca__dead_letter_decimal(record, KCA__DEAD_LETTER_ATTEMPTS, INT_MAX, 0);
        out->time_ms = kca__dead_letter_time(record, KCA__DEAD_LETTER_TIME);
    }
}

/* ---- the failed record's headers ---- */

enum { ORIGINS = 6 };

static void name_origins(const char *out[ORIGINS], const kca__house *h) {
    const char *const names[ORIGINS] = {h->topic,     h->partition,      h->offset,
                                        h->timestamp, h->timestamp_type, h->group};
    memcpy(out, names, sizeof names);
}

/* One of those that say where it came from; of an earlier hop, too. */
static bool is_origin(const kca__house *h, const char *name) {
    const char *names[ORIGINS];
    name_origins(names, h);
    for (int i = 0; i < ORIGINS; i++)
        if (names[i] && strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_dropped(const kca__house *h, const kca__record *record, const kca__header *header) {
    if (kca__house_drops(h, header->name))
        return true;
    return h->keeps_history && is_origin(h, header->name) && find(record, header->name) == header;
}

/* `h`: NULL for ours. */
static bool take_headers(kca__dead_letter_reading *out, const kca__record *record,
                         const kca__house *h) {
    kca__header *headers = malloc((size_t)record->header_count * sizeof *headers);
    bool drops_ours = !h || has_our_two(h, record);
    int count = 0;
    if (!headers)
        return false;
    for (int i = 0; i < record->header_count; i++) {
        const kca__header *header = &record->headers[i];
        bool ours = drops_ours && kca__dead_letter_is_ours(header->name);
        if (!ours && !(h && is_dropped(h, record, header)))
            headers[count++] = *header;
    }
    out->block = headers;
    out->letter.headers = headers;
    out->letter.header_count = count;
    return true;
}

/* ---- whose it is ---- */

/* Where the house's last header is; -1: nowhere. A group does not count: Spring has it also on
 * records that it will try again. */
static int last_of(const kca__house *h, const kca__record *record) {
    for (int i = record->header_count - 1; i >= 0; i--) {
        const char *name = record->headers[i].name;
        if (kca__house_adds(h, name) ||
            (is_origin(h, name) && !(h->group && strcmp(name, h->group) == 0)))
            return i;
    }
    return -1;
}

static int last_of_ours(const kca__record *record) {
    for (int i = record->header_count - 1; i >= 0; i--)
        if (strcmp(record->headers[i].name, KCA__DEAD_LETTER_TOPIC) == 0)
            return i;
    return -1;
}

/* Whose header is the last that only dead letters have; NULL: ours, or there is none. `is_ours`:
 * there are ours, and no others: some libraries do not keep the order of headers. */
static const kca__house *house_of(bool *is_ours, const kca__record *record) {
    const kca__house *found = NULL;
    int at = last_of_ours(record);
    *is_ours = at >= 0;
    for (const kca__house *h = kca__houses; h->name; h++) {
        if (!kca__house_has_signed(h, record))
            continue;
        int last = last_of(h, record);
        *is_ours = false;
        if (last > at) {
            at = last;
            found = h;
        }
    }
    return found;
}

int kca__dead_letter_read(kca__dead_letter_reading *out, const kca__record *record) {
    kca__dead_letter *d = &out->letter;
    memset(out, 0, sizeof *out);
    const kca__house *house = house_of(&out->is_ours, record);
    d->key = record->key;
    d->key_len = record->key ? record->key_len : 0;
    d->value = record->value;
    d->value_len = record->value ? record->value_len : 0;
    if (house) {
        out->house = house->name;
        read_house(d, house, record);
        return take_headers(out, record, house) ? house->format : KCA__DEAD_LETTER_NO_MEMORY;
    }
    kca__dead_letter_read_ours(d, record);
    const kca__header *payload = find(record, KCA__DEAD_LETTER_PAYLOAD);
    if (payload || last_of_ours(record) < 0) {
        out->house = "gomes";
        return kca__dead_letter_read_gomes(out, record, payload ? payload->value : NULL);
    }
    out->house = "kca";
    return take_headers(out, record, NULL) ? KCA__DEAD_LETTER_KCA : KCA__DEAD_LETTER_NO_MEMORY;
}

void kca__dead_letter_reading_clear(kca__dead_letter_reading *r) {
    free(r->block);
    memset(r, 0, sizeof *r);
}
