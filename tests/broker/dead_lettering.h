/* Consumers whose rejected deliveries go to a dead-letter channel. */
#ifndef KCA_TESTS_DEAD_LETTERING_H
#define KCA_TESTS_DEAD_LETTERING_H

#include "consuming.h"

/* A topic of one partition with ids 0 ... count - 1, each of a key of its own. */
static inline const char *filled(int count) {
    const char *topic = unique("source");
    topic_create(topic, 1);
    topic_fill(topic, 0, count, count);
    return topic;
}

static inline const char *morgue(void) {
    const char *topic = unique("dead");
    topic_create(topic, 1);
    return topic;
}

/* Format NULL: the default. */
static inline kca_consumer_builder *burying(const char *topic, const char *group, const char *dead,
                                            const char *format) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_dead_letter_channel(b, dead);
    if (format)
        kca_consumer_builder_with_dead_letter_format(b, format);
    return b;
}

static inline int reject_all(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)id;
    kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
    return KCA_REJECTED;
}

static inline int reject_3(recorder *r, kca_delivery *d, int id) {
    return id == 3 ? reject_all(r, d, id) : KCA_DONE;
}

#endif
