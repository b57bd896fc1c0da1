#include "base/generation.h"
#include "engine/delivery.h"

void kca_event_free(kca_event *e) {
    if (e && !e->borrowed && e->generation == kca__generation())
        e->release(e);
}

int kca_event_type(const kca_event *e) {
    return e ? e->type : 0;
}

kca_delivery *kca_event_delivery(const kca_event *e) {
    return e && e->type == KCA_EVENT_DELIVERY ? (kca_delivery *)(uintptr_t)e : NULL;
}

uint64_t kca_event_token(const kca_event *e) {
    return e ? e->token : 0;
}

const kca_message *kca_event_reply(const kca_event *e) {
    return e ? e->reply : NULL;
}

const kca_error *kca_event_error(const kca_event *e) {
    return e ? e->error : NULL;
}

int64_t kca_event_dropped(const kca_event *e) {
    return e ? e->dropped : 0;
}

const char *kca_event_topic(const kca_event *e) {
    return e && e->topic ? e->topic : "";
}

int kca_event_partition(const kca_event *e) {
    return e ? e->partition : -1;
}

int64_t kca_event_offset(const kca_event *e) {
    return e ? e->offset : -1;
}

int64_t kca_event_reset_from(const kca_event *e) {
    return e ? e->reset_from : -1;
}

int64_t kca_event_reset_to(const kca_event *e) {
    return e ? e->reset_to : -1;
}

int64_t kca_event_reset_count(const kca_event *e) {
    if (!e || e->reset_from < 0)
        return -1;
    return e->reset_to > e->reset_from ? e->reset_to - e->reset_from : 0;
}

int kca_event_log_level(const kca_event *e) {
    return e ? e->level : KCA_LOG_OFF;
}

const char *kca_event_log_component(const kca_event *e) {
    return e && e->component ? e->component : "";
}

const char *kca_event_log_text(const kca_event *e) {
    return e && e->text ? e->text : "";
}

int kca_event_rebalance(const kca_event *e) {
    return e ? e->rebalance : 0;
}

const char *kca_event_consumer(const kca_event *e) {
    return e && e->consumer ? e->consumer : "";
}

const char *kca_event_connection(const kca_event *e) {
    return e && e->connection ? e->connection : "";
}

int kca_event_state(const kca_event *e) {
    return e ? e->state : 0;
}

int64_t kca_event_since_ms(const kca_event *e) {
    return e ? e->since_ms : 0;
}

int kca_event_assignment_count(const kca_event *e) {
    return e ? e->assignment_count : 0;
}

static const kca__assignment *assignment(const kca_event *e, int index) {
    return e && index >= 0 && index < e->assignment_count ? &e->assignments[index] : NULL;
}

const char *kca_event_assignment_topic(const kca_event *e, int index) {
    const kca__assignment *a = assignment(e, index);
    return a ? a->topic : "";
}

int kca_event_assignment_partition(const kca_event *e, int index) {
    const kca__assignment *a = assignment(e, index);
    return a ? a->partition : -1;
}
