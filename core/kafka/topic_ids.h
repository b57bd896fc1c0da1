/*
 * Ids of topics: a topic that was deleted and made anew has the old one's name, and another id.
 * librdkafka tells ids from 2.3.0 on; below, nothing here does anything.
 */
#ifndef KCA_KAFKA_TOPIC_IDS_H
#define KCA_KAFKA_TOPIC_IDS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/id.h"

/* Asks; one event with the answer comes to `answers`. False: librdkafka cannot. */
bool kca__topic_ids_ask(rd_kafka_t *rk, rd_kafka_queue_t *answers, const char *const *topics,
                        int count);

/* Takes an answer: calls fn for each topic that there is. */
void kca__topic_ids_take(rd_kafka_event_t *answer,
                         void (*fn)(void *user, const char *topic, const unsigned char *id),
                         void *user);

#endif
