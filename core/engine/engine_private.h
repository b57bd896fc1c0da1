/*
 * The inside of the inbound engine, for its own files: engine.c (life, notes, the end),
 * engine_take.c (records come, deliveries are given out), engine_settle.c (they come back),
 * engine_retry.c (what becomes of those that failed) and engine_partitions.c (assignments and
 * commits). They are one module: all work on one state, under one lock.
 *
 * THE LOCK. `lock` guards all of struct kca__engine but `setup` and `consumer`, which never change,
 * the assignments and their frontiers, and the part of a delivery that delivery.h names. A function
 * ends in _locked when its caller must hold the lock, and in _and_unlock when it also gives it up;
 * all others take it themselves, or need none. It is held for a few dozen instructions. Nothing
 * waits under it but on its two conditions. The application's code never runs under it; `fetch` and
 * `let_go` neither. Order: a consumer's lock before this one; under this one those of the note
 * queue, of the deduplication and of librdkafka's queues, and nothing that calls the engine.
 *
 * THE STATES OF A DELIVERY. Only these functions write `state`. "P": the poller. "T": a thread in
 * kca__engine_take. "A": any thread of the application, a T that brings its last delivery back
 * among them. "R": the thread that the dead letter's publisher reports on, or P.
 *
 *   from       event                                       to         by
 *   ---------  ------------------------------------------  --------- ------------------------------
 *   FREE       a record is fetched                         WAITING    T  accept_one_locked
 *   FREE       it stands in for a delivery that the        EXPIRED,   P, A  stand_in_for_locked
 *              application still has (see below)           and on
 *   WAITING    its turn has come                           OUT        T  give_out_locked
 *   WAITING    its turn has come, but its partition is     WAITING    T  park_locked; resuming puts
 *              paused or draining                                     it back: unpark_locked
 *   WAITING    its turn has come, or it is parked, and     FREE       T  kca__engine_take_locked;
 *              its partition is revoked                               P  drop_parked_locked
 *   OUT        settled with a verdict                      SETTLED    A  kca__engine_settle_locked
 *   OUT        given back without one: as KCA_FAILED       SETTLED    A  kca__engine_give_back
 *   OUT        withdrawn: counts as nothing                SETTLED    T  kca__engine_withdraw
 *   OUT        its processing time is over                 EXPIRED    P  expire_locked
 *   SETTLED,   settled again: does not count               the same   A  kca__engine_settle
 *   EXPIRED
 *   SETTLED,   given back with the fate RETRY              COMING     A  meet_fate_locked
 *   EXPIRED      ... and the engine stops                  FREE
 *              given back with the fate DEAD_LETTER        CONDEMNED
 *              given back with no fate, or its partition   FREE       A  give_back_and_unlock
 *              is revoked, or the engine is shut
 *   COMING     due, with the fate RETRY                    WAITING    P  bring_back_locked
 *              due, with the fate DEAD_LETTER              CONDEMNED
 *              its partition is revoked                    FREE       P, T  sweep_due_locked, or
 *                                                                     bring_back_locked
 *   CONDEMNED  its letter is being written                 WRITING    P  kca__engine_take_condemned
 *              its partition is revoked                    FREE       P, T  sweep_condemned_locked
 *   WRITING    stored                                      FREE       R  kca__engine_letter_stored
 *              not stored, and the engine stops            FREE       R  kca__engine_letter_failed
 *              not stored, or postponed                    COMING     R  write_later_locked
 *                ... and its partition is revoked          FREE
 *   WAITING,   the engine is shut                          FREE       P  shut_delivery_locked
 *   COMING,
 *   CONDEMNED
 *
 * T sweeps, too: when a partition's offsets go back, its assignment is revoked and begins anew with
 * the record that T has just fetched.
 *
 * THE FATE is decided once, when a delivery is settled or expires, and met when it is given back:
 *
 *   KCA_DONE, KCA_DUPLICATE                    NONE, and the frontier passes it
 *   the partition is revoked                   NONE, and nothing counts
 *   failed or expired, attempts left, its      RETRY
 *   error is not one that is rejected
 *     ... and the engine stops                 NONE: the record comes again after the next start
 *   else, with a dead-letter channel           DEAD_LETTER; the frontier passes it when its letter
 *                                              is stored
 *   else, failure policy "skip"                NONE, a fault, and the frontier passes it
 *   else, failure policy "stop"                NONE, and the engine ends with the error
 *
 * RETRY becomes NONE when the delivery is WAITING again; DEAD_LETTER stays until it is FREE.
 *
 * A STAND-IN is a second delivery of one record (`sharing`). It takes over the place in the lane
 * and in the frontier, and the fate, which it meets at once. What the application keeps is then
 * only memory to be given back. There are two occasions: kca__engine_settle of a failure, for the
 * application may free the delivery much later; and an expiry under the timeout policy "abandon".
 * Under the policy "wait" an expired delivery keeps its lane until its handler is back. None is
 * made while the engine stops, of a revoked partition, or without memory: then the fate waits until
 * the delivery is given back.
 *
 * HOW A DELIVERY ENDS. The verbs, each one step:
 *
 *   settle        the verdict counts: the frontier passes the delivery, or its fate is decided
 *   take back     it leaves the list of those that are out, settled or expired
 *   open lane     the next delivery of its key may be given out
 *   detach        a stand-in goes on in its stead
 *   give back     the application lets go of it: it meets its fate, or its record and its place are
 *                 free
 *   withdraw      give back without having settled
 *   drop          a delivery that the engine alone has: open lane, release record, free
 *   release       of the record: it goes back to librdkafka
 *   free          the delivery is FREE: its place in the engine is another record's
 *   put away      settle and give back what a thread brings with it (kca__returned), in its stride:
 *                 settled with one lock, its record released without, freed with the next lock
 *
 * Records of a revoked partition are dropped when their turn comes. In a partition that is not
 * revoked a delivery leaves the frontier's open ones by being settled only: what lies between open
 * ones counts as finished. So a delivery that is dropped without being settled, as the engine
 * stops, is not used again: while it stops no delivery is made.
 */
