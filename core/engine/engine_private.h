/*
 * The inside of the inbound engine, for its own files: engine.c (life, notes, the end),
 * engine_take.c (records come, deliveries are given out), engine_settle.c (they come back),
 * engine_batch.c (those that are handled together), engine_retry.c (what becomes of those that
 * failed), engine_retry_channel.c (those that come again by way of a topic), engine_refused.c
 * (those for whose records a transaction was aborted), engine_partitions.c (assignments and
 * commits) and engine_health.c (what waits, and for what). They are one module: all work on one
 * state, under one lock.
 *
 * THE LOCK. `lock` guards all of struct kca__engine but `setup` and `consumer`, which never change;
 * also the assignments with their frontiers, and the part of a delivery that delivery.h names. A
 * function ends in _locked when its caller must hold the lock, and in _and_unlock when it gives it
 * up, too; all others take the lock themselves or need none. It is held for a few dozen
 * instructions; nobody waits while holding it but on its two conditions. The application's code
 * never runs under it, nor do `fetch` and `let_go`. Order: the system's and a consumer's lock come
 * before it; the note queue's, the deduplication's and librdkafka's own come after it. What is
 * called under it must not call the engine, but for kca__engine_raise, which takes no lock.
 *
 * THE STATES OF A DELIVERY, and who moves it. P: the poller. T: a thread in kca__engine_take. A:
 * any thread that settles or frees a delivery, T among them. R: the thread on which the dead
 * letter's publisher reports, or P. "kca__engine_" is left out of the functions' names.
 *
 *   from       event                                     to          by
 *   ---------  ----------------------------------------  ----------  ------------------------------
 *   FREE       a record was fetched                      WAITING     T  accept_one_locked
 *   FREE       a stand-in is needed (see below)          EXPIRED *   P, A  stand_in_for_locked
 *   WAITING    its turn has come                         OUT         T  give_out_locked
 *   WAITING    its turn has come, its partition is       WAITING,    T  set_aside_locked
 *                paused or draining                        set aside
 *   WAITING    it is set aside, its partition is         WAITING     A  take_up_locked
 *                resumed
 *   WAITING    its turn has come, but not its time       COMING      T  delay_locked
 *   WAITING    its turn has come, its partition is       FREE        T  take_locked
 *                revoked
 *   WAITING    its turn has come, and its result or      EXPIRED *   T  meet_refusal_locked
 *                dead letter was refused when it was
 *                here last: it has failed
 *   WAITING    its turn has come, but its key is         EXPIRED *   T  follow_locked
 *                parked: it follows a dead letter
 *   WAITING    it is set aside, its partition is         FREE        P, T  drop_set_aside_locked
 *                revoked
 *   WAITING    its turn has come, it is of a batch       WAITING,    T  gather_locked,
 *                                                          gathered     join_locked
 *   WAITING    it is gathered, and its batch is given    OUT         T  give_out_locked
 *                out
 *   WAITING    it is gathered, its partition is paused   WAITING,    T  hold_back_locked
 *                or draining when its batch is given         set aside
 *                out; revoked: FREE
 *   WAITING    it is gathered, its partition is revoked  FREE        P, T  sweep_batches_locked
 *   OUT        settled with a verdict                    SETTLED     A  settle_locked
 *   OUT        ... but one before it of its lane is out  KEPT        A  settle_locked
 *                in its batch, or not answered yet
 *   OUT        one before it in its batch and lane has   EXPIRED     A, P  call_off_locked
 *                failed, or the batch as a whole has
 *   OUT        given back, and one before it in its      EXPIRED *   A  come_again_locked
 *                batch and lane is kept as failed
 *   KEPT       those before it are finished: its         SETTLED **  A  settle_kept_locked
 *                verdict counts
 *   KEPT       one before it has failed, or its reply    SETTLED **  A, P, R  call_off_kept_locked
 *                is not stored when the engine stops
 *   KEPT       its partition is revoked                  FREE **     P, T  sweep_batches_locked
 *   OUT        given back: as if settled with            SETTLED **  A  give_back
 *                KCA_FAILED
 *   OUT        withdrawn: counts as nothing              SETTLED **  T  withdraw
 *   OUT        its processing time is over               EXPIRED     P  expire_locked
 *   EXPIRED    settled: does not count, but its handler  EXPIRED     A  detach_locked
 *                is back: a stand-in meets its fate, or
 *                its lane opens
 *   SETTLED    settled again: does not count             SETTLED     A  settle
 *   SETTLED,   given back, fate RETRY                    COMING      A  come_later_locked
 *   EXPIRED      ... and the engine is stopping          FREE        A  meet_fate_locked
 *              given back, it owes a letter              CONDEMNED   A  condemn_locked
 *              given back, fate NONE, or the partition   FREE        A  give_back_and_unlock
 *                is revoked, or the engine is shut
 *   SETTLED,   given back, fate AGAIN                    WAITING     A  wait_again_locked
 *   EXPIRED      ... and the engine is stopping          FREE        A  meet_fate_locked
 *   WAITING    its turn has come, all is relayed         EXPIRED *   T  relay_locked
 *   COMING     due, fate RETRY, or its time has come     WAITING     P  bring_back_locked
 *   COMING     due, it owes a letter                     CONDEMNED   P  bring_back_locked
 *   COMING     its partition is revoked                  FREE        P, T  sweep_due_locked,
 *                                                                    P  bring_back_locked
 *   CONDEMNED  its letter is to be written now           WRITING     P  take_condemned
 *   CONDEMNED  its partition is revoked                  FREE        P, T  sweep_condemned_locked
 *   WRITING    stored                                    FREE        R  letter_stored
 *   WRITING    its dead letter is stored, or the policy  CONDEMNED   R, P  go_on_locked
 *                lets it be skipped, and it is asked;
 *                or it is not taken where it is to
 *                be retried or relayed, and there is
 *                a dead-letter channel
 *   WRITING    failed                                    COMING      R  letter_failed
 *   WRITING    postponed: its publisher has no room, or  COMING      P, R  letter_postponed
 *                it is to be written in another form
 *   WRITING    refused for good in every form            FREE        R, P  letter_refused
 *   WRITING    failed or postponed, its partition is     FREE        R  write_later_locked
 *                revoked
 *   WRITING    failed, the engine is stopping            FREE        R  letter_failed
 *   WAITING,   the engine is shut                        FREE        P  shut_delivery_locked
 *   KEPT **,
 *   COMING,
 *   CONDEMNED
 *
 *   *   and with the same lock held COMING, CONDEMNED or FREE, as its fate is
 *   **  and with the same call WAITING, COMING, CONDEMNED or FREE when it is given back, or was
 *       already
 *
 * A letter is a dead letter, a reply, or a record to a retry channel or to where it is relayed:
 * they are written in the same states, and the fate, DEAD_LETTER, REPLY, RETRY_CHANNEL or RELAY,
 * says which: one of these owes a letter. It becomes FREE in kca__engine_free_delivery_locked only.
 * T revokes and sweeps when a partition's offsets go back: the assignment begins anew with the
 * record that T has just fetched. Being shut leaves OUT, SETTLED, EXPIRED and WRITING as they are,
 * and revokes all partitions.
 *
 * ITS FATE is decided when it is settled or expires, and met when it is given back:
 *
 *   its partition is revoked                   NONE; the verdict does not count
 *   KCA_DONE                                   NONE; the frontier passes it
 *     ... and it is asked                      REPLY; the frontier passes it when its reply is
 *                                              stored, or refused for good
 *   KCA_DUPLICATE                              as KCA_DONE if it was given a reply, else NONE
 *   called off, or its batch of several failed AGAIN; its attempt does not count. It is WAITING at
 *   or expired as a whole                      its place in the lane; the head of the lane, too, is
 *                                              not given out before all those are back
 *   failed or expired, with attempts left and
 *   no error of those that are rejected        RETRY
 *     ... and the engine is stopping           NONE; the record comes again after the next start
 *     ... and there are retry channels         RETRY_CHANNEL; the frontier passes it when its
 *                                              record is stored there. When it is refused for good:
 *   it follows a dead letter of its key        DEAD_LETTER, without a REPLY
 *   else, with a dead-letter channel           DEAD_LETTER; the frontier passes it when its letter
 *                                              is stored, and, if it is asked, REPLY comes first;
 *                                              when the letter is refused for good:
 *   else, failure policy "skip"                NONE and a fault; the frontier passes it, or, if it
 *                                              is asked, REPLY
 *   else, failure policy "stop"                NONE and a fault; the engine ends with the error
 *
 * It is asked when the owner says that somebody waits for its reply (`asked`, `is_asked`). What it
 * published and the reply that it was given are kept until the reply is stored, and go out, in a
 * transaction, together.
 *
 * RETRY becomes NONE when it is WAITING again, the letters when it is FREE. One that has
 * a fate, or comes again, keeps its lane: the next of its key waits for it.
 *
 * A STAND-IN is a second delivery of a record (`sharing`). It takes over the position in the lane
 * and in the frontier, and the fate, which it meets at once; what the application has is then only
 * memory, to be given back at any time. One is made when kca__engine_settle counts what has a fate,
 * for the application may free the delivery much later; when what is put away owes a letter, which
 * a rebalance and a stop must see at once; when an expired one with a fate is settled; and when one
 * expires under the timeout policy "abandon". Under the policy "wait" an expired delivery keeps its
 * lane until its handler is back. None is made of a revoked partition, without memory, or for a
 * RETRY while the engine is stopping: then the fate waits for the giving back. One that owes a
 * letter has one also while it stops, for the poller waits for the letter, and leaves the group
 * when it sees none.
 *
 * HOW A DELIVERY ENDS, the verbs:
 *
 *   settle     its verdict counts: the frontier passes it, or its fate is decided
 *   take back  settled or expired, it leaves the list of those that are out
 *   detach     its handler is back: a stand-in meets its fate, or its lane opens
 *   give back  the application lets go of it: it meets its fate, or ends
 *   withdraw   is given back without having been settled
 *   put away   what a thread brings with it (kca__returned) is settled and given back in passing:
 *              settled at one lock, its record released without, freed at the next lock
 *   drop       the engine ends one that the application does not have
 *   end        = open lane (the next of its key may be given out), release record (to librdkafka),
 *              free (its memory and its room are for another record)
 *
 * What may be used again. In a partition that is not revoked a delivery leaves the frontier's open
 * ones by being settled only: what lies between open ones counts as finished. So one that ends
 * without being settled, which happens only while the engine is stopping, is not used again: a
 * stand-in, the only delivery that is made then, has memory of its own.
 */
