/*
 * Inbound engine: which record is handed out when, and what may be committed. It knows nothing of
 * librdkafka: a record is a pointer with a key and an offset.
 *
 *   fetch -> lanes by key -> take -> the application -> settle -> frontier -> commit
 *                ^                         |
 *                +---- due queue <- failed +-> condemned -> dead letter -> frontier
 *                                                           or retry channel
 *
 * The threads that take deliveries fetch the records, too: a thread that finds nothing ready calls
 * `fetch`, one thread at a time. The owner's poller thread does the rest: it assigns and revokes
 * partitions, calls kca__engine_see_to_due when something is due, writes dead letters and commits.
 *
 * At most `capacity` records are held, from the fetch until the application has given back the
 * delivery and it is settled. A delivery that failed stays the first of its lane until it comes
 * again or its dead letter is stored: only its key waits. So does one that is done, until its reply
 * is stored, if somebody waits for that.
 *
 * Every function here takes the engine's lock itself, unless its comment says that it takes none.
 * The lock, the states of a delivery and who moves it from one to the next: engine_private.h.
 *
 * The engine lives until its owner, and the application with all its deliveries, have let go of it.
 */
#ifndef KCA_ENGINE_ENGINE_H
#define KCA_ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/event_queue.h"
#include "engine/assigned.h"
#include "engine/deduplication.h"
#include "engine/delivery.h"
#include "engine/retry.h"

/* A record that was fetched; or the news, in its place among them, that nothing comes any more
 * below an offset. */
typedef struct kca__inbound_record {
    void *record; /* the engine releases it */
    const char *topic;
    int partition;
    int64_t offset;
    bool is_end;    /* no record: all that is to come of the partition is at `offset` or beyond */
    bool was_reset; /* of its partition was read `reset_from` before, which was out of range */
    int64_t reset_from;
    const void *key; /* inside the record */
    size_t key_len;
    int64_t delay_ms;  /* from now on until its time comes; 0: it has come */
    int attempts;      /* that it failed before it came here, by way of a retry channel; 0: none */
    bool is_of_others; /* who have to handle it: it is passed over */
    int batch; /* 1 to batch_count: which of the setup's batches it is handled in; 0: by itself */
} kca__inbound_record;

/* How deliveries that are handled together are gathered: up to `most`, and for `wait_ms` after the
 * first at the longest. */
typedef struct kca__batch_plan {
    int most;
    int wait_ms;
} kca__batch_plan;

/* What an engine is made with. Everything that it points to outlives the engine; `consumer` is
 * copied. */
typedef struct kca__engine_setup {
    const char *consumer; /* the name, for texts */
    bool local;           /* it has no consumer: its one record is a kca__local */
    int capacity;
    kca__order order;
    kca__retry_plan retry;
    bool retry_channels; /* what is to be retried is written there */
    bool relays;       /* nothing is given out: each record is written on when its time has come */
    bool dead_letters; /* there is a channel for them */
    int park_max_keys; /* of a partition; 0: keys are not parked */
    int64_t park_max_ms;
    bool skip;    /* failure policy */
    bool abandon; /* timeout policy */
    int processing_timeout_ms;
    const kca__batch_plan *batches;
    int batch_count;
    kca__deduplication *deduplication; /* NULL: none */
    kca__event_queue *note_queue;      /* where faults and rebalances go; NULL: they are taken with
                                          the deliveries */
    int64_t (*clock_ms)(void);         /* NULL: kca__clock_ms */
    int64_t (*unix_ms)(void);          /* NULL: kca__clock_unix_ms */
    void *owner;

    /* Up to `room` records; waits for the first. Without the lock, by one thread at a time. */
    int (*fetch)(void *owner, kca__inbound_record *out, int room, int timeout_ms);
    /* Whether somebody waits for its reply, of a delivery of which that is not known. With the
     * lock. NULL: nothing is answered. */
    bool (*is_asked)(void *owner, const kca_delivery *d);
    /* The place in the line of its key that a delivery's record says it has; as it is when it says
     * none. With the lock. NULL: keys are not parked. */
    void (*told_place)(void *owner, const kca_delivery *d, kca__parked_place *out);
    /* The partition's first offset, as far as it is known without asking; -1. With the lock. May be
     * NULL. */
    int64_t (*first_offset)(void *owner, const char *topic, int partition);
    /* One past the partition's last record, likewise. NULL: it is never known; else there is
     * first_offset, too. */
    int64_t (*high_watermark)(void *owner, const char *topic, int partition);
    /* Whether the partition's records are kept back, from now on. With the lock: it must not call
     * the engine. NULL: no record has a delay. */
    void (*keep_back)(void *owner, const char *topic, int partition, bool kept_back);
    void (*wake_fetcher)(void *owner); /* `fetch` must return soon */
    void (*wake_poller)(void *owner);  /* the poller must call kca__engine_see_to_due soon */
    void (*release_record)(void *record);
    void (*let_go)(void *owner); /* the last holder has gone: calls kca__engine_free */
} kca__engine_setup;

