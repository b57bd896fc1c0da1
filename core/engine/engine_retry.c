/*
 * What becomes of deliveries that failed: they come again, are dead-lettered, or the policy
 * decides. Part of the inbound engine.
 *
 * A fate is decided when a delivery fails, and met when the application has given it back: only
 * then is its memory the engine's. Where that may take long (the garbage collector of a language
 * frees it; a handler is late under the policy "abandon") a second delivery of the record stands in
 * for it: see engine_private.h.
 */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_WRITE_PAUSE_MS = 100, LONGEST_WRITE_PAUSE_MS = 10000 };

/* ---- deciding ---- */

static kca_error *explain_locked(const kca__engine *e, const kca_delivery *d, bool rejected) {
    /* An expired one's message is the late handler's: it must not be read. */
    bool readable = d->state != KCA__DELIVERY_EXPIRED;
    const char *name = readable ? d->message.texts[KCA__TEXT_NAME] : "";
    return kca__error_new(
        KCA_ERROR_HANDLER, "consumer %s: %s %s at %s[%d] offset %lld%s%s%s: %s", e->consumer,
        name && *name ? name
        : readable    ? "a message without a name"
                      : "a message",
        rejected ? "was rejected" : "failed", d->assigned->topic_partition->topic,
        d->assigned->topic_partition->number, (long long)d->offset, d->failure_name ? ", " : "",
        d->failure_name ? d->failure_name : "", d->attempt > 1 ? " (the last attempt)" : "",
        d->failure_text ? d->failure_text : "no reason given");
}

bool kca__engine_give_up_locked(kca__engine *e, kca_delivery *d, kca_error *error) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    if (!e->setup.skip) {
        kca__engine_fault_locked(e, kca__error_copy(error), tp->topic, tp->number, d->offset);
        kca__engine_end_locked(e, error);
        return false;
    }
    e->counts.skipped++;
    kca__engine_fault_locked(e, error, tp->topic, tp->number, d->offset);
    return !kca__engine_answer_locked(e, d, true);
}

/* The owner is asked about those that were never handed out, or that were while their time ended.
 */
static bool is_asked_locked(kca__engine *e, kca_delivery *d) {
    int asked = atomic_load_explicit(&d->asked, memory_order_relaxed);
    if (asked == KCA__ASKED_UNKNOWN) {
        asked = e->setup.is_asked(e->setup.owner, d) ? KCA__ASKED_YES : KCA__ASKED_NO;
        atomic_store_explicit(&d->asked, asked, memory_order_relaxed);
    }
    return asked == KCA__ASKED_YES;
}

bool kca__engine_answer_locked(kca__engine *e, kca_delivery *d, bool failed) {
    if (!e->setup.is_asked || !is_asked_locked(e, d))
        return false;
    d->fate = KCA__FATE_REPLY;
    d->answers_error = failed;
    d->writes = 0;
    return true;
}

/* xorshift: for jitter. */
static uint64_t draw_locked(kca__engine *e) {
    e->random ^= e->random << 13;
    e->random ^= e->random >> 7;
    e->random ^= e->random << 17;
    return e->random;
}

bool kca__engine_decide_locked(kca__engine *e, kca_delivery *d, bool rejected) {
    bool again = !rejected && kca__retry_is_due(&e->setup.retry, d->attempt, d->failure_name);
    if (e->spares && !rejected)
        return false;
    if (again && e->setup.retry_channels) {
        kca__engine_pass_on_locked(e, d);
        return false;
    }
    if (again) {
        /* One that would come after the end comes again after the next start. */
        if (e->stopping)
            return false;
        e->counts.retried++;
        d->fate = KCA__FATE_RETRY;
        d->due.due_ms =
            e->setup.clock_ms() + kca__retry_delay_ms(&e->setup.retry, d->attempt, draw_locked(e));
        return false;
    }
    if (!e->setup.dead_letters)
        return kca__engine_give_up_locked(e, d, explain_locked(e, d, rejected));
    kca__engine_condemn_locked(d);
    return false;
}

/* ---- meeting it ---- */

void kca__engine_wake_poller_by_locked(kca__engine *e, int64_t due_ms) {
    if (due_ms >= e->poller_wakes_ms)
        return;
    e->poller_wakes_ms = due_ms;
    e->setup.wake_poller(e->setup.owner);
}

static void come_later_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_COMING;
    e->coming++;
    e->coming_letters += kca__delivery_owes_letter(d);
    kca__due_queue_add(&e->due, &d->due);
    kca__engine_wake_poller_by_locked(e, d->due.due_ms);
}

