/* Cluster description, for tools: a cluster's brokers and topics, and how far a group has come. */
#ifndef KCA_CONNECTION_CLUSTER_DESCRIPTION_H
#define KCA_CONNECTION_CLUSTER_DESCRIPTION_H

#include <stdatomic.h>

#include "connection/connection.h"

/* See kca_system_describe_cluster. `c` is the system's copy of the connection, and open. Ends soon
 * once *closing is set. `out` is freed with free(). */
kca_error *kca__cluster_describe(char **out, kca_connection *c, kca__log *log, const char *topic,
                                 const char *group, const atomic_bool *closing, int64_t deadline);

#endif
