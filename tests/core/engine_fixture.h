/* An inbound engine whose records are only numbers, and whose time is what the test says.
 *
 * The engine's private header: to give records in without a thread that fetches, to take one
 * delivery without waiting, and to hold the engine's counts against the tests' own. */
#ifndef KCA_TESTS_ENGINE_FIXTURE_H
#define KCA_TESTS_ENGINE_FIXTURE_H

#include "testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_private.h"

typedef struct record {
    int partition;
    int key; /* -1: none */
    int batch;
    int64_t offset;
    int released;
    bool asks;               /* for a reply */
    kca__parked_place place; /* that it says it has */
    char key_text[16];
} record;

typedef struct fixture {
    kca__engine *engine;
    int let_go;
    int woken; /* the fetcher */
    int poller_woken;
    int live;          /* records not given back */
    bool kept_back[8]; /* of each partition: librdkafka has its records */
} fixture;

static fixture *current;
static int64_t simulated_ms;

static inline int64_t simulated_clock(void) {
    return simulated_ms;
}

/* Each record counts how often it is given back. */
static inline void release_record(void *argument) {
    record *r = argument;
    assert_int_equal(r->released++, 0);
    current->live--;
    free(r);
}

static inline bool is_asked(void *owner, const kca_delivery *d) {
    (void)owner;
    return ((const record *)d->record)->asks;
}

static inline void told_place(void *owner, const kca_delivery *d, kca__parked_place *out) {
    (void)owner;
    *out = ((const record *)d->record)->place;
}

static inline void wake_fetcher(void *owner) {
    ((fixture *)owner)->woken++;
}

static inline void wake_poller(void *owner) {
    ((fixture *)owner)->poller_woken++;
}

static inline void let_go(void *owner) {
    fixture *f = owner;
    f->let_go++;
    kca__engine_free(f->engine);
}

static inline void keep_back(void *owner, const char *topic, int partition, bool kept_back) {
    (void)topic;
    ((fixture *)owner)->kept_back[partition] = kept_back;
}

/* Without retries, dead letters and processing times; ordered by key. */
static inline kca__engine_setup plain_setup(int capacity, bool skip) {
    return (kca__engine_setup){.consumer = "reader",
                               .capacity = capacity,
                               .retry = {.max_attempts = 1},
                               .skip = skip,
                               .clock_ms = simulated_clock,
                               .keep_back = keep_back,
                               .unix_ms = simulated_clock,
                               .told_place = told_place,
                               .is_asked = is_asked,
                               .wake_fetcher = wake_fetcher,
                               .wake_poller = wake_poller,
                               .release_record = release_record,
                               .let_go = let_go};
}

static inline void open_engine_with(fixture *f, kca__engine_setup setup) {
    *f = (fixture){0};
    current = f;
    simulated_ms = 1000000;
    setup.owner = f;
    f->engine = kca__engine_new(&setup);
    assert_non_null(f->engine);
}

static inline void open_engine(fixture *f, int capacity, bool skip) {
    open_engine_with(f, plain_setup(capacity, skip));
}

static inline void close_engine(fixture *f) {
    kca__engine_shut(f->engine);
    assert_int_equal(f->engine->late, 0);
    kca__engine_release(f->engine);
    assert_int_equal(f->let_go, 1);
    assert_int_equal(f->live, 0);
}

static inline void assign(fixture *f, int partition) {
    assert_true(kca__engine_assign(f->engine, "things", partition, -1, NULL, 0));
}

static inline void forget(fixture *f, int partition) {
    kca__engine_revoke(f->engine, "things", partition);
    kca__engine_sweep(f->engine);
}

static inline bool is_paused(fixture *f, int partition) {
    const kca__assigned *a = kca__assigned_list_find(&f->engine->assigned, "things", partition);
    return a && a->topic_partition->paused;
}

static inline record *new_record(fixture *f, int partition, int64_t offset, int key) {
    record *r = calloc(1, sizeof *r);
    assert_non_null(r);
    *r = (record){.partition = partition, .key = key, .offset = offset};
    snprintf(r->key_text, sizeof r->key_text, "key %d", key);
    f->live++;
    return r;
}

static inline kca__inbound_record came(record *r) {
    return (kca__inbound_record){.record = r,
                                 .topic = "things",
                                 .partition = r->partition,
                                 .offset = r->offset,
                                 .batch = r->batch,
                                 .key = r->key < 0 ? NULL : r->key_text,
                                 .key_len = r->key < 0 ? 0 : strlen(r->key_text)};
}

static inline void accept_record(fixture *f, record *r) {
    kca__inbound_record inbound = came(r);
    pthread_mutex_lock(&f->engine->lock);
    kca__engine_accept_locked(f->engine, &inbound, 1);
    pthread_mutex_unlock(&f->engine->lock);
}

static inline void accept(fixture *f, int partition, int64_t offset, int key) {
    accept_record(f, new_record(f, partition, offset, key));
}

/* All that is to come of the partition is at `offset` or beyond. */
static inline void accept_end(fixture *f, int partition, int64_t offset) {
    record *r = new_record(f, partition, offset, -1);
    kca__inbound_record inbound = came(r);
    inbound.is_end = true;
    pthread_mutex_lock(&f->engine->lock);
    kca__engine_accept_locked(f->engine, &inbound, 1);
    pthread_mutex_unlock(&f->engine->lock);
}

static inline kca_delivery *take(fixture *f) {
    pthread_mutex_lock(&f->engine->lock);
    kca_delivery *d = kca__engine_take_locked(f->engine);
    pthread_mutex_unlock(&f->engine->lock);
    bool several = d && d->event.type == KCA_EVENT_BATCH;
    for (kca_delivery *one = d; one; one = several ? one->batch_next : NULL)
        kca__message_init_inbound(&one->message);
    return d;
}

static inline kca_delivery *take_offset(fixture *f, int64_t offset) {
    kca_delivery *d = take(f);
    assert_non_null(d);
    assert_int_equal(d->offset, offset);
    return d;
}

static inline void finish(kca_delivery *d, int verdict) {
    assert_true(kca__engine_settle(d, verdict));
    kca__engine_give_back(d);
}

static inline const kca_event *first_note(const fixture *f) {
    return kca__list_first(&f->engine->notes.events);
}

/* Lets time pass and what is due happen. */
static inline void pass_ms(fixture *f, int64_t ms) {
    simulated_ms += ms;
    kca__engine_see_to_due(f->engine, simulated_ms, simulated_ms + 1000);
}

enum { NOTHING = -1 };

typedef struct noted_commit {
    int64_t offset;
    char map[KCA__OFFSET_MAP_SIZE];
} noted_commit;

static inline void note_commit(void *user, const char *topic, int partition, int64_t offset,
                               const char *map) {
    noted_commit *c = user;
    assert_string_equal(topic, "things");
    if (partition != 0)
        return;
    c->offset = offset;
    snprintf(c->map, sizeof c->map, "%s", map);
}

/* What would be committed of partition 0; `map` (NULL: not of interest) has room for
 * KCA__OFFSET_MAP_SIZE. */
static inline int64_t commit_with(fixture *f, char *map) {
    noted_commit c = {NOTHING, ""};
    kca__engine_collect_commits(f->engine, note_commit, &c);
    if (map)
        snprintf(map, KCA__OFFSET_MAP_SIZE, "%s", c.map);
    return c.offset;
}

static inline int64_t commit(fixture *f) {
    return commit_with(f, NULL);
}

#endif
