/* Start and shutdown of a system. All of it runs under the lifecycle lock. */
#include "system/system.h"

#include "base/error.h"
#include "base/interrupt.h"
#include "system/local_bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_LARGEST_BYTES = 1048576 };

static kca_error *unknown_connection(const char *kind, const char *name, const char *connection) {
    return kca__error_new(KCA_ERROR_NOT_FOUND, "%s %s: connection %s is not declared", kind, name,
                          connection);
}

/* The publisher of a channel that failed messages are written to. One that gets no confirmations is
 * refused: they must not be lost there. */
static kca_error *find_confirmed(kca__publisher **out, kca__system *s, const kca__consumer *c,
                                 const char *option, const char *channel) {
    *out = kca__system_find_publisher(s, channel);
    if (!*out)
        return kca__error_new(KCA_ERROR_NOT_FOUND,
                              "consumer %s: %s %s: no publisher is declared for it",
                              c->options->name, option, channel);
    if ((*out)->options->required_acks == 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: %s %s: its publisher must have required_acks -1 or 1, "
                              "so that no failed message is lost, got 0",
                              c->options->name, option, channel);
    return NULL;
}

static bool reads_the_same(const kca_consumer_builder *a, const kca_consumer_builder *b) {
    bool same = a->declared_topics == b->declared_topics &&
                strcmp(kca__consumer_builder_group(a), kca__consumer_builder_group(b)) == 0;
    for (int i = 0; i < a->declared_topics && same; i++)
        same = strcmp(a->topics[i], b->topics[i]) == 0;
    return same;
}

/* Another consumer would get what this one is to try again. */
static kca_error *check_alone(const kca__system *s, const kca__consumer *c, const char *channel) {
    for (int i = 0; i < s->consumer_count; i++) {
        const kca_consumer_builder *other = s->consumers[i]->options;
        if (kca__consumer_builder_retry_channel(other, channel) >= 0 &&
            strcmp(other->connection, c->options->connection) == 0 &&
            !reads_the_same(other, c->options))
            return kca__error_new(
                KCA_ERROR_ARGUMENT,
                "consumer %s: retry_channel %s is consumer %s's, too: consumers of "
                "other groups or topics need channels of their own",
                c->options->name, channel, other->name);
    }
    return NULL;
}

/* What is written there is read by the consumer itself. */
static kca_error *check_retry_channels(kca__system *s, const kca__consumer *c) {
    const kca__option_texts *channels = &c->options->retry_channel;
    kca_error *e = NULL;
    for (int i = 0; i < channels->count && !e; i++) {
        kca__publisher *p;
        e = find_confirmed(&p, s, c, "retry_channel", channels->items[i]);
        if (!e && strcmp(p->options->connection, c->options->connection) != 0)
            e = kca__error_new(KCA_ERROR_ARGUMENT,
                               "consumer %s: retry_channel %s is over connection %s: it must be "
                               "over the consumer's, %s, who reads it",
                               c->options->name, channels->items[i], p->options->connection,
                               c->options->connection);
        if (!e)
            e = check_alone(s, c, channels->items[i]);
    }
    return e;
}

static kca_error *resolve_dead_letters(kca__system *s, kca__consumer *c) {
    const char *channel = c->options->dead_letter_channel;
    if (!channel)
        return NULL;
    kca_error *e = find_confirmed(&c->dead_letters, s, c, "dead_letter_channel", channel);
    if (e)
        return e;
    if (c->options->transactional_id &&
        strcmp(c->dead_letters->options->connection, c->options->connection) != 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: dead_letter_channel %s is over connection %s: with "
                              "transactional_id it must be over the consumer's, %s",
                              c->options->name, channel, c->dead_letters->options->connection,
                              c->options->connection);
    return NULL;
}

/* The largest message that a publisher over this connection takes. */
static int largest_bytes(const kca__system *s, const char *connection) {
    int most = LEAST_LARGEST_BYTES;
    for (int i = 0; i < s->publisher_count; i++) {
        const kca_publisher_builder *o = s->publishers[i]->options;
        if (strcmp(o->connection, connection) == 0 && o->batch_bytes > most)
            most = o->batch_bytes;
    }
    return most;
}

