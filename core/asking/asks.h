/*
 * Asks: those of one reply channel that wait for their answers, found by correlation id.
 *
 * Each ask ends once: by its answer, by an error of its publish, when its time is over, when it is
 * cancelled, or when the system shuts down. Its end is told by its event, or to the call that
 * blocks. What comes for an ask that has ended, or for nobody here, is counted and dropped.
 *
 * The set is counted: it outlives its system while events are out. Pure but for its lock: time is
 * an argument, and it knows nothing of librdkafka.
 */
#ifndef KCA_ASKING_ASKS_H
#define KCA_ASKING_ASKS_H

#include "asking/awaited.h"
#include "base/event_queue.h"

typedef struct kca__asks kca__asks;

/* Of `asked`, which wait, and how the others ended. */
typedef struct kca__asks_counts {
    int64_t asked;
    int64_t answered; /* with a result */
    int64_t refused;  /* with an error */
    int64_t unsent;   /* by an error of the publish */
    int64_t timed_out;
    int64_t cancelled;
    int64_t stopped;
    int waiting;
    int64_t late;    /* answers to asks that had ended */
    int64_t unknown; /* answers to nobody's asks here: other instances', mostly */
} kca__asks_counts;

/* Makes whoever calls kca__asks_expire look sooner; called with the lock held. */
typedef void (*kca__asks_wake_fn)(void *user);

/* `channel` and `queue` outlive it. NULL: memory is out. */
kca__asks *kca__asks_new(const char *channel, kca__event_queue *queue, kca__asks_wake_fn wake,
                         void *user);
void kca__asks_release(kca__asks *a);

/* From now on asks are taken; or refused with this error, which it takes. It begins so, as not
 * started. Nothing changes while the set is shut. */
void kca__asks_open(kca__asks *a);
void kca__asks_refuse(kca__asks *a, kca_error *why);

/* Those that wait end with KCA_ERROR_STOPPED, and none is taken any more, whoever opens the set,
 * until it is begun again. */
void kca__asks_shut(kca__asks *a);
void kca__asks_begin(kca__asks *a);

/* The system shuts down: until it is begun again none waits longer than to `until_ms`, and if that
 * is KCA__CLOCK_NEVER, none that has no limit itself. These end with KCA_ERROR_STOPPED. */
void kca__asks_hurry(kca__asks *a, int64_t until_ms);

/* What an ask is to be. */
typedef struct kca__awaited_wish {
    const char *correlation_id;
    const char *name;
    uint64_t token;
    int64_t deadline_ms;
    int timeout_ms;         /* for the text */
    pthread_cond_t *waiter; /* NULL: its end comes to the queue */
    int most;               /* asks at once, with ended ones that are not freed yet */
} kca__awaited_wish;

/* Adds an ask, before its message is published. */
kca_error *kca__asks_add(kca__awaited **out, kca__asks *a, const kca__awaited_wish *wish);

/* Its message is accepted: its end is told from now on. For those without a waiter. */
void kca__asks_accept(kca__awaited *ask);

/* Nobody hears of the ask, because the call has failed. `sent`: its message is on its way all the
 * same, and a report comes. */
void kca__asks_withdraw(kca__awaited *ask, bool sent);

/* The broker has answered the publish, which is told once; an error ends the ask. Takes `error`. */
void kca__asks_hear_report(kca__awaited *ask, kca_error *error);

/* A record has come on the reply channel. */
void kca__asks_hear_answer(kca__asks *a, const kca__record *r, int64_t now_ms);

/* Ends those with this token; false: none waits. */
bool kca__asks_cancel(kca__asks *a, uint64_t token);

/* Ends an ask whose call blocks, as over; nothing if it has ended. */
void kca__asks_give_up(kca__awaited *ask);

/* Ends those whose time is over. Gives how long to wait, at most `most_ms`, until it is called
 * again. */
int kca__asks_expire(kca__asks *a, int64_t now_ms, int most_ms);

/* Of a call that blocks: waits until the ask has ended, until the deadline at most; false: it has
 * not. */
bool kca__asks_wait(kca__awaited *ask, int64_t deadline);

/* ... and when it has: its event, or else its error. */
kca_error *kca__asks_take(kca_event **out, kca__awaited *ask);

kca__asks_counts kca__asks_count(kca__asks *a);

#endif
