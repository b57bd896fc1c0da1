/*
 * A message copied, to be handed to librdkafka by another thread than the one that publishes it.
 * One block of memory, which its slot of the in_flight uses again. Pure.
 */
#ifndef KCA_MESSAGE_MESSAGE_COPY_H
#define KCA_MESSAGE_MESSAGE_COPY_H

#include <stdbool.h>

#include "message/message.h"

typedef struct kca__message_copy {
    void *publisher; /* the owner's */
    int type;
    size_t room;         /* bytes behind this struct */
    kca_message message; /* a view: what it has is behind this struct */
} kca__message_copy;

/* Copies `m` to `*at`, which grows when it is too small, NULL at first. Without a trace context of
 * its own it gets this one; both may be NULL. False: memory is out. */
bool kca__message_copy_make(kca__message_copy **at, const kca_message *m, const char *traceparent,
                            const char *tracestate);

/* Takes it out of its slot when it is too large to be kept for the next; else NULL. A buffer's
 * slots would come to keep many times the bytes that may be under way. */
kca__message_copy *kca__message_copy_take_large(kca__message_copy **at);

#endif
