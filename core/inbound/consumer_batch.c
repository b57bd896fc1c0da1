/*
 * A batch in the callback form: the hooks of each delivery, in the order of the deliveries, then
 * the handler of all, then the hooks after, in reverse. Those of a delivery that leaves the batch
 * before, settled by a hook or because the store knows it, are closed at once.
 */
#include "inbound/consumer_private.h"

#include "base/callback.h"
#include "base/error.h"
#include "inbound/local.h"
#include "message/trace_context.h"

#include <stdlib.h>

typedef struct batch {
    const kca__consumer *consumer;
    const kca__handler *handler;
    kca_delivery **all; /* that are still in it */
    kca_hooked *hooked; /* theirs; NULL: there are no hooks */
    int count;
} batch;

/* ---- before ---- */

/* KCA_GO_ON: the handler says. */
static int decide(const batch *b, kca_delivery *d, kca_hooked *h) {
    if (h && !kca__hooked_enter(h)) {
        if (kca__hooked_fails(h))
            kca__consumer_explain_hook(d, h);
        return h->verdict;
    }
    if (!b->handler->batch_fn) {
        kca__delivery_explain(d, "unhandled", kca__consumer_why_unhandled("", b->handler));
        return KCA_REJECTED;
    }
    int seen = kca__consumer_ask_store(b->consumer, d);
    if (seen == 0)
        return KCA_GO_ON;
    return seen < 0 ? KCA_FAILED : KCA_DUPLICATE;
}

/* Its outcome, and the functions after. */
static void leave(kca_hooked *h, kca_delivery *d, int verdict) {
    bool settled = verdict != KCA_DEFERRED && d->outcome.is_there;
    if (settled)
        kca__hooked_judge(h, d->outcome.verdict, d->outcome.error_name, d->outcome.error_text,
                          kca__clock_us());
    else
        kca__consumer_judge_hooked(h, d, verdict);
    if (kca__hooked_leave(h) && !settled)
        kca__consumer_explain_hook(d, h);
    kca__hooked_end(h);
}

static void give_back(kca_delivery *d, int verdict) {
    if (kca__engine_end_handling(d, verdict))
        kca__engine_give_back(d);
}

/* In the delivery's trace. True: the handler gets it. */
static bool enter(batch *b, kca_delivery *d) {
    kca_hooked *h = b->hooked ? &b->hooked[b->count] : NULL;
    if (h)
        kca__consumer_begin_hooked(h, b->consumer, d);
    int verdict = decide(b, d, h);
    if (verdict == KCA_GO_ON) {
        if ((!h && !b->consumer->store.seen) || kca__engine_has_out(d))
            return true;
        if (h)
            leave(h, d, KCA_FAILED);
        give_back(d, KCA_FAILED);
        return false;
    }
    if (h) {
        leave(h, d, verdict);
        verdict = h->verdict;
    }
    if (verdict != KCA_DEFERRED)
        kca__engine_settle(d, verdict);
    give_back(d, verdict);
    return false;
}

static void take(batch *b, kca_delivery *d) {
    kca__trace_context before = *kca__trace_context_current();
    kca__trace_context context = kca__delivery_context(d);
    d->outcome.is_wanted = b->hooked != NULL;
    kca__engine_begin_handling(d);
    /* One before it of its key may have failed just now: then it comes again after that. */
    if ((b->hooked || b->consumer->store.seen) && !kca__engine_has_out(d)) {
        give_back(d, KCA_FAILED);
        return;
    }
    kca__trace_context_set_current(&context);
    if (enter(b, d))
        b->all[b->count++] = d;
    kca__trace_context_set_current(&before);
}

/* ---- the handler ---- */

static int call(const batch *b) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_HANDLER, b->consumer->setup.user);
    int verdict = b->handler->batch_fn(b->all, b->count, b->handler->user);
    kca__callback_end(&this);
    if (kca__engine_is_local(b->all[0]->engine))
        kca__local_see_deadline(b->all[0]);
    if (verdict >= KCA_DONE && verdict <= KCA_DUPLICATE)
        return verdict;
    for (int i = 0; i < b->count; i++)
        kca__delivery_explain(b->all[i], "verdict",
                              "its handler returned a number that is not a verdict");
    return KCA_FAILED;
}

/* ---- after ---- */

static void leave_all(const batch *b, int verdict) {
    kca__trace_context before = *kca__trace_context_current();
    for (int i = b->count - 1; i >= 0; i--) {
        kca__trace_context context = {0};
        if (verdict != KCA_DEFERRED)
            context = kca__delivery_context(b->all[i]);
        kca__trace_context_set_current(&context);
        leave(&b->hooked[i], b->all[i], verdict);
    }
    kca__trace_context_set_current(&before);
}

/* A failure of several does not say which of them failed: each comes again, whatever its hooks say
 * of it now. */
static bool failed_together(const batch *b, int verdict) {
    int unsettled = 0;
    for (int i = 0; i < b->count; i++)
        unsettled += !b->all[i]->outcome.is_there;
    return unsettled > 1 && (verdict == KCA_FAILED || verdict == KCA_REJECTED);
}

/* Those that a hook has failed are settled by themselves. The others are put into `out`: how many.
 */
static int settle_apart(const batch *b, kca_delivery **out, int verdict) {
    int together = 0;
    bool apart = b->hooked && !failed_together(b, verdict);
    for (int i = 0; i < b->count; i++) {
        kca_delivery *d = b->all[i];
        if (apart && !d->outcome.is_there && b->hooked[i].verdict != verdict)
            kca__engine_settle(d, b->hooked[i].verdict);
        else
            out[together++] = d;
    }
    return together;
}

static void settle(const batch *b, kca_delivery **room, int verdict) {
    int count = settle_apart(b, room, verdict);
    for (int i = 0; i < count && verdict == KCA_DONE; i++)
        kca__consumer_tell_store(b->consumer, room[i]);
    if (count > 0)
        kca__engine_settle_batch(room, count, verdict, false);
}

static void handle(const batch *b, kca_delivery **room) {
    int verdict = call(b);
    if (b->hooked)
        leave_all(b, verdict);
    if (verdict != KCA_DEFERRED)
        settle(b, room, verdict);
    for (int i = 0; i < b->count; i++)
        if (kca__engine_end_handling(b->all[i], verdict))
            kca__engine_give_back(b->all[i]);
}

void kca__consumer_handle_batch(const kca__consumer *c, kca_event *event) {
    bool hooked = c->setup.hooks->count > 0;
    size_t most = (size_t)kca__batch_count(event);
    kca_delivery *first = kca__batch_open(event), *next;
    batch b = {.consumer = c, .all = malloc(2 * most * sizeof(kca_delivery *))};
    if (b.all && hooked)
        b.hooked = malloc(most * sizeof *b.hooked);
    if (!b.all || (hooked && !b.hooked)) {
        free(b.all);
        kca__engine_fail(first->engine, kca__error_memory());
        kca__engine_withdraw_batch(first);
        return;
    }
    b.handler = kca__handlers_find(c->setup.handlers, first->message.texts[KCA__TEXT_NAME]);
    for (kca_delivery *d = first; d; d = next) {
        next = d->batch_next;
        take(&b, d);
    }
    if (b.count > 0)
        handle(&b, b.all + most);
    free(b.hooked);
    free(b.all);
}
