/* Consumer builder: the declared options of an inbound channel adapter, and their librdkafka
 * properties. */
#ifndef KCA_CORE_CONSUMER_BUILDER_H
#define KCA_CORE_CONSUMER_BUILDER_H

#include "connection.h"

struct kca_consumer_builder {
    char *connection;
    char *name;
    char **topics;
    int topic_count;
    int partition; /* -1: all that the group assigns */
    int queue_capacity;
    int min_bytes;
    int max_bytes;
    int max_wait_ms;
    int read_batch_timeout_ms;
    int heartbeat_interval_ms;
    int commit_interval_ms;
    int partition_watch_interval_ms;
    int watch_partition_changes;
    char *start_offset; /* "earliest", "latest" or milliseconds; NULL: earliest */
    char *isolation_level;
    int session_timeout_ms;
    int rebalance_timeout_ms;
    char *group_id; /* NULL: the name */
    char *failure_policy;
    kca__properties properties;
    kca_error *error;
};

kca_error *kca__consumer_builder_new(kca_consumer_builder **out, const char *connection,
                                     const char *topic, const char *consumer);
kca_error *kca__consumer_builder_copy(kca_consumer_builder **out, const kca_consumer_builder *b);
void kca__consumer_builder_free(kca_consumer_builder *b);

void kca__consumer_builder_add_topic(kca_consumer_builder *b, const char *topic);
void kca__consumer_builder_set_start_offset(kca_consumer_builder *b, const char *start);

/* What no single setter can check. */
kca_error *kca__consumer_builder_check(const kca_consumer_builder *b);

/* Sets the options' properties in `conf`. On the embedded broker the session timeout is short: a
 * group's next member waits there until that of the last one is over, also when it has left. */
kca_error *kca__consumer_builder_configure(const kca_consumer_builder *b, bool embedded,
                                           rd_kafka_conf_t *conf);

const char *kca__consumer_builder_group(const kca_consumer_builder *b);

/* The start time in ms, or -1 when start_offset is not a time. */
int64_t kca__consumer_builder_start_time(const kca_consumer_builder *b);

/* True for the failure policy "skip". */
bool kca__consumer_builder_skips(const kca_consumer_builder *b);

#endif
