/* Publishers while the broker dies and comes back. */
#include "behaviour.h"
#include "cluster.h"
#include "systems.h"

#include <pthread.h>
#include <stdio.h>

enum { COUNT = 6000, PATIENCE_MS = 60000 };

/* What became of each message, by its id. */
typedef struct answers {
    kca_queue *queue;
    int seen[COUNT];   /* receipts */
    int stored[COUNT]; /* of these, without an error */
    int count;
    pthread_mutex_t lock;
} answers;

static void *read_receipts(void *argument) {
    answers *a = argument;
    for (int i = 0; i < COUNT; i++) {
        kca_event *receipt = next_event(a->queue, KCA_EVENT_RECEIPT, PATIENCE_MS);
        if (!receipt)
            break;
        int id = (int)kca_event_token(receipt) - 1;
        pthread_mutex_lock(&a->lock);
        a->seen[id]++;
        a->stored[id] += kca_event_error(receipt) == NULL;
        a->count++;
        pthread_mutex_unlock(&a->lock);
        kca_event_free(receipt);
    }
    return NULL;
}

typedef struct publishing {
    kca_bus *bus;
    kca_error *error;
} publishing;

static void *publish_all(void *argument) {
    publishing *p = argument;
    kca_message *m = thing("{}", NULL);
    for (int id = 0; id < COUNT && !p->error; id++) {
        char payload[40];
        kca_message_set_payload(m, payload, (size_t)snprintf(payload, sizeof payload, "%d", id));
        p->error = kca_bus_publish(p->bus, m, (uint64_t)id + 1);
    }
    kca_message_free(m);
    return NULL;
}

static int some_are_stored(void *argument) {
    answers *a = argument;
    pthread_mutex_lock(&a->lock);
    int enough = a->count >= 500;
    pthread_mutex_unlock(&a->lock);
    return enough;
}

static void must_hold_all_that_is_stored(const answers *a, const char *topic) {
    int count, lost = 0;
    raw_record *records = topic_read(&count, topic, 3);
    char *there = calloc(COUNT, 1);
    for (int i = 0; i < count; i++)
        there[atoi(records[i].value)] = 1;
    for (int id = 0; id < COUNT; id++) {
        assert_int_equal(a->seen[id], 1);
        lost += a->stored[id] && !there[id];
    }
    assert_int_equal(lost, 0);
    free(there);
    records_free(records, count);
}

static void test_every_message_has_its_receipt_though_the_broker_crashes(void **state) {
    static answers a = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const char *topic = unique("crash");
    topic_create(topic, 3);
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_buffer_timeout_ms(b, -1);
    kca_publisher_builder_with_buffer_messages(b, 300);
    kca_publisher_builder_with_batch_size(b, 20);
    kca_publisher_builder_with_max_attempts(b, 1000);
    give_publisher(s, b);
    start(s);
    publishing p = {bus_of(s, topic), NULL};
    a.queue = queue_of(s);
    pthread_t publisher, reader;
    assert_int_equal(pthread_create(&reader, NULL, read_receipts, &a), 0);
    assert_int_equal(pthread_create(&publisher, NULL, publish_all, &p), 0);
    must_become(some_are_stored, &a, PATIENCE_MS, "500 messages are stored");
    cluster_do("kill");
    cluster_do("restart-node");
    pthread_join(publisher, NULL);
    must(p.error);
    pthread_join(reader, NULL);
    assert_int_equal(a.count, COUNT);
    must_hold_all_that_is_stored(&a, topic);
    kca_queue_free(a.queue);
    kca_bus_free(p.bus);
    finish(s);
}

static void test_a_failed_receipt_says_why(void **state) {
    const char *topic = unique("why");
    kca_system *s = system_on(listener("PLAINTEXT"));
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_property(b, "message.timeout.ms", "1500");
    give_publisher(s, b);
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_queue *q = queue_of(s);
    publish_things(bus, 0, 1, 1, 0);
    must(kca_bus_flush(bus, PATIENCE_MS));
    cluster_do("kill");
    publish_things(bus, 1, 1, 1, 1);
    kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
    cluster_do("restart-node");
    assert_non_null(receipt);
    const kca_error *e = kca_event_error(receipt);
    assert_int_equal(kca_error_code(e), KCA_ERROR_NOT_STORED);
    assert_int_equal(kca_error_retriable(e), 1);
    must_have(kca_error_text(e), topic);
    must_have(kca_error_text(e), "refused"); /* the connection, not only that time is over */
    kca_event_free(receipt);
    kca_queue_free(q);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_has_its_receipt_though_the_broker_crashes),
        cmocka_unit_test(test_a_failed_receipt_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
