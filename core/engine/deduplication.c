#include "engine/deduplication.h"

#include <stdlib.h>

kca__deduplication *kca__deduplication_new(int messages) {
    kca__deduplication *d = calloc(1, sizeof *d);
    if (!d || !(d->recent = kca__recent_ids_new(messages))) {
        free(d);
        return NULL;
    }
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void kca__deduplication_free(kca__deduplication *d) {
    if (!d)
        return;
    kca__recent_ids_free(d->recent);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

bool kca__deduplication_has(kca__deduplication *d, const char *id, size_t len) {
    pthread_mutex_lock(&d->lock);
    bool has = kca__recent_ids_has(d->recent, id, len);
    pthread_mutex_unlock(&d->lock);
    return has;
}

void kca__deduplication_add(kca__deduplication *d, const char *id, size_t len) {
    pthread_mutex_lock(&d->lock);
    kca__recent_ids_add(d->recent, id, len);
    pthread_mutex_unlock(&d->lock);
}
