/*
 * A message copied, to be handed to librdkafka by another thread than the one that publishes it.
 * One block of memory, which its slot of the in_flight uses again. Pure.
 */
#ifndef KCA_MESSAGE_MESSAGE_COPY_H
#define KCA_MESSAGE_MESSAGE_COPY_H

#include <stdbool.h>

#include "message/message.h"
#include "message/trace_context.h"

typedef struct kca__message_copy {
    void *publisher; /* the owner's */
    int type;
    size_t room;                /* bytes behind this struct */
    kca_message message;        /* a view: what it has is behind this struct, */
    kca__trace_context context; /* and this, too: for a message without one */
} kca__message_copy;

/* Copies `m`, and the context in which it is published, to `*at`, which grows when it is too small,
 * NULL at first. False: memory is out. */
bool kca__message_copy_make(kca__message_copy **at, const kca_message *m,
                            const kca__trace_context *context);

/* Takes it out of its slot when it is too large to be kept for the next; else NULL. A buffer's
 * slots would come to keep many times the bytes that may be under way. */
kca__message_copy *kca__message_copy_take_large(kca__message_copy **at);

#endif
