#include "system/local_bus.h"

#include "asking/awaited.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "message/reply.h"
#include "outbound/publisher_hooks.h"
#include "system/call.h"

/* ---- the system's list ---- */

static kca_error *not_started(void) {
    return kca__error_new(KCA_ERROR_STATE, "bus without a channel: the system is not started");
}

static kca_error *enlist(kca__system *s, kca__local *l) {
    pthread_mutex_lock(&s->lock);
    bool taken = s->takes_locals;
    l->listed = taken;
    if (taken) {
        l->next = s->locals;
        if (s->locals)
            s->locals->previous = l;
        s->locals = l;
    }
    pthread_mutex_unlock(&s->lock);
    return taken ? NULL : not_started();
}

static void leave_list_locked(kca__system *s, kca__local *l) {
    if (l->next)
        l->next->previous = l->previous;
    *(l->previous ? &l->previous->next : &s->locals) = l->next;
    l->listed = false;
    if (!s->locals)
        pthread_cond_broadcast(&s->locals_done);
}

/* One that was let go before its end counts as cancelled. */
static int64_t *count_of(kca__local_counts *counts, kca__local_end end) {
    switch (end) {
    case KCA__LOCAL_DONE:
        return &counts->handled;
    case KCA__LOCAL_REJECTED:
        return &counts->rejected;
    case KCA__LOCAL_OVER:
        return &counts->timed_out;
    case KCA__LOCAL_STOPPED:
        return &counts->stopped;
    case KCA__LOCAL_GOES_ON:
    case KCA__LOCAL_CANCELLED:
        return &counts->cancelled;
    default:
        return &counts->failed;
    }
}

static void delist(kca__local *l) {
    kca__system *s = l->setup.user;
    pthread_mutex_lock(&s->lock);
    if (l->listed) {
        (*count_of(&s->local_counts, l->end))++;
        s->local_counts.retried += l->attempts > 1 ? l->attempts - 1 : 0;
        leave_list_locked(s, l);
    }
    pthread_mutex_unlock(&s->lock);
}

void kca__local_buses_open(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    s->takes_locals = true;
    pthread_mutex_unlock(&s->lock);
}

static int end_all_locked(kca__system *s) {
    int count = 0;
    for (kca__local *l = s->locals; l; l = l->next, count++)
        kca__local_end_as(l, KCA__LOCAL_STOPPED);
    return count;
}

static void stop_all_locked(kca__system *s) {
    s->takes_locals = false;
    for (kca__local *l = s->locals; l; l = l->next)
        kca__local_stop(l);
}

void kca__local_buses_stop(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    stop_all_locked(s);
    pthread_mutex_unlock(&s->lock);
}

void kca__local_buses_end(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    end_all_locked(s);
    pthread_mutex_unlock(&s->lock);
}

int kca__local_buses_close(kca__system *s, int64_t deadline) {
    pthread_mutex_lock(&s->lock);
    stop_all_locked(s);
    while (s->locals && kca__clock_wait(&s->locals_done, &s->lock, deadline))
        ;
    int left = end_all_locked(s);
    pthread_mutex_unlock(&s->lock);
    return left;
}

bool kca__local_buses_are_handling(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    bool handling = s->locals != NULL;
    pthread_mutex_unlock(&s->lock);
    return handling;
}

