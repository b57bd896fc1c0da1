/* Paused partitions: nothing of them comes, and nobody else suffers. */
#include "consuming.h"

#include <stdio.h>
#include <unistd.h>

enum { PAUSED = 0, OTHER = 1 };

static int count_of(recorder *r, int partition) {
    int count = 0;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->came; i++)
        count += r->all[i].partition == partition;
    pthread_mutex_unlock(&r->lock);
    return count;
}

typedef struct wanted_count {
    recorder *recorder;
    int partition, count;
} wanted_count;

static int has_come(void *argument) {
    const wanted_count *w = argument;
    return count_of(w->recorder, w->partition) >= w->count;
}

static void must_come_of(recorder *r, int partition, int count) {
    if (!wait_until(has_come, &(wanted_count){r, partition, count}, COME_MS))
        fail_msg("%d of %d came of partition %d", count_of(r, partition), count, partition);
}

typedef struct wanted_look {
    kca_system *system;
    const char *topic;
    int partition;
    const char *name;
    int64_t value;
} wanted_look;

static int looks_so(void *argument) {
    const wanted_look *w = argument;
    return described_partition(w->system, w->topic, w->partition, w->name) == w->value;
}

static void must_look(const consuming *c, int partition, const char *name, int64_t value) {
    wanted_look w = {c->system, c->topic, partition, name, value};
    if (!wait_until(looks_so, &w, COME_MS))
        fail_msg("%s of partition %d is %lld, wanted %lld", name, partition,
                 (long long)described_partition(c->system, c->topic, partition, name),
                 (long long)value);
}

static int is_fetched(void *argument) {
    const wanted_look *w = argument;
    return described_partition(w->system, w->topic, w->partition, w->name) >= w->value;
}

static const char *two_partitions(void) {
    const char *topic = unique("pause");
    topic_create(topic, 2);
    return topic;
}

/* Runs until one record of the other partition was handled: both are assigned then. */
static consuming run_on(runner *r, const char *topic, const char *group, kca_consumer_builder *b) {
    consuming c = consume(topic, group, b);
    kca_consumer_with_amount_of_processors(c.consumer, 2);
    topic_fill(topic, OTHER, 1, 1);
    runner_start(r, c.consumer);
    must_come_of(c.recorder, OTHER, 1);
    must_look(&c, PAUSED, "out", 0);
    return c;
}

static int64_t resident_bytes(void) {
    long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &total, &resident), 2);
    fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void fill_with_large(const char *topic, int partition, int count, size_t size) {
    char *value = calloc(1, size + 1);
    assert_non_null(value);
    memset(value, ' ', size);
    memcpy(value, "{\"id\":0}", 8);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < count; i++)
        raw_write(w, topic, partition, NULL, NULL, value);
    raw_writer_close(w);
    free(value);
}

/* The queue holds 10 records: those of the paused partition must not take that room. And librdkafka
 * may prefetch 4 MiB (the least of queued.max.messages.kbytes) beside the 1 MiB of a fetch on its
 * way; twice that is allowed, for what malloc keeps. */
static void test_others_go_on_at_full_speed_and_memory_is_bounded(void **state) {
    enum { LARGE = 400, LARGE_BYTES = 100000, SMALL = 3000, MOST_BYTES = 2 * (4 + 1) << 20 };
    const char *topic = two_partitions(), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, 10);
    runner r;
    consuming c = run_on(&r, topic, group, b);
    must(kca_consumer_pause(c.consumer, topic, PAUSED));
    must_look(&c, PAUSED, "paused", 1);
    must_look(&c, OTHER, "paused", 0);
    fill_with_large(topic, PAUSED, LARGE, LARGE_BYTES);
    int64_t before = resident_bytes();
    topic_fill(topic, OTHER, SMALL, 100);
    int64_t begin = now_ms();
    must_come_of(c.recorder, OTHER, SMALL + 1);
    assert_in_range(now_ms() - begin, 0, 10000);
    must_become(is_fetched, &(wanted_look){c.system, topic, PAUSED, "high_watermark", 1}, COME_MS,
                "something of the paused partition is fetched");
    assert_int_equal(count_of(c.recorder, PAUSED), 0);
    int64_t grown = resident_bytes() - before;
    if (grown > MOST_BYTES)
        fail_msg("%lld bytes more in memory", (long long)grown);
    must_commit(group, topic, OTHER, SMALL + 1);
    assert_true(group_committed(group, topic, PAUSED) <= 0); /* it was seen to be empty, or not */
    must(kca_consumer_resume(c.consumer, topic, PAUSED));
    must_come_of(c.recorder, PAUSED, LARGE);
    must_commit(group, topic, PAUSED, LARGE);
    runner_stop(&r);
    end(&c);
}

static int wait_in_paused(recorder *r, kca_delivery *d, int id) {
    (void)id;
    if (kca_delivery_partition(d) == PAUSED)
        gate_wait(r->context);
    return KCA_DONE;
}

