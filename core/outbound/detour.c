#include "outbound/detour.h"

#include "base/clock.h"
#include "base/error.h"

kca__rung kca__detour_rung(const kca__publisher *p, int64_t at_ms) {
    const kca__option_ints *delays = &p->options->delay_channel_ms;
    return kca__postponed_rung(delays->items, delays->count, at_ms, kca__clock_unix_ms());
}

kca_error *kca__detour_check(const kca__publisher *p, const kca_message *m) {
    if (m->deliver_at_ms == 0)
        return NULL;
    if (p->options->delay_channel.count == 0)
        return kca__error_new(KCA_ERROR_STATE,
                              "publisher %s: a message with deliver_at_ms needs a delay_channel",
                              p->options->topic);
    for (int i = 0; i < m->header_count; i++)
        if (kca__postponed_is_own(m->headers[i].name))
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "publisher %s: a message with deliver_at_ms must not have a "
                                  "header %.249s: those say where it waits",
                                  p->options->topic, m->headers[i].name);
    return NULL;
}

void kca__detour_find(kca__detour *out, const kca__publisher *p, const kca_message *m) {
    out->topic = NULL;
    out->header_count = 0;
    if (m->deliver_at_ms == 0)
        return;
    kca__rung rung = kca__detour_rung(p, m->deliver_at_ms);
    if (rung.channel < 0)
        return;
    int64_t time_ms = kca__message_record_time_ms(m);
    const kca__postponed postponed = {p->options->topic, m->deliver_at_ms, rung.due_ms,
                                      m->partition, time_ms > 0 ? time_ms : -1};
    out->topic = p->options->delay_channel.items[rung.channel];
    out->header_count = kca__postponed_write(out->headers, out->room, &postponed);
}
