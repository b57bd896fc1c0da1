/* Why a group does not let a member in. */
#ifndef KCA_INBOUND_GROUP_REFUSAL_H
#define KCA_INBOUND_GROUP_REFUSAL_H

#include "inbound/inbound.h"

/* What is wrong and which setting to align; where members disagree, the broker is asked what the
 * others use. NULL: `err` is no such refusal, or memory is out. Free with free(). */
char *kca__group_explain(kca__inbound *in, rd_kafka_resp_err_t err);

#endif