static void test_what_waited_when_it_was_paused_waits_on_and_keeps_its_order(void **state) {
    enum { COUNT = 200, CAPACITY = 10 };
    static gate hold = GATE_CLOSED;
    const char *topic = two_partitions(), *group = unique("group");
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, CAPACITY);
    runner r;
    consuming c = run_on(&r, topic, group, b);
    c.recorder->behave = wait_in_paused;
    c.recorder->context = &hold;
    topic_fill(topic, PAUSED, COUNT, 1); /* one key: one is out, the others wait for it */
    must_wait_at(&hold, 1, COME_MS);
    must_look(&c, PAUSED, "held", CAPACITY); /* no room for others, until they are paused */
    must(kca_consumer_pause(c.consumer, topic, -1));
    topic_fill(topic, OTHER, 20, 20);
    gate_open(&hold); /* what is out goes on */
    must_commit(group, topic, PAUSED, 1);
    must(kca_consumer_resume(c.consumer, topic, OTHER));
    must_come_of(c.recorder, OTHER, 21);
    assert_int_equal(count_of(c.recorder, PAUSED), 1);
    must(kca_consumer_resume(c.consumer, NULL, -1));
    must_come_of(c.recorder, PAUSED, COUNT);
    must_commit(group, topic, PAUSED, COUNT);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT + 21);
    assert_int_equal(c.recorder->same_key_disorder, 0);
    end(&c);
}

static void test_it_stays_paused_when_it_goes_and_comes_back(void **state) {
    const char *topic = two_partitions(), *group = unique("group");
    runner r, other_run;
    consuming c = run_on(&r, topic, group, short_session(topic, group));
    must(kca_consumer_pause(c.consumer, topic, PAUSED));
    must(kca_consumer_pause(c.consumer, topic, OTHER));
    consuming other = consume(topic, group, short_session(topic, group));
    runner_start(&other_run, other.consumer);
    topic_fill(topic, 0, 1, 1);
    topic_fill(topic, 1, 1, 1);
    must_come(other.recorder, 1, COME_MS); /* it took one of them over */
    runner_stop(&other_run);
    must_look(&c, PAUSED, "paused", 1); /* both are back */
    must_look(&c, OTHER, "paused", 1);
    topic_fill(topic, PAUSED, 10, 10);
    must_look(&c, PAUSED, "out", 0);
    must(kca_consumer_resume(c.consumer, topic, OTHER));
    topic_fill(topic, OTHER, 10, 10);
    must_come_of(c.recorder, OTHER, 11);
    assert_int_equal(count_of(c.recorder, PAUSED), 0);
    must(kca_consumer_resume(c.consumer, topic, PAUSED));
    must_come_of(c.recorder, PAUSED, 10);
    runner_stop(&r);
    end(&other);
    end(&c);
}

static void test_a_pause_ends_with_the_run_and_does_not_hold_up_its_end(void **state) {
    const char *topic = two_partitions(), *group = unique("group");
    runner r;
    consuming c = run_on(&r, topic, group, NULL);
    must(kca_consumer_pause(c.consumer, NULL, -1));
    topic_fill(topic, PAUSED, 50, 50);
    int64_t begin = now_ms();
    runner_stop(&r);
    assert_in_range(now_ms() - begin, 0, 5000);
    assert_int_equal(count_of(c.recorder, PAUSED), 0);
    must(run_for(&c, 50));
    end(&c);
}

static void test_pausing_what_does_not_run_is_an_error(void **state) {
    const char *topic = two_partitions(), *group = unique("group");
    consuming c = consume(topic, group, NULL);
    must_fail(kca_consumer_pause(c.consumer, topic, 0), KCA_ERROR_STATE, group, "does not run");
    must_fail(kca_consumer_resume(c.consumer, topic, 0), KCA_ERROR_STATE, group, "does not run");
    kca_queue *q;
    must(kca_consumer_queue(c.consumer, &q));
    must(kca_consumer_pause(c.consumer, topic, PAUSED)); /* before it is assigned */
    topic_fill(topic, PAUSED, 1, 1);
    topic_fill(topic, OTHER, 1, 1);
    kca_event *event = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(event);
    assert_int_equal(kca_event_partition(event), OTHER);
    assert_null(next_event(q, KCA_EVENT_DELIVERY, 300));
    must(kca_consumer_resume(c.consumer, topic, PAUSED));
    kca_event *second = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(second);
    assert_int_equal(kca_event_partition(second), PAUSED);
    must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
    must(kca_delivery_settle(kca_event_delivery(second), KCA_DONE));
    kca_event_free(event);
    kca_event_free(second);
    kca_queue_free(q);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_go_on_at_full_speed_and_memory_is_bounded),
        cmocka_unit_test(test_what_waited_when_it_was_paused_waits_on_and_keeps_its_order),
        cmocka_unit_test(test_it_stays_paused_when_it_goes_and_comes_back),
        cmocka_unit_test(test_a_pause_ends_with_the_run_and_does_not_hold_up_its_end),
        cmocka_unit_test(test_pausing_what_does_not_run_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
