#include "connection/watch.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/event.h"
#include "base/thread.h"
#include "connection/connection.h"
#include "connection/probe.h"

#include <stdio.h>
#include <string.h>

enum {
    PROBE_PAUSE_MS = 1000, /* between probes of what is in trouble */
    LONG_PAUSE_MS = 5000   /* ... of what has not joined, though all is well */
};

/* ---- telling ---- */

static kca_error *trouble_of(const kca__watched *x, int64_t waited_ms) {
    char who[200];
    snprintf(who, sizeof who, "%s %s", x->kind, x->name);
    return kca__state_error(&x->state, who, waited_ms);
}

static void tell_state_locked(const kca__watched *x) {
    bool is_consumer = strcmp(x->kind, "consumer") == 0;
    x->tell(x->owner, kca__event_new_state(x->state.now, x->state.since_unix_ms,
                                           x->connection->name, is_consumer ? x->name : "",
                                           x->state.in_trouble ? trouble_of(x, -1) : NULL));
}

static void tell_fault_locked(const kca__watched *x, int64_t now) {
    kca_error *e = trouble_of(x, now - x->state.since_ms);
    kca__log_write(x->connection->log, KCA_LOG_ERROR, x->kind, x->name, "%s", e->text);
    x->tell(x->owner, kca__event_new_fault(e, NULL, -1, -1));
}

static void enter_locked(kca__watched *x, int state) {
    if (kca__state_enter(&x->state, state, kca__clock_ms(), kca__clock_unix_ms()))
        tell_state_locked(x);
}

/* ---- what a probe found ---- */

static void meet_locked(kca__watched *x, const kca__trouble *trouble) {
    int64_t now = kca__clock_ms();
    bool changed = x->state.now != KCA_STATE_CONNECTING &&
                   kca__state_enter(&x->state, KCA_STATE_RECONNECTING, now, kca__clock_unix_ms());
    if (kca__state_meet(&x->state, trouble) || changed)
        tell_state_locked(x);
    if (kca__state_fault_is_due(&x->state, now, x->connection->fault_after_ms))
        tell_fault_locked(x, now);
    x->suspect = true;
    x->next_probe_ms = now + PROBE_PAUSE_MS;
}

/* `suspicions`: how many there were when the probe began. */
static void recover_locked(kca__watched *x, int suspicions) {
    x->suspect = x->suspicions != suspicions;
    x->next_probe_ms = kca__clock_ms() + (x->suspect ? PROBE_PAUSE_MS : LONG_PAUSE_MS);
    if (x->suspect)
        return;
    x->told[0] = '\0';
    kca__state_clear(&x->state);
    if (x->has_joined)
        enter_locked(x, x->well);
}

/* The lock is given up meanwhile. */
static void probe_locked(kca__watch *w, kca__watched *x) {
    char told[KCA__TROUBLE_TEXT];
    kca__trouble trouble;
    int suspicions = x->suspicions;
    memcpy(told, x->told, sizeof told);
    const kca__probing p = {x->connection, x->client, told, &w->stopping};
    if (x->hold)
        x->hold(x->owner);
    pthread_mutex_unlock(&w->lock);
    bool well = kca__probe(&trouble, &p);
    pthread_mutex_lock(&w->lock);
    bool counts = x->watched && !atomic_load(&w->stopping);
    if (counts && well)
        recover_locked(x, suspicions);
    else if (counts)
        meet_locked(x, &trouble);
    pthread_mutex_unlock(&w->lock);
    if (x->release)
        x->release(x->owner);
    pthread_mutex_lock(&w->lock);
}

/* ---- the thread ---- */

/* When it is to be probed: at once and again while it is suspect; and when it does not come to be
 * well, though nobody complains, once the application would be told. */
static int64_t due_locked(const kca__watched *x) {
    int patience = x->connection->fault_after_ms;
    if (!x->client)
        return KCA__CLOCK_NEVER;
    if (x->suspect)
        return x->next_probe_ms;
    if (x->state.now == x->well || patience == 0)
        return KCA__CLOCK_NEVER;
    int64_t fault_ms = x->state.since_ms + patience;
    return fault_ms > x->next_probe_ms ? fault_ms : x->next_probe_ms;
}

