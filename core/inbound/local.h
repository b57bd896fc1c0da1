/*
 * Local: a message on its way through a bus without a channel, to its handler in this process.
 *
 * An engine of its own holds it as a consumer's engine holds a record, so that attempts, pauses,
 * verdicts and replies are the same, and so are deliveries that the application settles later or
 * frees at any time. There is no poller: whoever waits for its end does that work, in
 * kca__local_next, one thread at a time.
 *
 * It lives until its owner, and the application with its deliveries, have let go of it.
 */
#ifndef KCA_INBOUND_LOCAL_H
#define KCA_INBOUND_LOCAL_H

#include "engine/engine.h"

/* How it ended. */
typedef enum kca__local_end {
    KCA__LOCAL_GOES_ON,
    KCA__LOCAL_DONE,
    KCA__LOCAL_FAILED,
    KCA__LOCAL_REJECTED,
    KCA__LOCAL_OVER, /* its time was over */
    KCA__LOCAL_CANCELLED,
    KCA__LOCAL_STOPPED,
    KCA__LOCAL_NO_MEMORY
} kca__local_end;

/* What it is made with; `message` need not outlive the call. */
typedef struct kca__local_setup {
    const kca_message *message;
    int type;              /* of a message that has none */
    kca__retry_plan retry; /* what it points to outlives it */
    int64_t deadline;      /* KCA__CLOCK_NEVER: none */
    bool asks;             /* somebody waits for the handler's reply */
    uint64_t token;
    void (*let_go)(void *user); /* it is gone */
    void *user;
} kca__local_setup;

typedef struct kca__local {
    struct kca__local *next, *previous; /* the owner's, as the next two */
    bool listed;
    bool told;
    kca__local_setup setup; /* without the message */
    kca__engine *engine;
    kca__held_record *record; /* of the message, as it would be on the wire */
    kca__header *headers;     /* of the next */
    kca_message message;      /* a view into the record */
    bool fetched;
    int attempts; /* that were handed out */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool woken;          /* under the lock, as the next two */
    bool released;       /* the engine has done with it */
    kca__local_end wish; /* somebody wants it to end so */

    /* once it has ended */
    kca__local_end end;
    kca__held_record *reply; /* NULL: the handler gave none */
    char *error_name;        /* NULL: not explained */
    char *error_text;
} kca__local;

/* NULL: memory is out; then `let_go` is not called. */
kca__local *kca__local_new(const kca__local_setup *setup);

/* The owner's end of it. */
void kca__local_close(kca__local *l);

/* Waits until the deadline for the next attempt. 1: `*out` is its delivery, to be settled and given
 * back; 0: none came; -KCA_ERROR_STOPPED: it has ended. */
int kca__local_next(kca__local *l, kca_event **out, int64_t deadline);

/* It is to end so, whatever its handler does. Any thread. */
void kca__local_end_as(kca__local *l, kca__local_end end);

/* No attempt begins any more; one that is out is waited for. Any thread. */
void kca__local_stop(kca__local *l);

/* Of a delivery whose handler has returned: if it took too long, what it says does not count. */
void kca__local_see_deadline(const kca_delivery *d);

/* All headers of a delivery's record; NULL: it is a consumer's. */
const kca__record *kca__local_record(const kca_delivery *d);

#endif
