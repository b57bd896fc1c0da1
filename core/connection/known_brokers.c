#include "connection/known_brokers.h"

#include "base/number.h"

#include <stdio.h>
#include <string.h>

void kca__known_brokers_init(kca__known_brokers *k) {
    k->count = 0;
    pthread_mutex_init(&k->lock, NULL);
}

void kca__known_brokers_close(kca__known_brokers *k) {
    pthread_mutex_destroy(&k->lock);
}

static void write_address(char out[KCA__TROUBLE_ADDRESS],
                          const struct rd_kafka_metadata_broker *b) {
    snprintf(out, KCA__TROUBLE_ADDRESS, strchr(b->host, ':') ? "[%s]:%d" : "%s:%d", b->host,
             b->port);
}

void kca__known_brokers_take(kca__known_brokers *k, const struct rd_kafka_metadata *answer) {
    pthread_mutex_lock(&k->lock);
    k->count = kca__min_int(answer->broker_cnt, KCA__KNOWN_BROKERS);
    for (int i = 0; i < k->count; i++) {
        k->all[i].id = answer->brokers[i].id;
        write_address(k->all[i].address, &answer->brokers[i]);
    }
    pthread_mutex_unlock(&k->lock);
}

int kca__known_brokers_look(kca__known_brokers *k, kca__known_broker out[KCA__KNOWN_BROKERS]) {
    pthread_mutex_lock(&k->lock);
    int count = k->count;
    memcpy(out, k->all, (size_t)count * sizeof *out);
    pthread_mutex_unlock(&k->lock);
    return count;
}