bool kca__engine_is_early_locked(const kca__engine *e, const kca_delivery *d) {
    return d->time_ms > 0 && d->time_ms > e->setup.clock_ms();
}

void kca__engine_delay_locked(kca__engine *e, kca_delivery *d) {
    d->delayed = true;
    d->due.due_ms = d->time_ms;
    kca__engine_count_delayed_locked(e, d->assigned->topic_partition, 1);
    come_later_locked(e, d);
}

static void condemn_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_CONDEMNED;
    d->assigned->writing += !d->postponed;
    d->postponed = false;
    kca__list_add(&e->condemned, &d->event.link);
    kca__engine_wake_poller_by_locked(e, 0);
}

void kca__engine_condemn_locked(kca_delivery *d) {
    d->fate = KCA__FATE_DEAD_LETTER;
    kca__engine_begin_line_locked(d);
    d->failed_ms = kca__clock_unix_ms();
}

/* At its turn: its lane may have others that are still out. */
static void wait_again_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_WAITING;
    d->fate = KCA__FATE_NONE;
    kca__lanes_put_back(&e->lanes, &d->lane);
    kca__engine_wake_one_locked(e);
}

void kca__engine_meet_fate_locked(kca__engine *e, kca_delivery *d) {
    if (kca__delivery_owes_letter(d)) {
        condemn_locked(e, d);
    } else if (e->stopping) {
        kca__engine_drop_locked(e, d);
    } else if (d->fate == KCA__FATE_AGAIN) {
        d->attempt--;
        wait_again_locked(e, d);
    } else {
        come_later_locked(e, d);
    }
}

/* ---- what is due ---- */

void kca__engine_leave_due_locked(kca__engine *e, kca_delivery *d) {
    e->coming--;
    e->coming_letters -= kca__delivery_owes_letter(d);
    if (d->delayed)
        kca__engine_count_delayed_locked(e, d->assigned->topic_partition, -1);
    d->delayed = false;
}

static void bring_back_locked(kca__engine *e, kca_delivery *d) {
    kca__engine_leave_due_locked(e, d);
    if (d->assigned->revoked) {
        kca__engine_drop_locked(e, d);
        return;
    }
    if (kca__delivery_owes_letter(d)) {
        condemn_locked(e, d);
        return;
    }
    wait_again_locked(e, d);
}

/* See "a stand-in" in engine_private.h. NULL: no memory. */
static kca_delivery *stand_in_for_locked(kca__engine *e, kca_delivery *late) {
    kca_delivery *d = kca__engine_new_delivery_locked(e);
    if (!d)
        return NULL;
    d->state = KCA__DELIVERY_EXPIRED;
    d->shared = late->shared = true;
    d->assigned = late->assigned;
    d->record = late->record;
    d->offset = late->offset;
    d->attempt = late->attempt;
    d->batch = late->batch;
    d->batch_size = late->batch_size;
    d->alone = late->alone;
    d->in_lane = late->in_lane;
    d->key = late->key;
    d->key_len = late->key_len;
    d->key_hash = late->key_hash;
    d->parked = late->parked;
    d->place = late->place;
    d->reply_form = late->reply_form;
    d->refusal_text = late->refusal_text;
    late->refusal_text = NULL;
    d->question = late->question;
    late->question = NULL;
    atomic_store_explicit(&d->asked, atomic_load_explicit(&late->asked, memory_order_relaxed),
                          memory_order_relaxed);
    d->sharing = late->sharing;
    late->sharing = d;
    if (d->in_lane)
        kca__lanes_replace(&e->lanes, &late->lane, &d->lane);
    late->in_lane = false;
    kca__frontier_replace(&d->assigned->frontier, &late->frontier, &d->frontier);
    d->assigned->held++;
    e->held++;
    e->exempt += kca__topic_partition_is_kept_back(d->assigned->topic_partition);
    return d;
}

/* What a late handler left is nobody's result. One that is done has results, also when it is
 * answered that its reply was refused. */
static void hand_on_results(kca_delivery *again, kca_delivery *d) {
    again->answers_error = d->answers_error;
    if (d->state == KCA__DELIVERY_EXPIRED)
        return;
    again->id = d->id;
    again->reply = d->reply;
    kca__list_move(&again->published, &d->published);
    d->id = (kca__kept_id){NULL, 0};
    d->reply = NULL;
}