#ifndef KCA_ENGINE_ENGINE_PRIVATE_H
#define KCA_ENGINE_ENGINE_PRIVATE_H

#include "engine/engine.h"

/* What became of a delivery's records in a transaction that was aborted because of them: it fails
 * with that when its turn comes again, instead of being given out. */
typedef struct kca__refused {
    kca__link link;
    const kca__topic_partition *topic_partition;
    int64_t offset;
    int attempt; /* at which it published them, became a dead letter, or was answered */
    /* Its dead letter or reply was refused: written trimmed now, or, with an error, never. */
    kca__held_kind kind;
    char *name, *text; /* of its failure */
    kca_error *error;
} kca__refused;

/* Deliveries whose batch is not full yet. */
typedef struct kca__gathering {
    int most;
    int wait_ms;
    kca__list gathered; /* by the links of their events */
    int64_t due_ms;     /* while there are any, as the next */
    bool is_due;
} kca__gathering;

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
    kca__gathering *gatherings;  /* setup.batch_count of them */
    kca__assigned_list assigned; /* also revoked ones that are still held */
    kca_delivery *all;
    kca_delivery *free;
    kca_delivery *out_first; /* by deadline */
    kca_delivery *out_last;
    kca__due_queue due;
    int coming;         /* in the due queue */
    int coming_letters; /* of these, letters to be written again */
    int64_t poller_wakes_ms;
    kca__list condemned;
    int writing;
    kca__held_records batch; /* of the next transaction: what settled deliveries published */
    kca__list refused;       /* of the transactions before */
    uint64_t random;         /* of the jitter; not 0 */
    size_t longest_metadata; /* characters */
    size_t told_metadata;    /* the longest that was collected last */
    bool went_back;          /* a partition's offsets */
    int held;
    int exempt; /* held records of partitions that are kept back: they take no room */
    int out;
    int late;      /* deliveries that have expired, and whose handlers are not back */
    int holders;   /* the owner, and one for each delivery that is out or being written */
    bool stopping; /* nothing more is given out */
    bool closed;   /* and the group has been left: kca__engine_shut */
    bool spares;   /* what fails for good comes again after the next start: see kca__engine_spare */
    bool left_out; /* nobody waits for what is out: kca__engine_leave_out */
    bool watched;  /* somebody asked for the notifier's descriptor */
    int64_t drain_deadline;
    kca_error *failure;
    int64_t failed_ms; /* monotonic, of the failure */
    kca__notes notes;  /* when there is no setup.note_queue */
    kca__notifier notifier;
    kca__engine_counts counts; /* without held, out and waiting */
    int64_t turns;   /* a sum that giving out and settling change, when it was looked at */
    int64_t turn_ms; /* and since when it is so */
};

