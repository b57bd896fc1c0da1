/*
 * Beginnings: where an inbound channel adapter begins to read a partition of which its group has no
 * committed offset. All on its poller's thread.
 *
 * Where a group begins is found once, and what is found is committed before the first record is
 * handed out: whoever has the partition later goes on from there, also when nothing came of it. The
 * commit says when that was and how many partitions the topic had (see engine/origin.h). So a
 * member that finds no offset can tell, by those of the topic's other partitions, a partition that
 * the group begins with, and whose owner was lost before its commit, from one that appeared later:
 * the former is read from the time when the group began, the latter from its first record.
 */
#ifndef KCA_INBOUND_BEGINNINGS_H
#define KCA_INBOUND_BEGINNINGS_H

#include "inbound/inbound.h"

/* Finds the beginnings of those partitions in `list` that have no offset in `committed` (as
 * kca__offsets_look_up gave it; NULL: not known), sets them in `list`, commits them, and adds them
 * to `committed`. Gives a list of those that could not be committed now, the caller's. */
rd_kafka_topic_partition_list_t *kca__beginnings_choose(kca__inbound *in,
                                                        rd_kafka_topic_partition_list_t *list,
                                                        rd_kafka_topic_partition_list_t *committed);

/* NULL: it is none of the consumer's. */
kca__topic_beginning *kca__beginnings_of(const kca__inbound *in, const char *topic);

/* For the topic's origins. */
uint32_t kca__beginnings_place(kca__inbound *in, const char *topic);

/* There is no such topic now: when it comes, it is read from its first record. */
void kca__beginnings_see_missing(kca__inbound *in, const char *topic);

#endif
