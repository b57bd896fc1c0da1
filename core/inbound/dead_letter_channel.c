#include "inbound/dead_letter_channel.h"

#include "base/error.h"
#include "base/text.h"
#include "dead_letter/dead_letter.h"
#include "inbound/relay.h"
#include "inbound/retry_channel.h"
#include "kafka/kafka_error.h"
#include "kafka/record_headers.h"
#include "message/record_size.h"

#include <stdlib.h>

enum {
    MOST_AT_ONCE = 256, /* then the poller sees to the rest of its work */
    NO_ROOM_PAUSE_MS = 20
};

static kca__dead_letter_kind kind_of(const kca_delivery *d) {
    return d->parked == KCA__PARKED_FOLLOWS ? KCA__DEAD_LETTER_FOLLOWS
           : d->parked == KCA__PARKED_AGAIN ? KCA__DEAD_LETTER_REPEATED
                                            : KCA__DEAD_LETTER_FAILED;
}

kca__dead_letter kca__dead_letter_channel_letter(const kca__inbound *in, const kca_delivery *d,
                                                 kca__header *headers, int header_count) {
    const rd_kafka_message_t *m = d->record;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type);
    kca__dead_letter letter = {
        .key = m->key,
        .key_len = m->key_len,
        .value = m->payload,
        .value_len = m->len,
        .headers = headers,
        .header_count = header_count,
        .topic = d->assigned->topic_partition->topic,
        .partition = d->assigned->topic_partition->number,
        .offset = d->offset,
        .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp_ms,
        .log_append_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME,
        .group = kca__consumer_builder_group(in->options),
        .attempts = d->attempt,
        .error_name = d->failure_name ? d->failure_name : "handler",
        .error_text = d->failure_text ? d->failure_text : "no reason given",
        .time_ms = d->failed_ms,
        .kind = kind_of(d),
        .place = d->place,
        .trimmed = d->letter.trimmed,
    };
    kca__retry_channel_trace_back(in, &letter, headers);
    return letter;
}

/* ---- what is not stored ---- */

kca_error *kca__dead_letter_channel_explain(const kca__inbound *in, const kca__topic_partition *tp,
                                            int64_t offset, const kca__held_letter *letter,
                                            kca_error *refusal) {
    kca_error *e = kca__error_from_kafka(
        refusal->code, refusal->rdkafka_code, 0,
        "consumer %s: the record at %s[%d] offset %lld, of %zu bytes, failed (%s%s%s), and its "
        "dead letter cannot be stored%s: %s",
        in->options->name, tp->topic, tp->number, (long long)offset, letter->cause_bytes,
        letter->name ? letter->name : "", letter->name ? ": " : "",
        letter->text ? letter->text : "no reason given",
        letter->trimmed ? ", not even trimmed" : "", refusal->text);
    kca__error_free(refusal);
    return e;
}

/* Its texts are the delivery's. */
static kca__held_letter story_of(const kca_delivery *d) {
    const rd_kafka_message_t *m = d->record;
    return (kca__held_letter){
        .trimmed = d->letter.trimmed,
        .name = d->failure_name,
        .text = d->failure_text,
        .cause_bytes = kca__record_size_bare(m->key_len, m->len) + kca__record_headers_size(m),
    };
}

static kca_error *explain(const kca__inbound *in, const kca_delivery *d, kca_error *refusal) {
    kca__held_letter story = story_of(d);
    return kca__dead_letter_channel_explain(in, d->assigned->topic_partition, d->offset, &story,
                                            refusal);
}

/* `certain`: it was refused for itself. Takes `error`; the delivery is the engine's then. */
static void is_not_stored(kca__inbound *in, kca_delivery *d, kca_error *error, bool certain) {
    kca__refusal refusal = kca__error_refusal(error->rdkafka_code);
    if (refusal == KCA__REFUSAL_NONE) {
        kca__engine_letter_failed(d, error);
        return;
    }
    bool alone = refusal == KCA__REFUSAL_RECORD && !certain;
    bool trimmed = !alone && error->code == KCA_ERROR_TOO_LARGE && !d->letter.trimmed;
    if (!alone && !trimmed) {
        kca__engine_letter_refused(d, explain(in, d, error));
        return;
    }
    d->letter.alone |= alone;
    d->letter.trimmed |= trimmed;
    kca__error_free(error);
    kca__engine_letter_postponed(d, 0);
}

