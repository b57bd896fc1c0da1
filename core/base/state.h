/*
 * State: how something that works with a cluster is doing: it connects, it is well, or it connects
 * again, since when, and what stands in its way. It decides what the application is told: each
 * change, the first trouble of a state, and one fault when the trouble of a state lasts.
 *
 * Time is an argument; the owner locks. {0} is stopped.
 */
#ifndef KCA_BASE_STATE_H
#define KCA_BASE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "kca.h"

enum { KCA__STATE_STOPPED = 0, KCA__TROUBLE_ADDRESS = 300, KCA__TROUBLE_REASON = 600 };

/* What stands in its way. */
typedef struct kca__trouble {
    int code;                           /* KCA_ERROR_... */
    int broker;                         /* its id; -1: not known, or none in particular */
    bool coordinator;                   /* it concerns the group's coordinator */
    char address[KCA__TROUBLE_ADDRESS]; /* "host:port"; "": none in particular */
    char reason[KCA__TROUBLE_REASON];
} kca__trouble;

typedef struct kca__state {
    int now;               /* KCA_STATE_..., or stopped */
    int64_t since_ms;      /* monotonic */
    int64_t since_unix_ms; /* milliseconds since 1970 */
    bool in_trouble;
    bool fault_told;
    kca__trouble trouble; /* if it is */
} kca__state;

/* True: it was another, and the application is to be told. Trouble ends with it. */
bool kca__state_enter(kca__state *s, int state, int64_t now_ms, int64_t unix_ms);

/* True: it is the first of this state, and the application is to be told. */
bool kca__state_meet(kca__state *s, const kca__trouble *trouble);

/* It has gone, though the state lasts. */
void kca__state_clear(kca__state *s);

/* Trouble has lasted for `after_ms` (0: never): true once for each state. */
bool kca__state_fault_is_due(kca__state *s, int64_t now_ms, int after_ms);

/* "stopped", "connecting", "connected", "joined" or "reconnecting". */
const char *kca__state_name(int state);

/* An error that says the trouble; `who`: "consumer NAME"; `waited_ms` -1: without how long. */
kca_error *kca__state_error(const kca__state *s, const char *who, int64_t waited_ms);

#endif
