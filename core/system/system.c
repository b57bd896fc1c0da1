#include "system/system.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/generation.h"
#include "base/text.h"
#include "system/call.h"
#include "system/local_bus.h"

#include <stdlib.h>
#include <string.h>

static void hold_system(void *user) {
    kca__system_hold(user);
}

static void release_system(void *user) {
    kca__system_release(user);
}

/* Takes `options`. */
static kca_error *new_consumer(kca__consumer **out, kca__system *s, kca_consumer_builder *options) {
    return kca__consumer_new(out, options,
                             &(kca__consumer_setup){.handlers = &s->handlers,
                                                    .hooks = &s->handling_hooks,
                                                    .translators = &s->translators,
                                                    .log = &s->log,
                                                    .events = &s->events,
                                                    .hold = hold_system,
                                                    .release = release_system,
                                                    .user = s});
}

/* Its name, connection and topic are for nobody. */
static kca_error *new_local(kca__consumer **out, kca__system *s) {
    kca_consumer_builder *options;
    *out = NULL;
    kca_error *e = kca__consumer_builder_new(&options, "local", "local", "local");
    return e ? e : new_consumer(out, s, options);
}

kca_error *kca__system_new(kca__system **out) {
    *out = NULL;
    kca__system *s = calloc(1, sizeof *s);
    if (!s)
        return kca__error_memory();
    kca_error *e = new_local(&s->local, s);
    if (e) {
        free(s);
        return e;
    }
    kca__generation_watch();
    s->generation = kca__generation();
    atomic_init(&s->users, 1);
    atomic_init(&s->holders, 1);
    kca__event_queue_init(&s->events);
    kca__event_queue_init(&s->logs);
    kca__log_init(&s->log, &s->events);
    kca__watch_init(&s->watch);
    s->publish_hooks = (kca__hooks){.of_publish = true, .owner = s};
    s->handling_hooks = (kca__hooks){.owner = s};
    s->translators = (kca__own_translators){.owner = s};
    pthread_mutex_init(&s->lifecycle_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->closing, false);
    kca__clock_condition_init(&s->visits_done);
    kca__clock_condition_init(&s->locals_done);
    *out = s;
    return NULL;
}

static void free_system(kca__system *s) {
    for (int i = 0; i < s->consumer_count; i++)
        kca__consumer_free(s->consumers[i]);
    kca__consumer_free(s->local);
    for (int i = 0; i < s->publisher_count; i++)
        kca__publisher_free(s->publishers[i]);
    for (int i = 0; i < s->reply_channel_count; i++)
        kca__reply_channel_free(s->reply_channels[i]);
    for (int i = 0; i < s->connection_count; i++)
        kca__connection_free(s->connections[i]);
    kca__exporter_free(s->exporter);
    free(s->consumers);
    free(s->publishers);
    free(s->reply_channels);
    free(s->connections);
    kca__own_translators_free(&s->translators);
    kca__event_queue_close(&s->events);
    kca__event_queue_close(&s->logs);
    kca__log_close(&s->log);
    kca__watch_close(&s->watch);
    pthread_mutex_destroy(&s->lifecycle_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->visits_done);
    pthread_cond_destroy(&s->locals_done);
    free(s);
}

/* Frees the application's `user` pointers: with its last handle, not with the memory, which a
 * delivery may keep. */
static void free_users(kca__system *s) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_FREE_USER, s);
    kca__handlers_close(&s->handlers);
    kca__hooks_close(&s->publish_hooks);
    kca__hooks_close(&s->handling_hooks);
    kca__own_translators_close(&s->translators);
    for (int i = 0; i < KCA__EVENT_TYPES; i++)
        if (s->event_handlers[i].free_user)
            s->event_handlers[i].free_user(s->event_handlers[i].user);
    if (s->interrupt.free_user)
        s->interrupt.free_user(s->interrupt.user);
    s->interrupt = (kca__interrupt){0};
    for (int i = 0; i < s->consumer_count; i++) {
        kca__deduplication_store *store = &s->consumers[i]->store;
        if (store->free_user)
            store->free_user(store->user);
        *store = (kca__deduplication_store){0};
    }
    kca__callback_end(&this);
}

