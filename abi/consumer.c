#include "system/call.h"
#include "system/handle.h"

#include "base/error.h"
#include "base/option.h"

#include <stdlib.h>

kca_error *kca_system_consumer(kca_system *s, const char *consumer, kca_consumer **out) {
    if (out)
        *out = NULL;
    if (!s || !consumer || !out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "system: consumer: %s is missing",
                              !s          ? "system"
                              : !consumer ? "the consumer's name"
                                          : "out");
    kca_error *e = kca__system_check_process(s->core);
    if (e)
        return e;
    kca__consumer *core = kca__system_find_consumer(s->core, consumer);
    if (!core)
        return kca__error_new(KCA_ERROR_NOT_FOUND, "consumer %s is not declared", consumer);
    kca_consumer *c = calloc(1, sizeof *c);
    if (!c)
        return kca__error_memory();
    *c = (kca_consumer){s->core, core};
    kca__system_hold_handle(s->core);
    *out = c;
    return NULL;
}

void kca_consumer_free(kca_consumer *c) {
    if (!c)
        return;
    kca__system_release_handle(c->system);
    free(c);
}

static void set(kca_consumer *c, int *field, const char *option, int value, int least, int most) {
    if (!c || kca__system_is_foreign(c->system))
        return;
    kca__option_owner owner = {"consumer", c->core->options->name, &c->core->error};
    pthread_mutex_lock(&c->core->lock);
    if (value >= least && value <= most) {
        kca__error_free(c->core->error);
        c->core->error = NULL;
    }
    kca__option_int(field, owner, option, value, least, most);
    pthread_mutex_unlock(&c->core->lock);
}

void kca_consumer_with_amount_of_processors(kca_consumer *c, int processors) {
    set(c, c ? &c->core->processors : NULL, "amount_of_processors", processors, 1, 1024);
}

void kca_consumer_with_message_processing_timeout_ms(kca_consumer *c, int timeout_ms) {
    set(c, c ? &c->core->processing_timeout_ms : NULL, "message_processing_timeout_ms", timeout_ms,
        0, 86400000);
}

kca_error *kca_consumer_run(kca_consumer *c) {
    if (!c)
        return kca__error_new(KCA_ERROR_ARGUMENT, "consumer: run: consumer is missing");
    kca__system *s = c->system;
    kca_error *e = kca__system_check_process(s);
    if (e)
        return e;
    kca__call_enter(s);
    e = kca__consumer_run(c->core);
    kca__call_leave(s);
    return e;
}

void kca_consumer_stop(kca_consumer *c) {
    if (c && !kca__system_is_foreign(c->system))
        kca__consumer_stop(c->core, KCA__CLOCK_NEVER);
}

static kca_error *check_place(const kca_consumer *c, const char *what, const char *topic,
                              int partition, bool topic_needed) {
    if (!c)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: consumer is missing", what);
    kca_error *e = kca__system_check_process(c->system);
    if (e)
        return e;
    if (!topic && (topic_needed || partition >= 0))
        return kca__error_new(KCA_ERROR_ARGUMENT, "consumer %s: %s: topic is missing",
                              c->core->options->name, what);
    if (partition < -1)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "consumer %s: %s: partition must be -1 or above, got %d",
                              c->core->options->name, what, partition);
    return NULL;
}

kca_error *kca_consumer_pause(kca_consumer *c, const char *topic, int partition) {
    kca_error *e = check_place(c, "pause", topic, partition, false);
    return e ? e : kca__consumer_set_paused(c->core, topic, partition, true);
}

kca_error *kca_consumer_resume(kca_consumer *c, const char *topic, int partition) {
    kca_error *e = check_place(c, "resume", topic, partition, false);
    return e ? e : kca__consumer_set_paused(c->core, topic, partition, false);
}

kca_error *kca_consumer_unpark(kca_consumer *c, const char *topic, int partition, const void *key,
                               size_t len) {
    kca_error *e = check_place(c, "unpark", topic, partition, false);
    if (!e && key && len == 0)
        e = kca__error_new(KCA_ERROR_ARGUMENT,
                           "consumer %s: unpark: key must not be empty: messages without a key are "
                           "never parked",
                           c->core->options->name);
    return e ? e : kca__consumer_unpark(c->core, topic, partition, key, key ? len : 0);
}

static kca_error *not_allowed(const kca_consumer *c, const char *what, const char *allowed,
                              int64_t got) {
    return kca__error_new(KCA_ERROR_ARGUMENT, "consumer %s: seek: %s must be %s, got %lld",
                          c->core->options->name, what, allowed, (long long)got);
}

kca_error *kca_consumer_seek(kca_consumer *c, const char *topic, int partition, int64_t offset,
                             int timeout_ms) {
    kca_error *e = check_place(c, "seek", topic, partition, true);
    if (!e && partition < 0)
        e = not_allowed(c, "partition", "0 or above", partition);
    if (!e && offset < KCA_OFFSET_BEGINNING)
        e = not_allowed(c, "offset", "0 or above, -1 (the end) or -2 (the beginning)", offset);
    if (!e && timeout_ms < -1)
        e = not_allowed(c, "timeout_ms", "-1 or above", timeout_ms);
    return e ? e : kca__consumer_seek(c->core, topic, partition, offset, false, timeout_ms);
}

kca_error *kca_consumer_seek_to_time(kca_consumer *c, const char *topic, int partition,
                                     int64_t ms_since_1970, int timeout_ms) {
    kca_error *e = check_place(c, "seek", topic, partition, true);
    if (!e && ms_since_1970 < 0)
        e = not_allowed(c, "time", "0 or above", ms_since_1970);
    if (!e && timeout_ms < -1)
        e = not_allowed(c, "timeout_ms", "-1 or above", timeout_ms);
    return e ? e : kca__consumer_seek(c->core, topic, partition, ms_since_1970, true, timeout_ms);
}
