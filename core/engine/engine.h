/*
 * Inbound engine: which record is handed out when, and what may be committed. Knows nothing of
 * librdkafka: a record is a pointer with a key and an offset.
 *
 *   accept -> lanes by key -> take -> the application -> settle -> frontier
 *                ^                         |
 *                +---- due queue <- failed +-> condemned -> dead letter -> frontier
 *
 * One lock guards all of it; accept, take and settle hold it for a few dozen instructions. At most
 * `capacity` records are held: from accept until the application has let go of the delivery and it
 * is settled. A delivery that failed stays the first of its lane until it comes again, or its dead
 * letter is written: only its key waits. Whose time is due is for the owner's poller to see, which
 * sleeps until `poller_wakes_ms`.
 *
 * Records of a revoked partition are dropped when their turn comes, and settling them no longer
 * moves anything. In a partition that is not revoked a delivery leaves the frontier's open ones by
 * being settled only: what is between open ones counts as finished. So a delivery that is dropped
 * without being settled (the engine stops) is not used again.
 *
 * The engine lives until its owner and all deliveries that the application holds have let go of it
 * (`holders`).
 */
#ifndef KCA_ENGINE_ENGINE_H
#define KCA_ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/event_queue.h"
#include "base/notifier.h"
#include "engine/assigned.h"
#include "engine/deduplication.h"
#include "engine/delivery.h"
#include "engine/retry.h"

enum { KCA__BATCH_IS_DUE = 1000 }; /* records published: then the poller is woken */

/* A record that came. */
typedef struct kca__inbound_record {
    void *record; /* the engine's from kca__engine_accept on */
    const char *topic;
    int partition;
    int64_t offset;
    const void *key; /* inside the record */
    size_t key_len;
} kca__inbound_record;

typedef struct kca__engine_counts {
    int64_t handled, failed, rejected, skipped;
    int64_t retried;       /* failures that were, or will be, tried again */
    int64_t timed_out;     /* of the failures */
    int64_t dead_lettered; /* confirmed by the broker */
    int64_t duplicates;
    int64_t finished_before; /* finished ahead of the frontier by who had the partition before */
    int held, out;
    int waiting; /* to be retried or dead-lettered */
} kca__engine_counts;

typedef struct kca__engine {
    /* set once */
    const char *consumer; /* the name, for texts; a copy in the engine's own memory */
    int capacity;
    kca__order order;
    kca__retry_plan retry;
    bool dead_letters;  /* there is a channel for them */
    bool transactional; /* what deliveries published goes with their offsets */
    bool skip;          /* failure policy */
    bool abandon;       /* timeout policy */
    int processing_timeout_ms;
    kca__deduplication *deduplication; /* NULL: none */
    int64_t (*clock_ms)(void);         /* kca__clock_ms, but in tests */
    void (*release_record)(void *record);
    void (*wake_fetcher)(void *owner); /* the thread that waits for records must look again */
    void (*wake_poller)(void *owner);  /* the thread that sees to what is due must look again */
    void (*let_go)(void *owner);       /* the last holder has gone; frees the engine's owner */
    void *owner;

    pthread_mutex_t lock;
    pthread_cond_t work;    /* something may be taken, or it is over */
    pthread_cond_t settled; /* `out` or `writing` went down, or it is over */
    int idle;               /* threads that wait for work */
    bool waking;            /* one of them was signalled and does not run yet */
    bool may_nap;           /* a burst came since the last nap */
    bool napping;           /* one of them looks again by itself, very soon */
    bool fetching;          /* a thread waits for records outside the lock */
    bool fetch_held;        /* nobody may begin to */
    uint64_t fetches;       /* that ended */
    kca__lanes lanes;
    kca__partitions partitions; /* also revoked ones that are still held */
    kca_delivery *all;
    kca_delivery *free;
    kca_delivery *out_first; /* by deadline */
    kca_delivery *out_last;
    kca__due_queue due;
    int coming;         /* in the due queue */
    int coming_letters; /* of these, dead letters to be written again */
    int64_t poller_wakes_ms;
    kca_delivery *condemned_first;
    kca_delivery *condemned_last;
    int condemned;
    int writing;
    kca__held_records batch; /* of the next transaction: what settled deliveries published */
    uint64_t random;         /* of the jitter; not 0 */
    size_t longest_map;      /* that commits may have */
    int held;
    int exempt; /* held records of paused partitions: they take no room */
    int out;
    int holders;
    bool stopping; /* nothing more is given out */
    bool closed;   /* and the group has been left */
    int unsettled; /* what the application had not settled by then */
    kca_error *failure;
    kca__event_queue *note_queue; /* where faults and rebalances go; NULL: `notes`, for the
                                     consumer's own queue */
    kca__event_list notes;
    kca__notifier notifier;
    kca__engine_counts counts;
} kca__engine;

