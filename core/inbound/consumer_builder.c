#include "inbound/consumer_builder.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"
#include "dead_letter/dead_letter.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COOPERATIVE_FIXED = 0x020601ff,
    LEAST_QUEUED_KBYTES = 4096,
    UNWATCHED_MS = 700000,
    EMBEDDED_SESSION_MS = 4000,
    MOST_DELAYS = 100,
    DAY_MS = 86400000,
    TRANSACTION_INTERVAL_MS = 100,
    MOST_IN_TRANSACTION = 700 /* records of which a commit can tell for sure which are open */
};

static bool choice_is(const char *choice, const char *value) {
    return choice && strcmp(choice, value) == 0;
}

kca_error *kca__consumer_builder_new(kca_consumer_builder **out, const char *connection,
                                     const char *topic, const char *consumer) {
    *out = NULL;
    kca_consumer_builder *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();
    *b = (kca_consumer_builder){
        .partition = KCA_PARTITION_ASSIGNED,
        .queue_capacity = 1000,
        .min_bytes = 1,
        .max_bytes = 1048576,
        .max_wait_ms = 100,
        .read_batch_timeout_ms = 10000,
        .heartbeat_interval_ms = 3000,
        .commit_interval_ms = 5000,
        .partition_watch_interval_ms = 300000,
        .session_timeout_ms = 45000,
        .rebalance_timeout_ms = 300000,
        .max_attempts = -1,
        .transaction_timeout_ms = 60000,
        .retry = {.backoff_ms = 100,
                  .backoff_max_ms = 30000,
                  .multiplier = 2.0,
                  .jitter_percent = 20},
    };
    b->error = kca__option_check_name("consumer name", consumer, 249);
    if (!b->error)
        b->error = kca__option_check_name("connection name", connection, 100);
    b->connection = kca__text_copy(connection ? connection : "");
    b->name = kca__text_copy(consumer ? consumer : "");
    if (!b->connection || !b->name) {
        kca__consumer_builder_free(b);
        return kca__error_memory();
    }
    kca__consumer_builder_add_topic(b, topic);
    if (b->error) {
        kca_error *e = kca__error_copy(b->error);
        kca__consumer_builder_free(b);
        return e;
    }
    *out = b;
    return NULL;
}

/* The texts that are there or not. */
static const size_t text_fields[] = {
    offsetof(kca_consumer_builder, start_offset),
    offsetof(kca_consumer_builder, isolation_level),
    offsetof(kca_consumer_builder, group_id),
    offsetof(kca_consumer_builder, failure_policy),
    offsetof(kca_consumer_builder, group_instance_id),
    offsetof(kca_consumer_builder, assignment_strategy),
    offsetof(kca_consumer_builder, order),
    offsetof(kca_consumer_builder, timeout_policy),
    offsetof(kca_consumer_builder, dead_letter_channel),
    offsetof(kca_consumer_builder, dead_letter_format),
    offsetof(kca_consumer_builder, transactional_id),
};
enum { TEXT_FIELDS = sizeof text_fields / sizeof *text_fields };

static char **text_field(kca_consumer_builder *b, int field) {
    return (char **)(void *)((char *)b + text_fields[field]);
}

/* Copies into `copy`, which is new, all but its own names. */
static bool copy_options(kca_consumer_builder *copy, const kca_consumer_builder *b) {
    kca_consumer_builder fresh = *copy, *from = (kca_consumer_builder *)(uintptr_t)b;
    *copy = *b;
    copy->connection = fresh.connection;
    copy->name = fresh.name;
    copy->topics = fresh.topics;
    copy->topic_count = fresh.topic_count;
    copy->error = fresh.error;
    copy->retry.delays_ms = NULL;
    copy->retry.delay_count = 0;
    copy->retry.rejected_errors = NULL;
    copy->retry.rejected_count = 0;
    for (int i = 0; i < TEXT_FIELDS; i++)
        *text_field(copy, i) = NULL;
    bool copied = kca__properties_copy(&copy->properties, &b->properties);
    for (int i = 0; i < TEXT_FIELDS && copied; i++)
        copied = kca__text_set(text_field(copy, i), *text_field(from, i));
    for (int i = 1; i < b->topic_count; i++)
        kca__consumer_builder_add_topic(copy, b->topics[i]);
    for (int i = 0; i < b->retry.delay_count; i++)
        kca__consumer_builder_add_retry_delay(copy, b->retry.delays_ms[i]);
    for (int i = 0; i < b->retry.rejected_count; i++)
        kca__consumer_builder_add_rejected_error(copy, b->retry.rejected_errors[i]);
    return copied && !copy->error;
}

