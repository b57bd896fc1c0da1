#include "system/call.h"
#include "system/handle.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/generation.h"
#include "system/local_bus.h"

#include <stdlib.h>

enum { DISPATCH_AT_ONCE = 64 };

static kca_error *new_queue(kca_queue **out, kca__system *s, kca__event_queue *events,
                            kca__consumer *c, uint64_t run_number) {
    kca_queue *q = calloc(1, sizeof *q);
    if (!q)
        return kca__error_memory();
    *q = (kca_queue){.system = s, .events = events, .consumer = c, .run_number = run_number};
    atomic_init(&q->users, 1);
    kca__system_hold_handle(s);
    *out = q;
    return NULL;
}

static kca_error *check_system(const char *function, const kca_system *s, kca_queue **out) {
    if (out)
        *out = NULL;
    if (!s || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s is missing", function,
                              s ? "out" : "system");
    return kca__system_check_process(s->core);
}

kca_error *kca_system_queue(kca_system *s, kca_queue **out) {
    kca_error *e = check_system("system: queue", s, out);
    return e ? e : new_queue(out, s->core, &s->core->events, NULL, 0);
}

kca_error *kca_system_log_queue(kca_system *s, kca_queue **out) {
    kca_error *e = check_system("system: log queue", s, out);
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
        return kca__error_new(KCA_ERROR_ARGUMENT, "consumer: queue: %s is missing",
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

static kca_error *check_deliver(kca_queue **out, const kca_bus *bus, const kca_message *m,
                                int timeout_ms) {
    if (out)
        *out = NULL;
    if (!bus || !m || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "bus: deliver: %s is missing",
                              !bus ? "bus"
                              : !m ? "message"
                                   : "out");
    if (bus->publisher)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "channel %s: deliver: only a bus without a channel delivers",
                              bus->publisher->options->topic);
    if (timeout_ms < -1)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "bus: deliver: timeout_ms must be 0 or more, or -1 for ever, got %d",
                              timeout_ms);
    return kca__system_check_process(bus->system);
}

kca_error *kca_bus_deliver(kca_queue **out, kca_bus *bus, const kca_message *m, int wants_reply,
                           uint64_t token, int timeout_ms) {
    kca_error *e = check_deliver(out, bus, m, timeout_ms);
    if (e)
        return e;
    const kca__local_form form = !wants_reply ? KCA__LOCAL_PUBLISH
                                 : token      ? KCA__LOCAL_ASK_BY_TOKEN
                                              : KCA__LOCAL_ASK;
    const kca__local_wish wish = {form, bus->type, token, timeout_ms};
    kca__local *l;
    e = kca__local_bus_begin(&l, bus->system, m, &wish);
    if (e)
        return e;
    e = new_queue(out, bus->system, NULL, NULL, 0);
    if (e)
        kca__local_bus_end(l);
    else
        (*out)->local = l;
    return e;
}

/* The last of its users has gone. */
static void end_queue(kca_queue *q) {
    if (q->consumer && !kca__system_is_foreign(q->system))
        kca__consumer_stop_pulling(q->consumer, q->run_number);
    if (q->local && !kca__system_is_foreign(q->system))
        kca__local_bus_end(q->local);
    kca__system_release_handle(q->system);
    free(q);
}

static void let_go(kca_queue *q) {
    if (atomic_fetch_sub(&q->users, 1) == 1)
        end_queue(q);
}

/* Inside its own dispatch a queue is freed at the end of that, which its consumer's stop brings
 * about. */
void kca_queue_free(kca_queue *q) {
    if (!q)
        return;
    atomic_store(&q->freed, true);
    if (q->consumer && atomic_load(&q->users) > 1 && !kca__system_is_foreign(q->system))
        kca__consumer_stop_run(q->consumer, q->run_number);
    let_go(q);
}

int kca_queue_fd(kca_queue *q) {
    if (!q || q->local || kca__system_is_foreign(q->system))
        return -1;
    return q->consumer ? kca__consumer_fd(q->consumer, q->run_number)
                       : kca__event_queue_fd(q->events);
}

