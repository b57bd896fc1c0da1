/* Redrives that cannot go on: nothing is skipped, nothing is lost, and the error says where. */
#include "redriving.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

enum { PARTITIONS = 3, COME_MS = 30000 };

static const char *default_group(const char *dead) {
    static char group[300];
    snprintf(group, sizeof group, "%s.redrive", dead);
    return group;
}

/* ---- processes that die ---- */

enum { MANY = 40000, KILLED_AT = 12000, MOST_REPEATS = 5000 };

static int redrive_until_killed(const char *dead) {
    kca_system *s = bare_system();
    cJSON_Delete(redrive(s, redrive_of(dead)));
    finish(s);
    return 0;
}

static pid_t spawn_redrive(const char *dead) {
    pid_t pid;
    char *const arguments[] = {"redrive", "redrive", (char *)(uintptr_t)dead, NULL};
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
    return pid;
}

static int has_many(void *argument) {
    return topic_end(argument, 0) >= KILLED_AT;
}

/* Of each dead-letter partition the messages come first in their order, with repeats behind them.
 */
static void must_be_in_order(const char *topic, int from) {
    int count, greatest[4] = {-1, -1, -1, -1};
    raw_record *all = topic_read(&count, topic, 1);
    for (int i = 0; i < count; i++) {
        int id = -1;
        assert_int_equal(sscanf(all[i].value, "{\"id\":%d", &id), 1);
        int *before = &greatest[id % from];
        assert_true(id <= *before + from); /* none is left out before it */
        if (id > *before)
            *before = id;
    }
    records_free(all, count);
}

static void test_a_process_that_is_killed_skips_nothing_and_repeats_little(void **state) {
    const char *topic = unique("killed"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 2);
    fill_with_letters(dead, 2, topic, MANY);
    pid_t pid = spawn_redrive(dead);
    must_become(has_many, (void *)(uintptr_t)topic, COME_MS, "it is in the middle");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    int64_t before = topic_end(topic, 0);
    int64_t committed = group_committed_sum(default_group(dead), dead, 2);
    assert_in_range(committed, 1, MANY - 1);

    kca_system *s = bare_system();
    cJSON *report = redrive(s, redrive_of(dead));
    assert_true(truth_in(report, "complete"));
    assert_int_equal(number_in(report, "redriven"), MANY - committed);
    cJSON_Delete(report);
    int *times = times_of_ids(topic, 1, MANY), repeats = 0;
    for (int id = 0; id < MANY; id++) {
        assert_true(times[id] >= 1);
        repeats += times[id] - 1;
    }
    free(times);
    assert_in_range(before, KILLED_AT, MANY);
    assert_in_range(repeats, 0, MOST_REPEATS);
    must_be_in_order(topic, 2);
    finish(s);
}

/* ---- time ---- */

static void test_when_the_time_is_over_the_next_call_goes_on(void **state) {
    const char *topic = unique("late"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, MANY);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    bool complete = false;
    int calls = 0, redriven = 0;
    for (int ms = 100; !complete && ms < 60000; ms += ms / 5) {
        char *text = NULL;
        kca_error *e = kca_system_redrive(s, r, ms, &text);
        calls++;
        if (kca_error_code(e) == KCA_ERROR_TIMEOUT) { /* not even the beginning was found */
            kca_error_free(e);
            continue;
        }
        must(e);
        cJSON *report = cJSON_Parse(text);
        complete = truth_in(report, "complete");
        redriven += number_in(report, "redriven");
        assert_int_equal(number_in(report, "remaining"), MANY - redriven);
        assert_int_equal(group_committed(default_group(dead), dead, 0), redriven);
        cJSON_Delete(report);
        kca_string_free(text);
    }
    assert_true(calls > 1);
    assert_int_equal(redriven, MANY);
    must_be_in_order(topic, 1);
    kca_redrive_free(r);
    finish(s);
}

static void test_a_cluster_that_does_not_answer_is_a_timeout(void **state) {
    const char *topic = unique("silent"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, 3);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    char *text;
    cluster_do("pause");
    int64_t begin = now_ms();
    kca_error *e = kca_system_redrive(s, r, 1500, &text);
    int64_t took = now_ms() - begin;
    cluster_do("cont");
    must_fail(e, KCA_ERROR_TIMEOUT, dead, "the cluster did not answer in time");
    assert_in_range(took, 1400, 5000);
    must_redrive(s, r, (numbers){.redriven = 3});
    must_have_each_once(topic, 1, 3);
    finish(s);
}

/* ---- topics that refuse ---- */