/* ---- engine.c ---- */

/* Work or room appeared: one idle thread looks, or the one that fetches. */
void kca__engine_wake_one_locked(kca__engine *e);

/* After settling or taking: if more is to be done than this thread does, another one is woken. */
void kca__engine_wake_locked(kca__engine *e);

/* Every thread looks: the engine ends. */
void kca__engine_wake_all_locked(kca__engine *e);

void kca__engine_tell_reset_locked(kca__engine *e, const char *topic, int partition, int64_t from,
                                   int64_t to, const char *why);
void kca__engine_fault_locked(kca__engine *e, kca_error *error, const char *topic, int partition,
                              int64_t offset);
void kca__engine_fail_locked(kca__engine *e, kca_error *error);

/* kca__engine_fail without the fault: there was one already. */
void kca__engine_end_locked(kca__engine *e, kca_error *error);

/* ---- engine_parked.c ---- */

/* Where keys may be parked. */
void kca__engine_set_key_locked(kca_delivery *d, const void *key, size_t len);

/* Its turn has come: whether its key is parked, and what that means for it. */
void kca__engine_judge_parked_locked(kca__engine *e, kca_delivery *d);

/* It is to follow a dead letter of its key, and has gone on to its fate. False: it may be given
 * out. */
bool kca__engine_follow_locked(kca__engine *e, kca_delivery *d);