void kca__system_hold(kca__system *s) {
    atomic_fetch_add(&s->holders, 1);
}

void kca__system_release(kca__system *s) {
    if (atomic_fetch_sub(&s->holders, 1) == 1)
        free_system(s);
}

/* ---- users ---- */

/* Nobody has a handle any more, but calls go on: makes them end. */
static void wind_up(kca__system *s) {
    kca__system_dismiss_visits(s);
    for (int i = 0; i < s->consumer_count; i++)
        kca__consumer_stop(s->consumers[i], KCA__CLOCK_OVER);
    for (int i = 0; i < s->reply_channel_count; i++)
        kca__reply_channel_shut(s->reply_channels[i]);
    kca__local_buses_stop(s);
    kca__local_buses_end(s);
}

static void close_system(kca__system *s) {
    kca__error_free(kca__system_shutdown(s, 0));
    free_users(s);
    kca__system_release(s);
}

/* In a forked child the threads are gone and locks may be held for ever, so the memory is left
 * alone. */
static void release_user(kca__system *s, int64_t user) {
    if (kca__system_is_foreign(s))
        return;
    kca__system_hold(s); /* once it is no longer a user, another thread may close the system */
    int64_t left = atomic_fetch_sub(&s->users, user) - user;
    if (left == 0)
        close_system(s);
    else if (left % KCA__SYSTEM_CALL == 0)
        wind_up(s);
    kca__system_release(s);
}

void kca__system_hold_handle(kca__system *s) {
    atomic_fetch_add(&s->users, 1);
}

void kca__system_release_handle(kca__system *s) {
    release_user(s, 1);
}

void kca__call_enter(kca__system *s) {
    atomic_fetch_add(&s->users, KCA__SYSTEM_CALL);
}

void kca__call_leave(kca__system *s) {
    release_user(s, KCA__SYSTEM_CALL);
}

bool kca__system_is_foreign(const kca__system *s) {
    return s->generation != kca__generation();
}

kca_error *kca__system_check_process(const kca__system *s) {
    if (!kca__system_is_foreign(s))
        return NULL;
    return kca__error_new(KCA_ERROR_FORKED,
                          "this system was made before fork: make and start a system in the child");
}

/* ---- declarations ---- */

kca_connection *kca__system_find_connection_locked(const kca__system *s, const char *name) {
    for (int i = 0; i < s->connection_count; i++)
        if (strcmp(s->connections[i]->name, name) == 0)
            return s->connections[i];
    return NULL;
}

static kca__publisher *find_publisher_locked(const kca__system *s, const char *channel) {
    for (int i = 0; i < s->publisher_count; i++)
        if (strcmp(s->publishers[i]->options->topic, channel) == 0)
            return s->publishers[i];
    return NULL;
}

static kca__consumer *find_consumer_locked(const kca__system *s, const char *name) {
    for (int i = 0; i < s->consumer_count; i++)
        if (strcmp(s->consumers[i]->options->name, name) == 0)
            return s->consumers[i];
    return NULL;
}

static kca__reply_channel *find_reply_channel_locked(const kca__system *s,
                                                     const kca_publisher_builder *b) {
    for (int i = 0; b->reply_channel && b->read_replies && i < s->reply_channel_count; i++)
        if (strcmp(s->reply_channels[i]->channel, b->reply_channel) == 0 &&
            strcmp(s->reply_channels[i]->connection, b->connection) == 0)
            return s->reply_channels[i];
    return NULL;
}

kca__reply_channel *kca__system_find_reply_channel(kca__system *s, const kca__publisher *p) {
    pthread_mutex_lock(&s->lock);
    kca__reply_channel *r = find_reply_channel_locked(s, p->options);
    pthread_mutex_unlock(&s->lock);
    return r;
}