/* Its deliveries, and how it ended, once: here, or by its token on the system's queue. */
static int next_of_local(kca_queue *q, kca_event **out, int timeout_ms) {
    kca__local *l = q->local;
    int count = kca__local_next(l, out, kca__clock_deadline(timeout_ms));
    if (count >= 0 || l->told)
        return count;
    kca_event *end = kca__local_bus_conclude(l);
    if (!end)
        return -KCA_ERROR_MEMORY;
    l->told = true;
    if (!l->setup.token || !l->setup.asks) {
        *out = end;
        return 1;
    }
    kca__event_list told = {0};
    kca__list_add(&told, &end->link);
    kca__event_queue_push_refusals(&q->system->events, &told);
    return -KCA_ERROR_STOPPED;
}

static int next_of(kca_queue *q, kca__returned *returned, kca_event **out, int max,
                   int timeout_ms) {
    if (q->consumer)
        return kca__consumer_pull(q->consumer, q->run_number, returned, out, max, timeout_ms);
    if (q->local)
        return next_of_local(q, out, timeout_ms);
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
        return kca__error_new(KCA_ERROR_ARGUMENT, "queue: error: queue is missing");
    kca_error *e = kca__system_check_process(q->system);
    if (!e && q->local && q->local->told)
        e = kca__error_new(KCA_ERROR_STOPPED, "queue: its message has ended");
    if (e || !q->consumer)
        return e;
    return kca__consumer_why_ended(q->consumer, q->run_number);
}

int kca_queue_has_left(kca_queue *q) {
    if (!q || !q->consumer || kca__system_is_foreign(q->system))
        return 0;
    return kca__consumer_has_left(q->consumer, q->run_number);
}

static const kca__consumer *consumer_of(const kca_queue *q) {
    return q->local ? q->system->local : q->consumer;
}

static void dispatch_delivery(const kca_queue *q, kca_event *event) {
    kca_delivery *d = (kca_delivery *)event;
    int verdict;
    if (!kca__consumer_handle(consumer_of(q), d, &verdict))
        return;
    kca__engine_settle(d, verdict);
    event->release(event);
}

static void call_event_handler(const kca_queue *q, kca_event *event) {
    kca__callback this;
    const kca__event_handler *handler = kca__system_event_handler(q->system, event->type);
    if (!handler)
        return;
    event->borrowed = true;
    kca__callback_begin(&this, KCA__CALLBACK_EVENT_HANDLER, q->system);
    handler->fn(event, handler->user);
    kca__callback_end(&this);
    event->borrowed = false;
}

static void dispatch(const kca_queue *q, kca_event *event) {
    if (event->type == KCA_EVENT_DELIVERY) {
        dispatch_delivery(q, event);
        return;
    }
    if (event->type == KCA_EVENT_BATCH) {
        kca__consumer_handle_batch(consumer_of(q), event);
        return;
    }
    call_event_handler(q, event);
    event->release(event);
}

/* Up to `max` events, at most DISPATCH_AT_ONCE; gives how many of those that came were handed out
 * before the queue was freed. */
static int dispatch_some(kca_queue *q, int max, int timeout_ms) {
    kca_event *events[DISPATCH_AT_ONCE];
    int done = 0;
    int count = next_of(q, NULL, events, max, timeout_ms);
    if (count < 0)
        return count;
    while (done < count && !atomic_load(&q->freed))
        dispatch(q, events[done++]);
    if (q->events)
        kca__event_queue_put_back(q->events, events + done, count - done);
    return done;
}

static int dispatch_all(kca_queue *q, int max, int timeout_ms) {
    /* Deliveries one at a time: one that waits behind a slow handler would use up its processing
     * time here. */
    int at_once = q->events ? DISPATCH_AT_ONCE : 1;
    int total = 0;
    while (total < max && !atomic_load(&q->freed)) {
        int wanted = max - total < at_once ? max - total : at_once;
        int count = dispatch_some(q, wanted, total ? 0 : timeout_ms);
        if (count < 0)
            return total ? total : count;
        total += count;
        if (count < wanted)
            break;
    }
    return total;
}

int kca_queue_dispatch(kca_queue *q, int max, int timeout_ms) {
    if (!q || max < 1 || timeout_ms < -1)
        return -KCA_ERROR_ARGUMENT;
    kca__system *s = q->system;
    if (kca__system_is_foreign(s))
        return -KCA_ERROR_FORKED;
    kca__call_enter(s);
    atomic_fetch_add(&q->users, 1);
    int count = dispatch_all(q, max, timeout_ms);
    let_go(q);
    kca__call_leave(s);
    return count;
}
