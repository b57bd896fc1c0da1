/*
 * Inbound engine: which record is handed out when, and what may be committed. Knows nothing of
 * librdkafka: a record is a pointer with a key and an offset.
 *
 *   accept -> lanes by key -> take -> the application -> settle -> frontier
 *
 * One lock guards all of it; accept, take and settle hold it for a few dozen instructions. At most
 * `capacity` records are held: from accept until the application has let go of the delivery.
 * Records of a revoked partition are dropped when their turn comes, and settling them no longer
 * moves anything.
 *
 * The engine lives until its owner and all deliveries that the application holds have let go of it
 * (`holders`).
 */
#ifndef KCA_CORE_INBOUND_ENGINE_H
#define KCA_CORE_INBOUND_ENGINE_H

#include "clock.h"
#include "delivery.h"
#include "event_queue.h"
#include "notifier.h"
#include "partition.h"

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
    int held, out;
} kca__engine_counts;

typedef struct kca__engine {
    /* set once */
    const char *consumer; /* the name, for texts; a copy in the engine's own memory */
    int capacity;
    bool skip; /* failure policy */
    int processing_timeout_ms;
    void (*release_record)(void *record);
    void (*wake_fetcher)(void *owner); /* the thread that waits for records must look again */
    void (*let_go)(void *owner);       /* the last holder has gone; frees the engine's owner */
    void *owner;

    pthread_mutex_t lock;
    pthread_cond_t work;    /* something may be taken, or it is over */
    pthread_cond_t settled; /* `out` went down, or it is over */
    int idle;               /* threads that wait for work */
    bool fetching;          /* a thread waits for records outside the lock */
    uint64_t fetches;       /* that ended */
    kca__lanes lanes;
    kca__partitions partitions; /* also revoked ones that are still held */
    kca_delivery **all;
    int made;
    kca_delivery *free;
    kca_delivery *out_first; /* by deadline */
    kca_delivery *out_last;
    int held;
    int out;
    int holders;
    bool stopping; /* nothing more is given out */
    bool closed;   /* and the group has been left */
    int unsettled; /* what the application had not settled by then */
    kca_error *failure;
    kca__event_queue
        *fault_queue; /* where faults go; NULL: `faults`, for the consumer's own queue */
    kca__event_list faults;
    kca__notifier notifier;
    kca__engine_counts counts;
} kca__engine;

bool kca__engine_init(kca__engine *e, const char *consumer, int capacity);

/* Takes it apart; only the owner's `let_go` calls this. */
void kca__engine_close(kca__engine *e);

/* ---- partitions: the adapter's rebalances; all lock by themselves ---- */
bool kca__engine_assign(kca__engine *e, const char *topic, int partition);

/* Waits for the burst that is being fetched. Before an assignment: the burst may be of the last
 * one, and settling its records would move the new frontier over what has yet to come. */
void kca__engine_await_fetch(kca__engine *e);

/* With the lock held: the burst is accepted. */
void kca__engine_end_fetch_locked(kca__engine *e);

/* Nothing more of it is given out; what is out may still be settled until kca__engine_forget. */
void kca__engine_revoke(kca__engine *e, const char *topic, int partition);
void kca__engine_forget(kca__engine *e, const char *topic, int partition);

/* Waits until nothing of the revoked partitions is out, or the deadline. Gives how many still are.
 */
int kca__engine_drain_revoked(kca__engine *e, int64_t deadline);

/* Calls fn for each partition whose frontier is ahead of what was committed, and notes it as
 * committed. */
typedef void (*kca__commit_fn)(void *user, const char *topic, int partition, int64_t offset);
void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user);

/* A commit failed: it is to be tried again. */
void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition);

/* ---- records and deliveries; those named _locked want the lock held ---- */

/* How many more records fit. */
int kca__engine_room_locked(const kca__engine *e);
void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count);

/* The next delivery, now out; NULL: none is ready. */
kca_delivery *kca__engine_take_locked(kca__engine *e);

/* KCA_DONE, KCA_FAILED or KCA_REJECTED. False: it does not count any more. */
bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict);

/* The application has let go of `d`: gives back its record (outside the lock) and its place.
 * Settles it as failed if it is still out. May free the engine: the caller must hold it in another
 * way or not touch it again. */
void kca__engine_recycle(kca_delivery *d);

/* Likewise, of a delivery that was taken but not handed out: it counts as nothing. */
void kca__engine_withdraw(kca_delivery *d);

/* The parts of it for processors, which save a lock: the lane of one that expired, the record, and
 * at the next lock the place. */
void kca__engine_open_lane_locked(kca__engine *e, kca_delivery *d);
void kca__engine_release_record(kca_delivery *d);
void kca__engine_free_locked(kca__engine *e, kca_delivery *d);

bool kca__engine_settle(kca_delivery *d, int verdict);

/* Work or room appeared: one idle thread looks, or the one that waits for records. */
void kca__engine_wake_one_locked(kca__engine *e);

/* After settling or taking: if there is more to do than this thread does, another thread is woken.
 */
void kca__engine_wake_locked(kca__engine *e);

/* Deliveries whose processing time is over count as failed. Gives the next deadline. */
int64_t kca__engine_expire(kca__engine *e, int64_t now_ms);

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

#endif
