#include "inbound/consumer_private.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/text.h"
#include "inbound/local.h"
#include "inbound/processors.h"
#include "message/trace_context.h"

#include <stdlib.h>

/* Freeing a queue waits so long for dead letters that are under way. */
enum { FREE_MS = 5000 };

kca_error *kca__consumer_new(kca__consumer **out, kca_consumer_builder *options,
                             const kca__consumer_setup *setup) {
    *out = NULL;
    kca__consumer *c = calloc(1, sizeof *c);
    kca__deduplication *deduplication = NULL;
    if (!c) {
        kca__consumer_builder_free(options);
        return kca__error_memory();
    }
    if (options->deduplication > 0 &&
        !(deduplication = kca__deduplication_new(options->deduplication))) {
        free(c);
        kca__consumer_builder_free(options);
        return kca__error_memory();
    }
    *c = (kca__consumer){
        .options = options, .setup = *setup, .deduplication = deduplication, .processors = 1};
    pthread_mutex_init(&c->lock, NULL);
    kca__clock_condition_init(&c->changed);
    *out = c;
    return NULL;
}

void kca__consumer_free(kca__consumer *c) {
    if (!c)
        return;
    kca__consumer_builder_free(c->options);
    kca__deduplication_free(c->deduplication);
    kca__error_free(c->error);
    kca__error_free(c->failure);
    free(c->properties);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static kca_error *not_possible(const kca__consumer *c, const char *why) {
    return kca__error_new(KCA_ERROR_STATE, "consumer %s: %s", c->options->name, why);
}

/* Waits for another thread that closes the last adapter: what that settled must be committed before
 * anything begins or ends after it. */
static void await_closed_locked(kca__consumer *c) {
    while (c->closing)
        kca__clock_wait(&c->changed, &c->lock, KCA__CLOCK_NEVER);
}

/* Nothing runs, the system is started, the setters were right. */
static kca_error *check_idle_locked(const kca__consumer *c) {
    if (c->error)
        return kca__error_copy(c->error);
    if (!c->open)
        return not_possible(c, "the system is not started");
    if (c->inbound)
        return not_possible(c, c->running ? "it is running already"
                                          : "its queue is open: free that before it runs again");
    return NULL;
}

/* Takes `failure`. */
static void set_failure_locked(kca__consumer *c, kca_error *failure) {
    kca__error_free(c->failure);
    c->failure = failure;
    c->failed_ms = kca__clock_ms();
}

static kca_error *join_locked(kca__consumer *c, kca__event_queue *note_queue) {
    await_closed_locked(c);
    kca_error *e = check_idle_locked(c);
    if (e)
        return e;
    c->setup.hold(c->setup.user);
    c->run_number++;
    set_failure_locked(c, NULL);
    const kca__inbound_setup setup = {.options = c->options,
                                      .connection = c->connection,
                                      .log = c->setup.log,
                                      .processing_timeout_ms = c->processing_timeout_ms,
                                      .note_queue = note_queue,
                                      .dead_letters = c->dead_letters,
                                      .publishers = c->publishers,
                                      .publisher_count = c->publisher_count,
                                      .deduplication = c->deduplication,
                                      .handlers = c->setup.handlers,
                                      .translators = c->setup.translators,
                                      .largest_bytes = c->largest_bytes,
                                      .exporter = c->exporter,
                                      .client_id = c->client_id.text,
                                      .let_go = c->setup.release,
                                      .user = c->setup.user};
    e = kca__inbound_open(&c->inbound, &setup);
    if (e)
        set_failure_locked(c, kca__error_copy(e));
    return e;
}

/* The inbound, kept from being closed until done_with. */
static kca__inbound *use_locked(kca__consumer *c) {
    if (c->inbound)
        c->users++;
    return c->inbound;
}

static void done_with(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    if (--c->users == 0)
        pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void add_counts(kca__engine_counts *sum, const kca__engine_counts *counts) {
    sum->handled += counts->handled;
    sum->failed += counts->failed;
    sum->rejected += counts->rejected;
    sum->skipped += counts->skipped;
    sum->retried += counts->retried;
    sum->retry_stored += counts->retry_stored;
    sum->timed_out += counts->timed_out;
    sum->relayed += counts->relayed;
    sum->dead_lettered += counts->dead_lettered;
    sum->parked += counts->parked;
    sum->replied += counts->replied;
    sum->not_replied += counts->not_replied;
    sum->duplicates += counts->duplicates;
    sum->passed_over += counts->passed_over;
    sum->finished_before += counts->finished_before;
}

/* Takes the inbound away from the consumer and closes it: waits for those who use it, and for what
 * is out. */
static int leave(kca__consumer *c, int64_t deadline, kca_error **out_failure) {
    *out_failure = NULL;
    pthread_mutex_lock(&c->lock);
    kca__inbound *in = c->inbound;
    if (!in) {
        await_closed_locked(c);
        pthread_mutex_unlock(&c->lock);
        return 0;
    }
    kca__inbound_stop(in, deadline);
    while (c->users > 0)
        kca__clock_wait(&c->changed, &c->lock, KCA__CLOCK_NEVER);
    if (c->inbound != in) {
        await_closed_locked(c);
        pthread_mutex_unlock(&c->lock);
        return 0;
    }
    kca__engine_hold(in->engine);
    c->inbound = NULL;
    c->closing = in;
    pthread_mutex_unlock(&c->lock);

    int held = kca__inbound_close(in, deadline, out_failure);
    kca__engine_counts counts = kca__engine_count(in->engine);
    pthread_mutex_lock(&c->lock);
    add_counts(&c->counts, &counts);
    if (c->closing == in) {
        c->closing = NULL;
        set_failure_locked(c, kca__error_copy(*out_failure));
    }
    c->running = false;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    kca__engine_release(in->engine);
    return held;
}

kca_error *kca__consumer_check(kca__consumer *c) {
    if (c->options->transactional_id && c->connection->embedded)
        return not_possible(c, "the embedded broker knows no transactions: transactional_id needs "
                               "a real one");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = kca__connection_configure(c->connection, conf, false, c->options->name);
    if (!e)
        e = kca__consumer_builder_configure(c->options, c->connection->embedded != NULL, conf);
    if (!e) {
        free(c->properties);
        c->properties = kca__property_dump(conf);
        kca__property_client_id(&c->client_id, conf);
    }
    rd_kafka_conf_destroy(conf);
    return e;
}

void kca__consumer_open(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    c->open = true;
    set_failure_locked(c, NULL);
    pthread_mutex_unlock(&c->lock);
}

int kca__consumer_close(kca__consumer *c, int64_t deadline) {
    pthread_mutex_lock(&c->lock);
    c->open = false;
    bool running = c->running;
    kca__inbound *in = c->inbound ? c->inbound : c->closing;
    if (in)
        kca__inbound_stop(in, deadline);
    while (running && c->running) {
        /* run itself leaves, once its handlers are back */
        if (!kca__clock_wait(&c->changed, &c->lock, deadline))
            break;
    }
    in = c->inbound ? c->inbound : c->closing;
    int out = running && c->running && in ? kca__engine_out(in->engine) : 0;
    bool left = c->running;
    pthread_mutex_unlock(&c->lock);
    if (running)
        return left && out == 0 ? 1 : out;
    kca_error *failure;
    int held = leave(c, deadline, &failure);
    kca__error_free(failure);
    return held;
}

bool kca__consumer_is_handling(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    bool handling = c->inbound && kca__engine_out(c->inbound->engine) > 0;
    pthread_mutex_unlock(&c->lock);
    return handling;
}

void kca__consumer_spare(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    if (c->inbound)
        kca__engine_spare(c->inbound->engine);
    pthread_mutex_unlock(&c->lock);
}

void kca__consumer_stop(kca__consumer *c, int64_t deadline) {
    pthread_mutex_lock(&c->lock);
    if (c->inbound)
        kca__inbound_stop(c->inbound, deadline);
    pthread_mutex_unlock(&c->lock);
}

kca_error *kca__consumer_run(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    kca_error *e = join_locked(c, c->setup.events);
    if (e) {
        pthread_mutex_unlock(&c->lock);
        return e;
    }
    c->running = true;
    kca__inbound *in = use_locked(c);
    int processors = c->processors;
    pthread_mutex_unlock(&c->lock);

    e = kca__processors_run(c, in, processors);
    done_with(c);
    kca_error *failure;
    leave(c, KCA__CLOCK_NEVER, &failure);
    if (e)
        kca__error_free(failure);
    return e ? e : failure;
}

const char *kca__consumer_why_unhandled(const char *name, const kca__handler *handler) {
    if (handler)
        return "its handler has no function: pull its messages from the consumer's queue";
    return *name ? "no handler has its name"
                 : "its record has no `route` header that is a name for a handler to have";
}

int kca__consumer_ask_store(const kca__consumer *c, kca_delivery *d) {
    const char *id = d->message.texts[KCA__TEXT_MESSAGE_ID];
    if (!c->store.seen || *id == '\0')
        return 0;
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_STORE, c->setup.user);
    int seen = c->store.seen(id, c->store.user);
    kca__callback_end(&this);
    if (seen < 0)
        kca__delivery_explain(d, "deduplication", "its store does not know whether it was handled");
    return seen;
}

static bool mark(const kca__consumer *c, const char *id) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_STORE, c->setup.user);
    bool marked = c->store.mark(id, c->store.user) == 0;
    kca__callback_end(&this);
    return marked;
}