bool kca__engine_init(kca__engine *e, const char *consumer, int capacity);

/* Takes it apart; only the owner's `let_go` calls this. */
void kca__engine_close(kca__engine *e);

/* ---- partitions: the adapter's rebalances; all lock by themselves ---- */

/* `base`: where the group has it (-1: nowhere), and `map` what is finished beyond, as text. False
 * when memory is out. */
bool kca__engine_assign(kca__engine *e, const char *topic, int partition, int64_t base,
                        const char *map, size_t map_len);

/* The application chose to begin there: that is where the group is to stand, though nothing has
 * come yet. */
void kca__engine_begin_at(kca__engine *e, const char *topic, int partition, int64_t offset);

/* Waits for the burst that is being fetched. Before an assignment: the burst may be of the last
 * one, and settling its records would move the new frontier over what has yet to come. */
void kca__engine_await_fetch(kca__engine *e);

/* While held nobody fetches; waits for the burst that is on its way. */
void kca__engine_hold_fetch(kca__engine *e);
void kca__engine_release_fetch(kca__engine *e);

/* With the lock held: the burst is accepted. */
void kca__engine_end_fetch_locked(kca__engine *e);

/* Nothing more of it is given out; what is out may still be settled until kca__engine_revoke. */
void kca__engine_begin_drain(kca__engine *e, const char *topic, int partition);

/* After the last kca__engine_revoke of several: kca__engine_sweep drops what waits of them. */
void kca__engine_revoke(kca__engine *e, const char *topic, int partition);
void kca__engine_sweep(kca__engine *e);

/* Of one that was forgotten because it is another consumer's now: what was settled of it since the
 * last transaction comes again there, so what that published must not go out. */
void kca__engine_disown(kca__engine *e, const char *topic, int partition);

/* All of them at once, with what was settled for the next transaction. */
void kca__engine_revoke_all(kca__engine *e);

/* Waits until nothing of the revoked partitions is out or being dead-lettered, or the deadline.
 * Gives how many still are. */
int kca__engine_await_drained(kca__engine *e, int64_t deadline);

/* Pauses or resumes; `number` -1: all of the topic that are assigned; topic NULL: all. Calls fn for
 * each assigned one of them, with the lock held. False when memory is out. */
typedef void (*kca__place_fn)(void *user, const char *topic, int partition);
bool kca__engine_set_paused(kca__engine *e, const char *topic, int number, bool paused,
                            kca__place_fn fn, void *user);
bool kca__engine_is_paused_locked(kca__engine *e, const char *topic, int number);

/* Calls fn for each partition of which more is settled than the group was told, and notes that it
 * was. `map`: what is finished beyond the offset, "" nothing. */
typedef void (*kca__commit_fn)(void *user, const char *topic, int partition, int64_t offset,
                               const char *map);
void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user);

/* For a transaction: the same, with all that the settled deliveries published. False, and nothing
 * is given or noted: what is finished cannot be told whole now. */
bool kca__engine_collect_transaction(kca__engine *e, kca__commit_fn fn, void *user,
                                     kca__held_records *out_batch);

/* The broker takes no metadata as long as some it was sent: maps that are longer than the half of
 * what was allowed so far are left out from now on. */
void kca__engine_shorten_maps(kca__engine *e);

/* A commit failed: it is to be tried again. */
void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition);

typedef struct kca__partition_look {
    const char *topic;
    int partition;
    int64_t frontier;  /* where it would begin again; -1: not known yet */
    int64_t committed; /* -1: nothing yet */
    int64_t begin;     /* where its reading began; -1: not known yet */
    int64_t end;       /* one past the last record that came; -1: none */
    int held, out;
    bool paused;
} kca__partition_look;

/* Each assigned partition. */
void kca__engine_look(kca__engine *e, void (*fn)(void *user, const kca__partition_look *look),
                      void *user);

/* ---- records and deliveries; those named _locked want the lock held ---- */

/* How many more records fit. */
int kca__engine_room_locked(const kca__engine *e);
void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count);

/* What is ready may be taken: it need not wait for a transaction first. */
bool kca__engine_has_ready_locked(const kca__engine *e);

