#include "engine/engine.h"

#include "base/error.h"
#include "base/generation.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_IN_BATCH = 10000 }; /* then a transaction has to come first */

static void release_event(kca_event *event) {
    kca__engine_recycle((kca_delivery *)event);
}

bool kca__engine_init(kca__engine *e, const char *consumer, int capacity) {
    memset(e, 0, sizeof *e);
    e->capacity = capacity;
    e->retry.max_attempts = 1;
    e->holders = 1;
    e->clock_ms = kca__clock_ms;
    e->random = (uint64_t)kca__clock_ms() * 2 + 1;
    e->poller_wakes_ms = KCA__CLOCK_NEVER;
    e->longest_map = KCA__OFFSET_MAP_SIZE;
    e->consumer = kca__text_copy(consumer);
    bool lanes = kca__lanes_init(&e->lanes, capacity);
    if (!e->consumer || !lanes) {
        free((char *)(uintptr_t)e->consumer);
        kca__lanes_close(&e->lanes);
        return false;
    }
    pthread_mutex_init(&e->lock, NULL);
    kca__clock_condition_init(&e->work);
    kca__clock_condition_init(&e->settled);
    kca__event_list_init(&e->notes);
    kca__notifier_init(&e->notifier);
    return true;
}

void kca__engine_close(kca__engine *e) {
    for (kca_event *note = e->notes.first, *next; note; note = next) {
        next = note->next;
        note->release(note);
    }
    kca__held_records_free(e->batch.first);
    kca__partitions_close(&e->partitions);
    for (kca_delivery *d = e->all, *next; d; d = next) {
        next = d->all_next;
        free(d);
    }
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
    if (e->idle == 0) {
        if (e->fetching)
            e->wake_fetcher(e->owner);
        return;
    }
    /* One at a time: who wakes takes, and wakes the next if there is more. */
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
        e->wake_fetcher(e->owner);
}

/* ---- notes and the end ---- */

void kca__engine_note_locked(kca__engine *e, kca_event *note) {
    if (!note)
        return;
    if (e->note_queue) {
        kca__event_queue_push_note(e->note_queue, note);
        return;
    }
    kca__event_list_add(&e->notes, note);
    if (e->notes.count > KCA__EVENT_QUEUE_NOTES) {
        kca_event *oldest = e->notes.first;
        e->notes.first = oldest->next;
        e->notes.count--;
        oldest->release(oldest);
    }
    kca__engine_wake_one_locked(e);
}

void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset) {
    kca__engine_note_locked(e, kca__event_new_fault(error, topic, partition, offset));
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
    kca__engine_wake_all_locked(e);
}

void kca__engine_stop(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    kca__engine_wake_all_locked(e);
    pthread_mutex_unlock(&e->lock);
}

/* What the application has keeps its record; the rest is dropped. */
static void end_delivery(kca__engine *e, kca_delivery *d) {
    switch (d->state) {
    case KCA__DELIVERY_WAITING:
    case KCA__DELIVERY_COMING:
    case KCA__DELIVERY_CONDEMNED:
        d->in_lane = false;
        kca__engine_drop(e, d);
        return;
    case KCA__DELIVERY_OUT: /* also of partitions that have gone: leaving the group revoked all */
        e->unsettled++;
        break;
    default:
        break;
    }
    d->in_lane = false;
}