/* -1: it is none of this publisher's. */
static int delay_of(const kca_publisher_builder *o, const char *channel) {
    for (int i = 0; i < o->delay_channel.count; i++)
        if (strcmp(o->delay_channel.items[i], channel) == 0)
            return o->delay_channel_ms.items[i];
    return -1;
}

/* What waits longest in a channel keeps the rest of it back. */
static kca_error *check_delay_channels(const kca__system *s, const kca_publisher_builder *o) {
    for (int i = 0; i < o->delay_channel.count; i++)
        for (int other = 0; other < s->publisher_count; other++) {
            const kca_publisher_builder *p = s->publishers[other]->options;
            int delay_ms = delay_of(p, o->delay_channel.items[i]);
            if (delay_ms >= 0 && delay_ms != o->delay_channel_ms.items[i] &&
                strcmp(p->connection, o->connection) == 0)
                return kca__error_new(
                    KCA_ERROR_ARGUMENT,
                    "publisher %s: delay_channel %s has delay_channel_ms %d here, "
                    "and %d at publisher %s: a channel has one delay",
                    o->topic, o->delay_channel.items[i], o->delay_channel_ms.items[i], delay_ms,
                    p->topic);
        }
    return NULL;
}

static kca_error *resolve_connections(kca__system *s) {
    for (int i = 0; i < s->publisher_count; i++) {
        kca__publisher *p = s->publishers[i];
        if (!(p->connection = kca__system_find_connection_locked(s, p->options->connection)))
            return unknown_connection("publisher", p->options->topic, p->options->connection);
        kca_error *e = check_delay_channels(s, p->options);
        if (e)
            return e;
    }
    for (int i = 0; i < s->consumer_count; i++) {
        kca__consumer *c = s->consumers[i];
        c->exporter = s->exporter;
        if (!(c->connection = kca__system_find_connection_locked(s, c->options->connection)))
            return unknown_connection("consumer", c->options->name, c->options->connection);
        if (s->handlers.count == 0 && !c->options->relay)
            return kca__error_new(KCA_ERROR_STATE,
                                  "consumer %s has no handler: declare one for the names it reads",
                                  c->options->name);
        c->largest_bytes = largest_bytes(s, c->options->connection);
        c->publishers = s->publishers;
        c->publisher_count = s->publisher_count;
        kca_error *e = resolve_dead_letters(s, c);
        if (!e)
            e = check_retry_channels(s, c);
        if (e)
            return e;
    }
    return NULL;
}

static kca_error *open_connections(kca__system *s) {
    kca_error *e = NULL;
    for (int i = 0; i < s->connection_count && !e; i++)
        e = kca__connection_open(s->connections[i]);
    return e;
}

/* Who left required_acks at its default may not know what that means, and hears of it once though
 * no log is switched on. */
static void warn_of_acks(kca__system *s, kca__publisher *p) {
    static const char text[] = "required_acks is 0: no broker confirms anything, records may be "
                               "lost unnoticed";
    const kca_publisher_builder *o = p->options;
    if (!kca__options_has(kca__publisher_options, o->given, "required_acks") && !p->has_warned &&
        kca__log_is_off(&s->log))
        fprintf(stderr, "kca: publisher %s: %s; set it to -1, or to 0 to say that this is meant\n",
                o->topic, text);
    p->has_warned = true;
    kca__log_write(&s->log, KCA_LOG_WARN, "publisher", o->topic, "%s", text);
}

static kca_error *open_publishers(kca__system *s) {
    kca_error *e = NULL;
    for (int i = 0; i < s->publisher_count && !e; i++) {
        const kca_publisher_builder *o = s->publishers[i]->options;
        e = kca__publisher_open(s->publishers[i], &s->producers);
        atomic_store(&s->publishers[i]->exporter, s->exporter);
        if (!e && o->required_acks == 0)
            warn_of_acks(s, s->publishers[i]);
    }
    return e;
}

static kca_error *reach(kca__system *s, kca_connection *c, int64_t deadline) {
    kca__client *client;
    kca_error *e = kca__producers_client(&client, &s->producers, c);
    return e ? e : kca__connection_reach(c, client, deadline);
}

