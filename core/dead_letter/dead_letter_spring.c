#include "dead_letter/dead_letter_wire.h"

/* Adds a number as Java's DataOutput writes it: big-endian, with all bytes of its type. */
static void add_number(kca__dead_letter_draft *out, const char *name, int64_t number, int bytes) {
    char text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (char)((uint64_t)number >> (8 * (bytes - 1 - i)) & 0xff);
    kca__draft_add_copy(out, name, text, (size_t)bytes);
}

/* Writes all original-... headers, also for unknown values: a reader takes the last of each name,
 * which must not be an earlier hop's. */
static void add_originals(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    const char *type = d->timestamp_ms < 0  ? "NoTimestampType"
                       : d->log_append_time ? "LogAppendTime"
                                            : "CreateTime";
    kca__draft_add_text(out, KCA__SPRING_TOPIC, d->topic);
    add_number(out, KCA__SPRING_PARTITION, d->partition, 4);
    add_number(out, KCA__SPRING_OFFSET, d->offset, 8);
    add_number(out, KCA__SPRING_TIMESTAMP, d->timestamp_ms < 0 ? -1 : d->timestamp_ms, 8);
    kca__draft_add_text(out, KCA__SPRING_TIMESTAMP_TYPE, type);
    kca__draft_add_text(out, KCA__SPRING_GROUP, d->group);
}

void kca__dead_letter_write_spring(kca__dead_letter_draft *out, const kca__dead_letter *d) {
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        if (!kca__dead_letter_is_ours(h->name) && !kca__dead_letter_is_springs_last(h->name))
            kca__draft_add(out, h->name, h->value, h->value_len);
    }
    kca__draft_add_number(out, KCA__DEAD_LETTER_ATTEMPTS, d->attempts, 1);
    kca__draft_add_time(out, KCA__DEAD_LETTER_TIME, d->time_ms);
    add_originals(out, d);
    kca__draft_add_error(out, KCA__SPRING_EXCEPTION, d->error_name);
    kca__draft_add_error(out, KCA__SPRING_MESSAGE, d->error_text);
}