/* The next delivery, now out; NULL: none is ready. */
kca_delivery *kca__engine_take_locked(kca__engine *e);

/* One that a delivery can be settled with. */
bool kca__verdict_settles(int verdict);

/* False: it does not count any more. After kca__engine_settle it
 * comes again, if it is to, without waiting for kca__engine_recycle. */
bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict);
bool kca__engine_settle(kca_delivery *d, int verdict);

/* It is out, and its time is not over. */
bool kca__engine_has_out(kca_delivery *d);

/* The application has let go of `d`: it comes again, or gives back its record (outside the lock)
 * and its place. Settles it as failed if it is still out. May free the engine: the caller must hold
 * it in another way or not touch it again. */
void kca__engine_recycle(kca_delivery *d);

/* Likewise, of a delivery that was taken but not handed out: it counts as nothing. Only when the
 * engine has failed. */
void kca__engine_withdraw(kca_delivery *d);

/* The parts of it for processors, which save a lock: the record, and at the next lock the place.
 * Not for a delivery that has more to come, see kca__engine_has_ended. */
bool kca__engine_has_ended(const kca_delivery *d);
void kca__engine_release_record(kca_delivery *d);
void kca__engine_free_locked(kca__engine *e, kca_delivery *d);

/* Work or room appeared: one idle thread looks, or the one that waits for records. */
void kca__engine_wake_one_locked(kca__engine *e);

/* After settling or taking: if there is more to do than this thread does, another thread is woken.
 */
void kca__engine_wake_locked(kca__engine *e);

/* Everybody looks: it is over, or may go on. */
void kca__engine_wake_all_locked(kca__engine *e);

/* ---- what is due: for the poller ---- */

/* Deliveries whose processing time is over count as failed, and those whose pause is over come
 * again. Gives when to look next, at `latest_ms` at the latest. */
int64_t kca__engine_see_to_due(kca__engine *e, int64_t now_ms, int64_t latest_ms);

/* The next delivery to be dead-lettered, the caller's until kca__engine_written; NULL: none. */
kca_delivery *kca__engine_take_condemned(kca__engine *e);

/* Its dead letter is stored, or not (takes `error`): then it is written again later. `again_ms`: 0,
 * or it was not tried, without a fault, and will be so much later. May free the engine. */
void kca__engine_written(kca_delivery *d, kca_error *error, int again_ms);

/* ---- parts of the engine for one another; the lock is held ---- */

void kca__engine_revoke_locked(kca__engine *e, kca__partition *p);
void kca__engine_sweep_locked(kca__engine *e);

/* A delivery that is out no longer counts as such. */
void kca__engine_take_back(kca__engine *e, kca_delivery *d);
void kca__engine_open_lane(kca__engine *e, kca_delivery *d);

/* What it published goes with the next transaction. */
void kca__engine_publish(kca__engine *e, kca_delivery *d);

/* A new one, without a record; NULL when memory is out. */
kca_delivery *kca__engine_new_delivery(kca__engine *e);

/* Gives back its record and its place. */
void kca__engine_drop(kca__engine *e, kca_delivery *d);

/* It is taken out of the due queue: the counts. */
void kca__engine_leave_due(kca__engine *e, const kca_delivery *d);

/* What has a fate comes to it, now that the application has let go of it. */
void kca__engine_meet_fate(kca__engine *e, kca_delivery *d);

/* The application is through with it, but may free it much later: another delivery of its record
 * meets its fate, unless memory is out. */
void kca__engine_detach(kca__engine *e, kca_delivery *d);

/* Failed, with the reason in `failure_...`: decides its fate. True: it counts as settled now. */
bool kca__engine_decide(kca__engine *e, kca_delivery *d, bool rejected);

/* ---- end ---- */

/* Ends it with this error (taken), unless it has one; with a fault, for who pulls hears of it in no
 * other way. */
void kca__engine_fail_locked(kca__engine *e, kca_error *error);

/* Likewise, when there was a fault already. */
void kca__engine_end_locked(kca__engine *e, kca_error *error);
void kca__engine_stop(kca__engine *e);

/* Drops what waits, gives how many deliveries the application has not settled. */
int kca__engine_shut(kca__engine *e);

void kca__engine_hold(kca__engine *e);
void kca__engine_release(kca__engine *e);

/* A fault for the application. Takes `error`. */
void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset);

/* Any note for the application; NULL is ignored. */
void kca__engine_note_locked(kca__engine *e, kca_event *note);

#endif
