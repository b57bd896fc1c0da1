/*
 * Whether a system is ready, and whether it is stuck: a code, reasons, and each endpoint.
 *
 * What waits for itself is looked at where it is: the engine knows what each frontier waits for and
 * since when, a publisher's buffer its oldest message, the watch the states. Here it is judged.
 */
#include "system/system.h"

#include "base/error.h"
#include "message/wire_time.h"
#include "outbound/publisher_builder.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STUCK_AFTER_MS = 60000,
    POLLER_AFTER_MS = 60000, /* some of its questions to the cluster take many seconds */
    REASON_SIZE = 900
};

typedef struct examination {
    cJSON *reasons;
    int code;
    int64_t now_ms, unix_ms;
    int64_t patience_ms;
    bool in_trouble; /* a connection is not there, or the consumer that is looked at has not joined
                      */
} examination;

/* ---- judging ---- */

static int64_t age_ms(const examination *x, int64_t since_ms) {
    return x->now_ms > since_ms ? x->now_ms - since_ms : 0;
}

static bool is_old(const examination *x, int64_t since_ms) {
    return age_ms(x, since_ms) >= x->patience_ms;
}

static void add_time(cJSON *o, const char *name, const examination *x, int64_t since_ms) {
    char since[25];
    kca__wire_time_write_rfc3339(since, x->unix_ms - age_ms(x, since_ms));
    cJSON_AddStringToObject(o, name, since);
}

/* A reason, for which `o` is not ready, or stuck; `since_ms` 0: without a time. */
__attribute__((format(printf, 5, 6))) static void blame(examination *x, cJSON *o, int code,
                                                        int64_t since_ms, const char *format, ...) {
    char reason[REASON_SIZE], line[REASON_SIZE + 40], since[25];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    kca__wire_time_write_rfc3339(since, x->unix_ms - age_ms(x, since_ms));
    snprintf(line, sizeof line, since_ms > 0 ? "%s, since %s" : "%s", reason, since);
    cJSON_AddItemToArray(x->reasons, cJSON_CreateString(line));
    if (code > x->code)
        x->code = code;
    const char *flag = code == KCA_HEALTH_NOT_READY ? "ready" : "stuck";
    if (cJSON_HasObjectItem(o, flag))
        cJSON_ReplaceItemInObject(o, flag, cJSON_CreateBool(code != KCA_HEALTH_NOT_READY));
}

/* Something here waits: a cluster in trouble may be why. */
static int here(const examination *x) {
    return x->in_trouble ? KCA_HEALTH_STUCK : KCA_HEALTH_NOT_LIVE;
}

/* ---- connections and publishers ---- */

static bool is_well(const kca__state *state) {
    return state->now == KCA_STATE_CONNECTED || state->now == KCA_STATE_JOINED;
}

static void blame_state(examination *x, cJSON *o, const char *kind, const char *name,
                        const kca__state *state) {
    bool knows_why = state->in_trouble;
    blame(x, o, KCA_HEALTH_NOT_READY, state->since_ms, "%s %s: %s%s%s", kind, name,
          kca__state_name(state->now), knows_why ? ": " : "",
          knows_why ? state->trouble.reason : "");
}

static void add_state(cJSON *o, const examination *x, const kca__state *state) {
    cJSON_AddStringToObject(o, "state", kca__state_name(state->now));
    if (state->now == KCA__STATE_STOPPED)
        cJSON_AddNullToObject(o, "since");
    else
        add_time(o, "since", x, state->since_ms);
}

/* While the system is started, and neither starts nor shuts down. */
static void examine_connection(examination *x, cJSON *list, const kca_connection *c) {
    kca__state state = kca__watch_look(c->watch, &c->watched);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "name", c->name);
    add_state(o, x, &state);
    cJSON_AddBoolToObject(o, "ready", true);
    if (is_well(&state))
        return;
    x->in_trouble = true;
    blame_state(x, o, "connection", c->name, &state);
}

static void examine_publisher(examination *x, cJSON *list, const kca__publisher *p) {
    int unconfirmed = kca__in_flight_count(p->in_flight).unanswered;
    int64_t oldest_ms = kca__in_flight_oldest_ms(p->in_flight);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "channel", p->options->topic);
    cJSON_AddStringToObject(o, "connection", p->options->connection);
    cJSON_AddBoolToObject(o, "stuck", false);
    cJSON_AddNumberToObject(o, "unconfirmed", unconfirmed);
    if (oldest_ms == 0) {
        cJSON_AddNullToObject(o, "oldest_unconfirmed_ms");
        return;
    }
    cJSON_AddNumberToObject(o, "oldest_unconfirmed_ms", (double)age_ms(x, oldest_ms));
    if (is_old(x, oldest_ms + kca__publisher_builder_linger_ms(p->options)))
        blame(x, o, KCA_HEALTH_STUCK, oldest_ms,
              "publisher %s: %d messages are unconfirmed, the oldest for %lld s", p->options->topic,
              unconfirmed, (long long)age_ms(x, oldest_ms) / 1000);
}

