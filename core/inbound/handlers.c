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

kca_error *kca__handlers_add(kca__handlers *h, const char *name, kca_handler_fn fn, void *user,
                             kca_free_fn free_user) {
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
    handler->fn = fn;
    handler->user = user;
    handler->free_user = free_user;
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
