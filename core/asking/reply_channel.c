#include "asking/reply_channel.h"

#include "base/error.h"
#include "base/text.h"
#include "base/thread.h"
#include "kafka/record_headers.h"

#include <stdlib.h>

enum { MOST_WAIT_MS = 1000, LOOK_AWAY_MS = 200, HEADERS = 16 };

static void wake(void *user) {
    const kca__reply_channel *r = user;
    rd_kafka_queue_yield(r->records);
}

kca_error *kca__reply_channel_new(kca__reply_channel **out, const char *connection,
                                  const char *channel, kca__log *log, kca__event_queue *queue) {
    *out = NULL;
    kca__reply_channel *r = calloc(1, sizeof *r);
    if (!r)
        return kca__error_memory();
    r->connection = kca__text_copy(connection);
    r->channel = kca__text_copy(channel);
    r->log = log;
    r->queue = queue;
    if (r->channel)
        r->asks = kca__asks_new(r->channel, queue, wake, r);
    if (!r->connection || !r->asks) {
        kca__reply_channel_free(r);
        return kca__error_memory();
    }
    *out = r;
    return NULL;
}

void kca__reply_channel_free(kca__reply_channel *r) {
    if (!r)
        return;
    kca__asks_release(r->asks);
    free(r->connection);
    free(r->channel);
    free(r);
}

/* ---- reading ---- */

static void take_record(kca__reply_channel *r, const rd_kafka_message_t *m) {
    kca__header room[HEADERS];
    rd_kafka_timestamp_type_t type;
    kca__record record = {.key = m->key,
                          .key_len = m->key_len,
                          .value = m->payload,
                          .value_len = m->len,
                          .timestamp_ms = rd_kafka_message_timestamp(m, &type)};
    if (!kca__record_headers(&record.headers, &record.header_count, m, room, HEADERS)) {
        kca__log_write(r->log, KCA_LOG_ERROR, "connection", r->connection,
                       "reply channel %s: no memory for an answer", r->channel);
        return;
    }
    kca__asks_hear_answer(r->asks, &record, kca__clock_unix_ms());
    if (record.headers != room)
        free(record.headers);
}

/* librdkafka tells of it once, and reads again once it is granted. */
static void take_error(kca__reply_channel *r, const rd_kafka_message_t *m) {
    if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        kca__reply_channel_tell(r, kca__reply_channel_unreadable(r, m->err));
    else
        kca__log_write(r->log, KCA_LOG_WARN, "connection", r->connection, "reply channel %s: %s",
                       r->channel, rd_kafka_message_errstr(m));
}

static void take(kca__reply_channel *r, rd_kafka_message_t *m) {
    if (m->err)
        take_error(r, m);
    else
        take_record(r, m);
    rd_kafka_message_destroy(m);
}

static void *read_replies(void *argument) {
    kca__reply_channel *r = argument;
    while (!atomic_load(&r->stopping)) {
        int64_t now = kca__clock_ms();
        if (now >= r->look_ms)
            kca__reply_channel_look(r, kca__clock_deadline(LOOK_AWAY_MS));
        int wait_ms = kca__asks_expire(r->asks, now, MOST_WAIT_MS);
        rd_kafka_message_t *m = rd_kafka_consume_queue(r->records, wait_ms);
        if (m)
            take(r, m);
        rd_kafka_poll(r->reader->rk, 0); /* its errors */
    }
    return NULL;
}

/* ---- life ---- */

static kca_error *open_reader(kca__reply_channel *r, kca_connection *c, const char *who) {
    const char *const properties[][2] = {
        {"enable.auto.commit", "false"},       {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"}, {"allow.auto.create.topics", "false"},
        {"fetch.error.backoff.ms", "100"},     {"queued.max.messages.kbytes", "16384"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(c, conf, false, who);
    if (!e)
        e = kca__property_apply_all(conf, who, properties, sizeof properties / sizeof *properties);
    /* see KCA__QUIRK_FULL_QUEUE_SLEEPS */
    if (!e && kca__property_is_known("fetch.queue.backoff.ms"))
        e = kca__property_apply(conf, who, "fetch.queue.backoff.ms", "2");
    if (e) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    return kca__client_open(&r->reader, RD_KAFKA_CONSUMER, conf, r->channel, who, r->log, NULL);
}

static kca_error *open_all(kca__reply_channel *r, kca_connection *c, const char *who) {
    kca_error *e = open_reader(r, c, who);
    if (e)
        return e;
    r->topic = rd_kafka_topic_new(r->reader->rk, r->channel, NULL);
    if (!r->topic)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s", who,
                              rd_kafka_err2str(rd_kafka_last_error()));
    r->records = rd_kafka_queue_new(r->reader->rk);
    return NULL;
}

kca_error *kca__reply_channel_open(kca__reply_channel *r, kca_connection *c, kca__client *finder,
                                   int64_t deadline) {
    char *who = kca__text_format("reply channel %s", r->channel);
    if (!who)
        return kca__error_memory();
    kca_error *e = open_all(r, c, who);
    r->finder = finder;
    r->partitions = 0;
    r->is_open = r->has_told = false;
    atomic_store(&r->stopping, false);
    kca__asks_begin(r->asks);
    if (!e) {
        kca__reply_channel_look(r, deadline);
        r->has_thread = kca__thread_start(&r->thread, read_replies, r);
        if (!r->has_thread)
            e = kca__error_new(KCA_ERROR_MEMORY, "%s: no thread can be started", who);
    }
    free(who);
    return e;
}

void kca__reply_channel_hurry(kca__reply_channel *r, int64_t until_ms) {
    kca__asks_hurry(r->asks, until_ms);
}

void kca__reply_channel_shut(kca__reply_channel *r) {
    kca__asks_shut(r->asks);
}

static void stop_thread(kca__reply_channel *r) {
    atomic_store(&r->stopping, true);
    rd_kafka_queue_yield(r->records);
    pthread_join(r->thread, NULL);
    r->has_thread = false;
}

void kca__reply_channel_close(kca__reply_channel *r) {
    kca__asks_shut(r->asks);
    if (r->has_thread)
        stop_thread(r);
    for (int i = 0; i < r->partitions; i++)
        rd_kafka_consume_stop(r->topic, i);
    r->partitions = 0;
    if (r->records)
        rd_kafka_queue_destroy(r->records);
    if (r->topic)
        rd_kafka_topic_destroy(r->topic);
    kca__client_close(r->reader);
    r->records = NULL;
    r->topic = NULL;
    r->reader = NULL;
}
