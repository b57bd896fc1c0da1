/*
 * Local bus: one without a channel. What is published or sent through it is handled in this process
 * by the handler of its name, inside the call, as a consumer would handle it; what became of it is
 * the call's outcome. Each message is a kca__local, which the system knows until it has ended.
 */
#ifndef KCA_SYSTEM_LOCAL_BUS_H
#define KCA_SYSTEM_LOCAL_BUS_H

#include "system/system.h"

/* In which form the outcome is wanted. */
typedef enum kca__local_form {
    KCA__LOCAL_PUBLISH,     /* the receipt, or why the handler failed */
    KCA__LOCAL_ASK,         /* the reply's event, or its error */
    KCA__LOCAL_ASK_BY_TOKEN /* the reply's event comes to the system's queue */
} kca__local_form;

typedef struct kca__local_wish {
    kca__local_form form;
    int type; /* the bus' */
    uint64_t token;
    int timeout_ms; /* -1: for ever */
} kca__local_wish;

/* Through the hooks. The application may free its handles inside, the message's, too. `out` NULL:
 * no event is wanted. */
kca_error *kca__local_bus_put(kca_event **out, kca__system *s, const kca_message *m,
                              const kca__local_wish *wish);

/* The same step by step, without the hooks: begin; kca__local_next, until it has ended; conclude,
 * which gives the event of its end, or NULL without memory; end. */
kca_error *kca__local_bus_begin(kca__local **out, kca__system *s, const kca_message *m,
                                const kca__local_wish *wish);
kca_event *kca__local_bus_conclude(kca__local *l);
void kca__local_bus_end(kca__local *l);

/* False: none waits. */
bool kca__local_bus_cancel(kca__system *s, uint64_t token);

/* A receipt of nothing: of a message that a hook dropped. */
kca_error *kca__local_bus_drop(kca_event **out, kca__system *s, uint64_t token);

/* open: messages are taken. close: no more are, nothing is tried again, and those whose handlers
 * run are waited for until the deadline: gives how many are left, which end as stopped. */
void kca__local_buses_open(kca__system *s);
int kca__local_buses_close(kca__system *s, int64_t deadline);

/* stop: nothing is tried again; end: what waits ends as stopped. Neither waits. */
void kca__local_buses_stop(kca__system *s);
void kca__local_buses_end(kca__system *s);
bool kca__local_buses_are_handling(kca__system *s);

#endif