/* ---- writing ---- */

/* The publisher's answer. */
static void on_written(void *user, kca_error *error) {
    kca_delivery *d = user;
    if (error)
        is_not_stored(kca__engine_owner(d->engine), d, error, d->letter.alone);
    else
        kca__engine_letter_stored(d);
}

/* With the next transaction, and so with the offset. One that is too large for its channel must not
 * get there: all that is in it would be aborted. */
static kca_error *hold(kca__transaction *t, kca_delivery *d, kca__publisher *channel,
                       const kca__record *letter) {
    kca_error *e = kca__transaction_check_size(t, channel, channel->options->topic, letter);
    if (e)
        return e;
    kca__held_record *record = kca__held_record_new(channel->options->topic, letter);
    if (!record)
        return kca__error_memory();
    record->channel = channel;
    record->kind = KCA__HELD_LETTER;
    record->letter = story_of(d);
    record->letter.name = d->failure_name ? kca__text_copy(d->failure_name) : NULL;
    record->letter.text = d->failure_text ? kca__text_copy(d->failure_text) : NULL;
    kca__list_add(&d->published, &record->link);
    kca__engine_letter_stored(d);
    return NULL;
}

static kca_error *give(kca__inbound *in, kca_delivery *d, const kca__record *letter) {
    kca__publisher *channel = in->setup.dead_letters;
    if (in->transaction)
        return hold(in->transaction, d, channel, letter);
    if (!d->letter.alone)
        return kca__publisher_write(channel, letter, -1, on_written, d);
    kca__publisher *alone;
    kca_error *e = kca__lone_publishers_find(&alone, &in->alone, channel);
    return e ? e : kca__publisher_write(alone, letter, -1, on_written, d);
}

static kca_error *write_letter(kca__inbound *in, kca_delivery *d) {
    kca__header *headers;
    int count;
    if (!kca__record_headers(&headers, &count, d->record, NULL, 0))
        return kca__error_memory();
    kca__dead_letter letter = kca__dead_letter_channel_letter(in, d, headers, count);
    kca__dead_letter_record written;
    kca_error *e = NULL;
    if (!kca__dead_letter_write(&written, &letter, kca__consumer_builder_dead_letter(in->options),
                                in->setup.dead_letters->options->topic)) {
        e = kca__error_memory();
    } else {
        e = give(in, d, &written.record);
        kca__dead_letter_record_clear(&written);
    }
    free(headers);
    return e;
}

/* A channel without room keeps no other one's back. */
static void send_one(kca__inbound *in, kca_delivery *d) {
    kca__fate kind = d->fate;
    kca_error *e = kind == KCA__FATE_REPLY           ? kca__replies_write(in, d)
                   : kind == KCA__FATE_RETRY_CHANNEL ? kca__retry_channel_write(in, d)
                   : kind == KCA__FATE_RELAY         ? kca__relay_write(in, d)
                                                     : write_letter(in, d);
    if (!e)
        return;
    if (e->code == KCA_ERROR_BUFFER_FULL) {
        kca__error_free(e);
        kca__engine_letter_postponed(d, NO_ROOM_PAUSE_MS);
    } else if (kind == KCA__FATE_REPLY) {
        kca__replies_not_stored(d, e, true);
    } else if (kind == KCA__FATE_RETRY_CHANNEL) {
        kca__retry_channel_not_stored(in, d, e, true);
    } else if (kind == KCA__FATE_RELAY) {
        kca__relay_not_stored(d, e, true);
    } else {
        is_not_stored(in, d, e, true);
    }
}

bool kca__dead_letter_channel_send(kca__inbound *in) {
    int left = MOST_AT_ONCE;
    kca_delivery *d;
    while (left > 0 && (d = kca__engine_take_condemned(in->engine))) {
        send_one(in, d);
        left--;
    }
    return left == 0;
}

void kca__dead_letter_channel_close(kca__inbound *in, int64_t deadline) {
    kca__lone_publishers_close(&in->alone, deadline);
}
