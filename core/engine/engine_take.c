/* Records come, and deliveries are given out. Part of the inbound engine. */
#include "engine/engine_private.h"

#include "base/error.h"
#include "base/generation.h"

#include <stdlib.h>

enum {
    MOST_IN_BATCH = 10000, /* records published: then a transaction has to come first */
    BURST = 64,            /* records fetched at a time: the others wait for the last of them */
    LONGEST_FETCH_MS = 1000,
    NAP_MS = 1 /* the shortest: handlers of a full engine may take microseconds each */
};

/* ---- records ---- */

int kca__engine_room_locked(const kca__engine *e) {
    int room = e->setup.capacity - (e->held - e->exempt);
    return e->stopping || room < 0 ? 0 : room;
}

void kca__engine_release_event(kca_event *event) {
    kca__engine_give_back((kca_delivery *)event);
}

kca_delivery *kca__engine_new_delivery_locked(kca__engine *e) {
    /* While it stops, nothing is used again: see engine_private.h. */
    kca_delivery *d = e->stopping ? NULL : e->free;
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
        d->event.release = kca__engine_release_event;
        d->event.generation = kca__generation();
    }
    d->sharing = d;
    d->fate = KCA__FATE_NONE;
    d->shared = d->delayed = false;
    d->time_ms = 0;
    d->attempt = d->writes = 0;
    d->letter = d->reply_form = (kca__letter_form){false, false};
    d->answers_error = d->postponed = false;
    atomic_store_explicit(&d->asked, KCA__ASKED_UNKNOWN, memory_order_relaxed);
    d->batch = d->batch_size = 0;
    d->alone = d->is_gathered = d->is_letter = false;
    d->key_hash = 0;
    d->parked = KCA__PARKED_NOT;
    d->place = (kca__parked_place){0};
    return d;
}

/* A partition begins anew when its offsets go back: its topic was made again, or its end was cut
 * off. */
static kca__assigned *begin_anew_locked(kca__engine *e, kca__assigned *a,
                                        const kca__inbound_record *r) {
    bool draining = a->draining;
    kca__engine_revoke_locked(e, a);
    kca__engine_sweep_locked(e);
    a = kca__engine_add_assigned_locked(e, r->topic, r->partition);
    if (!a) {
        kca__engine_fail_locked(e, kca__error_memory());
        return NULL;
    }
    a->draining = draining;
    a->is_anew = e->went_back = true;
    e->setup.wake_poller(e->setup.owner);
    return a;
}

/* The first offset that may come. */
static int64_t expected_locked(const kca__assigned *a) {
    int64_t next = a->last_offset < 0 ? a->base : a->last_offset + 1;
    return next > a->frontier.end ? next : a->frontier.end;
}

/* What lay between the place that was out of range and the first record left is gone. */
static void tell_gone_locked(kca__engine *e, kca__assigned *a, const kca__inbound_record *r) {
    int64_t from = a->reset_from;
    int64_t first = e->setup.first_offset
                        ? e->setup.first_offset(e->setup.owner, r->topic, r->partition)
                        : r->offset;
    if (from < 0 || r->offset <= from)
        return;
    a->reset_from = -1;
    if (from >= expected_locked(a))
        kca__engine_tell_reset_locked(e, r->topic, r->partition, from,
                                      first > from && first < r->offset ? first : r->offset, "");
}

static kca__assigned *assigned_of_locked(kca__engine *e, const kca__inbound_record *r) {
    kca__assigned *a = kca__assigned_list_find(&e->assigned, r->topic, r->partition);
    if (!a)
        return NULL;
    if (r->was_reset && a->reset_from < 0)
        a->reset_from = r->reset_from;
    int64_t expected = expected_locked(a);
    if (r->offset < expected) {
        kca__engine_tell_reset_locked(e, r->topic, r->partition, expected, r->offset,
                                      "it ends before that offset, cut off or made anew");
        a = begin_anew_locked(e, a, r);
    } else if (a->reset_from >= 0) {
        tell_gone_locked(e, a, r);
    }
    if (a && a->begin < 0)
        a->begin = r->offset;
    return a;
}

static void set_lane(kca_delivery *d, kca__order order, const kca__inbound_record *r) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    d->lane.topic_partition = tp;
    d->lane.key = order == KCA__ORDER_PARTITION ? &tp->number : r->key;
    d->lane.key_len = order == KCA__ORDER_KEY         ? r->key_len
                      : order == KCA__ORDER_PARTITION ? sizeof tp->number
                                                      : 0;
}

/* Between the last record and the end lies what is never delivered: the marks of transactions,
 * aborted records, what compaction took. */
static void accept_end_locked(kca__assigned *a, int64_t end) {
    if (a->last_offset < end - 1)
        a->last_offset = end - 1;
    if (end != a->base || a->frontier.end >= 0)
        kca__frontier_reach(&a->frontier, end);
}

