#include "redrive/redrive.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"
#include "message/wire_time.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_REDRIVES = 3, LONGEST_ERROR_NAME = 1000 };

kca_error *kca__redrive_new(kca_redrive **out, const char *connection, const char *topic) {
    *out = NULL;
    kca_error *e = kca__option_check_topic(topic);
    if (!e)
        e = kca__option_check_name("connection name", connection, 100);
    if (e)
        return e;
    kca_redrive *r = calloc(1, sizeof *r);
    if (!r)
        return kca__error_memory();
    *r = (kca_redrive){.connection = kca__text_copy(connection),
                       .topic = kca__text_copy(topic),
                       .group_id = kca__text_format("%s.redrive", topic),
                       .start_time_ms = -1,
                       .end_time_ms = -1,
                       .max_redrives = DEFAULT_MAX_REDRIVES,
                       .dry_run = 1};
    if (!r->connection || !r->topic || !r->group_id) {
        kca__redrive_free(r);
        return kca__error_memory();
    }
    *out = r;
    return NULL;
}

static void free_names(kca__names *names) {
    for (int i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

void kca__redrive_free(kca_redrive *r) {
    if (!r)
        return;
    free(r->connection);
    free(r->topic);
    free(r->group_id);
    free(r->to_topic);
    free_names(&r->only_topics);
    free_names(&r->only_errors);
    kca__error_free(r->error);
    free(r);
}

void kca__redrive_set_to_topic(kca_redrive *r, const char *topic) {
    kca_error *e = kca__option_check_topic(topic);
    if (!e && !kca__text_set(&r->to_topic, topic))
        e = kca__error_memory();
    if (e)
        kca__error_keep_first(&r->error, e);
}

void kca__redrive_set_time(kca_redrive *r, int64_t *field, const char *option, int64_t ms) {
    if (ms >= 0 && ms <= KCA__WIRE_TIME_MAX_MS)
        *field = ms;
    else
        kca__error_keep_first(
            &r->error, kca__error_new(KCA_ERROR_ARGUMENT,
                                      "redrive %s: %s must be 0 to %" PRId64 ", got %" PRId64,
                                      r->topic, option, KCA__WIRE_TIME_MAX_MS, ms));
}

/* Takes `e`, what is wrong with the name. */
static void add_name(kca_redrive *r, kca__names *names, const char *name, kca_error *e) {
    char *copy = e ? NULL : kca__text_copy(name);
    char **grown = copy ? realloc(names->items, (size_t)(names->count + 1) * sizeof *grown) : NULL;
    if (grown) {
        names->items = grown;
        grown[names->count++] = copy;
        return;
    }
    free(copy);
    kca__error_keep_first(&r->error, e ? e : kca__error_memory());
}

void kca__redrive_add_topic(kca_redrive *r, const char *topic) {
    add_name(r, &r->only_topics, topic, kca__option_check_topic(topic));
}

void kca__redrive_add_error(kca_redrive *r, const char *error_name) {
    add_name(r, &r->only_errors, error_name,
             kca__option_check_name("only_error", error_name, LONGEST_ERROR_NAME));
}

kca_error *kca__redrive_check(const kca_redrive *r) {
    if (r->error)
        return kca__error_copy(r->error);
    if (r->to_topic && strcmp(r->to_topic, r->topic) == 0)
        return kca__error_new(KCA_ERROR_ARGUMENT, "redrive %s: to_topic is the topic that it reads",
                              r->topic);
    if (r->end_time_ms >= 0 && r->start_time_ms >= r->end_time_ms)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "redrive %s: start_time_ms must be before end_time_ms, %" PRId64
                              ", got %" PRId64,
                              r->topic, r->end_time_ms, r->start_time_ms);
    return NULL;
}

static bool has(const kca__names *names, const char *name) {
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return true;
    return names->count == 0;
}

bool kca__redrive_takes(const kca_redrive *r, const char *topic, const char *error_name,
                        int64_t written_ms) {
    if (r->start_time_ms >= 0 && written_ms < r->start_time_ms)
        return false;
    if (r->end_time_ms >= 0 && written_ms >= r->end_time_ms)
        return false;
    return has(&r->only_topics, topic) && has(&r->only_errors, error_name);
}
