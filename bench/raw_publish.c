/*
 * The publisher to compare with: librdkafka alone, as a careful program uses it.
 *
 * Its queue is bounded, so that what waits stays in the cache: with librdkafka's own 100,000
 * messages the same work costs twice as much. The caller waits for room by polling, which also
 * counts the delivery reports. Eight constant headers, payload copied, key chooses the partition.
 */
#include "measure.h"
#include "raw_client.h"
#include "workload.h"

#include <stdint.h>
#include <string.h>

/* The parts of a message for rd_kafka_produceva, made once; only the key changes. */
enum { PART_TOPIC, PART_FLAGS, PART_PAYLOAD, PART_KEY, PART_HEADERS };
enum { PARTS = PART_HEADERS + WORKLOAD_HEADERS };

typedef struct raw_publisher {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_vu_t parts[PARTS];
    long published;
    long reported;
} raw_publisher;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *user) {
    raw_publisher *p = user;
    (void)rk;
    if (message->err)
        die("delivery report: %s", rd_kafka_err2str(message->err));
    p->reported++;
}

static void raw_publisher_make_parts(raw_publisher *p) {
    rd_kafka_vu_t *parts = p->parts;
    parts[PART_TOPIC].vtype = RD_KAFKA_VTYPE_RKT;
    parts[PART_TOPIC].u.rkt = p->topic;
    parts[PART_FLAGS].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[PART_FLAGS].u.i = RD_KAFKA_MSG_F_COPY;
    parts[PART_PAYLOAD].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[PART_PAYLOAD].u.mem.ptr = (void *)(uintptr_t)workload_payload;
    parts[PART_PAYLOAD].u.mem.size = workload_payload_size;
    parts[PART_KEY].vtype = RD_KAFKA_VTYPE_KEY;
    parts[PART_KEY].u.mem.size = WORKLOAD_KEY_SIZE;
    for (int i = 0; i < WORKLOAD_HEADERS; i++) {
        rd_kafka_vu_t *header = &parts[PART_HEADERS + i];
        header->vtype = RD_KAFKA_VTYPE_HEADER;
        header->u.header.name = workload_headers[i].name;
        header->u.header.val = workload_headers[i].value;
        header->u.header.size = (ssize_t)strlen(workload_headers[i].value);
    }
}

static void raw_publisher_open(raw_publisher *p, const options *o) {
    rd_kafka_conf_t *conf = raw_conf_new(o);
    raw_conf_set(conf, "acks", "all");
    raw_conf_set(conf, "partitioner", "murmur2_random");
    raw_conf_set_number(conf, "linger.ms", o->sync ? 0 : WORKLOAD_LINGER_MS);
    if (!o->default_queues) {
        raw_conf_set_number(conf, "queue.buffering.max.messages", WORKLOAD_BUFFER);
        raw_conf_set_number(conf, "batch.num.messages", WORKLOAD_BATCH);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, p);
    *p = (raw_publisher){0};
    p->rk = raw_client_new(RD_KAFKA_PRODUCER, conf);
    p->topic = rd_kafka_topic_new(p->rk, o->topic, NULL);
    if (!p->topic)
        die("topic %s: %s", o->topic, rd_kafka_err2str(rd_kafka_last_error()));
    raw_publisher_make_parts(p);
}

static void raw_publisher_close(raw_publisher *p) {
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->rk);
}

/* Waits while the queue is full. An error object is made only when it is: that is cheap enough. */
static void publish(raw_publisher *p) {
    rd_kafka_error_t *error;
    p->parts[PART_KEY].u.mem.ptr = (void *)(uintptr_t)workload_key(p->published);
    while ((error = rd_kafka_produceva(p->rk, p->parts, PARTS))) {
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("publish: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        rd_kafka_poll(p->rk, 100);
    }
    p->published++;
}

static void wait_for_reports(raw_publisher *p) {
    while (p->reported < p->published)
        rd_kafka_poll(p->rk, 100);
}

static void publish_all(raw_publisher *p, long messages) {
    for (long i = 0; i < messages; i++)
        publish(p);
    wait_for_reports(p);
}

static void publish_one_by_one(raw_publisher *p, measure *m, long messages) {
    for (long i = 0; i < messages; i++) {
        double begin = measure_now();
        publish(p);
        wait_for_reports(p);
        measure_latency(m, measure_now() - begin);
    }
}

int main(int argc, char **argv) {
    options o;
    raw_publisher p;
    measure m = {0};
    options_parse(&o, argc, argv);
    workload_make_keys(o.keys);
    if (o.sync)
        measure_latencies(&m, o.messages);
    raw_publisher_open(&p, &o);
    publish_all(&p, WORKLOAD_WARM_UP);
    measure_start(&m);
    if (o.sync)
        publish_one_by_one(&p, &m, o.messages);
    else
        publish_all(&p, o.messages);
    measure_stop(&m);
    measure_print(&m, "raw_publish", rd_kafka_version_str(), o.messages);
    raw_publisher_close(&p);
    return 0;
}
