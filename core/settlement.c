/* How deliveries end: settled, expired, given back. Part of the inbound engine. */
#include "inbound_engine.h"

#include "error.h"
#include "text.h"

#include <stdlib.h>

static void take_back(kca__engine *e, kca_delivery *d) {
    *(d->previous ? &d->previous->next : &e->out_first) = d->next;
    *(d->next ? &d->next->previous : &e->out_last) = d->previous;
    if (!d->partition->revoked) {
        d->partition->out--;
        e->out--;
    }
    pthread_cond_broadcast(&e->settled);
}

void kca__engine_open_lane_locked(kca__engine *e, kca_delivery *d) {
    if (d->in_lane)
        kca__lanes_finish(&e->lanes, &d->lane);
    d->in_lane = false;
}

static kca_error *explain(const kca__engine *e, const kca_delivery *d, const char *what) {
    const char *name = d->message.texts[KCA__TEXT_NAME];
    return kca__error_new(KCA_ERROR_HANDLER, "consumer %s: %s %s at %s[%d] offset %lld%s%s: %s",
                          e->consumer, name && *name ? name : "a message without a name", what,
                          d->partition->topic, d->partition->number, (long long)d->offset,
                          d->error_name ? ", " : "", d->error_name ? d->error_name : "",
                          d->error_text ? d->error_text : "no reason given");
}

/* The handler still runs: what it writes into the delivery must not be read. */
static kca_error *explain_expired(const kca__engine *e, const kca_delivery *d) {
    return kca__error_new(KCA_ERROR_HANDLER,
                          "consumer %s: the message at %s[%d] offset %lld took longer than its "
                          "processing time, %d ms",
                          e->consumer, d->partition->topic, d->partition->number,
                          (long long)d->offset, e->processing_timeout_ms);
}

/* What failed for good; the policy decides. True: it counts as settled. Takes `error`. */
static bool give_up(kca__engine *e, kca_delivery *d, kca_error *error) {
    const kca__partition *p = d->partition;
    if (!e->skip) {
        kca__engine_fault_locked(e, kca__error_copy(error), p->topic, p->number, d->offset);
        kca__engine_end_locked(e, error);
        return false;
    }
    e->counts.skipped++;
    kca__engine_fault_locked(e, error, p->topic, p->number, d->offset);
    return true;
}

static void pass_frontier(kca_delivery *d) {
    kca__frontier_settle(&d->partition->frontier, d->number);
}

bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict) {
    if (d->state != KCA__DELIVERY_OUT)
        return false;
    d->state = KCA__DELIVERY_SETTLED;
    take_back(e, d);
    if (d->partition->revoked) {
        kca__engine_open_lane_locked(e, d);
        return false;
    }
    bool settled = true;
    if (verdict == KCA_DONE) {
        e->counts.handled++;
    } else if (verdict == KCA_REJECTED) {
        e->counts.rejected++;
        settled = give_up(e, d, explain(e, d, "was rejected"));
    } else {
        e->counts.failed++;
        settled = give_up(e, d, explain(e, d, "failed"));
    }
    if (settled)
        pass_frontier(d);
    kca__engine_open_lane_locked(e, d);
    return true;
}

bool kca__engine_settle(kca_delivery *d, int verdict) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool counted = kca__engine_settle_locked(e, d, verdict);
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
    return counted;
}

/* The lane stays closed until the application lets go of it: its key's next must not run beside it.
 */
static void expire(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_EXPIRED;
    take_back(e, d);
    e->counts.failed++;
    if (!d->partition->revoked && give_up(e, d, explain_expired(e, d)))
        pass_frontier(d);
}

int64_t kca__engine_expire(kca__engine *e, int64_t now_ms) {
    pthread_mutex_lock(&e->lock);
    while (e->out_first && e->out_first->deadline_ms <= now_ms)
        expire(e, e->out_first);
    int64_t next = e->out_first ? e->out_first->deadline_ms : KCA__CLOCK_NEVER;
    pthread_mutex_unlock(&e->lock);
    return next;
}

/* ---- the end of a delivery ---- */

void kca__engine_release_record(kca_delivery *d) {
    kca__message_clear_inbound(&d->message);
    free(d->more_headers);
    free(d->error_name);
    free(d->error_text);
    d->more_headers = NULL;
    d->error_name = d->error_text = NULL;
    if (d->record)
        d->engine->release_record(d->record);
    d->record = NULL;
}

void kca__engine_free_locked(kca__engine *e, kca_delivery *d) {
    kca__partition *p = d->partition;
    d->state = KCA__DELIVERY_FREE;
    d->partition = NULL;
    d->next = e->free;
    e->free = d;
    e->held--;
    if (p && --p->held == 0 && p->revoked)
        kca__partitions_remove(&e->partitions, p);
}

/* With the lock held, given up at the end. */
static void give_back(kca__engine *e, kca_delivery *d) {
    kca__engine_open_lane_locked(e, d);
    pthread_mutex_unlock(&e->lock);

    kca__engine_release_record(d);

    pthread_mutex_lock(&e->lock);
    bool was_full = e->held == e->capacity;
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
        take_back(e, d);
    }
    give_back(e, d);
}
