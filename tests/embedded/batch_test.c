/* Batch handlers, in the callback form and in the pull form. */
#include "behaviour.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "recorder.h"
#include "systems.h"

enum { COME_MS = 60000, MANY = 400, KEYS = 7 };

/* What a batch handler saw. */
typedef struct batches {
    int poison; /* this id makes its whole batch fail; -1: none */
    int verdict;
    bool each; /* settles each by itself, the last first */

    pthread_mutex_t lock;
    int times[MANY]; /* how often each id was in a batch that went well */
    int last[KEYS];  /* the greatest id of each key so far */
    bool inside[KEYS];
    int disorder;
    int done, largest, calls;
    kca_delivery *kept[MANY]; /* of a batch that was deferred */
    int kept_count;
    kca_consumer *stop;
} batches;

static void batches_init(batches *b) {
    *b = (batches){.poison = -1};
    pthread_mutex_init(&b->lock, NULL);
    for (int k = 0; k < KEYS; k++)
        b->last[k] = -1;
}

static int id_of(kca_delivery *d) {
    int64_t id = -1;
    must(kca_message_json_int64(kca_delivery_message(d), "/id", &id));
    return (int)id;
}

/* Whether a key of the batch is in another one now, or an id comes before a smaller one. */
static void enter(batches *b, kca_delivery *const *all, int count) {
    pthread_mutex_lock(&b->lock);
    b->calls++;
    b->largest = count > b->largest ? count : b->largest;
    for (int i = 0; i < count; i++)
        b->disorder += b->inside[id_of(all[i]) % KEYS];
    for (int i = 0; i < count; i++) {
        int id = id_of(all[i]), key = id % KEYS;
        b->disorder += id <= b->last[key];
        b->last[key] = id;
        b->inside[key] = true;
    }
    pthread_mutex_unlock(&b->lock);
}

static void leave(batches *b, kca_delivery *const *all, int count, bool well) {
    pthread_mutex_lock(&b->lock);
    for (int i = 0; i < count; i++) {
        int id = id_of(all[i]);
        b->inside[id % KEYS] = false;
        b->times[id] += well;
        b->done += well;
        if (!well && b->last[id % KEYS] >= id)
            b->last[id % KEYS] = id - 1;
    }
    if (b->stop && b->done + (b->poison >= 0) >= MANY)
        kca_consumer_stop(b->stop);
    pthread_mutex_unlock(&b->lock);
}

static int handle(kca_delivery *const *all, int count, void *user) {
    batches *b = user;
    bool well = true;
    enter(b, all, count);
    for (int i = 0; i < count; i++)
        well = well && id_of(all[i]) != b->poison;
    leave(b, all, count, well); /* before a verdict lets the next of a key in */
    for (int i = count - 1; i >= 0 && b->each; i--)
        must(kca_delivery_settle(all[i], KCA_DONE));
    return well ? b->verdict : KCA_FAILED;
}

typedef struct world {
    kca_system *system;
    kca_consumer *consumer;
    const char *topic, *letters, *name;
} world;

