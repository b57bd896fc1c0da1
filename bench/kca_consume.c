/*
 * The work of raw_consume, through the library: one processor, or as many as --processors
 * says, and a handler that does nothing, or sleeps when --slow-us asks for it. The consumer stops
 * from the handler after the last message.
 */
#include "kca_client.h"
#include "measure.h"
#include "workload.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

typedef struct counter {
    kca_consumer *consumer;
    measure measure;
    atomic_long seen;
    long messages;
    long slow_us;
} counter;

/* The first message starts the measurement, as in raw_consume, and is not part of it. */
static int on_order(kca_delivery *delivery, void *user) {
    counter *c = user;
    (void)delivery;
    long earlier = atomic_fetch_add(&c->seen, 1);
    if (earlier == 0)
        measure_start(&c->measure);
    else if (c->slow_us)
        (void)usleep((useconds_t)c->slow_us);
    if (earlier == c->messages) {
        measure_stop(&c->measure);
        kca_consumer_stop(c->consumer);
    }
    return KCA_DONE;
}

int main(int argc, char **argv) {
    options o;
    options_parse(&o, argc, argv);
    counter c = {.messages = o.messages, .slow_us = o.slow_us};
    kca_system *system = kca_client_system(&o);
    kca_client_declare_consumer(system, &o);
    check(kca_system_add_handler(system, workload_route, on_order, &c, NULL));
    check(kca_system_start(system, KCA_CLIENT_TIMEOUT_MS));
    check(kca_system_consumer(system, o.group, &c.consumer));
    kca_consumer_with_amount_of_processors(c.consumer, (int)o.processors);
    check(kca_consumer_run(c.consumer));
    long seen = atomic_load(&c.seen);
    if (seen <= c.messages)
        die("kca_consume: stopped after %ld of %ld messages", seen, c.messages);
    measure_print(&c.measure, "kca_consume", kca_version(), o.messages);
    kca_consumer_free(c.consumer);
    check(kca_system_shutdown(system, KCA_CLIENT_TIMEOUT_MS));
    kca_system_free(system);
    return 0;
}
