/* Partitions are assigned, revoked, paused, and what is committed of them. Part of the inbound
 * engine. */
#include "engine/engine_private.h"

#include "base/error.h"

#include <string.h>

/* ---- coming and going ---- */

void kca__engine_await_fetch(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    uint64_t fetches = e->fetches;
    if (e->fetching)
        e->setup.wake_fetcher(e->setup.owner);
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

kca__assigned *kca__engine_add_assigned_locked(kca__engine *e, const char *topic, int partition) {
    kca__assigned *a = kca__assigned_list_add(&e->assigned, topic, partition);
    if (!a || e->setup.park_max_keys == 0 || kca__parking_init(&a->parking))
        return a;
    kca__assigned_list_remove(&e->assigned, a);
    return NULL;
}

static void tell_unparked_locked(kca__engine *e, const kca__assigned *a, const char *why) {
    const kca__topic_partition *tp = a->topic_partition;
    kca_error *error =
        kca__error_new(KCA_ERROR_STATE,
                       "consumer %s: the parked keys of %s[%d] are let go: %s. Their "
                       "messages are handled again, before their dead letters are",
                       e->consumer, tp->topic, tp->number, why);
    kca__engine_fault_locked(e, error, tp->topic, tp->number, a->base);
}

/* What was carried is of a seek, and so without a committed offset. */
static void read_parking_locked(kca__engine *e, kca__assigned *a, const char *text, size_t len) {
    kca__topic_partition *tp = a->topic_partition;
    if (e->setup.park_max_keys == 0) {
        if (a->base >= 0 && kca__parking_is_told(text, len, a->base))
            tell_unparked_locked(e, a, "the option park is off here");
    } else if (a->base >= 0) {
        kca__parking_close(&tp->carried);
        if (!kca__parking_read(&a->parking, text, len, a->base))
            tell_unparked_locked(e, a, "what the commit says of them cannot be read");
    } else if (tp->carried.keys) {
        kca__parking_close(&a->parking);
        a->parking = tp->carried;
        tp->carried = (kca__parking){0};
    }
}

bool kca__engine_assign(kca__engine *e, const char *topic, int partition, int64_t base,
                        const char *map, size_t map_len) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    bool is_new = !a;
    if (is_new)
        a = kca__engine_add_assigned_locked(e, topic, partition);
    if (a && is_new && base >= 0) {
        a->base = a->begin = base;
        /* Without memory for the map what it tells of is repeated. */
        kca__offset_map_read(&a->known, map, map_len, base);
    }
    if (a && is_new)
        read_parking_locked(e, a, map, map_len);
    pthread_mutex_unlock(&e->lock);
    return a != NULL;
}

void kca__engine_set_topic_id(kca__engine *e, const char *topic, const unsigned char *id) {
    pthread_mutex_lock(&e->lock);
    for (kca__assigned *a = e->assigned.first; a; a = a->next) {
        kca__origin *origin = &a->topic_partition->origin;
        if (a->revoked || strcmp(a->topic_partition->topic, topic) != 0)
            continue;
        origin->has_id = true;
        memcpy(origin->id, id, KCA__TOPIC_ID_BYTES);
        a->is_anew = false;
    }
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_set_origin(kca__engine *e, const char *topic, int partition,
                            const kca__origin *origin) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a)
        a->topic_partition->origin = *origin;
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_begin_at(kca__engine *e, const char *topic, int partition, int64_t offset) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a)
        kca__frontier_pass(&a->frontier, offset - 1);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_begin_drain(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a)
        a->draining = true;
    pthread_mutex_unlock(&e->lock);
}

static void drop_set_aside_locked(kca__engine *e, kca__assigned *a) {
    /* The partition itself may go with the last of them. */
    kca__list set_aside = a->set_aside;
    a->set_aside = (kca__list){0};
    kca_delivery *d;
    while ((d = kca__list_take(&set_aside)))
        kca__engine_drop_locked(e, d);
}

/* It stays in the list until no record of it is held. */
void kca__engine_revoke_locked(kca__engine *e, kca__assigned *a) {
    a->revoked = true;
    e->out -= a->out;
    a->out = 0;
    if (a->held == 0)
        kca__assigned_list_remove(&e->assigned, a);
    else
        drop_set_aside_locked(e, a);
}

void kca__engine_revoke(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a)
        kca__engine_revoke_locked(e, a);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_disown(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    const kca__topic_partition *tp =
        kca__assigned_list_topic_partition(&e->assigned, topic, partition);
    if (tp) {
        kca__held_records_drop(&e->batch, tp);
        kca__engine_forget_refused_locked(e, tp);
    }
    pthread_mutex_unlock(&e->lock);
}

/* Deliveries of revoked partitions leave the due queue: they may be due in hours. */
static void sweep_due_locked(kca__engine *e) {
    kca__due_queue kept = {0};
    kca__due_entry *entry;
    while ((entry = kca__due_queue_take_any(&e->due))) {
        kca_delivery *d = kca__delivery_of_due(entry);
        if (d->assigned->revoked) {
            kca__engine_leave_due_locked(e, d);
            kca__engine_drop_locked(e, d);
        } else {
            kca__due_queue_add(&kept, entry);
        }
    }
    e->due = kept;
}

