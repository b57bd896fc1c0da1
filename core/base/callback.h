/*
 * Callbacks: which functions of the application this thread is inside.
 *
 * Whoever calls the application says so before and after. A call that would wait for that function
 * to return, a shutdown inside a handler, can then be refused instead.
 */
#ifndef KCA_BASE_CALLBACK_H
#define KCA_BASE_CALLBACK_H

#include <stdbool.h>

#include "kca.h"

typedef enum kca__callback_kind {
    KCA__CALLBACK_HANDLER,
    KCA__CALLBACK_EVENT_HANDLER,
    KCA__CALLBACK_INTERRUPT,
    KCA__CALLBACK_STORE,
    KCA__CALLBACK_PUBLISH_HOOK,
    KCA__CALLBACK_HANDLING_HOOK,
    KCA__CALLBACK_TRANSLATOR,
    KCA__CALLBACK_FREE_USER
} kca__callback_kind;

/* Lives on the stack of who calls. */
typedef struct kca__callback {
    kca__callback_kind kind;
    const void *owner;
    const struct kca__callback *outer;
} kca__callback;

/* `owner`: the system that the application's function is of. */
void kca__callback_begin(kca__callback *out, kca__callback_kind kind, const void *owner);
void kca__callback_end(const kca__callback *c);

/* What the innermost function of this owner is, for texts: "a handler"; NULL: this thread is inside
 * none. */
const char *kca__callback_inside(const void *owner);

/* Whether this thread is inside a function of this kind, whoever owns it. */
bool kca__callback_is_inside(kca__callback_kind kind);

/* Frees the application's `user`, if it asked for that. */
void kca__callback_free_user(const void *owner, kca_free_fn free_user, void *user);

#endif
