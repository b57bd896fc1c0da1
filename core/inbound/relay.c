#include "inbound/relay.h"

#include "base/clock.h"
#include "base/error.h"
#include "kafka/kafka_error.h"
#include "kafka/record_headers.h"
#include "message/postponed.h"
#include "outbound/detour.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_WAIT_MS = 604800000, /* as long as delay_channel_ms may be */
    LOOK_AGAIN_MS = 10000
};

/* ---- when ---- */

/* How long until then, at most `most_ms` after it was written. One that claims to be of the future
 * is of now. */
static int64_t wait_ms(int64_t due_ms, int64_t written_ms, int64_t most_ms) {
    int64_t now_ms = kca__clock_unix_ms();
    int64_t last_ms = (written_ms < now_ms ? written_ms : now_ms) + most_ms;
    if (due_ms > last_ms)
        due_ms = last_ms;
    return due_ms > now_ms ? due_ms - now_ms + 1 : 0; /* clocks of whole milliseconds */
}

/* What a record may say that it waits in this channel: what comes too early waits in another one.
 */
static int64_t most_ms(const kca__publisher *p, const char *channel) {
    for (int i = 0; p && i < p->options->delay_channel.count; i++)
        if (strcmp(p->options->delay_channel.items[i], channel) == 0)
            return p->options->delay_channel_ms.items[i];
    return LONGEST_WAIT_MS;
}

/* Without memory for its headers it is looked at again when it is written. */
void kca__relay_look(const kca__inbound *in, kca__inbound_record *r) {
    kca__header room[KCA__DELIVERY_HEADERS];
    kca__header *headers;
    kca__postponed told;
    int count;
    r->delay_ms = 0;
    if (!kca__record_headers(&headers, &count, r->record, room, KCA__DELIVERY_HEADERS))
        return;
    kca__postponed_read(&told, headers, count);
    /* Where there is no other channel, it waits here. */
    const kca__publisher *p = kca__inbound_find_publisher(in, told.to);
    bool is_last = p && p->options->delay_channel.count == 0;
    r->delay_ms = wait_ms(is_last ? told.at_ms : told.due_ms,
                          rd_kafka_message_timestamp(r->record, NULL), most_ms(p, r->topic));
    if (headers != room)
        free(headers);
}

/* ---- what is not stored ---- */

void kca__relay_not_stored(kca_delivery *d, kca_error *error, bool certain) {
    kca__refusal refusal = kca__error_refusal(error->rdkafka_code);
    if (refusal == KCA__REFUSAL_RECORD && !certain) {
        d->letter.alone = true;
        kca__error_free(error);
        kca__engine_letter_postponed(d, 0);
    } else if (refusal == KCA__REFUSAL_NONE) {
        kca__engine_letter_failed(d, error);
    } else {
        kca__engine_letter_refused(d, error);
    }
}

/* ---- writing ---- */

/* The publisher's answer. */
static void on_written(void *user, kca_error *error) {
    kca_delivery *d = user;
    if (error)
        kca__relay_not_stored(d, error, d->letter.alone);
    else
        kca__engine_letter_stored(d);
}

/* `p`: of the topic that it names; NULL: none. */
static kca_error *why_not(const kca__inbound *in, const kca_delivery *d, const kca__publisher *p,
                          const kca__postponed *told) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    bool is_told = *told->to && told->at_ms >= 0;
    const char *why = !is_told ? "its headers kca-deliver-... do not say where and when"
                      : !p     ? "no publisher is declared for that channel"
                               : "its time is more than a week off, and that channel's publisher "
                                 "has no delay_channel for it to wait in";
    return kca__error_new(
        p ? KCA_ERROR_ARGUMENT : KCA_ERROR_NOT_FOUND,
        "consumer %s: the record at %s[%d] offset %lld cannot be relayed%s%.249s: "
        "%s",
        in->options->name, tp->topic, tp->number, (long long)d->offset, is_told ? " to " : "",
        is_told ? told->to : "", why);
}

/* Always confirmed: one whose publisher asks for no confirmation is written alone. */
static kca_error *give(kca__inbound *in, kca_delivery *d, kca__publisher *p, const char *topic,
                       const kca__record *record, int partition) {
    if (!d->letter.alone && p->options->required_acks != 0)
        return kca__publisher_write_to(p, topic, record, partition, on_written, d);
    kca__publisher *alone;
    kca_error *e = kca__lone_publishers_find(&alone, &in->alone, p);
    return e ? e : kca__publisher_write_to(alone, topic, record, partition, on_written, d);
}

/* To the next channel, `topic`, which it waits in by the headers that are put behind its own, or,
 * with NULL, to the publisher's. `headers` have room for them. */
static kca_error *write_on(kca__inbound *in, kca_delivery *d, kca__publisher *p, const char *topic,
                           const kca__postponed *told, kca__header *headers, int count) {
    const rd_kafka_message_t *m = d->record;
    char room[KCA__POSTPONED_HEADERS][KCA__POSTPONED_NUMBER];
    count = kca__postponed_strip(headers, count);
    if (topic)
        count += kca__postponed_write(headers + count, room, told);
    const kca__record record = {.key = m->key,
                                .key_len = m->key_len,
                                .value = m->payload,
                                .value_len = m->len,
                                .timestamp_ms = topic ? -1 : told->timestamp_ms,
                                .headers = headers,
                                .header_count = count};
    return give(in, d, p, topic, &record, topic ? -1 : told->partition);
}

static kca_error *copy_headers(kca__header **out, int *out_count, const rd_kafka_message_t *m) {
    kca__header *own;
    *out = NULL;
    if (!kca__record_headers(&own, out_count, m, NULL, 0))
        return kca__error_memory();
    *out = realloc(own, ((size_t)*out_count + KCA__POSTPONED_HEADERS) * sizeof *own);
    if (*out)
        return NULL;
    free(own);
    return kca__error_memory();
}

kca_error *kca__relay_write(kca__inbound *in, kca_delivery *d) {
    kca__header *headers;
    int count;
    kca__postponed told;
    kca_error *e = copy_headers(&headers, &count, d->record);
    if (e)
        return e;
    kca__postponed_read(&told, headers, count);
    kca__publisher *p = told.at_ms < 0 ? NULL : kca__inbound_find_publisher(in, told.to);
    kca__rung rung = {-1, 0};
    if (p)
        rung = kca__detour_rung(p, told.at_ms);
    told.due_ms = rung.due_ms;
    int64_t early_ms =
        p && rung.channel < 0
            ? wait_ms(told.at_ms, rd_kafka_message_timestamp(d->record, NULL), LONGEST_WAIT_MS)
            : 0;
    bool is_early = told.at_ms > kca__clock_unix_ms();
    if (early_ms > 0) /* the clock has gone back, or there was no memory to see it before */
        kca__engine_letter_postponed(d, early_ms < LOOK_AGAIN_MS ? (int)early_ms : LOOK_AGAIN_MS);
    else if (p && (rung.channel >= 0 || !is_early))
        e = write_on(in, d, p,
                     rung.channel < 0 ? NULL : p->options->delay_channel.items[rung.channel], &told,
                     headers, count);
    else
        kca__engine_letter_refused(d, why_not(in, d, p, &told));
    free(headers);
    return e;
}
