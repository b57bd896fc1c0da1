/* Partitions that come, go, pause, and what is committed of them. Part of the inbound engine. */
#include "engine/engine.h"

#include <string.h>

/* ---- coming and going ---- */

void kca__engine_await_fetch(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    uint64_t fetches = e->fetches;
    if (e->fetching)
        e->wake_fetcher(e->owner);
    while (e->fetching && e->fetches == fetches)
        kca__clock_wait(&e->settled, &e->lock, KCA__CLOCK_NEVER);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_hold_fetch(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->fetch_held = true;
    pthread_mutex_unlock(&e->lock);
    kca__engine_await_fetch(e);
}

void kca__engine_release_fetch(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->fetch_held = false;
    kca__engine_wake_one_locked(e);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_end_fetch_locked(kca__engine *e) {
    e->fetching = false;
    e->may_nap = true;
    e->fetches++;
    pthread_cond_broadcast(&e->settled);
}

bool kca__engine_assign(kca__engine *e, const char *topic, int partition, int64_t base,
                        const char *map, size_t map_len) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    bool is_new = !p;
    if (is_new)
        p = kca__partitions_add(&e->partitions, topic, partition);
    if (p && is_new && base >= 0) {
        p->base = p->begin = base;
        /* Without memory for the map what it tells of is repeated. */
        kca__offset_map_read(&p->known, map, map_len, base);
    }
    pthread_mutex_unlock(&e->lock);
    return p != NULL;
}

void kca__engine_begin_at(kca__engine *e, const char *topic, int partition, int64_t offset) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        kca__frontier_pass(&p->frontier, offset - 1);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_begin_drain(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        p->draining = true;
    pthread_mutex_unlock(&e->lock);
}

static void drop_parked(kca__engine *e, kca__partition *p) {
    kca_delivery *d = p->parked_first;
    p->parked_first = p->parked_last = NULL;
    /* The partition itself may go with the last of them. */
    for (kca_delivery *next; d; d = next) {
        next = d->next;
        kca__engine_drop(e, d);
    }
}

/* It stays in the list until no record of it is held. */
void kca__engine_revoke_locked(kca__engine *e, kca__partition *p) {
    p->revoked = true;
    e->out -= p->out;
    p->out = 0;
    if (p->held == 0)
        kca__partitions_remove(&e->partitions, p);
    else
        drop_parked(e, p);
}

void kca__engine_revoke(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        kca__engine_revoke_locked(e, p);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_disown(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    const kca__place *place = kca__partitions_place(&e->partitions, topic, partition);
    if (place)
        kca__held_records_drop(&e->batch, place);
    pthread_mutex_unlock(&e->lock);
}

static kca_delivery *delivery_due(kca__due_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, due));
}

/* What is due of revoked partitions is dropped: it may be due in hours. */
static void sweep_due(kca__engine *e) {
    kca__due_queue kept = {0};
    kca__due_entry *entry;
    while ((entry = kca__due_queue_take_any(&e->due))) {
        kca_delivery *d = delivery_due(entry);
        if (d->partition->revoked) {
            kca__engine_leave_due(e, d);
            kca__engine_drop(e, d);
        } else {
            kca__due_queue_add(&kept, entry);
        }
    }
    e->due = kept;
}

static void sweep_condemned(kca__engine *e) {
    kca_delivery *d = e->condemned_first;
    e->condemned_first = e->condemned_last = NULL;
    e->condemned = 0;
    for (kca_delivery *next; d; d = next) {
        next = d->next;
        if (d->partition->revoked)
            kca__engine_drop(e, d);
        else
            kca__engine_meet_fate(e, d);
    }
}

void kca__engine_sweep_locked(kca__engine *e) {
    sweep_due(e);
    sweep_condemned(e);
}

