/*
 * Interrupts: a call of the ABI that waits asks the application now and then whether to go on.
 *
 * Between begin and end, the code that waits on the call's thread asks, about every
 * KCA__INTERRUPT_SLICE_MS. The application's answer may run any of its code, so no lock is held
 * then but a system's `lifecycle_lock`. Once the answer was to end, it stays so until the call's
 * end.
 */
#ifndef KCA_BASE_INTERRUPT_H
#define KCA_BASE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "kca.h"

enum { KCA__INTERRUPT_SLICE_MS = 250 }; /* "four times a second", says kca_system_set_interrupt */

typedef struct kca__interrupt {
    kca_interrupt_fn fn; /* NULL: nobody is asked */
    void *user;
    kca_free_fn free_user;
    const void *owner; /* the system, for kca__callback_begin */
} kca__interrupt;

/* The enclosing scope, to restore: one call may come inside another. */
typedef struct kca__interrupt_scope {
    const kca__interrupt *asked;
    int64_t next_ms;
    bool told;
} kca__interrupt_scope;

kca__interrupt_scope kca__interrupt_begin(const kca__interrupt *asked);
void kca__interrupt_end(kca__interrupt_scope before);

/* Whether this thread's call can ask the application. */
bool kca__interrupt_is_set(void);

/* Whether the call is to end. */
bool kca__interrupted(void);

/* Milliseconds left until `deadline`, as kca__clock_left_ms; 0 when the call is to end. */
int kca__interrupt_left_ms(int64_t deadline);

/* How long to wait, at most `left` (-1: for ever), before asking again. */
int kca__interrupt_slice_ms(int left);

#endif
