/*
 * The work of raw_publish, through the library: it makes fresh ids, the time and the eight headers
 * for each message, the key is the fresh correlation id, and every message gets a receipt.
 *
 * One thread publishes and takes the receipts: all that are there whenever the buffer's worth is
 * out.
 */
#include "kca_publisher.h"
#include "measure.h"
#include "workload.h"

static void publish_all(publisher *p, long messages) {
    for (long i = 0; i < messages; i++) {
        while (p->published - p->answered >= WORKLOAD_BUFFER)
            publisher_take_receipts(p, -1);
        publisher_publish(p, (uint64_t)p->published + 1);
    }
    publisher_wait_for_receipts(p);
}

/* Not async: a message is stored when publish returns, and there is no receipt to take. */
static void publish_one_by_one(publisher *p, measure *m, long messages) {
    for (long i = 0; i < messages; i++) {
        double begin = measure_now();
        publisher_publish(p, 0);
        if (m)
            measure_latency(m, measure_now() - begin);
    }
}

static void publish(publisher *p, measure *m, const options *o) {
    if (o->sync) {
        measure_latencies(m, o->messages);
        publish_one_by_one(p, NULL, WORKLOAD_WARM_UP);
        measure_start(m);
        publish_one_by_one(p, m, o->messages);
    } else {
        publish_all(p, WORKLOAD_WARM_UP);
        measure_start(m);
        publish_all(p, o->messages);
    }
    measure_stop(m);
}

int main(int argc, char **argv) {
    options o;
    publisher p;
    measure m = {0};
    options_parse(&o, argc, argv);
    kca_system *system = kca_client_system(&o);
    publisher_declare(system, &o, WORKLOAD_LINGER_MS);
    check(kca_system_start(system, KCA_CLIENT_TIMEOUT_MS));
    publisher_open(&p, system, &o);
    publish(&p, &m, &o);
    measure_print(&m, "kca_publish", kca_version(), o.messages);
    publisher_close(&p);
    check(kca_system_shutdown(system, KCA_CLIENT_TIMEOUT_MS));
    kca_system_free(system);
    return 0;
}
