/* Where logs go, and what describe says. */
#include "behaviour.h"
#include "systems.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <unistd.h>

/* ---- stderr, caught in a file meanwhile ---- */

typedef struct caught {
    FILE *file;
    int stderr_fd;
} caught;

static caught catch_stderr(void) {
    caught c = {tmpfile(), dup(STDERR_FILENO)};
    assert_non_null(c.file);
    fflush(stderr);
    dup2(fileno(c.file), STDERR_FILENO);
    return c;
}

static char *let_stderr_go(caught *c) {
    char *text = calloc(1, 100000);
    fflush(stderr);
    dup2(c->stderr_fd, STDERR_FILENO);
    close(c->stderr_fd);
    rewind(c->file);
    size_t len = fread(text, 1, 99999, c->file);
    text[len] = '\0';
    fclose(c->file);
    return text;
}

static void publish_and_finish(kca_system *s, const char *topic) {
    start(s);
    kca_bus *bus = bus_of(s, topic);
    publish_things(bus, 0, 3, 1, 0);
    must(kca_bus_flush(bus, 10000));
    kca_bus_free(bus);
    finish(s);
}

static void test_nothing_is_on_stderr_unless_asked(void **state) {
    const char *topic = unique("quiet");
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_required_acks(b, 0);
    give_publisher(s, b);
    caught c = catch_stderr();
    publish_and_finish(s, topic);
    kca_system *unreachable = system_on("127.0.0.1:1");
    kca_error *e = kca_system_start(unreachable, 500);
    kca_system_free(unreachable);
    char *text = let_stderr_go(&c);
    assert_string_equal(text, "");
    assert_int_equal(kca_error_code(e), KCA_ERROR_UNREACHABLE);
    kca_error_free(e);
    free(text);
}

static void test_stderr_gets_lines_up_to_the_level(void **state) {
    const char *topic = unique("spoken");
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_required_acks(b, 0);
    give_publisher(s, b);
    must(kca_system_log_to_stderr(s, KCA_LOG_WARN));
    caught c = catch_stderr();
    publish_and_finish(s, topic);
    char *text = let_stderr_go(&c);
    must_have(text, "WARN  connection kafka: the embedded broker is for trying out");
    must_have(text, topic);
    must_have(text, "required_acks is 0");
    must_lack(text, "INFO");
    must_lack(text, "DEBUG");
    free(text);
}

static int count_logs(kca_queue *q, int level, int *worst) {
    int count = 0;
    kca_event *event;
    *worst = 0;
    while ((event = next_event(q, KCA_EVENT_LOG, 0))) {
        int its = kca_event_log_level(event);
        *worst = its > *worst ? its : *worst;
        count += its == level;
        kca_event_free(event);
    }
    return count;
}

static void test_the_queue_gets_logs_up_to_the_level(void **state) {
    const int levels[] = {KCA_LOG_OFF, KCA_LOG_WARN, KCA_LOG_DEBUG};
    for (int i = 0; i < 3; i++) {
        kca_system *s;
        kca_connection *c;
        must(kca_system_new(&s));
        must(kca_connection_new(&c, "kafka", "embedded://"));
        kca_connection_with_property(c, "debug", "broker");
        give_connection(s, c);
        give_publisher(s, publisher_of(unique("levels")));
        must(kca_system_log_to_queue(s, levels[i]));
        start(s);
        kca_queue *q = queue_of(s);
        int worst;
        int at_level = count_logs(q, levels[i], &worst);
        assert_int_equal(worst, levels[i]);
        if (levels[i] != KCA_LOG_OFF)
            assert_true(at_level > 0);
        kca_queue_free(q);
        finish(s);
    }
}

static void test_logs_have_a_queue_of_their_own_when_asked(void **state) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("orders"));
    kca_queue *logs, *q = queue_of(s);
    must(kca_system_log_queue(s, &logs));
    must(kca_system_log_to_queue(s, KCA_LOG_WARN));
    start(s);
    kca_bus *bus = bus_of(s, "orders");
    publish_things(bus, 0, 3, 1, 1);
    must(kca_bus_flush(bus, 10000));

    kca_event *events[10];
    assert_int_equal(kca_queue_next(q, events, 10, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kca_event_type(events[i]), KCA_EVENT_RECEIPT);
        kca_event_free(events[i]);
    }
    assert_true(kca_queue_fd(logs) >= 0 && kca_queue_fd(logs) != kca_queue_fd(q));
    kca_event *line = next_event(logs, KCA_EVENT_LOG, 1000);
    assert_non_null(line);
    kca_event_free(line);
    kca_queue_free(logs);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

static void test_logs_name_component_and_object(void **state) {
    kca_system *s = system_on("embedded://");
    must(kca_system_log_to_queue(s, KCA_LOG_WARN));
    start(s);
    kca_queue *q = queue_of(s);
    kca_event *event = next_event(q, KCA_EVENT_LOG, 1000);
    assert_non_null(event);
    assert_string_equal(kca_event_log_component(event), "connection kafka");
    assert_int_equal(kca_event_log_level(event), KCA_LOG_WARN);
    kca_event_free(event);
    kca_queue_free(q);
    finish(s);
}

static void test_describe_lists_the_endpoints(void **state) {
    kca_system *s = system_on("embedded://");
    const char *topic = unique("orders"), *group = unique("group");
    give_publisher(s, publisher_of(topic));
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_group_topic(b, "second");
    kca_consumer_builder_with_group_topic(b, "third");
    give_consumer(s, b);
    must(kca_system_add_handler(s, "thing", NULL, NULL, NULL));
    start(s);
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_TEXT, &text));
    const char *const parts[] = {"started", "kafka", "embedded://", topic,  group,
                                 "acks -1", "async", "thing",       "idle", "second, third"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        must_have(text, parts[i]);
    kca_string_free(text);
    finish(s);
}

static void test_describe_as_json_has_properties_in_effect(void **state) {
    kca_system *s = system_on("embedded://");
    kca_publisher_builder *b = publisher_of(unique("orders"));
    kca_publisher_builder_with_property(b, "message.timeout.ms", "12345");
    give_publisher(s, b);
    start(s);
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_JSON, &text));
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(root, "started")));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(root, "librdkafka")),
                        kca_rdkafka_version());
    cJSON_Delete(root);
    kca_string_free(text);
    must_have_property(s, "publishers", "message.timeout.ms", "12345");
    must_have_property(s, "publishers", "partitioner", "murmur2_random");
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_on_stderr_unless_asked),
        cmocka_unit_test(test_stderr_gets_lines_up_to_the_level),
        cmocka_unit_test(test_the_queue_gets_logs_up_to_the_level),
        cmocka_unit_test(test_logs_have_a_queue_of_their_own_when_asked),
        cmocka_unit_test(test_logs_name_component_and_object),
        cmocka_unit_test(test_describe_lists_the_endpoints),
        cmocka_unit_test(test_describe_as_json_has_properties_in_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
