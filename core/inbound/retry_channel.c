#include "inbound/retry_channel.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "dead_letter/retry_record.h"
#include "inbound/dead_letter_channel.h"
#include "kafka/kafka_error.h"
#include "kafka/record_headers.h"
#include "message/record_size.h"

#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_WAIT_MS = 86400000, /* as long as retry_delay_ms may be */
    MOST_ATTEMPTS = 1000000     /* as many as max_attempts may be */
};

/* ---- reading ---- */

/* One that claims to be of the future is of now. */
static int64_t wait_ms(int64_t due_ms, int64_t written_ms) {
    int64_t now_ms = kca__clock_unix_ms();
    int64_t last_ms = (written_ms < now_ms ? written_ms : now_ms) + LONGEST_WAIT_MS;
    if (due_ms > last_ms)
        due_ms = last_ms;
    return due_ms > now_ms ? due_ms - now_ms + 1 : 0; /* clocks of whole milliseconds */
}

/* Several groups may have named one channel; a stranger's record is nobody's retry here. Told once,
 * by the one thread that fetches. */
static void pass_over(kca__inbound *in, kca__inbound_record *r, const char *group) {
    r->is_of_others = true;
    if (in->told_of_others)
        return;
    in->told_of_others = true;
    kca_error *e =
        kca__error_new(KCA_ERROR_ARGUMENT,
                       "consumer %s: retry_channel %s has records of group %.249s, which "
                       "are passed over: each group needs channels of its own",
                       in->options->name, r->topic, group);
    kca__engine_fault(in->engine, e, r->topic, r->partition, r->offset);
}

/* Without memory for its headers it comes now, as the first attempt after those that its channel
 * tells of. */
void kca__retry_channel_look(kca__inbound *in, kca__inbound_record *r) {
    int channel = kca__consumer_builder_retry_channel(in->options, r->topic);
    kca__header room[KCA__DELIVERY_HEADERS];
    kca__header *headers;
    int count;
    if (channel < 0)
        return;
    kca__retry_record told = {.due_ms = -1, .group = ""};
    if (kca__record_headers(&headers, &count, r->record, room, KCA__DELIVERY_HEADERS)) {
        kca__retry_record_read(&told, headers, count);
        if (headers != room)
            free(headers);
    }
    if (*told.group && strcmp(told.group, kca__consumer_builder_group(in->options)) != 0) {
        pass_over(in, r, told.group);
        return;
    }
    r->delay_ms = wait_ms(told.due_ms, rd_kafka_message_timestamp(r->record, NULL));
    r->attempts = told.attempts > channel ? told.attempts : channel + 1;
    if (r->attempts > MOST_ATTEMPTS)
        r->attempts = MOST_ATTEMPTS;
}

/* Letters lead a redrive to where they came from: only to what the consumer reads. */
static bool is_declared(const kca__inbound *in, const char *topic) {
    for (int i = 0; i < in->options->declared_topics; i++)
        if (strcmp(in->options->topics[i], topic) == 0)
            return true;
    return false;
}

void kca__retry_channel_trace_back(const kca__inbound *in, kca__dead_letter *letter,
                                   kca__header *headers) {
    kca__retry_record told;
    if (kca__consumer_builder_retry_channel(in->options, letter->topic) < 0)
        return;
    kca__retry_record_read(&told, headers, letter->header_count);
    if (is_declared(in, told.topic)) {
        letter->topic = told.topic;
        letter->partition = told.partition;
        letter->offset = told.offset;
        letter->timestamp_ms = told.timestamp_ms;
        letter->log_append_time = told.log_append_time;
    }
    letter->header_count = kca__retry_record_strip(headers, letter->header_count);
}

/* ---- what is not stored ---- */

kca_error *kca__retry_channel_explain(const kca__inbound *in, const kca__topic_partition *tp,
                                      int64_t offset, const char *channel, kca_error *refusal) {
    kca_error *e = kca__error_from_kafka(
        refusal->code, refusal->rdkafka_code, 0,
        "consumer %s: the record at %s[%d] offset %lld failed, and its retry channel %s refuses "
        "it: it is not tried again: %s",
        in->options->name, tp->topic, tp->number, (long long)offset, channel, refusal->text);
    kca__error_free(refusal);
    return e;
}

