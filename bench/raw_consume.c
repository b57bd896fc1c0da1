/*
 * The consumer to compare with: one loop over rd_kafka_consumer_poll that reads every header.
 *
 * A member of a group; offsets are committed by librdkafka each 5 s, asynchronously. The measured
 * part runs from the first message to the last, so that joining the group is not in it.
 *
 * Its fetch queue is bounded, and a bounded queue has a trap: when it has been full, librdkafka
 * looks again only after a second, and until 2.2 nothing can be set about it; the loop then gets
 * 8,000 messages/s. A newer one gets fetch.queue.backoff.ms. An older one is nudged when the queue
 * runs low: any request to a broker wakes the thread that fetches from it, and a look-up of offsets
 * that does not wait for its answer is the cheapest that goes to the brokers concerned.
 */
#include "measure.h"
#include "raw_client.h"
#include "workload.h"

#include <stdio.h>
#include <unistd.h>

enum { NUDGE_EVERY = 1000, NUDGE_BELOW = 4000 }; /* messages; in the queue */

typedef struct raw_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    bool nudge;
} raw_consumer;

/* Whether this librdkafka can be told how soon to fetch again. */
static bool set_fetch_backoff(rd_kafka_conf_t *conf) {
    return rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "1", NULL, 0) == RD_KAFKA_CONF_OK;
}

static void subscribe(rd_kafka_t *rk, const char *topic) {
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err)
        die("subscribe to %s: %s", topic, rd_kafka_err2str(err));
}

static void raw_consumer_open(raw_consumer *c, const options *o) {
    rd_kafka_conf_t *conf = raw_conf_new(o);
    raw_conf_set(conf, "group.id", o->group);
    raw_conf_set(conf, "auto.offset.reset", "earliest");
    raw_conf_set(conf, "enable.auto.commit", "true");
    raw_conf_set(conf, "auto.commit.interval.ms", "5000");
    if (!o->default_queues) {
        raw_conf_set_number(conf, "queued.min.messages", WORKLOAD_FETCH_MESSAGES);
        raw_conf_set_number(conf, "queued.max.messages.kbytes", 4096);
        c->nudge = !set_fetch_backoff(conf);
    }
    c->rk = raw_client_new(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    subscribe(c->rk, o->topic);
}

static void raw_consumer_close(raw_consumer *c) {
    rd_kafka_consumer_close(c->rk);
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_destroy(c->rk);
}

/* Wakes the threads that fetch; the answer is of no interest. */
static void nudge(rd_kafka_t *rk) {
    rd_kafka_topic_partition_list_t *partitions;
    if (rd_kafka_assignment(rk, &partitions))
        return;
    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    (void)rd_kafka_offsets_for_times(rk, partitions, 0);
    rd_kafka_topic_partition_list_destroy(partitions);
}

/* What a program does with headers at the least: looks at each. The sum keeps the compiler honest.
 */
static size_t read_headers(const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    size_t total = 0;
    if (rd_kafka_message_headers(message, &headers))
        return 0;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
        total += size;
    return total;
}

static rd_kafka_message_t *next_message(rd_kafka_t *rk) {
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 1000);
        if (!message)
            continue;
        if (!message->err)
            return message;
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            (void)fprintf(stderr, "raw_consume: %s\n", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
}

static size_t take_one(raw_consumer *c, long slow_us) {
    rd_kafka_message_t *message = next_message(c->rk);
    size_t bytes = message->len + read_headers(message);
    rd_kafka_message_destroy(message);
    if (slow_us)
        (void)usleep((useconds_t)slow_us);
    return bytes;
}

static size_t take_all(raw_consumer *c, const options *o) {
    size_t bytes = 0;
    for (long i = 1; i <= o->messages; i++) {
        bytes += take_one(c, o->slow_us);
        if (c->nudge && i % NUDGE_EVERY == 0 && rd_kafka_queue_length(c->queue) < NUDGE_BELOW)
            nudge(c->rk);
    }
    return bytes;
}

int main(int argc, char **argv) {
    options o;
    raw_consumer c = {0};
    measure m = {0};
    options_parse(&o, argc, argv);
    raw_consumer_open(&c, &o);
    (void)take_one(&c, 0);
    measure_start(&m);
    size_t bytes = take_all(&c, &o);
    measure_stop(&m);
    if (bytes < (size_t)o.messages * workload_payload_size)
        die("raw_consume: %zu bytes are too few for %ld messages", bytes, o.messages);
    measure_print(&m, "raw_consume", rd_kafka_version_str(), o.messages);
    raw_consumer_close(&c);
    return 0;
}
