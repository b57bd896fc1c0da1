/* Numbers that the contract gives no meaning are refused, wherever one is taken. What builders take
 * is in core.option_table and abi.options. */
#include "behaviour.h"
#include "systems.h"

#include <limits.h>

enum { MOST = 8 };

/* What lies just beyond a range, and far off. */
typedef struct beyond {
    int values[MOST];
    int count;
} beyond;

static beyond beyond_of(int least, int most) {
    return (beyond){{least - 1, most + 1, INT_MIN, INT_MAX}, 4};
}

static beyond below(int least) {
    return (beyond){{least - 1, INT_MIN}, 2};
}

/* `call` uses `value`. */
#define refuses(range, call, part)                                                                 \
    do {                                                                                           \
        beyond all_beyond = (range);                                                               \
        for (int at = 0; at < all_beyond.count; at++) {                                            \
            int value = all_beyond.values[at];                                                     \
            must_fail((call), KCA_ERROR_ARGUMENT, part);                                           \
        }                                                                                          \
    } while (0)

static int freed;

static void count_free(void *user) {
    freed++;
}

static void ignore(const kca_event *e, void *user) {}

static void test_a_system_refuses_them(void **state) {
    kca_system *s = system_on("embedded://");
    char *out;
    refuses(beyond_of(KCA_LOG_OFF, KCA_LOG_DEBUG), kca_system_log_to_queue(s, value), "log: level");
    refuses(beyond_of(KCA_LOG_OFF, KCA_LOG_DEBUG), kca_system_log_to_stderr(s, value),
            "log: level");
    refuses(beyond_of(KCA_EVENT_RECEIPT, KCA_EVENT_REPLY),
            kca_system_set_event_handler(s, value, ignore, NULL, count_free),
            "event handler: type");
    assert_int_equal(freed, 4);
    refuses(beyond_of(KCA_FORMAT_TEXT, KCA_FORMAT_JSON), kca_system_describe(s, value, &out),
            "describe: format");
    refuses(beyond_of(KCA_METRICS_PROMETHEUS, KCA_METRICS_OPENMETRICS),
            kca_system_metrics(s, value, &out), "metrics: format");
    refuses(below(-1), kca_system_start(s, value), "start: timeout_ms");
    refuses(below(-1), kca_system_shutdown(s, value), "shutdown: timeout_ms");
    refuses(below(-1), kca_system_describe_cluster(s, "kafka", NULL, NULL, value, &out),
            "describe cluster: timeout_ms");
    kca_redrive *r;
    must(kca_redrive_new(&r, "kafka", "dead"));
    refuses(below(-1), kca_system_redrive(s, r, value, &out), "redrive: timeout_ms");
    kca_redrive_free(r);
    kca_system_free(s);
}

static void test_a_bus_refuses_them(void **state) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("things"));
    kca_bus *bus = bus_of(s, "things");
    refuses(below(-1), kca_bus_flush(bus, value), "publisher things: flush: timeout_ms");
    refuses(below(-1), kca_bus_publish_within(NULL, bus, NULL, 0, value),
            "publisher things: publish: timeout_ms");
    for (int i = 0; i < 2; i++) {
        kca_message *m;
        must(kca_message_new(&m, i == 0 ? NULL : ""));
        must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_ARGUMENT, "message: it has no name",
                  "unnamed");
        kca_message_set_unnamed(m, 1);
        must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_STATE, "not started");
        must(kca_message_reset(m, NULL));
        must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_ARGUMENT, "it has no name");
        kca_message_set_raw(m, 1);
        must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_STATE, "not started");
        kca_message_free(m);
    }
    kca_bus_free(bus);
    kca_system_free(s);
}

static void test_a_message_keeps_what_is_wrong(void **state) {
    beyond types = beyond_of(KCA_TYPE_NONE, KCA_TYPE_DOCUMENT);
    for (int i = 0; i < types.count; i++) {
        kca_message *m = thing("{}", NULL);
        kca_message_set_type(m, types.values[i]);
        must_have(kca_error_text(kca_message_error(m)), "type must be 1 (command), 2");
        assert_int_equal(kca_message_type(m), KCA_TYPE_NONE);
        kca_message_free(m);
    }
    const int64_t times[] = {-1, INT64_MIN, INT64_MAX};
    for (int i = 0; i < 3; i++) {
        kca_message *m = thing("{}", NULL);
        kca_message_set_timestamp_ms(m, times[i]);
        must_have(kca_error_text(kca_message_error(m)), "timestamp must be 0 to");
        kca_message_free(m);
    }
}

