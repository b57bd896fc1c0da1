#include "system/handle.h"

#include "base/error.h"
#include "base/generation.h"

#include <stdlib.h>

enum { DISPATCH_AT_ONCE = 64 };

static kca_error *new_queue(kca_queue **out, kca__system *s, kca__event_queue *events,
                            kca__consumer *c, uint64_t run_number) {
    kca_queue *q = calloc(1, sizeof *q);
    if (!q)
        return kca__error_memory();
    *q = (kca_queue){s, events, c, run_number};
    kca__system_hold_handle(s);
    *out = q;
    return NULL;
}

static kca_error *check_system(const char *function, const kca_system *s, kca_queue **out) {
    if (out)
        *out = NULL;
    if (!s || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s is NULL", function, s ? "out" : "system");
    return kca__system_check_process(s->core);
}

kca_error *kca_system_queue(kca_system *s, kca_queue **out) {
    kca_error *e = check_system("kca_system_queue", s, out);
    return e ? e : new_queue(out, s->core, &s->core->events, NULL, 0);
}

kca_error *kca_system_log_queue(kca_system *s, kca_queue **out) {
    kca_error *e = check_system("kca_system_log_queue", s, out);
    if (!e)
        e = new_queue(out, s->core, &s->core->logs, NULL, 0);
    if (!e)
        atomic_store(&s->core->log.queue, &s->core->logs);
    return e;
}

kca_error *kca_consumer_queue(kca_consumer *c, kca_queue **out) {
    if (out)
        *out = NULL;
    if (!c || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_consumer_queue: %s is NULL",
                              c ? "out" : "consumer");
    kca_error *e = kca__system_check_process(c->system);
    uint64_t run_number = 0;
    if (!e)
        e = kca__consumer_start_pulling(&run_number, c->core);
    if (e)
        return e;
    e = new_queue(out, c->system, NULL, c->core, run_number);
    if (e)
        kca__consumer_stop_pulling(c->core, run_number);
    return e;
}

void kca_queue_free(kca_queue *q) {
    if (!q)
        return;
    if (q->consumer && !kca__system_is_foreign(q->system))
        kca__consumer_stop_pulling(q->consumer, q->run_number);
    kca__system_release_handle(q->system);
    free(q);
}

int kca_queue_fd(kca_queue *q) {
    if (!q || kca__system_is_foreign(q->system))
        return -1;
    return q->consumer ? kca__consumer_fd(q->consumer, q->run_number)
                       : kca__event_queue_fd(q->events);
}

static int next_of(kca_queue *q, kca__returned *returned, kca_event **out, int max,
                   int timeout_ms) {
    if (q->consumer)
        return kca__consumer_pull(q->consumer, q->run_number, returned, out, max, timeout_ms);
    return kca__event_queue_take(q->events, out, max, timeout_ms);
}

int kca_queue_next(kca_queue *q, kca_event **out, int max, int timeout_ms) {
    if (!q || !out || max < 1 || timeout_ms < -1)
        return -KCA_ERROR_ARGUMENT;
    if (kca__system_is_foreign(q->system))
        return -KCA_ERROR_FORKED;
    return next_of(q, NULL, out, max, timeout_ms);
}

int kca_queue_turn(kca_queue *q, kca_delivery *done, int verdict, kca_event **out, int timeout_ms) {
    if (!q || !out || timeout_ms < -1 || !kca__verdict_settles(verdict))
        return -KCA_ERROR_ARGUMENT;
    if (kca__system_is_foreign(q->system) || (done && done->event.generation != kca__generation()))
        return -KCA_ERROR_FORKED;
    kca__returned returned = {.done = done, .verdict = verdict};
    if (!q->consumer)
        kca__returned_settle(&returned);
    int count = next_of(q, &returned, out, 1, timeout_ms);
    kca__returned_settle(&returned); /* unless it stopped, there is nothing left */
    return count;
}

kca_error *kca_queue_error(kca_queue *q) {
    if (!q)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_queue_error: queue is NULL");
    kca_error *e = kca__system_check_process(q->system);
    if (e || !q->consumer)
        return e;
    return kca__consumer_why_ended(q->consumer, q->run_number);
}

static void dispatch_delivery(const kca_queue *q, kca_event *event) {
    kca_delivery *d = (kca_delivery *)event;
    int verdict = kca__consumer_handle(q->consumer, d);
    if (verdict == KCA_DEFERRED)
        return;
    kca__engine_settle(d, verdict);
    event->release(event);
}

static void dispatch(const kca_queue *q, kca_event *event) {
    if (event->type == KCA_EVENT_DELIVERY) {
        dispatch_delivery(q, event);
        return;
    }
    const kca__event_handler *handler = kca__system_event_handler(q->system, event->type);
    if (handler)
        handler->fn(event, handler->user);
    event->release(event);
}

int kca_queue_dispatch(kca_queue *q, int max, int timeout_ms) {
    kca_event *events[DISPATCH_AT_ONCE];
    /* Deliveries one at a time: one that waits behind a slow handler would use up its processing
     * time here. */
    int at_once = q && q->consumer ? 1 : DISPATCH_AT_ONCE;
    int total = 0;
    while (total < max || max < 1) {
        int wanted = max - total < at_once ? max - total : at_once;
        int count = kca_queue_next(q, events, wanted, total ? 0 : timeout_ms);
        for (int i = 0; i < count; i++)
            dispatch(q, events[i]);
        if (count < 0)
            return total ? total : count;
        total += count;
        if (count < wanted)
            break;
    }
    return total;
}