static kca_error *check_consumers(kca__system *s, int64_t deadline) {
    kca_error *e = NULL;
    for (int i = 0; i < s->consumer_count && !e; i++) {
        kca__consumer *c = s->consumers[i];
        kca__client *client;
        e = kca__consumer_check(c);
        if (!e)
            e = kca__producers_client(&client, &s->producers, c->connection);
        for (int t = 0; t < c->options->topic_count && !e; t++)
            e = kca__connection_look_for(c->connection, client, c->options->name,
                                         c->options->topics[t], c->options->partition, deadline);
    }
    return e;
}

static void serve_producer(void *owner, int timeout_ms) {
    kca__producer_serve(owner, timeout_ms);
}

static void wake_producer(void *owner) {
    kca__producer_wake(owner);
}

/* When all publishers share one producer, a thread that waits on the system's queue serves it. */
static void set_source(kca__system *s) {
    kca__event_source source = {serve_producer, wake_producer, NULL};
    int producers = 0;
    for (int i = 0; i < s->publisher_count; i++) {
        producers += source.owner != s->publishers[i]->producer;
        source.owner = s->publishers[i]->producer;
    }
    if (producers == 1)
        kca__event_queue_set_source(&s->events, source);
}

static kca_error *open_reply_channels(kca__system *s, int64_t deadline) {
    kca_error *e = NULL;
    for (int i = 0; i < s->reply_channel_count && !e; i++) {
        kca__reply_channel *r = s->reply_channels[i];
        kca_connection *c = kca__system_find_connection_locked(s, r->connection);
        kca__client *client;
        e = kca__producers_client(&client, &s->producers, c);
        if (!e)
            e = kca__reply_channel_open(r, c, client, deadline);
    }
    return e;
}

static kca_error *begin_watching(kca__system *s) {
    kca_error *e = NULL;
    for (int i = 0; i < s->connection_count && !e; i++) {
        kca_connection *c = s->connections[i];
        kca__client *client;
        e = kca__producers_client(&client, &s->producers, c);
        if (!e)
            kca__watch_add(&s->watch, &c->watched, client, KCA_STATE_CONNECTED);
    }
    if (!e && !kca__watch_start(&s->watch))
        e = kca__error_new(KCA_ERROR_MEMORY, "start: no thread can be started");
    return e;
}

static kca_error *begin_exporting(kca__system *s) {
    if (!s->exporter || kca__exporter_start(s->exporter))
        return NULL;
    return kca__error_new(KCA_ERROR_MEMORY, "start: no thread can be started");
}

static kca_error *start(kca__system *s, int64_t deadline) {
    kca_error *e = resolve_connections(s);
    if (!e)
        e = begin_exporting(s);
    if (!e)
        e = open_connections(s);
    if (!e)
        e = open_publishers(s);
    for (int i = 0; i < s->connection_count && !e; i++)
        e = reach(s, s->connections[i], deadline);
    if (!e)
        e = check_consumers(s, deadline);
    if (!e)
        e = open_reply_channels(s, deadline);
    if (!e)
        e = begin_watching(s);
    return e;
}

/* Closes what was opened, also after half a start. Gives how many messages were not sent. */
static int close_all(kca__system *s, int64_t deadline) {
    int left = 0;
    kca__event_queue_set_source(&s->events, (kca__event_source){0});
    for (int i = 0; i < s->reply_channel_count; i++)
        kca__reply_channel_close(s->reply_channels[i]);
    for (int i = 0; i < s->publisher_count; i++)
        left += kca__publisher_close(s->publishers[i], deadline);
    kca__watch_stop(&s->watch);
    kca__producers_close(&s->producers);
    for (int i = 0; i < s->connection_count; i++) {
        kca__watch_remove(&s->watch, &s->connections[i]->watched);
        kca__connection_close(s->connections[i]);
    }
    if (s->exporter)
        kca__exporter_stop(s->exporter, deadline);
    return left;
}

kca_error *kca__system_start(kca__system *s, int timeout_ms) {
    pthread_mutex_lock(&s->lifecycle_lock);
    kca_error *e = NULL;
    if (s->started)
        e = kca__error_new(KCA_ERROR_STATE,
                           "start: the system is started already: shut it down first");
    if (!e) {
        e = start(s, kca__clock_deadline(timeout_ms));
        if (e)
            close_all(s, kca__clock_deadline(0));
        for (int i = 0; i < s->consumer_count && !e; i++)
            kca__consumer_open(s->consumers[i]);
        s->started = !e;
        if (!e) {
            set_source(s);
            kca__system_admit_visits(s);
            kca__local_buses_open(s);
        }
    }
    pthread_mutex_unlock(&s->lifecycle_lock);
    if (e)
        kca__log_write(&s->log, KCA_LOG_ERROR, "system", NULL, "start: %s", e->text);
    return e;
}

