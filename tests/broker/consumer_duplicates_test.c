/* Messages that come twice are handled once, as far as somebody remembers them. */
#include "retrying.h"

#include <pthread.h>
#include <stdio.h>

/* Writes `count` messages with ids (header messageId) m<first> ... and values {"id":<first>} ... */
static void write_messages(const char *topic, int first, int count) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = first; i < first + count; i++) {
        char id[20], value[40];
        snprintf(id, sizeof id, "m%d", i);
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        const char *const headers[][2] = {{"route", "thing"}, {"messageId", id}};
        raw_write_headers(w, topic, id, value, headers, 2);
    }
    raw_writer_close(w);
}

static const char *one_partition(void) {
    const char *topic = unique("twice");
    topic_create(topic, 1);
    return topic;
}

/* ---- built in ---- */

static void test_the_newest_are_remembered_and_the_second_is_not_handled(void **state) {
    enum { COUNT = 100, REMEMBERED = 100 };
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, COUNT);
    write_messages(topic, 0, COUNT);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_deduplication(b, REMEMBERED);
    consuming c = consume(topic, group, b);
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 2 * COUNT);
    assert_int_equal(came(c.recorder), COUNT);
    assert_int_equal(missing_of(c.recorder, COUNT), 0);
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), COUNT);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), COUNT);
    runner_stop(&r);
    /* Another run of the same system remembers; 50 newer ones push the oldest out. */
    write_messages(topic, 90, 10);
    write_messages(topic, 1000, 50);
    write_messages(topic, 0, 10);
    must(run_for(&c, 60));
    assert_int_equal(times_seen(c.recorder, 95), 1);
    assert_int_equal(times_seen(c.recorder, 5), 2);
    end(&c);
}

static int fail_first(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)id;
    return kca_delivery_attempt(d) == 1 ? KCA_FAILED : KCA_DONE;
}

static void test_a_retry_is_not_taken_for_a_duplicate(void **state) {
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, 10);
    kca_consumer_builder *b = retrying(topic, group, 2, 1);
    kca_consumer_builder_with_deduplication(b, 100);
    consuming c = consume(topic, group, b);
    c.recorder->behave = fail_first;
    must(run_for(&c, 20));
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), 0);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 10);
    write_messages(topic, 0, 10);
    topic_fill(topic, 0, 2, 1); /* without ids: never duplicates */
    topic_fill(topic, 0, 2, 1);
    must(run_for(&c, 8));
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), 10);
    end(&c);
}

static void test_in_the_pull_form_they_do_not_come_at_all(void **state) {
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, 5);
    write_messages(topic, 0, 5);
    write_messages(topic, 5, 1);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_deduplication(b, 100);
    consuming c = consume(topic, group, b);
    kca_queue *q;
    must(kca_consumer_queue(c.consumer, &q));
    for (int i = 0; i < 6; i++) {
        kca_event *e = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
        assert_non_null(e);
        assert_int_equal(kca_event_offset(e), i < 5 ? i : 10);
        /* The application may know of one itself. */
        must(kca_delivery_settle(kca_event_delivery(e), i == 5 ? KCA_DUPLICATE : KCA_DONE));
        kca_event_free(e);
    }
    assert_null(next_event(q, KCA_EVENT_DELIVERY, 300));
    must_commit(group, topic, 0, 11);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 5);
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), 6);
    kca_queue_free(q);
    end(&c);
}

/* ---- the application's store ---- */

typedef struct store {
    pthread_mutex_t lock;
    char ids[200][20];
    int count, asked;
    int unknown; /* so many times it cannot be asked */
    int refuses; /* to take an id */
    int other_thread;
    pthread_t asker;
} store;

static int seen_before(const char *id, void *user) {
    store *s = user;
    int known = 0;
    pthread_mutex_lock(&s->lock);
    s->asked++;
    s->asker = pthread_self();
    for (int i = 0; i < s->count; i++)
        known = known || strcmp(s->ids[i], id) == 0;
    if (s->unknown > 0) {
        s->unknown--;
        known = -1;
    }
    pthread_mutex_unlock(&s->lock);
    return known;
}

