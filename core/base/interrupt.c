#include "base/interrupt.h"

#include "base/callback.h"
#include "base/clock.h"

static _Thread_local kca__interrupt_scope current;

kca__interrupt_scope kca__interrupt_begin(const kca__interrupt *asked) {
    kca__interrupt_scope before = current;
    current = (kca__interrupt_scope){asked->fn ? asked : NULL, 0, false};
    return before;
}

void kca__interrupt_end(kca__interrupt_scope before) {
    current = before;
}

bool kca__interrupt_is_set(void) {
    return current.asked != NULL;
}

static bool ask(const kca__interrupt *asked) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_INTERRUPT, asked->owner);
    bool told = asked->fn(asked->user) != 0;
    kca__callback_end(&this);
    return told;
}

bool kca__interrupted(void) {
    if (!current.asked || current.told)
        return current.told;
    int64_t now = kca__clock_ms();
    /* The first look only sets when the first question is due: a call that ends soon asks nothing.
     */
    bool due = current.next_ms > 0 && now >= current.next_ms;
    if (due || current.next_ms == 0)
        current.next_ms = now + KCA__INTERRUPT_SLICE_MS;
    if (!due)
        return false;
    bool told = ask(current.asked);
    current.told = told;
    return told;
}

int kca__interrupt_left_ms(int64_t deadline) {
    return kca__interrupted() ? 0 : kca__clock_left_ms(deadline);
}

int kca__interrupt_slice_ms(int left) {
    if (!current.asked || (left >= 0 && left <= KCA__INTERRUPT_SLICE_MS))
        return left;
    return KCA__INTERRUPT_SLICE_MS;
}