kca__publisher *kca__system_find_publisher(kca__system *s, const char *channel) {
    pthread_mutex_lock(&s->lock);
    kca__publisher *p = find_publisher_locked(s, channel);
    pthread_mutex_unlock(&s->lock);
    return p;
}

kca__consumer *kca__system_find_consumer(kca__system *s, const char *name) {
    pthread_mutex_lock(&s->lock);
    kca__consumer *c = find_consumer_locked(s, name);
    pthread_mutex_unlock(&s->lock);
    return c;
}

static kca_error *check_not_started_locked(const kca__system *s, const char *kind,
                                           const char *name) {
    if (!s->started)
        return NULL;
    return kca__error_new(KCA_ERROR_STATE, "%s %s: the system is started: declare it before start",
                          kind, name ? name : "");
}

/* Takes both locks: nothing is added while the system starts or shuts down, and nobody reads the
 * lists meanwhile. */
static void lock_for_adding(kca__system *s) {
    pthread_mutex_lock(&s->lifecycle_lock);
    pthread_mutex_lock(&s->lock);
}

static void unlock_after_adding(kca__system *s) {
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_unlock(&s->lifecycle_lock);
}

/* Appends a pointer to a list; false when memory is out. */
static bool append(void ***list, int *count, void *item) {
    void **grown = realloc(*list, (size_t)(*count + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = item;
    return true;
}

/* False when memory is out. */
static bool add_secrets(kca__system *s, const kca_connection *c) {
    bool added = kca__log_add_secret(&s->log, c->sasl_password) &&
                 kca__log_add_secret(&s->log, c->tls_key_password);
    for (int i = 0; i < c->properties.count && added; i++)
        if (kca__property_is_secret(c->properties.items[i].name))
            added = kca__log_add_secret(&s->log, c->properties.items[i].value);
    return added;
}

static kca_error *add_connection_locked(kca__system *s, const kca_connection *c) {
    kca_error *e = kca__error_copy(c->error);
    if (!e)
        e = check_not_started_locked(s, "connection", c->name);
    if (!e && kca__system_find_connection_locked(s, c->name))
        e = kca__error_new(KCA_ERROR_DUPLICATE, "connection %s is declared already", c->name);
    kca_connection *copy = NULL;
    if (!e)
        e = kca__connection_copy(&copy, c);
    if (e)
        return e;
    copy->log = &s->log;
    copy->queue = &s->events;
    kca__connection_be_watched(copy, &s->watch);
    if (!add_secrets(s, copy) || !append((void ***)&s->connections, &s->connection_count, copy)) {
        kca__connection_free(copy);
        return kca__error_memory();
    }
    return NULL;
}

kca_error *kca__system_add_connection(kca__system *s, const kca_connection *c) {
    lock_for_adding(s);
    kca_error *e = add_connection_locked(s, c);
    unlock_after_adding(s);
    return e;
}

static kca_error *add_reply_channel_locked(kca__system *s, const kca_publisher_builder *b) {
    if (!b->reply_channel || !b->read_replies || find_reply_channel_locked(s, b))
        return NULL;
    kca__reply_channel *r;
    kca_error *e = kca__reply_channel_new(&r, b->connection, b->reply_channel, &s->log, &s->events);
    if (!e && !append((void ***)&s->reply_channels, &s->reply_channel_count, r)) {
        kca__reply_channel_free(r);
        e = kca__error_memory();
    }
    return e;
}

static kca_error *add_publisher_locked(kca__system *s, const kca_publisher_builder *b) {
    kca_error *e = kca__publisher_builder_check(b);
    if (!e)
        e = check_not_started_locked(s, "publisher", b->topic);
    if (!e && find_publisher_locked(s, b->topic))
        e = kca__error_new(KCA_ERROR_DUPLICATE, "publisher %s is declared already", b->topic);
    kca_publisher_builder *options = NULL;
    if (!e)
        e = kca__publisher_builder_copy(&options, b);
    kca__publisher *p = NULL;
    if (!e)
        e = kca__publisher_new(&p, options, NULL, &s->log);
    if (!e) {
        p->hooks = &s->publish_hooks;
        p->translators = &s->translators;
    }
    if (!e)
        e = add_reply_channel_locked(s, b);
    if (!e && !append((void ***)&s->publishers, &s->publisher_count, p))
        e = kca__error_memory();
    if (e)
        kca__publisher_free(p);
    return e;
}

kca_error *kca__system_add_publisher(kca__system *s, const kca_publisher_builder *b) {
    lock_for_adding(s);
    kca_error *e = add_publisher_locked(s, b);
    unlock_after_adding(s);
    return e;
}

static kca_error *add_consumer_locked(kca__system *s, const kca_consumer_builder *b) {
    kca_error *e = kca__consumer_builder_check(b);
    if (!e)
        e = check_not_started_locked(s, "consumer", b->name);
    if (!e && find_consumer_locked(s, b->name))
        e = kca__error_new(KCA_ERROR_DUPLICATE, "consumer %s is declared already", b->name);
    kca_consumer_builder *options = NULL;
    if (!e)
        e = kca__consumer_builder_copy(&options, b);
    kca__consumer *c = NULL;
    if (!e)
        e = new_consumer(&c, s, options);
    if (!e && !append((void ***)&s->consumers, &s->consumer_count, c)) {
        kca__consumer_free(c);
        e = kca__error_memory();
    }
    return e;
}

kca_error *kca__system_add_consumer(kca__system *s, const kca_consumer_builder *b) {
    lock_for_adding(s);
    kca_error *e = add_consumer_locked(s, b);
    unlock_after_adding(s);
    return e;
}

/* What was begun with the last ones is to be at its end. */
static kca_error *set_local_retries_locked(kca__system *s, const kca_consumer_builder *b) {
    kca_error *e = kca__consumer_builder_check(b);
    if (!e)
        e = check_not_started_locked(s, "local retries", "");
    if (!e && s->locals)
        e = kca__error_new(KCA_ERROR_STATE, "local retries: messages are still being handled");
    kca_consumer_builder *options = NULL;
    if (!e)
        e = kca__consumer_builder_copy(&options, b);
    kca__consumer *c = NULL;
    if (!e)
        e = new_consumer(&c, s, options);
    if (e)
        return e;
    kca__consumer_free(s->local);
    s->local = c;
    return NULL;
}

kca_error *kca__system_set_local_retries(kca__system *s, const kca_consumer_builder *b) {
    lock_for_adding(s);
    kca_error *e = set_local_retries_locked(s, b);
    unlock_after_adding(s);
    return e;
}

kca_error *kca__system_add_handler(kca__system *s, const char *name, kca_handler_fn fn, void *user,
                                   kca_free_fn free_user) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "handler", name);
    if (!e)
        e = kca__handlers_add(&s->handlers, name, fn, user, free_user);
    unlock_after_adding(s);
    /* Outside the locks: a finalizer may call the library. */
    if (e)
        kca__callback_free_user(s, free_user, user);
    return e;
}

