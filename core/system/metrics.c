/* The rows, and the walk over the system's parts. */
#include "system/metrics.h"

#include <stdio.h>

typedef struct connection_numbers {
    int ready;
} connection_numbers;

typedef struct sent_numbers {
    int64_t messages;
} sent_numbers;

/* -1: not known. */
typedef struct partition_numbers {
    int64_t lag, frontier, committed;
    int held, out, parked_keys, paused;
} partition_numbers;

typedef struct consumer_numbers {
    kca__engine_counts counts;
    int ready, processors;
} consumer_numbers;

#define COUNT(part, type, field, name, unit, text)                                                 \
    { name, unit, true, text, KCA__METRIC_OF_##part, offsetof(type, field), true }
#define WIDE(part, type, field, name, unit, text)                                                  \
    { name, unit, false, text, KCA__METRIC_OF_##part, offsetof(type, field), true }
#define GAUGE(part, type, field, name, unit, text)                                                 \
    { name, unit, false, text, KCA__METRIC_OF_##part, offsetof(type, field), false }

#define PUBLISHER(field, name, text)                                                               \
    COUNT(PUBLISHER, kca__in_flight_counts, field, "kca.publisher." name, "{message}", text)
#define CONSUMER(field, name, text)                                                                \
    COUNT(CONSUMER, consumer_numbers, counts.field, "kca.consumer." name, "{message}", text)
#define ASK(field, name, text)                                                                     \
    COUNT(REPLY_CHANNEL, kca__asks_counts, field, "kca.asks." name, "{message}", text)
#define LOCAL(field, text)                                                                         \
    COUNT(LOCALS, kca__local_counts, field, "kca.local." #field, "{message}", text)

const kca__metric kca__metrics[] = {
    GAUGE(CONNECTION, connection_numbers, ready, "kca.connection.ready", "1",
          "1: the cluster answers; 0: it does not, or not yet."),
    COUNT(SENT, sent_numbers, messages, "messaging.client.sent.messages", "{message}",
          "Messages that were sent, and those that could not be, with error_type."),
    PUBLISHER(published, "accepted", "Messages that the publisher accepted."),
    PUBLISHER(stored, "stored", "Accepted messages that the broker confirmed (acks 0: sent)."),
    PUBLISHER(failed, "failed", "Accepted messages that were given up."),
    GAUGE(PUBLISHER, kca__in_flight_counts, unanswered, "kca.publisher.unanswered", "{message}",
          "Accepted messages that are neither stored nor failed yet."),
    GAUGE(PUBLISHER, kca__in_flight_counts, receipts, "kca.publisher.receipts_waiting", "{message}",
          "Receipts that the application has not freed."),
    ASK(asked, "asked", "Messages that were sent for a reply."),
    ASK(answered, "answered", "Asks that ended with a result."),
    ASK(refused, "answered_with_error", "Asks that ended with an error of the answerer."),
    ASK(unsent, "unsent", "Asks that could not be published."),
    ASK(timed_out, "timed_out", "Asks that were not answered in time."),
    ASK(cancelled, "cancelled", "Asks that the application cancelled."),
    ASK(stopped, "stopped", "Asks that ended with the system."),
    ASK(late, "late", "Answers to asks that had ended."),
    GAUGE(REPLY_CHANNEL, kca__asks_counts, waiting, "kca.asks.waiting", "{message}",
          "Asks that wait for their answer."),
    CONSUMER(handled, "handled", "Deliveries that are done."),
    CONSUMER(failed, "failed", "Attempts that failed, those that are tried again included."),
    CONSUMER(rejected, "rejected", "Deliveries that were rejected."),
    CONSUMER(retried, "retried", "Failed attempts that are tried again."),
    CONSUMER(retry_stored, "retry_stored", "Of the retried, confirmed in a retry channel."),
    CONSUMER(timed_out, "timed_out", "Of the failed, those whose processing time was over."),
    CONSUMER(dead_lettered, "dead_lettered", "Dead letters that the broker confirmed."),
    CONSUMER(parked, "parked", "Messages that followed a dead letter of their key."),
    CONSUMER(skipped, "skipped", "Messages that failed for good and were skipped."),
    CONSUMER(duplicates, "duplicates", "Messages that had been handled before."),
    CONSUMER(relayed, "relayed", "Messages that a relay wrote on."),
    CONSUMER(replied, "replied", "Replies that the broker confirmed, errors included."),
    CONSUMER(not_replied, "not_replied", "Replies that were asked for and are not sent."),
    CONSUMER(passed_over, "passed_over", "Messages of other groups in a retry channel."),
    CONSUMER(finished_before, "finished_before", "Messages finished before a restart."),
    GAUGE(CONSUMER, consumer_numbers, counts.held, "kca.consumer.held", "{message}",
          "Deliveries that the consumer has."),
    GAUGE(CONSUMER, consumer_numbers, counts.out, "kca.consumer.in_flight", "{message}",
          "Deliveries that the application has."),
    GAUGE(CONSUMER, consumer_numbers, counts.waiting, "kca.consumer.waiting", "{message}",
          "Deliveries that wait for a retry, a letter or their time."),
    GAUGE(CONSUMER, consumer_numbers, processors, "kca.consumer.processors", "{processor}",
          "Processors of the consumer."),
    GAUGE(CONSUMER, consumer_numbers, ready, "kca.consumer.ready", "1",
          "1: it has joined its group; 0: it has not, or does not run."),
    WIDE(PARTITION, partition_numbers, lag, "kca.partition.lag", "{message}",
         "Offsets from the frontier to the partition's end."),
    WIDE(PARTITION, partition_numbers, frontier, "kca.partition.frontier", "{offset}",
         "The offset below which everything is settled."),
    WIDE(PARTITION, partition_numbers, committed, "kca.partition.committed", "{offset}",
         "The offset that was committed last."),
    GAUGE(PARTITION, partition_numbers, held, "kca.partition.held", "{message}",
          "Deliveries of the partition that the consumer has."),
    GAUGE(PARTITION, partition_numbers, out, "kca.partition.in_flight", "{message}",
          "Deliveries of the partition that the application has."),
    GAUGE(PARTITION, partition_numbers, parked_keys, "kca.partition.parked_keys", "{key}",
          "Keys that are parked."),
    GAUGE(PARTITION, partition_numbers, paused, "kca.partition.paused", "1",
          "1: the partition is paused."),
    LOCAL(handled, "Messages of buses without a channel that are done."),
    LOCAL(failed, "Messages of buses without a channel that failed for good."),
    LOCAL(rejected, "Messages of buses without a channel that were rejected."),
    LOCAL(retried, "Attempts of buses without a channel that were made again."),
    LOCAL(timed_out, "Messages of buses without a channel whose time was over."),
    LOCAL(cancelled, "Messages of buses without a channel that were cancelled."),
    LOCAL(stopped, "Messages of buses without a channel that ended with the system."),
    {NULL, NULL, false, NULL, KCA__METRIC_OF_CONNECTION, 0, false}};

_Static_assert(sizeof kca__metrics / sizeof *kca__metrics <= KCA__METRIC_ROWS, "see the header");

typedef struct walk {
    kca__metric_fn fn;
    void *user;
    const kca_consumer_builder *consumer;
} walk;

static void tell(const walk *w, kca__metric_of of, const void *numbers,
                 const kca__metric_label *labels) {
    for (const kca__metric *row = kca__metrics; row->name; row++) {
        const void *at = (const char *)numbers + row->at;
        if (row->of != of)
            continue;
        int64_t value = row->is_wide ? *(const int64_t *)at : *(const int *)at;
        if (value >= 0)
            w->fn(w->user, row, labels, value);
    }
}

static void walk_connection(const walk *w, const kca_connection *c) {
    kca__state state = kca__watch_look(c->watch, &c->watched);
    connection_numbers n = {state.now == KCA_STATE_CONNECTED};
    tell(w, KCA__METRIC_OF_CONNECTION, &n,
         (kca__metric_label[KCA__METRIC_LABELS]){{"kca.connection", c->name}, {NULL, NULL}});
}

/* OpenTelemetry's own name, with the attributes that its convention requires. */
static void walk_sent(const walk *w, const char *topic, const kca__in_flight_counts *counts) {
    const kca__metric_label labels[KCA__METRIC_LABELS] = {{"messaging.destination.name", topic},
                                                          {"messaging.operation.name", "send"},
                                                          {"messaging.system", "kafka"},
                                                          {"error.type", "_OTHER"},
                                                          {NULL, NULL}};
    kca__metric_label stored[KCA__METRIC_LABELS] = {labels[0], labels[1], labels[2]};
    tell(w, KCA__METRIC_OF_SENT, &(sent_numbers){counts->stored}, stored);
    tell(w, KCA__METRIC_OF_SENT, &(sent_numbers){counts->failed}, labels);
}

static void walk_publisher(const walk *w, const kca__publisher *p) {
    kca__in_flight_counts n = kca__in_flight_count(p->in_flight);
    walk_sent(w, p->options->topic, &n);
    tell(w, KCA__METRIC_OF_PUBLISHER, &n,
         (kca__metric_label[KCA__METRIC_LABELS]){{"messaging.destination.name", p->options->topic},
                                                 {"kca.connection", p->options->connection},
                                                 {NULL, NULL}});
}

static void walk_reply_channel(const walk *w, const kca__reply_channel *r) {
    kca__asks_counts n = kca__asks_count(r->asks);
    tell(w, KCA__METRIC_OF_REPLY_CHANNEL, &n,
         (kca__metric_label[KCA__METRIC_LABELS]){{"messaging.destination.name", r->channel},
                                                 {"kca.connection", r->connection},
                                                 {NULL, NULL}});
}

static void walk_partition(void *user, const kca__partition_look *look, int64_t high) {
    const walk *w = user;
    char number[16];
    bool is_known = high >= 0 && look->frontier >= 0;
    partition_numbers n = {-1,        look->frontier,       look->committed, look->held,
                           look->out, look->parking->count, look->paused};
    if (is_known)
        n.lag = high > look->frontier ? high - look->frontier : 0;
    snprintf(number, sizeof number, "%d", look->partition);
    tell(w, KCA__METRIC_OF_PARTITION, &n,
         (kca__metric_label[KCA__METRIC_LABELS]){{"kca.consumer", w->consumer->name},
                                                 {"messaging.destination.name", look->topic},
                                                 {"messaging.destination.partition.id", number},
                                                 {NULL, NULL}});
}

static void walk_consumer(walk *w, kca__consumer *c) {
    kca__state state = kca__consumer_state(c);
    bool is_ready = state.now == KCA_STATE_JOINED || state.now == KCA_STATE_CONNECTED;
    consumer_numbers n = {kca__consumer_count(c), is_ready, c->processors};
    w->consumer = c->options;
    tell(w, KCA__METRIC_OF_CONSUMER, &n,
         (kca__metric_label[KCA__METRIC_LABELS]){
             {"kca.consumer", c->options->name},
             {"messaging.consumer.group.name", kca__consumer_builder_group(c->options)},
             {"kca.connection", c->options->connection},
             {NULL, NULL}});
    kca__consumer_look(c, walk_partition, w);
}

void kca__metrics_walk(kca__system *s, kca__metric_fn fn, void *user) {
    walk w = {fn, user, NULL};
    /* Only tries the lock: shutdown, which holds it, may wait for the very handler that asks. */
    bool steady = pthread_mutex_trylock(&s->lifecycle_lock) == 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->connection_count && steady && s->started; i++)
        walk_connection(&w, s->connections[i]);
    for (int i = 0; i < s->consumer_count; i++)
        walk_consumer(&w, s->consumers[i]);
    /* After the consumers: what a delivery that counts as done has published is counted. */
    for (int i = 0; i < s->publisher_count; i++)
        walk_publisher(&w, s->publishers[i]);
    for (int i = 0; i < s->reply_channel_count; i++)
        walk_reply_channel(&w, s->reply_channels[i]);
    tell(&w, KCA__METRIC_OF_LOCALS, &s->local_counts,
         (kca__metric_label[KCA__METRIC_LABELS]){{NULL, NULL}});
    pthread_mutex_unlock(&s->lock);
    if (steady)
        pthread_mutex_unlock(&s->lifecycle_lock);
}