/* It becomes a dead letter without having been handled. */
bool kca__engine_follows(const kca_delivery *d);

/* Its key is parked, whatever that means for it. */
bool kca__engine_is_parked_locked(const kca_delivery *d);

/* It is to become a dead letter; when its key is not parked, that will be the first of a line. */
void kca__engine_begin_line_locked(kca_delivery *d);

/* The frontier passes it, and the parking of its partition follows. */
void kca__engine_pass_locked(kca__engine *e, kca_delivery *d);

/* Commits tell of less from now on. */
void kca__engine_shorten_parking_locked(kca__engine *e);

/* The dead letter of a delivery that no longer counts is stored. If a seek went past it, so that it
 * does not come again, its key is parked all the same. */
void kca__engine_note_late_letter_locked(kca__engine *e, kca_delivery *d);

/* ---- engine_take.c ---- */

/* How many more records fit. */
int kca__engine_room_locked(const kca__engine *e);
void kca__engine_accept_locked(kca__engine *e, kca__inbound_record *records, int count);

/* The burst is accepted. */
void kca__engine_end_fetch_locked(kca__engine *e);

void kca__engine_give_out_locked(kca__engine *e, kca_delivery *d);

/* Its turn has come, but nothing of its partition is given out now, or ever: it is set aside or
 * dropped. False: it may be given out. */
