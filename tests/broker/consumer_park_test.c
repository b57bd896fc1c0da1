/* Keys that are parked: what comes after a dead letter of its key follows it, over restarts and
 * rebalances, until all of it was redriven and handled in its order. */
#include "dead_lettering.h"
#include "redriving.h"

#include <stdatomic.h>
#include <stdio.h>

enum { WAIT_MS = 60000 };

/* One group's topic and dead letters, which outlive its consumers. */
typedef struct line {
    const char *topic, *group, *dead;
    int partitions;
    const char *transactional_id; /* NULL: none */
    atomic_uint broken;           /* a bit for each id that is rejected */
    raw_writer *writer;
} line;

typedef struct life {
    consuming c;
    runner runner;
} life;

static int reject_broken(recorder *r, kca_delivery *d, int id) {
    line *l = r->context;
    kca_delivery_explain(d, "Broken", "it is broken");
    return atomic_load(&l->broken) >> id & 1 ? KCA_REJECTED : KCA_DONE;
}

static line open_line(int partitions) {
    line l = {.topic = unique("parking"), .group = unique("group"), .partitions = partitions};
    l.dead = morgue();
    topic_create(l.topic, partitions);
    l.writer = raw_writer_open(NULL);
    return l;
}

static void close_line(line *l) {
    raw_writer_close(l->writer);
}

static void write_id(line *l, int partition, const char *key, int id) {
    char value[32];
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    raw_write(l->writer, l->topic, partition, "thing", key, value);
    rd_kafka_flush(raw_writer_client(l->writer), WAIT_MS);
}

static kca_consumer_builder *parking(const line *l) {
    kca_consumer_builder *b = burying(l->topic, l->group, l->dead, NULL);
    kca_consumer_builder_with_park(b, 1);
    if (l->transactional_id)
        kca_consumer_builder_with_transactional_id(b, l->transactional_id);
    return b;
}

static void begin_with(life *out, line *l, kca_consumer_builder *b) {
    out->c = consume_beside(publisher_of(l->dead), l->topic, l->group, b);
    out->c.recorder->behave = reject_broken;
    out->c.recorder->context = l;
    runner_start(&out->runner, out->c.consumer);
}

static void begin(life *out, line *l) {
    begin_with(out, l, parking(l));
}

static void end_life(life *li) {
    runner_stop(&li->runner);
    end(&li->c);
}

/* ---- waiting ---- */

typedef struct keys {
    kca_system *system;
    const char *topic;
    int partition, count;
} keys;

static int are_parked(void *argument) {
    const keys *k = argument;
    return described_partition(k->system, k->topic, k->partition, "parked_keys") == k->count;
}

static void must_park(const life *li, int partition, int count) {
    keys k = {li->c.system, li->c.topic, partition, count};
    must_become(are_parked, &k, WAIT_MS, "the keys are parked");
}

static int has_one(void *argument) {
    const life *li = argument;
    return are_parked(&(keys){li->c.system, li->c.topic, 0, 1}) ||
           are_parked(&(keys){li->c.system, li->c.topic, 1, 1});
}

static void must_have_handled(life *li, const int *ids, int count) {
    must_be_handled(li->c.recorder, count, WAIT_MS);
    for (int i = 0; i < count; i++)
        assert_int_equal(li->c.recorder->all[i].id, ids[i]);
}

static void redrive_line(const life *li, const line *l, int redriven) {
    must_redrive(li->c.system, redrive_of(l->dead), (numbers){.redriven = redriven});
}

/* ---- letters ---- */

static void must_stand(const raw_record *r, const char *kind, const char *behind, const char *at) {
    static const char prefix[] = "kca-dead-letter-";
    char name[40];
    const char *const wanted[][2] = {
        {"parked", kind}, {"waits-for", "0"}, {"behind", behind}, {"at", at}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        snprintf(name, sizeof name, "%s%s", prefix, wanted[i][0]);
        const char *value = record_header(r, name);
        assert_int_equal(value == NULL, wanted[i][1] == NULL);
        if (value)
            assert_string_equal(value, wanted[i][1]);
    }
}