kca_error *kca__system_add_batch_handler(kca__system *s, const char *name,
                                         const kca__batch_plan *plan, kca_batch_fn fn, void *user,
                                         kca_free_fn free_user) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "handler", name);
    if (!e)
        e = kca__handlers_add_batch(&s->handlers, name, plan, fn, user, free_user);
    unlock_after_adding(s);
    if (e)
        kca__callback_free_user(s, free_user, user);
    return e;
}

static kca_error *add_hook(kca__system *s, kca__hooks *hooks, kca__hook hook) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "hook", "");
    if (!e)
        e = kca__hooks_add(hooks, hook);
    unlock_after_adding(s);
    if (e)
        kca__callback_free_user(s, hook.free_user, hook.user);
    return e;
}

kca_error *kca__system_add_publish_hook(kca__system *s, kca__hook hook) {
    return add_hook(s, &s->publish_hooks, hook);
}

kca_error *kca__system_add_handling_hook(kca__system *s, kca__hook hook) {
    return add_hook(s, &s->handling_hooks, hook);
}

/* Whether anything that is declared writes or reads the channel. */
static bool has_channel_locked(kca__system *s, const char *channel) {
    if (find_publisher_locked(s, channel))
        return true;
    for (int i = 0; i < s->consumer_count; i++)
        for (int j = 0; j < s->consumers[i]->options->topic_count; j++)
            if (strcmp(s->consumers[i]->options->topics[j], channel) == 0)
                return true;
    return false;
}

