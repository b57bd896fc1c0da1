/* What a consumer agrees on with the other members of its group: how the partitions are dealt. */
#ifndef KCA_INBOUND_GROUP_H
#define KCA_INBOUND_GROUP_H

#include "inbound/inbound.h"

/* Checks the group's options against each other and the librdkafka in use. */
kca_error *kca__group_check(const kca_consumer_builder *b);

/* Why the group does not let this member in, and which setting to align: the broker is asked what
 * the others use. NULL: `err` says it all, or memory is out. Free with free(). */
char *kca__group_explain(kca__inbound *in, rd_kafka_resp_err_t err);

#endif