static void sweep_condemned_locked(kca__engine *e) {
    kca__list condemned = e->condemned;
    e->condemned = (kca__list){0};
    kca_delivery *d;
    while ((d = kca__list_take(&condemned))) {
        if (d->assigned->revoked)
            kca__engine_drop_locked(e, d);
        else
            kca__list_add(&e->condemned, &d->event.link);
    }
}

void kca__engine_sweep_locked(kca__engine *e) {
    sweep_due_locked(e);
    sweep_condemned_locked(e);
    kca__engine_sweep_batches_locked(e);
}

void kca__engine_sweep(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__engine_sweep_locked(e);
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
}

void kca__engine_revoke_all(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    for (kca__assigned *a = e->assigned.first, *next; a; a = next) {
        next = a->next;
        if (!a->revoked)
            kca__engine_revoke_locked(e, a);
    }
    kca__engine_sweep_locked(e);
    kca__held_records_free(&e->batch);
    pthread_mutex_unlock(&e->lock);
}

int kca__engine_await_drained(kca__engine *e, int64_t deadline) {
    pthread_mutex_lock(&e->lock);
    int out;
    while ((out = kca__assigned_list_count_draining(&e->assigned)) > 0)
        if (!kca__clock_wait(&e->settled, &e->lock, deadline))
            break;
    pthread_mutex_unlock(&e->lock);
    return out;
}

/* ---- pausing ---- */

static void take_up_locked(kca__engine *e, kca__assigned *a) {
    kca_delivery *d;
    while ((d = kca__list_take(&a->set_aside)))
        kca__lanes_put_back(&e->lanes, &d->lane);
}

/* All assignments of it, past ones that are still held too. */
static void set_exempt_locked(kca__engine *e, const kca__topic_partition *tp, bool exempt) {
    for (const kca__assigned *a = e->assigned.first; a; a = a->next)
        if (a->topic_partition == tp)
            e->exempt += exempt ? a->held : -a->held;
}

static void set_paused_locked(kca__engine *e, kca__topic_partition *tp, bool paused) {
    if (tp->paused == paused)
        return;
    tp->paused = paused;
    if (tp->delayed == 0)
        set_exempt_locked(e, tp, paused);
    for (kca__assigned *a = e->assigned.first; a && !paused; a = a->next)
        if (a->topic_partition == tp && !a->draining)
            take_up_locked(e, a);
}

void kca__engine_count_delayed_locked(kca__engine *e, kca__topic_partition *tp, int change) {
    bool was_kept_back = kca__topic_partition_is_kept_back(tp);
    tp->delayed += change;
    bool is_kept_back = kca__topic_partition_is_kept_back(tp);
    if (is_kept_back == was_kept_back)
        return;
    set_exempt_locked(e, tp, is_kept_back);
    e->setup.keep_back(e->setup.owner, tp->topic, tp->number, is_kept_back);
}

bool kca__engine_set_paused(kca__engine *e, const char *topic, int partition, bool paused,
                            kca__pause_fn fn, void *user) {
    pthread_mutex_lock(&e->lock);
    bool ok = true;
    if (topic && partition >= 0) {
        kca__topic_partition *tp =
            kca__assigned_list_topic_partition(&e->assigned, topic, partition);
        ok = tp != NULL;
        if (ok)
            set_paused_locked(e, tp, paused);
    }
    for (kca__assigned *a = e->assigned.first; a && ok; a = a->next) {
        kca__topic_partition *tp = a->topic_partition;
        if (a->revoked || (topic && strcmp(topic, tp->topic) != 0) ||
            (partition >= 0 && partition != tp->number))
            continue;
        set_paused_locked(e, tp, paused);
        fn(user, tp->topic, tp->number, kca__topic_partition_is_kept_back(tp));
    }
    /* There may be room now, also for an application that only polls the descriptor. */
    kca__engine_wake_one_locked(e);
    pthread_mutex_unlock(&e->lock);
    return ok;
}

void kca__engine_see_paused(kca__engine *e, const char *topic, int partition, kca__pause_fn fn,
                            void *user) {
    pthread_mutex_lock(&e->lock);
    const kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    fn(user, topic, partition, a && kca__topic_partition_is_kept_back(a->topic_partition));
    pthread_mutex_unlock(&e->lock);
}

/* ---- commits ---- */

/* The open records of it, as text for the commit's metadata, and what was known to be finished
 * beyond: it has not come to that yet. False: not all that is finished has room. */
static bool write_map_locked(char *out, const kca__assigned *a, size_t characters) {
    const kca__frontier *f = &a->frontier;
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, kca__frontier_offset(f));
    kca__offset_map_limit(&w, characters);
    bool more = true;
    for (const kca__frontier_entry *open = f->first; open && more; open = open->next)
        more = kca__offset_map_add_open(&w, open->offset);
    int64_t end = more ? kca__offset_map_add_known(&w, f->end, &a->known) : f->end;
    return kca__offset_map_finish(&w, end, out) == end;
}