kca_error *kca__system_set_translator(kca__system *s, kca__own_translator translator) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "translator of channel", translator.channel);
    if (!e && !has_channel_locked(s, translator.channel))
        e = kca__error_new(KCA_ERROR_NOT_FOUND,
                           "channel %s: no publisher and no consumer is declared for it",
                           translator.channel);
    if (!e)
        e = kca__own_translators_add(&s->translators, &translator);
    unlock_after_adding(s);
    if (e)
        kca__callback_free_user(s, translator.free_user, translator.user);
    return e;
}

kca_error *kca__system_set_event_handler(kca__system *s, int event_type, kca_event_fn fn,
                                         void *user, kca_free_fn free_user) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "event handler", "");
    kca__event_handler *handler = &s->event_handlers[event_type];
    kca__event_handler old = *handler;
    if (!e)
        *handler = (kca__event_handler){fn, user, free_user};
    unlock_after_adding(s);
    if (e)
        kca__callback_free_user(s, free_user, user);
    else
        kca__callback_free_user(s, old.free_user, old.user);
    return e;
}

kca_error *kca__system_set_interrupt(kca__system *s, kca__interrupt interrupt) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "interrupt", "");
    kca__interrupt old = interrupt;
    if (!e) {
        old = s->interrupt;
        s->interrupt = interrupt;
    }
    unlock_after_adding(s);
    kca__callback_free_user(s, old.free_user, old.user);
    return e;
}

static kca_error *set_exporter_locked(kca__system *s, const char *settings) {
    kca_error *e = check_not_started_locked(s, "exporter", "");
    if (!e && s->exporter)
        e = kca__error_new(KCA_ERROR_DUPLICATE, "exporter: the system has one already");
    return e ? e : kca__exporter_new(&s->exporter, settings, &s->log);
}

kca_error *kca__system_set_exporter(kca__system *s, const char *settings) {
    lock_for_adding(s);
    kca_error *e = set_exporter_locked(s, settings);
    unlock_after_adding(s);
    return e;
}

const kca__event_handler *kca__system_event_handler(const kca__system *s, int event_type) {
    const kca__event_handler *handler = &s->event_handlers[event_type];
    return handler->fn ? handler : NULL;
}

kca_error *kca__system_set_deduplication_store(kca__system *s, const char *consumer,
                                               kca__deduplication_store store) {
    lock_for_adding(s);
    kca_error *e = check_not_started_locked(s, "deduplication store of consumer", consumer);
    kca__consumer *c = find_consumer_locked(s, consumer);
    if (!e && !c)
        e = kca__error_new(KCA_ERROR_NOT_FOUND, "consumer %s is not declared", consumer);
    if (!e && c->options->transactional_id)
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "consumer %s: with transactional_id there is no deduplication store: "
                           "what was done in an aborted transaction has to be done again",
                           consumer);
    kca__deduplication_store old = store;
    if (!e) {
        old = c->store;
        c->store = store;
    }
    unlock_after_adding(s);
    kca__callback_free_user(s, old.free_user, old.user);
    return e;
}