/* ---- a consumer's partitions ---- */

typedef struct partitions {
    examination *x;
    cJSON *consumer, *list;
    const char *name;
    const kca__vitals *vitals;
} partitions;

static const char *what_waits(kca__waits_for waits_for) {
    static const char *const names[] = {"nothing", "records", "turn",  "handler",
                                        "time",    "letter",  "resume"};
    return names[waits_for];
}

/* Nobody takes: neither this record nor any other, though no handler is within its time. */
static bool is_left(const partitions *p, const kca__standing *s) {
    const kca__engine_pulse *pulse = &p->vitals->pulse;
    return is_old(p->x, s->since_ms) && is_old(p->x, pulse->turn_ms) && !pulse->in_time;
}

/* Why its frontier does not move, and whose doing that is; NULL: nothing is wrong with it. */
static const char *why_stuck(int *out_code, const partitions *p, const kca__standing *s) {
    const examination *x = p->x;
    *out_code = here(x);
    switch (s->waits_for) {
    case KCA__WAITS_FOR_TURN:
        return is_left(p, s) ? "nobody takes it" : NULL;
    case KCA__WAITS_FOR_HANDLER:
        return is_old(x, s->since_ms) && !p->vitals->pulse.in_time
                   ? "its handler has it, without a limit to its time"
                   : NULL;
    case KCA__WAITS_FOR_RECORDS:
        if (p->vitals->records_come)
            return is_left(p, s) ? "nobody takes what comes of it" : NULL;
        *out_code = KCA_HEALTH_STUCK;
        return is_old(x, s->since_ms) ? "the broker has more, which does not come" : NULL;
    case KCA__WAITS_FOR_LETTER:
        *out_code = KCA_HEALTH_STUCK;
        return is_old(x, s->since_ms) ? "its dead letter, reply or retry record is not stored"
                                      : NULL;
    default:
        return NULL;
    }
}

static void examine_partition(void *user, const kca__partition_look *look, int64_t high) {
    partitions *p = user;
    const kca__standing *s = &look->standing;
    int code;
    const char *why = why_stuck(&code, p, s);
    cJSON *o = cJSON_CreateObject();
    (void)high;
    cJSON_AddItemToArray(p->list, o);
    cJSON_AddStringToObject(o, "topic", look->topic);
    cJSON_AddNumberToObject(o, "partition", look->partition);
    cJSON_AddBoolToObject(o, "stuck", false);
    cJSON_AddStringToObject(o, "waits_for", what_waits(s->waits_for));
    cJSON_AddNumberToObject(o, "for_ms", (double)age_ms(p->x, s->since_ms));
    if (s->offset >= 0)
        cJSON_AddNumberToObject(o, "offset", (double)s->offset);
    else
        cJSON_AddNullToObject(o, "offset");
    if (!why)
        return;
    blame(p->x, o, code, s->since_ms, "consumer %s: %s[%d] has not moved from offset %lld: %s",
          p->name, look->topic, look->partition, (long long)s->offset, why);
    cJSON_ReplaceItemInObject(p->consumer, "stuck", cJSON_CreateTrue());
}

/* ---- a consumer ---- */

static void examine_run(examination *x, cJSON *o, const char *name, const kca__vitals *v) {
    const kca__engine_pulse *pulse = &v->pulse;
    if (!is_well(&v->state)) {
        blame_state(x, o, "consumer", name, &v->state);
        if (v->state.now != KCA__STATE_STOPPED && is_old(x, v->state.since_ms))
            blame(x, o, KCA_HEALTH_STUCK, v->state.since_ms,
                  "consumer %s: it has not joined its group for %lld s", name,
                  (long long)age_ms(x, v->state.since_ms) / 1000);
    }
    if (pulse->late > 0)
        blame(x, o, here(x), pulse->late_since_ms,
              "consumer %s: %d handlers are not back, though their processing time is over", name,
              pulse->late);
    if (age_ms(x, pulse->due_ms) >= POLLER_AFTER_MS && is_old(x, pulse->due_ms))
        blame(x, o, here(x), pulse->due_ms, "consumer %s: its thread does not come round", name);
}

