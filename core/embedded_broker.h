/* The broker inside this process: librdkafka's mock cluster, for trying out and for tests. */
#ifndef KCA_CORE_EMBEDDED_BROKER_H
#define KCA_CORE_EMBEDDED_BROKER_H

#include <stdbool.h>

#include "kca.h"

typedef struct kca__embedded_broker kca__embedded_broker;

enum { KCA__EMBEDDED_PARTITIONS = 4 };

/* True for the hosts text "embedded://". */
bool kca__embedded_broker_is_meant(const char *hosts);

kca_error *kca__embedded_broker_open(kca__embedded_broker **out, const char *connection);
void kca__embedded_broker_close(kca__embedded_broker *b);

/* "127.0.0.1:port"; any Kafka client on this machine can use it. */
const char *kca__embedded_broker_hosts(const kca__embedded_broker *b);

/* Creates the topic unless it is there. */
kca_error *kca__embedded_broker_add_topic(kca__embedded_broker *b, const char *topic);

#endif
