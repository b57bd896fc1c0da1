/*
 * The publisher to compare with: librdkafka alone, as a careful program uses it.
 *
 * Its queue is bounded, so that what waits stays in the cache: with librdkafka's own 100,000
 * messages, publishing costs twice as much. The caller waits for room by polling, which also
 * counts the delivery reports. Eight constant headers, payload copied, key chooses the partition.
 */
#ifndef BENCH_RAW_PUBLISHER_H
#define BENCH_RAW_PUBLISHER_H

#include "raw_client.h"
#include "workload.h"

/* The parts of a message for rd_kafka_produceva, made once; only the key changes. */
enum {
    RAW_PART_TOPIC,
    RAW_PART_FLAGS,
    RAW_PART_PAYLOAD,
    RAW_PART_KEY,
    RAW_PART_HEADERS,
    RAW_PART_EXTRA = RAW_PART_HEADERS + WORKLOAD_HEADERS,
    RAW_PARTS
};

typedef struct raw_publisher {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_vu_t parts[RAW_PARTS];
    size_t part_count;
    long published;
    long reported;
} raw_publisher;

/* The keys must have been made. */
void raw_publisher_open(raw_publisher *p, const options *o, int linger_ms);
void raw_publisher_close(raw_publisher *p);

/* One header more, whose value is read anew for each message. */
void raw_publisher_add_header(raw_publisher *p, const char *name, const void *value, size_t size);

/* Waits while the queue is full. */
void raw_publisher_publish(raw_publisher *p);

/* Takes the delivery reports that are there. */
void raw_publisher_poll(raw_publisher *p);
void raw_publisher_wait_for_reports(raw_publisher *p);

#endif
