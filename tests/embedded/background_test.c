/* Publishers with `background` when things go wrong, on librdkafka's mock cluster: each message
 * that was accepted gets one receipt, and what a receipt calls stored is there. */
#include "mock_cluster.h"
#include "systems.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BROKER = 1, COUNT = 1500, SOME = 300, COME_MS = 20000, DOWN_MS = 2000 };

typedef struct cluster {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *mock;
    const char *topic;
} cluster;

static cluster open_cluster(void) {
    cluster c = {.rk = mock_cluster_open(), .topic = unique("things")};
    c.mock = rd_kafka_handle_mock_cluster(c.rk);
    rd_kafka_mock_topic_create(c.mock, c.topic, 1, 1);
    return c;
}

static kca_system *system_at(const char *hosts, const char *topic) {
    kca_system *s = system_on(hosts);
    kca_publisher_builder *b = publisher_of(topic);
    kca_publisher_builder_with_background(b, 1);
    kca_publisher_builder_with_idempotence(b, 1);
    give_publisher(s, b);
    return s;
}

static kca_system *system_in_background(const cluster *c) {
    return system_at(rd_kafka_mock_cluster_bootstraps(c->mock), c->topic);
}

static int64_t end_of(const cluster *c) {
    int64_t low, high;
    assert_int_equal(rd_kafka_query_watermark_offsets(c->rk, c->topic, 0, &low, &high, COME_MS),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    return high;
}

/* Takes the receipts of the tokens 1 to `count`, one for each; gives how many are of messages that
 * are stored, each at a place of its own. */
static int take_receipts(kca_queue *q, int count) {
    char *had = calloc(1, (size_t)count + 1), *filled = calloc(1, (size_t)count + 1);
    int stored = 0;
    for (int i = 0; i < count; i++) {
        kca_event *receipt = next_event(q, KCA_EVENT_RECEIPT, COME_MS);
        if (!receipt)
            fail_msg("%d receipts of %d", i, count);
        assert_in_range(kca_event_token(receipt), 1, count);
        assert_false(had[kca_event_token(receipt)]++);
        if (!kca_event_error(receipt)) {
            assert_in_range(kca_event_offset(receipt), 0, count - 1);
            assert_false(filled[kca_event_offset(receipt)]++);
            stored++;
        }
        kca_event_free(receipt);
    }
    assert_null(next_event(q, KCA_EVENT_RECEIPT, 0));
    free(had);
    free(filled);
    return stored;
}

static void test_all_is_stored_once_when_the_broker_comes_back(void **state) {
    cluster c = open_cluster();
    kca_system *s = system_in_background(&c);
    start(s);
    kca_queue *q = queue_of(s);
    kca_bus *bus = bus_of(s, c.topic);
    publish_things(bus, 0, SOME, 1, 1);
    rd_kafka_mock_broker_set_down(c.mock, BROKER);
    publish_things(bus, SOME, COUNT - SOME, 1, 1);
    must_fail(kca_bus_flush(bus, 0), KCA_ERROR_TIMEOUT, "not answered");
    rd_kafka_mock_broker_set_up(c.mock, BROKER);
    assert_int_equal(take_receipts(q, COUNT), COUNT);
    assert_int_equal(end_of(&c), COUNT);
    kca_bus_free(bus);
    kca_queue_free(q);
    finish(s);
    rd_kafka_destroy(c.rk);
}

/* It has answered some. */
static void end_without_broker(int shutdown_ms) {
    cluster c = open_cluster();
    kca_system *s = system_in_background(&c);
    start(s);
    kca_queue *q = queue_of(s);
    kca_bus *bus = bus_of(s, c.topic);
    publish_things(bus, 0, SOME, 1, 1);
    must(kca_bus_flush(bus, COME_MS));
    publish_things(bus, SOME, SOME, 1, 1);
    rd_kafka_mock_broker_set_down(c.mock, BROKER);
    publish_things(bus, 2 * SOME, COUNT - 2 * SOME, 1, 1);
    must_fail(kca_system_shutdown(s, shutdown_ms), KCA_ERROR_TIMEOUT, "not confirmed");
    assert_int_equal(described(s, "publishers", 0, "published"), COUNT);
    int stored = take_receipts(q, COUNT);
    assert_in_range(stored, SOME, 2 * SOME);
    assert_int_equal(described(s, "publishers", 0, "stored"), stored);
    rd_kafka_mock_broker_set_up(c.mock, BROKER);
    assert_in_range(end_of(&c), stored, 2 * SOME);
    kca_bus_free(bus);
    kca_queue_free(q);
    kca_system_free(s);
    rd_kafka_destroy(c.rk);
}

static void test_all_is_answered_when_the_system_ends_without_the_broker(void **state) {
    end_without_broker(DOWN_MS);
}

static void test_all_is_answered_when_the_system_ends_at_once(void **state) {
    end_without_broker(0);
}

typedef struct eager {
    kca_bus *bus;
    int accepted;
    atomic_int ended;
} eager;

static void *publish_until_ended(void *argument) {
    eager *a = argument;
    kca_message *m = thing("{}", "k");
    while (!atomic_load(&a->ended) && a->accepted < COUNT) {
        kca_error *e = kca_bus_publish(a->bus, m, (uint64_t)a->accepted + 1);
        a->accepted += e == NULL;
        kca_error_free(e);
    }
    kca_message_free(m);
    return NULL;
}

static void test_what_is_accepted_during_a_start_that_fails_is_answered(void **state) {
    cluster c = open_cluster();
    rd_kafka_mock_broker_set_down(c.mock, BROKER);
    kca_system *s = system_in_background(&c);
    kca_queue *q = queue_of(s);
    eager a = {.bus = bus_of(s, c.topic)};
    pthread_t thread;
    pthread_create(&thread, NULL, publish_until_ended, &a);
    must_fail(kca_system_start(s, DOWN_MS), KCA_ERROR_UNREACHABLE, "kafka");
    atomic_store(&a.ended, 1);
    pthread_join(thread, NULL);
    assert_true(a.accepted > 0);
    assert_int_equal(take_receipts(q, a.accepted), 0);
    kca_bus_free(a.bus);
    kca_queue_free(q);
    kca_system_free(s);
    rd_kafka_destroy(c.rk);
}

/* ---- a process that is killed ---- */

enum { TOLD = 500 };

typedef struct address {
    char hosts[200], topic[200];
} address;

typedef struct stored {
    uint64_t token;
    int64_t offset;
} stored;

/* In the child: no cmocka, whose failure would jump back into a copy of the tests. */
static void need(bool right) {
    if (!right)
        _exit(1);
}

/* Takes receipts until no more than `most` are due; gives how many are. */
static int pass_on(kca_queue *q, int due, int most, int to) {
    while (due > most) {
        kca_event *e;
        need(kca_queue_next(q, &e, 1, COME_MS) == 1);
        need(kca_event_type(e) == KCA_EVENT_RECEIPT && !kca_event_error(e));
        const stored told = {kca_event_token(e), kca_event_offset(e)};
        need(write(to, &told, sizeof told) == sizeof told);
        kca_event_free(e);
        due--;
    }
    return due;
}

/* Publishes without an end, and tells of what is stored. */
static void be_killed(int from, int to) {
    address at;
    need(read(from, &at, sizeof at) == sizeof at);
    kca_system *s = system_at(at.hosts, at.topic);
    kca_queue *q;
    kca_bus *bus;
    need(!kca_system_start(s, COME_MS));
    need(!kca_system_queue(s, &q));
    need(!kca_system_event_bus(s, at.topic, &bus));
    kca_message *m = thing("{}", "k");
    int due = 0;
    for (uint64_t token = 1;; token++) {
        need(!kca_bus_publish(bus, m, token));
        due = pass_on(q, due + 1, SOME, to);
    }
}

static void test_what_a_killed_process_had_receipts_for_is_stored(void **state) {
    int there[2], back[2];
    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    pid_t child = fork();
    if (child == 0)
        be_killed(there[0], back[1]);
    close(back[1]);
    cluster c = open_cluster();
    address at = {0};
    snprintf(at.hosts, sizeof at.hosts, "%s", rd_kafka_mock_cluster_bootstraps(c.mock));
    snprintf(at.topic, sizeof at.topic, "%s", c.topic);
    assert_int_equal(write(there[1], &at, sizeof at), sizeof at);
    stored told;
    int count = 0;
    while (read(back[0], &told, sizeof told) == sizeof told) {
        assert_int_equal(told.token, ++count);
        assert_int_equal(told.offset, count - 1);
        if (count == TOLD)
            kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(count >= TOLD);
    assert_true(end_of(&c) >= count);
    close(there[0]);
    close(there[1]);
    close(back[0]);
    rd_kafka_destroy(c.rk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_what_a_killed_process_had_receipts_for_is_stored), /* without threads */
        cmocka_unit_test(test_all_is_stored_once_when_the_broker_comes_back),
        cmocka_unit_test(test_all_is_answered_when_the_system_ends_without_the_broker),
        cmocka_unit_test(test_all_is_answered_when_the_system_ends_at_once),
        cmocka_unit_test(test_what_is_accepted_during_a_start_that_fails_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
