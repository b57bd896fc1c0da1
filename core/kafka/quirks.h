/*
 * Faults of librdkafka's versions that kca works around: one row each, in the order of their fixes.
 *
 * A row's value is the first version without the fault. Numbers are those of issues and pull
 * requests of confluentinc/librdkafka. A row goes, and its workaround with it, once the oldest
 * librdkafka that kca takes (cmake/dependencies.cmake) has the fix; a row that asks for more says
 * so. Code that works around a fault names its row.
 */
#ifndef KCA_KAFKA_QUIRKS_H
#define KCA_KAFKA_QUIRKS_H

#include <librdkafka/rdkafka.h>
#include <limits.h>
#include <stdbool.h>

enum {
    /* rd_kafka_consume_batch_queue skips offsets when a partition is paused, resumed or sought
     * (#4208). inbound/fetch.c takes records one by one; that may stay. */
    KCA__QUIRK_BATCH_SKIPS = 0x020100ff,

    /* rd_kafka_seek_partitions takes its timeout for 1000 times shorter (#4230).
     * inbound/rebalance.c gives it 1000 times more. */
    KCA__QUIRK_SEEK_TIMEOUT = 0x020100ff,

    /* A partition whose bounded queue was full is looked at again after a second only (#2879). The
     * fix is a property, fetch.queue.backoff.ms, whose absence tells of the fault. inbound/fetch.c
     * wakes librdkafka's threads; consumers, redrives and reply channels set the property, which
     * stays. */
    KCA__QUIRK_FULL_QUEUE_SLEEPS = 0x020200ff,

    /* The first member of a mock cluster's group waits three seconds for others (no issue number
     * found). Later ones have a function for that, which connection/embedded_broker.c declares as
     * one that may be missing. */
    KCA__QUIRK_MOCK_GROUP_DELAY = 0x020600ff,

    /* SCRAM sends a nonce that Kafka 4 refuses (#4895). connection/ warns of it, and says so when
     * the broker refuses. */
    KCA__QUIRK_SCRAM_NONCE = 0x020601ff,

    /* The assignor cooperative-sticky may loop for ever (#4783, #4800). Below, inbound/group.c
     * refuses it. */
    KCA__QUIRK_COOPERATIVE_LOOPS = 0x020601ff,

    /* rd_kafka_destroy waits for ever, at full speed, for the references to a partition that went
     * while it was read (#4724). kafka/client.c leaves such a client behind. */
    KCA__QUIRK_DESTROY_HANGS = 0x020601ff,

    /* Of PEM text in ssl.certificate.pem only the first certificate is sent, without its chain, but
     * all of a file's (#3225, #4894). connection/connection.c shows it the text as a file. */
    KCA__QUIRK_CHAIN_NOT_SENT = 0x020800ff,

    /* Nagle's algorithm is on unless a property turns it off (#4986), which
     * connection/connection.c does. */
    KCA__QUIRK_NAGLE = 0x020a00ff,

    /* rd_kafka_produceva frees headers that it was given one by one twice, when the partition does
     * not exist (#4627, #4628). kafka/produce.c gives it a list; that may stay. */
    KCA__QUIRK_HEADERS_FREED_TWICE = 0x020c00ff,

    /* rd_kafka_DescribeConsumerGroups knows groups of the classic protocol alone (#4939), and 2.0.2
     * stands still for ever where a broker does not answer it (no issue number found).
     * connection/cluster_group.c asks the older way. */
    KCA__QUIRK_GROUPS_ALL_CLASSIC = 0x020a00ff,

    /* The group protocol "consumer" is missing, or a preview (#4672). inbound/group.c refuses it.
     */
    KCA__QUIRK_GROUP_PROTOCOL_PREVIEW = 0x020c00ff,

    /* rd_kafka_query_watermark_offsets waits beyond its timeout: below 2.3.0 for as long as the
     * leader does not answer (#4460), below 2.12.0 still too long (#4878, #5201). inbound/seek.c,
     * whose thread serves the whole consumer, asks for the bounds as for times; that may stay. */
    KCA__QUIRK_WATERMARKS_WAIT = 0x020c00ff,

    KCA__QUIRK_NOT_FIXED = INT_MAX, /* 2.0.2 has it, and 2.15.0 still */

    /* metadata.max.age.ms is multiplied by 1000 in an int: past 2147483, or a third of that in
     * topic.metadata.refresh.interval.ms, every topic is unknown at once (no issue number found).
     * inbound/consumer_builder.c stays below. */
    KCA__QUIRK_METADATA_AGE = KCA__QUIRK_NOT_FIXED,

    /* After a transaction was aborted because a record of it was refused, the producer's next one
     * fails with "skipped sequence numbers", or what is produced in it is not sent (no issue number
     * found). inbound/transaction_trial.c and transaction_commit.c go on with a new producer. */
    KCA__QUIRK_REFUSAL_LEAVES_GAP = KCA__QUIRK_NOT_FIXED,

    /* A mock cluster's thread may lose what wakes it, and sleep a second over what it is told (no
     * issue number found). connection/embedded_broker.c does not tell it of topics, and knocks at
     * its socket until it has ended. */
    KCA__QUIRK_MOCK_OVERSLEEPS = KCA__QUIRK_NOT_FIXED,

    /* A mock cluster's thread, unlike librdkafka's others, starts with its maker's signals, and
     * ends when one interrupts its poll (no issue number found). connection/embedded_broker.c makes
     * it with all of them blocked, as all threads are made here. */
    KCA__QUIRK_MOCK_ENDS_BY_SIGNAL = KCA__QUIRK_NOT_FIXED,

    /* An rd_kafka_DescribeConsumerGroups that is not answered in time ends the process: an
     * assertion of rd_kafka_enq_once_del_source, seen with 2.16.1 (no issue number found).
     * connection/cluster_group.c asks it only after a question that the coordinator answered. */
    KCA__QUIRK_DESCRIBE_GROUPS_ABORTS = KCA__QUIRK_NOT_FIXED,
};

/* Whether the librdkafka in use, which may be newer than the one compiled with, has the fault. */
static inline bool kca__has_quirk(int quirk) {
    return rd_kafka_version() < quirk;
}

#endif