static void examine_consumer(examination *x, cJSON *list, kca__consumer *c) {
    const kca_consumer_builder *b = c->options;
    kca__vitals v = kca__consumer_vitals(c, x->now_ms);
    bool was_in_trouble = x->in_trouble;
    x->in_trouble = was_in_trouble || (v.runs && !is_well(&v.state));
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(list, o);
    cJSON_AddStringToObject(o, "name", b->name);
    cJSON_AddStringToObject(o, "group", kca__consumer_builder_group(b));
    cJSON_AddStringToObject(o, "form", kca__consumer_form(c));
    add_state(o, x, &v.state);
    cJSON_AddBoolToObject(o, "ready", v.runs);
    cJSON_AddBoolToObject(o, "stuck", false);
    cJSON_AddNumberToObject(o, "late_handlers", v.pulse.late);
    if (v.failure)
        blame(x, o, KCA_HEALTH_NOT_LIVE, v.failed_ms, "consumer %s: it has ended: %s", b->name,
              v.failure->text);
    else if (v.runs)
        examine_run(x, o, b->name, &v);
    partitions p = {x, o, cJSON_AddArrayToObject(o, "partitions"), b->name, &v};
    kca__consumer_look(c, examine_partition, &p);
    kca__error_free(v.failure);
    x->in_trouble = was_in_trouble;
}

/* ---- all of it ---- */

/* Steady: it neither starts nor shuts down meanwhile. */
static void examine_locked(examination *x, cJSON *root, kca__system *s, bool steady) {
    bool started = steady && s->started;
    cJSON *connections = cJSON_AddArrayToObject(root, "connections");
    cJSON *publishers = cJSON_AddArrayToObject(root, "publishers");
    cJSON *consumers = cJSON_AddArrayToObject(root, "consumers");
    if (!started)
        blame(x, root, KCA_HEALTH_NOT_READY, 0,
              steady ? "system: it is not started" : "system: it starts or shuts down");
    for (int i = 0; i < s->connection_count && started; i++)
        examine_connection(x, connections, s->connections[i]);
    for (int i = 0; i < s->publisher_count; i++)
        examine_publisher(x, publishers, s->publishers[i]);
    for (int i = 0; i < s->consumer_count; i++)
        examine_consumer(x, consumers, s->consumers[i]);
    cJSON_AddBoolToObject(root, "started", started);
}

static cJSON *examine(int *out_code, kca__system *s, int stuck_after_ms) {
    int64_t patience_ms = stuck_after_ms == 0 ? STUCK_AFTER_MS : stuck_after_ms;
    examination x = {.reasons = cJSON_CreateArray(),
                     .now_ms = kca__clock_ms(),
                     .unix_ms = kca__clock_unix_ms(),
                     .patience_ms = patience_ms < 0 ? INT64_MAX : patience_ms};
    cJSON *root = cJSON_CreateObject(), *endpoints = cJSON_CreateObject();
    /* Only tries the lock: shutdown, which holds it, may wait for the very handler that asks. */
    bool steady = pthread_mutex_trylock(&s->lifecycle_lock) == 0;
    pthread_mutex_lock(&s->lock);
    examine_locked(&x, endpoints, s, steady);
    pthread_mutex_unlock(&s->lock);
    if (steady)
        pthread_mutex_unlock(&s->lifecycle_lock);
    cJSON_AddNumberToObject(root, "code", x.code);
    cJSON_AddBoolToObject(root, "live", x.code < KCA_HEALTH_NOT_LIVE);
    cJSON_AddBoolToObject(root, "ready", x.code == KCA_HEALTH_READY);
    cJSON_AddBoolToObject(root, "stuck", x.code >= KCA_HEALTH_STUCK);
    cJSON_AddItemToObject(root, "reasons", x.reasons);
    cJSON_AddNumberToObject(root, "stuck_after_ms", (double)patience_ms);
    cJSON *item;
    while ((item = cJSON_DetachItemFromArray(endpoints, 0)))
        cJSON_AddItemToObject(root, item->string, item);
    cJSON_Delete(endpoints);
    *out_code = x.code;
    return root;
}

kca_error *kca__system_health(char **out, int *out_code, kca__system *s, int stuck_after_ms) {
    cJSON *root = examine(out_code, s, stuck_after_ms);
    char *text = out ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!out)
        return NULL;
    *out = text;
    return text ? NULL : kca__error_memory();
}