typedef struct kca__engine kca__engine;

/* ---- life ---- */

/* The caller holds it. NULL when memory is out; then `let_go` is not called. */
kca__engine *kca__engine_new(const kca__engine_setup *setup);

/* Only the owner's `let_go` calls this. Takes no lock. */
void kca__engine_free(kca__engine *e);

void kca__engine_hold(kca__engine *e);

/* May free the engine. */
void kca__engine_release(kca__engine *e);

/* As they were set up. No lock. */
const char *kca__engine_consumer(const kca__engine *e);
void *kca__engine_owner(const kca__engine *e);
bool kca__engine_is_local(const kca__engine *e);

/* ---- taking and settling ---- */

/* What a processor, or an application that pulls one event after another, brings back when it asks
 * for the next: its last delivery, to be settled by `verdict` (done == NULL: none), and the one
 * before, whose record is released already. */
typedef struct kca__returned {
    kca_delivery *done;
    int verdict;
    kca_delivery *spent;
} kca__returned;

/* Up to `max` events: notes if there are any, else deliveries, and batches (see kca__batch_open),
 * whose messages are not read yet. Settles what is `returned`. Waits for the first event until the
 * deadline, and fetches meanwhile. 0: none came; -KCA_ERROR_STOPPED. */
int kca__engine_take(kca__engine *e, kca__returned *returned, kca_event **out, int max,
                     int64_t deadline);

/* Settles and gives back what is `returned`, until nothing is left in it. */
void kca__engine_put_away(kca__engine *e, kca__returned *returned);

/* Settles and gives back, when the delivery may be another engine's, which its owner may have
 * closed. */
void kca__returned_settle(kca__returned *returned);

/* True for the verdicts that settle a delivery. Takes no lock. */
bool kca__verdict_settles(int verdict);

static inline bool kca__verdict_fails(int verdict) {
    return verdict == KCA_FAILED || verdict == KCA_REJECTED;
}

/* False: it does not count any more. A delivery that is to come again does so from now on, without
 * waiting for kca__engine_give_back. */
bool kca__engine_settle(kca_delivery *d, int verdict);

/* It is out, its time is not over, and none before it of its lane in its batch has failed. */
bool kca__engine_has_out(kca_delivery *d);

/* Takes the span of this attempt, which ends with it. */
void kca__engine_begin_span(kca_delivery *d, kca__span *span);

/* Keeps where its reply goes, and takes it; NULL: as the record says. For who has it out. */
void kca__engine_keep_question(kca_delivery *d, kca_message *question);

/* Milliseconds until its processing time is over; -1: there is no limit. For whoever has it. */
int kca__engine_left_ms(const kca_delivery *d);

/* Around a handler that the library calls. Until it has returned its delivery stays, though the
 * application may free it inside. end: false: the handler has deferred it, it is the application's
 * now, and may be freed already; true: it is the library's to give back. */
void kca__engine_begin_handling(kca_delivery *d);
bool kca__engine_end_handling(kca_delivery *d, int verdict);

/* Around a call with `d` inside which the application, here or in another thread, may free it. */
void kca__engine_keep(kca_delivery *d);
void kca__engine_let_go(kca_delivery *d);

/* How many deliveries a batch's event has. No lock, as the next two. */
int kca__batch_count(const kca_event *batch);

/* The first of its deliveries, chained by `batch_next`: it is an event no more. */
kca_delivery *kca__batch_open(kca_event *batch);

/* The event of these deliveries. */
kca_event *kca__batch_close(kca_delivery *first);

/* One verdict for those that are still out. That of a failure for several does not say which of
 * them failed: each comes again in a batch of its own, and its attempt does not count. `keep`: the
 * application has them still; else the caller gives each of them back, and soon. */
