#include "redrive/redrive.h"

#include "base/error.h"
#include "base/option.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
    kca__options_init(kca__redrive_options, r);
    r->connection = kca__text_copy(connection);
    r->topic = kca__text_copy(topic);
    r->group_id = kca__text_format("%s.redrive", topic);
    if (!r->connection || !r->topic || !r->group_id) {
        kca__redrive_free(r);
        return kca__error_memory();
    }
    *out = r;
    return NULL;
}

void kca__redrive_free(kca_redrive *r) {
    if (!r)
        return;
    free(r->connection);
    free(r->topic);
    kca__options_close(kca__redrive_options, r);
    kca__error_free(r->error);
    free(r);
}

kca_error *kca__redrive_copy(kca_redrive **out, const kca_redrive *r) {
    kca_error *e = kca__redrive_new(out, r->connection, r->topic);
    if (e || kca__options_copy(kca__redrive_options, *out, r))
        return e;
    kca__redrive_free(*out);
    *out = NULL;
    return kca__error_memory();
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

const kca__option_texts *kca__redrive_allowed(const kca_redrive *r) {
    if (r->allowed_topic.count > 0)
        return &r->allowed_topic;
    return r->only_topic.count > 0 ? &r->only_topic : NULL;
}

static bool has(const kca__option_texts *names, const char *name) {
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
    return has(&r->only_topic, topic) && has(&r->only_error, error_name);
}
