#include "systems.h"

#include "behaviour.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 20000, SHUTDOWN_MS = 30000 };

kca_system *system_on(const char *hosts) {
    kca_system *s;
    kca_connection *c;
    must(kca_system_new(&s));
    must(kca_connection_new(&c, "kafka", hosts));
    give_connection(s, c);
    return s;
}

void give_connection(kca_system *s, kca_connection *c) {
    must(kca_system_add_connection(s, c));
    kca_connection_free(c);
}

kca_publisher_builder *publisher_of(const char *topic) {
    kca_publisher_builder *b;
    must(kca_publisher_builder_new(&b, "kafka", topic));
    kca_publisher_builder_with_required_acks(b, -1);
    return b;
}

void give_publisher(kca_system *s, kca_publisher_builder *b) {
    must(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

/* NULL: not set, or empty. */
static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

kca_consumer_builder *consumer_of(const char *topic, const char *name) {
    kca_consumer_builder *b;
    must(kca_consumer_builder_new(&b, "kafka", topic, name));
    kca_consumer_builder_with_commit_interval_ms(b, 100);
    if (is_dealt_by_broker())
        kca_consumer_builder_with_group_protocol(b, "consumer");
    else if (environment("KCA_ASSIGNMENT_STRATEGY"))
        kca_consumer_builder_with_assignment_strategy(b, environment("KCA_ASSIGNMENT_STRATEGY"));
    return b;
}

bool is_dealt_by_broker(void) {
    const char *protocol = environment("KCA_GROUP_PROTOCOL");
    return protocol && strcmp(protocol, "consumer") == 0;
}

void set_session(kca_consumer_builder *b, int session_ms) {
    if (is_dealt_by_broker())
        return;
    kca_consumer_builder_with_session_timeout_ms(b, session_ms);
    kca_consumer_builder_with_heartbeat_interval_ms(b, session_ms / 4);
}

void give_consumer(kca_system *s, kca_consumer_builder *b) {
    must(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
}

void start(kca_system *s) {
    must(kca_system_start(s, START_MS));
}

void finish(kca_system *s) {
    must(kca_system_shutdown(s, SHUTDOWN_MS));
    kca_system_free(s);
}

kca_bus *bus_of(kca_system *s, const char *channel) {
    kca_bus *bus;
    must(kca_system_event_bus(s, channel, &bus));
    return bus;
}

kca_queue *queue_of(kca_system *s) {
    kca_queue *q;
    must(kca_system_queue(s, &q));
    return q;
}

kca_consumer *reader_of(kca_system *s, const char *consumer) {
    kca_consumer *c;
    must(kca_system_consumer(s, consumer, &c));
    return c;
}

kca_message *thing(const char *payload, const char *key) {
    kca_message *m;
    must(kca_message_new(&m, "thing"));
    kca_message_set_payload(m, payload, strlen(payload));
    if (key)
        kca_message_set_key(m, key, strlen(key));
    return m;
}

void publish_things(kca_bus *bus, int from, int count, int keys, int tokens) {
    kca_message *m = thing("{}", NULL);
    for (int id = from; id < from + count; id++) {
        char key[20], payload[40];
        int key_len = snprintf(key, sizeof key, "k%d", keys ? id % keys : id);
        int len = snprintf(payload, sizeof payload, "{\"id\":%d}", id);
        kca_message_set_payload(m, payload, (size_t)len);
        kca_message_set_key(m, key, (size_t)key_len);
        must(kca_bus_publish(bus, m, tokens ? (uint64_t)id + 1 : 0));
    }
    kca_message_free(m);
}

kca_event *next_event(kca_queue *q, int type, int timeout_ms) {
    int64_t end = now_ms() + timeout_ms;
    for (;;) {
        int64_t left = end - now_ms();
        kca_event *event;
        if (kca_queue_next(q, &event, 1, left > 0 ? (int)left : 0) <= 0)
            return NULL;
        if (kca_event_type(event) == type)
            return event;
        kca_event_free(event);
    }
}

int log_says(kca_queue *q, const char *part, int timeout_ms) {
    int64_t end = now_ms() + timeout_ms;
    int found = 0;
    while (!found) {
        int64_t left = end - now_ms();
        kca_event *event = next_event(q, KCA_EVENT_LOG, left > 0 ? (int)left : 0);
        if (!event)
            break;
        found = strstr(kca_event_log_text(event), part) != NULL;
        kca_event_free(event);
    }
    return found;
}

/* ---- describe ---- */

static cJSON *describe(kca_system *s) {
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_JSON, &text));
    cJSON *root = cJSON_Parse(text);
    kca_string_free(text);
    assert_non_null(root);
    return root;
}

static cJSON *element(cJSON *root, const char *list, int index) {
    cJSON *found = cJSON_GetArrayItem(cJSON_GetObjectItem(root, list), index);
    if (!found)
        fail_msg("describe has no %s[%d]", list, index);
    return found;
}

int64_t described(kca_system *s, const char *list, int index, const char *name) {
    cJSON *root = describe(s);
    cJSON *value = cJSON_GetObjectItem(element(root, list, index), name);
    if (!cJSON_IsNumber(value))
        fail_msg("describe has no number %s in %s[%d]", name, list, index);
    int64_t number = (int64_t)value->valuedouble;
    cJSON_Delete(root);
    return number;
}

int64_t described_partition(kca_system *s, const char *topic, int partition, const char *name) {
    cJSON *root = describe(s);
    const cJSON *all = cJSON_GetObjectItem(element(root, "consumers", 0), "partitions"), *p;
    int64_t number = -1;
    cJSON_ArrayForEach(p, all) {
        const cJSON *value = cJSON_GetObjectItem(p, name);
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(p, "topic")), topic) == 0 &&
            cJSON_GetObjectItem(p, "partition")->valueint == partition)
            number = cJSON_IsBool(value)     ? cJSON_IsTrue(value)
                     : cJSON_IsNumber(value) ? (int64_t)value->valuedouble
                                             : -1;
    }
    cJSON_Delete(root);
    return number;
}

char *property_in_effect(kca_system *s, const char *list, int index, const char *name) {
    cJSON *root = describe(s);
    cJSON *properties = cJSON_GetObjectItem(element(root, list, index), "properties");
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(properties, name));
    char *copy = value ? strdup(value) : NULL;
    cJSON_Delete(root);
    return copy;
}

void must_have_property(kca_system *s, const char *list, const char *name, const char *value) {
    char *found = property_in_effect(s, list, 0, name);
    if (!found || strcmp(found, value) != 0)
        fail_msg("%s: %s is %s, wanted %s", list, name, found ? found : "absent", value);
    free(found);
}