void kca__engine_detach_locked(kca__engine *e, kca_delivery *d) {
    if (d->state == KCA__DELIVERY_KEPT)
        return;
    if (d->fate == KCA__FATE_NONE) {
        kca__engine_open_lane_locked(e, d);
        return;
    }
    bool in_vain = d->assigned->revoked || (e->stopping && !kca__delivery_owes_letter(d));
    kca_delivery *again = in_vain ? NULL : stand_in_for_locked(e, d);
    if (!again)
        return;
    again->fate = d->fate;
    again->due.due_ms = d->due.due_ms;
    again->failed_ms = d->failed_ms;
    again->failure_name = d->failure_name;
    again->failure_text = d->failure_text;
    d->failure_name = d->failure_text = NULL;
    if (d->fate == KCA__FATE_REPLY)
        hand_on_results(again, d);
    d->fate = KCA__FATE_NONE;
    kca__engine_meet_fate_locked(e, again);
}

/* That a batch of several took too long does not say which of them did. */
static void fail_in_time_locked(kca__engine *e, kca_delivery *d) {
    if (d->batch_size > 1) {
        d->fate = KCA__FATE_AGAIN;
        d->alone = true;
        return;
    }
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = kca__text_copy("timeout");
    d->failure_text = kca__text_format("it took longer than its processing time, %d ms",
                                       e->setup.processing_timeout_ms);
    if (kca__engine_decide_locked(e, d, false))
        kca__engine_pass_locked(e, d);
}

/* Under the policy "wait" its lane stays closed until the application gives it back: the next of
 * its key must not run beside it. */
static void expire_locked(kca__engine *e, kca_delivery *late) {
    late->state = KCA__DELIVERY_EXPIRED;
    late->late = true;
    e->late++;
    kca__engine_end_span_locked(late, KCA_FAILED, "timeout", NULL);
    kca__engine_take_back_locked(e, late);
    e->counts.failed++;
    e->counts.timed_out++;
    if (late->assigned->revoked)
        return;
    kca_delivery *d = e->setup.abandon && !e->stopping ? stand_in_for_locked(e, late) : NULL;
    fail_in_time_locked(e, d ? d : late);
    kca__engine_call_off_behind_locked(e, d ? d : late, expire_locked);
    if (!d)
        return;
    if (d->fate == KCA__FATE_NONE)
        kca__engine_drop_locked(e, d);
    else
        kca__engine_meet_fate_locked(e, d);
    kca__engine_wake_locked(e);
}

int64_t kca__engine_see_to_due(kca__engine *e, int64_t now_ms, int64_t latest_ms) {
    pthread_mutex_lock(&e->lock);
    while (e->out_first && e->out_first->deadline_ms <= now_ms)
        expire_locked(e, e->out_first);
    kca__due_entry *entry;
    while ((entry = kca__due_queue_take(&e->due, now_ms)))
        bring_back_locked(e, kca__delivery_of_due(entry));
    int64_t next = kca__engine_see_to_batches_locked(e, now_ms, kca__due_queue_next_ms(&e->due));
    if (e->out_first && e->out_first->deadline_ms < next)
        next = e->out_first->deadline_ms;
    e->poller_wakes_ms = next < latest_ms ? next : latest_ms;
    next = e->poller_wakes_ms;
    pthread_mutex_unlock(&e->lock);
    return next;
}

/* ---- dead letters and replies ---- */

kca_delivery *kca__engine_take_condemned(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca_delivery *d = kca__list_take(&e->condemned);
    if (d) {
        e->writing++;
        e->holders++;
        d->state = KCA__DELIVERY_WRITING;
    }
    pthread_mutex_unlock(&e->lock);
    return d;
}

static const char *kind_of_letter(const kca_delivery *d) {
    if (d->fate == KCA__FATE_RETRY_CHANNEL || d->fate == KCA__FATE_RELAY)
        return d->fate == KCA__FATE_RELAY ? "relay" : "retry";
    return d->fate == KCA__FATE_REPLY ? "reply" : "dead letter";
}

static void tell_of_write_locked(kca__engine *e, const kca_delivery *d, const kca_error *error) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    kca_error *told = kca__error_new(
        error->code, "consumer %s: the %s of %s[%d] offset %lld is not stored: %s", e->consumer,
        kind_of_letter(d), tp->topic, tp->number, (long long)d->offset, error->text);
    kca__error_mark(told, error->rdkafka_code, KCA__RETRIABLE);
    kca__engine_fault_locked(e, told, tp->topic, tp->number, d->offset);
}