/* If that is not remembered, it may be handled again, and somebody should know. */
void kca__consumer_tell_store(const kca__consumer *c, kca_delivery *d) {
    const char *id = d->message.texts[KCA__TEXT_MESSAGE_ID];
    if (!c->store.mark || *id == '\0' || !kca__engine_has_out(d) || mark(c, id))
        return;
    kca_error *error = kca__error_new(
        KCA_ERROR_HANDLER,
        "consumer %s: the deduplication store did not take message %s at %s[%d] "
        "offset %lld",
        c->options->name, id, d->event.topic, d->event.partition, (long long)d->offset);
    kca__engine_fault(d->engine, error, d->event.topic, d->event.partition, d->offset);
}

static int call_handler(const kca__consumer *c, const kca__handler *handler, kca_delivery *d) {
    kca__callback this;
    kca__callback_begin(&this, KCA__CALLBACK_HANDLER, c->setup.user);
    int verdict = handler->fn(d, handler->user);
    kca__callback_end(&this);
    return verdict;
}

static int handle(const kca__consumer *c, kca_delivery *d) {
    const char *name = d->message.texts[KCA__TEXT_NAME];
    const kca__handler *handler = kca__handlers_find(c->setup.handlers, name);
    if (!handler || !handler->fn) {
        kca__delivery_explain(d, "unhandled", kca__consumer_why_unhandled(name, handler));
        return KCA_REJECTED;
    }
    int seen = kca__consumer_ask_store(c, d);
    if (seen != 0)
        return seen < 0 ? KCA_FAILED : KCA_DUPLICATE;
    int verdict = call_handler(c, handler, d);
    if (verdict >= KCA_DONE && verdict <= KCA_DUPLICATE)
        return verdict;
    kca__delivery_explain(d, "verdict", "its handler returned a number that is not a verdict");
    return KCA_FAILED;
}