static void *watch(void *argument) {
    kca__watch *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->stopping)) {
        kca__watched *first = NULL;
        for (kca__watched *x = w->first; x; x = x->next)
            if (!first || due_locked(x) < due_locked(first))
                first = x;
        int64_t due = first ? due_locked(first) : KCA__CLOCK_NEVER;
        if (due <= kca__clock_ms())
            probe_locked(w, first);
        else
            kca__clock_wait(&w->changed, &w->lock, due);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- what others tell it ---- */

static void suspect(void *watched, kca__client *client, const char *text) {
    kca__watched *x = watched;
    kca__watch *w = x->connection->watch;
    pthread_mutex_lock(&w->lock);
    kca__client *before = x->client;
    x->client = client;
    x->suspicions++;
    /* "all brokers are down" says less than what came before it */
    if (!x->told[0] || !strstr(text, "brokers are down"))
        snprintf(x->told, sizeof x->told, "%s", text);
    if (!x->suspect || before != client) {
        x->suspect = true;
        x->next_probe_ms = kca__clock_ms();
        pthread_cond_signal(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
}

void kca__watch_listen(kca__watched *x, kca__client *client) {
    kca__client_on_complaint(client, suspect, x);
}

void kca__watch_joined(kca__watch *w, kca__watched *x) {
    pthread_mutex_lock(&w->lock);
    x->has_joined = true;
    if (x->watched)
        enter_locked(x, x->well);
    pthread_mutex_unlock(&w->lock);
}

void kca__watch_lost(kca__watch *w, kca__watched *x) {
    pthread_mutex_lock(&w->lock);
    x->has_joined = false;
    if (x->watched)
        enter_locked(x, KCA_STATE_RECONNECTING);
    x->suspect = true; /* why it was put out */
    x->next_probe_ms = kca__clock_ms();
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

kca__state kca__watch_look(kca__watch *w, const kca__watched *x) {
    pthread_mutex_lock(&w->lock);
    kca__state state = x->watched ? x->state : (kca__state){0};
    pthread_mutex_unlock(&w->lock);
    return state;
}

/* ---- life ---- */

void kca__watch_add(kca__watch *w, kca__watched *x, kca__client *client, int state) {
    pthread_mutex_lock(&w->lock);
    x->watched = true;
    if (!x->client)
        x->client = client;
    x->has_joined = x->well != KCA_STATE_JOINED;
    kca__state_enter(&x->state, state, kca__clock_ms(), kca__clock_unix_ms());
    x->next = w->first;
    w->first = x;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void kca__watch_remove(kca__watch *w, kca__watched *x) {
    pthread_mutex_lock(&w->lock);
    kca__watched **at = &w->first;
    while (*at && *at != x)
        at = &(*at)->next;
    if (*at)
        *at = x->next;
    x->watched = x->suspect = false;
    x->client = NULL;
    x->told[0] = '\0';
    x->state = (kca__state){0};
    pthread_mutex_unlock(&w->lock);
}

void kca__watch_init(kca__watch *w) {
    *w = (kca__watch){.first = NULL};
    pthread_mutex_init(&w->lock, NULL);
    kca__clock_condition_init(&w->changed);
}

void kca__watch_close(kca__watch *w) {
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

bool kca__watch_start(kca__watch *w) {
    atomic_store(&w->stopping, false);
    w->has_thread = kca__thread_start(&w->thread, watch, w);
    return w->has_thread;
}

void kca__watch_dismiss(kca__watch *w) {
    pthread_mutex_lock(&w->lock);
    atomic_store(&w->stopping, true);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void kca__watch_stop(kca__watch *w) {
    if (!w->has_thread)
        return;
    kca__watch_dismiss(w);
    pthread_join(w->thread, NULL);
    w->has_thread = false;
}
