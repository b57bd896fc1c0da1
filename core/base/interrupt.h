/*
 * Interrupts: a call of the ABI that waits asks the application now and then whether it is to go
 * on.
 *
 * The call lets its thread be asked between begin and end; the places that wait for long ask, about
 * each KCA__INTERRUPT_SLICE_MS. The answer may run any code of the application's, so nothing is
 * locked there but a system's `turning`. Who was told to end is told so until the call's end.
 */
#ifndef KCA_BASE_INTERRUPT_H
#define KCA_BASE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "kca.h"

enum { KCA__INTERRUPT_SLICE_MS = 250 };

typedef struct kca__interrupt {
    kca_interrupt_fn fn; /* NULL: nobody is asked */
    void *user;
    kca_free_fn free_user;
} kca__interrupt;

/* What the thread was at before: one call may come inside another. */
typedef struct kca__interrupt_scope {
    const kca__interrupt *asked;
    int64_t next_ms;
    bool told;
} kca__interrupt_scope;

kca__interrupt_scope kca__interrupt_begin(const kca__interrupt *asked);
void kca__interrupt_end(kca__interrupt_scope before);

/* Whether this thread is inside the `fn` of that: a call that waits for the end of what waits there
 * would wait for ever. */
bool kca__interrupt_is_asking(const kca__interrupt *asked);

/* Whether somebody may be asked. */
bool kca__interrupt_is_set(void);

/* Whether the call is to end. */
bool kca__interrupted(void);

/* What is left until `deadline`, as kca__clock_left_ms; 0 when the call is to end. */
int kca__interrupt_left_ms(int64_t deadline);

/* So long may be waited of `left` (-1: for ever) before it is asked again. */
int kca__interrupt_slice_ms(int left);

#endif
