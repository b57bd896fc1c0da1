/* The partition that a message names. Part of the outbound channel adapter.
 *
 * librdkafka refuses one that it does not know, and does not say how many there are; nor does it
 * look whether the topic has grown. So the cluster is asked: the first time, and for a partition
 * above those that were there. */
#include "outbound/publisher.h"

#include "base/clock.h"
#include "base/error.h"
#include "kafka/ask.h"
#include "kafka/kafka_error.h"

enum { ASK_MS = 1000, NO_ASK_MS = 10000 };

/* 0: it is not known now, as without a broker, or for a topic that the broker has yet to make. */
static int count_partitions(kca__publisher *p) {
    if (kca__clock_ms() < atomic_load(&p->no_ask_ms))
        return 0;
    kca__topic_look look = {p->topic, 0};
    if (kca__ask_partitions(p->producer->client->rk, &look, ASK_MS) != 0) {
        atomic_store(&p->no_ask_ms, kca__clock_ms() + NO_ASK_MS);
        return 0;
    }
    atomic_store(&p->partitions, look.partitions);
    return look.partitions;
}

kca_error *kca__publisher_check_partition(kca__publisher *p, int partition) {
    if (partition < 0 || partition < atomic_load(&p->partitions))
        return NULL;
    int count = count_partitions(p);
    if (count == 0 || partition < count)
        return NULL;
    return kca__error_from_kafka(
        KCA_ERROR_ARGUMENT, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, 0,
        "publisher %s: partition must be 0 to %d, for the topic has %d partition%s, got %d",
        p->options->topic, count - 1, count, count == 1 ? "" : "s", partition);
}

kca_error *kca__publisher_no_partition(const char *topic, int partition) {
    return kca__error_from_kafka(KCA_ERROR_ARGUMENT, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, 0,
                                 "publisher %s: the topic has no partition %d", topic, partition);
}