static int mark(const char *id, void *user) {
    store *s = user;
    pthread_mutex_lock(&s->lock);
    s->other_thread += !pthread_equal(s->asker, pthread_self());
    snprintf(s->ids[s->count++], sizeof s->ids[0], "%s", id);
    int refused = s->refuses;
    pthread_mutex_unlock(&s->lock);
    return refused;
}

static int on_the_askers_thread(recorder *r, kca_delivery *d, int id) {
    (void)id;
    store *s = r->context;
    s->other_thread += !pthread_equal(s->asker, pthread_self());
    return kca_delivery_attempt(d) == 1 && s->refuses ? KCA_FAILED : KCA_DONE;
}

/* Like consume, with one processor and the store. */
static consuming consume_with(store *s, const char *topic, const char *group,
                              kca_consumer_builder *b) {
    pthread_mutex_init(&s->lock, NULL);
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    give_consumer(c.system, b);
    record(c.system, "thing", c.recorder);
    must(kca_system_set_deduplication_store(c.system, group, seen_before, mark, s, NULL));
    start(c.system);
    c.consumer = reader_of(c.system, group);
    c.recorder->behave = on_the_askers_thread;
    c.recorder->context = s;
    return c;
}

static void test_a_store_is_asked_and_told_on_the_handlers_thread(void **state) {
    store s = {.count = 1, .ids = {"m3"}};
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, 10);
    write_messages(topic, 0, 10);
    topic_fill(topic, 0, 1, 1); /* without an id: not asked for */
    consuming c = consume_with(&s, topic, group, consumer_of(topic, group));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(group, topic, 0, 21);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 10);
    assert_int_equal(times_seen(c.recorder, 3), 0);
    assert_int_equal(s.asked, 20);
    assert_int_equal(s.count, 10);
    assert_int_equal(s.other_thread, 0);
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), 11);
    end(&c);
}

static void test_a_store_that_does_not_know_fails_the_delivery(void **state) {
    store s = {.unknown = 2};
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, 1);
    consuming c = consume_with(&s, topic, group, retrying(topic, group, 2, 1));
    must_fail(kca_consumer_run(c.consumer), KCA_ERROR_HANDLER, "deduplication", topic, "store");
    assert_int_equal(came(c.recorder), 0);
    s.unknown = 1; /* and with one more attempt it is handled */
    must(run_for(&c, 1));
    assert_int_equal(s.asked, 4);
    assert_int_equal(s.count, 1);
    end(&c);
}

static void test_a_store_that_does_not_take_an_id_is_a_fault_and_the_message_done(void **state) {
    store s = {.refuses = 1};
    const char *topic = one_partition(), *group = unique("group");
    write_messages(topic, 0, 1);
    consuming c = consume_with(&s, topic, group, retrying(topic, group, 2, 1));
    must(run_for(&c, 2)); /* a failure is not marked */
    assert_int_equal(s.count, 1);
    assert_int_equal(group_committed(group, topic, 0), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    kca_queue *q = queue_of(c.system);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "m0");
    assert_string_equal(kca_event_topic(fault), topic);
    assert_int_equal(kca_event_offset(fault), 0);
    kca_event_free(fault);
    kca_queue_free(q);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_are_remembered_and_the_second_is_not_handled),
        cmocka_unit_test(test_a_retry_is_not_taken_for_a_duplicate),
        cmocka_unit_test(test_in_the_pull_form_they_do_not_come_at_all),
        cmocka_unit_test(test_a_store_is_asked_and_told_on_the_handlers_thread),
        cmocka_unit_test(test_a_store_that_does_not_know_fails_the_delivery),
        cmocka_unit_test(test_a_store_that_does_not_take_an_id_is_a_fault_and_the_message_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