static void write_sizes(const char *dead, const char *topic, const int *sizes, int count) {
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < count; i++) {
        char value[5000];
        int len = snprintf(value, sizeof value, "{\"id\":%d,\"x\":\"", i);
        memset(value + len, 'x', (size_t)sizes[i]);
        strcpy(value + len + sizes[i], "\"}");
        write_letter(w, dead, (letter){.topic = topic, .value = value});
    }
    raw_writer_close(w);
}

static void test_a_message_that_is_refused_is_passed_by_and_the_others_go(void **state) {
    const char *topic = unique("narrow"), *dead = unique("dead");
    topic_create_with(topic, 1, "max.message.bytes", "1000");
    topic_create(dead, 1);
    write_sizes(dead, topic, (const int[]){10, 700, 700, 2000, 10, 10}, 6);
    kca_system *s = bare_system();
    cJSON *report = redrive(s, redrive_of(dead));
    must_report(report, (numbers){.redriven = 5, .refused = 1, .remaining = 1});
    const cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItem(report, "messages"), 3);
    assert_string_equal(text_in(message, "outcome"), "refused");
    must_have(text_in(message, "trouble"), topic);
    must_have(text_in(message, "trouble"), "Message size too large");
    cJSON_Delete(report);
    assert_int_equal(group_committed(default_group(dead), dead, 0), 3);
    must_redrive(s, redrive_of(dead), (numbers){.refused = 1, .remaining = 1});
    kca_redrive *r = redrive_of(dead);
    const char *wide = unique("wide");
    topic_create(wide, 1);
    kca_redrive_with_to_topic(r, wide);
    must_redrive(s, r, (numbers){.redriven = 1});
    assert_int_equal(topic_end(topic, 0), 5);
    assert_int_equal(topic_end(wide, 0), 1);
    assert_int_equal(group_committed(default_group(dead), dead, 0), 6);
    finish(s);
}

static void test_small_messages_that_are_too_large_only_together_go_one_by_one(void **state) {
    const char *topic = unique("narrow"), *dead = unique("dead");
    topic_create_with(topic, 1, "max.message.bytes", "1000");
    topic_create(dead, 2);
    fill_with_letters(dead, 2, topic, 300);
    kca_system *s = bare_system();
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 300});
    must_have_each_once(topic, 1, 300);
    must_be_in_order(topic, 2);
    finish(s);
}

static void test_a_topic_that_is_no_more_is_passed_by_and_not_created(void **state) {
    const char *topic = unique("kept"), *gone = unique("gone"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, 2);
    fill_with_letters(dead, 1, gone, 1);
    fill_with_letters(dead, 1, topic, 1);
    kca_system *s = bare_system();
    kca_redrive *dry = redrive_of(dead);
    kca_redrive_with_dry_run(dry, 1);
    must_redrive(s, dry, (numbers){.redriven = 3, .missing_target = 1, .remaining = 1});
    must_redrive(s, redrive_of(dead),
                 (numbers){.redriven = 3, .missing_target = 1, .remaining = 1});
    must_redrive(s, redrive_of(dead), (numbers){.missing_target = 1, .remaining = 1});
    assert_int_equal(group_committed(default_group(dead), dead, 0), 2);
    assert_int_equal(topic_end(topic, 0), 3);
    finish(s);
}

/* Each second letter is left out: what is done is too scattered to be remembered as a whole. */
static void test_what_the_group_cannot_remember_is_not_done(void **state) {
    enum { LETTERS = 50000 };
    const char *topic = unique("scattered"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < LETTERS; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        write_letter(w, dead,
                     (letter){.topic = topic, .error = i % 2 ? "Late" : "Early", .value = value});
    }
    raw_writer_close(w);
    kca_system *s = bare_system();
    kca_redrive *late = redrive_of(dead);
    kca_redrive_with_only_error(late, "Late");
    cJSON *report = redrive(s, late);
    int done = number_in(report, "redriven");
    assert_true(truth_in(report, "group_is_full"));
    assert_false(truth_in(report, "complete"));
    assert_in_range(done, 5000, LETTERS / 2 - 1);
    assert_int_equal(number_in(report, "remaining"), LETTERS - done);
    cJSON_Delete(report);
    must_redrive(s, redrive_of(dead), (numbers){.redriven = LETTERS - done});
    must_have_each_once(topic, 1, LETTERS);
    finish(s);
}

