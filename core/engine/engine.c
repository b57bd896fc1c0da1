/* Life, notes and the end of the inbound engine. */
#include "engine/engine_private.h"

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>

kca__engine *kca__engine_new(const kca__engine_setup *setup) {
    kca__engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->setup = *setup;
    e->setup.consumer = e->consumer = kca__text_copy(setup->consumer);
    bool lanes = kca__lanes_init(&e->lanes, setup->capacity);
    bool gatherings = kca__gatherings_init(e);
    if (!e->consumer || !lanes || !gatherings) {
        free(e->consumer);
        free(e->gatherings);
        kca__lanes_close(&e->lanes);
        free(e);
        return NULL;
    }
    if (!e->setup.clock_ms)
        e->setup.clock_ms = kca__clock_ms;
    if (!e->setup.unix_ms)
        e->setup.unix_ms = kca__clock_unix_ms;
    e->holders = 1;
    e->random = (uint64_t)kca__clock_ms() * 2 + 1;
    e->poller_wakes_ms = e->drain_deadline = KCA__CLOCK_NEVER;
    e->longest_metadata = KCA__OFFSET_MAP_SIZE + KCA__ORIGIN_SIZE;
    pthread_mutex_init(&e->lock, NULL);
    kca__clock_condition_init(&e->work);
    kca__clock_condition_init(&e->settled);
    kca__notifier_init(&e->notifier);
    return e;
}

void kca__engine_free(kca__engine *e) {
    if (!e)
        return;
    kca__notes_close(&e->notes);
    kca__held_records_free(&e->batch);
    kca__engine_forget_refused_locked(e, NULL);
    kca__assigned_list_close(&e->assigned);
    for (kca_delivery *d = e->all, *next; d; d = next) {
        next = d->all_next;
        free(d);
    }
    kca__lanes_close(&e->lanes);
    free(e->gatherings);
    kca__notifier_close(&e->notifier);
    kca__error_free(e->failure);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->settled);
    pthread_mutex_destroy(&e->lock);
    free(e->consumer);
    free(e);
}

void kca__engine_hold(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->holders++;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_release(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    bool last = --e->holders == 0;
    pthread_mutex_unlock(&e->lock);
    if (last)
        e->setup.let_go(e->setup.owner);
}

const char *kca__engine_consumer(const kca__engine *e) {
    return e->consumer;
}

void *kca__engine_owner(const kca__engine *e) {
    return e->setup.owner;
}

bool kca__engine_is_local(const kca__engine *e) {
    return e->setup.local;
}

/* ---- waking ---- */

void kca__engine_wake_one_locked(kca__engine *e) {
    kca__notifier_raise(&e->notifier);
    if (e->idle == 0) {
        if (e->fetching)
            e->setup.wake_fetcher(e->setup.owner);
        return;
    }
    /* One thread only: it takes a delivery, and wakes the next if more are ready. */
    if (!e->waking)
        pthread_cond_signal(&e->work);
    e->waking = true;
}

void kca__engine_wake_locked(kca__engine *e) {
    bool fetch = !e->fetching && !e->fetch_held && !e->napping && e->idle > 0 &&
                 kca__engine_room_locked(e) > 0;
    if (kca__engine_has_ready_locked(e) || fetch)
        kca__engine_wake_one_locked(e);
}

void kca__engine_wake_all_locked(kca__engine *e) {
    kca__notifier_raise(&e->notifier);
    pthread_cond_broadcast(&e->work);
    pthread_cond_broadcast(&e->settled);
    if (e->fetching)
        e->setup.wake_fetcher(e->setup.owner);
}

/* ---- the descriptor ---- */

int kca__engine_fd(kca__engine *e, bool *out_first) {
    pthread_mutex_lock(&e->lock);
    int fd = kca__notifier_fd(&e->notifier);
    *out_first = !e->watched;
    e->watched = true;
    pthread_mutex_unlock(&e->lock);
    return fd;
}

bool kca__engine_is_watched(const kca__engine *e) {
    return kca__notifier_is_watched(&e->notifier);
}

void kca__engine_raise(kca__engine *e) {
    kca__notifier_raise(&e->notifier);
}

/* Under the lock, as most raising is: two clearings at once would leave the descriptor readable
 * with nothing to read. */
void kca__engine_lower(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__notifier_clear(&e->notifier);
    pthread_mutex_unlock(&e->lock);
}

/* The descriptor stays readable until a look finds nothing, for librdkafka tells only of the first
 * record that waits; when it is over, too, so that the application that polls it hears of it. */
void kca__engine_level(kca__engine *e, int taken) {
    if (taken != 0 && kca__notifier_is_raised(&e->notifier))
        return; /* a thread that clears it meanwhile looks again */
    pthread_mutex_lock(&e->lock);
    if (taken != 0 || e->stopping || kca__notes_count(&e->notes) > 0 ||
        kca__engine_has_ready_locked(e))
        kca__notifier_raise(&e->notifier);
    pthread_mutex_unlock(&e->lock);
}

/* ---- notes ---- */

static void note_locked(kca__engine *e, kca_event *note) {
    if (!note)
        return;
    if (e->setup.note_queue) {
        kca__event_queue_push_note(e->setup.note_queue, note);
        return;
    }
    kca__notes_add(&e->notes, note);
    kca__engine_wake_one_locked(e);
}

void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset) {
    note_locked(e, kca__event_new_fault(error, topic, partition, offset));
}