void kca__consumer_explain_hook(kca_delivery *d, const kca_hooked *h) {
    if (h->error_name || h->error_text)
        kca__delivery_explain(d, h->error_name, h->error_text);
    else if (!d->error_name && !d->error_text)
        kca__delivery_explain(d, "hook", "a hook failed, and did not say why");
}

void kca__consumer_begin_hooked(kca_hooked *out, const kca__consumer *c, kca_delivery *d) {
    kca__hooked_begin(out, c->setup.hooks, &d->message, d, NULL, kca__clock_us());
    out->partition = d->event.partition;
    out->offset = d->offset;
}

/* What the application has deferred may be another thread's by now. */
void kca__consumer_judge_hooked(kca_hooked *h, const kca_delivery *d, int verdict) {
    bool fails = verdict == KCA_FAILED || verdict == KCA_REJECTED;
    kca__hooked_judge(h, verdict, fails ? d->error_name : NULL, fails ? d->error_text : NULL,
                      kca__clock_us());
}

static int handle_hooked(const kca__consumer *c, kca_delivery *d) {
    kca_hooked h;
    kca__consumer_begin_hooked(&h, c, d);
    bool goes_on = kca__hooked_enter(&h);
    if (kca__hooked_fails(&h))
        kca__consumer_explain_hook(d, &h);
    kca__consumer_judge_hooked(&h, d, goes_on ? handle(c, d) : h.verdict);
    if (kca__hooked_leave(&h))
        kca__consumer_explain_hook(d, &h);
    int verdict = h.verdict;
    kca__hooked_end(&h);
    return verdict;
}

