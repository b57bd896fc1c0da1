#include "inbound/consumer_builder.h"

#include "base/error.h"
#include "base/text.h"
#include "dead_letter/dead_letter.h"
#include "inbound/group.h"
#include "kafka/option_properties.h"
#include "kafka/quirks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_QUEUED_KBYTES = 4096, /* what waits in librdkafka is to stay in the processor's cache */
    UNWATCHED_MS = 700000,      /* the most that librdkafka can do, see KCA__QUIRK_METADATA_AGE */
    TRANSACTION_INTERVAL_MS = 100, /* results are to be seen soon; each commit is a round trip */
    MOST_IN_TRANSACTION = 700,     /* records of which a commit can tell for sure which are open */
    MOST_IN_PARKING_TRANSACTION = 250 /* likewise, beside as many parked keys as it has room for */
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
    kca__options_init(kca__consumer_options, b);
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

/* Adds to the topics; one twice only once. False when memory is out. */
static bool read_retry_channels(kca_consumer_builder *b) {
    const kca__option_texts *channels = &b->retry_channel;
    char **grown = realloc(b->topics, (size_t)(b->topic_count + channels->count) * sizeof *grown);
    if (!grown)
        return false;
    b->topics = grown;
    for (int i = 0; i < channels->count; i++) {
        if (kca__consumer_builder_retry_channel(b, channels->items[i]) < i)
            continue;
        char *copy = kca__text_copy(channels->items[i]);
        if (!copy)
            return false;
        b->topics[b->topic_count++] = copy;
    }
    return true;
}

kca_error *kca__consumer_builder_copy(kca_consumer_builder **out, const kca_consumer_builder *b) {
    kca_error *e = kca__consumer_builder_new(out, b->connection, b->topics[0], b->name);
    if (e)
        return e;
    kca_consumer_builder *copy = *out;
    for (int i = 1; i < b->declared_topics; i++)
        kca__consumer_builder_add_topic(copy, b->topics[i]);
    if (!copy->error && kca__options_copy(kca__consumer_options, copy, b) &&
        kca__properties_copy(&copy->properties, &b->properties) && read_retry_channels(copy)) {
        copy->given = b->given;
        return NULL;
    }
    kca__consumer_builder_free(copy);
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
    kca__options_close(kca__consumer_options, b);
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
    b->declared_topics = b->topic_count;
    if (!e && !(grown && copy))
        e = kca__error_memory();
    if (e)
        kca__error_keep_first(&b->error, e);
}

int64_t kca__consumer_builder_start_time(const kca_consumer_builder *b) {
    return b->start_offset && *b->start_offset <= '9' ? strtoll(b->start_offset, NULL, 10) : -1;
}

const char *kca__consumer_builder_group(const kca_consumer_builder *b) {
    return b->group_id ? b->group_id : b->name;
}

int kca__consumer_builder_capacity(const kca_consumer_builder *b) {
    int most = b->park ? MOST_IN_PARKING_TRANSACTION : MOST_IN_TRANSACTION;
    return b->transactional_id && b->queue_capacity > most ? most : b->queue_capacity;
}

int kca__consumer_builder_commit_interval_ms(const kca_consumer_builder *b) {
    if (b->commit_interval_ms != KCA__OPTION_UNSET)
        return b->commit_interval_ms;
    return b->transactional_id ? TRANSACTION_INTERVAL_MS : KCA__COMMIT_INTERVAL_MS;
}

bool kca__consumer_builder_commits(const kca_consumer_builder *b) {
    return kca__consumer_builder_commit_interval_ms(b) > 0;
}

bool kca__consumer_builder_starts_late(const kca_consumer_builder *b) {
    return choice_is(b->start_offset, "latest");
}