bool kca__local_bus_cancel(kca__system *s, uint64_t token) {
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (kca__local *l = s->locals; l; l = l->next) {
        if (!l->setup.asks || token == 0 || l->setup.token != token)
            continue;
        found = true;
        kca__local_end_as(l, KCA__LOCAL_CANCELLED);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* ---- depth ---- */

/* More are a handler that sends to itself for ever, and would take the whole stack. */
enum { MOST_DEEP = 100 };

static _Thread_local int depth; /* calls that run handlers, one inside the other */

static kca_error *check_depth(const kca_message *m) {
    if (depth < MOST_DEEP)
        return NULL;
    return kca__message_error(m, KCA_ERROR_STATE,
                              "it is sent inside %d handlers of buses without a channel, one "
                              "inside the other: does one send to itself?",
                              depth);
}

/* ---- begin and end ---- */

static void release_system(void *user) {
    kca__system_release(user);
}

static kca_error *check(const kca_message *m) {
    kca_error *e = kca__message_check(m);
    if (!e && m->raw)
        e = kca__message_error(m, KCA_ERROR_ARGUMENT,
                               "it is raw: a bus without a channel finds handlers by name only");
    if (!e && m->deliver_at_ms != 0)
        e = kca__message_error(m, KCA_ERROR_ARGUMENT,
                               "it has deliver_at_ms: a bus without a channel keeps nothing");
    return e;
}

kca_error *kca__local_bus_begin(kca__local **out, kca__system *s, const kca_message *m,
                                const kca__local_wish *wish) {
    *out = NULL;
    kca_error *e = check(m);
    if (e)
        return e;
    const kca__local_setup setup = {.message = m,
                                    .type = wish->type,
                                    .retry = kca__consumer_builder_retry(s->local->options),
                                    .deadline = kca__clock_deadline(wish->timeout_ms),
                                    .asks = wish->form != KCA__LOCAL_PUBLISH,
                                    .token = wish->token,
                                    .let_go = release_system,
                                    .user = s};
    kca__local *l = kca__local_new(&setup);
    if (!l)
        return kca__error_memory();
    kca__system_hold(s);
    e = enlist(s, l);
    if (e)
        kca__local_close(l);
    else
        *out = l;
    return e;
}

void kca__local_bus_end(kca__local *l) {
    delist(l);
    kca__local_close(l);
}

/* ---- the outcome ---- */

static const char *text_of(const kca__local *l) {
    if (l->error_text && l->error_text[0])
        return l->error_text;
    return l->error_name && l->error_name[0] ? l->error_name : "no reason given";
}

static const char *name_of(const kca__local *l) {
    return l->message.texts[KCA__TEXT_NAME];
}

static kca_error *failure_of(const kca__local *l) {
    bool rejected = l->end == KCA__LOCAL_REJECTED;
    kca_error *e = kca__error_new(KCA_ERROR_HANDLER, "message %s %s: %s: %s", name_of(l),
                                  rejected ? "was rejected" : "failed",
                                  l->error_name ? l->error_name : "handler", text_of(l));
    return kca__error_mark(e, 0, rejected ? 0 : KCA__RETRIABLE);
}

/* Why there is no answer; NULL: there is one, be it an error. */
static kca_error *why_unanswered(const kca__local *l) {
    switch (l->end) {
    case KCA__LOCAL_OVER:
        return kca__error_mark(
            kca__error_new(KCA_ERROR_TIMEOUT,
                           "message %s was not handled in time; it may be handled nevertheless",
                           name_of(l)),
            0, KCA__RETRIABLE);
    case KCA__LOCAL_CANCELLED:
        return kca__error_new(KCA_ERROR_CANCELLED, "the ask %s was cancelled", name_of(l));
    case KCA__LOCAL_STOPPED:
        return kca__error_new(KCA_ERROR_STOPPED,
                              "the system shut down before message %s was handled", name_of(l));
    case KCA__LOCAL_NO_MEMORY:
        return kca__error_memory();
    default:
        return NULL;
    }
}

static void release_reply(kca_event *e) {
    kca__awaited_free((kca__awaited *)e);
}

/* The reply as it would come: what the handler gave, `null`, or why it failed. */
static kca_error *answer(kca__awaited *ask, kca__local *l) {
    const kca__reply_frame frame = {
        .asked = &l->message, .channel = "", .now_ms = kca__clock_unix_ms()};
    bool failed = l->end == KCA__LOCAL_FAILED || l->end == KCA__LOCAL_REJECTED;
    kca_error *e = NULL;
    if (failed)
        e = kca__reply_hold_error(&l->reply, &frame, text_of(l));
    else if (!l->reply)
        e = kca__reply_hold_payload(&l->reply, &frame, NULL, 0);
    return e ? e : kca__awaited_keep(ask, &l->reply->record, frame.dialect, frame.now_ms);
}

static kca_event *reply_of(kca__local *l) {
    kca__awaited *ask = kca__awaited_new(l->message.texts[KCA__TEXT_CORRELATION_ID], name_of(l));
    if (!ask)
        return NULL;
    ask->event.release = release_reply;
    ask->event.token = l->setup.token;
    ask->event.error = why_unanswered(l);
    if (!ask->event.error)
        ask->event.error = answer(ask, l);
    return &ask->event;
}

static kca_event *receipt_of(const kca__local *l) {
    kca_event *receipt = kca__event_new_receipt(l->setup.token, "");
    if (!receipt)
        return NULL;
    receipt->error = why_unanswered(l);
    if (!receipt->error && l->end != KCA__LOCAL_DONE)
        receipt->error = failure_of(l);
    return receipt;
}

kca_event *kca__local_bus_conclude(kca__local *l) {
    delist(l);
    return l->setup.asks ? reply_of(l) : receipt_of(l);
}

/* ---- the callback form ---- */

static void handle(kca__system *s, kca_delivery *d) {
    const kca__handler *handler =
        kca__handlers_find(&s->handlers, d->message.texts[KCA__TEXT_NAME]);
    int verdict;
    if (handler && handler->batch > 0) {
        kca__consumer_handle_batch(s->local, kca__batch_close(d));
    } else if (kca__consumer_handle(s->local, d, &verdict)) {
        kca__local_see_deadline(d);
        kca__engine_settle(d, verdict);
        kca__engine_give_back(d);
    }
}

/* Until it has ended. If the application interrupts the call, it ends as if its time were over. */
static void run(kca__system *s, kca__local *l) {
    kca_event *taken;
    int count;
    do {
        int slice_ms = kca__interrupt_slice_ms(-1);
        count = kca__local_next(l, &taken, kca__clock_deadline(slice_ms));
        if (count > 0)
            handle(s, (kca_delivery *)taken);
        else if (count == 0 && kca__interrupted())
            kca__local_end_as(l, KCA__LOCAL_OVER);
    } while (count >= 0);
}

/* An event whose error is the call's. */
static kca_error *open_event(kca_event **event) {
    kca_error *e = kca__error_copy((*event)->error);
    if (e) {
        (*event)->release(*event);
        *event = NULL;
    }
    return e;
}

/* Without hooks. */
static kca_error *put(kca_event **out, kca__system *s, const kca_message *m,
                      const kca__local_wish *wish) {
    kca__local *l;
    kca_error *e = check_depth(m);
    if (!e)
        e = kca__local_bus_begin(&l, s, m, wish);
    if (e)
        return e;
    depth++;
    run(s, l);
    depth--;
    *out = kca__local_bus_conclude(l);
    kca__local_bus_end(l);
    if (!*out)
        return kca__error_memory();
    return wish->form == KCA__LOCAL_ASK_BY_TOKEN ? NULL : open_event(out);
}

kca_error *kca__local_bus_drop(kca_event **out, kca__system *s, uint64_t token) {
    pthread_mutex_lock(&s->lock);
    bool started = s->takes_locals;
    pthread_mutex_unlock(&s->lock);
    if (!started)
        return not_started();
    *out = kca__event_new_receipt(token, "");
    return *out ? NULL : kca__error_memory();
}

static kca_error *put_hooked(kca_event **out, kca__system *s, const kca_message *m,
                             const kca__local_wish *wish) {
    kca_hooked h;
    kca_error *e = NULL;
    if (kca__publishing_enter(&h, &s->publish_hooks, "", m, NULL))
        e = put(out, s, h.message, wish);
    else if (h.verdict == KCA_DROP && wish->form == KCA__LOCAL_PUBLISH)
        e = kca__local_bus_drop(out, s, wish->token);
    e = kca__publishing_leave(&h, e);
    if (!e && !*out)
        return kca__error_new(KCA_ERROR_HOOK, "bus without a channel: a hook dropped the message, "
                                              "which nobody can answer then");
    if (e && *out) {
        (*out)->release(*out);
        *out = NULL;
    }
    return e;
}

static kca_error *put_event(kca_event **out, kca__system *s, const kca_message *m,
                            const kca__local_wish *wish) {
    kca_event *event = NULL;
    kca_error *e = kca__publishing_is_hooked(&s->publish_hooks) ? put_hooked(&event, s, m, wish)
                                                                : put(&event, s, m, wish);
    if (e)
        return e;
    if (wish->form == KCA__LOCAL_ASK_BY_TOKEN) {
        kca__event_list told = {0};
        kca__list_add(&told, &event->link);
        kca__event_queue_push_refusals(&s->events, &told);
    } else if (out) {
        *out = event;
    } else {
        event->release(event);
    }
    return NULL;
}

kca_error *kca__local_bus_put(kca_event **out, kca__system *s, const kca_message *m,
                              const kca__local_wish *wish) {
    kca__interrupt_scope before = kca__interrupt_begin(&s->interrupt);
    kca__call_enter(s);
    kca_message *kept = kca__message_keep(m);
    kca_error *e = put_event(out, s, m, wish);
    kca__message_let_go(kept);
    kca__interrupt_end(before);
    kca__call_leave(s);
    return e;
}