/* Room for parked keys, a map and an origin, with spaces between. */
enum { METADATA_SIZE = KCA__OFFSET_MAP_SIZE + KCA__ORIGIN_SIZE };

static size_t part_characters(const char *part) {
    return *part ? strlen(part) + 1 : 0;
}

static size_t what_is_left(size_t whole, size_t taken) {
    return whole > taken ? whole - taken : 0;
}

/* What keys and origin take is not the map's, if what is committed in one with it allows that. */
static size_t map_characters_locked(const kca__engine *e, const char *parking, const char *origin) {
    size_t keys = part_characters(parking);
    size_t most = what_is_left(KCA__OFFSET_MAP_SIZE - 1, keys);
    size_t left = what_is_left(e->longest_metadata, keys + part_characters(origin));
    return left < most ? left : most;
}

static void add_part(char *out, const char *part) {
    size_t len = strlen(out);
    if (len > 0 && *part)
        out[len++] = ' ';
    strcpy(out + len, part);
}

/* False: not all that is finished ahead has room. */
static bool write_metadata_locked(char *out, const kca__engine *e, const kca__assigned *a) {
    char map[KCA__OFFSET_MAP_SIZE], origin[KCA__ORIGIN_SIZE];
    int64_t offset = kca__frontier_offset(&a->frontier);
    kca__parking_write(out, &a->parking, offset);
    kca__origin_write(origin, &a->topic_partition->origin, offset);
    bool whole = write_map_locked(map, a, map_characters_locked(e, out, origin));
    add_part(out, map);
    if (strlen(out) + part_characters(origin) <= e->longest_metadata)
        add_part(out, origin);
    return whole;
}

static bool has_news_locked(const kca__assigned *a) {
    return !a->revoked && a->frontier.changes > 0 && a->told != a->frontier.changes;
}

static void collect_locked(kca__engine *e, kca__commit_fn fn, void *user) {
    char metadata[METADATA_SIZE];
    e->told_metadata = 0;
    for (kca__assigned *a = e->assigned.first; a; a = a->next) {
        if (!has_news_locked(a))
            continue;
        a->told = a->frontier.changes;
        a->committed = kca__frontier_offset(&a->frontier);
        write_metadata_locked(metadata, e, a);
        size_t len = strlen(metadata);
        e->told_metadata = len > e->told_metadata ? len : e->told_metadata;
        fn(user, a->topic_partition->topic, a->topic_partition->number, a->committed, metadata);
    }
}

void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user) {
    pthread_mutex_lock(&e->lock);
    collect_locked(e, fn, user);
    pthread_mutex_unlock(&e->lock);
}

bool kca__engine_collect_transaction(kca__engine *e, kca__commit_fn fn, void *user,
                                     kca__held_records *out_batch) {
    char metadata[METADATA_SIZE];
    bool whole = true;
    pthread_mutex_lock(&e->lock);
    for (const kca__assigned *a = e->assigned.first; a && whole; a = a->next)
        whole = !has_news_locked(a) || write_metadata_locked(metadata, e, a);
    if (whole) {
        collect_locked(e, fn, user);
        kca__list_move(out_batch, &e->batch);
        kca__engine_wake_locked(e);
    }
    pthread_mutex_unlock(&e->lock);
    return whole;
}

bool kca__engine_shorten_metadata(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    bool is_any = e->told_metadata > 0;
    do
        e->longest_metadata /= 2;
    while (is_any && e->longest_metadata >= e->told_metadata);
    kca__engine_shorten_parking_locked(e);
    pthread_mutex_unlock(&e->lock);
    return is_any;
}

void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a)
        a->told = KCA__NOT_TOLD;
    pthread_mutex_unlock(&e->lock);
}

/* ---- looking ---- */

static int64_t stand_locked(const kca__assigned *a) {
    int64_t frontier = kca__frontier_offset(&a->frontier);
    if (frontier < 0 && a->frontier.first)
        frontier = a->frontier.first->offset;
    return frontier < 0 ? a->base : frontier;
}

void kca__engine_look(kca__engine *e, void (*fn)(void *user, const kca__partition_look *look),
                      void *user) {
    pthread_mutex_lock(&e->lock);
    for (const kca__assigned *a = e->assigned.first; a; a = a->next) {
        kca__partition_look look = {.topic = a->topic_partition->topic,
                                    .partition = a->topic_partition->number,
                                    .frontier = stand_locked(a),
                                    .committed = a->committed < 0 ? a->base : a->committed,
                                    .begin = a->begin,
                                    .end = a->frontier.end,
                                    .held = a->held,
                                    .out = a->out,
                                    .parking = &a->parking,
                                    .paused = a->topic_partition->paused,
                                    .is_anew = a->is_anew,
                                    .origin = &a->topic_partition->origin,
                                    .standing = a->standing};
        if (!a->revoked)
            fn(user, &look);
    }
    pthread_mutex_unlock(&e->lock);
}
