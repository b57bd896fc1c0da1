/*
 * What becomes of deliveries that failed: they come again, are dead-lettered, or the policy
 * decides. Part of the inbound engine.
 *
 * A fate is decided when a delivery fails, and met when the application has let go of it: only then
 * is its memory the engine's. Where that may take long (the collector of a language frees it; a
 * handler is late under the policy "abandon") a second delivery of the same record takes its place
 * in the lane and in the frontier, and what the application has is only memory to be freed.
 */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_WRITE_PAUSE_MS = 100, LONGEST_WRITE_PAUSE_MS = 10000 };

/* ---- deciding ---- */

static kca_error *explain(const kca__engine *e, const kca_delivery *d, bool rejected) {
    /* An expired one's message is the late handler's: it must not be read. */
    bool readable = d->state != KCA__DELIVERY_EXPIRED;
    const char *name = readable ? d->message.texts[KCA__TEXT_NAME] : "";
    return kca__error_new(
        KCA_ERROR_HANDLER, "consumer %s: %s %s at %s[%d] offset %lld%s%s%s: %s", e->consumer,
        name && *name ? name
        : readable    ? "a message without a name"
                      : "a message",
        rejected ? "was rejected" : "failed", d->partition->place->topic,
        d->partition->place->number, (long long)d->offset, d->failure_name ? ", " : "",
        d->failure_name ? d->failure_name : "", d->attempt > 1 ? " (the last attempt)" : "",
        d->failure_text ? d->failure_text : "no reason given");
}

/* Without a dead-letter channel. True: it counts as settled. Takes `error`. */
static bool give_up(kca__engine *e, kca_delivery *d, kca_error *error) {
    const kca__place *place = d->partition->place;
    if (!e->skip) {
        kca__engine_fault_locked(e, kca__error_copy(error), place->topic, place->number, d->offset);
        kca__engine_end_locked(e, error);
        return false;
    }
    e->counts.skipped++;
    kca__engine_fault_locked(e, error, place->topic, place->number, d->offset);
    return true;
}

/* xorshift: for jitter. */
static uint64_t draw(kca__engine *e) {
    e->random ^= e->random << 13;
    e->random ^= e->random >> 7;
    e->random ^= e->random << 17;
    return e->random;
}

bool kca__engine_decide(kca__engine *e, kca_delivery *d, bool rejected) {
    if (!rejected && kca__retry_is_due(&e->retry, d->attempt, d->failure_name)) {
        /* One that would come after the end comes again after the next start. */
        if (e->stopping)
            return false;
        e->counts.retried++;
        d->fate = KCA__FATE_RETRY;
        d->due.due_ms = e->clock_ms() + kca__retry_delay_ms(&e->retry, d->attempt, draw(e));
        return false;
    }
    if (!e->dead_letters)
        return give_up(e, d, explain(e, d, rejected));
    d->fate = KCA__FATE_DEAD_LETTER;
    d->failed_ms = kca__clock_unix_ms();
    return false;
}

/* ---- meeting it ---- */

static void wake_poller_by(kca__engine *e, int64_t due_ms) {
    if (due_ms >= e->poller_wakes_ms)
        return;
    e->poller_wakes_ms = due_ms;
    e->wake_poller(e->owner);
}

static void come_later(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_COMING;
    e->coming++;
    e->coming_letters += d->fate == KCA__FATE_DEAD_LETTER;
    kca__due_queue_add(&e->due, &d->due);
    wake_poller_by(e, d->due.due_ms);
}

static void condemn(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_CONDEMNED;
    d->next = NULL;
    *(e->condemned_last ? &e->condemned_last->next : &e->condemned_first) = d;
    e->condemned_last = d;
    e->condemned++;
    wake_poller_by(e, 0);
}

void kca__engine_meet_fate(kca__engine *e, kca_delivery *d) {
    if (d->fate == KCA__FATE_DEAD_LETTER)
        condemn(e, d);
    else if (e->stopping)
        kca__engine_drop(e, d);
    else
        come_later(e, d);
}

/* ---- what is due ---- */

static kca_delivery *due_delivery(kca__due_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, due));
}

void kca__engine_leave_due(kca__engine *e, const kca_delivery *d) {
    e->coming--;
    e->coming_letters -= d->fate == KCA__FATE_DEAD_LETTER;
}

static void bring_back(kca__engine *e, kca_delivery *d) {
    kca__engine_leave_due(e, d);
    if (d->partition->revoked) {
        kca__engine_drop(e, d);
        return;
    }
    if (d->fate == KCA__FATE_DEAD_LETTER) {
        condemn(e, d);
        return;
    }
    d->state = KCA__DELIVERY_WAITING;
    d->fate = KCA__FATE_NONE;
    kca__lanes_put_back(&e->lanes, &d->lane);
    kca__engine_wake_one_locked(e);
}

/* A second delivery of the record takes the place of one whose handler is late. NULL: no memory. */
static kca_delivery *stand_in_for(kca__engine *e, kca_delivery *late) {
    kca_delivery *d = kca__engine_new_delivery(e);
    if (!d)
        return NULL;
    d->state = KCA__DELIVERY_EXPIRED;
    d->shared = late->shared = true;
    d->partition = late->partition;
    d->record = late->record;
    d->offset = late->offset;
    d->attempt = late->attempt;
    d->in_lane = late->in_lane;
    d->sharing = late->sharing;
    late->sharing = d;
    if (d->in_lane)
        kca__lanes_replace(&e->lanes, &late->lane, &d->lane);
    late->in_lane = false;
    kca__frontier_replace(&d->partition->frontier, &late->frontier, &d->frontier);
    d->partition->held++;
    e->held++;
    e->exempt += d->partition->place->paused;
    return d;
}

