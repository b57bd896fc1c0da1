/*
 * Batches: deliveries that one handler gets together. Part of the inbound engine.
 *
 * A delivery of a batch is gathered when its turn has come, and those right behind it in its lane
 * go along, so that a batch fills also when all have one key. What is gathered is not out yet: a
 * partition that goes takes it away. When the batch is full, or its time has come, all of it is
 * given out at once, those of one lane in their order.
 *
 * Each is settled by itself, but a verdict counts only when all before it in its lane are finished,
 * with their replies stored: until then it is kept, and when one of those has failed, the ones
 * behind it are called off: they come again after it.
 */
#include "engine/engine_private.h"

#include <limits.h>
#include <stdlib.h>

bool kca__gatherings_init(kca__engine *e) {
    int count = e->setup.batch_count;
    if (count == 0)
        return true;
    e->gatherings = calloc((size_t)count, sizeof *e->gatherings);
    for (int i = 0; e->gatherings && i < count; i++) {
        const kca__batch_plan *plan = &e->setup.batches[i];
        int most = plan->most < e->setup.capacity ? plan->most : e->setup.capacity;
        e->gatherings[i] = (kca__gathering){.most = most, .wait_ms = plan->wait_ms};
    }
    return e->gatherings != NULL;
}

/* ---- gathering ---- */

static void add_locked(kca__engine *e, kca__gathering *g, kca_delivery *d) {
    if (g->gathered.count == 0) {
        g->is_due = g->wait_ms == 0;
        g->due_ms = e->setup.clock_ms() + g->wait_ms;
        if (!g->is_due)
            kca__engine_wake_poller_by_locked(e, g->due_ms);
    }
    d->is_gathered = true;
    kca__list_add(&g->gathered, &d->event.link);
}

static bool may_go_along_locked(const kca__engine *e, const kca__gathering *g,
                                const kca_delivery *first, const kca_delivery *d) {
    return g->gathered.count < g->most && d->batch == first->batch && !d->alone &&
           !d->lane.is_out && !kca__engine_is_early_locked(e, d) &&
           !kca__engine_is_refused_locked(e, d) && !kca__engine_is_parked_locked(d);
}

void kca__engine_join_locked(kca__engine *e, const kca_delivery *before, kca_delivery *d) {
    kca__gathering *g = &e->gatherings[d->batch - 1];
    if (!before->is_gathered || !may_go_along_locked(e, g, before, d))
        return;
    kca__lanes_go_along(&e->lanes, &d->lane);
    add_locked(e, g, d);
}

static void gather_lane_locked(kca__engine *e, kca__gathering *g, kca_delivery *d) {
    add_locked(e, g, d);
    kca__lane_entry *behind;
    while ((behind = kca__lanes_behind(&d->lane))) {
        kca_delivery *next = kca__delivery_of_lane(behind);
        if (!may_go_along_locked(e, g, d, next))
            return;
        kca__lanes_go_along(&e->lanes, behind);
        add_locked(e, g, next);
        d = next;
    }
}

/* ---- the event ---- */

static void release_batch(kca_event *event) {
    kca_delivery *next;
    for (kca_delivery *d = kca__batch_open(event); d; d = next) {
        next = d->batch_next;
        kca__engine_give_back(d);
    }
}

kca_event *kca__batch_close(kca_delivery *first) {
    first->event.type = KCA_EVENT_BATCH;
    first->event.release = release_batch;
    return &first->event;
}

kca_delivery *kca__batch_open(kca_event *batch) {
    batch->type = KCA_EVENT_DELIVERY;
    batch->release = kca__engine_release_event;
    return (kca_delivery *)batch;
}

int kca__batch_count(const kca_event *batch) {
    int count = 0;
    for (const kca_delivery *d = (const kca_delivery *)batch; d; d = d->batch_next)
        count++;
    return count;
}

void kca__engine_withdraw_batch(kca_delivery *first) {
    kca_delivery *next;
    for (kca_delivery *d = first; d; d = next) {
        next = d->batch_next;
        kca__engine_withdraw(d);
    }
}

/* ---- giving out ---- */

