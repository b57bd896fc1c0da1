/* Publishes with librdkafka alone: as fast as it can, or one message at a time. */
#include "measure.h"
#include "raw_publisher.h"

static void publish_all(raw_publisher *p, long messages) {
    for (long i = 0; i < messages; i++)
        raw_publisher_publish(p);
    raw_publisher_wait_for_reports(p);
}

static void publish_one_by_one(raw_publisher *p, measure *m, long messages) {
    for (long i = 0; i < messages; i++) {
        double begin = measure_now();
        raw_publisher_publish(p);
        raw_publisher_wait_for_reports(p);
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
    raw_publisher_open(&p, &o, o.sync ? 0 : WORKLOAD_LINGER_MS);
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
