/*
 * The broker inside this process: librdkafka's mock cluster, for trying out and for tests. It makes
 * a topic, of 4 partitions, when it is first asked about it. kca does not tell it to make topics,
 * see KCA__QUIRK_MOCK_OVERSLEEPS.
 */
#ifndef KCA_CONNECTION_EMBEDDED_BROKER_H
#define KCA_CONNECTION_EMBEDDED_BROKER_H

#include <stdbool.h>

#include "kca.h"

typedef struct kca__embedded_broker kca__embedded_broker;

/* True for the hosts text "embedded://". */
bool kca__embedded_broker_is_meant(const char *hosts);

kca_error *kca__embedded_broker_open(kca__embedded_broker **out, const char *connection);
void kca__embedded_broker_close(kca__embedded_broker *b);

/* "127.0.0.1:port"; any Kafka client on this machine can use it. */
const char *kca__embedded_broker_hosts(const kca__embedded_broker *b);

#endif
