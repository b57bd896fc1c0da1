#include "base/utf8.h"
#include "dead_letter/dead_letter_wire.h"

#include <string.h>

static bool is_control(const char *p, size_t len) {
    unsigned char c = (unsigned char)p[0];
    return c < ' ' || c == 0x7f || (len == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0);
}

size_t kca__dead_letter_plain(char out[KCA__DEAD_LETTER_ERROR_MOST + 1], const char *text) {
    size_t len = 0;
    for (const char *p = text ? text : ""; *p;) {
        size_t step = kca__utf8_len(p, p + strnlen(p, 4));
        size_t wide = step > 0 && !is_control(p, step) ? step : 1;
        if (len + wide > KCA__DEAD_LETTER_ERROR_MOST)
            break;
        if (step == 0)
            out[len] = '?';
        else if (is_control(p, step))
            out[len] = ' ';
        else
            memcpy(out + len, p, step);
        len += wide;
        p += step > 0 ? step : 1;
    }
    out[len] = '\0';
    return len;
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

void kca__dead_letter_write_kca(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (!kca__dead_letter_is_ours(h->name))
            kca__draft_add(out, h->name, h->value, h->value_len);
    }
    kca__dead_letter_add_ours(out, d);
}
