#include "embedded_broker.h"

#include "error.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>

/* librdkafka 2.4 and later: the first member of a group need not wait three seconds for others. */
extern void rd_kafka_mock_group_initial_rebalance_delay_ms(rd_kafka_mock_cluster_t *cluster,
                                                           int32_t delay_ms) __attribute__((weak));

struct kca__embedded_broker {
    rd_kafka_t *host; /* a client that only lends its threads to the cluster */
    rd_kafka_mock_cluster_t *cluster;
};

bool kca__embedded_broker_is_meant(const char *hosts) {
    return strcmp(hosts, "embedded://") == 0;
}

/* The cluster's host would tell of having no brokers of its own. */
static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    (void)rk, (void)level, (void)facility, (void)text;
}

kca_error *kca__embedded_broker_open(kca__embedded_broker **out, const char *connection) {
    char reason[256] = "out of memory";
    *out = NULL;
    kca__embedded_broker *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, no_log);
    b->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!b->host)
        rd_kafka_conf_destroy(conf);
    else
        b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
    if (!b->cluster) {
        kca__embedded_broker_close(b);
        return kca__error_new(KCA_ERROR_BROKER,
                              "connection %s: the embedded broker cannot start: %s", connection,
                              reason);
    }
    if (rd_kafka_mock_group_initial_rebalance_delay_ms)
        rd_kafka_mock_group_initial_rebalance_delay_ms(b->cluster, 0);
    *out = b;
    return NULL;
}

void kca__embedded_broker_close(kca__embedded_broker *b) {
    if (!b)
        return;
    if (b->cluster)
        rd_kafka_mock_cluster_destroy(b->cluster);
    if (b->host)
        rd_kafka_destroy(b->host);
    free(b);
}

const char *kca__embedded_broker_hosts(const kca__embedded_broker *b) {
    return rd_kafka_mock_cluster_bootstraps(b->cluster);
}

kca_error *kca__embedded_broker_add_topic(kca__embedded_broker *b, const char *topic) {
    rd_kafka_resp_err_t err =
        rd_kafka_mock_topic_create(b->cluster, topic, KCA__EMBEDDED_PARTITIONS, 1);
    if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return kca__error_new(KCA_ERROR_BROKER,
                              "topic %s: the embedded broker does not create it: %s", topic,
                              rd_kafka_err2str(err));
    return NULL;
}
