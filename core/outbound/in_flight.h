/*
 * The messages of one publisher that are in flight: a bounded set.
 *
 * A message takes a slot before it is handed to librdkafka, and its slot travels with it (the
 * record's opaque). The delivery report turns the slot into the receipt, without allocating; the
 * slot is free again when the application frees the receipt, or at once when no receipt was asked
 * for (token 0, synchronous). So an application that publishes faster than the broker stores, or
 * that never reads its receipts, waits here instead of eating memory.
 *
 * The set is counted: it outlives its publisher while receipts are out.
 */
#ifndef KCA_OUTBOUND_IN_FLIGHT_H
#define KCA_OUTBOUND_IN_FLIGHT_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/event_queue.h"
#include "message/message_copy.h"
#include "telemetry/span.h"

typedef struct kca__in_flight kca__in_flight;

/* Where a caller waits for its message's answer; both are written under the producer's lock. */
typedef struct kca__answer {
    bool done;
    kca_error *error;
    int partition; /* where the message is stored */
    int64_t offset;
} kca__answer;

/* Hears what became of a record that the library itself wrote, or of an ask; takes `error` (NULL:
 * stored). Called on a thread that serves the producer. */
typedef void (*kca__written_fn)(void *user, kca_error *error);

/* It begins with its receipt: the receipt handed out is the slot, and a deferred slot is linked by
 * the receipt's link. */
typedef struct kca__slot {
    kca_event receipt;
    kca__in_flight *in_flight;
    kca__answer *answer;     /* NULL: no caller waits */
    kca__written_fn written; /* NULL: nobody hears of it so */
    void *user;
    kca__span *span; /* of the message's sending; NULL: it is not sampled */
    size_t bytes;
    int64_t taken_ms;        /* monotonic, coarse; 0: it is answered, or free */
    kca__message_copy *copy; /* the message while it is deferred; kept for the next one */
    struct kca__slot *next;  /* free after this one */
} kca__slot;

typedef struct kca__in_flight_counts {
    int64_t published; /* accepted: the sum of the next three */
    int64_t stored,
        failed;     /* as their reports say; without acks a record that was sent is stored */
    int unanswered; /* no report yet */
    int receipts;   /* not freed by the application yet */
} kca__in_flight_counts;

kca__in_flight *kca__in_flight_new(const char *topic, int messages, size_t bytes);

/* The publisher lets go of the set. */
void kca__in_flight_release(kca__in_flight *o);

/* Opened by start, shut by shutdown: a shut set gives no slots. */
void kca__in_flight_open(kca__in_flight *o);
void kca__in_flight_shut(kca__in_flight *o);

/* A visitor uses the publisher's client; while one is inside, the client stays. False: the set is
 * shut. */
bool kca__in_flight_enter(kca__in_flight *o);
void kca__in_flight_leave(kca__in_flight *o);

/* Waits until no visitor is inside; once the set is shut and all is answered, none stays for long.
 */
void kca__in_flight_wait_left(kca__in_flight *o);

/* A slot for a message of `bytes` bytes; NULL, without an error, when there is no room. A caller
 * that gets a slot is a visitor, also after the answer, until kca__in_flight_leave. */
kca_error *kca__in_flight_take(kca__slot **out, kca__in_flight *o, size_t bytes);

/* Why there is no room. */
typedef enum kca__in_flight_fill {
    KCA__FILLED_BY_MESSAGES, /* the broker has to answer first */
    KCA__FILLED_BY_RECEIPTS  /* the application has to free receipts first */
} kca__in_flight_fill;

kca__in_flight_fill kca__in_flight_filled_by(kca__in_flight *o);

/* Waits until there may be room. */
void kca__in_flight_wait_for_room(kca__in_flight *o, size_t bytes, int64_t deadline);

/* KCA_ERROR_BUFFER_FULL, whose text says why there is no room. */
kca_error *kca__in_flight_full(kca__in_flight *o, int timeout_ms);

/* Gives back the slot of a message that was not accepted after all. */
void kca__in_flight_give_back(kca__slot *slot);

/* Answers come in batches: begin, which takes the lock, answer for each slot, end. */
void kca__in_flight_begin_answers(kca__in_flight *o);

/* The message of this slot was answered: counts it, and adds a receipt to `receipts` if one was
 * asked for; else the slot is free again. Takes `error`. */
void kca__in_flight_answer_locked(kca__slot *slot, kca_error *error, int partition, int64_t offset,
                                  kca__event_list *receipts);
void kca__in_flight_end_answers(kca__in_flight *o);

/* Waits until no message is unanswered; gives how many still are at the deadline. */
int kca__in_flight_wait_answered(kca__in_flight *o, int64_t deadline);

kca__in_flight_counts kca__in_flight_count(kca__in_flight *o);

/* When the oldest message that is unanswered took its slot; 0: there is none. Looks through the
 * slots, without holding up those who publish for long. */
int64_t kca__in_flight_oldest_ms(kca__in_flight *o);

#endif