kca_error *kca__consumer_builder_copy(kca_consumer_builder **out, const kca_consumer_builder *b) {
    kca_error *e = kca__consumer_builder_new(out, b->connection, b->topics[0], b->name);
    if (e || copy_options(*out, b))
        return e;
    kca__consumer_builder_free(*out);
    *out = NULL;
    return kca__error_memory();
}

void kca__consumer_builder_free(kca_consumer_builder *b) {
    if (!b)
        return;
    for (int i = 0; i < b->topic_count; i++)
        free(b->topics[i]);
    free(b->topics);
    free(b->connection);
    free(b->name);
    for (int i = 0; i < TEXT_FIELDS; i++)
        free(*text_field(b, i));
    free(b->retry.delays_ms);
    for (int i = 0; i < b->retry.rejected_count; i++)
        free(b->retry.rejected_errors[i]);
    free(b->retry.rejected_errors);
    kca__properties_close(&b->properties);
    kca__error_free(b->error);
    free(b);
}

void kca__consumer_builder_add_topic(kca_consumer_builder *b, const char *topic) {
    kca_error *e = kca__option_check_topic(topic);
    for (int i = 0; i < b->topic_count && !e; i++)
        if (strcmp(b->topics[i], topic) == 0)
            e = kca__error_new(KCA_ERROR_DUPLICATE, "consumer %s: topic %s is there twice", b->name,
                               topic);
    char *copy = kca__text_copy(topic ? topic : "");
    char **grown = realloc(b->topics, (size_t)(b->topic_count + 1) * sizeof *grown);
    if (grown)
        b->topics = grown;
    if (grown && copy)
        b->topics[b->topic_count++] = copy;
    else
        free(copy);
    if (!e && !(grown && copy))
        e = kca__error_memory();
    if (e)
        kca__error_keep_first(&b->error, e);
}

void kca__consumer_builder_set_start_offset(kca_consumer_builder *b, const char *start) {
    bool is_time =
        start && *start && strlen(start) <= 15 && start[strspn(start, "0123456789")] == '\0';
    if (is_time || (start && (strcmp(start, "earliest") == 0 || strcmp(start, "latest") == 0))) {
        if (!kca__text_set(&b->start_offset, start))
            kca__error_keep_first(&b->error, kca__error_memory());
        return;
    }
    kca__error_keep_first(&b->error,
                          kca__error_new(KCA_ERROR_ARGUMENT,
                                         "consumer %s: start_offset must be earliest, latest or "
                                         "milliseconds since 1970, got %s",
                                         b->name, start ? start : "NULL"));
}

int64_t kca__consumer_builder_start_time(const kca_consumer_builder *b) {
    return b->start_offset && *b->start_offset <= '9' ? strtoll(b->start_offset, NULL, 10) : -1;
}

const char *kca__consumer_builder_group(const kca_consumer_builder *b) {
    return b->group_id ? b->group_id : b->name;
}

int kca__consumer_builder_capacity(const kca_consumer_builder *b) {
    return b->transactional_id && b->queue_capacity > MOST_IN_TRANSACTION ? MOST_IN_TRANSACTION
                                                                          : b->queue_capacity;
}

int kca__consumer_builder_commit_interval_ms(const kca_consumer_builder *b) {
    return b->transactional_id && !b->commit_interval_set ? TRANSACTION_INTERVAL_MS
                                                          : b->commit_interval_ms;
}

bool kca__consumer_builder_commits(const kca_consumer_builder *b) {
    return kca__consumer_builder_commit_interval_ms(b) > 0;
}

bool kca__consumer_builder_starts_late(const kca_consumer_builder *b) {
    return choice_is(b->start_offset, "latest");
}

bool kca__consumer_builder_skips(const kca_consumer_builder *b) {
    return choice_is(b->failure_policy, "skip");
}

