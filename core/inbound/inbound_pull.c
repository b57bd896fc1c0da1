/* Pull form of the inbound channel adapter: deliveries and notes (faults, rebalances) as
 * events. */
#include "inbound/inbound.h"

#include "base/error.h"

/* Under the lock, as raising is: two at once would leave it readable with nothing to read. */
static void clear_notifier(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    kca__notifier_clear(&e->notifier);
    pthread_mutex_unlock(&e->lock);
}

/* The descriptor stays readable until a look finds nothing, for librdkafka tells only of the first
 * record that waits; when it is over, too, so that whoever polls it hears of it. */
static void set_notifier(kca__engine *e, int count) {
    if (count != 0 && kca__notifier_is_raised(&e->notifier))
        return; /* who clears it meanwhile looks again */
    pthread_mutex_lock(&e->lock);
    if (count != 0 || e->stopping || e->notes.first || kca__engine_has_ready_locked(e))
        kca__notifier_raise(&e->notifier);
    pthread_mutex_unlock(&e->lock);
}

/* Notes or deliveries; waits for the first. */
static int look(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                int timeout_ms) {
    /* Most who look without waiting find something: then nobody need ask the time. */
    int64_t deadline = timeout_ms == 0 ? KCA__CLOCK_OVER : kca__clock_deadline(timeout_ms);
    int count = kca__inbound_take(in, returned, out, max, deadline);
    if (returned)
        kca__inbound_put_away(in, returned);
    return count;
}

/* What comes between the look that found nothing and the clearing is found by the second look: so
 * the descriptor costs nothing as long as there is something to do. */
int kca__inbound_pull(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int timeout_ms) {
    kca__engine *e = &in->engine;
    if (returned && returned->done && returned->done->engine != e)
        kca__returned_settle(returned);
    int count = look(in, returned, out, max, timeout_ms);
    if (!kca__notifier_is_watched(&e->notifier))
        return count;
    if (count == 0) {
        clear_notifier(e);
        count = look(in, NULL, out, max, 0);
    }
    set_notifier(e, count);
    return count;
}