int kca__engine_shut(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->stopping = e->closed = true;
    kca__lanes_clear(&e->lanes);
    e->due = (kca__due_queue){0};
    e->coming = e->coming_letters = 0;
    e->condemned_first = e->condemned_last = NULL;
    e->condemned = 0;
    for (kca_delivery *d = e->all; d; d = d->all_next)
        end_delivery(e, d);
    for (kca__partition *p = e->partitions.first, *next; p; p = next) {
        next = p->next;
        p->parked_first = p->parked_last = NULL;
        p->revoked = true;
        if (p->held == 0)
            kca__partitions_remove(&e->partitions, p);
    }
    int unsettled = e->unsettled;
    kca__engine_wake_all_locked(e);
    pthread_mutex_unlock(&e->lock);
    return unsettled;
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

/* ---- records ---- */

int kca__engine_room_locked(const kca__engine *e) {
    int room = e->capacity - (e->held - e->exempt);
    return e->stopping || room < 0 ? 0 : room;
}

kca_delivery *kca__engine_new_delivery(kca__engine *e) {
    kca_delivery *d = e->free;
    if (d) {
        e->free = d->next;
    } else {
        d = calloc(1, sizeof *d);
        if (!d)
            return NULL;
        d->all_next = e->all;
        e->all = d;
        d->engine = e;
        d->event.type = KCA_EVENT_DELIVERY;
        d->event.release = release_event;
        d->event.generation = kca__generation();
    }
    d->sharing = d;
    d->fate = KCA__FATE_NONE;
    d->shared = false;
    d->attempt = d->writes = 0;
    return d;
}

/* A partition begins anew when its offsets go back: its topic was made again, or its end was cut
 * off. */
static kca__partition *begin_anew(kca__engine *e, kca__partition *p, const kca__inbound_record *r) {
    bool draining = p->draining;
    kca__engine_revoke_locked(e, p);
    kca__engine_sweep_locked(e);
    p = kca__partitions_add(&e->partitions, r->topic, r->partition);
    if (p)
        p->draining = draining;
    else
        kca__engine_fail_locked(e, kca__error_memory());
    return p;
}

static kca__partition *partition_of(kca__engine *e, const kca__inbound_record *r) {
    kca__partition *p = kca__partitions_find(&e->partitions, r->topic, r->partition);
    if (!p)
        return NULL;
    if (r->offset <= p->last_offset)
        return begin_anew(e, p, r);
    /* What was finished is known of these very offsets only: not when they begin elsewhere. */
    if (p->last_offset < 0 && r->offset < p->base)
        kca__offset_map_clear(&p->known);
    if (p->begin < 0)
        p->begin = r->offset;
    return p;
}

static void set_lane(const kca__engine *e, kca_delivery *d, const kca__inbound_record *r) {
    d->lane.place = d->partition->place;
    d->lane.key = e->order == KCA__ORDER_PARTITION ? &d->partition->place->number : r->key;
    d->lane.key_len = e->order == KCA__ORDER_KEY         ? r->key_len
                      : e->order == KCA__ORDER_PARTITION ? sizeof d->partition->place->number
                                                         : 0;
}

/* False: the record was not taken over. */
static bool accept_one(kca__engine *e, const kca__inbound_record *r) {
    kca__partition *p = partition_of(e, r);
    if (!p)
        return false;
    if (kca__offset_map_has(&p->known, r->offset)) {
        p->last_offset = r->offset;
        kca__frontier_pass(&p->frontier, r->offset);
        e->counts.finished_before++;
        return false;
    }
    kca_delivery *d = kca__engine_new_delivery(e);
    if (!d) {
        kca__engine_fail_locked(e, kca__error_memory());
        return false;
    }
    p->last_offset = r->offset;
    p->held++;
    e->held++;
    e->exempt += p->place->paused;
    kca__frontier_add(&p->frontier, &d->frontier, r->offset);
    d->partition = p;
    d->record = r->record;
    d->offset = r->offset;
    d->state = KCA__DELIVERY_WAITING;
    d->in_lane = true;
    set_lane(e, d, r);
    kca__lanes_add(&e->lanes, &d->lane);
    return true;
}

void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count) {
    for (int i = 0; i < count; i++)
        if (e->stopping || !accept_one(e, &records[i]))
            e->release_record(records[i].record);
}

/* ---- deliveries ---- */

static kca_delivery *delivery_of(kca__lane_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, lane));
}

static void put_out(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_OUT;
    d->attempt++;
    d->deadline_ms =
        e->processing_timeout_ms > 0 ? e->clock_ms() + e->processing_timeout_ms : KCA__CLOCK_NEVER;
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

/* Its turn has come, but nothing of its partition is given out now. */
static void park(kca_delivery *d) {
    kca__partition *p = d->partition;
    d->next = NULL;
    *(p->parked_last ? &p->parked_last->next : &p->parked_first) = d;
    p->parked_last = d;
}

void kca__engine_drop(kca__engine *e, kca_delivery *d) {
    kca__engine_open_lane(e, d);
    kca__engine_release_record(d);
    kca__engine_free_locked(e, d);
}

bool kca__engine_has_ready_locked(const kca__engine *e) {
    return e->lanes.ready_count > 0 && e->batch.count < MOST_IN_BATCH;
}

kca_delivery *kca__engine_take_locked(kca__engine *e) {
    if (e->stopping || !kca__engine_has_ready_locked(e))
        return NULL;
    kca__lane_entry *entry;
    while ((entry = kca__lanes_take(&e->lanes))) {
        kca_delivery *d = delivery_of(entry);
        const kca__partition *p = d->partition;
        if (p->revoked) {
            kca__engine_drop(e, d);
        } else if (p->draining || p->place->paused) {
            park(d);
        } else {
            put_out(e, d);
            return d;
        }
    }
    return NULL;
}
