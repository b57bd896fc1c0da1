#include "base/callback.h"

#include <stddef.h>

static _Thread_local const kca__callback *innermost;

void kca__callback_begin(kca__callback *out, kca__callback_kind kind, const void *owner) {
    *out = (kca__callback){kind, owner, innermost};
    innermost = out;
}

void kca__callback_end(const kca__callback *c) {
    innermost = c->outer;
}

const char *kca__callback_inside(const void *owner) {
    static const char *const names[] = {
        "a handler", "an event handler", "the interrupt function", "the deduplication store",
        "a hook",    "a hook",           "a translator",           "a free_user function"};
    for (const kca__callback *c = innermost; c; c = c->outer)
        if (c->owner == owner)
            return names[c->kind];
    return NULL;
}

bool kca__callback_is_inside(kca__callback_kind kind) {
    const kca__callback *c = innermost;
    while (c && c->kind != kind)
        c = c->outer;
    return c != NULL;
}

void kca__callback_free_user(const void *owner, kca_free_fn free_user, void *user) {
    kca__callback this;
    if (!free_user)
        return;
    kca__callback_begin(&this, KCA__CALLBACK_FREE_USER, owner);
    free_user(user);
    kca__callback_end(&this);
}
