/* A delivery: one record on its way through the application. Its memory is the engine's and is used
 * again. */
#ifndef KCA_CORE_DELIVERY_H
#define KCA_CORE_DELIVERY_H

#include "event.h"
#include "lanes.h"
#include "message.h"

enum { KCA__DELIVERY_HEADERS = 16 };

typedef enum kca__delivery_state {
    KCA__DELIVERY_FREE,
    KCA__DELIVERY_WAITING, /* ready, or behind another of its key */
    KCA__DELIVERY_OUT,     /* the application has it */
    KCA__DELIVERY_SETTLED, /* ... and has settled it */
    KCA__DELIVERY_EXPIRED  /* ... and its time is over: counts as failed */
} kca__delivery_state;

struct kca__engine;
struct kca__partition;

struct kca_delivery {
    kca_event event; /* first: the event handed out is the delivery */
    kca__lane_entry lane;

    /* guarded by the engine's lock */
    kca__delivery_state state;
    bool in_lane;
    kca_delivery *next; /* free list, or the deliveries that are out, oldest first */
    kca_delivery *previous;
    int64_t deadline_ms;
    uint64_t number; /* in its partition's frontier */

    /* the application's and its processor's alone while out */
    struct kca__engine *engine;
    struct kca__partition *partition;
    void *record;
    int64_t offset;
    int64_t timestamp_ms;
    int attempt;
    char *error_name; /* explained by the handler */
    char *error_text;
    kca_message message;
    kca__header headers[KCA__DELIVERY_HEADERS];
    kca__header *more_headers; /* all of them, when they do not fit */
};

#endif
