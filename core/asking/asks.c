#include "asking/asks.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/recent_ids.h"
#include "message/cloud_event.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, ENDED_IDS = 10000 };

struct kca__asks {
    const char *channel;
    kca__event_queue *queue;
    kca__asks_wake_fn wake;
    void *waker;

    pthread_mutex_t lock;
    int holders;        /* the reader, and each ask */
    kca_error *refusal; /* why none is taken; NULL: they are */
    bool shut;          /* that stays so */
    bool hurries;       /* the system shuts down: none waits beyond the next */
    int64_t until_ms;
    kca__awaited *buckets[BUCKETS];
    kca__awaited *first; /* of those that wait */
    int64_t next_ms;     /* none of them is over before */
    int64_t awake_ms;    /* when kca__asks_expire is called at the latest */
    kca__recent_ids *ended;
    kca__asks_counts counts;
};

/* ---- life ---- */

static kca_error *not_started(const char *channel) {
    return kca__error_new(KCA_ERROR_STATE, "reply channel %s: the system is not started", channel);
}

kca__asks *kca__asks_new(const char *channel, kca__event_queue *queue, kca__asks_wake_fn wake,
                         void *user) {
    kca__asks *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    *a = (kca__asks){.channel = channel,
                     .queue = queue,
                     .wake = wake,
                     .waker = user,
                     .holders = 1,
                     .refusal = not_started(channel),
                     .next_ms = KCA__CLOCK_NEVER,
                     .ended = kca__recent_ids_new(ENDED_IDS)};
    if (!a->ended) {
        kca__error_free(a->refusal);
        free(a);
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

static void release_and_unlock(kca__asks *a) {
    bool last = --a->holders == 0;
    pthread_mutex_unlock(&a->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&a->lock);
    kca__recent_ids_free(a->ended);
    kca__error_free(a->refusal);
    free(a);
}

void kca__asks_release(kca__asks *a) {
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    release_and_unlock(a);
}

static void set_refusal(kca__asks *a, kca_error *why) {
    pthread_mutex_lock(&a->lock);
    kca_error *gone = a->shut ? why : a->refusal;
    if (!a->shut)
        a->refusal = why;
    pthread_mutex_unlock(&a->lock);
    kca__error_free(gone);
}

void kca__asks_begin(kca__asks *a) {
    pthread_mutex_lock(&a->lock);
    a->shut = a->hurries = false;
    pthread_mutex_unlock(&a->lock);
}

void kca__asks_open(kca__asks *a) {
    set_refusal(a, NULL);
}

void kca__asks_refuse(kca__asks *a, kca_error *why) {
    set_refusal(a, why);
}

/* One user has gone. */
static void drop_user(kca__awaited *ask) {
    kca__asks *a = ask->asks;
    pthread_mutex_lock(&a->lock);
    bool last = --ask->users == 0;
    if (!last) {
        pthread_mutex_unlock(&a->lock);
        return;
    }
    kca__awaited_free(ask);
    release_and_unlock(a);
}

static void release_event(kca_event *e) {
    drop_user((kca__awaited *)e);
}

/* ---- the table ---- */

static kca__awaited **bucket_of(kca__asks *a, const char *id) {
    unsigned hash = 2166136261u;
    for (const unsigned char *p = (const unsigned char *)id; *p; p++)
        hash = (hash ^ *p) * 16777619u;
    return &a->buckets[hash % BUCKETS];
}

static kca__awaited *find_locked(kca__asks *a, const char *id) {
    kca__awaited *ask = *bucket_of(a, id);
    while (ask && strcmp(ask->id, id) != 0)
        ask = ask->next_of_bucket;
    return ask;
}

/* Two without a limit, the ask and the shutdown, would wait for each other for ever. */
static int64_t end_ms_locked(const kca__asks *a, const kca__awaited *ask) {
    if (!a->hurries)
        return ask->deadline_ms;
    if (ask->deadline_ms == KCA__CLOCK_NEVER && a->until_ms == KCA__CLOCK_NEVER)
        return KCA__CLOCK_OVER;
    return ask->deadline_ms < a->until_ms ? ask->deadline_ms : a->until_ms;
}

static void insert_locked(kca__asks *a, kca__awaited *ask) {
    kca__awaited **bucket = bucket_of(a, ask->id);
    ask->next_of_bucket = *bucket;
    *bucket = ask;
    ask->next = a->first;
    if (a->first)
        a->first->previous = ask;
    a->first = ask;
    a->counts.waiting++;
    int64_t end_ms = end_ms_locked(a, ask);
    if (end_ms < a->next_ms)
        a->next_ms = end_ms;
    if (end_ms < a->awake_ms)
        a->wake(a->waker);
}

static void remove_locked(kca__asks *a, kca__awaited *ask) {
    kca__awaited **at = bucket_of(a, ask->id);
    while (*at != ask)
        at = &(*at)->next_of_bucket;
    *at = ask->next_of_bucket;
    if (ask->next)
        ask->next->previous = ask->previous;
    *(ask->previous ? &ask->previous->next : &a->first) = ask->next;
    ask->next = ask->previous = NULL;
    a->counts.waiting--;
}

/* ---- ends ---- */

/* Nobody is told of the end of an ask while its publish goes on: that may still fail. */
static void end_locked(kca__asks *a, kca__awaited *ask, kca_error *error, kca__event_list *told) {
    remove_locked(a, ask);
    kca__recent_ids_add(a->ended, ask->id, strlen(ask->id));
    ask->event.error = error;
    ask->ended = true;
    if (ask->waiter)
        pthread_cond_signal(ask->waiter);
    else if (ask->accepted)
        kca__list_add(told, &ask->event.link);
}

static kca_error *over(const kca__asks *a, const kca__awaited *ask) {
    kca_error *e = kca__error_new(KCA_ERROR_TIMEOUT,
                                  "reply channel %s: no answer to %s came in time; it may have "
                                  "been handled nevertheless",
                                  a->channel, ask->name);
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}

static kca_error *stopped(const kca__asks *a, const kca__awaited *ask) {
    return kca__error_new(KCA_ERROR_STOPPED,
                          "reply channel %s: the system shut down before the answer to %s came",
                          a->channel, ask->name);
}

void kca__asks_hurry(kca__asks *a, int64_t until_ms) {
    pthread_mutex_lock(&a->lock);
    a->hurries = true;
    a->until_ms = until_ms;
    a->next_ms = KCA__CLOCK_OVER; /* what was looked at may end sooner now */
    a->wake(a->waker);
    pthread_mutex_unlock(&a->lock);
}

void kca__asks_shut(kca__asks *a) {
    kca__event_list told = {0};
    pthread_mutex_lock(&a->lock);
    kca__error_free(a->refusal);
    a->refusal = not_started(a->channel);
    a->shut = true;
    for (; a->first; a->counts.stopped++)
        end_locked(a, a->first, stopped(a, a->first), &told);
    pthread_mutex_unlock(&a->lock);
    kca__event_queue_push_refusals(a->queue, &told);
}

bool kca__asks_cancel(kca__asks *a, uint64_t token) {
    kca__event_list told = {0};
    bool found = false;
    pthread_mutex_lock(&a->lock);
    for (kca__awaited *ask = a->first, *next; ask; ask = next) {
        next = ask->next;
        if (ask->event.token != token || ask->waiter)
            continue;
        found = true;
        a->counts.cancelled++;
        end_locked(a, ask,
                   kca__error_new(KCA_ERROR_CANCELLED, "reply channel %s: the ask %s was cancelled",
                                  a->channel, ask->name),
                   &told);
    }
    pthread_mutex_unlock(&a->lock);
    kca__event_queue_push_refusals(a->queue, &told);
    return found;
}

void kca__asks_give_up(kca__awaited *ask) {
    kca__asks *a = ask->asks;
    pthread_mutex_lock(&a->lock);
    if (!ask->ended) {
        a->counts.cancelled++;
        end_locked(a, ask, over(a, ask), NULL);
    }
    pthread_mutex_unlock(&a->lock);
}

static void expire_locked(kca__asks *a, int64_t now_ms, kca__event_list *told) {
    a->next_ms = KCA__CLOCK_NEVER;
    for (kca__awaited *ask = a->first, *next; ask; ask = next) {
        next = ask->next;
        int64_t end_ms = end_ms_locked(a, ask);
        if (ask->deadline_ms <= now_ms) {
            a->counts.timed_out++;
            end_locked(a, ask, over(a, ask), told);
        } else if (end_ms <= now_ms) {
            a->counts.stopped++;
            end_locked(a, ask, stopped(a, ask), told);
        } else if (end_ms < a->next_ms) {
            a->next_ms = end_ms;
        }
    }
}

int kca__asks_expire(kca__asks *a, int64_t now_ms, int most_ms) {
    kca__event_list told = {0};
    pthread_mutex_lock(&a->lock);
    if (a->next_ms <= now_ms)
        expire_locked(a, now_ms, &told);
    a->awake_ms = a->next_ms < now_ms + most_ms ? a->next_ms : now_ms + most_ms;
    int wait_ms = (int)(a->awake_ms - now_ms);
    pthread_mutex_unlock(&a->lock);
    kca__event_queue_push_refusals(a->queue, &told);
    return wait_ms;
}

/* ---- asking ---- */

static kca_error *check_locked(kca__asks *a, const kca__awaited_wish *wish) {
    if (a->refusal)
        return kca__error_copy(a->refusal);
    if (a->holders - 1 >= wish->most) {
        kca_error *e = kca__error_new(
            KCA_ERROR_BUFFER_FULL,
            "reply channel %s: %d asks wait for their answers, or have an event that was not "
            "freed: buffer_messages allows no more",
            a->channel, a->holders - 1);
        return kca__error_mark(e, 0, KCA__RETRIABLE);
    }
    if (find_locked(a, wish->correlation_id))
        return kca__error_new(KCA_ERROR_DUPLICATE,
                              "reply channel %s: an ask with the correlation id %s waits already",
                              a->channel, wish->correlation_id);
    return NULL;
}

kca_error *kca__asks_add(kca__awaited **out, kca__asks *a, const kca__awaited_wish *wish) {
    *out = NULL;
    kca__awaited *ask = kca__awaited_new(wish->correlation_id, wish->name);
    if (!ask)
        return kca__error_memory();
    ask->asks = a;
    ask->event.release = release_event;
    ask->event.token = wish->token;
    ask->deadline_ms = wish->deadline_ms;
    ask->waiter = wish->waiter;
    pthread_mutex_lock(&a->lock);
    kca_error *e = check_locked(a, wish);
    if (!e) {
        a->holders++;
        a->counts.asked++;
        insert_locked(a, ask);
    }
    pthread_mutex_unlock(&a->lock);
    if (e)
        kca__awaited_free(ask);
    else
        *out = ask;
    return e;
}

void kca__asks_accept(kca__awaited *ask) {
    kca__asks *a = ask->asks;
    kca__event_list told = {0};
    pthread_mutex_lock(&a->lock);
    ask->accepted = true;
    if (ask->ended)
        kca__list_add(&told, &ask->event.link);
    pthread_mutex_unlock(&a->lock);
    kca__event_queue_push_refusals(a->queue, &told);
}

void kca__asks_withdraw(kca__awaited *ask, bool sent) {
    kca__asks *a = ask->asks;
    pthread_mutex_lock(&a->lock);
    if (!ask->ended) {
        remove_locked(a, ask);
        a->counts.asked--;
    }
    ask->ended = true;
    ask->users -= sent ? 1 : 2;
    if (ask->users > 0) {
        pthread_mutex_unlock(&a->lock);
        return;
    }
    kca__awaited_free(ask);
    release_and_unlock(a);
}

void kca__asks_hear_report(kca__awaited *ask, kca_error *error) {
    kca__asks *a = ask->asks;
    kca__event_list told = {0};
    pthread_mutex_lock(&a->lock);
    if (error && !ask->ended) {
        a->counts.unsent++;
        end_locked(a, ask, error, &told);
        error = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    kca__error_free(error);
    kca__event_queue_push_refusals(a->queue, &told);
    drop_user(ask);
}

/* ---- answers ---- */

/* What an answer is known by, and how it is written: who answers chooses that. */
typedef struct address {
    const char *id; /* NULL: it has none */
    kca__dialect dialect;
    char *owned;
} address;

/* The last header of this name; NULL: there is none. */
static const char *find_header(const kca__record *r, const char *name) {
    for (int i = r->header_count - 1; i >= 0; i--)
        if (r->headers[i].name && r->headers[i].value && strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

static address address_of(const kca__record *r) {
    address to = {.id = find_header(r, "correlationId"), .dialect = KCA__DIALECT_GOMES};
    if (to.id)
        return to;
    to.dialect = KCA__DIALECT_CLOUD_EVENTS;
    to.id = find_header(r, "ce_correlationid");
    if (!to.id)
        to.id = to.owned = kca__cloud_event_correlation_id(r);
    return to;
}

static void answer_locked(kca__asks *a, kca__awaited *ask, const kca__record *r,
                          kca__dialect dialect, int64_t now_ms, kca__event_list *told) {
    kca_error *error = kca__awaited_keep(ask, r, dialect, now_ms);
    a->counts.answered += !error;
    a->counts.refused += error != NULL;
    end_locked(a, ask, error, told);
}

void kca__asks_hear_answer(kca__asks *a, const kca__record *r, int64_t now_ms) {
    address to = address_of(r);
    kca__event_list told = {0};
    pthread_mutex_lock(&a->lock);
    kca__awaited *ask = to.id ? find_locked(a, to.id) : NULL;
    if (ask)
        answer_locked(a, ask, r, to.dialect, now_ms, &told);
    else if (to.id && kca__recent_ids_has(a->ended, to.id, strlen(to.id)))
        a->counts.late++;
    else
        a->counts.unknown++;
    pthread_mutex_unlock(&a->lock);
    free(to.owned);
    kca__event_queue_push_refusals(a->queue, &told);
}

/* ---- waiting ---- */

bool kca__asks_wait(kca__awaited *ask, int64_t deadline) {
    kca__asks *a = ask->asks;
    pthread_mutex_lock(&a->lock);
    while (!ask->ended && kca__clock_wait(ask->waiter, &a->lock, deadline))
        ;
    bool ended = ask->ended;
    pthread_mutex_unlock(&a->lock);
    return ended;
}

kca_error *kca__asks_take(kca_event **out, kca__awaited *ask) {
    kca_error *e = kca__error_copy(ask->event.error);
    *out = e ? NULL : &ask->event;
    if (e)
        drop_user(ask);
    return e;
}

kca__asks_counts kca__asks_count(kca__asks *a) {
    pthread_mutex_lock(&a->lock);
    kca__asks_counts counts = a->counts;
    pthread_mutex_unlock(&a->lock);
    return counts;
}
