/* The exporter of spans: what it says of publishes and handlings, and that a collector that is
 * away, slow or cross is nobody's trouble. */
#include "behaviour.h"
#include "certificates.h"
#include "collector.h"
#include "fake_server.h"
#include "recorder.h"
#include "systems.h"

#include <stdio.h>

enum { DEADLINE_MS = 60000, MANY = 300 };

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

/* A system with a publisher and a consumer of each of two topics, whose handlers note what they
 * get. */
typedef struct world {
    collector *collector;
    kca_system *system;
    const char *topics[2], *names[2];
    kca_bus *buses[2];
    kca_consumer *consumers[2];
    runner runners[2];
    recorder *recorders[2];
    char traceparent[64]; /* of the last delivery of the first topic */
} world;

static void add_topic(world *w, int at, const char *message_name) {
    w->topics[at] = unique("things");
    w->names[at] = unique("shop");
    kca_publisher_builder *p = publisher_of(w->topics[at]);
    kca_publisher_builder_with_async(p, at == 1);
    give_publisher(w->system, p);
    kca_consumer_builder *b = consumer_of(w->topics[at], w->names[at]);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_retry_delay_ms(b, 1);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(w->system, b);
    w->recorders[at] = recorder_new();
    w->recorders[at]->context = w;
    record(w->system, message_name, w->recorders[at]);
}

/* Before the start. Takes the collector. */
static world *new_world_with(collector *c, const char *more) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->collector = c;
    w->system = system_on("embedded://");
    add_topic(w, 0, "thing");
    add_topic(w, 1, "next");
    must(kca_system_set_exporter(w->system, collector_settings(w->collector, more)));
    return w;
}

static world *new_world(const char *more) {
    return new_world_with(collector_start(), more);
}

static void begin(world *w) {
    start(w->system);
    for (int i = 0; i < 2; i++) {
        w->buses[i] = bus_of(w->system, w->topics[i]);
        w->consumers[i] = reader_of(w->system, w->names[i]);
        runner_start(&w->runners[i], w->consumers[i]);
    }
}

/* Shuts the system down, which flushes; the collector stays. */
static void halt(world *w) {
    for (int i = 0; i < 2; i++) {
        runner_stop(&w->runners[i]);
        kca_bus_free(w->buses[i]);
        kca_consumer_free(w->consumers[i]);
    }
    must(kca_system_shutdown(w->system, DEADLINE_MS));
}

static void end(world *w) {
    kca_system_free(w->system);
    recorder_free(w->recorders[0]);
    recorder_free(w->recorders[1]);
    collector_stop(w->collector);
    free(w);
}

static void publish_one(world *w, const char *key) {
    kca_message *m = thing("{\"id\":1}", key);
    kca_message_set_correlation_id(m, "talk-1");
    must(kca_bus_publish(w->buses[0], m, 0));
    kca_message_free(m);
}

static const char *name_of(const char *operation, const char *topic) {
    static char name[300];
    snprintf(name, sizeof name, "%s %s", operation, topic);
    return name;
}

static int64_t exporter_count(kca_system *s, const char *name) {
    char *text;
    must(kca_system_describe(s, KCA_FORMAT_JSON, &text));
    cJSON *root = cJSON_Parse(text);
    int64_t n = (int64_t)cJSON_GetNumberValue(
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, "exporter"), name));
    cJSON_Delete(root);
    kca_string_free(text);
    return n;
}

/* ---- what is told ---- */

/* Inside the first topic's handler. */
static int publish_next(recorder *r, kca_delivery *d, int id) {
    world *w = r->context;
    kca_message *m;
    snprintf(w->traceparent, sizeof w->traceparent, "%s",
             kca_message_traceparent(kca_delivery_message(d)));
    must(kca_message_new(&m, "next"));
    kca_message_set_payload(m, "{}", 2);
    must(kca_bus_publish(w->buses[1], m, 0));
    kca_message_free(m);
    return KCA_DONE;
}

static void must_be_child(const cJSON *span, const cJSON *parent) {
    assert_string_equal(span_text(span, "traceId"), span_text(parent, "traceId"));
    assert_string_equal(span_text(span, "parentSpanId"), span_text(parent, "spanId"));
}

