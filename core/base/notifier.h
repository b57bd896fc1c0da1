/*
 * A file descriptor that is readable while something waits (as nng's pollable, level-triggered for
 * its poller).
 *
 * An eventfd, made when first asked for, so that an application that never polls pays nothing. An
 * atomic flag keeps the number of system calls at one for each change of state: raise writes only
 * when not raised, clear reads only when raised.
 */
#ifndef KCA_BASE_NOTIFIER_H
#define KCA_BASE_NOTIFIER_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct kca__notifier {
    atomic_int fd; /* -1: nobody asked yet */
    atomic_int raised;
} kca__notifier;

void kca__notifier_init(kca__notifier *n);
void kca__notifier_close(kca__notifier *n);

/* The descriptor, raised when it is new; -1 when none can be made. Calls must not overlap. */
int kca__notifier_fd(kca__notifier *n);

/* True once the descriptor was asked for. */
bool kca__notifier_is_watched(const kca__notifier *n);

bool kca__notifier_is_raised(const kca__notifier *n);

/* Any thread. */
void kca__notifier_raise(kca__notifier *n);

/* Clear first, then look again whether something waits: a raise between the two is not lost.
 * Calls must not overlap: two might leave the descriptor readable with nothing to read. */
void kca__notifier_clear(kca__notifier *n);

#endif