static void test_a_consumer_refuses_them(void **state) {
    kca_system *s = system_on("embedded://");
    give_consumer(s, consumer_of("things", "shop"));
    kca_consumer *c = reader_of(s, "shop");
    refuses(below(-1), kca_consumer_pause(c, "things", value), "pause: partition");
    refuses(below(-1), kca_consumer_resume(c, "things", value), "resume: partition");
    refuses(below(0), kca_consumer_seek(c, "things", value, 0, 0), "seek: partition");
    refuses(below(KCA_OFFSET_BEGINNING), kca_consumer_seek(c, "things", 0, value, 0),
            "seek: offset");
    refuses(below(-1), kca_consumer_seek(c, "things", 0, 0, value), "seek: timeout_ms");
    refuses(below(-1), kca_consumer_seek_to_time(c, "things", value, 0, 0), "seek: partition");
    refuses(below(0), kca_consumer_seek_to_time(c, "things", 0, value, 0), "seek: time");
    refuses(below(-1), kca_consumer_seek_to_time(c, "things", 0, 0, value), "seek: timeout_ms");
    beyond processors = beyond_of(1, 1024), times = beyond_of(0, 86400000);
    for (int i = 0; i < processors.count; i++) {
        kca_consumer_with_amount_of_processors(c, processors.values[i]);
        must_fail(kca_consumer_run(c), KCA_ERROR_ARGUMENT, "amount_of_processors");
    }
    kca_consumer_with_amount_of_processors(c, 1);
    for (int i = 0; i < times.count; i++) {
        kca_consumer_with_message_processing_timeout_ms(c, times.values[i]);
        must_fail(kca_consumer_run(c), KCA_ERROR_ARGUMENT, "message_processing_timeout_ms");
    }
    kca_consumer_free(c);
    kca_system_free(s);
}

static void test_a_queue_refuses_them(void **state) {
    kca_system *s = system_on("embedded://");
    kca_queue *q = queue_of(s);
    kca_event *e[1];
    assert_int_equal(kca_queue_next(q, e, 0, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_next(q, e, -1, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_next(q, e, 1, -2), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_dispatch(q, 0, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_dispatch(q, INT_MIN, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_dispatch(q, 1, -2), -KCA_ERROR_ARGUMENT);
    const int verdicts[] = {KCA_DONE - 1, KCA_DEFERRED, KCA_DUPLICATE + 1, INT_MIN, INT_MAX};
    for (int i = 0; i < 5; i++)
        assert_int_equal(kca_queue_turn(q, NULL, verdicts[i], e, 0), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_queue_turn(q, NULL, KCA_DONE, e, -2), -KCA_ERROR_ARGUMENT);
    kca_wake_socket *w;
    must(kca_wake_socket_new(&w));
    refuses(beyond_of(1, 255), kca_wake_socket_watch(w, q, value), "mark must be 1 to 255");
    kca_wake_socket_free(w);
    kca_queue_free(q);
    kca_system_free(s);
}

/* Handed out by the embedded broker. */
static void test_a_delivery_refuses_them(void **state) {
    const char *topic = unique("things"), *name = unique("shop");
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of(topic));
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "*", NULL, NULL, NULL));
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 1, 1, 0);
    kca_consumer *c = reader_of(s, name);
    kca_queue *q;
    must(kca_consumer_queue(c, &q));
    kca_event *e = next_event(q, KCA_EVENT_DELIVERY, 20000);
    assert_non_null(e);
    const int verdicts[] = {KCA_DONE - 1, KCA_DEFERRED, KCA_DUPLICATE + 1, INT_MIN, INT_MAX};
    for (int i = 0; i < 5; i++)
        must_fail(kca_delivery_settle(kca_event_delivery(e), verdicts[i]), KCA_ERROR_ARGUMENT,
                  "verdict must be");
    must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
    kca_event_free(e);
    kca_queue_free(q);
    kca_consumer_free(c);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_system_refuses_them),
        cmocka_unit_test(test_a_bus_refuses_them),
        cmocka_unit_test(test_a_message_keeps_what_is_wrong),
        cmocka_unit_test(test_a_consumer_refuses_them),
        cmocka_unit_test(test_a_queue_refuses_them),
        cmocka_unit_test(test_a_delivery_refuses_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
