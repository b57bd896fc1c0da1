/* Own translators: records of a wire that only the test knows, on their way out and in. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <pthread.h>
#include <stdio.h>

enum { COME_MS = 60000 };

/* The wire: the value is the id in four bytes, big-endian, or "bad" or "busy"; name, message id,
 * correlation id and reply channel are headers of its own. */
static const char *const names[] = {"x-name", "x-id", "x-correlation", "x-reply"};

typedef struct wire {
    int written, read, freed;
    int busy;      /* so often a record that is busy cannot be read */
    int spoiled;   /* this id, 1 or more, can be read once only */
    int looked_at; /* so often it was read */
    kca_bus *bus;  /* the translator publishes through it, too */
    bool is_wrong; /* a setter refuses what it sets */
    int said;      /* on publishing, instead of KCA_DONE */
    pthread_t thread;
} wire;

static void put_id(unsigned char *out, int64_t id) {
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(id >> (24 - 8 * i));
}

static void say_busy(kca_message *out) {
    kca_message_explain(out, "Busy", "the registry is busy");
}

static int to_record(kca_message *out, const kca_message *in, void *user) {
    wire *w = user;
    int64_t id = -1;
    unsigned char bytes[4];
    w->written++;
    w->thread = pthread_self();
    /* It begins as the dialect would write it. */
    assert_string_equal(kca_message_header(out, "route"), kca_message_name(in));
    const char *texts[] = {kca_message_name(in), kca_message_message_id(in),
                           kca_message_header(out, "correlationId"),
                           kca_message_header(out, "replyTo")};
    char *kept[4];
    for (int i = 0; i < 4; i++)
        kept[i] = strdup(texts[i] ? texts[i] : "");
    if (w->bus) {
        kca_message *m = thing("{\"id\":5}", NULL);
        must(kca_bus_publish(w->bus, m, 0));
        kca_message_free(m);
    }
    must(kca_message_json_int64(in, "/id", &id));
    put_id(bytes, id);
    must(kca_message_reset(out, NULL));
    kca_message_set_raw(out, 1);
    kca_message_set_payload(out, bytes, 4);
    kca_message_set_key(out, kca_message_key(in), kca_message_key_len(in));
    for (int i = 0; i < 4; i++) {
        kca_message_set_header(out, names[i], kept[i]);
        free(kept[i]);
    }
    if (w->is_wrong)
        kca_message_set_partition(out, -7);
    if (w->said == KCA_FAILED)
        say_busy(out);
    return w->said;
}

