/*
 * Other houses' dead letters: one row each. Spring counts in retry_topic-attempts the attempt that
 * would come next.
 */
#include "dead_letter/dead_letter_wire.h"

#include <string.h>

#define RETRY "retry_topic-*", "kafka_deliveryAttempt"

const kca__house kca__houses[] = {
    {.name = "spring",
     .format = KCA__DEAD_LETTER_SPRING,
     .javas = true,
     .keeps_history = true,
     .signs = {KCA__SPRING_TOPIC, KCA__SPRING_OFFSET, KCA__SPRING_EXCEPTION},
     .topic = KCA__SPRING_TOPIC,
     .partition = KCA__SPRING_PARTITION,
     .offset = KCA__SPRING_OFFSET,
     .timestamp = KCA__SPRING_TIMESTAMP,
     .timestamp_type = KCA__SPRING_TIMESTAMP_TYPE,
     .group = KCA__SPRING_GROUP,
     .cause = KCA__SPRING_PREFIX "exception-cause-fqcn",
     .error_name = KCA__SPRING_EXCEPTION,
     .error_text = KCA__SPRING_MESSAGE,
     .adds = {KCA__SPRING_PREFIX "exception-*", KCA__SPRING_PREFIX "key-exception-*"},
     .skips = {RETRY}},
    /* @RetryableTopic; its records on the way between its topics look the same */
    {.name = "spring-retry",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .javas = true,
     .signs = {"kafka_original-topic"},
     .topic = "kafka_original-topic",
     .partition = "kafka_original-partition",
     .offset = "kafka_original-offset",
     .timestamp = "kafka_original-timestamp",
     .timestamp_type = "kafka_original-timestamp-type",
     .group = KCA__SPRING_GROUP,
     .next_attempt = "retry_topic-attempts",
     .cause = "kafka_exception-cause-fqcn",
     .error_name = "kafka_exception-fqcn",
     .error_text = "kafka_exception-message",
     .adds = {"kafka_original-*", "kafka_exception-*", "kafka_key-exception-*"},
     .skips = {RETRY, KCA__SPRING_GROUP}},
    {.name = "spring-cloud-stream",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .javas = true,
     .signs = {"x-original-topic", "x-exception-fqcn"},
     .topic = "x-original-topic",
     .partition = "x-original-partition",
     .offset = "x-original-offset",
     .timestamp = "x-original-timestamp",
     .timestamp_type = "x-original-timestamp-type",
     .error_name = "x-exception-fqcn",
     .error_text = "x-exception-message",
     .adds = {"x-original-topic", "x-original-partition", "x-original-offset",
              "x-original-timestamp", "x-original-timestamp-type", "x-exception-fqcn",
              "x-exception-message", "x-exception-stacktrace"},
     .skips = {"deliveryAttempt"}},
    {.name = "kafka-connect",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"__connect.errors.topic"},
     .topic = "__connect.errors.topic",
     .partition = "__connect.errors.partition",
     .offset = "__connect.errors.offset",
     .group = "__connect.errors.connector.name",
     .error_name = "__connect.errors.exception.class.name",
     .error_text = "__connect.errors.exception.message",
     .adds = {"__connect.errors.*"}},
    {.name = "kafka-streams",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"__streams.errors.topic"},
     .topic = "__streams.errors.topic",
     .partition = "__streams.errors.partition",
     .offset = "__streams.errors.offset",
     .error_name = "__streams.errors.exception",
     .error_text = "__streams.errors.message",
     .adds = {"__streams.errors.*"}},
    {.name = "smallrye",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"dead-letter-reason", "dead-letter-topic"},
     .topic = "dead-letter-topic",
     .partition = "dead-letter-partition",
     .offset = "dead-letter-offset",
     .error_name = "dead-letter-exception-class-name",
     .error_text = "dead-letter-reason",
     .adds = {"dead-letter-reason", "dead-letter-cause", "dead-letter-exception-class-name",
              "dead-letter-cause-class-name", "dead-letter-topic", "dead-letter-partition",
              "dead-letter-offset"},
     .skips = {"delayed-retry-*"}},
    {.name = "smallrye-retry",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"delayed-retry-topic"},
     .topic = "delayed-retry-topic",
     .partition = "delayed-retry-partition",
     .offset = "delayed-retry-offset",
     .attempts = "delayed-retry-count",
     .error_name = "delayed-retry-exception-class-name",
     .error_text = "delayed-retry-reason",
     .adds = {"delayed-retry-*"}},
    {.name = "karafka",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"source_offset"},
     .topic = "source_topic",
     .partition = "source_partition",
     .offset = "source_offset",
     .group = "source_consumer_group",
     .attempts = "source_attempts",
     .adds = {"source_topic", "source_partition", "source_offset", "source_consumer_group",
              "source_attempts", "source_trace_id"}},
    /* before 2.5 */
    {.name = "karafka",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"original_offset"},
     .topic = "original_topic",
     .partition = "original_partition",
     .offset = "original_offset",
     .group = "original_consumer_group",
     .attempts = "original_attempts",
     .adds = {"original_topic", "original_partition", "original_offset", "original_consumer_group",
              "original_attempts", "original_trace_id"}},
    {.name = "dekaf",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"dlq.source.topic"},
     .topic = "dlq.source.topic",
     .partition = "dlq.source.partition",
     .offset = "dlq.source.offset",
     .attempts = "dlq.failure.count",
     .time = "dlq.timestamp",
     .error_name = "dlq.error.type",
     .error_text = "dlq.error.message",
     .adds = {"dlq.source.*", "dlq.failure.count", "dlq.timestamp", "dlq.error.*"},
     .skips = {"retry.source.*", "retry.failure.count", "retry.delay.ms",
               "retry.due.timestamp.ms"}},
    {.name = "watermill",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"reason_poisoned"},
     .topic = "topic_poisoned",
     .error_text = "reason_poisoned",
     .adds = {"reason_poisoned", "topic_poisoned", "handler_poisoned", "subscriber_poisoned"}},
    {.name = "masstransit",
     .format = KCA__DEAD_LETTER_FOREIGN,
     .signs = {"MT-Fault-ExceptionType", "MT-Reason"},
     .time = "MT-Fault-Timestamp",
     .attempts = "MT-Fault-RetryCount",
     .error_name = "MT-Fault-ExceptionType",
     .error_text = "MT-Fault-Message",
     .adds = {"MT-Fault-*", "MT-Reason"},
     .skips = {"MT-Redelivery-Count"}},
    {.name = NULL},
};

static bool is_named(const char *name, const char *pattern) {
    size_t len = strlen(pattern);
    return pattern[len - 1] == '*' ? strncmp(name, pattern, len - 1) == 0
                                   : strcmp(name, pattern) == 0;
}

static bool is_among(const char *name, const char *const *patterns, int most) {
    for (int i = 0; i < most && patterns[i]; i++)
        if (is_named(name, patterns[i]))
            return true;
    return false;
}

bool kca__house_adds(const kca__house *h, const char *name) {
    return is_among(name, h->adds, KCA__HOUSE_ADDS);
}

bool kca__house_drops(const kca__house *h, const char *name) {
    return kca__house_adds(h, name) || is_among(name, h->skips, KCA__HOUSE_SKIPS);
}

bool kca__house_has_signed(const kca__house *h, const kca__record *record) {
    for (int i = 0; i < KCA__HOUSE_SIGNS && h->signs[i]; i++)
        if (kca__dead_letter_find(record->headers, record->header_count, h->signs[i]))
            return true;
    return false;
}