/* False: the record was not taken over. */
static bool accept_one_locked(kca__engine *e, const kca__inbound_record *r) {
    kca__assigned *a = assigned_of_locked(e, r);
    if (!a)
        return false;
    if (r->is_end) {
        accept_end_locked(a, r->offset);
        return false;
    }
    if (r->is_of_others || kca__offset_map_has(&a->known, r->offset)) {
        a->last_offset = r->offset;
        kca__frontier_pass(&a->frontier, r->offset);
        (*(r->is_of_others ? &e->counts.passed_over : &e->counts.finished_before))++;
        return false;
    }
    kca_delivery *d = kca__engine_new_delivery_locked(e);
    if (!d) {
        kca__engine_fail_locked(e, kca__error_memory());
        return false;
    }
    a->last_offset = r->offset;
    a->held++;
    e->held++;
    e->exempt += kca__topic_partition_is_kept_back(a->topic_partition);
    kca__frontier_add(&a->frontier, &d->frontier, r->offset);
    d->assigned = a;
    d->record = r->record;
    d->offset = r->offset;
    d->attempt = r->attempts;
    d->time_ms = r->delay_ms > 0 ? e->setup.clock_ms() + r->delay_ms : 0;
    d->state = KCA__DELIVERY_WAITING;
    d->in_lane = true;
    d->batch = r->batch;
    set_lane(d, e->setup.order, r);
    if (e->setup.park_max_keys > 0)
        kca__engine_set_key_locked(d, r->key, r->key_len);
    kca__lane_entry *before = kca__lanes_add(&e->lanes, &d->lane);
    if (before && d->batch > 0)
        kca__engine_join_locked(e, kca__delivery_of_lane(before), d);
    return true;
}

void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count) {
    for (int i = 0; i < count; i++)
        if (e->stopping || !accept_one_locked(e, &records[i]))
            e->setup.release_record(records[i].record);
}

/* ---- giving out ---- */

void kca__engine_give_out_locked(kca__engine *e, kca_delivery *d) {
    int timeout_ms = e->setup.processing_timeout_ms;
    d->state = KCA__DELIVERY_OUT;
    d->behind_failed = false;
    d->attempt++;
    d->deadline_ms = timeout_ms > 0 ? e->setup.clock_ms() + timeout_ms : KCA__CLOCK_NEVER;
    d->next = NULL;
    d->previous = e->out_last;
    *(e->out_last ? &e->out_last->next : &e->out_first) = d;
    e->out_last = d;
    e->out++;
    e->holders++;
    d->assigned->out++;
}

/* One behind the head of its lane only goes back there. */
static void set_aside_locked(kca__engine *e, kca_delivery *d) {
    if (d->lane.is_behind)
        kca__lanes_put_back(&e->lanes, &d->lane);
    else
        kca__list_add(&d->assigned->set_aside, &d->event.link);
}

bool kca__engine_hold_back_locked(kca__engine *e, kca_delivery *d) {
    const kca__assigned *a = d->assigned;
    if (a->revoked)
        kca__engine_drop_locked(e, d);
    else if (a->draining || a->topic_partition->paused)
        set_aside_locked(e, d);
    else
        return false;
    return true;
}

bool kca__engine_has_ready_locked(const kca__engine *e) {
    return (e->lanes.ready.count > 0 || (e->gatherings && kca__engine_has_ripe_locked(e))) &&
           e->batch.count < MOST_IN_BATCH;
}

kca_delivery *kca__engine_take_locked(kca__engine *e) {
    if (e->stopping || !kca__engine_has_ready_locked(e))
        return NULL;
    kca_delivery *batch = e->gatherings ? kca__engine_take_ripe_locked(e) : NULL;
    kca__lane_entry *entry;
    while (!batch && (entry = kca__lanes_take(&e->lanes))) {
        kca_delivery *d = kca__delivery_of_lane(entry);
        if (kca__engine_hold_back_locked(e, d))
            continue;
        if (kca__engine_is_early_locked(e, d)) {
            kca__engine_delay_locked(e, d);
            continue;
        }
        if (e->setup.park_max_keys > 0)
            kca__engine_judge_parked_locked(e, d);
        if (kca__engine_meet_refusal_locked(e, d)) {
            if (e->stopping)
                return NULL;
        } else if (kca__engine_follow_locked(e, d)) {
            continue;
        } else if (e->setup.relays) {
            kca__engine_relay_locked(e, d);
        } else if (d->batch > 0) {
            batch = kca__engine_gather_locked(e, d);
        } else {
            kca__engine_give_out_locked(e, d);
            return d;
        }
    }
    return batch || !e->gatherings ? batch : kca__engine_take_ripe_locked(e);
}

