/* What a consumer agrees on with the other members of its group, by its options: the protocol, who
 * deals the partitions, and when a member counts as gone. */
#ifndef KCA_INBOUND_GROUP_H
#define KCA_INBOUND_GROUP_H

#include "inbound/consumer_builder.h"

/* True for the group protocol "consumer" (KIP-848), in which the broker deals the partitions. */
bool kca__group_is_dealt_by_broker(const kca_consumer_builder *b);

/* False: the option of this name means nothing with the group protocol. */
bool kca__group_uses(const kca_consumer_builder *b, const char *option);

/* Checks the group's options against each other and the librdkafka in use. */
kca_error *kca__group_check(const kca_consumer_builder *b);

/* Sets the group's properties, of which librdkafka refuses those of the other protocol. `embedded`:
 * see kca__consumer_builder_configure. */
kca_error *kca__group_configure(const kca_consumer_builder *b, bool embedded, rd_kafka_conf_t *conf,
                                const char *who);

#endif
