#include "inbound/dead_letter_channel.h"

#include "base/error.h"
#include "dead_letter/dead_letter.h"
#include "kafka/record_headers.h"

#include <stdlib.h>

enum { NO_ROOM_PAUSE_MS = 20 };

static kca__dead_letter letter_of(const kca__inbound *in, const kca_delivery *d,
                                  const kca__header *headers, int header_count) {
    const rd_kafka_message_t *m = d->record;
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(m, &type);
    return (kca__dead_letter){
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
    };
}

/* The publisher's answer. */
static void on_written(void *user, kca_error *error) {
    if (error)
        kca__engine_letter_failed(user, error);
    else
        kca__engine_letter_stored(user);
}

/* With the next transaction, and so with the offset. One that is too large for its channel must not
 * get there: all that is in it would be aborted. */
static kca_error *hold(kca_delivery *d, const kca__publisher *channel, const kca__record *letter) {
    size_t bytes = letter->key_len + letter->value_len;
    if (bytes > (size_t)channel->options->batch_bytes)
        return kca__publisher_too_large(channel, bytes);
    kca__held_record *record = kca__held_record_new(channel->options->topic, letter);
    if (!record)
        return kca__error_memory();
    kca__list_add(&d->published, &record->link);
    kca__engine_letter_stored(d);
    return NULL;
}

static kca_error *write_letter(kca__inbound *in, kca_delivery *d) {
    kca__publisher *channel = in->setup.dead_letters;
    kca__header *headers;
    int count;
    if (!kca__record_headers(&headers, &count, d->record, NULL, 0))
        return kca__error_memory();
    kca__dead_letter letter = letter_of(in, d, headers, count);
    kca__dead_letter_record written;
    kca_error *e = NULL;
    if (!kca__dead_letter_write(&written, &letter, kca__consumer_builder_dead_letter(in->options),
                                channel->options->topic)) {
        e = kca__error_memory();
    } else {
        e = in->transaction ? hold(d, channel, &written.record)
                            : kca__publisher_write(channel, &written.record, on_written, d);
        kca__dead_letter_record_clear(&written);
    }
    free(headers);
    return e;
}

void kca__dead_letter_channel_send(kca__inbound *in) {
    kca_delivery *d;
    while ((d = kca__engine_take_condemned(in->engine))) {
        kca_error *e = write_letter(in, d);
        if (!e)
            continue;
        if (e->code != KCA_ERROR_BUFFER_FULL) {
            kca__engine_letter_failed(d, e);
            continue;
        }
        kca__error_free(e);
        kca__engine_letter_postponed(d, NO_ROOM_PAUSE_MS);
        return;
    }
}
