/* Rebalances and commits of an inbound channel adapter: all on its keeper's thread. */
#ifndef KCA_CORE_REBALANCE_H
#define KCA_CORE_REBALANCE_H

#include "inbound_channel_adapter.h"

void kca__rebalance_configure(rd_kafka_conf_t *conf);

/* Subscribes to the topics, or assigns the one partition. */
void kca__rebalance_begin(kca__inbound *in);

/* Goes on reading these partitions at their offsets. A failure ends the consumer. */
rd_kafka_resp_err_t kca__rebalance_go_to(kca__inbound *in, rd_kafka_topic_partition_list_t *list);

/* Commits every frontier that moved. wait_ms 0: asks and goes on; else waits for the answer that
 * long. */
void kca__rebalance_commit(kca__inbound *in, int wait_ms);

/* After a transaction was aborted: all partitions are read again from what is committed. */
void kca__rebalance_begin_again(kca__inbound *in);

/* An offset to commit, with its map. */
void kca__rebalance_add_commit(rd_kafka_topic_partition_list_t *list, const char *topic,
                               int partition, int64_t offset, const char *map);

/* From now on new records raise the engine's notifier. */
void kca__rebalance_watch(kca__inbound *in);

#endif
