#include "inbound_engine.h"

#include "error.h"
#include "generation.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static void release_event(kca_event *event) {
    kca__engine_recycle((kca_delivery *)event);
}

bool kca__engine_init(kca__engine *e, const char *consumer, int capacity) {
    memset(e, 0, sizeof *e);
    e->capacity = capacity;
    e->holders = 1;
    e->consumer = kca__text_copy(consumer);
    e->all = calloc((size_t)capacity, sizeof(kca_delivery *));
    bool lanes = kca__lanes_init(&e->lanes, capacity);
    if (!e->consumer || !e->all || !lanes) {
        free((char *)(uintptr_t)e->consumer);
        free(e->all);
        kca__lanes_close(&e->lanes);
        return false;
    }
    pthread_mutex_init(&e->lock, NULL);
    kca__clock_condition_init(&e->work);
    kca__clock_condition_init(&e->settled);
    kca__event_list_init(&e->faults);
    kca__notifier_init(&e->notifier);
    return true;
}

void kca__engine_close(kca__engine *e) {
    for (kca_event *fault = e->faults.first, *next; fault; fault = next) {
        next = fault->next;
        fault->release(fault);
    }
    kca__partitions_close(&e->partitions);
    for (int i = 0; i < e->made; i++)
        free(e->all[i]);
    free(e->all);
    kca__lanes_close(&e->lanes);
    kca__notifier_close(&e->notifier);
    kca__error_free(e->failure);
    pthread_cond_destroy(&e->work);
    pthread_cond_destroy(&e->settled);
    pthread_mutex_destroy(&e->lock);
    free((char *)(uintptr_t)e->consumer);
}

/* ---- waking ---- */

void kca__engine_wake_one_locked(kca__engine *e) {
    kca__notifier_raise(&e->notifier);
    if (e->idle > 0)
        pthread_cond_signal(&e->work);
    else if (e->fetching)
        e->wake_fetcher(e->owner);
}

void kca__engine_wake_locked(kca__engine *e) {
    bool fetch = !e->fetching && e->idle > 0 && kca__engine_room_locked(e) > 0;
    if (e->lanes.ready_count > 0 || fetch)
        kca__engine_wake_one_locked(e);
}

static void wake_all(kca__engine *e) {
    kca__notifier_raise(&e->notifier);
    pthread_cond_broadcast(&e->work);
    pthread_cond_broadcast(&e->settled);
    if (e->fetching)
        e->wake_fetcher(e->owner);
}

void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset) {
    kca_event *fault = kca__event_new_fault(error, topic, partition, offset);
    if (!fault)
        return;
    if (e->fault_queue) {
        kca__event_queue_push_note(e->fault_queue, fault);
        return;
    }
    kca__event_list_add(&e->faults, fault);
    if (e->faults.count > KCA__EVENT_QUEUE_NOTES) {
        kca_event *oldest = e->faults.first;
        e->faults.first = oldest->next;
        e->faults.count--;
        oldest->release(oldest);
    }
    kca__engine_wake_one_locked(e);
}

void kca__engine_fail_locked(kca__engine *e, kca_error *error) {
    if (!e->failure)
        kca__engine_fault_locked(e, kca__error_copy(error), NULL, -1, -1);
    kca__engine_end_locked(e, error);
}

void kca__engine_end_locked(kca__engine *e, kca_error *error) {
    if (e->failure) {
        kca__error_free(error);
        return;
    }
    e->failure = error;
    e->stopping = true;
    wake_all(e);
}

void kca__engine_stop(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
}

/* ---- holders ---- */

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
        e->let_go(e->owner);
}

/* ---- partitions ---- */

/* Its place in the list stays until no record of it is held. */
static void retire(kca__engine *e, kca__partition *p) {
    p->revoked = true;
    e->out -= p->out;
    p->out = 0;
    if (p->held == 0)
        kca__partitions_remove(&e->partitions, p);
}