static void must_link(const cJSON *span, const cJSON *other) {
    const cJSON *link = cJSON_GetArrayItem(cJSON_GetObjectItem(span, "links"), 0);
    assert_string_equal(span_text(link, "traceId"), span_text(other, "traceId"));
    assert_string_equal(span_text(link, "spanId"), span_text(other, "spanId"));
}

/* create, and send and process of it; gives the process. */
static const cJSON *must_be_hop(world *w, int at, const cJSON *cause) {
    const cJSON *create = collected(w->collector, name_of("create", w->topics[at]), 0);
    const cJSON *send = collected(w->collector, name_of("send", w->topics[at]), 0);
    const cJSON *process = collected(w->collector, name_of("process", w->topics[at]), 0);
    if (cause)
        must_be_child(create, cause);
    else
        assert_string_equal(span_text(create, "parentSpanId"), "");
    must_be_child(send, cause ? cause : create);
    must_link(send, create);
    must_be_child(process, create);
    must_link(process, create);
    return process;
}

static void must_have_attributes(world *w, const cJSON *process) {
    const cJSON *send = collected(w->collector, name_of("send", w->topics[0]), 0);
    static const char *const same[][2] = {{"messaging.system", "kafka"},
                                          {"messaging.message.conversation_id", "talk-1"},
                                          {"messaging.kafka.message.key", "k"},
                                          {"messaging.message.body.size", "8"},
                                          {"messaging.client.id", "kafka"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_string_equal(span_attribute(send, same[i][0]), same[i][1]);
        assert_string_equal(span_attribute(process, same[i][0]), same[i][1]);
    }
    assert_string_equal(span_text(send, "kind"), "3");
    assert_string_equal(span_text(process, "kind"), "5");
    assert_string_equal(span_attribute(send, "messaging.destination.name"), w->topics[0]);
    assert_string_equal(span_attribute(send, "messaging.operation.type"), "send");
    assert_string_equal(span_attribute(process, "messaging.operation.name"), "process");
    assert_string_equal(span_attribute(process, "messaging.consumer.group.name"), w->names[0]);
    assert_string_equal(span_attribute(process, "kca.attempt"), "1");
    assert_string_equal(span_attribute(process, "kca.verdict"), "done");
    /* Where it is stored, both know. */
    static const char *const place[] = {"messaging.destination.partition.id",
                                        "messaging.kafka.offset"};
    for (int i = 0; i < 2; i++) {
        assert_true(*span_attribute(send, place[i]));
        assert_string_equal(span_attribute(process, place[i]), span_attribute(send, place[i]));
    }
    assert_true(strtoull(span_text(process, "endTimeUnixNano"), NULL, 10) >=
                strtoull(span_text(send, "startTimeUnixNano"), NULL, 10));
}

static void test_one_trace_leads_through_publishes_and_handlers(void **state) {
    world *w =
        new_world("OTEL_SERVICE_NAME=shop\nOTEL_RESOURCE_ATTRIBUTES=team=a%20b,service.name=x"
                  "\nOTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20secret\n"
                  "OTEL_EXPORTER_OTLP_COMPRESSION=gzip");
    w->recorders[0]->behave = publish_next;
    begin(w);
    publish_one(w, "k");
    must_be_handled(w->recorders[1], 1, DEADLINE_MS);
    halt(w);
    must_collect(w->collector, 6);
    const cJSON *process = must_be_hop(w, 0, NULL);
    must_be_hop(w, 1, process);
    must_have_attributes(w, process);
    must_have(w->traceparent, span_text(process, "traceId"));
    must_have(w->traceparent, span_text(process, "spanId"));
    assert_string_equal(w->traceparent + strlen(w->traceparent) - 3, "-01");
    assert_string_equal(collector_resource(w->collector, "service.name"), "shop");
    assert_string_equal(collector_resource(w->collector, "team"), "a b");
    must_have(collector_head(w->collector), "POST /v1/traces HTTP/1.1");
    must_have(collector_head(w->collector), "authorization: Bearer secret");
    assert_int_equal(exporter_count(w->system, "sent"), 6);
    end(w);
}

static int fail_first(recorder *r, kca_delivery *d, int id) {
    if (kca_delivery_attempt(d) > 1)
        return KCA_DONE;
    kca_delivery_explain(d, "Sold", "there is none left");
    return KCA_FAILED;
}

static void test_each_attempt_is_a_span_of_the_same_trace_and_says_why_it_failed(void **state) {
    world *w = new_world("");
    w->recorders[0]->behave = fail_first;
    begin(w);
    publish_one(w, NULL);
    must_be_handled(w->recorders[0], 2, DEADLINE_MS);
    halt(w);
    must_collect(w->collector, 4);
    const cJSON *create = collected(w->collector, name_of("create", w->topics[0]), 0);
    const cJSON *first = collected(w->collector, name_of("process", w->topics[0]), 0);
    const cJSON *second = collected(w->collector, name_of("process", w->topics[0]), 1);
    must_be_child(first, create);
    must_be_child(second, create);
    assert_string_equal(span_attribute(first, "kca.verdict"), "failed");
    assert_string_equal(span_attribute(first, "error.type"), "Sold");
    assert_string_equal(span_text(cJSON_GetObjectItem(first, "status"), "code"), "2");
    assert_string_equal(span_text(cJSON_GetObjectItem(first, "status"), "message"),
                        "there is none left");
    assert_string_equal(span_attribute(second, "kca.attempt"), "2");
    assert_string_equal(span_attribute(second, "kca.verdict"), "done");
    assert_null(cJSON_GetObjectItem(second, "status"));
    end(w);
}

static void test_a_message_keeps_the_trace_that_it_has_and_its_sampling(void **state) {
    world *w = new_world("OTEL_TRACES_SAMPLER=parentbased_always_off");
    w->recorders[0]->behave = publish_next;
    begin(w);
    publish_one(w, "k"); /* begins a trace, which is not sampled */
    must_be_handled(w->recorders[0], 1, DEADLINE_MS);
    must_be_handled(w->recorders[1], 1, DEADLINE_MS);
    assert_string_equal(w->traceparent + strlen(w->traceparent) - 3, "-00");
    kca_message *m = thing("{}", NULL);
    kca_message_set_trace_context(m, PARENT, NULL);
    must(kca_bus_publish(w->buses[0], m, 0));
    kca_message_free(m);
    must_be_handled(w->recorders[1], 2, DEADLINE_MS);
    halt(w);
    must_collect(w->collector, 5); /* all but a create of the first */
    const cJSON *send = collected(w->collector, name_of("send", w->topics[0]), 0);
    assert_string_equal(span_text(send, "traceId"), TRACE);
    assert_string_equal(span_text(send, "parentSpanId"), "00f067aa0ba902b7");
    end(w);
}

static void test_a_delivery_that_is_pulled_has_its_span_until_it_is_settled(void **state) {
    collector *c = collector_start();
    kca_system *s = system_on("embedded://");
    const char *topic = unique("things"), *name = unique("shop");
    give_publisher(s, publisher_of(topic));
    kca_consumer_builder *b = consumer_of(topic, name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    give_consumer(s, b);
    must(kca_system_add_handler(s, "thing", NULL, NULL, NULL));
    must(kca_system_set_exporter(s, collector_settings(c, "")));
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_consumer *consumer = reader_of(s, name);
    kca_queue *q;
    must(kca_consumer_queue(consumer, &q));
    publish_things(bus, 0, 1, 1, 0);
    must_collect(c, 2);
    kca_event *e = next_event(q, KCA_EVENT_DELIVERY, DEADLINE_MS);
    assert_non_null(e);
    char traceparent[64];
    snprintf(traceparent, sizeof traceparent, "%s",
             kca_message_traceparent(kca_delivery_message(kca_event_delivery(e))));
    kca_delivery_explain(kca_event_delivery(e), "Wrong", "no");
    must(kca_delivery_settle(kca_event_delivery(e), KCA_REJECTED));
    must_collect(c, 3);
    kca_event_free(e);
    const cJSON *process = collected(c, name_of("process", topic), 0);
    must_have(traceparent, span_text(process, "spanId"));
    assert_string_equal(span_attribute(process, "kca.verdict"), "rejected");
    assert_string_equal(span_attribute(process, "error.type"), "Wrong");
    kca_queue_free(q);
    kca_bus_free(bus);
    kca_consumer_free(consumer);
    kca_error_free(kca_system_shutdown(s, DEADLINE_MS));
    kca_system_free(s);
    collector_stop(c);
}

/* ---- collectors that are no good ---- */

static void publish_many(world *w) {
    publish_things(w->buses[0], 0, MANY, 10, 0);
    must_be_handled(w->recorders[0], MANY, DEADLINE_MS);
}

/* Nothing is lost without being counted. */
static void must_add_up(world *w, int spans) {
    assert_int_equal(exporter_count(w->system, "waiting"), 0);
    assert_int_equal(exporter_count(w->system, "sent") + exporter_count(w->system, "dropped") +
                         exporter_count(w->system, "failed"),
                     spans);
}

static void test_what_the_collector_cannot_take_now_is_sent_again(void **state) {
    static const int later[] = {429, 503};
    world *w = new_world("");
    begin(w);
    for (int i = 0; i < 2; i++) {
        collector_refuse(w->collector, later[i], "Retry-After: 0\r\n", 1);
        publish_one(w, "k");
        must_collect(w->collector, 3 * (i + 1));
    }
    halt(w);
    assert_true(collector_requests(w->collector) > 2);
    must_add_up(w, 6);
    assert_int_equal(exporter_count(w->system, "sent"), 6);
    end(w);
}

static void test_what_the_collector_refuses_is_counted_and_told_once(void **state) {
    world *w = new_world("");
    must(kca_system_log_to_queue(w->system, KCA_LOG_WARN));
    kca_queue *q = queue_of(w->system);
    collector_refuse(w->collector, 400, "", 1000000);
    begin(w);
    publish_one(w, "k");
    assert_true(log_says(q, "takes no spans: the collector answered with status 400", DEADLINE_MS));
    must_be_handled(w->recorders[0], 1, DEADLINE_MS);
    halt(w);
    kca_queue_free(q);
    must_add_up(w, 3);
    assert_int_equal(exporter_count(w->system, "failed"), 3);
    end(w);
}

static void test_a_collector_that_never_answers_is_not_waited_for(void **state) {
    world *w = new_world("OTEL_EXPORTER_OTLP_TIMEOUT=3600000\nOTEL_BSP_MAX_QUEUE_SIZE=16\n"
                         "OTEL_BSP_EXPORT_TIMEOUT=500");
    collector_hush(w->collector);
    begin(w);
    publish_many(w);
    assert_true(exporter_count(w->system, "dropped") > 0);
    halt(w);
    assert_int_equal(exporter_count(w->system, "sent"), 0);
    must_add_up(w, 3 * MANY);
    end(w);
}

static void test_a_collector_that_is_away_is_tried_once_at_the_end(void **state) {
    char settings[100];
    snprintf(settings, sizeof settings, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:%d/x",
             closed_port());
    world *w = new_world(settings);
    begin(w);
    publish_many(w);
    halt(w);
    must_add_up(w, 3 * MANY);
    assert_int_equal(exporter_count(w->system, "sent"), 0);
    /* The system may start again, and its exporter with it. */
    begin(w);
    publish_one(w, "k");
    must_be_handled(w->recorders[0], MANY + 1, DEADLINE_MS);
    halt(w);
    must_add_up(w, 3 * MANY + 3);
    end(w);
}

static void test_a_system_that_is_freed_without_a_shutdown_leaves_its_spans(void **state) {
    world *w = new_world("OTEL_BSP_SCHEDULE_DELAY=3600000");
    begin(w);
    publish_one(w, "k");
    must_be_handled(w->recorders[0], 1, DEADLINE_MS);
    for (int i = 0; i < 2; i++) {
        runner_stop(&w->runners[i]);
        kca_bus_free(w->buses[i]);
        kca_consumer_free(w->consumers[i]);
    }
    end(w);
}

/* ---- TLS ---- */

/* The exporter trusts `trusted`, which is not always who signed the collector's certificate. */
static void talk_tls(const identity *signer, const identity *trusted, bool is_good) {
    identity own = identity_new(
        (identity_wish){.name = "collector", .alt_names = "IP:127.0.0.1", .signer = signer});
    char settings[600], path[300];
    snprintf(path, sizeof path, "%s/%s.pem", KCA_TEST_SCRATCH, unique("collector"));
    char *pem = certificate_pem(trusted);
    write_text(path, pem, NULL);
    free(pem);
    snprintf(settings, sizeof settings, "OTEL_EXPORTER_OTLP_CERTIFICATE=%s", path);
    world *w = new_world_with(collector_start_tls(&own), settings);
    must(kca_system_log_to_queue(w->system, KCA_LOG_WARN));
    kca_queue *q = queue_of(w->system);
    begin(w);
    publish_one(w, "k");
    must_be_handled(w->recorders[0], 1, DEADLINE_MS);
    if (is_good)
        must_collect(w->collector, 3);
    else
        assert_true(log_says(q, "certificate", DEADLINE_MS));
    halt(w);
    assert_int_equal(collector_spans(w->collector), is_good ? 3 : 0);
    kca_queue_free(q);
    end(w);
    remove(path);
    identity_free(&own);
}

static void test_a_collectors_certificate_is_checked(void **state) {
    identity ca = identity_new((identity_wish){.name = "ca", .ca = true});
    identity other = identity_new((identity_wish){.name = "other", .ca = true});
    talk_tls(&ca, &ca, true);
    talk_tls(&ca, &other, false);
    identity_free(&ca);
    identity_free(&other);
}

/* ---- settings ---- */

static void test_settings_that_make_no_sense_are_refused_in_one_line(void **state) {
    static const char *const wrong[][2] = {
        {"OTEL_BSP_MAX_QUEUE_SIZE=0", "OTEL_BSP_MAX_QUEUE_SIZE must be 1 to 2147483647, got \"0\""},
        {"OTEL_BSP_SCHEDULE_DELAY=soon", "OTEL_BSP_SCHEDULE_DELAY must be 1 to"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", "must be a URL of http or https"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "must be http/json, got \"grpc\""},
        {"OTEL_EXPORTER_OTLP_COMPRESSION=zip", "must be gzip or none"},
        {"OTEL_EXPORTER_OTLP_HEADERS=token", "must be a list of name=value"},
        {"OTEL_EXPORTER_OTLP_HEADERS=a=b%0Ac", "must be a list of name=value"},
        {"OTEL_TRACES_SAMPLER=sometimes", "OTEL_TRACES_SAMPLER must be always_on"},
        {"OTEL_TRACES_SAMPLER=traceidratio\nOTEL_TRACES_SAMPLER_ARG=2",
         "must be 0 to 1, got \"2\""},
        {"OTEL_TRACES_EXPORTER=zipkin", "must be otlp or none"},
        {"OTEL_SERVICE=x", "must be NAME=value"},
        {"hello", "must be NAME=value"}};
    kca_system *s = system_on("embedded://");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        must_fail(kca_system_set_exporter(s, wrong[i][0]), KCA_ERROR_ARGUMENT,
                  "exporter: ", wrong[i][1]);
    must(kca_system_set_exporter(s, "OTEL_SDK_DISABLED=true"));
    must(kca_system_set_exporter(s, "OTEL_TRACES_EXPORTER=none"));
    must(kca_system_set_exporter(s, "\nOTEL_SERVICE_NAME=a=b\n\n"));
    must_fail(kca_system_set_exporter(s, NULL), KCA_ERROR_DUPLICATE, "has one already");
    kca_system_free(s);
}

static void test_an_exporter_that_the_environment_turns_off_is_none(void **state) {
    setenv("OTEL_SDK_DISABLED", "true", 1);
    world *w = new_world("");
    unsetenv("OTEL_SDK_DISABLED");
    begin(w);
    must_fail(kca_system_set_exporter(w->system, NULL), KCA_ERROR_STATE, "declare it before start");
    publish_one(w, "k");
    must_be_handled(w->recorders[0], 1, DEADLINE_MS);
    halt(w);
    assert_int_equal(collector_requests(w->collector), 0);
    end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_trace_leads_through_publishes_and_handlers),
        cmocka_unit_test(test_each_attempt_is_a_span_of_the_same_trace_and_says_why_it_failed),
        cmocka_unit_test(test_a_message_keeps_the_trace_that_it_has_and_its_sampling),
        cmocka_unit_test(test_a_delivery_that_is_pulled_has_its_span_until_it_is_settled),
        cmocka_unit_test(test_what_the_collector_cannot_take_now_is_sent_again),
        cmocka_unit_test(test_what_the_collector_refuses_is_counted_and_told_once),
        cmocka_unit_test(test_a_collector_that_never_answers_is_not_waited_for),
        cmocka_unit_test(test_a_collector_that_is_away_is_tried_once_at_the_end),
        cmocka_unit_test(test_a_system_that_is_freed_without_a_shutdown_leaves_its_spans),
        cmocka_unit_test(test_a_collectors_certificate_is_checked),
        cmocka_unit_test(test_settings_that_make_no_sense_are_refused_in_one_line),
        cmocka_unit_test(test_an_exporter_that_the_environment_turns_off_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
