/*
 * A call of the application that may call it back, where it may free any handle, also the last one.
 *
 * Until the call has ended the system stays; when the last handle is freed inside, it is closed at
 * the call's end, by the call's thread. Consumers are stopped at once, so that the end comes soon.
 */
#ifndef KCA_SYSTEM_CALL_H
#define KCA_SYSTEM_CALL_H

#include "system/system.h"

/* One that calls handlers or event handlers. */
void kca__call_enter(kca__system *s);
void kca__call_leave(kca__system *s);

/* One that may ask the interrupt function, or call hooks or translators: also the interrupt's
 * scope. */
typedef struct kca__call {
    kca__system *system; /* NULL: nobody is called back */
    kca__interrupt_scope before;
} kca__call;

kca__call kca__call_begin(kca__system *s);
void kca__call_end(kca__call call);

#endif
