#include "system/call.h"
#include "system/handle.h"
#include "system/metrics.h"

#include "base/callback.h"
#include "base/error.h"
#include "base/option.h"

#include <stdlib.h>

static kca_error *null_argument(const char *function, const char *argument) {
    return kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s is missing", function, argument);
}

static kca_error *check_timeout(const char *what, int timeout_ms) {
    if (timeout_ms >= -1)
        return NULL;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "%s: timeout_ms must be 0 or more, or -1 for ever, got %d", what,
                          timeout_ms);
}

kca_error *kca_system_new(kca_system **out) {
    if (!out)
        return null_argument("system: new", "out");
    *out = NULL;
    kca_system *s = calloc(1, sizeof *s);
    if (!s)
        return kca__error_memory();
    kca_error *e = kca__system_new(&s->core);
    if (e)
        free(s);
    else
        *out = s;
    return e;
}

void kca_system_free(kca_system *s) {
    if (!s)
        return;
    kca__system_release_handle(s->core);
    free(s);
}

/* Inside one of the application's own functions a call would wait for it to return, perhaps for
 * ever. */
static kca_error *check_outside(const char *what, const kca__system *s) {
    const char *inside = kca__callback_inside(s);
    if (!inside)
        return NULL;
    return kca__error_new(KCA_ERROR_STATE, "%s: not inside %s of this system: return from it first",
                          what, inside);
}

/* Of a call that declares something. */
static kca_error *check_adding(const char *what, const kca__system *s) {
    kca_error *e = kca__system_check_process(s);
    return e ? e : check_outside(what, s);
}

kca_error *kca_system_add_connection(kca_system *s, const kca_connection *c) {
    if (!s || !c)
        return null_argument("system: add connection", s ? "connection" : "system");
    kca_error *e = check_adding("add connection", s->core);
    return e ? e : kca__system_add_connection(s->core, c);
}

kca_error *kca_system_add_publisher(kca_system *s, const kca_publisher_builder *b) {
    if (!s || !b)
        return null_argument("system: add publisher", s ? "builder" : "system");
    kca_error *e = check_adding("add publisher", s->core);
    return e ? e : kca__system_add_publisher(s->core, b);
}

kca_error *kca_system_add_consumer(kca_system *s, const kca_consumer_builder *b) {
    if (!s || !b)
        return null_argument("system: add consumer", s ? "builder" : "system");
    kca_error *e = check_adding("add consumer", s->core);
    return e ? e : kca__system_add_consumer(s->core, b);
}