void kca__engine_note(kca__engine *e, kca_event *note) {
    pthread_mutex_lock(&e->lock);
    note_locked(e, note);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_fault(kca__engine *e, kca_error *error, const char *topic, int partition,
                       int64_t offset) {
    kca__engine_note(e, kca__event_new_fault(error, topic, partition, offset));
}

void kca__engine_count_not_replied(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->counts.not_replied++;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_tell_reset_locked(kca__engine *e, const char *topic, int partition, int64_t from,
                                   int64_t to, const char *why) {
    kca_error *error =
        to > from
            ? kca__error_new(KCA_ERROR_OFFSET,
                             "consumer %s: %s[%d]: offsets %lld to %lld are gone, %lld not "
                             "read: reading goes on at %lld",
                             e->consumer, topic, partition, (long long)from, (long long)to - 1,
                             (long long)(to - from), (long long)to)
            : kca__error_new(KCA_ERROR_OFFSET,
                             "consumer %s: %s[%d]: %s: reading goes back from offset %lld to "
                             "%lld",
                             e->consumer, topic, partition, why, (long long)from, (long long)to);
    note_locked(e, kca__event_new_reset(error, topic, partition, from, to));
}

bool kca__engine_went_back(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    bool went_back = e->went_back;
    e->went_back = false;
    pthread_mutex_unlock(&e->lock);
    return went_back;
}

void kca__engine_tell_reset(kca__engine *e, const char *topic, int partition, int64_t from,
                            int64_t to, const char *why) {
    pthread_mutex_lock(&e->lock);
    kca__engine_tell_reset_locked(e, topic, partition, from, to, why);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the end ---- */

void kca__engine_end_locked(kca__engine *e, kca_error *error) {
    if (e->failure) {
        kca__error_free(error);
        return;
    }
    e->failure = error;
    e->failed_ms = e->setup.clock_ms();
    e->stopping = true;
    kca__engine_wake_all_locked(e);
}

void kca__engine_fail_locked(kca__engine *e, kca_error *error) {
    if (!e->failure)
        kca__engine_fault_locked(e, kca__error_copy(error), NULL, -1, -1);
    kca__engine_end_locked(e, error);
}

void kca__engine_fail(kca__engine *e, kca_error *error) {
    pthread_mutex_lock(&e->lock);
    kca__engine_fail_locked(e, error);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_fail_unless_stopping(kca__engine *e, kca_error *error) {
    pthread_mutex_lock(&e->lock);
    if (e->stopping)
        kca__error_free(error);
    else
        kca__engine_fail_locked(e, error);
    pthread_mutex_unlock(&e->lock);
}

static void stop(kca__engine *e, int64_t deadline, bool leave_out) {
    pthread_mutex_lock(&e->lock);
    if (deadline < e->drain_deadline)
        e->drain_deadline = deadline;
    e->stopping = true;
    e->left_out = e->left_out || leave_out;
    kca__engine_wake_all_locked(e);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_stop(kca__engine *e, int64_t deadline) {
    stop(e, deadline, false);
}

void kca__engine_leave_out(kca__engine *e, int64_t deadline) {
    stop(e, deadline, true);
}

void kca__engine_spare(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->spares = true;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_end_drain(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    if (e->left_out)
        e->drain_deadline = KCA__CLOCK_OVER;
    pthread_mutex_unlock(&e->lock);
}

bool kca__engine_is_stopping(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    return stopping;
}

int64_t kca__engine_drain_deadline(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    int64_t deadline = e->drain_deadline;
    pthread_mutex_unlock(&e->lock);
    return deadline;
}

kca_error *kca__engine_failure(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca_error *failure = kca__error_copy(e->failure);
    pthread_mutex_unlock(&e->lock);
    return failure;
}

kca__engine_rest kca__engine_see_rest(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__engine_rest rest = {.stopping = e->stopping,
                             .out = e->left_out ? 0 : e->out,
                             .letters = e->condemned.count + e->writing + e->coming_letters,
                             .drain_deadline = e->drain_deadline};
    pthread_mutex_unlock(&e->lock);
    return rest;
}

/* A delivery that the application has keeps its record; any other is dropped. True: the application
 * has it, and has not settled it. */
static bool shut_delivery_locked(kca__engine *e, kca_delivery *d) {
    d->in_lane = false;
    switch (d->state) {
    case KCA__DELIVERY_WAITING:
    case KCA__DELIVERY_COMING:
    case KCA__DELIVERY_CONDEMNED:
        kca__engine_drop_locked(e, d);
        return false;
    case KCA__DELIVERY_KEPT:
        d->state = KCA__DELIVERY_SETTLED;
        if (d->is_back)
            kca__engine_drop_locked(e, d);
        return false;
    default:
        return d->state == KCA__DELIVERY_OUT;
    }
}

static void shut_partitions_locked(kca__engine *e) {
    for (kca__assigned *a = e->assigned.first, *next; a; a = next) {
        next = a->next;
        a->set_aside = (kca__list){0};
        a->revoked = true;
        if (a->held == 0)
            kca__assigned_list_remove(&e->assigned, a);
    }
}

int kca__engine_shut(kca__engine *e) {
    int unsettled = 0;
    pthread_mutex_lock(&e->lock);
    e->stopping = e->closed = true;
    kca__lanes_clear(&e->lanes);
    kca__engine_shut_batches_locked(e);
    e->due = (kca__due_queue){0};
    e->coming = e->coming_letters = 0;
    e->condemned = (kca__list){0};
    /* Also of partitions that have gone: leaving the group revoked them all. */
    for (kca_delivery *d = e->all; d; d = d->all_next)
        unsettled += shut_delivery_locked(e, d);
    shut_partitions_locked(e);
    kca__engine_wake_all_locked(e);
    pthread_mutex_unlock(&e->lock);
    return unsettled;
}

/* ---- looking ---- */

int kca__engine_out(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    int out = e->out;
    pthread_mutex_unlock(&e->lock);
    return out;
}

kca__engine_counts kca__engine_count(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__engine_counts counts = e->counts;
    counts.held = e->held;
    counts.out = e->out;
    counts.waiting = e->coming + e->condemned.count + e->writing;
    pthread_mutex_unlock(&e->lock);
    return counts;
}