static const char *channel_of(const kca__inbound *in, const kca_delivery *d) {
    return in->options->retry_channel.items[d->attempt - 1];
}

void kca__retry_channel_not_stored(const kca__inbound *in, kca_delivery *d, kca_error *error,
                                   bool certain) {
    kca__refusal refusal = kca__error_refusal(error->rdkafka_code);
    if (refusal == KCA__REFUSAL_NONE) {
        kca__engine_letter_failed(d, error);
    } else if (refusal == KCA__REFUSAL_RECORD && !certain) {
        d->letter.alone = true;
        kca__error_free(error);
        kca__engine_letter_postponed(d, 0);
    } else if (error->code == KCA_ERROR_TOO_LARGE && !d->letter.trimmed) {
        d->letter.trimmed = true;
        kca__error_free(error);
        kca__engine_letter_postponed(d, 0);
    } else {
        kca__engine_letter_refused(d,
                                   kca__retry_channel_explain(in, d->assigned->topic_partition,
                                                              d->offset, channel_of(in, d), error));
    }
}

/* ---- writing ---- */

/* The publisher's answer. */
static void on_written(void *user, kca_error *error) {
    kca_delivery *d = user;
    if (error)
        kca__retry_channel_not_stored(kca__engine_owner(d->engine), d, error, d->letter.alone);
    else
        kca__engine_letter_stored(d);
}

/* With the next transaction, and so with the offset. */
static kca_error *hold(kca__transaction *t, kca_delivery *d, kca__publisher *channel,
                       const kca__record *record, int partition) {
    const rd_kafka_message_t *m = d->record;
    kca_error *e = kca__transaction_check_size(t, channel, channel->options->topic, record);
    if (e)
        return e;
    kca__held_record *held = kca__held_record_new(channel->options->topic, record);
    if (!held)
        return kca__error_memory();
    held->channel = channel;
    held->partition = partition;
    held->kind = KCA__HELD_RETRY;
    held->letter = (kca__held_letter){
        .trimmed = d->letter.trimmed,
        .name = d->failure_name ? kca__text_copy(d->failure_name) : NULL,
        .text = d->failure_text ? kca__text_copy(d->failure_text) : NULL,
        .cause_bytes = kca__record_size_bare(m->key_len, m->len) + kca__record_headers_size(m)};
    kca__list_add(&d->published, &held->link);
    kca__engine_letter_stored(d);
    return NULL;
}

/* A consumer of one partition reads no other one of its retry channels either. */
static kca_error *give(kca__inbound *in, kca_delivery *d, const kca__record *record) {
    kca__publisher *channel = kca__inbound_find_publisher(in, channel_of(in, d));
    int partition = in->options->partition < 0 ? -1 : in->options->partition;
    if (in->transaction)
        return hold(in->transaction, d, channel, record, partition);
    if (!d->letter.alone)
        return kca__publisher_write(channel, record, partition, on_written, d);
    kca__publisher *alone;
    kca_error *e = kca__lone_publishers_find(&alone, &in->alone, channel);
    return e ? e : kca__publisher_write(alone, record, partition, on_written, d);
}

kca_error *kca__retry_channel_write(kca__inbound *in, kca_delivery *d) {
    kca__header *headers;
    int count;
    if (!kca__record_headers(&headers, &count, d->record, NULL, 0))
        return kca__error_memory();
    kca__retry_plan plan = kca__consumer_builder_retry(in->options);
    kca__dead_letter letter = kca__dead_letter_channel_letter(in, d, headers, count);
    kca__dead_letter_record written;
    kca_error *e;
    if (kca__retry_record_write(&written, &letter,
                                d->failed_ms + kca__retry_delay_ms(&plan, d->attempt, 0),
                                kca__consumer_builder_dead_letter(in->options))) {
        e = give(in, d, &written.record);
        kca__dead_letter_record_clear(&written);
    } else {
        e = kca__error_memory();
    }
    free(headers);
    return e;
}
