/*
 * The same work as raw_publish, through the library: fresh ids, the time and the eight headers are
 * made by it for each message, the key is the fresh correlation id, and every message gets a
 * receipt.
 *
 * One thread publishes and takes the receipts: all that are there whenever the buffer's worth is
 * out.
 */
#include "kca_client.h"
#include "measure.h"
#include "workload.h"

#include <stdio.h>

enum { RECEIPTS_AT_ONCE = 256 };

typedef struct publisher {
    kca_system *system;
    kca_bus *bus;
    kca_queue *queue;
    kca_message *message;
    long published;
    long answered;
} publisher;

static void add_publisher(kca_system *system, const options *o) {
    kca_publisher_builder *b;
    check(kca_publisher_builder_new(&b, kca_client_connection, o->topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_batch_size(b, WORKLOAD_BATCH);
    kca_publisher_builder_with_buffer_messages(b, WORKLOAD_BUFFER);
    kca_publisher_builder_with_async(b, !o->sync);
    if (!o->sync)
        kca_publisher_builder_with_linger_ms(b, WORKLOAD_LINGER_MS);
    check(kca_system_add_publisher(system, b));
    kca_publisher_builder_free(b);
}

static void publisher_open(publisher *p, const options *o) {
    *p = (publisher){.system = kca_client_system(o)};
    add_publisher(p->system, o);
    check(kca_system_start(p->system, KCA_CLIENT_TIMEOUT_MS));
    check(kca_system_event_bus(p->system, o->topic, &p->bus));
    check(kca_system_queue(p->system, &p->queue));
    check(kca_message_new(&p->message, workload_route));
}

static void publisher_close(publisher *p) {
    kca_message_free(p->message);
    kca_queue_free(p->queue);
    kca_bus_free(p->bus);
    check(kca_system_shutdown(p->system, KCA_CLIENT_TIMEOUT_MS));
    kca_system_free(p->system);
}

static void take_receipts(publisher *p, int timeout_ms) {
    kca_event *events[RECEIPTS_AT_ONCE];
    int count = kca_queue_next(p->queue, events, RECEIPTS_AT_ONCE, timeout_ms);
    if (count < 0)
        die("receipts: error %d", -count);
    for (int i = 0; i < count; i++) {
        if (kca_event_error(events[i]))
            die("receipt: %s", kca_error_text(kca_event_error(events[i])));
        if (kca_event_type(events[i]) == KCA_EVENT_RECEIPT)
            p->answered++;
        kca_event_free(events[i]);
    }
}

static void publish(publisher *p, uint64_t token) {
    kca_message_set_payload(p->message, workload_payload, workload_payload_size);
    check(kca_bus_publish(p->bus, p->message, token));
}

static void publish_all(publisher *p, long messages) {
    for (long i = 0; i < messages; i++) {
        while (p->published - p->answered >= WORKLOAD_BUFFER)
            take_receipts(p, -1);
        publish(p, (uint64_t)++p->published);
    }
    while (p->answered < p->published)
        take_receipts(p, -1);
}

/* Not async: a message is stored when publish returns, and there is no receipt to take. */
static void publish_one_by_one(publisher *p, measure *m, long messages) {
    for (long i = 0; i < messages; i++) {
        double begin = measure_now();
        publish(p, 0);
        if (m)
            measure_latency(m, measure_now() - begin);
    }
}

int main(int argc, char **argv) {
    options o;
    publisher p;
    measure m = {0};
    options_parse(&o, argc, argv);
    publisher_open(&p, &o);
    if (o.sync) {
        measure_latencies(&m, o.messages);
        publish_one_by_one(&p, NULL, WORKLOAD_WARM_UP);
        measure_start(&m);
        publish_one_by_one(&p, &m, o.messages);
    } else {
        publish_all(&p, WORKLOAD_WARM_UP);
        measure_start(&m);
        publish_all(&p, o.messages);
    }
    measure_stop(&m);
    measure_print(&m, "kca_publish", kca_version(), o.messages);
    publisher_close(&p);
    return 0;
}