/* The whole of a gathering; NULL: nothing of it may be given out now. */
static kca_delivery *give_out_gathered_locked(kca__engine *e, kca__gathering *g) {
    kca__list gathered = g->gathered;
    kca_delivery *first = NULL, **at = &first, *d;
    int size = 0;
    g->gathered = (kca__list){0};
    g->is_due = false;
    while ((d = kca__list_take(&gathered))) {
        d->is_gathered = false;
        if (kca__engine_hold_back_locked(e, d))
            continue;
        kca__engine_give_out_locked(e, d);
        *at = d;
        at = &d->batch_next;
        size++;
    }
    *at = NULL;
    for (d = first; d; d = d->batch_next)
        d->batch_size = size;
    if (first)
        kca__batch_close(first);
    return first;
}

static bool is_ripe_locked(const kca__engine *e, const kca__gathering *g) {
    if (g->gathered.count == 0)
        return false;
    /* Nothing more fits, and nobody is about to make room. */
    bool is_stuck = e->out == 0 && e->lanes.ready.count == 0 && kca__engine_room_locked(e) == 0;
    return g->is_due || g->gathered.count >= g->most || is_stuck;
}

bool kca__engine_has_ripe_locked(const kca__engine *e) {
    for (int i = 0; i < e->setup.batch_count; i++)
        if (is_ripe_locked(e, &e->gatherings[i]))
            return true;
    return false;
}

kca_delivery *kca__engine_take_ripe_locked(kca__engine *e) {
    kca_delivery *first = NULL;
    for (int i = 0; i < e->setup.batch_count && !first; i++)
        if (is_ripe_locked(e, &e->gatherings[i]))
            first = give_out_gathered_locked(e, &e->gatherings[i]);
    return first;
}

kca_delivery *kca__engine_gather_locked(kca__engine *e, kca_delivery *d) {
    kca__gathering *g = &e->gatherings[d->batch - 1];
    if (d->alone) {
        kca__engine_give_out_locked(e, d);
        d->batch_next = NULL;
        d->batch_size = 1;
        kca__batch_close(d);
        return d;
    }
    gather_lane_locked(e, g, d);
    return g->gathered.count < g->most ? NULL : give_out_gathered_locked(e, g);
}

int64_t kca__engine_see_to_batches_locked(kca__engine *e, int64_t now_ms, int64_t next_ms) {
    for (int i = 0; i < e->setup.batch_count; i++) {
        kca__gathering *g = &e->gatherings[i];
        if (g->gathered.count == 0 || g->is_due)
            continue;
        g->is_due = g->due_ms <= now_ms;
        if (g->is_due)
            kca__engine_wake_one_locked(e);
        else if (g->due_ms < next_ms)
            next_ms = g->due_ms;
    }
    return next_ms;
}

/* ---- settling ---- */

/* The application has it, and nothing that it says of it counts any more. */
static void call_off_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_EXPIRED;
    kca__engine_take_back_locked(e, d);
    if (d->assigned->revoked) {
        kca__engine_open_lane_locked(e, d);
        return;
    }
    d->fate = KCA__FATE_AGAIN;
    if (e->setup.abandon && !e->stopping)
        kca__engine_detach_locked(e, d);
}

static void call_off_kept_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_SETTLED;
    d->fate = d->assigned->revoked ? KCA__FATE_NONE : KCA__FATE_AGAIN;
    if (d->is_back)
        kca__engine_part_with_locked(e, d);
    else
        kca__engine_detach_locked(e, d);
}

void kca__engine_call_off_behind_locked(kca__engine *e, kca_delivery *d,
                                        void (*end_locked)(kca__engine *e, kca_delivery *d)) {
    kca__lane_entry *entry = kca__lanes_behind(&d->lane), *next;
    /* Before one that is no head is one whose reply is not stored yet. */
    for (int left = d->lane.is_behind ? INT_MAX : d->lane.along; entry && left > 0; entry = next) {
        kca_delivery *behind = kca__delivery_of_lane(entry);
        next = kca__lanes_behind(entry);
        left -= entry->is_out;
        if (behind->state == KCA__DELIVERY_KEPT)
            call_off_kept_locked(e, behind);
        else if (behind->state == KCA__DELIVERY_OUT)
            (end_locked ? end_locked : call_off_locked)(e, behind);
    }
}