/* Each second letter is refused behind a long run that is left, so only a part has room. */
static void test_what_is_refused_takes_no_room_from_what_is_done(void **state) {
    enum { BEFORE = 25000, LETTERS = 4000 };
    const char *topic = unique("narrow"), *dead = unique("dead");
    topic_create_with(topic, 1, "max.message.bytes", "600");
    topic_create(dead, 1);
    static char large[800];
    memset(large, 'x', sizeof large - 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < BEFORE; i++)
        write_letter(w, dead, (letter){.topic = topic, .value = "{}"});
    for (int i = 0; i < LETTERS; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        write_letter(w, dead,
                     (letter){.topic = topic,
                              .error = i % 2 ? "Small" : "Large",
                              .value = i % 2 ? value : large});
    }
    raw_writer_close(w);
    kca_system *s = bare_system();
    int done = 0;
    for (int i = 0; i < 2; i++) {
        kca_redrive *r = redrive_of(dead);
        kca_redrive_with_start_offset(r, BEFORE);
        if (i)
            kca_redrive_with_only_error(r, "Small");
        cJSON *report = redrive(s, r);
        assert_true(truth_in(report, "group_is_full"));
        done += number_in(report, "redriven");
        assert_int_equal(number_in(report, "remaining"), BEFORE + LETTERS - done);
        cJSON_Delete(report);
    }
    assert_in_range(done, 1000, LETTERS / 2 - 1);
    int *times = times_of_ids(topic, 1, LETTERS);
    for (int id = 0; id < LETTERS; id++)
        assert_in_range(times[id], 0, 1);
    free(times);
    finish(s);
}

static void test_a_dead_letter_topic_that_is_not_there_is_not_found_and_not_created(void **state) {
    const char *dead = unique("never");
    kca_system *s = bare_system();
    for (int i = 0; i < 2; i++)
        must_not_redrive(s, redrive_of(dead), KCA_ERROR_NOT_FOUND, "redrive", dead,
                         "does not exist");
    finish(s);
}

static void test_a_to_topic_that_is_not_there_is_not_found(void **state) {
    const char *dead = unique("dead"), *never = unique("never");
    topic_create(dead, 1);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_to_topic(r, never);
    must_not_redrive(s, r, KCA_ERROR_NOT_FOUND, never, "does not exist");
    finish(s);
}

/* ---- groups ---- */

static void test_a_group_that_has_members_is_refused_before_anything_is_published(void **state) {
    const char *topic = unique("shared"), *dead = unique("dead"), *group = unique("group");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, 3);
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_consumer(s, consumer_of(dead, group));
    recorder *rec = recorder_new();
    record(s, "thing", rec);
    start(s);
    runner member;
    kca_consumer *c = reader_of(s, group);
    runner_start(&member, c);
    must_be_handled(rec, 3, COME_MS);
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_group_id(r, group);
    must_not_redrive(s, r, KCA_ERROR_STATE, dead, group, "choose another group_id");
    assert_int_equal(topic_count(topic, 1), 0);
    runner_stop(&member);
    kca_consumer_free(c);
    finish(s);
    recorder_free(rec);
}

/* A client of the default group, and its partition 0. */
static rd_kafka_t *open_group(const char *dead, rd_kafka_topic_partition_list_t **out) {
    char reason[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", listener("PLAINTEXT"), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", default_group(dead), NULL, 0);
    *out = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(*out, dead, 0);
    return rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
}

static void commit_offset(const char *dead, int64_t offset) {
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_t *rk = open_group(dead, &list);
    list->elems[0].offset = offset;
    assert_int_equal(rd_kafka_commit(rk, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* What the group knows of one topic is committed for another. */
static void copy_commit(const char *from, const char *to) {
    rd_kafka_topic_partition_list_t *old, *new;
    rd_kafka_t *reader = open_group(from, &old), *writer = open_group(to, &new);
    assert_int_equal(rd_kafka_committed(reader, old, COME_MS), 0);
    assert_true(old->elems[0].metadata_size > 0);
    new->elems[0].offset = old->elems[0].offset;
    new->elems[0].metadata_size = old->elems[0].metadata_size;
    new->elems[0].metadata = malloc(old->elems[0].metadata_size);
    memcpy(new->elems[0].metadata, old->elems[0].metadata, old->elems[0].metadata_size);
    assert_int_equal(rd_kafka_commit(writer, new, 0), 0);
    rd_kafka_topic_partition_list_destroy(old);
    rd_kafka_topic_partition_list_destroy(new);
    rd_kafka_destroy(reader);
    rd_kafka_destroy(writer);
}

static void test_an_offset_beyond_a_topic_that_was_made_anew_begins_it_again(void **state) {
    const char *topic = unique("anew"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, 3);
    commit_offset(dead, 1000);
    kca_system *s = bare_system();
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 3});
    finish(s);
}

/* The first letter that is left lies within the new topic, but done ones lie beyond. */
static void test_letters_done_beyond_a_topic_that_was_made_anew_begin_it_again(void **state) {
    const char *topic = unique("anew"), *gone = unique("gone"), *dead = unique("dead");
    const char *before = unique("before");
    topic_create(topic, 1);
    topic_create(before, 1);
    topic_create(dead, 1);
    fill_with_letters(before, 1, topic, 2);
    fill_with_letters(before, 1, gone, 1);
    fill_with_letters(before, 1, topic, 17);
    fill_with_letters(dead, 1, topic, 10);
    kca_system *s = bare_system();
    must_redrive(s, redrive_of(before),
                 (numbers){.redriven = 19, .missing_target = 1, .remaining = 1});
    copy_commit(before, dead);
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 10});
    finish(s);
}