bool kca__consumer_handle(const kca__consumer *c, kca_delivery *d, int *out_verdict) {
    kca__trace_context before = *kca__trace_context_current();
    kca__trace_context context = kca__delivery_context(d);
    kca__engine_begin_handling(d);
    kca__trace_context_set_current(&context);
    int verdict = c->setup.hooks->count > 0 ? handle_hooked(c, d) : handle(c, d);
    if (verdict == KCA_DONE)
        kca__consumer_tell_store(c, d);
    kca__trace_context_set_current(&before);
    *out_verdict = verdict == KCA_DEFERRED ? KCA_FAILED : verdict;
    return kca__engine_end_handling(d, verdict);
}

/* ---- while it runs ---- */

/* The running inbound, kept until done_with; else an error. */
static kca_error *use_running(kca__inbound **out, kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    *out = use_locked(c);
    pthread_mutex_unlock(&c->lock);
    return *out ? NULL : not_possible(c, "it does not run");
}

kca_error *kca__consumer_set_paused(kca__consumer *c, const char *topic, int partition,
                                    bool paused) {
    kca__inbound *in;
    kca_error *e = use_running(&in, c);
    if (e)
        return e;
    e = kca__inbound_set_paused(in, topic, partition, paused);
    done_with(c);
    return e;
}

kca_error *kca__consumer_unpark(kca__consumer *c, const char *topic, int partition, const void *key,
                                size_t key_len) {
    kca__inbound *in;
    kca_error *e = use_running(&in, c);
    if (e)
        return e;
    if (kca__engine_unpark(in->engine, topic, partition, key, key_len) == 0)
        e = kca__error_new(KCA_ERROR_NOT_FOUND,
                           "consumer %s: unpark: %s is parked in the partitions that it has now",
                           c->options->name, key_len > 0 ? "no such key" : "no key");
    done_with(c);
    return e;
}

kca_error *kca__consumer_seek(kca__consumer *c, const char *topic, int partition, int64_t to,
                              bool is_time, int timeout_ms) {
    kca__inbound *in;
    kca_error *e = use_running(&in, c);
    if (e)
        return e;
    e = kca__seek_and_wait(in, topic, partition, to, is_time, kca__clock_deadline(timeout_ms));
    done_with(c);
    return e;
}

/* ---- pull form ---- */

kca_error *kca__consumer_start_pulling(uint64_t *out_run_number, kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    kca_error *e = join_locked(c, NULL);
    *out_run_number = c->run_number;
    pthread_mutex_unlock(&c->lock);
    return e;
}

void kca__consumer_stop_pulling(kca__consumer *c, uint64_t run_number) {
    pthread_mutex_lock(&c->lock);
    bool is_mine = c->run_number == run_number;
    int64_t deadline = kca__clock_deadline(FREE_MS);
    if (is_mine && c->inbound)
        kca__inbound_leave_out(c->inbound, deadline);
    pthread_mutex_unlock(&c->lock);
    if (!is_mine)
        return;
    kca_error *failure;
    leave(c, deadline, &failure);
    kca__error_free(failure);
}

void kca__consumer_stop_run(kca__consumer *c, uint64_t run_number) {
    pthread_mutex_lock(&c->lock);
    if (c->inbound && c->run_number == run_number)
        kca__inbound_stop(c->inbound, KCA__CLOCK_NEVER);
    pthread_mutex_unlock(&c->lock);
}

int kca__consumer_pull(kca__consumer *c, uint64_t run_number, kca__returned *returned,
                       kca_event **out, int max, int timeout_ms) {
    pthread_mutex_lock(&c->lock);
    kca__inbound *in = c->run_number == run_number ? use_locked(c) : NULL;
    pthread_mutex_unlock(&c->lock);
    if (!in)
        return -KCA_ERROR_STOPPED;
    int count = kca__inbound_pull(in, returned, out, max, timeout_ms);
    done_with(c);
    return count;
}

int kca__consumer_fd(kca__consumer *c, uint64_t run_number) {
    pthread_mutex_lock(&c->lock);
    int fd = c->inbound && c->run_number == run_number ? kca__inbound_fd(c->inbound) : -1;
    pthread_mutex_unlock(&c->lock);
    return fd;
}

kca_error *kca__consumer_why_ended(kca__consumer *c, uint64_t run_number) {
    pthread_mutex_lock(&c->lock);
    kca_error *e = NULL;
    bool goes_on = false;
    if (c->inbound && c->run_number == run_number) {
        /* In this order: a failure stops the engine, and must be seen when its stop is. */
        goes_on = !kca__engine_is_stopping(c->inbound->engine);
        e = kca__engine_failure(c->inbound->engine);
    }
    pthread_mutex_unlock(&c->lock);
    if (!e && !goes_on)
        e = kca__error_new(KCA_ERROR_STOPPED, "consumer %s has stopped", c->options->name);
    return e;
}