static int take_notes_locked(kca__engine *e, kca_event **out, int max) {
    int count = 0;
    while (count < max && (out[count] = kca__notes_take(&e->notes)))
        count++;
    return count;
}

static int take_ready_locked(kca__engine *e, kca_event **out, int max) {
    int count = take_notes_locked(e, out, max);
    if (count > 0)
        return count;
    kca_delivery *d;
    while (count < max && (d = kca__engine_take_locked(e)))
        out[count++] = &d->event;
    return count;
}

/* ---- waiting ---- */

void kca__engine_end_fetch_locked(kca__engine *e) {
    e->fetching = false;
    e->may_nap = true;
    e->fetches++;
    pthread_cond_broadcast(&e->settled);
}

/* This thread fetches, with the lock given up meanwhile, and the others go on. */
static void fetch_burst_locked(kca__engine *e, int64_t deadline) {
    kca__inbound_record records[BURST];
    int room = kca__engine_room_locked(e);
    e->fetching = true;
    pthread_mutex_unlock(&e->lock);
    int left = kca__clock_left_ms(deadline);
    int count = e->setup.fetch(e->setup.owner, records, room < BURST ? room : BURST,
                               left < 0 || left > LONGEST_FETCH_MS ? LONGEST_FETCH_MS : left);
    pthread_mutex_lock(&e->lock);
    kca__engine_accept_locked(e, records, count);
    kca__engine_end_fetch_locked(e);
}

/* One step towards something to take; false when the deadline is over. */
static bool wait_for_work_locked(kca__engine *e, int64_t deadline) {
    if (!e->fetching && !e->fetch_held && kca__engine_room_locked(e) > 0) {
        fetch_burst_locked(e, deadline);
        return kca__clock_left_ms(deadline) != 0;
    }
    /* Full: handlers may make room faster than a thread is woken for each record, so one naps. When
     * nothing changed meanwhile, it waits to be woken. */
    bool nap = e->may_nap && !e->fetching;
    e->may_nap &= !nap;
    e->napping |= nap;
    e->idle++;
    int64_t soon = kca__clock_deadline(NAP_MS);
    bool in_time = kca__clock_wait(&e->work, &e->lock, nap && soon < deadline ? soon : deadline);
    e->idle--;
    e->waking = false;
    e->napping &= !nap;
    return in_time || (nap && kca__clock_left_ms(deadline) != 0);
}

/* ---- taking ---- */

/* Frees the delivery before the last, whose record is released, and settles the last. */
static void put_away_locked(kca__engine *e, kca__returned *returned) {
    if (returned->spent) {
        kca__engine_free_delivery_locked(e, returned->spent);
        e->holders--;
        returned->spent = NULL;
    }
    kca_delivery *d = returned->done;
    if (!d)
        return;
    kca__engine_settle_locked(e, d, returned->verdict);
    /* The poller must not leave the group, nor give the partition up, before it sees the letter. */
    if (e->stopping || kca__delivery_owes_letter(d))
        kca__engine_detach_locked(e, d);
}

/* After put_away_locked, without the lock: the record of the last delivery is released, its place
 * is freed at the next lock. A delivery that has more to come is given back at once. */
static void release_done(kca__returned *returned) {
    kca_delivery *d = returned->done;
    returned->done = NULL;
    if (!kca__engine_has_ended(d)) {
        kca__engine_give_back(d);
        return;
    }
    kca__engine_release_record(d);
    returned->spent = d;
}

int kca__engine_take(kca__engine *e, kca__returned *returned, kca_event **out, int max,
                     int64_t deadline) {
    pthread_mutex_lock(&e->lock);
    put_away_locked(e, returned);
    int count = take_ready_locked(e, out, max);
    if (count == 0 && returned->done) {
        /* Before waiting, nothing is kept: the record's memory, its place in the bounded queue. */
        pthread_mutex_unlock(&e->lock);
        release_done(returned);
        pthread_mutex_lock(&e->lock);
        put_away_locked(e, returned);
        count = take_ready_locked(e, out, max);
    }
    for (bool in_time = true; count == 0 && !e->stopping && in_time;) {
        in_time = wait_for_work_locked(e, deadline);
        count = take_ready_locked(e, out, max);
    }
    if (count == 0 && e->stopping)
        count = -KCA_ERROR_STOPPED;
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);

    if (returned->done)
        release_done(returned);
    return count;
}

void kca__engine_put_away(kca__engine *e, kca__returned *returned) {
    while (returned->done || returned->spent) {
        pthread_mutex_lock(&e->lock);
        put_away_locked(e, returned);
        pthread_mutex_unlock(&e->lock);
        if (returned->done)
            release_done(returned);
    }
}

void kca__returned_settle(kca__returned *returned) {
    kca_delivery *d = returned->done;
    returned->done = NULL;
    if (!d)
        return;
    kca__engine_settle(d, returned->verdict);
    kca__engine_give_back(d);
}
