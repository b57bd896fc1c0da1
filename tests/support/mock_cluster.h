/* librdkafka's mock cluster, which answers as it is told. */
#ifndef KCA_TESTS_MOCK_CLUSTER_H
#define KCA_TESTS_MOCK_CLUSTER_H

#include "behaviour.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

/* A producer with a cluster of one broker, which ends with the producer. */
static inline rd_kafka_t *mock_cluster_open(void) {
    char reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", reason, sizeof reason);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    assert_non_null(rk);
    return rk;
}

#endif
