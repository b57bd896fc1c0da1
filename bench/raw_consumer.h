/*
 * The consumer to compare with: one loop over rd_kafka_consumer_poll.
 *
 * A member of a group; offsets are committed by librdkafka each 5 s, asynchronously. The fetch
 * queue is bounded, and a bounded queue has a trap: when it has been full, librdkafka looks again
 * only after a second, and until 2.2 nothing can be set about it; the loop then gets
 * 8,000 messages/s. A newer one gets fetch.queue.backoff.ms. An older one is nudged when the queue
 * runs low: any request to a broker wakes the thread that fetches from it, and a look-up of offsets
 * that does not wait for its answer is the cheapest that goes to the brokers concerned.
 */
#ifndef BENCH_RAW_CONSUMER_H
#define BENCH_RAW_CONSUMER_H

#include "raw_client.h"

typedef struct raw_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    bool nudge;
    long taken;
} raw_consumer;

void raw_consumer_open(raw_consumer *c, const options *o);
void raw_consumer_close(raw_consumer *c);

/* The next message, waited for; the caller destroys it. */
rd_kafka_message_t *raw_consumer_next(raw_consumer *c);

#endif
