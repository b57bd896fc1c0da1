/* A delivery: one record on its way through the application. Its memory is the engine's and is used
 * again. */
#ifndef KCA_ENGINE_DELIVERY_H
#define KCA_ENGINE_DELIVERY_H

#include <stdatomic.h>

#include "base/event.h"
#include "engine/assigned.h"
#include "engine/due_queue.h"
#include "engine/frontier.h"
#include "engine/lanes.h"
#include "engine/parking.h"
#include "message/held_record.h"
#include "message/message.h"
#include "telemetry/exporter.h"

enum { KCA__DELIVERY_HEADERS = 16 };

typedef enum kca__delivery_state {
    KCA__DELIVERY_FREE,
    KCA__DELIVERY_WAITING,   /* ready, behind another of its key, set aside, or gathered */
    KCA__DELIVERY_OUT,       /* the application has it, and its verdict will count */
    KCA__DELIVERY_SETTLED,   /* the application has settled it, and not given it back yet */
    KCA__DELIVERY_KEPT,      /* settled; its verdict waits for those before it in its batch */
    KCA__DELIVERY_EXPIRED,   /* what the application does with it does not count any more */
    KCA__DELIVERY_COMING,    /* in the due queue: its time has not come, or it is to be retried, or
                                written once more */
    KCA__DELIVERY_CONDEMNED, /* a letter is to be written of it */
    KCA__DELIVERY_WRITING    /* that is under way */
} kca__delivery_state;

/* What becomes of a delivery that failed, or is to be answered, once the application has given it
 * back. AGAIN: it counts as nothing, and is given out once more at its turn. */
typedef enum kca__fate {
    KCA__FATE_NONE,
    KCA__FATE_AGAIN,
    KCA__FATE_RETRY,
    KCA__FATE_RETRY_CHANNEL,
    KCA__FATE_RELAY,
    KCA__FATE_DEAD_LETTER,
    KCA__FATE_REPLY
} kca__fate;

/* How its letter or reply is written next: the owner's, who writes it. */
typedef struct kca__letter_form {
    bool trimmed; /* the whole one was refused; a reply: the asker is told that instead */
    bool alone;   /* it was refused in company, which may have been the reason */
} kca__letter_form;

/* Whether somebody waits for its reply. */
typedef enum kca__asked { KCA__ASKED_UNKNOWN, KCA__ASKED_NO, KCA__ASKED_YES } kca__asked;

/* The bytes of a message id, to be remembered once its reply is stored. */
typedef struct kca__kept_id {
    char *bytes; /* NULL: none */
    size_t len;
} kca__kept_id;

/* How the application itself settled one of a batch, for the hooks after its handler. */
typedef struct kca__outcome {
    bool is_wanted; /* there are hooks */
    bool is_there;
    int verdict;
    char *error_name, *error_text;
} kca__outcome;

struct kca__engine;

struct kca_delivery {
    kca_event event; /* first: the event handed out is the delivery */
    kca__lane_entry lane;

    kca__frontier_entry frontier;
    kca__due_entry due;

    /* guarded by the engine's lock; the states' table is in engine_private.h */
    kca__delivery_state state;
    kca__fate fate;
    bool in_lane;
    bool delayed;           /* in the due queue because its time has not come */
    bool late;              /* its processing time is over, and its handler is not back */
    int handling;           /* handlers of the callback form and publishes that run with it */
    bool let_go;            /* meanwhile the application has freed it */
    kca_delivery *all_next; /* of all that were ever made */
    kca_delivery *next;     /* of those that are free; of those that are out, oldest first */
    kca_delivery *previous;
    kca_delivery *sharing; /* ring of the deliveries of one record; itself when alone */
    bool shared;           /* another delivery has its record, or had it */
    int64_t time_ms;       /* not given out before; 0: its time has come */
    int64_t deadline_ms;   /* written when it is given out */
    int64_t failed_ms;     /* time of day when it failed last */
    char *failure_name;    /* why; NULL: not explained */
    char *failure_text;
    char *refusal_text; /* why its reply was refused when it was here last; NULL: it was not */
    int writes;         /* of its letter, so far */
    kca__letter_form letter, reply_form;
    bool postponed;     /* its letter is: the assignment's `writing` has it meanwhile */
    bool answers_error; /* its reply is that it failed: failure_text */
    kca__kept_id id;
    atomic_int asked; /* kca__asked: also its taker's, before it is handed out */
    const void *key;  /* inside the record; only where keys may be parked, as the next */
    size_t key_len;
    uint64_t key_hash; /* 0: it has no key that may be parked */
    kca__parked parked;
    kca__parked_place place;
    kca_message *question; /* where its reply goes, if not as the record says; NULL: it does */
    bool is_letter;        /* its dead letter is stored */
    int batch;             /* which of the engine's it is handled in; 0: by itself */
    int batch_size;        /* of the one that it is out in */
    bool alone;            /* that failed as a whole: the next one holds this delivery only */
    bool is_gathered;
    bool behind_failed;       /* while it is out: one before it in its lane is kept as failed */
    int verdict;              /* while it is kept, as the next */
    bool is_back;             /* the application has given it back */
    kca_delivery *batch_next; /* in the event that hands out its batch */
    kca__span *span;          /* of this attempt; NULL: it is not sampled, or has ended */

    /* the application's and its processor's alone while out */
    struct kca__engine *engine;
    kca__assigned *assigned;
    void *record;
    int64_t offset;
    int64_t timestamp_ms;
    int attempt;
    char *error_name; /* explained by the handler that has it now */
    char *error_text;
    kca__outcome outcome;
    char *traceparent; /* set by a hook, as the next: what is published goes on with it; or NULL */
    char *tracestate;
    char process[KCA__TRACEPARENT_ROOM]; /* where the message's traceparent is, with an exporter */
    kca__held_records published;         /* in its transaction; the engine's once it is settled */
    kca__held_record *reply;             /* likewise; NULL: none was given */
    kca_message message;
    kca__header headers[KCA__DELIVERY_HEADERS];
    kca__header *more_headers; /* all of them, when they do not fit */
};

static inline kca_delivery *kca__delivery_of_lane(kca__lane_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, lane));
}

static inline kca_delivery *kca__delivery_of_due(kca__due_entry *entry) {
    return (kca_delivery *)((char *)entry - offsetof(kca_delivery, due));
}

/* A letter is to be written of it: a dead letter, a reply, or its record, to a retry channel or to
 * where it is relayed. */
static inline bool kca__delivery_owes_letter(const kca_delivery *d) {
    return d->fate >= KCA__FATE_RETRY_CHANNEL;
}

/* See kca_delivery_explain. Without memory for the text it stays as it was. */
void kca__delivery_explain(kca_delivery *d, const char *error_name, const char *text);

/* Before the application settles it: its outcome, if that is wanted, and there is none yet. */
void kca__delivery_note_outcome(kca_delivery *d, int verdict);
void kca__delivery_clear_outcome(kca_delivery *d);

/* The context that messages published for this one go on with: the message's, or another that was
 * set. To set it is for the thread that handles it; false: memory is out, and nothing changes. */
kca__trace_context kca__delivery_context(const kca_delivery *d);
bool kca__delivery_set_context(kca_delivery *d, const char *traceparent, const char *tracestate);

#endif
