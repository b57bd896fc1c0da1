#include "inbound/consumer_builder.h"

#include "base/error.h"
#include "system/native_property.h"

#include <stdio.h>

kca_error *kca_consumer_builder_new(kca_consumer_builder **out, const char *connection,
                                    const char *topic, const char *consumer) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "consumer builder: new: out is missing");
    return kca__consumer_builder_new(out, connection, topic, consumer);
}

void kca_consumer_builder_free(kca_consumer_builder *b) {
    kca__consumer_builder_free(b);
}

const kca_error *kca_consumer_builder_error(const kca_consumer_builder *b) {
    return b ? b->error : NULL;
}

static kca__options options_of(kca_consumer_builder *b) {
    return (kca__options){kca__consumer_options,
                          b,
                          {"consumer", b ? b->name : NULL, b ? &b->error : NULL},
                          b ? &b->given : NULL};
}

void kca_consumer_builder_with_partition(kca_consumer_builder *b, int partition) {
    kca__options_set_int(options_of(b), "partition", partition);
}

void kca_consumer_builder_with_queue_capacity(kca_consumer_builder *b, int records) {
    kca__options_set_int(options_of(b), "queue_capacity", records);
}

void kca_consumer_builder_with_min_bytes(kca_consumer_builder *b, int bytes) {
    kca__options_set_int(options_of(b), "min_bytes", bytes);
}

void kca_consumer_builder_with_max_bytes(kca_consumer_builder *b, int bytes) {
    kca__options_set_int(options_of(b), "max_bytes", bytes);
}

void kca_consumer_builder_with_max_wait_ms(kca_consumer_builder *b, int max_wait_ms) {
    kca__options_set_int(options_of(b), "max_wait_ms", max_wait_ms);
}

void kca_consumer_builder_with_read_batch_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    kca__options_set_int(options_of(b), "read_batch_timeout_ms", timeout_ms);
}

void kca_consumer_builder_with_heartbeat_interval_ms(kca_consumer_builder *b, int interval_ms) {
    kca__options_set_int(options_of(b), "heartbeat_interval_ms", interval_ms);
}

void kca_consumer_builder_with_delay_ms(kca_consumer_builder *b, int delay_ms) {
    kca__options_set_int(options_of(b), "delay_ms", delay_ms);
}

void kca_consumer_builder_with_commit_interval_ms(kca_consumer_builder *b, int interval_ms) {
    kca__options_set_int(options_of(b), "commit_interval_ms", interval_ms);
}

void kca_consumer_builder_with_partition_watch_interval_ms(kca_consumer_builder *b,
                                                           int interval_ms) {
    kca__options_set_int(options_of(b), "partition_watch_interval_ms", interval_ms);
}

void kca_consumer_builder_with_watch_partition_changes(kca_consumer_builder *b, int watch) {
    kca__options_set_int(options_of(b), "watch_partition_changes", watch);
}

void kca_consumer_builder_with_session_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    kca__options_set_int(options_of(b), "session_timeout_ms", timeout_ms);
}

void kca_consumer_builder_with_rebalance_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    kca__options_set_int(options_of(b), "rebalance_timeout_ms", timeout_ms);
}

void kca_consumer_builder_with_group_topic(kca_consumer_builder *b, const char *topic) {
    if (b)
        kca__consumer_builder_add_topic(b, topic);
}

void kca_consumer_builder_with_start_offset(kca_consumer_builder *b, const char *start) {
    kca__options_set_text(options_of(b), "start_offset", start);
}

void kca_consumer_builder_with_isolation_level(kca_consumer_builder *b, const char *level) {
    kca__options_set_text(options_of(b), "isolation_level", level);
}

void kca_consumer_builder_with_group_id(kca_consumer_builder *b, const char *group_id) {
    kca__options_set_text(options_of(b), "group_id", group_id);
}

void kca_consumer_builder_with_failure_policy(kca_consumer_builder *b, const char *policy) {
    kca__options_set_text(options_of(b), "failure_policy", policy);
}

void kca_consumer_builder_with_group_instance_id(kca_consumer_builder *b, const char *id) {
    kca__options_set_text(options_of(b), "group_instance_id", id);
}

void kca_consumer_builder_with_assignment_strategy(kca_consumer_builder *b, const char *strategy) {
    kca__options_set_text(options_of(b), "assignment_strategy", strategy);
}

