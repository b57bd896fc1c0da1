#include "answerer.h"

#include <stdio.h>
#include <string.h>

#include "behaviour.h"
#include "systems.h"

static void publish_answer(const answerer *a, const kca_message *asked, const char *payload) {
    kca_message *m;
    must(kca_message_new(&m, NULL));
    kca_message_set_unnamed(m, 1);
    kca_message_set_type(m, KCA_TYPE_DOCUMENT);
    kca_message_set_correlation_id(m, kca_message_correlation_id(asked));
    kca_message_set_payload(m, payload, strlen(payload));
    must(kca_bus_publish(a->bus, m, 0));
    kca_message_free(m);
}

static int answer(kca_delivery *d, void *user) {
    answerer *a = user;
    const kca_message *m = kca_delivery_message(d);
    char payload[60];
    int64_t id;
    if (a->hold)
        gate_wait(a->hold);
    must(kca_message_json_int64(m, "/id", &id));
    if (id == 0)
        return KCA_DONE;
    snprintf(payload, sizeof payload, "{\"twice\":%lld}", (long long)(2 * id));
    assert_string_equal(kca_message_reply_to(m), a->replies);
    publish_answer(a, m, id < 0 ? "{\"error\":\"negative\"}" : payload);
    return KCA_DONE;
}

void answerer_declare(answerer *a, kca_system *s, const char *asks, const char *replies) {
    *a = (answerer){.system = s, .replies = replies, .name = unique("answerer")};
    kca_publisher_builder *p = publisher_of(replies);
    kca_publisher_builder_with_linger_ms(p, 0);
    give_publisher(s, p);
    kca_consumer_builder *c = consumer_of(asks, a->name);
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    give_consumer(s, c);
    must(kca_system_add_handler(s, "question", answer, a, NULL));
}

void answerer_start(answerer *a) {
    a->bus = bus_of(a->system, a->replies);
    a->consumer = reader_of(a->system, a->name);
    runner_start(&a->runner, a->consumer);
}

void answerer_stop(answerer *a) {
    runner_stop(&a->runner);
    kca_consumer_free(a->consumer);
    kca_bus_free(a->bus);
}

void asking_declare(kca_system *s, const char *asks, const char *replies) {
    kca_publisher_builder *p = publisher_of(asks);
    kca_publisher_builder_with_reply_channel(p, replies);
    kca_publisher_builder_with_linger_ms(p, 0);
    give_publisher(s, p);
}

kca_bus *query_bus_of(kca_system *s, const char *channel) {
    kca_bus *bus;
    must(kca_system_query_bus(s, channel, &bus));
    return bus;
}

kca_message *question(int64_t id) {
    char payload[40];
    kca_message *m;
    int len = snprintf(payload, sizeof payload, "{\"id\":%lld}", (long long)id);
    must(kca_message_new(&m, "question"));
    kca_message_set_payload(m, payload, (size_t)len);
    return m;
}

kca_error *send_question(kca_bus *bus, int64_t id, uint64_t token, int timeout_ms) {
    kca_message *m = question(id);
    kca_error *e = kca_bus_send(bus, m, token, timeout_ms);
    kca_message_free(m);
    return e;
}

kca_error *ask_question(kca_event **out, kca_bus *bus, int64_t id, int timeout_ms) {
    kca_message *m = question(id);
    kca_error *e = kca_bus_send_for_reply(out, bus, m, timeout_ms);
    kca_message_free(m);
    return e;
}

void must_be_answer(const kca_event *e, int64_t id) {
    int64_t twice;
    assert_non_null(e);
    assert_int_equal(kca_event_type(e), KCA_EVENT_REPLY);
    if (kca_event_error(e))
        fail_msg("question %lld: %s", (long long)id, kca_error_text(kca_event_error(e)));
    must(kca_message_json_int64(kca_event_reply(e), "/twice", &twice));
    assert_int_equal(twice, 2 * id);
}
