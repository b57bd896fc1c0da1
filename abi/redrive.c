#include "redrive/redrive.h"

#include "base/error.h"

kca_error *kca_redrive_new(kca_redrive **out, const char *connection, const char *topic) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "redrive: new: out is missing");
    return kca__redrive_new(out, connection, topic);
}

void kca_redrive_free(kca_redrive *r) {
    kca__redrive_free(r);
}

const kca_error *kca_redrive_error(const kca_redrive *r) {
    return r ? r->error : NULL;
}

static kca__options options_of(kca_redrive *r) {
    return (kca__options){
        kca__redrive_options, r, {"redrive", r ? r->topic : NULL, r ? &r->error : NULL}, NULL};
}

void kca_redrive_with_group_id(kca_redrive *r, const char *group_id) {
    kca__options_set_text(options_of(r), "group_id", group_id);
}

void kca_redrive_with_to_topic(kca_redrive *r, const char *topic) {
    kca__options_set_text(options_of(r), "to_topic", topic);
}

void kca_redrive_with_max_messages(kca_redrive *r, int messages) {
    kca__options_set_int(options_of(r), "max_messages", messages);
}

void kca_redrive_with_start_time_ms(kca_redrive *r, int64_t ms_since_1970) {
    kca__options_set_time(options_of(r), "start_time_ms", ms_since_1970);
}

void kca_redrive_with_end_time_ms(kca_redrive *r, int64_t ms_since_1970) {
    kca__options_set_time(options_of(r), "end_time_ms", ms_since_1970);
}

void kca_redrive_with_start_partition(kca_redrive *r, int partition) {
    kca__options_set_int(options_of(r), "start_partition", partition);
}

void kca_redrive_with_start_offset(kca_redrive *r, int64_t offset) {
    kca__options_set_time(options_of(r), "start_offset", offset);
}

void kca_redrive_with_only_topic(kca_redrive *r, const char *topic) {
    kca__options_add_text(options_of(r), "only_topic", topic);
}

void kca_redrive_with_only_error(kca_redrive *r, const char *error_name) {
    kca__options_add_text(options_of(r), "only_error", error_name);
}

void kca_redrive_with_allowed_topic(kca_redrive *r, const char *topic) {
    kca__options_add_text(options_of(r), "allowed_topic", topic);
}

void kca_redrive_with_max_redrives(kca_redrive *r, int redrives) {
    kca__options_set_int(options_of(r), "max_redrives", redrives);
}

void kca_redrive_with_dry_run(kca_redrive *r, int dry_run) {
    kca__options_set_int(options_of(r), "dry_run", dry_run);
}

void kca_redrive_with_give_up_others(kca_redrive *r, int give_up) {
    kca__options_set_int(options_of(r), "give_up_others", give_up);
}

void kca_redrive_with_max_listed(kca_redrive *r, int messages) {
    kca__options_set_int(options_of(r), "max_listed", messages);
}

void kca_redrive_with_list_records(kca_redrive *r, int list_records) {
    kca__options_set_int(options_of(r), "list_records", list_records);
}
