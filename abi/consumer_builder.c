#include "inbound/consumer_builder.h"

#include "base/error.h"
#include "base/option.h"

#include <limits.h>
#include <stdio.h>

kca_error *kca_consumer_builder_new(kca_consumer_builder **out, const char *connection,
                                    const char *topic, const char *consumer) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_consumer_builder_new: out is NULL");
    return kca__consumer_builder_new(out, connection, topic, consumer);
}

void kca_consumer_builder_free(kca_consumer_builder *b) {
    kca__consumer_builder_free(b);
}

const kca_error *kca_consumer_builder_error(const kca_consumer_builder *b) {
    return b ? b->error : NULL;
}

static kca__option_owner owner_of(kca_consumer_builder *b) {
    return (kca__option_owner){"consumer", b->name, &b->error};
}

void kca_consumer_builder_with_partition(kca_consumer_builder *b, int partition) {
    if (b)
        kca__option_int(&b->partition, owner_of(b), "partition", partition, KCA_PARTITION_EVERY,
                        INT_MAX);
}

void kca_consumer_builder_with_queue_capacity(kca_consumer_builder *b, int records) {
    if (b)
        kca__option_int(&b->queue_capacity, owner_of(b), "queue_capacity", records, 1, 10000000);
}

void kca_consumer_builder_with_min_bytes(kca_consumer_builder *b, int bytes) {
    if (b)
        kca__option_int(&b->min_bytes, owner_of(b), "min_bytes", bytes, 1, 100000000);
}

void kca_consumer_builder_with_max_bytes(kca_consumer_builder *b, int bytes) {
    if (b)
        kca__option_int(&b->max_bytes, owner_of(b), "max_bytes", bytes, 1000, 1000000000);
}

void kca_consumer_builder_with_max_wait_ms(kca_consumer_builder *b, int max_wait_ms) {
    if (b)
        kca__option_int(&b->max_wait_ms, owner_of(b), "max_wait_ms", max_wait_ms, 1, 60000);
}

void kca_consumer_builder_with_read_batch_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    if (b)
        kca__option_int(&b->read_batch_timeout_ms, owner_of(b), "read_batch_timeout_ms", timeout_ms,
                        2000, 300000);
}

void kca_consumer_builder_with_heartbeat_interval_ms(kca_consumer_builder *b, int interval_ms) {
    if (b)
        kca__option_int(&b->heartbeat_interval_ms, owner_of(b), "heartbeat_interval_ms",
                        interval_ms, 1, 3600000);
}

void kca_consumer_builder_with_commit_interval_ms(kca_consumer_builder *b, int interval_ms) {
    if (!b)
        return;
    kca__option_int(&b->commit_interval_ms, owner_of(b), "commit_interval_ms", interval_ms, 0,
                    86400000);
    b->commit_interval_set = true;
}

void kca_consumer_builder_with_partition_watch_interval_ms(kca_consumer_builder *b,
                                                           int interval_ms) {
    if (b)
        kca__option_int(&b->partition_watch_interval_ms, owner_of(b), "partition_watch_interval_ms",
                        interval_ms, 10, 700000);
}

void kca_consumer_builder_with_watch_partition_changes(kca_consumer_builder *b, int watch) {
    if (b)
        kca__option_int(&b->watch_partition_changes, owner_of(b), "watch_partition_changes", watch,
                        0, 1);
}

void kca_consumer_builder_with_session_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    if (b)
        kca__option_int(&b->session_timeout_ms, owner_of(b), "session_timeout_ms", timeout_ms, 1000,
                        3600000);
}

void kca_consumer_builder_with_rebalance_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    if (b)
        kca__option_int(&b->rebalance_timeout_ms, owner_of(b), "rebalance_timeout_ms", timeout_ms,
                        1000, 86400000);
}

void kca_consumer_builder_with_group_topic(kca_consumer_builder *b, const char *topic) {
    if (b)
        kca__consumer_builder_add_topic(b, topic);
}

void kca_consumer_builder_with_start_offset(kca_consumer_builder *b, const char *start) {
    if (b)
        kca__consumer_builder_set_start_offset(b, start);
}

void kca_consumer_builder_with_isolation_level(kca_consumer_builder *b, const char *level) {
    static const char *const levels[] = {"read_committed", "read_uncommitted", NULL};
    if (b)
        kca__option_choice(&b->isolation_level, owner_of(b), "isolation_level", level, levels);
}

void kca_consumer_builder_with_group_id(kca_consumer_builder *b, const char *group_id) {
    if (b)
        kca__option_text(&b->group_id, owner_of(b), "group_id", group_id);
}

