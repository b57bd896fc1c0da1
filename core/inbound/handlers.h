/* Handlers by message name. Filled before start, only read afterwards. */
#ifndef KCA_INBOUND_HANDLERS_H
#define KCA_INBOUND_HANDLERS_H

#include "kca.h"

typedef struct kca__handler {
    struct kca__handler *next;
    char *name;
    kca_handler_fn fn; /* NULL: handled by pulling */
    void *user;
    kca_free_fn free_user;
} kca__handler;

enum { KCA__HANDLER_BUCKETS = 64 };

typedef struct kca__handlers {
    kca__handler *buckets[KCA__HANDLER_BUCKETS];
    kca__handler *any; /* "*" */
    int count;
} kca__handlers;

void kca__handlers_close(kca__handlers *h);

/* On failure the caller still has `user`. */
kca_error *kca__handlers_add(kca__handlers *h, const char *name, kca_handler_fn fn, void *user,
                             kca_free_fn free_user);

/* The handler of this name, else that of "*", else NULL. */
const kca__handler *kca__handlers_find(const kca__handlers *h, const char *name);

#endif