/* ---- the system ---- */

typedef struct running {
    kca_system *system;
    const char *dead;
    kca_error *error;
    char *text;
} running;

static void *run_redrive(void *argument) {
    running *r = argument;
    kca_redrive *redrive_ = redrive_of(r->dead);
    r->error = kca_system_redrive(r->system, redrive_, -1, &r->text);
    kca_redrive_free(redrive_);
    return NULL;
}

static void test_shutdown_ends_a_redrive_and_what_is_done_is_committed(void **state) {
    const char *topic = unique("ended"), *dead = unique("dead");
    topic_create(topic, 1);
    topic_create(dead, 1);
    fill_with_letters(dead, 1, topic, MANY);
    kca_system *s = bare_system();
    running r = {s, dead, NULL, NULL};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_redrive, &r), 0);
    must_become(has_many, (void *)(uintptr_t)topic, COME_MS, "it is in the middle");
    must(kca_system_shutdown(s, 20000));
    pthread_join(thread, NULL);
    must_fail(r.error, KCA_ERROR_STOPPED, dead, "shuts down", "remain");
    assert_null(r.text);
    int64_t committed = group_committed(default_group(dead), dead, 0);
    assert_in_range(committed, 1, MANY - 1);
    start(s);
    must_redrive(s, redrive_of(dead), (numbers){.redriven = MANY - (int)committed});
    must_be_in_order(topic, 1);
    finish(s);
}

static void test_what_is_not_declared_or_started_is_told(void **state) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    must_not_redrive(s, redrive_of("orders.dead"), KCA_ERROR_STATE,
                     "redrive orders.dead: the system is not started");
    start(s);
    kca_redrive *r;
    must(kca_redrive_new(&r, "elsewhere", "orders.dead"));
    must_not_redrive(s, r, KCA_ERROR_NOT_FOUND,
                     "redrive orders.dead: connection elsewhere is not declared");
    r = redrive_of("orders.dead");
    kca_redrive_with_to_topic(r, "orders.dead");
    must_not_redrive(s, r, KCA_ERROR_ARGUMENT, "to_topic is the topic that it reads");
    r = redrive_of("orders.dead");
    kca_redrive_with_max_messages(r, -1);
    must_not_redrive(s, r, KCA_ERROR_ARGUMENT, "max_messages must be 0 to");
    must(kca_system_shutdown(s, 10000));
    must_not_redrive(s, redrive_of("orders.dead"), KCA_ERROR_STATE, "not started");
    kca_system_free(s);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "redrive") == 0)
        return redrive_until_killed(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_that_is_killed_skips_nothing_and_repeats_little),
        cmocka_unit_test(test_when_the_time_is_over_the_next_call_goes_on),
        cmocka_unit_test(test_a_cluster_that_does_not_answer_is_a_timeout),
        cmocka_unit_test(test_a_message_that_is_refused_is_passed_by_and_the_others_go),
        cmocka_unit_test(test_small_messages_that_are_too_large_only_together_go_one_by_one),
        cmocka_unit_test(test_a_topic_that_is_no_more_is_passed_by_and_not_created),
        cmocka_unit_test(test_what_the_group_cannot_remember_is_not_done),
        cmocka_unit_test(test_what_is_refused_takes_no_room_from_what_is_done),
        cmocka_unit_test(test_a_dead_letter_topic_that_is_not_there_is_not_found_and_not_created),
        cmocka_unit_test(test_a_to_topic_that_is_not_there_is_not_found),
        cmocka_unit_test(test_a_group_that_has_members_is_refused_before_anything_is_published),
        cmocka_unit_test(test_an_offset_beyond_a_topic_that_was_made_anew_begins_it_again),
        cmocka_unit_test(test_letters_done_beyond_a_topic_that_was_made_anew_begin_it_again),
        cmocka_unit_test(test_shutdown_ends_a_redrive_and_what_is_done_is_committed),
        cmocka_unit_test(test_what_is_not_declared_or_started_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
