/*
 * From publish to handler with librdkafka alone: one thread publishes with linger 0 and polls for
 * its delivery reports after each message, the other loops over the consumer.
 *
 * At this pace no queue fills, so librdkafka's own sizes do, and nothing needs to be nudged.
 */
#include "end_to_end.h"
#include "raw_consumer.h"
#include "raw_publisher.h"

typedef struct program {
    end_to_end run;
    raw_publisher publisher;
    raw_consumer consumer;
} program;

static void publish(void *user) {
    program *p = user;
    raw_publisher_publish(&p->publisher);
    raw_publisher_poll(&p->publisher);
}

static bool take_one(program *p) {
    rd_kafka_headers_t *headers;
    const void *sent = NULL;
    size_t size = 0;
    rd_kafka_message_t *message = raw_consumer_next(&p->consumer);
    if (!rd_kafka_message_headers(message, &headers))
        (void)rd_kafka_header_get_last(headers, END_TO_END_HEADER, &sent, &size);
    bool last = end_to_end_arrived(&p->run, sent, size);
    rd_kafka_message_destroy(message);
    return last;
}

int main(int argc, char **argv) {
    options o;
    program p;
    options_parse(&o, argc, argv);
    o.default_queues = true;
    workload_make_keys(o.keys);
    raw_publisher_open(&p.publisher, &o, 0);
    raw_publisher_add_header(&p.publisher, END_TO_END_HEADER, &p.run.sent, sizeof p.run.sent);
    raw_consumer_open(&p.consumer, &o);
    end_to_end_start(&p.run, o.messages, publish, &p);
    while (!take_one(&p))
        continue;
    end_to_end_finish(&p.run);
    raw_publisher_wait_for_reports(&p.publisher);
    measure_print(&p.run.measure, "raw_end_to_end", rd_kafka_version_str(), o.messages);
    raw_consumer_close(&p.consumer);
    raw_publisher_close(&p.publisher);
    return 0;
}