bool kca__consumer_has_left(kca__consumer *c, uint64_t run_number) {
    pthread_mutex_lock(&c->lock);
    const kca__inbound *mine = c->inbound && c->run_number == run_number ? c->inbound : NULL;
    bool has_left = mine ? atomic_load(&mine->has_left) : !c->closing;
    pthread_mutex_unlock(&c->lock);
    return has_left;
}

/* ---- looking ---- */

kca__engine_counts kca__consumer_count(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    kca__engine_counts counts = c->counts;
    if (c->inbound) {
        kca__engine_counts now = kca__engine_count(c->inbound->engine);
        add_counts(&now, &counts);
        counts = now;
    }
    pthread_mutex_unlock(&c->lock);
    return counts;
}

kca__state kca__consumer_state(kca__consumer *c) {
    kca__state state = {0};
    pthread_mutex_lock(&c->lock);
    if (c->inbound)
        state = kca__watch_look(c->connection->watch, &c->inbound->watched);
    pthread_mutex_unlock(&c->lock);
    return state;
}

static void feel_locked(kca__vitals *out, kca__inbound *in, int64_t now_ms) {
    out->records_come = kca__inbound_has_come(in);
    kca__engine_see_standings(in->engine, now_ms, out->records_come);
    out->pulse = kca__engine_feel_pulse(in->engine);
    out->state = kca__watch_look(in->setup.connection->watch, &in->watched);
    out->failure = kca__engine_failure(in->engine);
    out->failed_ms = out->pulse.failed_ms;
    out->runs = !out->failure;
}

kca__vitals kca__consumer_vitals(kca__consumer *c, int64_t now_ms) {
    kca__vitals v = {0};
    pthread_mutex_lock(&c->lock);
    if (c->inbound) {
        feel_locked(&v, c->inbound, now_ms);
    } else {
        v.failure = kca__error_copy(c->failure);
        v.failed_ms = c->failed_ms;
    }
    pthread_mutex_unlock(&c->lock);
    return v;
}

const char *kca__consumer_form(kca__consumer *c) {
    pthread_mutex_lock(&c->lock);
    const char *form = !c->inbound ? "idle" : c->running ? "running" : "pulling";
    pthread_mutex_unlock(&c->lock);
    return form;
}

/* With its parked keys as they were: the engine's change with the next delivery. */
typedef struct kept_look {
    kca__partition_look look;
    kca__parking parking;
} kept_look;

typedef struct looks {
    kept_look *all;
    int count;
    int room;
} looks;

static void add_look(void *user, const kca__partition_look *look) {
    looks *l = user;
    if (l->count == l->room) {
        int room = l->room ? 2 * l->room : 16;
        kept_look *all = realloc(l->all, (size_t)room * sizeof *all);
        if (!all)
            return;
        l->all = all;
        l->room = room;
    }
    kept_look *kept = &l->all[l->count];
    *kept = (kept_look){.look = *look};
    if (kca__parking_copy(&kept->parking, look->parking))
        l->count++;
}

static void tell_look(const kca__inbound *in, kept_look *kept, kca__consumer_look_fn fn,
                      void *user) {
    int64_t low = -1;
    int64_t high = -1;
    kept->look.parking = &kept->parking;
    if (rd_kafka_get_watermark_offsets(in->client->rk, kept->look.topic, kept->look.partition, &low,
                                       &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
        high = -1;
    fn(user, &kept->look, high);
    kca__parking_close(&kept->parking);
}

/* The watermark is the one that came with the last fetch: nobody is asked. Not under the engine's
 * lock, for librdkafka takes one of its own for that. */
void kca__consumer_look(kca__consumer *c, kca__consumer_look_fn fn, void *user) {
    pthread_mutex_lock(&c->lock);
    kca__inbound *in = use_locked(c);
    pthread_mutex_unlock(&c->lock);
    if (!in)
        return;
    looks l = {0};
    kca__engine_look(in->engine, add_look, &l);
    for (int i = 0; i < l.count; i++)
        tell_look(in, &l.all[i], fn, user);
    free(l.all);
    done_with(c);
}
