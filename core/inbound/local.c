#include "inbound/local.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* What is settled and needs neither reply nor letter wakes nobody, and is seen by then. */
enum { LOOK_MS = 50 };

/* ---- what its engine asks for ---- */

static void wake(kca__local *l) {
    pthread_mutex_lock(&l->lock);
    l->woken = true;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Its one record. */
static int fetch(void *owner, kca__inbound_record *out, int room, int timeout_ms) {
    kca__local *l = owner;
    (void)room, (void)timeout_ms;
    if (l->fetched)
        return 0;
    l->fetched = true;
    *out = (kca__inbound_record){.record = l, .topic = ""};
    return 1;
}

/* Each end is to be told: that of a message that is not asked, too. */
static bool is_asked(void *owner, const kca_delivery *d) {
    (void)owner, (void)d;
    return true;
}

static void wake_fetcher(void *owner) {
    (void)owner; /* fetch does not wait */
}

static void wake_poller(void *owner) {
    wake(owner);
}

static void release_record(void *record) {
    kca__local *l = record;
    pthread_mutex_lock(&l->lock);
    l->released = true;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

static void free_local(kca__local *l) {
    kca__engine_free(l->engine);
    kca__message_clear_inbound(&l->message);
    free(l->headers);
    if (l->record)
        kca__held_record_free(l->record);
    if (l->reply)
        kca__held_record_free(l->reply);
    free(l->error_name);
    free(l->error_text);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void let_go(void *owner) {
    kca__local *l = owner;
    const kca__local_setup setup = l->setup;
    free_local(l);
    setup.let_go(setup.user);
}

/* ---- life ---- */

static kca__engine *new_engine(kca__local *l) {
    const kca__engine_setup setup = {.consumer = "",
                                     .local = true,
                                     .capacity = 1,
                                     .order = KCA__ORDER_NONE,
                                     .retry = l->setup.retry,
                                     .dead_letters = true,
                                     .owner = l,
                                     .fetch = fetch,
                                     .is_asked = is_asked,
                                     .wake_fetcher = wake_fetcher,
                                     .wake_poller = wake_poller,
                                     .release_record = release_record,
                                     .let_go = let_go};
    return kca__engine_new(&setup);
}

static kca__held_record *record_of(const kca_message *m, int type) {
    const kca__channel_defaults defaults = {
        .channel = "", .reply_to = "", .type = type, .context = *kca__trace_context_current()};
    kca__wire wire;
    kca__translator_write(&wire, m, &defaults, kca__clock_unix_ms());
    return kca__held_record_of("", m, &wire, NULL, 0);
}

/* Reads the record into `out`; the headers in `*out_headers` are `out`'s, for reading moves them.
 * False: memory is out. */
static bool read_message(kca_message *out, kca__header **out_headers, const kca__local *l,
                         int64_t now_ms) {
    kca__record record = l->record->record;
    kca__header *headers = malloc(((size_t)record.header_count + 1) * sizeof *headers);
    kca__message_init_inbound(out);
    *out_headers = headers;
    if (!headers)
        return false;
    memcpy(headers, record.headers, (size_t)record.header_count * sizeof *headers);
    record.headers = headers;
    kca__translator_read(out, &record, now_ms);
    return true;
}

kca__local *kca__local_new(const kca__local_setup *setup) {
    kca__local *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->setup = *setup;
    l->setup.message = NULL;
    pthread_mutex_init(&l->lock, NULL);
    kca__clock_condition_init(&l->changed);
    kca__message_init_inbound(&l->message);
    l->record = record_of(setup->message, setup->type);
    if (!l->record || !read_message(&l->message, &l->headers, l, kca__clock_unix_ms()) ||
        !(l->engine = new_engine(l)) || !kca__engine_assign(l->engine, "", 0, -1, NULL, 0)) {
        free_local(l);
        return NULL;
    }
    return l;
}

void kca__local_close(kca__local *l) {
    kca__engine *e = l->engine;
    kca__engine_shut(e);
    kca__engine_release(e);
}

/* ---- attempts ---- */

/* As a consumer's delivery, but it is nowhere. False: memory is out. */
static bool prepare(kca__local *l, kca_delivery *d) {
    d->timestamp_ms = l->message.timestamp_ms;
    if (!read_message(&d->message, &d->more_headers, l, d->timestamp_ms))
        return false;
    d->event.topic = "";
    d->event.partition = -1;
    d->event.offset = d->offset = -1;
    d->deadline_ms = l->setup.deadline;
    atomic_store_explicit(&d->asked, l->setup.asks ? KCA__ASKED_YES : KCA__ASKED_NO,
                          memory_order_relaxed);
    return true;
}

/* The next attempt, if its time has come. */
static kca_delivery *take(kca__local *l) {
    kca__returned none = {0};
    kca_event *taken;
    while (kca__engine_take(l->engine, &none, &taken, 1, KCA__CLOCK_OVER) > 0) {
        kca_delivery *d = (kca_delivery *)taken;
        if (taken->type != KCA_EVENT_DELIVERY) {
            taken->release(taken);
        } else if (prepare(l, d)) {
            l->attempts++;
            return d;
        } else {
            kca__engine_fail(l->engine, kca__error_memory());
            kca__engine_withdraw(d);
        }
    }
    return NULL;
}

/* ---- its end ---- */

/* The engine takes what is due to be written of it: it is not written, but told. */
static void conclude(kca__local *l, kca_delivery *d, const kca__engine_counts *counts) {
    if (d->fate == KCA__FATE_DEAD_LETTER) {
        l->end = counts->rejected > 0 ? KCA__LOCAL_REJECTED : KCA__LOCAL_FAILED;
        l->error_name = d->failure_name;
        l->error_text = d->failure_text;
        d->failure_name = d->failure_text = NULL;
    } else {
        l->end = KCA__LOCAL_DONE;
        l->reply = d->reply;
        d->reply = NULL;
    }
    kca__engine_letter_stored(d);
}

/* It is done, and no reply is to come of it. */
static bool is_done(const kca__local *l, const kca__engine_counts *counts) {
    return counts->duplicates > 0 || (counts->handled > 0 && !l->setup.asks);
}

/* It is not done, and no attempt comes any more. */
static bool is_given_up(const kca__local *l, bool released) {
    kca__engine_rest rest = kca__engine_see_rest(l->engine);
    return released || (rest.stopping && rest.out == 0 && rest.letters == 0);
}

static kca__local_end why_given_up(const kca__local *l) {
    kca_error *failure = kca__engine_failure(l->engine);
    bool failed = failure != NULL;
    kca__error_free(failure);
    return failed ? KCA__LOCAL_NO_MEMORY : KCA__LOCAL_STOPPED;
}

static bool has_ended(kca__local *l) {
    if (l->end != KCA__LOCAL_GOES_ON)
        return true;
    pthread_mutex_lock(&l->lock);
    bool released = l->released;
    l->end = l->wish;
    pthread_mutex_unlock(&l->lock);
    kca__engine_counts counts = kca__engine_count(l->engine);
    kca_delivery *d;
    if (l->end != KCA__LOCAL_GOES_ON)
        return true;
    if (counts.timed_out > 0)
        l->end = KCA__LOCAL_OVER;
    else if ((d = kca__engine_take_condemned(l->engine)))
        conclude(l, d, &counts);
    else if (is_done(l, &counts))
        l->end = KCA__LOCAL_DONE;
    else if (is_given_up(l, released))
        l->end = why_given_up(l);
    else if (l->fetched && kca__clock_left_ms(l->setup.deadline) == 0) /* it is tried once */
        l->end = KCA__LOCAL_OVER;
    return l->end != KCA__LOCAL_GOES_ON;
}

/* ---- waiting ---- */

static void forget_wakes(kca__local *l) {
    pthread_mutex_lock(&l->lock);
    l->woken = false;
    pthread_mutex_unlock(&l->lock);
}

static void wait_until(kca__local *l, int64_t deadline) {
    int64_t look = kca__clock_deadline(LOOK_MS);
    pthread_mutex_lock(&l->lock);
    if (!l->woken)
        kca__clock_wait(&l->changed, &l->lock, deadline < look ? deadline : look);
    pthread_mutex_unlock(&l->lock);
}

int kca__local_next(kca__local *l, kca_event **out, int64_t deadline) {
    while (true) {
        forget_wakes(l);
        int64_t due = kca__engine_see_to_due(l->engine, kca__clock_ms(), KCA__CLOCK_NEVER);
        if (has_ended(l))
            return -KCA_ERROR_STOPPED;
        kca_delivery *d = take(l);
        if (d) {
            *out = &d->event;
            return 1;
        }
        if (kca__clock_left_ms(deadline) == 0)
            return 0;
        due = due < l->setup.deadline ? due : l->setup.deadline;
        wait_until(l, due < deadline ? due : deadline);
    }
}

void kca__local_end_as(kca__local *l, kca__local_end end) {
    pthread_mutex_lock(&l->lock);
    l->wish = end;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

void kca__local_stop(kca__local *l) {
    kca__engine_stop(l->engine, KCA__CLOCK_NEVER);
    wake(l);
}

void kca__local_see_deadline(const kca_delivery *d) {
    kca__engine_see_to_due(d->engine, kca__clock_ms(), KCA__CLOCK_NEVER);
}

const kca__record *kca__local_record(const kca_delivery *d) {
    if (!kca__engine_is_local(d->engine))
        return NULL;
    return &((const kca__local *)kca__engine_owner(d->engine))->record->record;
}
