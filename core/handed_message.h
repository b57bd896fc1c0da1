/*
 * A message copied, to be handed to librdkafka by another thread than the one that publishes it.
 * One block of memory, which its slot of the outbox uses again. Pure.
 */
#ifndef KCA_CORE_HANDED_MESSAGE_H
#define KCA_CORE_HANDED_MESSAGE_H

#include <stdbool.h>

#include "message.h"

typedef struct kca__handed_message {
    void *publisher; /* the owner's */
    int type;
    size_t room;         /* bytes behind this struct */
    kca_message message; /* a view: what it has is behind this struct */
} kca__handed_message;

/* Copies `m` to `*at`, which grows when it is too small, NULL at first. Without a trace context of
 * its own it gets this one; both may be NULL. False: memory is out. */
bool kca__handed_message_keep(kca__handed_message **at, const kca_message *m,
                              const char *traceparent, const char *tracestate);

/* Takes it out of its slot when it is too large to be kept for the next; else NULL. A buffer's
 * slots would come to keep many times the bytes that may be under way. */
kca__handed_message *kca__handed_message_take_large(kca__handed_message **at);

#endif