bool kca__consumer_builder_tells_end(const kca_consumer_builder *b) {
    const char *value = kca__properties_get(&b->properties, "enable.partition.eof");
    return value && strchr("1tT", *value); /* as librdkafka reads it */
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

kca__dialect kca__consumer_builder_dialect(const kca_consumer_builder *b) {
    return choice_is(b->dialect, "cloudevents") ? KCA__DIALECT_CLOUD_EVENTS : KCA__DIALECT_GOMES;
}

int kca__consumer_builder_dead_letter(const kca_consumer_builder *b) {
    return kca__dead_letter_format(b->dead_letter_format);
}

int kca__consumer_builder_retry_channel(const kca_consumer_builder *b, const char *topic) {
    for (int i = 0; i < b->retry_channel.count; i++)
        if (strcmp(b->retry_channel.items[i], topic) == 0)
            return i;
    return -1;
}

static int max_attempts(const kca_consumer_builder *b) {
    if (b->retry_channel.count > 0)
        return b->retry_channel.count + 1;
    return b->max_attempts != KCA__OPTION_UNSET ? b->max_attempts : b->retry_delay_ms.count + 1;
}

/* Records of one channel come one behind the other: jitter would only keep some of them waiting. */
kca__retry_plan kca__consumer_builder_retry(const kca_consumer_builder *b) {
    return (kca__retry_plan){
        .max_attempts = max_attempts(b),
        .backoff_ms = b->retry_backoff_ms,
        .backoff_max_ms = b->retry_backoff_max_ms,
        .multiplier = b->retry_backoff_multiplier,
        .jitter_percent = b->retry_channel.count > 0 ? 0 : b->retry_jitter_percent,
        .delays_ms = b->retry_delay_ms.items,
        .delay_count = b->retry_delay_ms.count,
        .rejected_errors = b->rejected_error.items,
        .rejected_count = b->rejected_error.count,
    };
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

static kca_error *check_retry_channel(const kca_consumer_builder *b, const char *channel) {
    if (b->dead_letter_channel && strcmp(channel, b->dead_letter_channel) == 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: retry_channel %s is its dead_letter_channel, too: its "
                              "dead letters would come back",
                              b->name, channel);
    for (int i = 0; i < b->declared_topics; i++)
        if (strcmp(b->topics[i], channel) == 0)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "consumer %s: retry_channel %s is a topic that it reads: name a "
                                  "topic for retries alone",
                                  b->name, channel);
    return NULL;
}

static kca_error *check_retry_channels(const kca_consumer_builder *b) {
    int count = b->retry_channel.count;
    kca_error *e = NULL;
    for (int i = 0; i < count && !e; i++)
        e = check_retry_channel(b, b->retry_channel.items[i]);
    if (!e && count > 0 && b->max_attempts != KCA__OPTION_UNSET && b->max_attempts != count + 1)
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "consumer %s: with %d retry_channel max_attempts must be %d, one more, "
                           "or left out, got %d",
                           b->name, count, count + 1, b->max_attempts);
    if (!e && count > 0 && b->retry_delay_ms.count > count)
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "consumer %s: with %d retry_channel there must be %d retry_delay_ms at "
                           "most, one for each, got %d",
                           b->name, count, count, b->retry_delay_ms.count);
    return e;
}

static kca_error *parking_error(const kca_consumer_builder *b, const char *what) {
    return kca__error_new(KCA_ERROR_ARGUMENT, "consumer %s: with park %s", b->name, what);
}

/* Its state lives in the group's commits, its line in the dead letters' headers. */
static kca_error *check_parking(const kca_consumer_builder *b) {
    if (!b->park)
        return NULL;
    if (!b->dead_letter_channel)
        return parking_error(b, "there must be a dead_letter_channel");
    if (kca__consumer_builder_dead_letter(b) != KCA__DEAD_LETTER_KCA)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: with park dead_letter_format must be kca, got %s",
                              b->name, b->dead_letter_format);
    if (b->retry_channel.count > 0)
        return parking_error(b,
                             "there must be no retry_channel: what comes that way keeps no order");
    if (b->relay)
        return parking_error(b, "there must be no relay: what it relays is not handled");
    if (kca__consumer_builder_order(b) == KCA__ORDER_NONE)
        return parking_error(b, "order must be key or partition, got none");
    if (!kca__consumer_builder_commits(b))
        return parking_error(b, "commit_interval_ms must be 1 to 86400000, got 0");
    return NULL;
}

