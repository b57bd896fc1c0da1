#include "system/call.h"

kca__call kca__call_begin(kca__system *s) {
    bool calls_back = s->interrupt.fn || s->publish_hooks.count > 0 || s->translators.count > 0;
    kca__call call = {calls_back ? s : NULL, kca__interrupt_begin(&s->interrupt)};
    if (call.system)
        kca__call_enter(s);
    return call;
}

void kca__call_end(kca__call call) {
    kca__interrupt_end(call.before);
    if (call.system)
        kca__call_leave(call.system);
}