void kca__engine_settle_batch(kca_delivery *const *deliveries, int count, int verdict, bool keep);

/* The application frees `d`. If it is still out, it is settled as failed. Then it comes again, or
 * its record is released (without the lock) and its place is free. May free the engine: the caller
 * must hold it in another way or not touch it again. */
void kca__engine_give_back(kca_delivery *d);

/* A delivery that was taken, but not handed out, is given back and counts as nothing. Only when the
 * engine has failed. */
void kca__engine_withdraw(kca_delivery *d);

/* The same with all of a batch. */
void kca__engine_withdraw_batch(kca_delivery *first);

/* ---- the descriptor of an application that polls ---- */

/* It is readable when there may be something to take; -1 when none can be had. `out_first`: nobody
 * had asked for it before. */
int kca__engine_fd(kca__engine *e, bool *out_first);

/* Somebody has asked for it. No lock. */
bool kca__engine_is_watched(const kca__engine *e);

/* Makes it readable: records wait to be fetched. Any thread. No lock: librdkafka calls it under one
 * of its own. */
void kca__engine_raise(kca__engine *e);

/* Makes it unreadable: the caller took everything, and takes once more after this. */
void kca__engine_lower(kca__engine *e);

/* After a take that gave `taken`: stays or becomes readable, unless there is nothing to take and
 * the engine goes on. */
void kca__engine_level(kca__engine *e, int taken);

/* ---- partitions ---- */

/* `base`: the group's committed offset (-1: none), and `map` the text of what is finished beyond
 * it. False when memory is out. */
bool kca__engine_assign(kca__engine *e, const char *topic, int partition, int64_t base,
                        const char *map, size_t map_len);

/* The id of all partitions' topic from now on. */
void kca__engine_set_topic_id(kca__engine *e, const char *topic, const unsigned char *id);

/* Goes with each commit of it from now on. */
void kca__engine_set_origin(kca__engine *e, const char *topic, int partition,
                            const kca__origin *origin);

/* The application chose to begin there: the group is to be told this offset, though no record has
 * come yet. */
void kca__engine_begin_at(kca__engine *e, const char *topic, int partition, int64_t offset);

/* Waits until the burst that is being fetched has been accepted. To be called before an assignment:
 * the burst may be of the last one, and settling its records would move the new frontier over
 * records that have yet to come. */
void kca__engine_await_fetch(kca__engine *e);

/* Between the two nobody fetches; kca__engine_hold_fetch waits for the burst that is on its way. */
void kca__engine_hold_fetch(kca__engine *e);
void kca__engine_release_fetch(kca__engine *e);

/* As kca__engine_revoke, for a seek: what is parked of it goes with its next assignment, which
 * begins at `to`; but for the keys that wait for a record which comes again then. */
void kca__engine_revoke_for(kca__engine *e, const char *topic, int partition, int64_t to);

/* Nothing more of it is given out; what is out may still be settled until kca__engine_revoke. */
void kca__engine_begin_drain(kca__engine *e, const char *topic, int partition);

/* Waits until no delivery of a draining partition is out or being dead-lettered, or the deadline.
 * Gives how many still are. */
int kca__engine_await_drained(kca__engine *e, int64_t deadline);

/* Settling its deliveries no longer counts. After the last one of several, kca__engine_sweep drops
 * the deliveries of revoked partitions that wait. */
void kca__engine_revoke(kca__engine *e, const char *topic, int partition);
void kca__engine_sweep(kca__engine *e);

/* A revoked partition is another consumer's now: what was settled of it since the last transaction
 * comes again there, so the records that this published must not go out. */
void kca__engine_disown(kca__engine *e, const char *topic, int partition);

/* Revokes and sweeps all partitions, and drops what was settled for the next transaction. */
void kca__engine_revoke_all(kca__engine *e);

/* Called with the lock held: it must not call the engine. */
typedef void (*kca__pause_fn)(void *user, const char *topic, int partition, bool kept_back);

/* Pauses or resumes; `partition` -1: all of the topic that are assigned; topic NULL: all. Calls fn
 * for each of them that is assigned. False when memory is out. */
bool kca__engine_set_paused(kca__engine *e, const char *topic, int partition, bool paused,
                            kca__pause_fn fn, void *user);

/* Calls fn with whether its records are kept back, so that no pausing or resuming comes in between.
 */
void kca__engine_see_paused(kca__engine *e, const char *topic, int partition, kca__pause_fn fn,
                            void *user);

