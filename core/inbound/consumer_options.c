/* The options of a consumer. */
#include "inbound/consumer_builder.h"

#include "base/error.h"
#include "engine/parking.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define OPTION(option) .name = #option, .field = offsetof(kca_consumer_builder, option)

enum { DAY_MS = 86400000, LONGEST_ERROR_NAME = 1000 };

static const char *const levels[] = {"read_committed", "read_uncommitted", NULL};
static const char *const failure_policies[] = {"stop", "skip", NULL};
static const char *const timeout_policies[] = {"wait", "abandon", NULL};
static const char *const strategies[] = {"range,roundrobin", "range", "roundrobin",
                                         "cooperative-sticky", NULL};
static const char *const protocols[] = {"classic", "consumer", NULL};
static const char *const assignors[] = {"uniform", "range", NULL};
static const char *const dialects[] = {"gomes", "cloudevents", NULL};
static const char *const orders[] = {"key", "partition", "none", NULL};
static const char *const formats[] = {"kca", "spring", "gomes", NULL};

static kca_error *check_start(kca__option_owner owner, const char *start) {
    bool is_time =
        start && *start && strlen(start) <= 15 && start[strspn(start, "0123456789")] == '\0';
    if (is_time || (start && (strcmp(start, "earliest") == 0 || strcmp(start, "latest") == 0)))
        return NULL;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "%s %s: start_offset must be earliest, latest or milliseconds since "
                          "1970, got %s",
                          owner.kind, owner.name, start ? start : "NULL");
}

static kca_error *check_error_name(kca__option_owner owner, const char *error_name) {
    (void)owner;
    return kca__option_check_name("rejected_error", error_name, LONGEST_ERROR_NAME);
}

static kca_error *check_retry_channel(kca__option_owner owner, const char *channel) {
    (void)owner;
    return kca__option_check_topic(channel);
}

