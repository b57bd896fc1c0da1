/* Rebalances and commits of an inbound channel adapter: all on its keeper's thread. */
#ifndef KCA_CORE_REBALANCE_H
#define KCA_CORE_REBALANCE_H

#include "inbound_channel_adapter.h"

void kca__rebalance_configure(rd_kafka_conf_t *conf);

/* Subscribes to the topics, or assigns the one partition. */
kca_error *kca__rebalance_begin(kca__inbound *in);

/* Commits every frontier that moved. wait_ms 0: asks and goes on; else waits for the answer that
 * long. */
void kca__rebalance_commit(kca__inbound *in, int wait_ms);

/* From now on new records raise the engine's notifier. */
void kca__rebalance_watch(kca__inbound *in);

#endif
