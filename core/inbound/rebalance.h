/* Rebalances of an inbound channel adapter: all on its poller's thread. */
#ifndef KCA_INBOUND_REBALANCE_H
#define KCA_INBOUND_REBALANCE_H

#include "inbound/inbound.h"

void kca__rebalance_configure(rd_kafka_conf_t *conf);

/* Subscribes to the topics, or assigns the one partition or every one. */
void kca__rebalance_begin(kca__inbound *in);

/* Goes on reading these partitions at their offsets. A failure ends the consumer. */
rd_kafka_resp_err_t kca__rebalance_go_to(kca__inbound *in, rd_kafka_topic_partition_list_t *list);

/* After a transaction was aborted: all partitions are read again from what is committed. */
void kca__rebalance_begin_again(kca__inbound *in);

/* From now on new records make the engine's descriptor readable. */
void kca__rebalance_watch(kca__inbound *in);

#endif
