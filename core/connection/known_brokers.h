/* The brokers that the cluster last told of: where to look when it answers no more, and librdkafka
 * asks the first hosts no more. */
#ifndef KCA_CONNECTION_KNOWN_BROKERS_H
#define KCA_CONNECTION_KNOWN_BROKERS_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "base/state.h"

typedef struct kca__known_broker {
    int id;
    char address[KCA__TROUBLE_ADDRESS]; /* "host:port" */
} kca__known_broker;

typedef struct kca__known_brokers {
    pthread_mutex_t lock;
    kca__known_broker *all;
    int count;
} kca__known_brokers;

void kca__known_brokers_init(kca__known_brokers *k);
void kca__known_brokers_close(kca__known_brokers *k);

void kca__known_brokers_take(kca__known_brokers *k, const struct rd_kafka_metadata *answer);

/* Copies them, for the caller to free; gives how many. 0 also when memory is out. */
int kca__known_brokers_look(kca__known_brokers *k, kca__known_broker **out);

#endif
