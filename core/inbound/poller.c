#include "inbound/poller.h"

#include "base/number.h"
#include "inbound/beginnings.h"
#include "inbound/dead_letter_channel.h"
#include "inbound/fetch.h"
#include "inbound/offsets.h"
#include "inbound/rebalance.h"
#include "inbound/remade.h"
#include "inbound/seek.h"
#include "kafka/kafka_error.h"

#include <string.h>

enum {
    TICK_MS = 500,       /* longest sleep: what falls due earlier shortens it, and wakes it */
    DRAIN_TICK_MS = 10,  /* while it stops: the application waits for it */
    STANDING_MS = 1000,  /* between looks at what the frontiers wait for */
    LOOK_MS = 2000,      /* between questions for topics that are not there */
    LONG_LOOK_MS = 5000, /* ... that the cluster has just said it does not have */
    CLOSE_MS = 10000,    /* for the last commit, and for leaving the group, each */
    LEAST_CLOSE_MS =
        3000,          /* ... also when the deadline is over: else what is settled comes again */
    LETTERS_MS = 30000 /* dead letters are waited for this long after the rest has ended */
};

/* A topic that went while it was read is told as trouble of the client, and its partitions stay
 * assigned: when it is made again they would go on in its midst. */
static bool has_lost_topic(kca__inbound *in) {
    char reason[512];
    switch (kca__client_trouble(in->client, reason)) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        kca__client_forget_trouble(in->client);
        return true;
    default:
        return false;
    }
}

static bool has_topic(const struct rd_kafka_metadata *answer, const char *topic) {
    for (int i = 0; i < answer->topic_cnt; i++)
        if (strcmp(answer->topics[i].topic, topic) == 0)
            return !answer->topics[i].err;
    return false;
}

static bool has_all_topics(const kca__inbound *in, const struct rd_kafka_metadata *answer) {
    bool all = true;
    for (int i = 0; i < in->options->topic_count && all; i++)
        all = has_topic(answer, in->options->topics[i]);
    return all;
}

/* librdkafka looks for topics that did not exist, and for those that went, only at its slow
 * refresh; a question for all of them makes it look now, and the group take away what went. */
static void look_for_topics(kca__inbound *in, int64_t now) {
    if (has_lost_topic(in))
        atomic_store(&in->topic_unknown, true);
    if (now < in->next_look_ms || !atomic_exchange(&in->topic_unknown, false))
        return;
    in->next_look_ms = now + LOOK_MS;
    const struct rd_kafka_metadata *answer;
    bool answered =
        rd_kafka_metadata(in->client->rk, 1, NULL, &answer, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!answered || !has_all_topics(in, answer)) { /* librdkafka does not tell of it each time */
        atomic_store(&in->topic_unknown, true);
        in->next_look_ms = now + LONG_LOOK_MS;
    }
    if (answered)
        rd_kafka_metadata_destroy(answer);
}

/* True while the poller has to go on. */
static bool is_needed(kca__inbound *in, bool *draining) {
    kca__engine_rest rest = kca__engine_see_rest(in->engine);
    *draining = rest.stopping;
    if (!rest.stopping)
        return true;
    if (in->stop_ms == 0)
        in->stop_ms = kca__clock_ms();
    bool letters = rest.letters > 0 && kca__clock_ms() < in->stop_ms + LETTERS_MS;
    return (rest.out > 0 || letters) && kca__clock_left_ms(rest.drain_deadline) != 0;
}

static int tick_ms(const kca__inbound *in, bool draining) {
    if (draining)
        return DRAIN_TICK_MS;
    int tick = TICK_MS;
    if (kca__consumer_builder_commits(in->options))
        tick = kca__min_int(tick, kca__consumer_builder_commit_interval_ms(in->options));
    if (in->setup.processing_timeout_ms > 0)
        tick = kca__min_int(tick, in->setup.processing_timeout_ms / 4 + 1);
    return tick;
}

static void poll(kca__inbound *in, int64_t until_ms) {
    int64_t left = until_ms - kca__clock_ms();
    rd_kafka_message_t *m = rd_kafka_consumer_poll(in->client->rk, left > 0 ? (int)left : 0);
    if (m) {
        if (m->rkt && kca__error_is_missing_topic(m->err))
            kca__beginnings_see_missing(in, rd_kafka_topic_name(m->rkt));
        kca__fetch_take_error(in, m);
        rd_kafka_message_destroy(m);
    }
}

/* A transaction that has grown large; not while commits pause after one that was aborted. */
static bool batch_is_due(kca__inbound *in) {
    return in->transaction && in->transaction->aborts == 0 && kca__engine_batch_is_due(in->engine);
}

static void run_once(kca__inbound *in, int timeout_ms) {
    int64_t now = kca__clock_ms();
    int64_t next = kca__engine_see_to_due(in->engine, now, now + timeout_ms);
    bool more_letters = kca__dead_letter_channel_send(in);
    kca__seek_all(in);
    if (in->transaction)
        kca__transaction_serve(in->transaction);
    poll(in, more_letters ? now : next);
    kca__offsets_hear(in);
    now = kca__clock_ms();
    if (now >= in->next_commit_ms || batch_is_due(in)) {
        in->next_commit_ms = now + kca__consumer_builder_commit_interval_ms(in->options);
        kca__offsets_commit(in, 0);
    }
    if (now >= in->next_standing_ms) {
        in->next_standing_ms = now + STANDING_MS;
        kca__engine_see_standings(in->engine, now, kca__inbound_has_come(in));
    }
    look_for_topics(in, now);
    kca__remade_watch(in, now);
}

int64_t kca__inbound_clip_deadline(kca__inbound *in, int64_t end) {
    int64_t stop = kca__engine_drain_deadline(in->engine);
    return stop < end ? stop : end;
}

int kca__inbound_close_timeout_ms(kca__inbound *in) {
    int left = kca__clock_left_ms(kca__engine_drain_deadline(in->engine));
    if (left < 0 || left > CLOSE_MS)
        return CLOSE_MS;
    return left < LEAST_CLOSE_MS ? LEAST_CLOSE_MS : left;
}

/* Leaves the group: librdkafka revokes the partitions on the way, and the rebalance callback
 * commits them. */
static void leave(kca__inbound *in) {
    int patience = kca__inbound_close_timeout_ms(in);
    kca__offsets_commit(in, patience);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(in->client->rk, in->main_queue);
    if (error) {
        kca__log_write(in->log, KCA_LOG_WARN, "consumer", in->options->name,
                       "leaving the group: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return;
    }
    int64_t deadline = kca__clock_deadline(patience);
    while (!rd_kafka_consumer_closed(in->client->rk) && kca__clock_left_ms(deadline) != 0) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(in->client->rk, DRAIN_TICK_MS);
        if (m)
            rd_kafka_message_destroy(m);
    }
}

void *kca__poller_run(void *argument) {
    kca__inbound *in = argument;
    in->next_commit_ms = kca__clock_ms() + kca__consumer_builder_commit_interval_ms(in->options);
    if (!in->transaction || kca__transaction_begin(in->transaction))
        kca__rebalance_begin(in);
    bool draining;
    while (is_needed(in, &draining))
        run_once(in, tick_ms(in, draining));
    kca__watch_remove(in->setup.connection->watch, &in->watched);
    kca__engine_end_drain(in->engine);
    kca__dead_letter_channel_close(in, kca__clock_deadline(0));
    leave(in);
    in->unsettled = kca__engine_shut(in->engine);
    kca__seek_none(in);
    atomic_store(&in->has_left, true);
    return NULL;
}
