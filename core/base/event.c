#include "base/event.h"

#include "base/error.h"
#include "base/generation.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void release_own_memory(kca_event *e) {
    kca__error_free(e->error);
    for (int i = 0; i < e->assignment_count; i++)
        free(e->assignments[i].topic);
    free(e->assignments);
    free(e);
}

/* An event with room for two texts behind it. */
static kca_event *new_event(int type, const char *first, const char *second) {
    size_t first_size = strlen(first) + 1, second_size = strlen(second) + 1;
    kca_event *e = calloc(1, sizeof *e + first_size + second_size);
    if (!e)
        return NULL;
    char *room = (char *)(e + 1);
    memcpy(room, first, first_size);
    memcpy(room + first_size, second, second_size);
    e->release = release_own_memory;
    e->generation = kca__generation();
    e->type = type;
    e->partition = -1;
    e->offset = -1;
    e->reset_from = e->reset_to = -1;
    return e;
}

kca_event *kca__event_new_fault(kca_error *error, const char *topic, int partition,
                                int64_t offset) {
    kca_event *e = new_event(KCA_EVENT_FAULT, topic ? topic : "", "");
    if (!e) {
        kca__error_free(error);
        return NULL;
    }
    e->topic = (const char *)(e + 1);
    e->error = error;
    e->partition = partition;
    e->offset = offset;
    return e;
}

kca_event *kca__event_new_receipt(uint64_t token, const char *topic) {
    kca_event *e = new_event(KCA_EVENT_RECEIPT, topic, "");
    if (!e)
        return NULL;
    e->topic = (const char *)(e + 1);
    e->token = token;
    return e;
}

kca_event *kca__event_new_reset(kca_error *error, const char *topic, int partition, int64_t from,
                                int64_t to) {
    kca_event *e = kca__event_new_fault(error, topic, partition, to);
    if (!e)
        return NULL;
    e->reset_from = from;
    e->reset_to = to;
    return e;
}

kca_event *kca__event_new_log(int level, const char *component, const char *text) {
    kca_event *e = new_event(KCA_EVENT_LOG, component, text);
    if (!e)
        return NULL;
    e->level = level;
    e->component = (const char *)(e + 1);
    e->text = e->component + strlen(component) + 1;
    return e;
}

kca_event *kca__event_new_end(const char *consumer, const char *topic, int partition,
                              int64_t offset) {
    kca_event *e = new_event(KCA_EVENT_END, consumer, topic);
    if (!e)
        return NULL;
    e->consumer = (const char *)(e + 1);
    e->topic = e->consumer + strlen(consumer) + 1;
    e->partition = partition;
    e->offset = offset;
    return e;
}

kca_event *kca__event_new_state(int state, int64_t since_ms, const char *connection,
                                const char *consumer, kca_error *error) {
    kca_event *e = new_event(KCA_EVENT_STATE, connection, consumer);
    if (!e) {
        kca__error_free(error);
        return NULL;
    }
    e->connection = (const char *)(e + 1);
    e->consumer = e->connection + strlen(connection) + 1;
    e->state = state;
    e->since_ms = since_ms;
    e->error = error;
    return e;
}

kca_event *kca__event_new_rebalance(int rebalance, const char *consumer, int count) {
    kca_event *e = new_event(KCA_EVENT_REBALANCE, consumer, "");
    if (!e)
        return NULL;
    e->consumer = (const char *)(e + 1);
    e->rebalance = rebalance;
    e->assignments = calloc((size_t)count, sizeof *e->assignments);
    if (!e->assignments) {
        free(e);
        return NULL;
    }
    e->assignment_count = count;
    return e;
}

bool kca__event_set_assignment(kca_event *e, int index, const char *topic, int partition) {
    e->assignments[index] = (kca__assignment){kca__text_copy(topic), partition};
    return e->assignments[index].topic != NULL;
}
