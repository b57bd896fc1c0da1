/* Consumers whose failed deliveries come again. */
#ifndef KCA_TESTS_RETRYING_H
#define KCA_TESTS_RETRYING_H

#include "consuming.h"

enum { NEVER_MS = 600000 }; /* no test waits so long */

/* Without jitter. */
static inline kca_consumer_builder *retrying(const char *topic, const char *group, int attempts,
                                             int pause_ms) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_max_attempts(b, attempts);
    kca_consumer_builder_with_retry_backoff_ms(b, pause_ms);
    kca_consumer_builder_with_retry_backoff_max_ms(b, NEVER_MS);
    kca_consumer_builder_with_retry_jitter_percent(b, 0);
    return b;
}

/* A topic of one partition with ids 0 ... count - 1 of so many keys. */
static inline const char *filled(int count, int keys) {
    const char *topic = unique("retry");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, keys);
    return topic;
}

#endif