void kca__engine_sweep(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__engine_sweep_locked(e);
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_revoke_all(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    for (kca__partition *p = e->partitions.first, *next; p; p = next) {
        next = p->next;
        if (!p->revoked)
            kca__engine_revoke_locked(e, p);
    }
    kca__engine_sweep_locked(e);
    kca__held_records_free(e->batch.first);
    e->batch = (kca__held_records){0};
    pthread_mutex_unlock(&e->lock);
}

int kca__engine_await_drained(kca__engine *e, int64_t deadline) {
    pthread_mutex_lock(&e->lock);
    int out;
    while ((out = kca__partitions_count_draining(&e->partitions)) > 0)
        if (!kca__clock_wait(&e->settled, &e->lock, deadline))
            break;
    pthread_mutex_unlock(&e->lock);
    return out;
}

/* ---- pausing ---- */

static void unpark(kca__engine *e, kca__partition *p) {
    kca_delivery *d = p->parked_first;
    p->parked_first = p->parked_last = NULL;
    for (kca_delivery *next; d; d = next) {
        next = d->next;
        kca__lanes_put_back(&e->lanes, &d->lane);
    }
}

/* All assignments of the place, past ones that are still held too. */
static void set_place(kca__engine *e, kca__place *place, bool paused) {
    if (place->paused == paused)
        return;
    place->paused = paused;
    for (kca__partition *p = e->partitions.first; p; p = p->next) {
        if (p->place != place)
            continue;
        e->exempt += paused ? p->held : -p->held;
        if (!paused && !p->draining)
            unpark(e, p);
    }
}

bool kca__engine_set_paused(kca__engine *e, const char *topic, int number, bool paused,
                            kca__place_fn fn, void *user) {
    pthread_mutex_lock(&e->lock);
    bool ok = true;
    if (topic && number >= 0) {
        kca__place *place = kca__partitions_place(&e->partitions, topic, number);
        ok = place != NULL;
        if (ok)
            set_place(e, place, paused);
    }
    for (kca__partition *p = e->partitions.first; p && ok; p = p->next) {
        if (p->revoked || (topic && strcmp(topic, p->place->topic) != 0) ||
            (number >= 0 && number != p->place->number))
            continue;
        set_place(e, p->place, paused);
        fn(user, p->place->topic, p->place->number);
    }
    /* There may be room now, also for who only polls the notifier. */
    kca__engine_wake_one_locked(e);
    pthread_mutex_unlock(&e->lock);
    return ok;
}

bool kca__engine_is_paused_locked(kca__engine *e, const char *topic, int number) {
    const kca__partition *p = kca__partitions_find(&e->partitions, topic, number);
    return p && p->place->paused;
}

/* ---- commits ---- */

/* The open records of it, as text for the commit's metadata, and what was known to be finished
 * beyond: it has not come to that yet. False: not all that is finished has room. */
static bool write_map(char *out, const kca__partition *p) {
    const kca__frontier *f = &p->frontier;
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, kca__frontier_offset(f));
    bool more = true;
    for (const kca__frontier_entry *open = f->first; open && more; open = open->next)
        more = kca__offset_map_add_open(&w, open->offset);
    int64_t end = more ? kca__offset_map_add_known(&w, f->end, &p->known) : f->end;
    return kca__offset_map_finish(&w, end, out) == end;
}

static bool has_news(const kca__partition *p) {
    return !p->revoked && p->frontier.changes > 0 && p->told != p->frontier.changes;
}

static void collect(kca__engine *e, kca__commit_fn fn, void *user) {
    char map[KCA__OFFSET_MAP_SIZE];
    for (kca__partition *p = e->partitions.first; p; p = p->next) {
        if (!has_news(p))
            continue;
        p->told = p->frontier.changes;
        p->committed = kca__frontier_offset(&p->frontier);
        write_map(map, p);
        if (strlen(map) > e->longest_map)
            map[0] = '\0';
        fn(user, p->place->topic, p->place->number, p->committed, map);
    }
}

void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user) {
    pthread_mutex_lock(&e->lock);
    collect(e, fn, user);
    pthread_mutex_unlock(&e->lock);
}

bool kca__engine_collect_transaction(kca__engine *e, kca__commit_fn fn, void *user,
                                     kca__held_records *out_batch) {
    char map[KCA__OFFSET_MAP_SIZE];
    bool whole = true;
    pthread_mutex_lock(&e->lock);
    for (const kca__partition *p = e->partitions.first; p && whole; p = p->next)
        whole = !has_news(p) || write_map(map, p);
    if (whole) {
        collect(e, fn, user);
        kca__held_records_move(out_batch, &e->batch);
        kca__engine_wake_locked(e);
    }
    pthread_mutex_unlock(&e->lock);
    return whole;
}

void kca__engine_shorten_maps(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    e->longest_map /= 2;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__partition *p = kca__partitions_find(&e->partitions, topic, partition);
    if (p)
        p->told = KCA__NOT_TOLD;
    pthread_mutex_unlock(&e->lock);
}

/* ---- looking ---- */

static int64_t stand(const kca__partition *p) {
    int64_t frontier = kca__frontier_offset(&p->frontier);
    if (frontier < 0 && p->frontier.first)
        frontier = p->frontier.first->offset;
    return frontier < 0 ? p->base : frontier;
}

void kca__engine_look(kca__engine *e, void (*fn)(void *user, const kca__partition_look *look),
                      void *user) {
    pthread_mutex_lock(&e->lock);
    for (const kca__partition *p = e->partitions.first; p; p = p->next) {
        kca__partition_look look = {.topic = p->place->topic,
                                    .partition = p->place->number,
                                    .frontier = stand(p),
                                    .committed = p->committed < 0 ? p->base : p->committed,
                                    .begin = p->begin,
                                    .end = p->frontier.end,
                                    .held = p->held,
                                    .out = p->out,
                                    .paused = p->place->paused};
        if (!p->revoked)
            fn(user, &look);
    }
    pthread_mutex_unlock(&e->lock);
}
