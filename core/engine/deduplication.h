/* Ids of messages that were handled: the newest of this process, or what a store of the
 * application's knows. Used by many threads. */
#ifndef KCA_ENGINE_DEDUPLICATION_H
#define KCA_ENGINE_DEDUPLICATION_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/recent_ids.h"
#include "kca.h"

typedef struct kca__deduplication {
    pthread_mutex_t lock; /* guards `recent` */
    kca__recent_ids *recent;
} kca__deduplication;

/* Of the newest `messages`; NULL when memory is out. */
kca__deduplication *kca__deduplication_new(int messages);
void kca__deduplication_free(kca__deduplication *d);

bool kca__deduplication_has(kca__deduplication *d, const char *id, size_t len);

/* Without memory for it the message is handled once more should it come again. */
void kca__deduplication_add(kca__deduplication *d, const char *id, size_t len);

/* The application's store. */
typedef struct kca__deduplication_store {
    kca_seen_fn seen; /* NULL: none */
    kca_mark_fn mark;
    void *user;
    kca_free_fn free_user;
} kca__deduplication_store;

#endif