void kca__engine_tell_behind_locked(kca_delivery *d, bool failed) {
    kca__lane_entry *entry = kca__lanes_behind(&d->lane);
    for (; entry && entry->is_out; entry = kca__lanes_behind(entry)) {
        kca_delivery *behind = kca__delivery_of_lane(entry);
        behind->behind_failed = failed;
        if (behind->state == KCA__DELIVERY_KEPT && kca__verdict_fails(behind->verdict))
            return; /* it has told those behind it */
    }
}

void kca__engine_come_again_locked(kca__engine *e, kca_delivery *d) {
    kca__engine_call_off_behind_locked(e, d, NULL);
    call_off_locked(e, d);
}

kca_delivery *kca__engine_settle_kept_locked(kca__engine *e, kca_delivery *d) {
    kca_delivery *next = NULL;
    d->state = KCA__DELIVERY_SETTLED;
    if (!d->assigned->revoked)
        kca__engine_judge_locked(e, d, d->verdict);
    if (kca__verdict_fails(d->verdict) && (d->fate == KCA__FATE_NONE || d->fate == KCA__FATE_REPLY))
        kca__engine_tell_behind_locked(d, false);
    if (d->fate == KCA__FATE_NONE)
        next = kca__engine_leave_lane_locked(e, d);
    if (d->is_back)
        kca__engine_part_with_locked(e, d);
    else
        kca__engine_detach_locked(e, d);
    return next;
}

static int count_out_locked(kca_delivery *const *deliveries, int count) {
    int out = 0;
    for (int i = 0; i < count; i++)
        out += deliveries[i]->state == KCA__DELIVERY_OUT;
    return out;
}

static void come_alone_locked(kca__engine *e, kca_delivery *d) {
    d->alone = true;
    kca__engine_call_off_behind_locked(e, d, come_alone_locked);
    call_off_locked(e, d);
}

void kca__engine_settle_batch(kca_delivery *const *deliveries, int count, int verdict, bool keep) {
    kca__engine *e = deliveries[0]->engine;
    pthread_mutex_lock(&e->lock);
    bool split = kca__verdict_fails(verdict) && count_out_locked(deliveries, count) > 1;
    for (int i = 0; i < count; i++) {
        kca_delivery *d = deliveries[i];
        if (d->state == KCA__DELIVERY_OUT && split) {
            kca__engine_end_span_locked(d, verdict, d->error_name, d->error_text);
            come_alone_locked(e, d);
        } else {
            kca__engine_settle_locked(e, d, verdict);
        }
    }
    /* The poller must not leave the group, nor give a partition up, before it sees the letters. */
    for (int i = 0; i < count; i++)
        if (keep || e->stopping || kca__delivery_owes_letter(deliveries[i]))
            kca__engine_detach_locked(e, deliveries[i]);
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
}

/* ---- partitions that go ---- */

static void sweep_gathering_locked(kca__engine *e, kca__gathering *g) {
    kca__list gathered = g->gathered;
    kca_delivery *d;
    g->gathered = (kca__list){0};
    while ((d = kca__list_take(&gathered))) {
        if (d->assigned->revoked)
            kca__engine_drop_locked(e, d);
        else
            kca__list_add(&g->gathered, &d->event.link);
    }
}

void kca__engine_sweep_batches_locked(kca__engine *e) {
    if (e->setup.batch_count == 0)
        return;
    for (int i = 0; i < e->setup.batch_count; i++)
        sweep_gathering_locked(e, &e->gatherings[i]);
    for (kca_delivery *d = e->all; d; d = d->all_next)
        if (d->state == KCA__DELIVERY_KEPT && d->is_back && d->assigned->revoked)
            kca__engine_drop_locked(e, d);
}

void kca__engine_shut_batches_locked(kca__engine *e) {
    for (int i = 0; i < e->setup.batch_count; i++)
        e->gatherings[i].gathered = (kca__list){0};
}