/* ---- commits ---- */

/* `metadata`: what is finished beyond the offset, and its origin; "" nothing. Called with the lock
 * held: it must not call the engine. */
typedef void (*kca__commit_fn)(void *user, const char *topic, int partition, int64_t offset,
                               const char *metadata);

/* Calls fn for each partition of which more is settled than the group was told, and notes that the
 * group was told of it. */
void kca__engine_collect_commits(kca__engine *e, kca__commit_fn fn, void *user);

/* For a transaction: also moves all that the settled deliveries published to `out_batch`. False,
 * and nothing is given or noted: what is finished does not fit into the maps now. */
bool kca__engine_collect_transaction(kca__engine *e, kca__commit_fn fn, void *user,
                                     kca__held_records *out_batch);

/* The next transaction has grown so large that it should not wait for its interval. */
bool kca__engine_batch_is_due(kca__engine *e);

/* A record of an aborted transaction, which is read again after this, was refused for good: the
 * delivery that it comes of fails when its turn has come again, at the attempt that it was at, with
 * the error's text. If the record is a dead letter or a retry, that is written trimmed, or, with
 * `for_good`, meets the failure policy with the error. If it is a reply, the delivery does not
 * fail, but is answered with the error, or, with `for_good`, not at all. Takes `error`. */
void kca__engine_refuse(kca__engine *e, const kca__held_record *r, bool for_good, kca_error *error);

/* The broker refused the metadata that was collected last as too long: from now on none is longer
 * than half of what was allowed before, or a quarter, an eighth ..., so that the longest of these
 * is shortened. What has no room is left out: parked keys are let go, with a fault; of the map the
 * end. False: there was nothing to shorten. */
bool kca__engine_shorten_metadata(kca__engine *e);

/* A commit failed: the next one is to tell the group again. */
void kca__engine_commit_failed(kca__engine *e, const char *topic, int partition);

/* ---- what is due: for the poller ---- */

/* Deliveries whose processing time is over count as failed, and those whose pause is over come
 * again. Gives when to call it next, at `latest_ms` at the latest. */
int64_t kca__engine_see_to_due(kca__engine *e, int64_t now_ms, int64_t latest_ms);

/* The next delivery of which a letter is to be written, by its fate a dead letter, a reply, or its
 * record, to a retry channel or on: the caller's until it tells with one of the next four what
 * became of that; NULL: none. */
kca_delivery *kca__engine_take_condemned(kca__engine *e);

/* The four may free the engine. Stored: the delivery is settled; or, if a dead letter was, and
 * somebody waits for a reply, it is answered next. Failed, with this error (taken): a fault tells
 * of it, and the letter is written again after a growing pause, or not if the engine stops: then
 * the record comes again after the next start. Refused for good, whatever its form, with this error
 * (taken): the failure policy decides, as without a channel; a reply's delivery is settled without,
 * and the error is a fault; one that a retry channel or relay refuses is given up, as if no
 * attempt were left. Postponed: the letter is written in `pause_ms`, perhaps in another form. */
void kca__engine_letter_stored(kca_delivery *d);
void kca__engine_letter_failed(kca_delivery *d, kca_error *error);
void kca__engine_letter_refused(kca_delivery *d, kca_error *error);
void kca__engine_letter_postponed(kca_delivery *d, int pause_ms);

/* From now on a failure, unless rejected, is none for good: handlers may fail for want of answers
 * that the shutdown takes from them. Their messages come again after the next start. */
void kca__engine_spare(kca__engine *e);

/* ---- notes for the application ---- */

/* Takes `note`; NULL is ignored. */
void kca__engine_note(kca__engine *e, kca_event *note);

/* Takes `error`. */
void kca__engine_fault(kca__engine *e, kca_error *error, const char *topic, int partition,
                       int64_t offset);

/* A message asks for a reply that it will not get. */
void kca__engine_count_not_replied(kca__engine *e);

/* Whether a partition's offsets went back since the last call. */
bool kca__engine_went_back(kca__engine *e);

/* A fault: of this partition reading goes on at `to` instead of `from`. */
void kca__engine_tell_reset(kca__engine *e, const char *topic, int partition, int64_t from,
                            int64_t to, const char *why);

/* ---- the end ---- */

/* Ends it with this error (taken), unless it has one already. A fault tells of it, too: an
 * application that pulls learns of it in no other way. */
