#include "kca_publisher.h"

#include "workload.h"

enum { RECEIPTS_AT_ONCE = 256 };

void publisher_declare(kca_system *system, const options *o, int linger_ms) {
    kca_publisher_builder *b;
    check(kca_publisher_builder_new(&b, kca_client_connection, o->topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_batch_size(b, WORKLOAD_BATCH);
    kca_publisher_builder_with_buffer_messages(b, WORKLOAD_BUFFER);
    kca_publisher_builder_with_async(b, !o->sync);
    if (!o->sync)
        kca_publisher_builder_with_linger_ms(b, linger_ms);
    check(kca_system_add_publisher(system, b));
    kca_publisher_builder_free(b);
}

void publisher_open(publisher *p, kca_system *system, const options *o) {
    *p = (publisher){0};
    check(kca_system_event_bus(system, o->topic, &p->bus));
    check(kca_system_queue(system, &p->queue));
    check(kca_message_new(&p->message, workload_route));
}

void publisher_close(publisher *p) {
    kca_message_free(p->message);
    kca_queue_free(p->queue);
    kca_bus_free(p->bus);
}

void publisher_publish(publisher *p, uint64_t token) {
    kca_message_set_payload(p->message, workload_payload, workload_payload_size);
    check(kca_bus_publish(p->bus, p->message, token));
    p->published++;
}

void publisher_take_receipts(publisher *p, int timeout_ms) {
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

void publisher_wait_for_receipts(publisher *p) {
    while (p->answered < p->published)
        publisher_take_receipts(p, -1);
}