static void test_what_comes_after_a_dead_letter_follows_it_until_the_line_is_redriven(
    void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "b", 1);
    write_id(&l, 0, "a", 2);
    write_id(&l, 0, NULL, 3);
    write_id(&l, 0, "a", 4);
    begin(&li, &l);
    must_count(li.c.system, "parked", 2);
    must_have_handled(&li, (int[]){0, 1, 3}, 3);
    must_park(&li, 0, 1);
    assert_int_equal(described(li.c.system, "consumers", 0, "dead_lettered"), 1);

    int count;
    raw_record *letters = topic_read(&count, l.dead, 1);
    assert_int_equal(count, 3);
    must_stand(&letters[0], NULL, NULL, "0");
    must_stand(&letters[1], "follows", "0", "2");
    must_stand(&letters[2], "follows", "2", "4");
    assert_string_equal(record_header(&letters[0], "kca-dead-letter-error-name"), "Broken");
    assert_string_equal(record_header(&letters[1], "kca-dead-letter-error-name"), "parked");
    assert_string_equal(record_header(&letters[1], "kca-dead-letter-error-text"),
                        "key a waits for offset 0, which is a dead letter");
    records_free(letters, count);

    atomic_store(&l.broken, 0);
    redrive_line(&li, &l, 3);
    must_have_handled(&li, (int[]){0, 1, 3, 0, 2, 4}, 6);
    must_park(&li, 0, 0);
    write_id(&l, 0, "a", 5);
    must_have_handled(&li, (int[]){0, 1, 3, 0, 2, 4, 5}, 7);
    end_life(&li);
    close_line(&l);
}

static void test_a_key_stays_parked_over_a_restart(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1);
    write_id(&l, 0, "a", 0);
    begin(&li, &l);
    must_count(li.c.system, "dead_lettered", 1);
    end_life(&li);
    atomic_store(&l.broken, 0);
    write_id(&l, 0, "a", 1);
    write_id(&l, 0, "b", 2);
    begin(&li, &l);
    must_count(li.c.system, "parked", 1);
    must_have_handled(&li, (int[]){2}, 1);
    end_life(&li);
    begin(&li, &l);
    redrive_line(&li, &l, 2);
    must_have_handled(&li, (int[]){0, 1}, 2);
    must_park(&li, 0, 0);
    end_life(&li);
    close_line(&l);
}

/* Each of two partitions has a parked key; one of them moves to a new member, and both come back to
 * it when the first one leaves. */
static void test_a_key_stays_parked_when_its_partition_moves(void **state) {
    line l = open_line(2);
    life first, second;
    atomic_init(&l.broken, 3);
    write_id(&l, 0, "a", 0);
    write_id(&l, 1, "b", 1);
    begin(&first, &l);
    must_count(first.c.system, "dead_lettered", 2);
    begin(&second, &l);
    must_become(has_one, &second, WAIT_MS, "the second has one of them");
    atomic_store(&l.broken, 0);
    write_id(&l, 0, "a", 2);
    write_id(&l, 1, "b", 3);
    must_count(first.c.system, "parked", 1);
    must_count(second.c.system, "parked", 1);
    end_life(&first);
    must_park(&second, 0, 1);
    must_park(&second, 1, 1);
    redrive_line(&second, &l, 4);
    must_be_handled(second.c.recorder, 4, WAIT_MS);
    must_park(&second, 0, 0);
    must_park(&second, 1, 0);
    assert_int_equal(second.c.recorder->same_key_disorder, 0);
    end_life(&second);
    close_line(&l);
}

static void test_what_fails_once_more_keeps_those_behind_it_waiting(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1u << 0 | 1u << 1);
    for (int id = 0; id < 4; id++)
        write_id(&l, 0, "a", id);
    begin(&li, &l);
    must_count(li.c.system, "parked", 3);
    atomic_store(&l.broken, 1u << 1);
    redrive_line(&li, &l, 4);
    must_count(li.c.system, "parked", 5); /* behind 1, which has failed */
    must_have_handled(&li, (int[]){0, 0, 1}, 3);
    write_id(&l, 0, "a", 4);
    must_count(li.c.system, "parked", 6);
    atomic_store(&l.broken, 0);
    redrive_line(&li, &l, 4);
    must_have_handled(&li, (int[]){0, 0, 1, 1, 2, 3, 4}, 7);
    must_park(&li, 0, 0);
    end_life(&li);
    close_line(&l);
}