void kca__engine_fail(kca__engine *e, kca_error *error);

/* kca__engine_fail for an error that no longer matters once the engine stops. */
void kca__engine_fail_unless_stopping(kca__engine *e, kca_error *error);

/* Nothing more is given out. The poller waits for the deliveries that are out until the deadline,
 * which later calls can only shorten. */
void kca__engine_stop(kca__engine *e, int64_t deadline);

/* kca__engine_stop, but deliveries that are out are not waited for: the application takes no more.
 * Those that are settled in time count. */
void kca__engine_leave_out(kca__engine *e, int64_t deadline);

/* The poller has waited. When what is out is left out, nothing else waits for it either. */
void kca__engine_end_drain(kca__engine *e);
bool kca__engine_is_stopping(kca__engine *e);

/* Of kca__engine_stop; KCA__CLOCK_NEVER: there is none. */
int64_t kca__engine_drain_deadline(kca__engine *e);

/* The error that ended it, a copy. NULL: none. */
kca_error *kca__engine_failure(kca__engine *e);

/* What the poller waits for before it leaves the group. */
typedef struct kca__engine_rest {
    bool stopping;
    int out;                /* deliveries to be settled, unless they are left out */
    int letters;            /* dead letters and replies that are not stored */
    int64_t drain_deadline; /* KCA__CLOCK_NEVER: none */
} kca__engine_rest;

kca__engine_rest kca__engine_see_rest(kca__engine *e);

/* The group has been left: drops what waits. Gives how many deliveries the application has not
 * settled. */
int kca__engine_shut(kca__engine *e);

/* ---- looking ---- */

/* How many deliveries the application has not settled. */
int kca__engine_out(kca__engine *e);

typedef struct kca__engine_counts {
    int64_t handled, failed, rejected, skipped;
    int64_t retried;       /* failures that were, or will be, tried again */
    int64_t retry_stored;  /* of these, confirmed by the broker in a retry channel */
    int64_t timed_out;     /* of the failures */
    int64_t relayed;       /* confirmed by the broker */
    int64_t dead_lettered; /* likewise */
    int64_t parked;        /* likewise: followed a dead letter of their key */
    int64_t replied;       /* likewise, errors included */
    int64_t not_replied;   /* asked, and not to be answered */
    int64_t duplicates;
    int64_t passed_over;
    int64_t finished_before; /* ahead of the frontier, by the consumer that had the partition */
    int held, out;
    int waiting; /* to be retried, or a letter to be written of them */
} kca__engine_counts;

kca__engine_counts kca__engine_count(kca__engine *e);

typedef struct kca__partition_look {
    const char *topic;
    int partition;
    int64_t frontier;  /* where it would begin again; -1: not known yet */
    int64_t committed; /* -1: nothing yet */
    int64_t begin;     /* where its reading began; -1: not known yet */
    int64_t end;       /* one past the last record that came; -1: none */
    int held, out;
    const kca__parking *parking;
    bool paused;
    bool is_anew; /* its offsets went back */
    const kca__origin *origin;
    kca__standing standing;
} kca__partition_look;

/* Lets parked keys go: those that this one has, or all of them when `key_len` is 0. `topic` NULL
 * and `partition` -1: any. The next commit tells of it. Gives how many. */
int kca__engine_unpark(kca__engine *e, const char *topic, int partition, const void *key,
                       size_t key_len);

/* What health asks of the engine as a whole. */
typedef struct kca__engine_pulse {
    int late;              /* deliveries whose time is over, and whose handlers are not back */
    int64_t late_since_ms; /* when the first of these was to be back */
    bool in_time;          /* deliveries are out whose time is not over */
    int64_t turn_ms;       /* since when nothing was given out or settled */
    int64_t due_ms;        /* when the poller is to look at what is due; KCA__CLOCK_NEVER */
    int64_t failed_ms;     /* when it failed; 0: it has not */
} kca__engine_pulse;

/* Looks at what each frontier waits for: by the poller, about once a second, and before somebody
 * asks for it. `records_come`: some can be fetched. */
void kca__engine_see_standings(kca__engine *e, int64_t now_ms, bool records_come);
kca__engine_pulse kca__engine_feel_pulse(kca__engine *e);

/* Each assigned partition. Calls fn with the lock held: it must not call the engine. */
void kca__engine_look(kca__engine *e, void (*fn)(void *user, const kca__partition_look *look),
                      void *user);

#endif
