#include "connection/known_brokers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kca__known_brokers_init(kca__known_brokers *k) {
    k->all = NULL;
    k->count = 0;
    pthread_mutex_init(&k->lock, NULL);
}

void kca__known_brokers_close(kca__known_brokers *k) {
    free(k->all);
    pthread_mutex_destroy(&k->lock);
}

static void write_address(char out[KCA__TROUBLE_ADDRESS],
                          const struct rd_kafka_metadata_broker *b) {
    snprintf(out, KCA__TROUBLE_ADDRESS, strchr(b->host, ':') ? "[%s]:%d" : "%s:%d", b->host,
             b->port);
}

/* Without memory those before stay known. */
void kca__known_brokers_take(kca__known_brokers *k, const struct rd_kafka_metadata *answer) {
    int count = answer->broker_cnt;
    kca__known_broker *all = calloc(count > 0 ? (size_t)count : 1, sizeof *all);
    if (!all)
        return;
    for (int i = 0; i < count; i++) {
        all[i].id = answer->brokers[i].id;
        write_address(all[i].address, &answer->brokers[i]);
    }
    pthread_mutex_lock(&k->lock);
    free(k->all);
    k->all = all;
    k->count = count;
    pthread_mutex_unlock(&k->lock);
}

int kca__known_brokers_look(kca__known_brokers *k, kca__known_broker **out) {
    pthread_mutex_lock(&k->lock);
    int count = k->count;
    *out = count > 0 ? malloc((size_t)count * sizeof **out) : NULL;
    if (*out)
        memcpy(*out, k->all, (size_t)count * sizeof **out);
    pthread_mutex_unlock(&k->lock);
    return *out ? count : 0;
}
