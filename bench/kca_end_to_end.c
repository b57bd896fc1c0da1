/*
 * The work of raw_end_to_end, through the library: one system with a publisher, linger 0, and
 * a consumer; one thread publishes and takes the receipts that are there after each message, the
 * other runs the consumer, whose handler takes the time.
 */
#include "end_to_end.h"
#include "kca_publisher.h"
#include "workload.h"

typedef struct program {
    end_to_end run;
    publisher publisher;
    kca_consumer *consumer;
} program;

static void publish(void *user) {
    program *p = user;
    const double *sent = &p->run.sent;
    kca_message_set_binary_header(p->publisher.message, END_TO_END_HEADER, sent, sizeof *sent);
    /* After a stall of the broker nobody else takes the receipts that fill the buffer. */
    while (p->publisher.published - p->publisher.answered >= WORKLOAD_BUFFER)
        publisher_take_receipts(&p->publisher, -1);
    publisher_publish(&p->publisher, (uint64_t)p->publisher.published + 1);
    publisher_take_receipts(&p->publisher, 0);
}

static int on_order(kca_delivery *delivery, void *user) {
    program *p = user;
    const kca_message *m = kca_delivery_message(delivery);
    if (end_to_end_arrived(&p->run, kca_message_header_value(m, 0),
                           kca_message_header_value_len(m, 0)))
        kca_consumer_stop(p->consumer);
    return KCA_DONE;
}

int main(int argc, char **argv) {
    options o;
    program p;
    options_parse(&o, argc, argv);
    kca_system *system = kca_client_system(&o);
    publisher_declare(system, &o, 0);
    kca_client_declare_consumer(system, &o);
    check(kca_system_add_handler(system, workload_route, on_order, &p, NULL));
    check(kca_system_start(system, KCA_CLIENT_TIMEOUT_MS));
    publisher_open(&p.publisher, system, &o);
    check(kca_system_consumer(system, o.group, &p.consumer));
    end_to_end_start(&p.run, o.messages, publish, &p);
    check(kca_consumer_run(p.consumer));
    end_to_end_finish(&p.run);
    publisher_wait_for_receipts(&p.publisher);
    measure_print(&p.run.measure, "kca_end_to_end", kca_version(), o.messages);
    kca_consumer_free(p.consumer);
    publisher_close(&p.publisher);
    check(kca_system_shutdown(system, KCA_CLIENT_TIMEOUT_MS));
    kca_system_free(system);
    return 0;
}
