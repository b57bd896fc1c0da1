#include "base/utf8.h"
#include "base/visible.h"
#include "dead_letter/dead_letter_wire.h"

#include <string.h>

size_t kca__dead_letter_plain_bytes(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text,
                                    size_t len) {
    kca__sink shown = {out, 0};
    const char *end = text ? text + len : NULL;
    for (const char *p = text; p < end;) {
        size_t step = kca__utf8_len(p, end);
        size_t taken = step > 0 ? step : 1;
        kca__sink needed = {NULL, 0};
        kca__visible_put(&needed, p, taken);
        if (shown.len + needed.len > KCA__DEAD_LETTER_ERROR_MOST)
            break;
        kca__visible_put(&shown, p, taken);
        p += taken;
    }
    out[shown.len] = '\0';
    return shown.len;
}

size_t kca__dead_letter_plain(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text) {
    return kca__dead_letter_plain_bytes(out, text, text ? strlen(text) : 0);
}

void kca__dead_letter_add_ours(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    kca__draft_add_text(out, KCA__DEAD_LETTER_TOPIC, d->topic);
    kca__draft_add_number(out, KCA__DEAD_LETTER_PARTITION, d->partition, 0);
    kca__draft_add_number(out, KCA__DEAD_LETTER_OFFSET, d->offset, 0);
    kca__draft_add_time(out, KCA__DEAD_LETTER_TIMESTAMP, d->timestamp_ms);
    kca__draft_add_known(out, KCA__DEAD_LETTER_GROUP, d->group);
    kca__draft_add_number(out, KCA__DEAD_LETTER_ATTEMPTS, d->attempts, 1);
    kca__draft_add_error(out, KCA__DEAD_LETTER_ERROR_NAME, d->error_name);
    /* A trimmed one has its text, and its time, in Gomes' envelope only. */
    if (!d->trimmed) {
        kca__draft_add_error(out, KCA__DEAD_LETTER_ERROR_TEXT, d->error_text);
        kca__draft_add_time(out, KCA__DEAD_LETTER_TIME, d->time_ms);
    }
}

/* A trimmed one keeps its place: without it the line would stand still. */
static void add_parked(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    static const char *const kinds[] = {
        NULL, [KCA__DEAD_LETTER_FOLLOWS] = "follows", [KCA__DEAD_LETTER_REPEATED] = "repeated"};
    kca__draft_add_known(out, KCA__DEAD_LETTER_PARKED, kinds[d->kind]);
    if (!d->place.in_line)
        return;
    kca__draft_add_number(out, KCA__DEAD_LETTER_WAITS_FOR, d->place.waits_for, 0);
    kca__draft_add_number(out, KCA__DEAD_LETTER_BEHIND, d->place.behind, 0);
    kca__draft_add_number(out, KCA__DEAD_LETTER_AT, d->place.at, 0);
}

void kca__dead_letter_write_kca(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (!kca__dead_letter_is_ours(h->name))
            kca__draft_add(out, h->name, h->value, h->value_len);
    }
    kca__dead_letter_add_ours(out, d);
    add_parked(out, d);
}