static int to_message(kca_message *out, const kca_message *in, void *user) {
    wire *w = user;
    const unsigned char *bytes = kca_message_payload(in);
    char json[40];
    w->read++;
    assert_int_equal(kca_message_name(out)[0] == 0, kca_message_header(in, "x-name") != NULL);
    assert_true(kca_message_partition(in) >= 0);
    assert_true(kca_message_timestamp_ms(in) > 0);
    if (kca_message_payload_len(in) != 4) {
        bool is_busy = kca_message_payload_len(in) == 8;
        kca_message_explain(out, is_busy ? "Busy" : "NotOfThisWire", "it has not 4 bytes");
        return is_busy ? KCA_FAILED : KCA_REJECTED;
    }
    if (memcmp(bytes, "busy", 4) == 0 && w->busy-- > 0) {
        say_busy(out);
        return KCA_FAILED;
    }
    if (w->spoiled > 0 && bytes[3] == w->spoiled && w->looked_at++ > 0)
        return KCA_REJECTED;
    snprintf(json, sizeof json, "{\"id\":%d}",
             bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
    kca_message_set_payload(out, json, strlen(json));
    kca_message_set_name(out, kca_message_header(in, "x-name"));
    kca_message_set_message_id(out, kca_message_header(in, "x-id"));
    kca_message_set_correlation_id(out, kca_message_header(in, "x-correlation"));
    kca_message_set_reply_to(out, kca_message_header(in, "x-reply"));
    kca_message_set_header(out, "topic", kca_message_channel(in));
    return KCA_DONE;
}

static void count_free(void *user) {
    ((wire *)user)->freed++;
}

/* A system that writes and reads a topic of this wire, and answers. */
typedef struct scene {
    kca_system *system;
    const char *topic, *dead, *replies, *retry, *name;
    wire wire;
    kca_bus *bus;
    kca_consumer *consumer;
    recorder *recorder;
    runner runner;
    bool runs;
} scene;

typedef struct options {
    bool async, background, own_functions, retries_elsewhere;
    int deduplication;
} options;

static void declare_topic(scene *x, const options *o) {
    kca_publisher_builder *p = publisher_of(x->topic);
    kca_publisher_builder_with_async(p, o->async);
    kca_publisher_builder_with_background(p, o->background);
    kca_publisher_builder_with_reply_channel(p, x->replies);
    give_publisher(x->system, p);
    give_publisher(x->system, publisher_of(x->dead));
    give_publisher(x->system, publisher_of(x->replies));
    kca_consumer_builder *c = consumer_of(x->topic, x->name);
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_retry_delay_ms(c, 1);
    kca_consumer_builder_with_dead_letter_channel(c, x->dead);
    kca_consumer_builder_with_reply(c, 1);
    if (o->retries_elsewhere) {
        give_publisher(x->system, publisher_of(x->retry));
        kca_consumer_builder_with_retry_channel(c, x->retry);
    }
    kca_consumer_builder_with_deduplication(c, o->deduplication);
    give_consumer(x->system, c);
}

static scene *new_scene(options o) {
    scene *x = calloc(1, sizeof *x);
    assert_non_null(x);
    *x = (scene){.system = system_on("embedded://"),
                 .topic = unique("things"),
                 .dead = unique("dead"),
                 .replies = unique("replies"),
                 .retry = unique("retry"),
                 .name = unique("shop"),
                 .recorder = recorder_new()};
    declare_topic(x, &o);
    must(kca_system_set_translator(x->system, x->topic, o.own_functions ? NULL : to_record,
                                   o.own_functions ? NULL : to_message, &x->wire, count_free));
    return x;
}

static void begin(scene *x) {
    start(x->system);
    must(kca_system_query_bus(x->system, x->topic, &x->bus));
    x->consumer = reader_of(x->system, x->name);
}

/* With the recorder as handler of `thing`. */
static scene *begin_running(options o) {
    scene *x = new_scene(o);
    record(x->system, "thing", x->recorder);
    begin(x);
    runner_start(&x->runner, x->consumer);
    x->runs = true;
    return x;
}

static void end(scene *x) {
    if (x->runs)
        runner_stop(&x->runner);
    kca_bus_free(x->bus);
    kca_consumer_free(x->consumer);
    finish(x->system);
    assert_int_equal(x->wire.freed, 1);
    recorder_free(x->recorder);
    free(x);
}

static void publish(scene *x, int id, const char *message_id) {
    char json[40];
    snprintf(json, sizeof json, "{\"id\":%d}", id);
    kca_message *m = thing(json, "k");
    kca_message_set_message_id(m, message_id);
    must(kca_bus_publish(x->bus, m, 0));
    kca_message_free(m);
}

/* A record of the wire, or one that is not: as its bytes are. */
static void publish_raw(scene *x, const char *value) {
    kca_message *m;
    must(kca_message_new(&m, NULL));
    kca_message_set_raw(m, 1);
    kca_message_set_payload(m, value, strlen(value));
    kca_message_set_header(m, "x-name", "thing");
    must(kca_bus_publish(x->bus, m, 0));
    kca_message_free(m);
}

static int64_t counted(scene *x, const char *what) {
    return described(x->system, "consumers", 0, what);
}

typedef struct count {
    scene *scene;
    const char *what;
    int64_t wanted;
} count;

static int is_counted(void *argument) {
    count *c = argument;
    return counted(c->scene, c->what) >= c->wanted;
}

static void must_count(scene *x, const char *what, int64_t wanted) {
    must_become(is_counted, &(count){x, what, wanted}, COME_MS, what);
    assert_int_equal(counted(x, what), wanted);
}

/* The payload and headers of what a topic holds: the deliveries of a reader without translator. */
static kca_event *first_of(kca_system *other, const char *name, kca_queue **queue) {
    kca_consumer *c = reader_of(other, name);
    must(kca_consumer_queue(c, queue));
    kca_consumer_free(c);
    kca_event *e = next_event(*queue, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(e);
    return e;
}

/* ---- out and in ---- */

static int sees_the_message(recorder *r, kca_delivery *d, int id) {
    const kca_message *m = kca_delivery_message(d);
    const scene *x = r->context;
    assert_int_equal(id, 258);
    assert_string_equal(kca_message_name(m), "thing");
    assert_string_equal(kca_message_message_id(m), "m-1");
    assert_string_equal(kca_message_header(m, "topic"), x->topic);
    assert_string_equal(kca_message_reply_to(m), x->replies);
    assert_int_equal(kca_message_key_len(m), 1);
    assert_true(kca_delivery_header_count(d) == 4);
    return KCA_DONE;
}

static void round_trip(options o) {
    scene *x = begin_running(o);
    x->recorder->context = x;
    x->recorder->behave = sees_the_message;
    publish(x, 258, "m-1");
    must_be_handled(x->recorder, 1, COME_MS);
    assert_int_equal(x->wire.written, 1);
    assert_true(pthread_equal(x->wire.thread, pthread_self()));
    must_count(x, "replied", 1);
    end(x);
}

static void test_the_handler_gets_what_was_published(void **state) {
    round_trip((options){0});
    round_trip((options){.async = true});
    round_trip((options){.async = true, .background = true});
}

static void test_a_raw_message_and_what_a_translator_publishes_are_not_translated(void **state) {
    scene *x = begin_running((options){0});
    publish_raw(x, "\x01\x01\x01\x07");
    must_be_handled(x->recorder, 1, COME_MS);
    assert_int_equal(x->recorder->all[0].id, 0x01010107);
    assert_int_equal(x->wire.written, 0);
    x->wire.bus = x->bus;
    publish(x, 6, NULL); /* what it publishes meanwhile has Gomes' form: it is not of this wire */
    must_be_handled(x->recorder, 2, COME_MS);
    must_count(x, "rejected", 0);
    must_count(x, "dead_lettered", 1);
    assert_int_equal(x->wire.written, 1);
    end(x);
}

/* ---- failures ---- */

static void test_a_translator_that_fails_is_an_error_of_publish(void **state) {
    scene *x = new_scene((options){0});
    record(x->system, "thing", x->recorder);
    begin(x);
    kca_message *m = thing("{\"id\":1}", "k");
    x->wire.said = KCA_FAILED;
    kca_error *e = kca_bus_publish(x->bus, m, 0);
    assert_int_equal(kca_error_retriable(e), 1);
    assert_string_equal(kca_error_name(e), "translator");
    must_fail(e, KCA_ERROR_TRANSLATOR, x->topic, "its translator failed",
              "Busy: the registry is busy");
    x->wire.said = KCA_REJECTED;
    e = kca_bus_publish(x->bus, m, 0);
    assert_int_equal(kca_error_retriable(e), 0);
    must_fail(e, KCA_ERROR_TRANSLATOR, "translator: it did not say why");
    x->wire.said = 77;
    must_fail(kca_bus_publish(x->bus, m, 0), KCA_ERROR_TRANSLATOR, "a number that it may not");
    x->wire.said = KCA_DONE;
    x->wire.is_wrong = true;
    must_fail(kca_bus_publish(x->bus, m, 0), KCA_ERROR_TRANSLATOR, "partition must be 0 or above");
    kca_message_set_timestamp_ms(m, -5);
    must_fail(kca_bus_publish(x->bus, m, 0), KCA_ERROR_ARGUMENT, "timestamp");
    kca_message_free(m);
    assert_int_equal(described(x->system, "publishers", 0, "published"), 0);
    end(x);
}

static void test_what_cannot_be_translated_is_a_dead_letter_with_its_bytes(void **state) {
    scene *x = new_scene((options){0});
    record(x->system, "thing", x->recorder);
    kca_consumer_builder *c = consumer_of(x->dead, "reader");
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    give_consumer(x->system, c);
    begin(x);
    runner_start(&x->runner, x->consumer);
    x->runs = true;
    publish_raw(x, "bad");
    must_count(x, "dead_lettered", 1);
    must_count(x, "rejected", 1);
    kca_queue *q;
    kca_event *e = first_of(x->system, "reader", &q);
    const kca_message *m = kca_delivery_message(kca_event_delivery(e));
    assert_int_equal(kca_message_payload_len(m), 3);
    assert_memory_equal(kca_message_payload(m), "bad", 3);
    assert_string_equal(kca_message_header(m, "kca-dead-letter-error-name"), "NotOfThisWire");
    assert_string_equal(kca_message_header(m, "kca-dead-letter-error-text"), "it has not 4 bytes");
    assert_string_equal(kca_message_header(m, "x-name"), "thing");
    must(kca_delivery_settle(kca_event_delivery(e), KCA_DONE));
    kca_event_free(e);
    kca_queue_free(q);
    assert_int_equal(came(x->recorder), 0);
    end(x);
}

static void test_what_may_be_translated_later_is_tried_again(void **state) {
    scene *x = begin_running((options){0});
    x->wire.busy = 1;
    publish_raw(x, "busy");
    must_be_handled(x->recorder, 1, COME_MS);
    must_count(x, "failed", 1);
    must_count(x, "dead_lettered", 0);
    x->wire.busy = 2; /* of two attempts */
    publish_raw(x, "busy");
    must_count(x, "dead_lettered", 1);
    assert_int_equal(came(x->recorder), 1);
    end(x);
}

static int fails_first(recorder *r, kca_delivery *d, int id) {
    return kca_delivery_attempt(d) == 1 ? KCA_FAILED : KCA_DONE;
}

static void test_a_retry_channel_has_the_translator_of_the_topic(void **state) {
    scene *x = begin_running((options){.retries_elsewhere = true});
    x->recorder->behave = fails_first;
    publish(x, 258, "m-1");
    must_be_handled(x->recorder, 2, COME_MS);
    assert_int_equal(times_seen(x->recorder, 258), 2);
    must_count(x, "replied", 1);
    end(x);
}

/* ---- what is known by the message ---- */

static void test_duplicates_are_known_by_the_translated_id(void **state) {
    scene *x = begin_running((options){.deduplication = 10});
    publish(x, 1, "m-1");
    must_count(x, "replied", 1); /* an id is remembered once its reply is stored */
    publish(x, 2, "m-1");
    must_count(x, "duplicates", 1);
    publish(x, 3, "m-3");
    must_be_handled(x->recorder, 2, COME_MS);
    assert_int_equal(times_seen(x->recorder, 2), 0);
    end(x);
}

static int answers(recorder *r, kca_delivery *d, int id) {
    if (id == 13) {
        kca_delivery_explain(d, "Unlucky", "not this one");
        return KCA_REJECTED;
    }
    assert_int_equal(kca_delivery_wants_reply(d), 1);
    must(kca_delivery_reply(d, "[7]", 3));
    return KCA_DONE;
}

static void test_a_question_of_another_wire_is_answered(void **state) {
    scene *x = begin_running((options){0});
    x->recorder->behave = answers;
    kca_message *m = thing("{\"id\":1}", "k");
    kca_event *e;
    must(kca_bus_send_for_reply(&e, x->bus, m, COME_MS));
    assert_memory_equal(kca_message_payload(kca_event_reply(e)), "[7]", 3);
    kca_event_free(e);
    kca_message_set_payload(m, "{\"id\":13}", 9); /* by the poller, who has only the record */
    must_fail(kca_bus_send_for_reply(&e, x->bus, m, COME_MS), KCA_ERROR_REPLY, "not this one");
    kca_message_free(m);
    assert_int_equal(x->wire.written, 2);
    end(x);
}

/* ---- batches ---- */

typedef struct batch {
    int ids[8], count, calls, wanted;
    kca_consumer *stop;
} batch;

static int handle_batch(kca_delivery *const *all, int n, void *user) {
    batch *b = user;
    b->calls++;
    for (int i = 0; i < n; i++) {
        int64_t id;
        must(kca_message_json_int64(kca_delivery_message(all[i]), "/id", &id));
        b->ids[b->count++] = (int)id;
    }
    if (b->count == b->wanted)
        kca_consumer_stop(b->stop);
    return KCA_DONE;
}

static void test_a_batch_is_found_by_the_translated_name(void **state) {
    scene *x = new_scene((options){0});
    batch b = {.wanted = 0}; /* it is not stopped inside: a letter may be under way */
    must(kca_system_add_batch_handler(x->system, "thing", 4, COME_MS, handle_batch, &b, NULL));
    begin(x);
    for (int id = 0; id < 2; id++)
        publish(x, id, NULL);
    publish_raw(x, "bad");
    for (int id = 2; id < 4; id++)
        publish(x, id, NULL);
    x->runs = true;
    runner_start(&x->runner, x->consumer);
    must_count(x, "handled", 4);
    must_count(x, "dead_lettered", 1);
    assert_int_equal(b.calls, 1);
    for (int id = 0; id < 4; id++)
        assert_int_equal(b.ids[id], id);
    end(x);
}

/* It is readable when its batch is found, and not when that is handed out. */
static void test_what_comes_behind_one_of_a_batch_that_cannot_be_read_waits(void **state) {
    scene *x = new_scene((options){0});
    batch b = {.wanted = 3};
    must(kca_system_add_batch_handler(x->system, "thing", 4, 50, handle_batch, &b, NULL));
    begin(x);
    b.stop = x->consumer;
    x->wire.spoiled = 1;
    for (int id = 1; id <= 4; id++)
        publish(x, id, NULL);
    must(kca_consumer_run(x->consumer));
    assert_int_equal(b.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(b.ids[i], i + 2);
    assert_int_equal(counted(x, "dead_lettered"), 1);
    end(x);
}

/* ---- bindings ---- */

static void test_a_binding_translates_by_itself(void **state) {
    scene *x = new_scene((options){.own_functions = true, .deduplication = 10});
    must(kca_system_add_handler(x->system, "*", NULL, NULL, NULL));
    begin(x);
    kca_message *m = thing("{\"id\":258}", "k"), *made;
    must(kca_bus_record(&made, x->bus, m));
    assert_string_equal(kca_message_header(made, "messageId"), kca_message_message_id(m));
    assert_string_equal(kca_message_header(made, "correlationId"), kca_message_correlation_id(m));
    assert_int_equal(to_record(made, m, &x->wire), KCA_DONE);
    kca_message_set_record(m, made);
    kca_message_free(made);
    must(kca_bus_publish(x->bus, m, 0));
    must(kca_bus_publish(x->bus, m, 0));
    kca_queue *q;
    for (int i = 0; i < 2; i++) {
        kca_event *e =
            i == 0 ? first_of(x->system, x->name, &q) : next_event(q, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(e);
        kca_delivery *d = kca_event_delivery(e);
        const kca_message *read = kca_delivery_message(d);
        assert_string_equal(kca_message_name(read), "");
        assert_string_equal(kca_message_header(read, "x-name"), "thing");
        kca_error *error = kca_delivery_translate(d, m);
        assert_string_equal(kca_message_name(read), "thing");
        assert_int_equal(kca_delivery_wants_reply(d), 0);
        if (i == 0)
            must(error);
        else
            must_fail(error, KCA_ERROR_DUPLICATE, "handled before");
        must(kca_delivery_settle(d, i == 0 ? KCA_DONE : KCA_DUPLICATE));
        must_fail(kca_delivery_translate(d, m), KCA_ERROR_STATE, "no longer counts");
        kca_event_free(e);
    }
    kca_queue_free(q);
    kca_message_free(m);
    end(x);
}

/* ---- declaring ---- */

static void test_a_channel_has_one_translator_and_it_is_declared_before_start(void **state) {
    scene *x = new_scene((options){0});
    wire other = {0};
    record(x->system, "thing", x->recorder);
    must_fail(kca_system_set_translator(x->system, x->topic, to_record, NULL, &other, count_free),
              KCA_ERROR_DUPLICATE, x->topic, "has a translator already");
    must_fail(kca_system_set_translator(x->system, "nowhere", to_record, NULL, &other, count_free),
              KCA_ERROR_NOT_FOUND, "nowhere", "no publisher and no consumer");
    must_fail(kca_system_set_translator(x->system, NULL, to_record, NULL, &other, count_free),
              KCA_ERROR_ARGUMENT, "channel");
    begin(x);
    must_fail(kca_system_set_translator(x->system, x->dead, to_record, NULL, &other, count_free),
              KCA_ERROR_STATE, "started");
    assert_int_equal(other.freed, 4);
    end(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_handler_gets_what_was_published),
        cmocka_unit_test(test_a_raw_message_and_what_a_translator_publishes_are_not_translated),
        cmocka_unit_test(test_a_translator_that_fails_is_an_error_of_publish),
        cmocka_unit_test(test_what_cannot_be_translated_is_a_dead_letter_with_its_bytes),
        cmocka_unit_test(test_what_may_be_translated_later_is_tried_again),
        cmocka_unit_test(test_a_retry_channel_has_the_translator_of_the_topic),
        cmocka_unit_test(test_duplicates_are_known_by_the_translated_id),
        cmocka_unit_test(test_a_question_of_another_wire_is_answered),
        cmocka_unit_test(test_a_batch_is_found_by_the_translated_name),
        cmocka_unit_test(test_what_comes_behind_one_of_a_batch_that_cannot_be_read_waits),
        cmocka_unit_test(test_a_binding_translates_by_itself),
        cmocka_unit_test(test_a_channel_has_one_translator_and_it_is_declared_before_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