/* As a redrive that was killed publishes it once more, or somebody who forges it. */
static void write_copy(line *l, const char *key, int id, const char *place) {
    char value[32], parked[400];
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    snprintf(parked, sizeof parked, "%s 0 %s %s", place, l->topic, l->group);
    const char *const headers[][2] = {{"route", "thing"}, {"kca-parked", parked}};
    raw_write_headers(l->writer, l->topic, key, value, headers, 2);
    rd_kafka_flush(raw_writer_client(l->writer), WAIT_MS);
}

static void test_a_copy_of_what_was_handled_is_kept_and_not_handled_again(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1u << 0);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "a", 1);
    begin(&li, &l);
    must_count(li.c.system, "parked", 1);
    atomic_store(&l.broken, 1u << 1);
    redrive_line(&li, &l, 2);
    must_have_handled(&li, (int[]){0, 0, 1}, 3);
    write_copy(&l, "a", 0, "0 - 0");
    must_count(li.c.system, "parked", 2);
    atomic_store(&l.broken, 0);
    must_redrive(li.c.system, redrive_of(l.dead),
                 (numbers){.redriven = 1, .guarded = 1, .remaining = 1});
    must_have_handled(&li, (int[]){0, 0, 1, 1}, 4);
    must_park(&li, 0, 0);
    int count;
    raw_record *letters = topic_read(&count, l.dead, 1);
    assert_string_equal(record_header(&letters[count - 1], "kca-dead-letter-parked"), "repeated");
    assert_string_equal(record_header(&letters[count - 1], "kca-dead-letter-error-name"),
                        "repeated");
    records_free(letters, count);
    end_life(&li);
    close_line(&l);
}

static void test_in_transactions_letter_and_parked_key_are_committed_together(void **state) {
    line l = open_line(1);
    life li;
    l.transactional_id = unique("parking-id");
    atomic_init(&l.broken, 1);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "a", 1);
    begin(&li, &l);
    must_count(li.c.system, "parked", 1);
    end_life(&li);
    atomic_store(&l.broken, 0);
    write_id(&l, 0, "a", 2);
    begin(&li, &l);
    must_count(li.c.system, "parked", 1);
    must_commit(l.group, l.topic, 0, topic_count(l.topic, 1));
    redrive_line(&li, &l, 3);
    must_have_handled(&li, (int[]){0, 1, 2}, 3);
    must_park(&li, 0, 0);
    end_life(&li);
    close_line(&l);
}

/* The key that is parked longest makes room. */
static void test_a_key_too_many_is_let_go_with_a_fault(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 3);
    kca_consumer_builder *b = parking(&l);
    kca_consumer_builder_with_park_max_keys(b, 1);
    begin_with(&li, &l, b);
    kca_queue *faults = queue_of(li.c.system);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "b", 1);
    kca_event *e = next_event(faults, KCA_EVENT_FAULT, WAIT_MS);
    assert_non_null(e);
    char wanted[600];
    snprintf(wanted, sizeof wanted,
             "consumer %s: key a of %s[0], parked since offset 0, is let go: park_max_keys, 1, are "
             "parked after it. Its messages are handled again, before its dead letters are",
             l.group, l.topic);
    assert_string_equal(kca_error_text(kca_event_error(e)), wanted);
    kca_event_free(e);
    kca_queue_free(faults);
    write_id(&l, 0, "b", 2);
    write_id(&l, 0, "a", 3);
    must_count(li.c.system, "parked", 1);
    must_have_handled(&li, (int[]){0, 1, 3}, 3);
    end_life(&li);
    close_line(&l);
}

