#include "redrive/redrive.h"

#include "base/error.h"
#include "base/option.h"

#include <limits.h>

kca_error *kca_redrive_new(kca_redrive **out, const char *connection, const char *topic) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_redrive_new: out is NULL");
    return kca__redrive_new(out, connection, topic);
}

void kca_redrive_free(kca_redrive *r) {
    kca__redrive_free(r);
}

const kca_error *kca_redrive_error(const kca_redrive *r) {
    return r ? r->error : NULL;
}

static kca__option_owner owner_of(kca_redrive *r) {
    return (kca__option_owner){"redrive", r->topic, &r->error};
}

void kca_redrive_with_group_id(kca_redrive *r, const char *group_id) {
    if (r)
        kca__option_text(&r->group_id, owner_of(r), "group_id", group_id);
}

void kca_redrive_with_to_topic(kca_redrive *r, const char *topic) {
    if (r)
        kca__redrive_set_to_topic(r, topic);
}

void kca_redrive_with_max_messages(kca_redrive *r, int messages) {
    if (r)
        kca__option_int(&r->max_messages, owner_of(r), "max_messages", messages, 0, INT_MAX);
}

void kca_redrive_with_start_time_ms(kca_redrive *r, int64_t ms_since_1970) {
    if (r)
        kca__redrive_set_time(r, &r->start_time_ms, "start_time_ms", ms_since_1970);
}

void kca_redrive_with_end_time_ms(kca_redrive *r, int64_t ms_since_1970) {
    if (r)
        kca__redrive_set_time(r, &r->end_time_ms, "end_time_ms", ms_since_1970);
}

void kca_redrive_with_only_topic(kca_redrive *r, const char *topic) {
    if (r)
        kca__redrive_add_topic(r, topic);
}

void kca_redrive_with_only_error(kca_redrive *r, const char *error_name) {
    if (r)
        kca__redrive_add_error(r, error_name);
}

void kca_redrive_with_max_redrives(kca_redrive *r, int redrives) {
    if (r)
        kca__option_int(&r->max_redrives, owner_of(r), "max_redrives", redrives, 1, 1000000);
}

void kca_redrive_with_dry_run(kca_redrive *r, int dry_run) {
    if (r)
        kca__option_int(&r->dry_run, owner_of(r), "dry_run", dry_run, 0, 1);
}
