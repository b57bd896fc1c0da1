#include "raw_publisher.h"

#include <stdint.h>
#include <string.h>

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *user) {
    raw_publisher *p = user;
    (void)rk;
    if (message->err)
        die("delivery report: %s", rd_kafka_err2str(message->err));
    p->reported++;
}

static void set_header(rd_kafka_vu_t *part, const char *name, const void *value, size_t size) {
    part->vtype = RD_KAFKA_VTYPE_HEADER;
    part->u.header.name = name;
    part->u.header.val = value;
    part->u.header.size = (ssize_t)size;
}

static void make_parts(raw_publisher *p) {
    rd_kafka_vu_t *parts = p->parts;
    parts[RAW_PART_TOPIC].vtype = RD_KAFKA_VTYPE_RKT;
    parts[RAW_PART_TOPIC].u.rkt = p->topic;
    parts[RAW_PART_FLAGS].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[RAW_PART_FLAGS].u.i = RD_KAFKA_MSG_F_COPY;
    parts[RAW_PART_PAYLOAD].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[RAW_PART_PAYLOAD].u.mem.ptr = (void *)(uintptr_t)workload_payload;
    parts[RAW_PART_PAYLOAD].u.mem.size = workload_payload_size;
    parts[RAW_PART_KEY].vtype = RD_KAFKA_VTYPE_KEY;
    parts[RAW_PART_KEY].u.mem.size = WORKLOAD_KEY_SIZE;
    for (int i = 0; i < WORKLOAD_HEADERS; i++) {
        const workload_header *h = &workload_headers[i];
        set_header(&parts[RAW_PART_HEADERS + i], h->name, h->value, strlen(h->value));
    }
}

void raw_publisher_open(raw_publisher *p, const options *o, int linger_ms) {
    rd_kafka_conf_t *conf = raw_conf_new(o);
    raw_conf_set(conf, "acks", "all");
    raw_conf_set(conf, "partitioner", "murmur2_random");
    raw_conf_set_number(conf, "linger.ms", linger_ms);
    if (!o->default_queues) {
        raw_conf_set_number(conf, "queue.buffering.max.messages", WORKLOAD_BUFFER);
        raw_conf_set_number(conf, "batch.num.messages", WORKLOAD_BATCH);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, p);
    *p = (raw_publisher){.part_count = RAW_PART_EXTRA};
    p->rk = raw_client_new(RD_KAFKA_PRODUCER, conf);
    p->topic = rd_kafka_topic_new(p->rk, o->topic, NULL);
    if (!p->topic)
        die("topic %s: %s", o->topic, rd_kafka_err2str(rd_kafka_last_error()));
    make_parts(p);
}

void raw_publisher_close(raw_publisher *p) {
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->rk);
}

void raw_publisher_add_header(raw_publisher *p, const char *name, const void *value, size_t size) {
    set_header(&p->parts[RAW_PART_EXTRA], name, value, size);
    p->part_count = RAW_PART_EXTRA + 1;
}

/* An error object is made only when the queue is full: that is cheap enough. */
void raw_publisher_publish(raw_publisher *p) {
    rd_kafka_error_t *error;
    p->parts[RAW_PART_KEY].u.mem.ptr = (void *)(uintptr_t)workload_key(p->published);
    while ((error = rd_kafka_produceva(p->rk, p->parts, p->part_count))) {
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("publish: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        rd_kafka_poll(p->rk, 100);
    }
    p->published++;
}

void raw_publisher_poll(raw_publisher *p) {
    rd_kafka_poll(p->rk, 0);
}

void raw_publisher_wait_for_reports(raw_publisher *p) {
    while (p->reported < p->published)
        rd_kafka_poll(p->rk, 100);
}
