/* Topics that retention takes from a slow consumer, and that are deleted and made anew under it. */
#include "broker/consuming.h"
#include "chance.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>

enum { PARTITIONS = 3, ROUNDS = 5, BATCH = 1000, LONG_MS = 120000, ID_VERSION = 0x020300ff };

typedef struct ends {
    const char *group, *topic;
} ends;

static int are_committed(void *argument) {
    const ends *e = argument;
    return group_committed_sum(e->group, e->topic, PARTITIONS) == topic_count(e->topic, PARTITIONS);
}

/* ---- retention ---- */

enum { UNSEEN, HANDLED, GONE };

typedef struct account {
    char fate[PARTITIONS][ROUNDS * BATCH];
} account;

static void count_handled(account *a, const recorder *r) {
    for (int i = 0; i < r->came; i++)
        a->fate[r->all[i].partition][r->all[i].offset] = HANDLED;
}

/* What the faults tell is gone was not handled. Gives how many offsets that are. */
static int64_t count_gone(account *a, kca_queue *q) {
    int64_t gone = 0;
    kca_event *e;
    while ((e = next_event(q, KCA_EVENT_FAULT, 100))) {
        if (kca_error_code(kca_event_error(e)) != KCA_ERROR_OFFSET)
            fail_msg("%s", kca_error_text(kca_event_error(e)));
        for (int64_t o = kca_event_reset_from(e); o < kca_event_reset_to(e); o++) {
            assert_int_equal(a->fate[kca_event_partition(e)][o], UNSEEN);
            a->fate[kca_event_partition(e)][o] = GONE;
        }
        gone += kca_event_reset_count(e);
        kca_event_free(e);
    }
    return gone;
}

static int wait_while_closed(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

/* It holds one and has fetched few; the rest of the batch grows old on the broker. */
static void take_from_it(const char *topic, gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = false;
    pthread_mutex_unlock(&g->lock);
    for (int p = 0; p < PARTITIONS; p++)
        topic_fill(topic, p, BATCH, 0);
    must_wait_at(g, 1, COME_MS);
    for (int p = 0; p < PARTITIONS; p++)
        topic_trim(topic, p, topic_end(topic, p) - (int64_t)pick(BATCH / 2));
    gate_open(g);
}

static void test_each_record_is_handled_or_told_to_be_gone(void **state) {
    static gate g = GATE_CLOSED;
    static account a;
    const char *topic = unique("retention"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_queue_capacity(b, 10);
    kca_consumer_builder_with_max_bytes(b, 1000);
    consuming c = consume(topic, group, b);
    c.recorder->behave = wait_while_closed;
    c.recorder->context = &g;
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    for (int round = 0; round < ROUNDS; round++) {
        take_from_it(topic, &g);
        must_become(are_committed, &(ends){group, topic}, LONG_MS, "all that is left is committed");
    }
    runner_stop(&r);
    count_handled(&a, c.recorder);
    int64_t gone = count_gone(&a, q);
    print_message("%d handled, %lld gone\n", came(c.recorder), (long long)gone);
    assert_true(gone > BATCH);
    for (int p = 0; p < PARTITIONS; p++)
        for (int o = 0; o < ROUNDS * BATCH; o++)
            if (a.fate[p][o] == UNSEEN)
                fail_msg("[%d] %d: neither handled nor told to be gone", p, o);
    kca_queue_free(q);
    end(&c);
}

/* ---- topics made anew ---- */

typedef struct incarnation {
    recorder *recorder;
    int first, count; /* ids */
} incarnation;

static int all_came(void *argument) {
    const incarnation *i = argument;
    for (int id = i->first; id < i->first + i->count; id++)
        if (times_seen(i->recorder, id) == 0)
            return 0;
    return 1;
}

static void write_ids(const char *topic, const incarnation *i) {
    raw_writer *w = raw_writer_open(NULL);
    for (int id = i->first; id < i->first + i->count; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, 0, NULL, NULL, value);
    }
    raw_writer_close(w);
}

/* Shorter than the one before; longer, too, where librdkafka tells topics' ids. */
static int next_count(int count) {
    return rd_kafka_version() < ID_VERSION ? count / 2 : 1 + (int)pick(800);
}

static void test_all_records_of_each_topic_of_the_name_are_handled(void **state) {
    const char *topic = unique("anew"), *group = unique("group");
    topic_create(topic, 1);
    consuming c = consume(topic, group, NULL);
    runner r;
    runner_start(&r, c.consumer);
    incarnation i = {c.recorder, 0, 400};
    for (int round = 0; round < ROUNDS; round++) {
        write_ids(topic, &i);
        must_become(all_came, &i, LONG_MS, "all of it came");
        must_commit(group, topic, 0, i.count);
        topic_delete(topic);
        topic_create(topic, 1);
        i.first += i.count;
        i.count = next_count(i.count);
    }
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, -1), 0);
    end(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_record_is_handled_or_told_to_be_gone),
        cmocka_unit_test(test_all_records_of_each_topic_of_the_name_are_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