static int write_pause_ms(int writes) {
    int pause = FIRST_WRITE_PAUSE_MS;
    while (writes-- > 0 && pause < LONGEST_WRITE_PAUSE_MS)
        pause *= 2;
    return pause < LONGEST_WRITE_PAUSE_MS ? pause : LONGEST_WRITE_PAUSE_MS;
}

static void end_writing_locked(kca__engine *e, const kca_delivery *d) {
    e->writing--;
    d->assigned->writing--;
    pthread_cond_broadcast(&e->settled);
}

static void drop_letter_locked(kca__engine *e, kca_delivery *d) {
    kca__engine_drop_locked(e, d);
    kca__engine_wake_one_locked(e);
}

static void write_later_locked(kca__engine *e, kca_delivery *d, int pause_ms) {
    if (d->assigned->revoked) {
        drop_letter_locked(e, d);
        return;
    }
    d->due.due_ms = e->setup.clock_ms() + pause_ms;
    come_later_locked(e, d);
}

/* What was to be written of it is stored, or given up: it is answered next, or ends. */
static void go_on_locked(kca__engine *e, kca_delivery *d, bool ends) {
    if (ends)
        drop_letter_locked(e, d);
    else
        condemn_locked(e, d);
}

static int64_t *counter_of_locked(kca__engine *e, kca__fate fate) {
    if (fate == KCA__FATE_RETRY_CHANNEL)
        return &e->counts.retry_stored;
    if (fate == KCA__FATE_RELAY)
        return &e->counts.relayed;
    return fate == KCA__FATE_REPLY ? &e->counts.replied : &e->counts.dead_lettered;
}

/* Who asks for a reply of one that is retried is answered at its end, and not by now. */
static void store_locked(kca__engine *e, kca_delivery *d) {
    if (d->assigned->revoked) {
        kca__engine_note_late_letter_locked(e, d);
        go_on_locked(e, d, true);
        return;
    }
    bool is_letter = d->fate == KCA__FATE_DEAD_LETTER, follows = kca__engine_follows(d);
    d->is_letter |= is_letter;
    (*(is_letter && follows ? &e->counts.parked : counter_of_locked(e, d->fate)))++;
    /* One that is parked is answered when it is handled. */
    bool ends = !is_letter || follows || !kca__engine_answer_locked(e, d, true);
    if (ends)
        kca__engine_finish_locked(e, d);
    go_on_locked(e, d, ends);
}

void kca__engine_letter_stored(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    end_writing_locked(e, d);
    store_locked(e, d);
    pthread_mutex_unlock(&e->lock);
    kca__engine_release(e);
}

void kca__engine_letter_failed(kca_delivery *d, kca_error *error) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    end_writing_locked(e, d);
    tell_of_write_locked(e, d, error);
    if (e->stopping) {
        /* It comes again after the next start, and they after it. */
        kca__engine_call_off_behind_locked(e, d, NULL);
        drop_letter_locked(e, d);
    } else {
        write_later_locked(e, d, write_pause_ms(d->writes++));
    }
    pthread_mutex_unlock(&e->lock);
    kca__error_free(error);
    kca__engine_release(e);
}

/* It is done all the same. Takes `error`. */
static void leave_unanswered_locked(kca__engine *e, kca_delivery *d, kca_error *error) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    e->counts.not_replied++;
    kca__engine_fault_locked(e, error, tp->topic, tp->number, d->offset);
    kca__engine_finish_locked(e, d);
}

void kca__engine_letter_refused(kca_delivery *d, kca_error *error) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    end_writing_locked(e, d);
    kca__fate was = d->fate;
    if (d->assigned->revoked)
        kca__error_free(error);
    else if (was == KCA__FATE_REPLY)
        leave_unanswered_locked(e, d, error);
    else if (was == KCA__FATE_DEAD_LETTER ? kca__engine_give_up_locked(e, d, error)
                                          : kca__engine_turn_back_locked(e, d, error))
        kca__engine_pass_locked(e, d);
    go_on_locked(e, d, d->fate == was);
    pthread_mutex_unlock(&e->lock);
    kca__engine_release(e);
}

/* Nothing is wrong with the cluster: a partition that drains waits for it. */
void kca__engine_letter_postponed(kca_delivery *d, int pause_ms) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    e->writing--;
    d->postponed = true;
    write_later_locked(e, d, pause_ms);
    pthread_mutex_unlock(&e->lock);
    kca__engine_release(e);
}