void kca_consumer_builder_with_group_protocol(kca_consumer_builder *b, const char *protocol) {
    kca__options_set_text(options_of(b), "group_protocol", protocol);
}

void kca_consumer_builder_with_group_remote_assignor(kca_consumer_builder *b,
                                                     const char *assignor) {
    kca__options_set_text(options_of(b), "group_remote_assignor", assignor);
}

void kca_consumer_builder_with_order(kca_consumer_builder *b, const char *order) {
    kca__options_set_text(options_of(b), "order", order);
}

void kca_consumer_builder_with_max_attempts(kca_consumer_builder *b, int attempts) {
    kca__options_set_int(options_of(b), "max_attempts", attempts);
}

void kca_consumer_builder_with_retry_backoff_ms(kca_consumer_builder *b, int backoff_ms) {
    kca__options_set_int(options_of(b), "retry_backoff_ms", backoff_ms);
}

void kca_consumer_builder_with_retry_backoff_multiplier(kca_consumer_builder *b,
                                                        double multiplier) {
    kca__options_set_double(options_of(b), "retry_backoff_multiplier", multiplier);
}

void kca_consumer_builder_with_retry_backoff_max_ms(kca_consumer_builder *b, int backoff_ms) {
    kca__options_set_int(options_of(b), "retry_backoff_max_ms", backoff_ms);
}

void kca_consumer_builder_with_retry_jitter_percent(kca_consumer_builder *b, int percent) {
    kca__options_set_int(options_of(b), "retry_jitter_percent", percent);
}

void kca_consumer_builder_with_retry_delay_ms(kca_consumer_builder *b, int delay_ms) {
    kca__options_add_int(options_of(b), "retry_delay_ms", delay_ms);
}

void kca_consumer_builder_with_rejected_error(kca_consumer_builder *b, const char *error_name) {
    kca__options_add_text(options_of(b), "rejected_error", error_name);
}

void kca_consumer_builder_with_retry_channel(kca_consumer_builder *b, const char *channel) {
    kca__options_add_text(options_of(b), "retry_channel", channel);
}

void kca_consumer_builder_with_dead_letter_channel(kca_consumer_builder *b, const char *channel) {
    kca__options_set_text(options_of(b), "dead_letter_channel", channel);
}

void kca_consumer_builder_with_dead_letter_format(kca_consumer_builder *b, const char *format) {
    kca__options_set_text(options_of(b), "dead_letter_format", format);
}

void kca_consumer_builder_with_park(kca_consumer_builder *b, int park) {
    kca__options_set_int(options_of(b), "park", park);
}

void kca_consumer_builder_with_park_max_keys(kca_consumer_builder *b, int keys) {
    kca__options_set_int(options_of(b), "park_max_keys", keys);
}

void kca_consumer_builder_with_park_max_ms(kca_consumer_builder *b, int max_ms) {
    kca__options_set_int(options_of(b), "park_max_ms", max_ms);
}

void kca_consumer_builder_with_timeout_policy(kca_consumer_builder *b, const char *policy) {
    kca__options_set_text(options_of(b), "timeout_policy", policy);
}

void kca_consumer_builder_with_reply(kca_consumer_builder *b, int reply) {
    kca__options_set_int(options_of(b), "reply", reply);
}

void kca_consumer_builder_with_relay(kca_consumer_builder *b, int relay) {
    kca__options_set_int(options_of(b), "relay", relay);
}

void kca_consumer_builder_with_deduplication(kca_consumer_builder *b, int messages) {
    kca__options_set_int(options_of(b), "deduplication", messages);
}

void kca_consumer_builder_with_transactional_id(kca_consumer_builder *b, const char *id) {
    kca__options_set_text(options_of(b), "transactional_id", id);
}

void kca_consumer_builder_with_transaction_timeout_ms(kca_consumer_builder *b, int timeout_ms) {
    kca__options_set_int(options_of(b), "transaction_timeout_ms", timeout_ms);
}

void kca_consumer_builder_with_dialect(kca_consumer_builder *b, const char *dialect) {
    kca__options_set_text(options_of(b), "dialect", dialect);
}

void kca_consumer_builder_with_property(kca_consumer_builder *b, const char *name,
                                        const char *value) {
    if (!b)
        return;
    char who[300];
    snprintf(who, sizeof who, "consumer %s", b->name);
    kca_error *e = kca__native_property_set(&b->properties, KCA__ON_CONSUMER, who, name, value);
    if (e)
        kca__error_keep_first(&b->error, e);
}