void kca__engine_detach(kca__engine *e, kca_delivery *d) {
    if (d->fate == KCA__FATE_NONE) {
        kca__engine_open_lane(e, d);
        return;
    }
    /* While it stops, memory of what was dropped is not used again: see engine.h. */
    kca_delivery *again = e->stopping || d->partition->revoked ? NULL : stand_in_for(e, d);
    if (!again)
        return;
    again->fate = d->fate;
    again->due.due_ms = d->due.due_ms;
    again->failed_ms = d->failed_ms;
    again->failure_name = d->failure_name;
    again->failure_text = d->failure_text;
    d->fate = KCA__FATE_NONE;
    d->failure_name = d->failure_text = NULL;
    kca__engine_meet_fate(e, again);
}

static void fail_in_time(kca__engine *e, kca_delivery *d) {
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = kca__text_copy("timeout");
    d->failure_text = kca__text_format("it took longer than its processing time, %d ms",
                                       e->processing_timeout_ms);
    if (kca__engine_decide(e, d, false))
        kca__frontier_settle(&d->partition->frontier, &d->frontier);
}

/* Under the policy "wait" its lane stays closed until the application lets go of it: its key's next
 * must not run beside it. */
static void expire(kca__engine *e, kca_delivery *late) {
    late->state = KCA__DELIVERY_EXPIRED;
    kca__engine_take_back(e, late);
    e->counts.failed++;
    e->counts.timed_out++;
    if (late->partition->revoked)
        return;
    kca_delivery *d = e->abandon && !e->stopping ? stand_in_for(e, late) : NULL;
    fail_in_time(e, d ? d : late);
    if (!d)
        return;
    if (d->fate == KCA__FATE_NONE)
        kca__engine_drop(e, d);
    else
        kca__engine_meet_fate(e, d);
    kca__engine_wake_locked(e);
}

int64_t kca__engine_see_to_due(kca__engine *e, int64_t now_ms, int64_t latest_ms) {
    pthread_mutex_lock(&e->lock);
    while (e->out_first && e->out_first->deadline_ms <= now_ms)
        expire(e, e->out_first);
    kca__due_entry *entry;
    while ((entry = kca__due_queue_take(&e->due, now_ms)))
        bring_back(e, due_delivery(entry));
    int64_t next = kca__due_queue_next_ms(&e->due);
    if (e->out_first && e->out_first->deadline_ms < next)
        next = e->out_first->deadline_ms;
    e->poller_wakes_ms = next < latest_ms ? next : latest_ms;
    next = e->poller_wakes_ms;
    pthread_mutex_unlock(&e->lock);
    return next;
}

/* ---- dead letters ---- */

kca_delivery *kca__engine_take_condemned(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca_delivery *d = e->condemned_first;
    if (d) {
        e->condemned_first = d->next;
        if (!d->next)
            e->condemned_last = NULL;
        e->condemned--;
        e->writing++;
        e->holders++;
        d->partition->writing++;
        d->state = KCA__DELIVERY_WRITING;
    }
    pthread_mutex_unlock(&e->lock);
    return d;
}

static void tell_of_write(kca__engine *e, const kca_delivery *d, const kca_error *error) {
    const kca__place *place = d->partition->place;
    kca_error *told = kca__error_new(
        error->code, "consumer %s: the dead letter of %s[%d] offset %lld is not stored: %s",
        e->consumer, place->topic, place->number, (long long)d->offset, error->text);
    if (told->code != KCA_ERROR_MEMORY) {
        told->rdkafka_code = error->rdkafka_code;
        told->retriable = 1;
    }
    kca__engine_fault_locked(e, told, place->topic, place->number, d->offset);
}

static int write_pause_ms(int writes) {
    int pause = FIRST_WRITE_PAUSE_MS;
    while (writes-- > 0 && pause < LONGEST_WRITE_PAUSE_MS)
        pause *= 2;
    return pause < LONGEST_WRITE_PAUSE_MS ? pause : LONGEST_WRITE_PAUSE_MS;
}

void kca__engine_written(kca_delivery *d, kca_error *error, int again_ms) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    e->writing--;
    d->partition->writing--;
    bool stored = !error && again_ms == 0;
    if (stored && !d->partition->revoked) {
        e->counts.dead_lettered++;
        kca__engine_publish(e, d);
        kca__frontier_settle(&d->partition->frontier, &d->frontier);
    }
    if (error)
        tell_of_write(e, d, error);
    if (stored || (error && e->stopping) || d->partition->revoked) {
        if (!e->closed)
            kca__engine_open_lane(e, d);
        d->in_lane = false;
        kca__engine_drop(e, d);
        kca__engine_wake_one_locked(e);
    } else {
        d->due.due_ms = e->clock_ms() + (error ? write_pause_ms(d->writes++) : again_ms);
        come_later(e, d);
    }
    pthread_cond_broadcast(&e->settled);
    pthread_mutex_unlock(&e->lock);
    kca__error_free(error);
    kca__engine_release(e);
}