bool kca__engine_hold_back_locked(kca__engine *e, kca_delivery *d);

/* A delivery's event, freed by the application. */
void kca__engine_release_event(kca_event *event);

/* A delivery is ready, and need not wait for a transaction first. */
bool kca__engine_has_ready_locked(const kca__engine *e);

/* The next delivery, or the first of a batch, chained by `batch_next`, now out; NULL: none is
 * ready. */
kca_delivery *kca__engine_take_locked(kca__engine *e);

/* A new delivery, without a record; NULL when memory is out. */
kca_delivery *kca__engine_new_delivery_locked(kca__engine *e);

/* ---- engine_settle.c ---- */

/* False: it does not count any more. */
bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict);

/* The attempt is over for its span, if it has one: see kca__span_end_process. */
void kca__engine_end_span_locked(kca_delivery *d, int verdict, const char *error_name,
                                 const char *error_text);

/* Its turn to count has come: the frontier passes it; or its fate is decided, and those that are
 * out behind it in its lane are called off. */
void kca__engine_judge_locked(kca__engine *e, kca_delivery *d, int verdict);
void kca__engine_take_back_locked(kca__engine *e, kca_delivery *d);
void kca__engine_open_lane_locked(kca__engine *e, kca_delivery *d);

/* kca__engine_open_lane_locked, but gives the one that is the head of the lane now, whose verdict
 * may have been kept; NULL: none. */
kca_delivery *kca__engine_leave_lane_locked(kca__engine *e, kca_delivery *d);
void kca__engine_drop_locked(kca__engine *e, kca_delivery *d);

/* The frontier passes it, its id is remembered, and the records that it published go with the next
 * transaction. */
void kca__engine_finish_locked(kca__engine *e, kca_delivery *d);

/* The application has given it back: it meets its fate, or ends. */
void kca__engine_part_with_locked(kca__engine *e, kca_delivery *d);

/* Giving back in two steps, of which only the second needs the lock. Not for a delivery that has
 * more to come. */
bool kca__engine_has_ended(const kca_delivery *d);
void kca__engine_release_record(kca_delivery *d);
void kca__engine_free_delivery_locked(kca__engine *e, kca_delivery *d);

/* ---- engine_batch.c ---- */

/* False when memory is out. */
bool kca__gatherings_init(kca__engine *e);

/* One of a batch, whose turn has come. Gives what is to be given out now, as
 * kca__engine_take_locked does; NULL: nothing. */
kca_delivery *kca__engine_gather_locked(kca__engine *e, kca_delivery *d);

/* One of a batch came behind another in its lane: it goes along, if that is gathered. */
void kca__engine_join_locked(kca__engine *e, const kca_delivery *before, kca_delivery *d);

/* A batch is full, or its time has come. */
bool kca__engine_has_ripe_locked(const kca__engine *e);
kca_delivery *kca__engine_take_ripe_locked(kca__engine *e);

/* Gives when the next batch's time comes, or `next_ms` if that is sooner. */
int64_t kca__engine_see_to_batches_locked(kca__engine *e, int64_t now_ms, int64_t next_ms);

/* Those that are out behind it in its lane come again after it, kept verdicts or not.
 * `end_locked` (NULL: they are called off) ends those that the application has not settled. */