bool kca__consumer_builder_abandons(const kca_consumer_builder *b) {
    return choice_is(b->timeout_policy, "abandon");
}

kca__order kca__consumer_builder_order(const kca_consumer_builder *b) {
    if (choice_is(b->order, "partition"))
        return KCA__ORDER_PARTITION;
    return choice_is(b->order, "none") ? KCA__ORDER_NONE : KCA__ORDER_KEY;
}

int kca__consumer_builder_dead_letter(const kca_consumer_builder *b) {
    return b->dead_letter_format ? kca__dead_letter_format(b->dead_letter_format)
                                 : KCA__DEAD_LETTER_KCA;
}

/* ---- retries ---- */

void kca__consumer_builder_add_retry_delay(kca_consumer_builder *b, int delay_ms) {
    int checked = 0;
    kca__option_owner owner = {"consumer", b->name, &b->error};
    kca__retry_plan *plan = &b->retry;
    if (plan->delay_count == MOST_DELAYS) {
        kca__error_keep_first(&b->error, kca__error_new(KCA_ERROR_ARGUMENT,
                                                        "consumer %s: at most %d retry_delay_ms",
                                                        b->name, MOST_DELAYS));
        return;
    }
    kca__option_int(&checked, owner, "retry_delay_ms", delay_ms, 0, DAY_MS);
    int *grown = realloc(plan->delays_ms, (size_t)(plan->delay_count + 1) * sizeof *grown);
    if (!grown) {
        kca__error_keep_first(&b->error, kca__error_memory());
        return;
    }
    plan->delays_ms = grown;
    grown[plan->delay_count++] = checked;
}

void kca__consumer_builder_add_rejected_error(kca_consumer_builder *b, const char *error_name) {
    kca_error *e = kca__option_check_name("rejected_error", error_name, 1000);
    kca__retry_plan *plan = &b->retry;
    char *copy = e ? NULL : kca__text_copy(error_name);
    char **grown =
        copy ? realloc(plan->rejected_errors, (size_t)(plan->rejected_count + 1) * sizeof *grown)
             : NULL;
    if (grown) {
        plan->rejected_errors = grown;
        grown[plan->rejected_count++] = copy;
        return;
    }
    free(copy);
    kca__error_keep_first(&b->error, e ? e : kca__error_memory());
}

kca__retry_plan kca__consumer_builder_retry(const kca_consumer_builder *b) {
    kca__retry_plan plan = b->retry;
    plan.max_attempts = b->max_attempts >= 0 ? b->max_attempts : plan.delay_count + 1;
    return plan;
}

static kca_error *check_transactions(const kca_consumer_builder *b) {
    if (!b->transactional_id)
        return NULL;
    if (choice_is(b->isolation_level, "read_uncommitted"))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: with transactional_id isolation_level must be "
                              "read_committed, got read_uncommitted",
                              b->name);
    if (!kca__consumer_builder_commits(b))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: with transactional_id commit_interval_ms must be 1 to "
                              "86400000, got 0",
                              b->name);
    if (b->deduplication > 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: with transactional_id deduplication must be 0, got %d: "
                              "what was done in an aborted transaction has to be done again",
                              b->name, b->deduplication);
    return NULL;
}

kca_error *kca__consumer_builder_check(const kca_consumer_builder *b) {
    if (b->error)
        return kca__error_copy(b->error);
    kca_error *e = check_transactions(b);
    if (e)
        return e;
    if (b->heartbeat_interval_ms > b->session_timeout_ms / 3)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: heartbeat_interval_ms must be at most a third of "
                              "session_timeout_ms (%d / 3 = %d), got %d",
                              b->name, b->session_timeout_ms, b->session_timeout_ms / 3,
                              b->heartbeat_interval_ms);
    if (b->rebalance_timeout_ms < b->session_timeout_ms)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: rebalance_timeout_ms must be at least session_timeout_ms, %d, "
            "got %d",
            b->name, b->session_timeout_ms, b->rebalance_timeout_ms);
    if (b->read_batch_timeout_ms < b->max_wait_ms + 1000)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: read_batch_timeout_ms must be at least max_wait_ms + 1000, %d, "
            "got %d",
            b->name, b->max_wait_ms + 1000, b->read_batch_timeout_ms);
    if (b->partition >= 0 && b->topic_count > 1)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: partition %d of several topics: with_partition takes one topic", b->name,
            b->partition);
    for (int i = 0; i < b->topic_count && b->dead_letter_channel; i++)
        if (strcmp(b->topics[i], b->dead_letter_channel) == 0)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "consumer %s: dead_letter_channel %s is a topic that it reads: "
                                  "its dead letters would come back",
                                  b->name, b->dead_letter_channel);
    return NULL;
}

