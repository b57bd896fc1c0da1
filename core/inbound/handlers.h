/* Handlers by message name. Filled before start, only read afterwards. */
#ifndef KCA_INBOUND_HANDLERS_H
#define KCA_INBOUND_HANDLERS_H

#include "engine/engine.h"

typedef struct kca__handler {
    struct kca__handler *next;
    char *name;
    int batch;             /* its number among those that take batches; 0: it takes deliveries */
    kca_handler_fn fn;     /* NULL: handled by pulling, as the next */
    kca_batch_fn batch_fn; /* of one that takes batches */
    void *user;
    kca_free_fn free_user;
} kca__handler;

enum { KCA__HANDLER_BUCKETS = 64 };

typedef struct kca__handlers {
    kca__handler *buckets[KCA__HANDLER_BUCKETS];
    kca__handler *any; /* "*" */
    int count;
    kca__batch_plan *batches; /* of those that take batches */
    int batch_count;
} kca__handlers;

void kca__handlers_close(kca__handlers *h);

/* On failure the caller still has `user`. */
kca_error *kca__handlers_add(kca__handlers *h, const char *name, kca_handler_fn fn, void *user,
                             kca_free_fn free_user);

/* The same for one that takes batches. */
kca_error *kca__handlers_add_batch(kca__handlers *h, const char *name, const kca__batch_plan *plan,
                                   kca_batch_fn fn, void *user, kca_free_fn free_user);

/* The handler of this name, else that of "*", else NULL. */
const kca__handler *kca__handlers_find(const kca__handlers *h, const char *name);

#endif
