#include "raw_consumer.h"

#include "workload.h"

#include <stdio.h>

enum { NUDGE_EVERY = 1000, NUDGE_BELOW = 4000 }; /* messages; in the queue */

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

void raw_consumer_open(raw_consumer *c, const options *o) {
    *c = (raw_consumer){0};
    rd_kafka_conf_t *conf = raw_conf_new(o);
    raw_conf_set(conf, "group.id", o->group);
    raw_conf_set(conf, "auto.offset.reset", "earliest");
    raw_conf_set(conf, "enable.auto.commit", "true");
    raw_conf_set(conf, "auto.commit.interval.ms", "5000");
    raw_conf_set_number(conf, "fetch.wait.max.ms", WORKLOAD_FETCH_WAIT_MS);
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

void raw_consumer_close(raw_consumer *c) {
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

static void nudge_when_low(raw_consumer *c) {
    if (c->nudge && c->taken % NUDGE_EVERY == 0 && rd_kafka_queue_length(c->queue) < NUDGE_BELOW)
        nudge(c->rk);
}

rd_kafka_message_t *raw_consumer_next(raw_consumer *c) {
    c->taken++;
    nudge_when_low(c);
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(c->rk, 1000);
        if (!message)
            continue;
        if (!message->err)
            return message;
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            (void)fprintf(stderr, "raw consumer: %s\n", rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
}
