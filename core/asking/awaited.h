/*
 * An awaited answer: that to a message which was sent, an ask.
 *
 * It begins with its event: what becomes of the ask is told by handing it out. It has two users:
 * who waits for it (the queue, then the application; or a call that blocks), and the report of the
 * broker, which may come after the answer. The last of them frees it.
 */
#ifndef KCA_ASKING_AWAITED_H
#define KCA_ASKING_AWAITED_H

#include <pthread.h>

#include "base/event.h"
#include "message/held_record.h"

struct kca__asks;

typedef struct kca__awaited {
    kca_event event; /* first: the event handed out is the ask */
    struct kca__asks *asks;

    /* guarded by the lock of its asks */
    struct kca__awaited *next_of_bucket;
    struct kca__awaited *next, *previous; /* of those that wait */
    int64_t deadline_ms;
    pthread_cond_t *waiter; /* of a call that blocks; NULL: the event goes to the queue */
    bool accepted;          /* its message is; set for the queue's only */
    bool ended;
    int users;

    /* set before anybody is told of its end */
    kca__held_record *record;
    kca_message reply; /* a view into it */

    const char *name; /* of the message that was sent */
    char id[];        /* its correlation id, then the name */
} kca__awaited;

/* NULL: memory is out. */
kca__awaited *kca__awaited_new(const char *correlation_id, const char *name);

/* Its event only: no user has it any more. */
void kca__awaited_free(kca__awaited *ask);

/* Keeps a copy of its answer, which is written in this dialect. Gives the error that the answer
 * tells of, {"error": text}, or that there is no memory for it; NULL: it is a result. */
kca_error *kca__awaited_keep(kca__awaited *ask, const kca__record *r, kca__dialect dialect,
                             int64_t now_ms);

#endif
