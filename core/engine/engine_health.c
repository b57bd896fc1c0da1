/* What each frontier waits for, and whether deliveries go round at all. Part of the inbound
 * engine. */
#include "engine/engine_private.h"

/* ---- standings ---- */

static kca__waits_for gathered_waits_for_locked(const kca__engine *e, const kca_delivery *d) {
    const kca__gathering *g = &e->gatherings[d->batch - 1];
    return g->is_due || g->gathered.count >= g->most ? KCA__WAITS_FOR_TURN : KCA__WAITS_FOR_TIME;
}

static kca__waits_for open_waits_for_locked(const kca__engine *e, const kca_delivery *d) {
    switch (d->state) {
    case KCA__DELIVERY_OUT:
    case KCA__DELIVERY_SETTLED:
    case KCA__DELIVERY_EXPIRED:
        return KCA__WAITS_FOR_HANDLER;
    case KCA__DELIVERY_COMING:
        return kca__delivery_owes_letter(d) ? KCA__WAITS_FOR_LETTER : KCA__WAITS_FOR_TIME;
    case KCA__DELIVERY_CONDEMNED:
    case KCA__DELIVERY_WRITING:
        return KCA__WAITS_FOR_LETTER;
    default:
        return d->is_gathered ? gathered_waits_for_locked(e, d) : KCA__WAITS_FOR_TURN;
    }
}

/* Whether the partition has records that have not come. Where it begins may not be known before the
 * first of them has: then what lies in the fetch queue may be of it. */
static bool has_more_locked(const kca__engine *e, const kca__assigned *a, bool records_come) {
    const kca__topic_partition *tp = a->topic_partition;
    int64_t end = a->frontier.end < 0 ? a->base : a->frontier.end;
    if (!e->setup.high_watermark)
        return false;
    int64_t high = e->setup.high_watermark(e->setup.owner, tp->topic, tp->number);
    if (end < 0 && records_come)
        end = e->setup.first_offset(e->setup.owner, tp->topic, tp->number);
    return end >= 0 && high > end;
}

/* Nothing of it is open: the broker may have more, which come when there is room. */
static kca__waits_for settled_waits_for_locked(const kca__engine *e, const kca__assigned *a,
                                               bool records_come) {
    if (!has_more_locked(e, a, records_come))
        return KCA__WAITS_FOR_NOTHING;
    return kca__engine_room_locked(e) > 0 ? KCA__WAITS_FOR_RECORDS : KCA__WAITS_FOR_TURN;
}

static kca__standing standing_of_locked(const kca__engine *e, const kca__assigned *a,
                                        int64_t now_ms, bool records_come) {
    const kca__frontier_entry *first = a->frontier.first;
    kca__standing s = {.offset = first ? first->offset : a->frontier.end, .since_ms = now_ms};
    const kca_delivery *d = NULL;
    if (first) {
        d = (const kca_delivery *)((const char *)first - offsetof(kca_delivery, frontier));
        s.attempt = d->attempt;
    }
    s.waits_for = d ? open_waits_for_locked(e, d) : settled_waits_for_locked(e, a, records_come);
    bool held_up = a->topic_partition->paused || a->draining || e->stopping;
    if (held_up && s.waits_for != KCA__WAITS_FOR_HANDLER && s.waits_for != KCA__WAITS_FOR_LETTER)
        s.waits_for = KCA__WAITS_FOR_RESUME;
    return s;
}

static bool is_same(const kca__standing *a, const kca__standing *b) {
    return a->waits_for == b->waits_for && a->offset == b->offset && a->attempt == b->attempt &&
           a->since_ms > 0;
}

/* Whatever is given out adds one, and what is settled another. */
static int64_t turns_locked(const kca__engine *e) {
    const kca__engine_counts *c = &e->counts;
    return 2 * (c->handled + c->failed + c->rejected + c->duplicates) + e->out;
}

void kca__engine_see_standings(kca__engine *e, int64_t now_ms, bool records_come) {
    pthread_mutex_lock(&e->lock);
    int64_t turns = turns_locked(e);
    if (turns != e->turns || e->turn_ms == 0) {
        e->turns = turns;
        e->turn_ms = now_ms;
    }
    for (kca__assigned *a = e->assigned.first; a; a = a->next) {
        if (a->revoked)
            continue;
        kca__standing now = standing_of_locked(e, a, now_ms, records_come);
        if (!is_same(&a->standing, &now))
            a->standing = now;
    }
    pthread_mutex_unlock(&e->lock);
}

/* ---- the pulse ---- */

/* When the first of those that are late was to be back: looked for only while there are any. */
static int64_t late_since_locked(const kca__engine *e) {
    int64_t since_ms = KCA__CLOCK_NEVER;
    for (const kca_delivery *d = e->all; d && e->late > 0; d = d->all_next)
        if (d->late && d->deadline_ms < since_ms)
            since_ms = d->deadline_ms;
    return since_ms;
}

kca__engine_pulse kca__engine_feel_pulse(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__engine_pulse pulse = {.late = e->late,
                               .late_since_ms = late_since_locked(e),
                               .in_time = e->out > 0 && e->setup.processing_timeout_ms > 0,
                               .turn_ms = e->turn_ms,
                               .due_ms = e->stopping ? KCA__CLOCK_NEVER : e->poller_wakes_ms,
                               .failed_ms = e->failed_ms};
    pthread_mutex_unlock(&e->lock);
    return pulse;
}