static void test_a_seek_keeps_what_is_parked_before_it(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1u << 0 | 1u << 2);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "c", 1);
    write_id(&l, 0, "b", 2);
    begin(&li, &l);
    must_count(li.c.system, "dead_lettered", 2);
    atomic_store(&l.broken, 0);
    must(kca_consumer_seek(li.c.consumer, l.topic, 0, 1, WAIT_MS));
    must_park(&li, 0, 1);
    must_have_handled(&li, (int[]){0, 1, 2, 1, 2}, 5);
    write_id(&l, 0, "a", 3);
    write_id(&l, 0, "b", 4);
    must_count(li.c.system, "parked", 1);
    must_have_handled(&li, (int[]){0, 1, 2, 1, 2, 4}, 6);
    end_life(&li);
    close_line(&l);
}

/* What the description says of the only line. */
static void must_tell_of_line(const life *li, const char *key, int letters) {
    char *text, wanted[80];
    must(kca_system_describe(li->c.system, KCA_FORMAT_TEXT, &text));
    snprintf(wanted, sizeof wanted, ": %d letters, waits for offset 0", letters);
    const char *told = strstr(text, "key ");
    assert_non_null(told);
    assert_int_equal(strncmp(told + 4, key, strlen(key)), 0);
    assert_non_null(strstr(told, wanted));
    kca_string_free(text);
}

/* Its letters stay; redriven later, each is handled when it comes. */
static void test_a_key_is_let_go_by_hand_and_stays_so(void **state) {
    line l = open_line(1);
    life li;
    atomic_init(&l.broken, 1);
    write_id(&l, 0, "a", 0);
    write_id(&l, 0, "a", 1);
    begin(&li, &l);
    must_count(li.c.system, "parked", 1);
    must_park(&li, 0, 1);
    must_tell_of_line(&li, "a is parked since 2", 2);
    end_life(&li);
    must_fail(kca_consumer_unpark(NULL, NULL, -1, "a", 1), KCA_ERROR_ARGUMENT, "missing");
    begin(&li, &l);
    must_park(&li, 0, 1);
    must_tell_of_line(&li, "(not seen yet) is parked since 2", 2);
    kca_queue *faults = queue_of(li.c.system);
    kca_consumer *c = li.c.consumer;
    must_fail(kca_consumer_unpark(c, l.topic, 0, "b", 1), KCA_ERROR_NOT_FOUND, "no such key");
    must_fail(kca_consumer_unpark(c, NULL, 0, "a", 1), KCA_ERROR_ARGUMENT, "topic is missing");
    must_fail(kca_consumer_unpark(c, NULL, -1, "", 0), KCA_ERROR_ARGUMENT, "must not be empty");
    must(kca_consumer_unpark(c, NULL, -1, "a", 1));
    kca_event *e = next_event(faults, KCA_EVENT_FAULT, WAIT_MS);
    assert_non_null(strstr(kca_error_text(kca_event_error(e)), "it was unparked by hand"));
    kca_event_free(e);
    kca_queue_free(faults);
    end_life(&li);
    atomic_store(&l.broken, 0);
    write_id(&l, 0, "a", 2);
    begin(&li, &l);
    must_have_handled(&li, (int[]){2}, 1);
    must_park(&li, 0, 0);
    redrive_line(&li, &l, 2);
    must_have_handled(&li, (int[]){2, 0, 1}, 3);
    end_life(&li);
    close_line(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_after_a_dead_letter_follows_it_until_the_line_is_redriven),
        cmocka_unit_test(test_a_key_stays_parked_over_a_restart),
        cmocka_unit_test(test_a_key_stays_parked_when_its_partition_moves),
        cmocka_unit_test(test_what_fails_once_more_keeps_those_behind_it_waiting),
        cmocka_unit_test(test_a_copy_of_what_was_handled_is_kept_and_not_handled_again),
        cmocka_unit_test(test_in_transactions_letter_and_parked_key_are_committed_together),
        cmocka_unit_test(test_a_key_too_many_is_let_go_with_a_fault),
        cmocka_unit_test(test_a_key_is_let_go_by_hand_and_stays_so),
        cmocka_unit_test(test_a_seek_keeps_what_is_parked_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
