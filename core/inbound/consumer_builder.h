/* Consumer builder: the declared options of an inbound channel adapter, and their librdkafka
 * properties. */
#ifndef KCA_INBOUND_CONSUMER_BUILDER_H
#define KCA_INBOUND_CONSUMER_BUILDER_H

#include "base/option_table.h"
#include "connection/connection.h"
#include "engine/lanes.h"
#include "engine/retry.h"
#include "message/translator.h"

enum { KCA__COMMIT_INTERVAL_MS = 5000 }; /* outside transactions */

/* The options are the rows of kca__consumer_options. */
struct kca_consumer_builder {
    char *connection;
    char *name;
    char **topics;
    int topic_count;
    int declared_topics; /* how many of them the application named; the others are retry channels */
    int partition;       /* or KCA_PARTITION_... */
    int queue_capacity;
    int min_bytes;
    int max_bytes;
    int max_wait_ms;
    int read_batch_timeout_ms;
    int heartbeat_interval_ms;
    int delay_ms;
    int commit_interval_ms; /* see kca__consumer_builder_commit_interval_ms */
    int partition_watch_interval_ms;
    int watch_partition_changes;
    char *start_offset; /* "earliest", "latest" or milliseconds; NULL: earliest */
    const char *isolation_level;
    int session_timeout_ms;
    int rebalance_timeout_ms;
    char *group_id; /* NULL: the name */
    char *group_instance_id;
    const char *assignment_strategy;
    const char *group_protocol;
    const char *group_remote_assignor; /* NULL: the broker's choice */
    const char *order;
    int max_attempts; /* see kca__consumer_builder_retry */
    int retry_backoff_ms;
    double retry_backoff_multiplier;
    int retry_backoff_max_ms;
    int retry_jitter_percent;
    kca__option_ints retry_delay_ms;
    kca__option_texts rejected_error;
    kca__option_texts retry_channel;
    char *dead_letter_channel;
    const char *dead_letter_format;
    int park; /* later messages of a dead-lettered one's key follow it */
    int park_max_keys;
    int park_max_ms;
    const char *failure_policy;
    const char *timeout_policy;
    const char *dialect;
    int reply;              /* answers those who ask */
    int relay;              /* writes on what is to be delivered later */
    int deduplication;      /* message ids to remember; 0: none */
    char *transactional_id; /* NULL: no transactions */
    int transaction_timeout_ms;
    kca__properties properties;
    kca__options_given given;
    kca_error *error;
};

extern const kca__option kca__consumer_options[];

kca_error *kca__consumer_builder_new(kca_consumer_builder **out, const char *connection,
                                     const char *topic, const char *consumer);
/* A copy also reads its retry channels. */
kca_error *kca__consumer_builder_copy(kca_consumer_builder **out, const kca_consumer_builder *b);
void kca__consumer_builder_free(kca_consumer_builder *b);

void kca__consumer_builder_add_topic(kca_consumer_builder *b, const char *topic);

/* Checks what follows from more than one option. */
kca_error *kca__consumer_builder_check(const kca_consumer_builder *b);

/* Sets the options' properties in `conf`. On the embedded broker the session timeout is short: a
 * group's next member waits there until that of the last one is over, also when it has left. */
kca_error *kca__consumer_builder_configure(const kca_consumer_builder *b, bool embedded,
                                           rd_kafka_conf_t *conf);

const char *kca__consumer_builder_group(const kca_consumer_builder *b);

/* The start time in ms, or -1 when start_offset is not a time. */
int64_t kca__consumer_builder_start_time(const kca_consumer_builder *b);

/* Most records held: queue_capacity, in transactions no more than a commit can tell of. */
int kca__consumer_builder_capacity(const kca_consumer_builder *b);

/* In transactions it is short unless the application says otherwise. */
int kca__consumer_builder_commit_interval_ms(const kca_consumer_builder *b);

/* False: it only looks; the group's offsets are neither read nor written. */
bool kca__consumer_builder_commits(const kca_consumer_builder *b);

/* True when the application set the property enable.partition.eof. */
bool kca__consumer_builder_tells_end(const kca_consumer_builder *b);

/* True for the start offset "latest". */
bool kca__consumer_builder_starts_late(const kca_consumer_builder *b);

/* True for the failure policy "skip". */
bool kca__consumer_builder_skips(const kca_consumer_builder *b);

/* True for the timeout policy "abandon". */
bool kca__consumer_builder_abandons(const kca_consumer_builder *b);

/* KCA__DEAD_LETTER_..., the format. */
int kca__consumer_builder_dead_letter(const kca_consumer_builder *b);

kca__dialect kca__consumer_builder_dialect(const kca_consumer_builder *b);

kca__order kca__consumer_builder_order(const kca_consumer_builder *b);

/* Which of the retry channels is this topic: 0 is the first; -1: none. */
int kca__consumer_builder_retry_channel(const kca_consumer_builder *b, const char *topic);

/* Borrowed from the builder. */
kca__retry_plan kca__consumer_builder_retry(const kca_consumer_builder *b);

#endif
