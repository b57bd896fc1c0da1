/* A handler far slower than its topic: memory stays bounded, the group stays together, nothing is
 * lost. A minute of it; KCA_FAULTS=long: an hour. */
#include "consuming.h"

#include "child.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    WAITING = 1000000,
    PARTITIONS = 4,
    PROCESSORS = 8,
    CAPACITY = 500,
    SHORT_MS = 60000,
    LONG_MS = 3600000,
    HANDLER_MS = 1000,
    SESSION_MS = 6000
};

/*
 * What may be in memory. Of each partition librdkafka holds at least `queue_capacity` records, and
 * then as many as the fetch has that brought them: at most 100,000 bytes (max_bytes), of records
 * that take some 30 bytes there, without keys and with one header in batches. Another fetch may be
 * on its way. kca itself holds `queue_capacity` records. Each costs some 700 bytes of structures,
 * and twice all that is allowed for what malloc keeps: 10 MB. A million records would be 700 MB.
 */
enum {
    FETCH_BYTES = 100000,
    FETCH_RECORDS = FETCH_BYTES / 30,
    RECORD_COST = 700,
    HELD = PARTITIONS * (CAPACITY + FETCH_RECORDS) + CAPACITY,
    MOST_BYTES = 2 * (HELD * RECORD_COST + PARTITIONS * FETCH_BYTES)
};

/* A process of its own: what it leaves in malloc's hands would hide what the consumer takes. */
static int fill(const char *topic) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < WAITING; i++)
        raw_write(w, topic, i % PARTITIONS, NULL, NULL, "1");
    raw_writer_close(w);
    return child_tell(WAITING) ? 0 : 1;
}

static void must_be_filled(const char *topic) {
    child filling = child_start("fill", topic, "");
    int count;
    assert_true(child_says(&filling, &count, 60000));
    assert_int_equal(topic_count(topic, PARTITIONS), WAITING);
    child_kill(&filling);
    child_close(&filling);
}

static int64_t resident_bytes(void) {
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &total, &resident), 2);
    fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static int take_a_second(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d, (void)id;
    nanosleep(&(struct timespec){HANDLER_MS / 1000, 0}, NULL);
    return KCA_DONE;
}

typedef struct watching {
    kca_queue *queue;
    int64_t end_ms, most_bytes;
    int rebalances, faults;
} watching;

/* Looks until the end. */
static int has_ended(void *argument) {
    watching *w = argument;
    kca_event *e;
    while (kca_queue_next(w->queue, &e, 1, 50) == 1) {
        w->rebalances += kca_event_type(e) == KCA_EVENT_REBALANCE;
        w->faults += kca_event_type(e) == KCA_EVENT_FAULT;
        kca_event_free(e);
    }
    int64_t bytes = resident_bytes();
    if (bytes > w->most_bytes)
        w->most_bytes = bytes;
    return now_ms() > w->end_ms;
}

static kca_consumer_builder *bounded(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, CAPACITY);
    kca_consumer_builder_with_max_bytes(b, FETCH_BYTES);
    set_session(b, SESSION_MS);
    kca_consumer_builder_with_rebalance_timeout_ms(b, SESSION_MS);
    return b;
}

static void must_be_bounded(int64_t grown) {
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory */
    if (grown > MOST_BYTES)
        fail_msg("%lld bytes more in memory, %d are allowed", (long long)grown, MOST_BYTES);
#endif
    print_message("%lld bytes more in memory\n", (long long)grown);
}

static void test_a_million_wait_for_a_slow_handler(void **state) {
    const char *faults = getenv("KCA_FAULTS");
    int time_ms = faults && strcmp(faults, "long") == 0 ? LONG_MS : SHORT_MS;
    const char *topic = unique("pressure"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    must_be_filled(topic);
    consuming c = consume(topic, group, bounded(topic, group));
    c.recorder->behave = take_a_second;
    kca_consumer_with_amount_of_processors(c.consumer, PROCESSORS);
    watching w = {.queue = queue_of(c.system)};
    int64_t before = resident_bytes();
    runner r;
    runner_start(&r, c.consumer);
    must_come(c.recorder, 1, COME_MS);
    kca_event_free(next_event(w.queue, KCA_EVENT_REBALANCE, COME_MS));
    w.end_ms = now_ms() + time_ms;
    must_become(has_ended, &w, 2 * time_ms, "the end");
    assert_int_equal(w.rebalances, 0);
    assert_int_equal(w.faults, 0);
    must_be_bounded(w.most_bytes - before);
    runner_stop(&r);
    int64_t handled = described(c.system, "consumers", 0, "handled");
    /* Each processor was never without work. */
    assert_in_range(handled, PROCESSORS * (time_ms / HANDLER_MS) / 2, WAITING);
    assert_int_equal(handled, came(c.recorder));
    assert_int_equal(group_committed_sum(group, topic, PARTITIONS), handled);
    kca_queue_free(w.queue);
    end(&c);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_wait_for_a_slow_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
