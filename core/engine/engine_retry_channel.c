/*
 * Deliveries that are written on: retried by way of a topic, or relayed. Part of the inbound
 * engine.
 *
 * One that has failed, and has attempts left, is written to a retry channel, as a dead letter is;
 * once the broker has it, it is done here, and its lane goes on. It comes again as another record,
 * of a topic that the same group reads, which says when its time comes and how often it has failed
 * (kca__inbound_record). So nothing of it is held meanwhile, and its key does not wait.
 *
 * Where all is relayed, a record whose turn and time have come is not given out, but written on in
 * the same way.
 */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

void kca__engine_pass_on_locked(kca__engine *e, kca_delivery *d) {
    e->counts.retried++;
    d->fate = KCA__FATE_RETRY_CHANNEL;
    d->failed_ms = kca__clock_unix_ms();
}

void kca__engine_relay_locked(kca__engine *e, kca_delivery *d) {
    d->state = KCA__DELIVERY_EXPIRED;
    d->attempt++;
    d->fate = KCA__FATE_RELAY;
    kca__engine_meet_fate_locked(e, d);
}

bool kca__engine_turn_back_locked(kca__engine *e, kca_delivery *d, kca_error *error) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    if (d->fate == KCA__FATE_RELAY) {
        d->failure_name = kca__text_copy("relay");
        d->failure_text = kca__text_copy(error->text);
    }
    if (!e->setup.dead_letters)
        return kca__engine_give_up_locked(e, d, error);
    kca__engine_fault_locked(e, error, tp->topic, tp->number, d->offset);
    d->letter = (kca__letter_form){false, false};
    d->writes = 0;
    kca__engine_condemn_locked(d);
    return false;
}
