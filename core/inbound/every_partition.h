/* The partitions that a consumer's topics have at this moment. */
#ifndef KCA_INBOUND_EVERY_PARTITION_H
#define KCA_INBOUND_EVERY_PARTITION_H

#include "inbound/consumer_builder.h"

/* Adds those of one topic. Takes seconds when nobody answers. */
rd_kafka_resp_err_t kca__every_partition_add(rd_kafka_topic_partition_list_t *list, rd_kafka_t *rk,
                                             const char *topic);

/* Adds them all to `list`, or says which topic has none. Takes seconds when nobody answers. */
kca_error *kca__every_partition_find(rd_kafka_topic_partition_list_t *list, rd_kafka_t *rk,
                                     const kca_consumer_builder *options);

#endif
