/* Pull form of the inbound channel adapter: deliveries and notes (faults, rebalances) as
 * events. */
#include "inbound_channel_adapter.h"

#include "error.h"

/* With the lock held. */
static int take_notes(kca__engine *e, kca_event **out, int max) {
    int count = 0;
    while (count < max && e->notes.first) {
        out[count] = e->notes.first;
        e->notes.first = out[count++]->next;
        e->notes.count--;
    }
    if (!e->notes.first)
        e->notes.end = &e->notes.first;
    return count;
}

static int pull_notes(kca__engine *e, kca_event **out, int max) {
    pthread_mutex_lock(&e->lock);
    int count = e->notes.first ? take_notes(e, out, max) : 0;
    pthread_mutex_unlock(&e->lock);
    return count;
}

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

static int look(kca__inbound *in, kca_event **out, int max, int64_t deadline) {
    enum { MOST = 1024 };
    kca__engine *e = &in->engine;
    kca_delivery *deliveries[MOST];
    max = max > MOST ? MOST : max;
    int count = pull_notes(e, out, max);
    if (count > 0)
        return count;
    count = kca__inbound_take(in, NULL, deliveries, max, deadline);
    for (int i = 0; i < count; i++)
        out[i] = &deliveries[i]->event;
    if (count <= 0) {
        int notes = pull_notes(e, out, max);
        count = notes > 0 ? notes : count;
    }
    return count;
}

/* What comes between the look that found nothing and the clearing is found by the second look: so
 * the descriptor costs nothing as long as there is something to do. */
int kca__inbound_pull(kca__inbound *in, kca_event **out, int max, int timeout_ms) {
    kca__engine *e = &in->engine;
    int count = look(in, out, max, kca__clock_deadline(timeout_ms));
    if (!kca__notifier_is_watched(&e->notifier))
        return count;
    if (count == 0) {
        clear_notifier(e);
        count = look(in, out, max, kca__clock_deadline(0));
    }
    set_notifier(e, count);
    return count;
}
