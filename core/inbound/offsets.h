/* Offsets of an inbound channel adapter at the broker: committed, and looked up where an assignment
 * begins. All on its poller's thread. */
#ifndef KCA_INBOUND_OFFSETS_H
#define KCA_INBOUND_OFFSETS_H

#include "inbound/inbound.h"

/* Commits every frontier that moved. wait_ms 0: asks and goes on; else waits for the answer that
 * long, and for those that are due from before. */
void kca__offsets_commit(kca__inbound *in, int wait_ms);

/* Takes the answers to commits that have come. Refused offsets are tried again at the next commit.
 */
void kca__offsets_hear(kca__inbound *in);

/* An offset to commit, with its metadata. */
void kca__offsets_add(rd_kafka_topic_partition_list_t *list, const char *topic, int partition,
                      int64_t offset, const char *metadata);

/* Commits these, and waits for the answer. Outside any transaction. */
bool kca__offsets_commit_now(kca__inbound *in, rd_kafka_topic_partition_list_t *list);

/* The group's committed offsets, with the metadata of what is finished beyond them. NULL: the
 * broker gave none for some partition. `out_put_out`: because the group has put this member out. */
rd_kafka_topic_partition_list_t *kca__offsets_look_up(kca__inbound *in,
                                                      const rd_kafka_topic_partition_list_t *list,
                                                      bool *out_put_out);

/* Times in `list`, and RD_KAFKA_OFFSET_BEGINNING and _END, become offsets; a time after the last
 * record is the end. False: they cannot be looked up now, and stay as they are. */
bool kca__offsets_find(kca__inbound *in, rd_kafka_topic_partition_list_t *list);

#endif
