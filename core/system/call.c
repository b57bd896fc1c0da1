#include "system/call.h"

kca__call kca__call_begin(kca__system *s) {
    kca__call call = {s->interrupt.fn ? s : NULL, kca__interrupt_begin(&s->interrupt)};
    if (call.system)
        kca__call_enter(s);
    return call;
}

void kca__call_end(kca__call call) {
    kca__interrupt_end(call.before);
    if (call.system)
        kca__call_leave(call.system);
}
