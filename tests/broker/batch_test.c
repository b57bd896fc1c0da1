/* Batch handlers on a real Kafka: several partitions, dead letters, stops in the midst. */
#include "consuming.h"

#include <stdatomic.h>

enum { PARTITIONS = 3, MANY = 1500, KEYS = 40, BAD_ONES = 100, STOPS = 4, MOST = 64 };

typedef struct storing {
    consuming c; /* without its recorder */
    const char *letters;
    pthread_mutex_t lock;
    int stored[MANY]; /* how often */
    int last[KEYS];   /* the greatest id that was stored of each key */
    int disorder;
    int since_start; /* stored */
    int stop_at;     /* then */
    int most;
} storing;

static int id_of(kca_delivery *d) {
    int64_t id = -1;
    must(kca_message_json_int64(kca_delivery_message(d), "/id", &id));
    return (int)id;
}

static bool is_bad(int id) {
    return id % BAD_ONES == 50;
}

static void store_one(storing *s, int id) {
    if (s->stored[id]++ == 0) { /* what comes again after a stop may be older */
        s->disorder += id < s->last[id % KEYS];
        s->last[id % KEYS] = id;
    }
    if (++s->since_start == s->stop_at)
        kca_consumer_stop(s->c.consumer);
}

/* As a database does that takes all rows or none. */
static int store(kca_delivery *const *all, int count, void *user) {
    storing *s = user;
    for (int i = 0; i < count; i++)
        if (is_bad(id_of(all[i])))
            return KCA_FAILED;
    pthread_mutex_lock(&s->lock);
    s->most = count > s->most ? count : s->most;
    for (int i = 0; i < count; i++)
        store_one(s, id_of(all[i]));
    pthread_mutex_unlock(&s->lock);
    return KCA_DONE;
}

static void open_storing(storing *s) {
    s->c.system = system_on(listener("PLAINTEXT"));
    kca_consumer_builder *b = short_session(s->c.topic, s->c.group);
    kca_consumer_builder_with_dead_letter_channel(b, s->letters);
    give_consumer(s->c.system, b);
    give_publisher(s->c.system, publisher_of(s->letters));
    must(kca_system_add_batch_handler(s->c.system, "thing", MOST, 30, store, s, NULL));
    start(s->c.system);
    s->c.consumer = reader_of(s->c.system, s->c.group);
    kca_consumer_with_amount_of_processors(s->c.consumer, 3);
}

static void close_storing(storing *s) {
    kca_consumer_free(s->c.consumer);
    finish(s->c.system);
}

static int all_is_committed(void *argument) {
    const storing *s = argument;
    return group_committed_sum(s->c.group, s->c.topic, PARTITIONS) == MANY;
}

static void test_stops_in_the_midst_of_batches_lose_nothing_and_keep_order(void **state) {
    static storing s;
    s = (storing){.c.topic = unique("rows"), .c.group = unique("store"), .letters = unique("dead")};
    pthread_mutex_init(&s.lock, NULL);
    topic_create(s.c.topic, PARTITIONS);
    topic_create(s.letters, 1);
    topic_fill(s.c.topic, -1, MANY, KEYS);
    for (int i = 0; i < STOPS; i++) {
        s.since_start = 0;
        s.stop_at = MANY / STOPS / 2;
        open_storing(&s);
        must(kca_consumer_run(s.c.consumer));
        close_storing(&s);
    }
    s.stop_at = -1;
    open_storing(&s);
    runner r;
    runner_start(&r, s.c.consumer);
    must_become(all_is_committed, &s, COME_MS, "all is committed");
    runner_stop(&r);
    close_storing(&s);
    for (int id = 0; id < MANY; id++)
        assert_int_equal(s.stored[id] > 0, !is_bad(id));
    assert_int_equal(s.disorder, 0);
    assert_in_range(s.most, 2, MOST);
    assert_int_equal(topic_count(s.letters, 1), MANY / BAD_ONES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_in_the_midst_of_batches_lose_nothing_and_keep_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