const kca__option kca__consumer_options[] = {
    {OPTION(partition), .kind = KCA__OPTION_INT, .least = KCA_PARTITION_EVERY, .most = INT_MAX,
     .initial = KCA_PARTITION_ASSIGNED, .document = "WithPartition", .hidden = true},
    {OPTION(queue_capacity), .kind = KCA__OPTION_INT, .least = 1, .most = 10000000, .initial = 1000,
     .sets = "queued.min.messages", .document = "WithQueueCapacity"},
    {OPTION(min_bytes), .kind = KCA__OPTION_INT, .least = 1, .most = 100000000, .initial = 1,
     .sets = "fetch.min.bytes", .document = "WithMinBytes"},
    {OPTION(max_bytes), .kind = KCA__OPTION_INT, .least = 1000, .most = 1000000000,
     .initial = 1048576, .sets = "fetch.max.bytes",
     .stands_for = "fetch.message.max.bytes max.partition.fetch.bytes", .document = "WithMaxBytes"},
    {OPTION(max_wait_ms), .kind = KCA__OPTION_INT, .least = 1, .most = 60000, .initial = 100,
     .sets = "fetch.wait.max.ms", .document = "WithMaxWait"},
    {OPTION(read_batch_timeout_ms), .kind = KCA__OPTION_INT, .least = 2000, .most = 300000,
     .initial = 10000, .sets = "socket.timeout.ms", .refusal = KCA__REFUSED_HERE,
     .document = "WithReadBatchTimeout"},
    {OPTION(heartbeat_interval_ms), .kind = KCA__OPTION_INT, .least = 1, .most = 3600000,
     .initial = 3000, .stands_for = "heartbeat.interval.ms", .document = "WithHeartbeatInterval"},
    {OPTION(delay_ms), .kind = KCA__OPTION_INT, .least = 0, .most = 7 * DAY_MS},
    {OPTION(commit_interval_ms), .kind = KCA__OPTION_INT, .least = 0, .most = DAY_MS,
     .initial = KCA__COMMIT_INTERVAL_MS, .depends = true, .stands_for = "auto.commit.interval.ms",
     .document = "WithCommitInterval"},
    {OPTION(partition_watch_interval_ms), .kind = KCA__OPTION_INT, .least = 10, .most = 700000,
     .initial = 300000, .sets = "topic.metadata.refresh.interval.ms", .refusal = KCA__REFUSED_HERE,
     .document = "WithPartitionWatchInterval"},
    {OPTION(watch_partition_changes), .kind = KCA__OPTION_FLAG,
     .document = "WithWatchPartitionChanges"},
    {OPTION(start_offset), .kind = KCA__OPTION_TEXT, .otherwise = "earliest", .check = check_start,
     .stands_for = "auto.offset.reset"},
    {OPTION(isolation_level), .kind = KCA__OPTION_CHOICE, .choices = levels,
     .sets = "isolation.level"},
    {OPTION(session_timeout_ms), .kind = KCA__OPTION_INT, .least = 1000, .most = 3600000,
     .initial = 45000, .stands_for = "session.timeout.ms"},
    {OPTION(rebalance_timeout_ms), .kind = KCA__OPTION_INT, .least = 1000, .most = DAY_MS,
     .initial = 300000, .sets = "max.poll.interval.ms"},
    {OPTION(group_id), .kind = KCA__OPTION_TEXT, .sets = "group.id"},
    {OPTION(group_instance_id), .kind = KCA__OPTION_TEXT, .sets = "group.instance.id"},
    {OPTION(assignment_strategy), .kind = KCA__OPTION_CHOICE, .choices = strategies,
     .stands_for = "partition.assignment.strategy"},
    {OPTION(group_protocol), .kind = KCA__OPTION_CHOICE, .choices = protocols,
     .stands_for = "group.protocol group.protocol.type"},
    {OPTION(group_remote_assignor), .kind = KCA__OPTION_CHOICE, .choices = assignors,
     .depends = true, .stands_for = "group.remote.assignor"},
    {OPTION(order), .kind = KCA__OPTION_CHOICE, .choices = orders},
    {OPTION(max_attempts), .kind = KCA__OPTION_INT, .least = 0, .most = 1000000, .initial = 1,
     .depends = true},
    {OPTION(retry_backoff_ms), .kind = KCA__OPTION_INT, .least = 0, .most = DAY_MS, .initial = 100},
    {OPTION(retry_backoff_multiplier), .kind = KCA__OPTION_DOUBLE, .least = 1, .most = 100,
     .initial = 2},
    {OPTION(retry_backoff_max_ms), .kind = KCA__OPTION_INT, .least = 0, .most = DAY_MS,
     .initial = 30000},
    {OPTION(retry_jitter_percent), .kind = KCA__OPTION_INT, .least = 0, .most = 100, .initial = 20},
    {OPTION(retry_delay_ms), .kind = KCA__OPTION_INTS, .least = 0, .most = DAY_MS, .at_most = 100},
    {OPTION(rejected_error), .kind = KCA__OPTION_TEXTS, .check = check_error_name},
    {OPTION(retry_channel), .kind = KCA__OPTION_TEXTS, .check = check_retry_channel},
    {OPTION(dead_letter_channel), .kind = KCA__OPTION_TEXT},
    {OPTION(dead_letter_format), .kind = KCA__OPTION_CHOICE, .choices = formats},
    {OPTION(park), .kind = KCA__OPTION_FLAG},
    {OPTION(park_max_keys), .kind = KCA__OPTION_INT, .least = 1, .most = KCA__PARKING_KEYS,
     .initial = 100},
    {OPTION(park_max_ms), .kind = KCA__OPTION_INT, .least = 1000, .most = 24 * DAY_MS,
     .initial = 7 * DAY_MS},
    {OPTION(failure_policy), .kind = KCA__OPTION_CHOICE, .choices = failure_policies},
    {OPTION(timeout_policy), .kind = KCA__OPTION_CHOICE, .choices = timeout_policies},
    {OPTION(dialect), .kind = KCA__OPTION_CHOICE, .choices = dialects},
    {OPTION(reply), .kind = KCA__OPTION_FLAG},
    {OPTION(relay), .kind = KCA__OPTION_FLAG},
    {OPTION(deduplication), .kind = KCA__OPTION_INT, .least = 0, .most = 10000000},
    {OPTION(transactional_id), .kind = KCA__OPTION_TEXT, .stands_for = "transactional.id",
     .instead = "a consumer's transactional_id"},
    {OPTION(transaction_timeout_ms), .kind = KCA__OPTION_INT, .least = 1000, .most = 900000,
     .initial = 60000, .stands_for = "transaction.timeout.ms",
     .instead = "a consumer's transaction_timeout_ms"},
    {.name = NULL},
};