#ifndef KCA_ENGINE_ENGINE_PRIVATE_H
#define KCA_ENGINE_ENGINE_PRIVATE_H

#include "engine/engine.h"

struct kca__engine {
    kca__engine_setup setup; /* its clock_ms is set */
    char *consumer;          /* setup's, in the engine's own memory */

    pthread_mutex_t lock;
    pthread_cond_t work;    /* something may be taken, or it is over */
    pthread_cond_t settled; /* `out` or `writing` went down, a fetch ended, or it is over */
    int idle;               /* threads that wait for work */
    bool waking;            /* one of them was signalled and does not run yet */
    bool may_nap;           /* a burst came since the last nap */
    bool napping;           /* one of them looks again by itself, very soon */
    bool fetching;          /* a thread is inside setup.fetch */
    bool fetch_held;        /* nobody may begin to */
    uint64_t fetches;       /* that ended */
    kca__lanes lanes;
    kca__assigned_list assigned; /* also revoked ones that are still held */
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
    int holders;   /* the owner, and one for each delivery that is out or being written */
    bool stopping; /* nothing more is given out */
    bool closed;   /* and the group has been left: kca__engine_shut */
    bool watched;  /* somebody asked for the notifier's descriptor */
    int64_t drain_deadline;
    kca_error *failure;
    kca__event_list notes; /* when there is no setup.note_queue */
    kca__notifier notifier;
    kca__engine_counts counts; /* without held, out and waiting */
};

/* ---- engine.c ---- */

/* Work or room appeared: one idle thread looks, or the one that fetches. */
void kca__engine_wake_one_locked(kca__engine *e);

/* After settling or taking: if more is to be done than this thread does, another one is woken. */
void kca__engine_wake_locked(kca__engine *e);

/* Every thread looks: the engine ends. */
void kca__engine_wake_all_locked(kca__engine *e);

void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset);
void kca__engine_fail_locked(kca__engine *e, kca_error *error);

/* kca__engine_fail without the fault: there was one already. */
void kca__engine_end_locked(kca__engine *e, kca_error *error);

/* ---- engine_take.c ---- */

/* How many more records fit. */
int kca__engine_room_locked(const kca__engine *e);
void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count);

/* The burst is accepted. */
void kca__engine_end_fetch_locked(kca__engine *e);

/* What is ready may be taken: it need not wait for a transaction first. */
bool kca__engine_has_ready_locked(const kca__engine *e);

/* The next delivery, now out; NULL: none is ready. */
kca_delivery *kca__engine_take_locked(kca__engine *e);

/* A new delivery, without a record; NULL when memory is out. */
kca_delivery *kca__engine_new_delivery_locked(kca__engine *e);

/* ---- engine_settle.c ---- */

/* False: it does not count any more. */
bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict);
void kca__engine_take_back_locked(kca__engine *e, kca_delivery *d);
void kca__engine_open_lane_locked(kca__engine *e, kca_delivery *d);
void kca__engine_drop_locked(kca__engine *e, kca_delivery *d);

/* What it published goes with the next transaction. */
void kca__engine_publish_locked(kca__engine *e, kca_delivery *d);

/* Giving back in two steps, of which only the second needs the lock. Not for a delivery that has
 * more to come. */
bool kca__engine_has_ended(const kca_delivery *d);
void kca__engine_release_record(kca_delivery *d);
void kca__engine_free_delivery_locked(kca__engine *e, kca_delivery *d);

/* ---- engine_retry.c ---- */

/* Decides the fate of one that has failed, for the reason in `failure_...`. True: it counts as
 * settled now. */
bool kca__engine_decide_locked(kca__engine *e, kca_delivery *d, bool rejected);

/* The application has given back a delivery that has a fate. */
void kca__engine_meet_fate_locked(kca__engine *e, kca_delivery *d);
void kca__engine_detach_locked(kca__engine *e, kca_delivery *d);

/* It was taken out of the due queue: the counts follow. */
void kca__engine_leave_due_locked(kca__engine *e, const kca_delivery *d);

/* ---- engine_partitions.c ---- */

void kca__engine_revoke_locked(kca__engine *e, kca__assigned *a);
void kca__engine_sweep_locked(kca__engine *e);

#endif