void kca__engine_await_fetch(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    uint64_t fetches = e->fetches;
    if (e->fetching)
        e->wake_fetcher(e->owner);
    while (e->fetching && e->fetches == fetches)
        kca__clock_wait(&e->settled, &e->lock, KCA__CLOCK_NEVER);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_end_fetch_locked(kca__engine *e) {
    e->fetching = false;
    e->fetches++;
    pthread_cond_broadcast(&e->settled);
}

bool kca__engine_assign(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    bool added = kca__partitions_find(&e->partitions, topic, partition) ||
                 kca__partitions_add(&e->partitions, topic, partition);
    pthread_mutex_unlock(&e->lock);
    return added;
}

void kca__engine_revoke(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        p->draining = true;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_forget(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        retire(e, p);
    pthread_mutex_unlock(&e->lock);
}

int kca__engine_drain_revoked(kca__engine *e, int64_t deadline) {
    pthread_mutex_lock(&e->lock);
    int out;
    while ((out = kca__partitions_count_draining(&e->partitions)) > 0)
        if (!kca__clock_wait(&e->settled, &e->lock, deadline))
            break;
    pthread_mutex_unlock(&e->lock);
    return out;
}

void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user) {
    pthread_mutex_lock(&e->lock);
    for (kca__partition *p = e->partitions.first; p; p = p->next) {
        if (p->revoked || p->frontier.offset <= p->committed)
            continue;
        p->committed = p->frontier.offset;
        fn(user, p->topic, p->number, p->committed);
    }
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        p->committed = -1;
    pthread_mutex_unlock(&e->lock);
}

/* ---- deliveries ---- */

int kca__engine_room_locked(const kca__engine *e) {
    return e->stopping ? 0 : e->capacity - e->held;
}

static kca_delivery *new_delivery(kca__engine *e) {
    kca_delivery *d = e->free;
    if (d) {
        e->free = d->next;
    } else {
        d = e->made < e->capacity ? calloc(1, sizeof *d) : NULL;
        if (!d)
            return NULL;
        e->all[e->made++] = d;
        d->engine = e;
        d->event.type = KCA_EVENT_DELIVERY;
        d->event.release = release_event;
        d->event.generation = kca__generation();
    }
    e->held++;
    return d;
}

/* A partition begins anew when its offsets go back: its topic was made again, or its end was cut
 * off. */
static kca__partition *partition_of(kca__engine *e, const kca__inbound_record *r) {
    kca__partition *p = kca__partitions_find(&e->partitions, r->topic, r->partition);
    if (!p || r->offset > p->last_offset)
        return p;
    bool draining = p->draining;
    retire(e, p);
    p = kca__partitions_add(&e->partitions, r->topic, r->partition);
    if (p)
        p->draining = draining;
    else
        kca__engine_fail_locked(e, kca__error_memory());
    return p;
}

/* False: the record was not taken over. */
static bool accept_one(kca__engine *e, const kca__inbound_record *r) {
    kca__partition *p = partition_of(e, r);
    if (!p)
        return false;
    kca_delivery *d = new_delivery(e);
    uint64_t number = 0;
    if (!d || !kca__frontier_add(&number, &p->frontier, r->offset)) {
        if (d)
            kca__engine_free_locked(e, d);
        kca__engine_fail_locked(e, kca__error_memory());
        return false;
    }
    p->last_offset = r->offset;
    p->held++;
    d->number = number;
    d->partition = p;
    d->record = r->record;
    d->offset = r->offset;
    d->attempt = 1;
    d->state = KCA__DELIVERY_WAITING;
    d->in_lane = true;
    d->lane.partition = p;
    d->lane.key = r->key;
    d->lane.key_len = r->key_len;
    kca__lanes_add(&e->lanes, &d->lane);
    return true;
}

void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count) {
    for (int i = 0; i < count; i++)
        if (e->stopping || !accept_one(e, &records[i]))
            e->release_record(records[i].record);
}

static kca_delivery *delivery_of(kca__lane_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, lane));
}

static void put_out(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_OUT;
    d->deadline_ms = e->processing_timeout_ms > 0 ? kca__clock_ms() + e->processing_timeout_ms
                                                  : KCA__CLOCK_NEVER;
    d->next = NULL;
    d->previous = e->out_last;
    if (e->out_last)
        e->out_last->next = d;
    else
        e->out_first = d;
    e->out_last = d;
    e->out++;
    e->holders++;
    d->partition->out++;
}

/* A record whose partition is gone, or going, by the time it would be given out. */
static void drop(kca__engine *e, kca_delivery *d) {
    kca__engine_open_lane_locked(e, d);
    e->release_record(d->record);
    d->record = NULL;
    kca__engine_free_locked(e, d);
}

kca_delivery *kca__engine_take_locked(kca__engine *e) {
    if (e->stopping)
        return NULL;
    kca__lane_entry *entry;
    while ((entry = kca__lanes_take(&e->lanes))) {
        kca_delivery *d = delivery_of(entry);
        if (d->partition->revoked || d->partition->draining) {
            drop(e, d);
            continue;
        }
        put_out(e, d);
        return d;
    }
    return NULL;
}

int kca__engine_shut(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = e->closed = true;
    kca__lane_entry *entry;
    while ((entry = kca__lanes_take(&e->lanes)))
        drop(e, delivery_of(entry));
    /* What is left in lanes stands behind a delivery that the application has. */
    for (int i = 0; i < e->made; i++) {
        kca_delivery *d = e->all[i];
        if (d->in_lane && d->state != KCA__DELIVERY_WAITING)
            kca__engine_open_lane_locked(e, d);
        while ((entry = kca__lanes_take(&e->lanes)))
            drop(e, delivery_of(entry));
    }
    /* Also of partitions that have gone: leaving the group has revoked them all. */
    for (const kca_delivery *d = e->out_first; d; d = d->next)
        e->unsettled++;
    for (kca__partition *p = e->partitions.first, *next; p; p = next) {
        next = p->next;
        if (!p->revoked)
            retire(e, p);
    }
    int unsettled = e->unsettled;
    wake_all(e);
    pthread_mutex_unlock(&e->lock);
    return unsettled;
}
