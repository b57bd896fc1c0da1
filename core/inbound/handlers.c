#include "inbound/handlers.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static unsigned bucket_of(const char *name) {
    unsigned hash = 2166136261u;
    for (const unsigned char *p = (const unsigned char *)name; *p; p++)
        hash = (hash ^ *p) * 16777619u;
    return hash % KCA__HANDLER_BUCKETS;
}

static void free_handler(kca__handler *handler) {
    if (!handler)
        return;
    if (handler->free_user)
        handler->free_user(handler->user);
    free(handler->name);
    free(handler);
}

void kca__handlers_close(kca__handlers *h) {
    for (int i = 0; i < KCA__HANDLER_BUCKETS; i++) {
        for (kca__handler *handler = h->buckets[i], *next; handler; handler = next) {
            next = handler->next;
            free_handler(handler);
        }
    }
    free_handler(h->any);
    free(h->batches);
    memset(h, 0, sizeof *h);
}

static kca__handler *find_exact(const kca__handlers *h, const char *name) {
    for (kca__handler *handler = h->buckets[bucket_of(name)]; handler; handler = handler->next)
        if (strcmp(handler->name, name) == 0)
            return handler;
    return NULL;
}

const kca__handler *kca__handlers_find(const kca__handlers *h, const char *name) {
    const kca__handler *handler = find_exact(h, name);
    return handler ? handler : h->any;
}

/* Copies what is given. On failure the caller still has the user pointer. */
static kca_error *add(kca__handlers *h, const char *name, const kca__handler *given) {
    kca_error *e = kca__option_check_name("handler", name, 1000);
    kca__handler *handler = NULL;
    if (!e && (strcmp(name, "*") == 0 ? h->any : find_exact(h, name)))
        e = kca__error_new(KCA_ERROR_DUPLICATE, "handler %s is declared already", name);
    if (!e && (!(handler = calloc(1, sizeof *handler)) || !(handler->name = kca__text_copy(name))))
        e = kca__error_memory();
    if (e) {
        free(handler);
        return e;
    }
    char *own_name = handler->name;
    *handler = *given;
    handler->name = own_name;
    h->count++;
    if (strcmp(name, "*") == 0) {
        h->any = handler;
    } else {
        kca__handler **bucket = &h->buckets[bucket_of(name)];
        handler->next = *bucket;
        *bucket = handler;
    }
    return NULL;
}

kca_error *kca__handlers_add(kca__handlers *h, const char *name, kca_handler_fn fn, void *user,
                             kca_free_fn free_user) {
    return add(h, name, &(kca__handler){.fn = fn, .user = user, .free_user = free_user});
}

static kca_error *check_plan(const char *name, const kca__batch_plan *plan) {
    if (plan->most < 1 || plan->most > 1000000)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "handler %s: batch_max must be 1 to 1000000, got %d", name,
                              plan->most);
    if (plan->wait_ms < 0 || plan->wait_ms > 86400000)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "handler %s: batch_wait_ms must be 0 to 86400000, got %d", name,
                              plan->wait_ms);
    return NULL;
}

kca_error *kca__handlers_add_batch(kca__handlers *h, const char *name, const kca__batch_plan *plan,
                                   kca_batch_fn fn, void *user, kca_free_fn free_user) {
    kca_error *e = kca__option_check_name("handler", name, 1000);
    if (!e)
        e = check_plan(name, plan);
    if (e)
        return e;
    kca__batch_plan *batches =
        realloc(h->batches, (size_t)(h->batch_count + 1) * sizeof *h->batches);
    if (!batches)
        return kca__error_memory();
    h->batches = batches;
    e = add(h, name,
            &(kca__handler){
                .batch = h->batch_count + 1, .batch_fn = fn, .user = user, .free_user = free_user});
    if (!e)
        batches[h->batch_count++] = *plan;
    return e;
}
