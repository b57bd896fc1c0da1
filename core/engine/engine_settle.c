/* How deliveries end: settled, expired, given back. Part of the inbound engine. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>

void kca__engine_take_back(kca__engine *e, kca_delivery *d) {
    *(d->previous ? &d->previous->next : &e->out_first) = d->next;
    *(d->next ? &d->next->previous : &e->out_last) = d->previous;
    if (!d->partition->revoked) {
        d->partition->out--;
        e->out--;
    }
    pthread_cond_broadcast(&e->settled);
}

void kca__engine_open_lane(kca__engine *e, kca_delivery *d) {
    if (d->in_lane)
        kca__lanes_finish(&e->lanes, &d->lane);
    d->in_lane = false;
}

static void remember_id(kca__engine *e, const kca_delivery *d) {
    if (!e->deduplication || d->message.texts[KCA__TEXT_MESSAGE_ID][0] == '\0')
        return;
    kca__deduplication_add(e->deduplication, d->message.texts[KCA__TEXT_MESSAGE_ID]);
}

void kca__engine_publish(kca__engine *e, kca_delivery *d) {
    if (!d->published.first)
        return;
    for (kca__held_record *r = d->published.first; r; r = r->next)
        r->source = d->partition->place;
    kca__held_records_move(&e->batch, &d->published);
    if (e->batch.count >= KCA__BATCH_IS_DUE)
        e->wake_poller(e->owner);
}

/* What the handler said of it is the engine's from now on. */
static void keep_reason(kca_delivery *d) {
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = d->error_name;
    d->failure_text = d->error_text;
    d->error_name = d->error_text = NULL;
}

/* What was published in an attempt that failed did not happen. */
static void forget_published(kca_delivery *d) {
    kca__held_records_free(d->published.first);
    d->published = (kca__held_records){0};
}

/* True: it counts as settled. */
static bool judge(kca__engine *e, kca_delivery *d, int verdict) {
    switch (verdict) {
    case KCA_DONE:
        e->counts.handled++;
        remember_id(e, d);
        kca__engine_publish(e, d);
        return true;
    case KCA_DUPLICATE:
        e->counts.duplicates++;
        forget_published(d);
        return true;
    case KCA_REJECTED:
        e->counts.rejected++;
        break;
    default:
        e->counts.failed++;
    }
    forget_published(d);
    keep_reason(d);
    return kca__engine_decide(e, d, verdict == KCA_REJECTED);
}

bool kca__verdict_settles(int verdict) {
    return verdict >= KCA_DONE && verdict <= KCA_DUPLICATE && verdict != KCA_DEFERRED;
}

bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict) {
    if (d->state != KCA__DELIVERY_OUT)
        return false;
    d->state = KCA__DELIVERY_SETTLED;
    kca__engine_take_back(e, d);
    if (d->partition->revoked) {
        kca__engine_open_lane(e, d);
        return false;
    }
    if (judge(e, d, verdict))
        kca__frontier_settle(&d->partition->frontier, &d->frontier);
    if (d->fate == KCA__FATE_NONE)
        kca__engine_open_lane(e, d);
    return true;
}

bool kca__engine_settle(kca_delivery *d, int verdict) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool is_back = d->state == KCA__DELIVERY_OUT || d->state == KCA__DELIVERY_EXPIRED;
    bool counted = kca__engine_settle_locked(e, d, verdict);
    if (is_back)
        kca__engine_detach(e, d);
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
    return counted;
}

bool kca__engine_has_out(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool counts = d->state == KCA__DELIVERY_OUT && !d->partition->revoked;
    pthread_mutex_unlock(&e->lock);
    return counts;
}

/* ---- the end of a delivery ---- */

bool kca__engine_has_ended(const kca_delivery *d) {
    return d->state != KCA__DELIVERY_EXPIRED && d->fate == KCA__FATE_NONE && !d->shared;
}

/* What the application could read of it. */
static void clear_view(kca_delivery *d) {
    kca__message_clear_inbound(&d->message);
    forget_published(d);
    free(d->more_headers);
    free(d->error_name);
    free(d->error_text);
    d->more_headers = NULL;
    d->error_name = d->error_text = NULL;
}

/* Others that share the record, late handlers' ones, go on with it. */
static bool leave_sharers(kca_delivery *d) {
    if (d->sharing == d)
        return false;
    kca_delivery *before = d->sharing;
    while (before->sharing != d)
        before = before->sharing;
    before->sharing = d->sharing;
    d->sharing = d;
    return true;
}

void kca__engine_release_record(kca_delivery *d) {
    clear_view(d);
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = d->failure_text = NULL;
    if (d->record && d->sharing == d)
        d->engine->release_record(d->record);
    else
        leave_sharers(d);
    d->record = NULL;
}

void kca__engine_free_locked(kca__engine *e, kca_delivery *d) {
    kca__partition *p = d->partition;
    d->state = KCA__DELIVERY_FREE;
    d->fate = KCA__FATE_NONE;
    d->partition = NULL;
    d->next = e->free;
    e->free = d;
    e->held--;
    e->exempt -= p->place->paused;
    if (--p->held == 0 && p->revoked)
        kca__partitions_remove(&e->partitions, p);
}

/* With the lock held, given up at the end. A record that is shared is given back under the lock. */
static void give_back(kca__engine *e, kca_delivery *d) {
    if (d->fate != KCA__FATE_NONE && !d->partition->revoked && !e->closed) {
        clear_view(d);
        kca__engine_meet_fate(e, d);
        pthread_mutex_unlock(&e->lock);
        kca__engine_release(e);
        return;
    }
    kca__engine_open_lane(e, d);
    if (d->sharing == d) {
        pthread_mutex_unlock(&e->lock);
        kca__engine_release_record(d);
        pthread_mutex_lock(&e->lock);
    } else {
        kca__engine_release_record(d);
    }
    bool was_full = kca__engine_room_locked(e) == 0;
    kca__engine_free_locked(e, d);
    if (was_full)
        kca__engine_wake_one_locked(e);
    else
        kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
    kca__engine_release(e);
}

void kca__engine_recycle(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    if (d->state == KCA__DELIVERY_OUT) {
        if (!d->error_text)
            d->error_text = kca__text_copy("it was freed without being settled");
        kca__engine_settle_locked(e, d, KCA_FAILED);
    }
    give_back(e, d);
}

void kca__engine_withdraw(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    if (d->state == KCA__DELIVERY_OUT) {
        d->state = KCA__DELIVERY_SETTLED;
        kca__engine_take_back(e, d);
    }
    give_back(e, d);
}
