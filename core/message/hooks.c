#include "message/hooks.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

kca_error *kca__hooks_add(kca__hooks *hooks, kca__hook hook) {
    const char *kind = hooks->of_publish ? "publishing" : "handling";
    if (!hook.before && !hook.after)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "hook on %s: one of before and after must not be NULL", kind);
    if (hooks->count == KCA__HOOKS_MOST)
        return kca__error_new(KCA_ERROR_ARGUMENT, "hook on %s: a system has at most %d of them",
                              kind, KCA__HOOKS_MOST);
    hooks->all[hooks->count++] = hook;
    return NULL;
}

void kca__hooks_close(kca__hooks *hooks) {
    for (int i = 0; i < hooks->count; i++)
        if (hooks->all[i].free_user)
            hooks->all[i].free_user(hooks->all[i].user);
    hooks->count = 0;
}

static kca__callback_kind kind_of(const kca__hooks *hooks) {
    return hooks->of_publish ? KCA__CALLBACK_PUBLISH_HOOK : KCA__CALLBACK_HANDLING_HOOK;
}

bool kca__hooks_are_inside(const kca__hooks *hooks) {
    return kca__callback_is_inside(kind_of(hooks));
}

void kca__hooked_begin(kca_hooked *out, const kca__hooks *hooks, const kca_message *m,
                       kca_delivery *d, const char *channel, int64_t now_us) {
    *out = (kca_hooked){.hooks = hooks,
                        .message = m,
                        .delivery = d,
                        .channel = channel,
                        .verdict = KCA_GO_ON,
                        .begun_us = now_us,
                        .partition = -1,
                        .offset = -1};
}

/* ---- calling ---- */

static void forget_explanation(kca_hooked *h) {
    kca__text_set(&h->explained_name, NULL);
    kca__text_set(&h->explained_text, NULL);
}

/* Gives what it says; one that is not there says to go on. */
static int call(kca_hooked *h, int index, kca_hook_fn fn) {
    if (!fn)
        return KCA_GO_ON;
    kca__callback this;
    h->at = index;
    forget_explanation(h);
    kca__callback_begin(&this, kind_of(h->hooks), h->hooks->owner);
    int said = fn(h, h->hooks->all[index].user);
    kca__callback_end(&this);
    return said;
}

static bool is_failure(int verdict) {
    return verdict == KCA_FAILED || verdict == KCA_REJECTED;
}

bool kca__hooked_fails(const kca_hooked *h) {
    return is_failure(h->verdict);
}

static void set_error(kca_hooked *h, const char *name, const char *text) {
    kca__text_set(&h->error_name, name);
    kca__text_set(&h->error_text, text);
}

/* The hook that was called last has decided. */
static void decide(kca_hooked *h, int said, bool allowed) {
    h->verdict = allowed ? said : KCA_FAILED;
    if (!allowed)
        set_error(h, "hook", "a hook returned a number that it may not return");
    else if (is_failure(said))
        set_error(h, h->explained_name, h->explained_text);
}

bool kca__hooked_enter(kca_hooked *h) {
    const kca__hooks *hooks = h->hooks;
    for (h->entered = 0; h->entered < hooks->count; h->entered++) {
        int said = call(h, h->entered, hooks->all[h->entered].before);
        if (said == KCA_GO_ON)
            continue;
        bool decides =
            hooks->of_publish ? said == KCA_DROP : said >= KCA_DONE && said <= KCA_DUPLICATE;
        decide(h, said, decides || is_failure(said));
        return false;
    }
    return true;
}

void kca__hooked_judge(kca_hooked *h, int verdict, const char *error_name, const char *error_text,
                       int64_t now_us) {
    h->verdict = verdict;
    h->duration_us = now_us - h->begun_us;
    set_error(h, error_name, error_text);
}

bool kca__hooked_leave(kca_hooked *h) {
    bool changed = false;
    while (h->entered > 0) {
        h->entered--;
        int said = call(h, h->entered, h->hooks->all[h->entered].after);
        /* The application has what it deferred, and may have settled it by now. */
        if (said == KCA_GO_ON || h->verdict == KCA_DEFERRED)
            continue;
        decide(h, said, is_failure(said));
        changed = true;
    }
    return changed;
}

void kca__hooked_end(kca_hooked *h) {
    if (h->own) {
        h->own->freed = true;
        kca__message_let_go(h->own);
    }
    forget_explanation(h);
    set_error(h, NULL, NULL);
}

kca_message *kca__hooked_change(kca_hooked *h) {
    if (!h->hooks->of_publish)
        return NULL;
    if (!h->own) {
        kca__error_free(kca__message_clone(&h->own, h->message));
        if (h->own)
            h->message = kca__message_keep(h->own);
    }
    return h->own;
}