/* ---- shutdown ---- */

enum { FLUSH_RESERVE_MS = 5000, HANDLERS_LOOK_NS = 10000000 };

/* Consumers end first, and leave a quarter of the time, at most FLUSH_RESERVE_MS, to send what
 * their handlers published. Asks end so long before that again: their handlers go on then. */
static int64_t deadline_before(int timeout_ms, int reserves) {
    if (timeout_ms <= 0)
        return kca__clock_deadline(timeout_ms);
    int reserve = timeout_ms / 4 < FLUSH_RESERVE_MS ? timeout_ms / 4 : FLUSH_RESERVE_MS;
    return kca__clock_deadline(timeout_ms - reserves * reserve);
}

/* For consumers that are stopped: nothing new is handled that would fail for want of an answer. */
static void hurry_asks(kca__system *s, int64_t until_ms) {
    for (int i = 0; i < s->consumer_count && s->reply_channel_count > 0; i++)
        kca__consumer_spare(s->consumers[i]);
    for (int i = 0; i < s->reply_channel_count; i++)
        kca__reply_channel_hurry(s->reply_channels[i], until_ms);
}

static bool is_handling(kca__system *s) {
    for (int i = 0; i < s->consumer_count; i++)
        if (kca__consumer_is_handling(s->consumers[i]))
            return true;
    return kca__local_buses_are_handling(s);
}

/* If the application can interrupt the shutdown, waits here for the deliveries that are out: the
 * consumers wait with locks held, where nobody may be asked. Gives the deadline for what follows.
 */
static int64_t await_handlers(kca__system *s, int64_t deadline) {
    const struct timespec pause = {0, HANDLERS_LOOK_NS};
    while (kca__interrupt_is_set() && is_handling(s)) {
        if (kca__interrupt_left_ms(deadline) == 0)
            return kca__clock_deadline(0);
        nanosleep(&pause, NULL);
    }
    return deadline;
}

/* What consumers' handlers ask through buses without a channel is taken until they have ended. */
static int close_consumers(kca__system *s, int64_t deadline, int64_t asks_deadline) {
    int held = 0;
    for (int i = 0; i < s->consumer_count; i++)
        kca__consumer_stop(s->consumers[i], KCA__CLOCK_NEVER);
    hurry_asks(s, asks_deadline);
    deadline = await_handlers(s, deadline);
    for (int i = 0; i < s->consumer_count; i++)
        held += kca__consumer_close(s->consumers[i], deadline);
    return held;
}

/* NULL: nothing was left. */
static kca_error *left_at_shutdown(int timeout_ms, int held, int unsent, int local) {
    if (held == 0 && unsent == 0 && local == 0)
        return NULL;
    return kca__error_new(
        KCA_ERROR_TIMEOUT,
        local > 0 ? "shutdown within %d ms: %d deliveries were not settled (they come again), %d "
                    "messages were not confirmed, %d of buses without a channel were not handled"
                  : "shutdown within %d ms: %d deliveries were not settled (they come again), %d "
                    "messages were not confirmed",
        timeout_ms, held, unsent, local);
}

kca_error *kca__system_shutdown(kca__system *s, int timeout_ms) {
    pthread_mutex_lock(&s->lifecycle_lock);
    kca_error *e = NULL;
    if (s->started) {
        int64_t deadline = kca__clock_deadline(timeout_ms);
        kca__system_dismiss_visits(s);
        kca__watch_dismiss(&s->watch);
        int64_t handlers_deadline = deadline_before(timeout_ms, 1);
        int held = close_consumers(s, handlers_deadline, deadline_before(timeout_ms, 2));
        int local = kca__local_buses_close(s, handlers_deadline);
        kca__system_await_visits(s);
        int unsent = close_all(s, deadline);
        s->started = false;
        e = left_at_shutdown(timeout_ms, held, unsent, local);
    }
    pthread_mutex_unlock(&s->lifecycle_lock);
    return e;
}