static kca_error *set_number(rd_kafka_conf_t *conf, const char *who, const char *name, int value) {
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return kca__property_apply(conf, who, name, text);
}

static int least(int a, int b) {
    return a < b ? a : b;
}

static kca_error *configure_numbers(const kca_consumer_builder *b, bool embedded,
                                    rd_kafka_conf_t *conf, const char *who) {
    int kbytes = b->max_bytes / 1024;
    int refresh_ms = b->watch_partition_changes ? b->partition_watch_interval_ms : UNWATCHED_MS;
    int receive = b->max_bytes < 99000000 ? 100000000 : b->max_bytes + 1000000;
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"queued.min.messages", b->queue_capacity},
        {"queued.max.messages.kbytes", kbytes > LEAST_QUEUED_KBYTES ? kbytes : LEAST_QUEUED_KBYTES},
        {"fetch.min.bytes", b->min_bytes},
        {"fetch.max.bytes", b->max_bytes},
        {"message.max.bytes", b->max_bytes < 1000000 ? b->max_bytes : 1000000},
        {"fetch.message.max.bytes", b->max_bytes},
        {"receive.message.max.bytes", receive},
        {"fetch.wait.max.ms", b->max_wait_ms},
        {"socket.timeout.ms", b->read_batch_timeout_ms},
        {"heartbeat.interval.ms", embedded
                                      ? least(b->heartbeat_interval_ms, EMBEDDED_SESSION_MS / 4)
                                      : b->heartbeat_interval_ms},
        {"session.timeout.ms",
         embedded ? least(b->session_timeout_ms, EMBEDDED_SESSION_MS) : b->session_timeout_ms},
        {"max.poll.interval.ms", b->rebalance_timeout_ms},
        {"topic.metadata.refresh.interval.ms", refresh_ms},
        /* librdkafka multiplies it by 1000 in an int: past 2147483 every topic is unknown at once
         */
        {"metadata.max.age.ms", refresh_ms < 300000 ? 900000 : refresh_ms * 3},
    };
    kca_error *e = NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !e; i++)
        e = set_number(conf, who, numbers[i].name, numbers[i].value);
    return e;
}

static const char *strategy_of(const kca_consumer_builder *b) {
    if (b->assignment_strategy)
        return b->assignment_strategy;
    return rd_kafka_version() < COOPERATIVE_FIXED ? "range,roundrobin" : "cooperative-sticky";
}

kca_error *kca__consumer_builder_configure(const kca_consumer_builder *b, bool embedded,
                                           rd_kafka_conf_t *conf) {
    char who[300];
    snprintf(who, sizeof who, "consumer %s", b->name);
    const char *const texts[][2] = {
        {"group.id", kca__consumer_builder_group(b)},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"enable.partition.eof", "false"},
        {"auto.offset.reset", "earliest"}, /* a place that is gone skips nothing; see offsets.c */
        {"isolation.level", b->isolation_level ? b->isolation_level : "read_committed"},
        {"partition.assignment.strategy", strategy_of(b)},
    };
    kca_error *e = configure_numbers(b, embedded, conf, who);
    if (!e && b->group_instance_id)
        e = kca__property_apply(conf, who, "group.instance.id", b->group_instance_id);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && !e; i++)
        e = kca__property_apply(conf, who, texts[i][0], texts[i][1]);
    /* A full queue is looked at again soon, not after a second: the library's own pace is the
     * consumer's. */
    if (!e && kca__property_is_known("fetch.queue.backoff.ms"))
        e = kca__property_apply(conf, who, "fetch.queue.backoff.ms", "2");
    if (!e)
        e = kca__properties_apply(&b->properties, conf, false, who);
    return e;
}
