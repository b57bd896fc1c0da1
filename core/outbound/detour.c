#include "outbound/detour.h"

#include "base/clock.h"
#include "base/error.h"

kca__rung kca__detour_rung(const kca__publisher *p, int64_t at_ms) {
    const kca__option_ints *delays = &p->options->delay_channel_ms;
    return kca__postponed_rung(delays->items, delays->count, at_ms, kca__clock_unix_ms());
}

kca_error *kca__detour_check(const kca__publisher *p, const kca_message *m) {
    if (m->deliver_at_ms == 0 || p->options->delay_channel.count > 0)
        return NULL;
    return kca__error_new(KCA_ERROR_STATE,
                          "publisher %s: a message with deliver_at_ms needs a delay_channel",
                          p->options->topic);
}

void kca__detour_find(kca__detour *out, const kca__publisher *p, const kca_message *m) {
    out->topic = NULL;
    out->header_count = 0;
    if (m->deliver_at_ms == 0)
        return;
    kca__rung rung = kca__detour_rung(p, m->deliver_at_ms);
    if (rung.channel < 0)
        return;
    const kca__postponed postponed = {p->options->topic, m->deliver_at_ms, rung.due_ms,
                                      m->partition};
    out->topic = p->options->delay_channel.items[rung.channel];
    out->header_count = kca__postponed_write(out->headers, out->room, &postponed);
}