kca_error *kca__consumer_builder_check(const kca_consumer_builder *b) {
    if (b->error)
        return kca__error_copy(b->error);
    kca_error *e = check_transactions(b);
    if (!e)
        e = check_parking(b);
    if (!e)
        e = kca__group_check(b);
    if (!e)
        e = check_retry_channels(b);
    if (!e && b->relay && (b->transactional_id || b->retry_channel.count > 0))
        e = kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: relay with %s: what it relays is not handled: leave one of "
            "them out",
            b->name, b->transactional_id ? "transactional_id" : "retry_channel");
    if (e)
        return e;
    if (b->read_batch_timeout_ms < b->max_wait_ms + 1000)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: read_batch_timeout_ms must be at least max_wait_ms + 1000, %d, "
            "got %d",
            b->name, b->max_wait_ms + 1000, b->read_batch_timeout_ms);
    if (b->partition >= 0 && b->declared_topics > 1)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "consumer %s: partition %d of several topics: with_partition takes one topic", b->name,
            b->partition);
    for (int i = 0; i < b->declared_topics && b->dead_letter_channel; i++)
        if (strcmp(b->topics[i], b->dead_letter_channel) == 0)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "consumer %s: dead_letter_channel %s is a topic that it reads: "
                                  "its dead letters would come back",
                                  b->name, b->dead_letter_channel);
    return NULL;
}

/* Properties that follow from more than one option; they replace what the rows have set. */
static kca_error *configure_numbers(const kca_consumer_builder *b, rd_kafka_conf_t *conf,
                                    const char *who) {
    int kbytes = b->max_bytes / 1024;
    int refresh_ms = b->watch_partition_changes ? b->partition_watch_interval_ms : UNWATCHED_MS;
    /* librdkafka wants room for a whole answer: its default, 100 MB, or some more than max_bytes.
     */
    int receive = b->max_bytes < 99000000 ? 100000000 : b->max_bytes + 1000000;
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"queued.max.messages.kbytes", kbytes > LEAST_QUEUED_KBYTES ? kbytes : LEAST_QUEUED_KBYTES},
        {"message.max.bytes", b->max_bytes < 1000000 ? b->max_bytes : 1000000},
        {"fetch.message.max.bytes", b->max_bytes},
        {"receive.message.max.bytes", receive},
        {"topic.metadata.refresh.interval.ms", refresh_ms},
        /* see KCA__QUIRK_METADATA_AGE */
        {"metadata.max.age.ms", refresh_ms < 300000 ? 900000 : refresh_ms * 3},
    };
    kca_error *e = NULL;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !e; i++)
        e = kca__property_apply_int(conf, who, numbers[i].name, numbers[i].value);
    return e;
}

kca_error *kca__consumer_builder_configure(const kca_consumer_builder *b, bool embedded,
                                           rd_kafka_conf_t *conf) {
    char who[300];
    snprintf(who, sizeof who, "consumer %s", b->name);
    const char *const texts[][2] = {
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"}, /* a place that is gone skips nothing; see offsets.c */
    };
    kca_error *e = kca__options_apply(kca__consumer_options, b, conf, who);
    if (!e)
        e = configure_numbers(b, conf, who);
    if (!e)
        e = kca__group_configure(b, embedded, conf, who);
    if (!e)
        e = kca__property_apply_all(conf, who, texts, sizeof texts / sizeof *texts);
    /* A full queue is looked at again soon: the library's own pace is the consumer's. See
     * KCA__QUIRK_FULL_QUEUE_SLEEPS. */
    if (!e && kca__property_is_known("fetch.queue.backoff.ms"))
        e = kca__property_apply(conf, who, "fetch.queue.backoff.ms", "2");
    if (!e)
        e = kca__properties_apply(&b->properties, conf, false, who);
    /* Whatever the application wants to hear of: the frontier is told in this way. */
    if (!e)
        e = kca__property_apply(conf, who, "enable.partition.eof", "true");
    return e;
}
