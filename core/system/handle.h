/* The application's handles: each holds its system, so that they may be freed in any order. */
#ifndef KCA_SYSTEM_HANDLE_H
#define KCA_SYSTEM_HANDLE_H

#include "system/system.h"

struct kca_system {
    kca__system *core;
};

struct kca_bus {
    kca__system *system;
    kca__publisher *publisher;         /* NULL: without a channel */
    kca__reply_channel *reply_channel; /* where its answers are read; NULL: nowhere */
    int type;                          /* of messages that have none */
};

struct kca_consumer {
    kca__system *system;
    kca__consumer *core;
};

struct kca_queue {
    kca__system *system;
    kca__event_queue *events; /* of the system, or of its logs; or NULL */
    kca__consumer *consumer;  /* or that of a consumer; or NULL */
    kca__local *local;        /* or that of one message */
    uint64_t run_number;      /* of the consumer's run that the queue was made for */
    atomic_int users;         /* the application, until it frees the queue, and its dispatches */
    atomic_bool freed;
};

#endif
