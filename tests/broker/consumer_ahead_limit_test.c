/* A broker that takes less metadata with a commit than kca has to tell. */
#include "retrying.h"

#include <stdio.h>

enum { COUNT = 20000, EVERY = 7, LIMIT = 500, KEYS = 40 };

/* The broker's configuration as it was. */
static char *before;

static const char *configuration(void) {
    static char path[600];
    snprintf(path, sizeof path, "%s/node-1/server.properties", getenv("KCA_KAFKA_DIR"));
    return path;
}

static void restart_with(const char *text, const char *more) {
    FILE *file = fopen(configuration(), "w");
    assert_non_null(file);
    fprintf(file, "%s%s", text, more);
    assert_int_equal(fclose(file), 0);
    cluster_do("kill");
    cluster_do("restart-node");
}

static int limit(void **state) {
    char line[60];
    snprintf(line, sizeof line, "offset.metadata.max.bytes=%d\n", LIMIT);
    before = text_of(configuration());
    char *left_over = strstr(before, line); /* by a run that was killed */
    if (left_over)
        *left_over = '\0';
    restart_with(before, line);
    return 0;
}

static int lift(void **state) {
    restart_with(before, "");
    free(before);
    return 0;
}

static int fail_every_7th(recorder *r, kca_delivery *d, int id) {
    (void)d;
    return id % *(int *)r->context == 0 ? KCA_FAILED : KCA_DONE;
}

/* What tells of finished work ahead; what tells of the topic stays, for it is short. */
static bool has_map(const char *metadata) {
    return strstr(metadata, "kca1:r") || strstr(metadata, "kca1:b");
}

static void must_tell_within(const char *group, const char *topic, int least) {
    char *metadata = group_metadata(group, topic, 0);
    assert_true(has_map(metadata));
    assert_in_range(strlen(metadata), least, LIMIT);
    free(metadata);
}

/* Handles all; each of every 7th would be tried again some time. */
static const char *stop_with(const char *topic, int every) {
    const char *group = unique("group");
    kca_consumer_builder *b = retrying(topic, group, 2, NEVER_MS);
    kca_consumer_builder_with_order(b, "none");
    kca_consumer_builder_with_queue_capacity(b, COUNT);
    consuming c = consume(topic, group, b);
    c.recorder->behave = fail_every_7th;
    c.recorder->context = &every;
    must(run_for(&c, COUNT));
    end(&c);
    assert_int_equal(group_committed(group, topic, 0), 0);
    return group;
}

static void test_what_is_too_long_is_left_out_and_the_offset_committed_all_the_same(void **state) {
    const char *topic = unique("limit");
    topic_create(topic, 1);
    topic_fill(topic, 0, COUNT, 0);
    const char *group = stop_with(topic, EVERY);
    must_tell_within(group, topic, LIMIT / 4);
    group = stop_with(topic, COUNT); /* what is short is told whole */
    must_tell_within(group, topic, 1);
}

/* ---- in transactions ---- */

typedef struct line {
    const char *topic, *group, *dead, *transactional_id;
} line;

static int reject_first(recorder *r, kca_delivery *d, int id) {
    (void)d;
    return id < *(int *)r->context ? KCA_REJECTED : KCA_DONE;
}

static consuming begin_parking(const line *l) {
    kca_consumer_builder *b = consumer_of(l->topic, l->group);
    kca_consumer_builder_with_dead_letter_channel(b, l->dead);
    kca_consumer_builder_with_park(b, 1);
    kca_consumer_builder_with_transactional_id(b, l->transactional_id);
    return consume_beside(publisher_of(l->dead), l->topic, l->group, b);
}

static void write_key(raw_writer *w, const char *topic, int key, int id) {
    char name[20], value[32];
    snprintf(name, sizeof name, "key-%d", key);
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    raw_write(w, topic, 0, "thing", name, value);
}

/* Another transaction may have been aborted before, by a broker that has just started. */
static void must_let_go(kca_queue *faults) {
    bool told = false;
    while (!told) {
        kca_event *fault = next_event(faults, KCA_EVENT_FAULT, COME_MS);
        assert_non_null(fault);
        told = strstr(kca_error_text(kca_event_error(fault)), "is let go: a commit has no room");
        kca_event_free(fault);
    }
}

/* As many as have room; the oldest are let go. A consumer that ended by it would end for ever. */
static void test_in_transactions_keys_without_room_are_let_go_and_it_goes_on(void **state) {
    const line l = {unique("limit"), unique("group"), unique("dead"), unique("limit-id")};
    int rejected = KEYS;
    raw_writer *w = raw_writer_open(NULL);
    topic_create(l.topic, 1);
    topic_create(l.dead, 1);
    for (int id = 0; id < KEYS; id++)
        write_key(w, l.topic, id, id);
    rd_kafka_flush(raw_writer_client(w), COME_MS);
    consuming c = begin_parking(&l);
    kca_queue *faults = queue_of(c.system);
    c.recorder->behave = reject_first;
    c.recorder->context = &rejected;
    runner r;
    runner_start(&r, c.consumer);
    must_commit(l.group, l.topic, 0, KEYS);
    must_let_go(faults);
    assert_in_range(described_partition(c.system, l.topic, 0, "parked_keys"), 2, KEYS - 1);
    write_key(w, l.topic, 0, KEYS);
    write_key(w, l.topic, KEYS - 1, KEYS + 1);
    rd_kafka_flush(raw_writer_client(w), COME_MS);
    must_commit(l.group, l.topic, 0, KEYS + 2);
    runner_stop(&r);
    assert_int_equal(times_seen(c.recorder, KEYS), 1);
    assert_int_equal(times_seen(c.recorder, KEYS + 1), 0);
    int letters;
    raw_record *all = topic_read(&letters, l.dead, 1);
    records_free(all, letters);
    assert_int_equal(letters, KEYS + 1);
    kca_queue_free(faults);
    end(&c);
    raw_writer_close(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_too_long_is_left_out_and_the_offset_committed_all_the_same),
        cmocka_unit_test(test_in_transactions_keys_without_room_are_let_go_and_it_goes_on),
    };
    return cmocka_run_group_tests(tests, limit, lift);
}