kca_error *kca_system_add_handler(kca_system *s, const char *name, kca_handler_fn fn, void *user,
                                  kca_free_fn free_user) {
    kca_error *e =
        s ? check_adding("add handler", s->core) : null_argument("system: add handler", "system");
    if (!e)
        return kca__system_add_handler(s->core, name, fn, user, free_user);
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_add_batch_handler(kca_system *s, const char *name, int batch_max,
                                        int batch_wait_ms, kca_batch_fn fn, void *user,
                                        kca_free_fn free_user) {
    kca_error *e = s ? check_adding("add batch handler", s->core)
                     : null_argument("system: add batch handler", "system");
    const kca__batch_plan plan = {batch_max, batch_wait_ms};
    if (!e)
        return kca__system_add_batch_handler(s->core, name, &plan, fn, user, free_user);
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

static kca_error *add_hook(kca_system *s, kca_hook_fn before, kca_hook_fn after, void *user,
                           kca_free_fn free_user,
                           kca_error *(*add)(kca__system *s, kca__hook hook)) {
    kca_error *e =
        s ? check_adding("add hook", s->core) : null_argument("system: add hook", "system");
    if (!e)
        return add(s->core, (kca__hook){before, after, user, free_user});
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_add_publish_hook(kca_system *s, kca_hook_fn before, kca_hook_fn after,
                                       void *user, kca_free_fn free_user) {
    return add_hook(s, before, after, user, free_user, kca__system_add_publish_hook);
}

kca_error *kca_system_add_handling_hook(kca_system *s, kca_hook_fn before, kca_hook_fn after,
                                        void *user, kca_free_fn free_user) {
    return add_hook(s, before, after, user, free_user, kca__system_add_handling_hook);
}

kca_error *kca_system_set_translator(kca_system *s, const char *channel,
                                     kca_translator_fn to_record, kca_translator_fn to_message,
                                     void *user, kca_free_fn free_user) {
    kca_error *e = s && channel ? check_adding("set translator", s->core)
                                : null_argument("system: set translator", s ? "channel" : "system");
    if (!e)
        return kca__system_set_translator(
            s->core,
            (kca__own_translator){(char *)channel, to_record, to_message, user, free_user});
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_set_event_handler(kca_system *s, int event_type, kca_event_fn fn, void *user,
                                        kca_free_fn free_user) {
    kca_error *e = s ? check_adding("set event handler", s->core)
                     : null_argument("system: set event handler", "system");
    if (!e && (event_type < KCA_EVENT_RECEIPT || event_type > KCA_EVENT_REPLY))
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "event handler: type must be that of a receipt, fault, log line, "
                           "rebalance, end, state or reply, got %d",
                           event_type);
    if (!e)
        return kca__system_set_event_handler(s->core, event_type, fn, user, free_user);
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_set_exporter(kca_system *s, const char *settings) {
    if (!s)
        return null_argument("system: set exporter", "system");
    kca_error *e = check_adding("set exporter", s->core);
    return e ? e : kca__system_set_exporter(s->core, settings);
}

kca_error *kca_system_set_interrupt(kca_system *s, kca_interrupt_fn fn, void *user,
                                    kca_free_fn free_user) {
    kca_error *e = s ? check_adding("set interrupt", s->core)
                     : null_argument("system: set interrupt", "system");
    if (!e)
        return kca__system_set_interrupt(s->core, (kca__interrupt){fn, user, free_user, s->core});
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_set_deduplication_store(kca_system *s, const char *consumer, kca_seen_fn seen,
                                              kca_mark_fn mark, void *user, kca_free_fn free_user) {
    const char *missing = !s ? "system" : !consumer ? "consumer" : !seen ? "seen" : "mark";
    kca_error *e = s && consumer && seen && mark
                       ? check_adding("set deduplication store", s->core)
                       : null_argument("system: set deduplication store", missing);
    if (!e)
        return kca__system_set_deduplication_store(
            s->core, consumer, (kca__deduplication_store){seen, mark, user, free_user});
    kca__callback_free_user(s ? s->core : NULL, free_user, user);
    return e;
}

kca_error *kca_system_set_local_retries(kca_system *s, const kca_consumer_builder *b) {
    if (!s || !b)
        return null_argument("system: set local retries", s ? "builder" : "system");
    kca_error *e = check_adding("set local retries", s->core);
    return e ? e : kca__system_set_local_retries(s->core, b);
}

/* Of a start or a shutdown. */
static kca_error *check_turn(const char *what, const kca_system *s, int timeout_ms) {
    kca_error *e = kca__system_check_process(s->core);
    if (!e)
        e = check_outside(what, s->core);
    return e ? e : check_timeout(what, timeout_ms);
}

kca_error *kca_system_start(kca_system *s, int timeout_ms) {
    if (!s)
        return null_argument("system: start", "system");
    kca_error *e = check_turn("start", s, timeout_ms);
    if (e)
        return e;
    kca__call call = kca__call_begin(s->core);
    e = kca__system_start(s->core, timeout_ms);
    kca__call_end(call);
    return e;
}

kca_error *kca_system_shutdown(kca_system *s, int timeout_ms) {
    if (!s)
        return null_argument("system: shutdown", "system");
    kca_error *e = check_turn("shutdown", s, timeout_ms);
    if (e)
        return e;
    kca__call call = kca__call_begin(s->core);
    e = kca__system_shutdown(s->core, timeout_ms);
    kca__call_end(call);
    return e;
}

kca_error *kca_system_describe(kca_system *s, int format, char **out) {
    if (out)
        *out = NULL;
    if (!s || !out)
        return null_argument("system: describe", s ? "out" : "system");
    if (format != KCA_FORMAT_TEXT && format != KCA_FORMAT_JSON)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "describe: format must be %d (text) or %d (JSON), got %d",
                              KCA_FORMAT_TEXT, KCA_FORMAT_JSON, format);
    kca_error *e = kca__system_check_process(s->core);
    return e ? e : kca__system_describe(out, s->core, format);
}

kca_error *kca_system_metrics(kca_system *s, int format, char **out) {
    if (out)
        *out = NULL;
    if (!s || !out)
        return null_argument("system: metrics", s ? "out" : "system");
    if (format != KCA_METRICS_PROMETHEUS && format != KCA_METRICS_OPENMETRICS)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "metrics: format must be %d (Prometheus) or %d (OpenMetrics), got %d",
                              KCA_METRICS_PROMETHEUS, KCA_METRICS_OPENMETRICS, format);
    kca_error *e = kca__system_check_process(s->core);
    return e ? e : kca__metrics_write(out, s->core, format);
}

static kca_error *look_at_health(char **out, int *out_code, kca_system *s, int stuck_after_ms) {
    if (stuck_after_ms < -1)
        return kca__error_new(
            KCA_ERROR_ARGUMENT,
            "health: stuck_after_ms must be -1 (never), 0 (the default) or more, got %d",
            stuck_after_ms);
    kca_error *e = kca__system_check_process(s->core);
    return e ? e : kca__system_health(out, out_code, s->core, stuck_after_ms);
}

kca_error *kca_system_health(kca_system *s, int stuck_after_ms, char **out) {
    int code;
    if (out)
        *out = NULL;
    if (!s || !out)
        return null_argument("system: health", s ? "out" : "system");
    return look_at_health(out, &code, s, stuck_after_ms);
}

kca_error *kca_system_health_code(kca_system *s, int stuck_after_ms, int *out) {
    if (out)
        *out = KCA_HEALTH_NOT_READY;
    if (!s || !out)
        return null_argument("system: health", s ? "out" : "system");
    return look_at_health(NULL, out, s, stuck_after_ms);
}

static kca_error *check_cluster_question(kca__system *s, const char *connection, const char *topic,
                                         const char *group, int timeout_ms) {
    kca_error *e = kca__system_check_process(s);
    if (!e)
        e = check_timeout("describe cluster", timeout_ms);
    if (!e)
        e = kca__option_check_name("connection name", connection, 100);
    if (!e && topic)
        e = kca__option_check_topic(topic);
    return e || !group ? e : kca__option_check_name("group", group, 249);
}

kca_error *kca_system_describe_cluster(kca_system *s, const char *connection, const char *topic,
                                       const char *group, int timeout_ms, char **out) {
    if (out)
        *out = NULL;
    if (!s || !out)
        return null_argument("system: describe cluster", s ? "out" : "system");
    kca_error *e = check_cluster_question(s->core, connection, topic, group, timeout_ms);
    if (e)
        return e;
    kca__call call = kca__call_begin(s->core);
    e = kca__system_describe_cluster(out, s->core, connection, topic, group, timeout_ms);
    kca__call_end(call);
    return e;
}

kca_error *kca_system_redrive(kca_system *s, const kca_redrive *r, int timeout_ms, char **out) {
    if (out)
        *out = NULL;
    if (!s || !r || !out)
        return null_argument("system: redrive", !s ? "system" : !r ? "redrive" : "out");
    kca_error *e = kca__system_check_process(s->core);
    if (!e)
        e = check_timeout("redrive", timeout_ms);
    if (e)
        return e;
    kca__call call = kca__call_begin(s->core);
    e = kca__system_redrive(out, s->core, r, timeout_ms);
    kca__call_end(call);
    return e;
}

static kca_error *check_level(const char *function, const kca_system *s, int level) {
    if (!s)
        return null_argument(function, "system");
    if (level < KCA_LOG_OFF || level > KCA_LOG_DEBUG)
        return kca__error_new(KCA_ERROR_ARGUMENT, "log: level must be 0 (off) to 4 (debug), got %d",
                              level);
    return kca__system_check_process(s->core);
}

kca_error *kca_system_log_to_queue(kca_system *s, int level) {
    kca_error *e = check_level("system: log to queue", s, level);
    if (!e)
        atomic_store(&s->core->log.queue_level, level);
    return e;
}

kca_error *kca_system_log_to_stderr(kca_system *s, int level) {
    kca_error *e = check_level("system: log to stderr", s, level);
    if (!e)
        atomic_store(&s->core->log.stderr_level, level);
    return e;
}
