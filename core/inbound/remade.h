/*
 * Topics made anew, under an inbound channel adapter: what the group has committed, or the adapter
 * read, was of another topic. They are read from their first record. All on the adapter's poller's
 * thread. It needs a librdkafka that tells ids, see kafka/topic_ids.h.
 */
#ifndef KCA_INBOUND_REMADE_H
#define KCA_INBOUND_REMADE_H

#include "inbound/inbound.h"

/* Where an assignment begins: asks for the ids of the consumer's topics, and waits for the answer.
 */
void kca__remade_begin(kca__inbound *in);

/* Sets those of `committed` that are of another topic to the first offset, and tells of them. Gives
 * a list of these, the caller's. */
rd_kafka_topic_partition_list_t *kca__remade_find(kca__inbound *in,
                                                  rd_kafka_topic_partition_list_t *committed);

/* Gives the origin the topic's id. */
void kca__remade_name(const kca__inbound *in, const char *topic, kca__origin *origin);

/* Now and then: asks again, and goes back in topics that were made anew under it. */
void kca__remade_watch(kca__inbound *in, int64_t now);

#endif