void kca_consumer_builder_with_failure_policy(kca_consumer_builder *b, const char *policy) {
    static const char *const policies[] = {"stop", "skip", NULL};
    if (b)
        kca__option_choice(&b->failure_policy, owner_of(b), "failure_policy", policy, policies);
}

void kca_consumer_builder_with_group_instance_id(kca_consumer_builder *b, const char *id) {
    if (b)
        kca__option_text(&b->group_instance_id, owner_of(b), "group_instance_id", id);
}

void kca_consumer_builder_with_assignment_strategy(kca_consumer_builder *b, const char *strategy) {
    static const char *const strategies[] = {"range,roundrobin", "range", "roundrobin",
                                             "cooperative-sticky", NULL};
    if (b)
        kca__option_choice(&b->assignment_strategy, owner_of(b), "assignment_strategy", strategy,
                           strategies);
}

void kca_consumer_builder_with_order(kca_consumer_builder *b, const char *order) {
    static const char *const orders[] = {"key", "partition", "none", NULL};
    if (b)
        kca__option_choice(&b->order, owner_of(b), "order", order, orders);
}

void kca_consumer_builder_with_max_attempts(kca_consumer_builder *b, int attempts) {
    if (b)
        kca__option_int(&b->max_attempts, owner_of(b), "max_attempts", attempts, 0, 1000000);
}

void kca_consumer_builder_with_retry_backoff_ms(kca_consumer_builder *b, int backoff_ms) {
    if (b)
        kca__option_int(&b->retry.backoff_ms, owner_of(b), "retry_backoff_ms", backoff_ms, 0,
                        86400000);
}

void kca_consumer_builder_with_retry_backoff_multiplier(kca_consumer_builder *b,
                                                        double multiplier) {
    if (b)
        kca__option_double(&b->retry.multiplier, owner_of(b), "retry_backoff_multiplier",
                           multiplier, 1, 100);
}

void kca_consumer_builder_with_retry_backoff_max_ms(kca_consumer_builder *b, int backoff_ms) {
    if (b)
        kca__option_int(&b->retry.backoff_max_ms, owner_of(b), "retry_backoff_max_ms", backoff_ms,
                        0, 86400000);
}

void kca_consumer_builder_with_retry_jitter_percent(kca_consumer_builder *b, int percent) {
    if (b)
        kca__option_int(&b->retry.jitter_percent, owner_of(b), "retry_jitter_percent", percent, 0,
                        100);
}

void kca_consumer_builder_with_retry_delay_ms(kca_consumer_builder *b, int delay_ms) {
    if (b)
        kca__consumer_builder_add_retry_delay(b, delay_ms);
}

void kca_consumer_builder_with_rejected_error(kca_consumer_builder *b, const char *error_name) {
    if (b)
        kca__consumer_builder_add_rejected_error(b, error_name);
}

void kca_consumer_builder_with_dead_letter_channel(kca_consumer_builder *b, const char *channel) {
    if (b)
        kca__option_text(&b->dead_letter_channel, owner_of(b), "dead_letter_channel", channel);
}

void kca_consumer_builder_with_dead_letter_format(kca_consumer_builder *b, const char *format) {
    static const char *const formats[] = {"kca", "spring", "gomes", NULL};
    if (b)
        kca__option_choice(&b->dead_letter_format, owner_of(b), "dead_letter_format", format,
                           formats);
}

void kca_consumer_builder_with_timeout_policy(kca_consumer_builder *b, const char *policy) {
    static const char *const policies[] = {"wait", "abandon", NULL};
    if (b)
        kca__option_choice(&b->timeout_policy, owner_of(b), "timeout_policy", policy, policies);
}

void kca_consumer_builder_with_deduplication(kca_consumer_builder *b, int messages) {
    if (b)
        kca__option_int(&b->deduplication, owner_of(b), "deduplication", messages, 0, 10000000);
}

void kca_consumer_builder_with_transactional_id(kca_consumer_builder *b, const char *id) {
    if (b)
        kca__option_text(&b->transactional_id, owner_of(b), "transactional_id", id);
}

void kca_consumer_builder_with_transaction_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    if (b)
        kca__option_int(&b->transaction_timeout_ms, owner_of(b), "transaction_timeout_ms",
                        timeout_ms, 1000, 900000);
}

void kca_consumer_builder_with_property(kca_consumer_builder *b, const char *name,
                                        const char *value) {
    if (!b)
        return;
    char who[300];
    snprintf(who, sizeof who, "consumer %s", b->name);
    kca_error *e = kca__properties_set(&b->properties, KCA__ON_CONSUMER, who, name, value);
    if (e)
        kca__error_keep_first(&b->error, e);
}