void kca__engine_call_off_behind_locked(kca__engine *e, kca_delivery *d,
                                        void (*end_locked)(kca__engine *e, kca_delivery *d));

/* It has failed, and its verdict is kept: those that are out behind it in its lane need not be
 * handled, for most likely they come again after it. Or not any more: it is finished. */
void kca__engine_tell_behind_locked(kca_delivery *d, bool failed);

/* One behind such a failed one is given back without having been settled: it, and those behind it,
 * come again after that. */
void kca__engine_come_again_locked(kca__engine *e, kca_delivery *d);

/* The verdict of one that is the head now. Gives the next head, as kca__engine_leave_lane_locked
 * does. */
kca_delivery *kca__engine_settle_kept_locked(kca__engine *e, kca_delivery *d);

/* Drops those of revoked partitions that the application does not have. */
void kca__engine_sweep_batches_locked(kca__engine *e);
void kca__engine_shut_batches_locked(kca__engine *e);

/* ---- engine_retry.c ---- */

/* The poller must look at what is due by then. */
void kca__engine_wake_poller_by_locked(kca__engine *e, int64_t due_ms);

/* Decides the fate of one that has failed, for the reason in `failure_...`. True: it counts as
 * settled now. */
bool kca__engine_decide_locked(kca__engine *e, kca_delivery *d, bool rejected);

/* Without a dead letter the policy decides. True: it counts as settled. Takes `error`. */
bool kca__engine_give_up_locked(kca__engine *e, kca_delivery *d, kca_error *error);

/* Its fate is a reply, if somebody waits for one: false: nobody does. `failed`: it has. */
bool kca__engine_answer_locked(kca__engine *e, kca_delivery *d, bool failed);

/* Its fate is a dead letter. */
void kca__engine_condemn_locked(kca_delivery *d);

/* The application has given back a delivery that has a fate. */
void kca__engine_meet_fate_locked(kca__engine *e, kca_delivery *d);
void kca__engine_detach_locked(kca__engine *e, kca_delivery *d);

/* Its turn has come, but a transaction was aborted for its records: it has failed, and gone on to
 * its fate. False: nothing is known against it. */
bool kca__engine_meet_refusal_locked(kca__engine *e, kca_delivery *d);

/* A transaction was aborted for its records, and it has not been its turn since. */
bool kca__engine_is_refused_locked(const kca__engine *e, const kca_delivery *d);

/* Forgets what was refused of the partition; NULL: of all. */
void kca__engine_forget_refused_locked(kca__engine *e, const kca__topic_partition *tp);

/* Its time has not come yet. */
bool kca__engine_is_early_locked(const kca__engine *e, const kca_delivery *d);

/* It is WAITING again when its time has come; until then its partition is kept back. */
void kca__engine_delay_locked(kca__engine *e, kca_delivery *d);

/* It was taken out of the due queue: the counts follow. */
void kca__engine_leave_due_locked(kca__engine *e, kca_delivery *d);

/* ---- engine_retry_channel.c ---- */

/* Its fate is a retry channel. */
void kca__engine_pass_on_locked(kca__engine *e, kca_delivery *d);

/* Its turn has come, and it is written on. */
void kca__engine_relay_locked(kca__engine *e, kca_delivery *d);

/* Its retry channel, or where it was to be relayed, refused it for good, with this error (taken):
 * it is given up. True: it counts as settled. */
bool kca__engine_turn_back_locked(kca__engine *e, kca_delivery *d, kca_error *error);

/* ---- engine_partitions.c ---- */

/* One more (1) or less (-1) of its deliveries waits for its time. */
void kca__engine_count_delayed_locked(kca__engine *e, kca__topic_partition *tp, int change);

/* NULL when memory is out. */
kca__assigned *kca__engine_add_assigned_locked(kca__engine *e, const char *topic, int partition);
void kca__engine_revoke_locked(kca__engine *e, kca__assigned *a);
void kca__engine_sweep_locked(kca__engine *e);

#endif