/* MANY messages of KEYS keys wait; batches of up to `most`. */
static world world_with(int most, int wait_ms, kca_batch_fn fn, batches *b, int processors) {
    world w = {.system = system_on("embedded://"),
               .topic = unique("rows"),
               .letters = unique("letters"),
               .name = unique("store")};
    kca_consumer_builder *builder = consumer_of(w.topic, w.name);
    kca_consumer_builder_with_partition(builder, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_dead_letter_channel(builder, w.letters);
    give_publisher(w.system, publisher_of(w.topic));
    give_publisher(w.system, publisher_of(w.letters));
    give_consumer(w.system, builder);
    must(kca_system_add_batch_handler(w.system, "thing", most, wait_ms, fn, b, NULL));
    start(w.system);
    kca_bus *bus = bus_of(w.system, w.topic);
    publish_things(bus, 0, MANY, KEYS, 0);
    must(kca_bus_flush(bus, COME_MS));
    kca_bus_free(bus);
    w.consumer = reader_of(w.system, w.name);
    kca_consumer_with_amount_of_processors(w.consumer, processors);
    return w;
}

static void end_world(world *w) {
    kca_consumer_free(w->consumer);
    finish(w->system);
}

static void run(world *w, batches *b) {
    b->stop = w->consumer;
    must(kca_consumer_run(w->consumer));
}

static void test_batches_fill_and_keep_the_order_of_keys(void **state) {
    batches b;
    batches_init(&b);
    world w = world_with(50, 100, handle, &b, 3);
    run(&w, &b);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(b.times[i], 1);
    assert_int_equal(b.disorder, 0);
    assert_in_range(b.largest, 2, 50);
    assert_int_equal(described(w.system, "consumers", 0, "handled"), MANY);
    end_world(&w);
}

static void test_one_bad_message_takes_no_other_down(void **state) {
    batches b;
    batches_init(&b);
    b.poison = 123;
    world w = world_with(50, 100, handle, &b, 2);
    run(&w, &b);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(b.times[i], i != b.poison);
    assert_int_equal(b.disorder, 0);
    assert_int_equal(described(w.system, "consumers", 0, "failed"), 1);
    assert_int_equal(described(w.system, "consumers", 0, "dead_lettered"), 1);
    end_world(&w);
}

static void test_a_handler_may_settle_each_by_itself(void **state) {
    batches b;
    batches_init(&b);
    b.each = true;
    b.verdict = KCA_REJECTED; /* of those that it did not settle: none */
    world w = world_with(50, 100, handle, &b, 2);
    run(&w, &b);
    assert_int_equal(described(w.system, "consumers", 0, "handled"), MANY);
    assert_int_equal(described(w.system, "consumers", 0, "rejected"), 0);
    assert_int_equal(b.disorder, 0);
    end_world(&w);
}

static int keep(kca_delivery *const *all, int count, void *user) {
    batches *b = user;
    kca_consumer_stop(b->stop);
    pthread_mutex_lock(&b->lock);
    for (int i = 0; i < count; i++)
        b->kept[b->kept_count++] = all[i];
    pthread_mutex_unlock(&b->lock);
    return KCA_DEFERRED;
}

static int all_are_kept(void *argument) {
    batches *b = argument;
    pthread_mutex_lock(&b->lock);
    bool all = b->kept_count == MANY;
    pthread_mutex_unlock(&b->lock);
    return all;
}

static void test_a_deferred_batch_is_settled_later(void **state) {
    batches b;
    batches_init(&b);
    world w = world_with(MANY, 60000, keep, &b, 1);
    runner r;
    b.stop = w.consumer;
    runner_start(&r, w.consumer);
    must_become(all_are_kept, &b, COME_MS, "all are kept");
    must(kca_batch_settle(b.kept, b.kept_count, KCA_DONE));
    for (int i = 0; i < b.kept_count; i++)
        kca_delivery_free(b.kept[i]);
    must(runner_join(&r, COME_MS));
    assert_int_equal(described(w.system, "consumers", 0, "handled"), MANY);
    end_world(&w);
}

static int take_batch(kca_queue *q, kca_delivery **out) {
    kca_event *e = next_event(q, KCA_EVENT_BATCH, COME_MS);
    assert_non_null(e);
    int count = kca_event_batch_count(e);
    assert_null(kca_event_delivery(e));
    assert_null(kca_event_into_delivery(e));
    assert_int_equal(kca_event_into_batch(e, out, count - 1), -KCA_ERROR_ARGUMENT);
    assert_int_equal(kca_event_batch_count(e), count);
    assert_int_equal(kca_event_into_batch(e, out, count), count);
    return count;
}

static void test_batches_are_pulled_and_settled_together(void **state) {
    world w = world_with(90, 50, NULL, NULL, 1);
    kca_queue *q;
    kca_delivery *all[MANY];
    int done = 0;
    must(kca_consumer_queue(w.consumer, &q));
    while (done < MANY) {
        int count = take_batch(q, all);
        assert_in_range(count, 1, 90);
        assert_int_equal(kca_delivery_attempt(all[0]), 1);
        must(kca_batch_settle(all, count, KCA_DONE));
        for (int i = 0; i < count; i++)
            kca_delivery_free(all[i]);
        done += count;
    }
    assert_int_equal(described(w.system, "consumers", 0, "handled"), MANY);
    kca_consumer_stop(w.consumer);
    kca_queue_free(q);
    end_world(&w);
}

static void test_a_pulled_batch_that_failed_comes_one_by_one_before_it_is_freed(void **state) {
    world w = world_with(MANY, 60000, NULL, NULL, 1);
    kca_queue *q;
    kca_delivery *all[MANY], *one[1];
    must(kca_consumer_queue(w.consumer, &q));
    assert_int_equal(take_batch(q, all), MANY);
    must(kca_batch_settle(all, MANY, KCA_FAILED));
    assert_int_equal(take_batch(q, one), 1);
    assert_int_equal(kca_delivery_attempt(one[0]), 1);
    must_fail(kca_delivery_settle(all[5], KCA_DONE), KCA_ERROR_STATE, "no longer counts");
    must(kca_delivery_settle(one[0], KCA_DONE));
    kca_delivery_free(one[0]);
    for (int i = 0; i < MANY; i++)
        kca_delivery_free(all[i]);
    assert_int_equal(described(w.system, "consumers", 0, "failed"), 0);
    kca_consumer_stop(w.consumer);
    kca_queue_free(q);
    end_world(&w);
}

/* Nobody waits inside the library: the descriptor tells of a batch whose time has come. */
static void test_the_descriptor_tells_of_a_batch_whose_time_has_come(void **state) {
    world w = world_with(MANY * 2, 300, NULL, NULL, 1);
    kca_queue *q;
    kca_event *e = NULL;
    must(kca_consumer_queue(w.consumer, &q));
    struct pollfd p = {.fd = kca_queue_fd(q), .events = POLLIN};
    while (!e || kca_event_type(e) != KCA_EVENT_BATCH) {
        kca_event_free(e);
        e = NULL;
        if (kca_queue_next(q, &e, 1, 0) == 0)
            assert_int_equal(poll(&p, 1, COME_MS), 1);
    }
    kca_event_free(e);
    kca_queue_free(q);
    end_world(&w);
}

static void test_a_dispatch_calls_the_handler_of_batches(void **state) {
    batches b;
    batches_init(&b);
    world w = world_with(50, 20, handle, &b, 1);
    kca_queue *q;
    must(kca_consumer_queue(w.consumer, &q));
    while (b.done < MANY)
        assert_true(kca_queue_dispatch(q, 3, COME_MS) >= 0);
    assert_int_equal(b.disorder, 0);
    kca_queue_free(q);
    end_world(&w);
}

static void count_free(void *user) {
    ++*(int *)user;
}

static void test_what_is_not_allowed_is_said(void **state) {
    kca_system *s = system_on("embedded://");
    int freed = 0;
    must_fail(kca_system_add_batch_handler(s, "a", 0, 0, handle, &freed, count_free),
              KCA_ERROR_ARGUMENT, "handler a: batch_max must be 1 to 1000000, got 0");
    must_fail(kca_system_add_batch_handler(s, "a", 1, -1, handle, &freed, count_free),
              KCA_ERROR_ARGUMENT, "handler a: batch_wait_ms must be 0 to 86400000, got -1");
    assert_int_equal(freed, 2);
    must(kca_system_add_batch_handler(s, "a", 1, 0, handle, &freed, count_free));
    must_fail(kca_system_add_handler(s, "a", NULL, &freed, count_free), KCA_ERROR_DUPLICATE,
              "handler a");
    must_fail(kca_batch_settle(NULL, 1, KCA_DONE), KCA_ERROR_ARGUMENT, "missing");
    assert_int_equal(kca_event_batch_count(NULL), 0);
    assert_int_equal(kca_event_into_batch(NULL, NULL, 1), 0);
    kca_system_free(s);
    assert_int_equal(freed, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_fill_and_keep_the_order_of_keys),
        cmocka_unit_test(test_one_bad_message_takes_no_other_down),
        cmocka_unit_test(test_a_handler_may_settle_each_by_itself),
        cmocka_unit_test(test_a_deferred_batch_is_settled_later),
        cmocka_unit_test(test_batches_are_pulled_and_settled_together),
        cmocka_unit_test(test_a_pulled_batch_that_failed_comes_one_by_one_before_it_is_freed),
        cmocka_unit_test(test_the_descriptor_tells_of_a_batch_whose_time_has_come),
        cmocka_unit_test(test_a_dispatch_calls_the_handler_of_batches),
        cmocka_unit_test(test_what_is_not_allowed_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
