/* Options of a consumer that show only as properties in effect, and what start checks. */
#include "consuming.h"

static void test_options_show_as_properties_in_effect(void **state) {
    const char *topic = unique("properties"), *group = unique("group");
    topic_create(topic, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    set_session(b, 12000);
    kca_consumer_builder_with_rebalance_timeout_ms(b, 70000);
    kca_consumer_builder_with_max_bytes(b, 2000000);
    kca_consumer_builder_with_read_batch_timeout_ms(b, 7000);
    kca_consumer_builder_with_queue_capacity(b, 77);
    kca_consumer_builder_with_property(b, "check.crcs", "true");
    consuming c = consume(topic, group, b);
    static const char *const wanted[][2] = {{"session.timeout.ms", "12000"},
                                            {"heartbeat.interval.ms", "3000"},
                                            {"group.id", NULL},
                                            {"max.poll.interval.ms", "70000"},
                                            {"fetch.max.bytes", "2000000"},
                                            {"fetch.message.max.bytes", "2000000"},
                                            {"socket.timeout.ms", "7000"},
                                            {"queued.min.messages", "77"},
                                            {"enable.auto.commit", "false"},
                                            {"isolation.level", "read_committed"},
                                            {"auto.offset.reset", "smallest"},
                                            {"check.crcs", "true"}};
    /* The broker decides about the first two with the other protocol. */
    for (size_t i = is_dealt_by_broker() ? 2 : 0; i < sizeof wanted / sizeof *wanted; i++)
        must_have_property(c.system, "consumers", wanted[i][0],
                           wanted[i][1] ? wanted[i][1] : group);
    end(&c);
}

static void test_a_consumer_without_any_handler_fails_at_start(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_consumer(s, consumer_of("orders", "reader"));
    must_fail(kca_system_start(s, COME_MS), KCA_ERROR_STATE, "consumer reader", "no handler");
    kca_system_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_show_as_properties_in_effect),
        cmocka_unit_test(test_a_consumer_without_any_handler_fails_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
