#include "inbound/fetch.h"

#include "inbound/group_refusal.h"
#include "inbound/relay.h"
#include "inbound/retry_channel.h"
#include "kafka/kafka_error.h"

#include <stdlib.h>

enum { NUDGE_BYTES = 2 * 1024 * 1024 }; /* half of LEAST_QUEUED_KBYTES, see consumer_builder.c */

static int code_of(rd_kafka_resp_err_t err) {
    return err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
                   err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
               ? KCA_ERROR_AUTHORIZATION
               : KCA_ERROR_BROKER;
}

/* Something that stands in the way of a topic or the group, but not of the process: told, and
 * librdkafka goes on. */
static void tell(kca__inbound *in, const rd_kafka_message_t *m) {
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "";
    char *why = *topic ? NULL : kca__group_explain(in, m->err);
    kca_error *e = kca__error_from_kafka(
        code_of(m->err), m->err, 0, "consumer %s: %s%s%s: %s", in->options->name, topic,
        *topic ? ": " : "", rd_kafka_err2name(m->err), why ? why : rd_kafka_message_errstr(m));
    free(why);
    kca__log_write(in->log, KCA_LOG_ERROR, "consumer", in->options->name, "%s", e->text);
    kca__engine_fault(in->engine, e, topic, m->rkt ? m->partition : -1, -1);
}

static void tell_end(kca__inbound *in, const rd_kafka_message_t *m) {
    kca__engine_note(in->engine, kca__event_new_end(in->options->name, rd_kafka_topic_name(m->rkt),
                                                    m->partition, m->offset));
}

static void end_by(kca__inbound *in, rd_kafka_resp_err_t err, const char *reason) {
    kca_error *e = kca__error_from_kafka(code_of(err), err, KCA__FATAL, "consumer %s: %s: %s",
                                         in->options->name, rd_kafka_err2name(err), reason);
    kca__engine_fail(in->engine, e);
}

static void end_by_fatal_error(kca__inbound *in) {
    char reason[512];
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(in->client->rk, reason, sizeof reason);
    char *why = kca__group_explain(in, err);
    end_by(in, err, why ? why : reason);
    free(why);
}

void kca__fetch_take_error(kca__inbound *in, const rd_kafka_message_t *m) {
    switch (m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        /* Not through the fetch queue: the engine does not know of it, so nothing after it may
         * count. */
        end_by(in, m->err, "a record came past its partition's queue");
        return;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (in->tells_end)
            tell_end(in, m);
        return;
    case RD_KAFKA_RESP_ERR__FATAL:
        end_by_fatal_error(in);
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        atomic_store(&in->topic_unknown, true);
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name, "%s: waiting for it",
                       rd_kafka_message_errstr(m));
        return;
    default:
        tell(in, m);
    }
}

/*
 * KCA__QUIRK_FULL_QUEUE_SLEEPS: librdkafka stops fetching a partition whose bounded queue is full,
 * and looks again only when its broker thread wakes, once a second: a consumer faster than that
 * stands still meanwhile (8,000 records a second instead of a million). A look-up of offsets that
 * nobody waits for wakes that thread.
 */
void kca__fetch_nudge(kca__inbound *in) {
    rd_kafka_topic_partition_list_t *partitions;
    if (!in->needs_nudges)
        return;
    if (rd_kafka_assignment(in->client->rk, &partitions) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    if (partitions->cnt > 0)
        rd_kafka_offsets_for_times(in->client->rk, partitions, 0);
    rd_kafka_topic_partition_list_destroy(partitions);
}

/* When half of the queue has been taken since the last time, and less than half is left. */
static void nudge_when_low(kca__inbound *in) {
    int low = in->options->queue_capacity / 2;
    if (!in->needs_nudges || (in->taken < low && in->taken_bytes < NUDGE_BYTES) ||
        rd_kafka_queue_length(in->fetch_queue) > (size_t)low)
        return;
    in->taken = 0;
    in->taken_bytes = 0;
    kca__fetch_nudge(in);
}

static void count_taken(kca__inbound *in, const rd_kafka_message_t *m) {
    in->taken++;
    in->taken_bytes += (int64_t)m->len;
}

/* A record that claims to be of the future is of now. */
static int64_t delay_left_ms(const kca__inbound *in, const rd_kafka_message_t *m) {
    int delay_ms = in->options->delay_ms;
    if (delay_ms == 0)
        return 0;
    int64_t age_ms = kca__clock_unix_ms() - rd_kafka_message_timestamp(m, NULL);
    return age_ms < 0 ? delay_ms : age_ms < delay_ms ? delay_ms - age_ms : 0;
}

/* One by one, see KCA__QUIRK_BATCH_SKIPS. An end of partition comes after the records before it. */
int kca__fetch(kca__inbound *in, kca__inbound_record *out, int max, int timeout_ms) {
    int count = 0;
    nudge_when_low(in);
    while (count < max) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(in->fetch_queue, count ? 0 : timeout_ms);
        if (!m)
            break;
        bool is_end = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (m->err)
            kca__fetch_take_error(in, m);
        if (m->err && !is_end) {
            rd_kafka_message_destroy(m);
            continue;
        }
        if (!is_end)
            count_taken(in, m);
        int64_t reset_from =
            kca__offset_resets_take(&in->client->resets, rd_kafka_topic_name(m->rkt), m->partition);
        out[count++] = (kca__inbound_record){.record = m,
                                             .topic = rd_kafka_topic_name(m->rkt),
                                             .partition = m->partition,
                                             .offset = m->offset,
                                             .is_end = is_end,
                                             .was_reset = reset_from >= 0,
                                             .reset_from = reset_from,
                                             .key = m->key,
                                             .key_len = m->key_len,
                                             .delay_ms = is_end ? 0 : delay_left_ms(in, m),
                                             .batch = is_end ? 0 : kca__inbound_batch_of(in, m)};
        if (in->options->retry_channel.count > 0 && !is_end)
            kca__retry_channel_look(in, &out[count - 1]);
        if (in->options->relay && !is_end)
            kca__relay_look(in, &out[count - 1]);
    }
    return count;
}
