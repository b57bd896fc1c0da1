/* The metrics' text tells what truly happened. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <stdio.h>

enum { COME_MS = 60000, PUBLISHED = 5 };

typedef struct wanted {
    kca_system *system;
    int format;
    char line[300];
} wanted;

static int is_told(void *argument) {
    const wanted *w = argument;
    char *text;
    must(kca_system_metrics(w->system, w->format, &text));
    int is_there = strstr(text, w->line) != NULL;
    kca_string_free(text);
    return is_there;
}

/* Of the publisher or consumer that has this label. */
static void must_tell(kca_system *s, const char *name, const char *label, const char *rest,
                      int value) {
    wanted w = {.system = s, .format = KCA_METRICS_PROMETHEUS};
    snprintf(w.line, sizeof w.line, "\n%s{%s%s} %d\n", name, label, rest, value);
    must_become(is_told, &w, COME_MS, w.line);
}

/* 1 fails once, 2 is rejected, the others are done. */
static int behave(recorder *r, kca_delivery *d, int id) {
    if (id == 2)
        return KCA_REJECTED;
    return id == 1 && kca_delivery_attempt(d) == 1 ? KCA_FAILED : KCA_DONE;
}

static void must_tell_of_consumer(kca_system *s) {
    const char *label = "kca_consumer=\"reader\",messaging_consumer_group_name=\"reader\"";
    const char *rest = ",kca_connection=\"kafka\"";
    must_tell(s, "kca_consumer_handled_total", label, rest, PUBLISHED - 1);
    must_tell(s, "kca_consumer_rejected_total", label, rest, 1);
    must_tell(s, "kca_consumer_failed_total", label, rest, 1);
    must_tell(s, "kca_consumer_retried_total", label, rest, 1);
    must_tell(s, "kca_consumer_skipped_total", label, rest, 1);
    must_tell(s, "kca_consumer_duplicates_total", label, rest, 0);
    must_tell(s, "kca_consumer_ready", label, rest, 1);
    must_tell(s, "kca_consumer_in_flight", label, rest, 0);
}

static void must_tell_of_publisher(kca_system *s, const char *topic) {
    char label[200];
    snprintf(label, sizeof label, "messaging_destination_name=\"%s\"", topic);
    const char *sent = ",messaging_operation_name=\"send\",messaging_system=\"kafka\"";
    must_tell(s, "messaging_client_sent_messages_total", label, sent, PUBLISHED);
    must_tell(s, "kca_publisher_accepted_total", label, ",kca_connection=\"kafka\"", PUBLISHED);
    must_tell(s, "kca_publisher_stored_total", label, ",kca_connection=\"kafka\"", PUBLISHED);
    must_tell(s, "kca_publisher_failed_total", label, ",kca_connection=\"kafka\"", 0);
}

static void test_counts_are_those_of_what_happened(void **state) {
    const char *topic = unique("orders");
    kca_system *s = system_on("embedded://");
    recorder *orders = recorder_new();
    kca_consumer_builder *b = consumer_of(topic, "reader");
    orders->behave = behave;
    kca_consumer_builder_with_start_offset(b, "earliest");
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_max_attempts(b, 2);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_publisher(s, publisher_of(topic));
    give_consumer(s, b);
    record(s, "thing", orders);
    kca_consumer *consumer = reader_of(s, "reader");
    runner running;
    start(s);
    kca_bus *bus = bus_of(s, topic);
    runner_start(&running, consumer);
    publish_things(bus, 0, PUBLISHED, 1, 0);
    must(kca_bus_flush(bus, COME_MS));
    must_tell_of_consumer(s);
    must_tell_of_publisher(s, topic);
    runner_stop(&running);
    kca_bus_free(bus);
    kca_consumer_free(consumer);
    finish(s);
    recorder_free(orders);
}

static void test_open_metrics_have_the_suffix_in_samples_only(void **state) {
    kca_system *s = system_on("embedded://");
    give_publisher(s, publisher_of("orders"));
    wanted w = {.system = s, .format = KCA_METRICS_OPENMETRICS};
    strcpy(w.line, "# TYPE kca_publisher_stored counter\nkca_publisher_stored_total{");
    assert_true(is_told(&w));
    strcpy(w.line, "\n# EOF\n");
    assert_true(is_told(&w));
    w.format = KCA_METRICS_PROMETHEUS;
    assert_false(is_told(&w));
    strcpy(w.line, "# TYPE kca_publisher_stored_total counter\nkca_publisher_stored_total{");
    assert_true(is_told(&w));
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_are_those_of_what_happened),
        cmocka_unit_test(test_open_metrics_have_the_suffix_in_samples_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
