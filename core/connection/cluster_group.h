/* A group as the cluster describes it: state and members. */
#ifndef KCA_CONNECTION_CLUSTER_GROUP_H
#define KCA_CONNECTION_CLUSTER_GROUP_H

#include <cjson/cJSON.h>
#include <librdkafka/rdkafka.h>

/* {"name": ..., "state": ..., "members": [{"client_id": ..., "host": ...}, ...]}; the last two are
 * null when the broker does not tell them in time. */
cJSON *kca__cluster_group_ask(rd_kafka_t *rk, const char *group, int timeout_ms);

#endif
