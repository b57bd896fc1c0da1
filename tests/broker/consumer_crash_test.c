/* Consumers that die, join and leave, and brokers that do: nothing is skipped. */
#include "consuming.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COUNT = 3000, PARTITIONS = 4 };

/* A crashed member is noticed soon. */
static kca_consumer_builder *short_session(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_session_timeout_ms(b, 1500);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 400);
    return b;
}

/* ---- the process that is killed: writes each id that it has handled to stdout ---- */

static int take_a_while_and_tell(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d;
    struct timespec work = {0, id % 20 == 0 ? 20000000 : 500000};
    nanosleep(&work, NULL);
    return write(STDOUT_FILENO, &id, sizeof id) == sizeof id ? KCA_DONE : KCA_FAILED;
}

static int consume_until_killed(const char *topic, const char *group) {
    consuming c = consume(topic, group, short_session(topic, group));
    c.recorder->behave = take_a_while_and_tell;
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    kca_error *e = kca_consumer_run(c.consumer);
    fprintf(stderr, "run ended: %s\n", kca_error_text(e));
    return 1;
}

static pid_t spawn_consumer(const char *topic, const char *group, int *out_fd) {
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char *const arguments[] = {"consumer", "consume", (char *)(uintptr_t)topic,
                               (char *)(uintptr_t)group, NULL};
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out_fd = ends[0];
    return pid;
}

/* Notes `count` ids that the other process handled, or all until its end. */
static int note_handled(char *handled, int fd, int count) {
    int id, noted = 0;
    while (noted < count && read(fd, &id, sizeof id) == sizeof id) {
        assert_in_range(id, 0, COUNT - 1);
        handled[id] = 1;
        noted++;
    }
    return noted;
}

static void test_a_process_that_is_killed_skips_nothing(void **state) {
    (void)state;
    const char *topic = unique("killed"), *group = unique("group");
    char *handled = calloc(COUNT, 1);
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, COUNT, 40);
    int fd;
    pid_t pid = spawn_consumer(topic, group, &fd);
    assert_int_equal(note_handled(handled, fd, COUNT / 3), COUNT / 3);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    note_handled(handled, fd, COUNT);
    close(fd);

    consuming c = consume(topic, group, short_session(topic, group));
    runner r;
    runner_start(&r, c.consumer);
    int64_t stop = now_ms() + COME_MS;
    int missing = COUNT;
    while (missing > 0 && now_ms() < stop) {
        must_come(c.recorder, 1, COME_MS);
        missing = 0;
        for (int id = 0; id < COUNT; id++)
            if (!handled[id])
                missing += !(handled[id] = times_seen(c.recorder, id) > 0);
    }
    assert_int_equal(missing, 0);
    assert_in_range(came(c.recorder), 1, COUNT - 1); /* it had committed something */
    runner_stop(&r);
    assert_int_equal(group_committed_sum(group, topic, PARTITIONS), COUNT);
    end(&c);
    free(handled);
}

/* ---- rebalances ---- */

static int take_a_while(recorder *r, kca_delivery *d, int id) {
    (void)r, (void)d, (void)id;
    struct timespec work = {0, 1000000};
    nanosleep(&work, NULL);
    return KCA_DONE;
}

static int all_came(void *argument) {
    consuming *both = argument;
    return came(both[0].recorder) + came(both[1].recorder) >= COUNT;
}

static void write_second_half(const char *topic) {
    raw_writer *w = raw_writer_open(NULL);
    for (int id = COUNT / 2; id < COUNT; id++) {
        char key[20], value[40];
        snprintf(key, sizeof key, "k%d", id % 40);
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, -1, NULL, key, value);
    }
    raw_writer_close(w);
}

/* Only what was handled before an earlier record of its partition had its turn may come again. */
static void must_have_come_to(const consuming *both) {
    int repeated = 0;
    for (int id = 0; id < COUNT; id++) {
        int times = times_seen(both[0].recorder, id) + times_seen(both[1].recorder, id);
        assert_in_range(times, 1, 2);
        repeated += times == 2;
    }
    assert_in_range(repeated, 0, COUNT / 50);
}

static void test_consumers_that_join_and_leave_lose_nothing_and_repeat_little(void **state) {
    (void)state;
    const char *topic = unique("rebalance"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, COUNT / 2, 40);
    consuming both[2];
    runner runs[2];
    for (int i = 0; i < 2; i++) {
        both[i] = consume(topic, group, short_session(topic, group));
        both[i].recorder->behave = take_a_while;
        kca_consumer_with_amount_of_processors(both[i].consumer, 3);
        kca_system_log_to_queue(both[i].system, KCA_LOG_INFO);
    }
    kca_queue *q = queue_of(both[1].system);
    runner_start(&runs[0], both[0].consumer);
    must_come(both[0].recorder, 100, COME_MS);
    runner_start(&runs[1], both[1].consumer);
    assert_true(log_says(q, "2 partitions assigned", COME_MS));
    write_second_half(topic);
    must_come(both[1].recorder, 100, COME_MS);
    runner_stop(&runs[0]); /* in the midst of it: the other takes over */
    must_become(all_came, both, COME_MS, "all came");
    runner_stop(&runs[1]);
    must_have_come_to(both);
    assert_int_equal(both[0].recorder->same_key_disorder, 0);
    assert_int_equal(both[1].recorder->same_key_disorder, 0);
    assert_int_equal(group_committed_sum(group, topic, PARTITIONS), COUNT);
    kca_queue_free(q);
    end(&both[0]);
    end(&both[1]);
}

static int first_time_waits(recorder *r, kca_delivery *d, int id) {
    (void)d, (void)id;
    gate_wait(r->context);
    return KCA_DONE;
}

static int both_are_handled(void *argument) {
    consuming *both = argument;
    return described(both[0].system, "consumers", 0, "handled") +
               described(both[1].system, "consumers", 0, "handled") ==
           2;
}

static void fill_two_partitions(const char *topic) {
    topic_create(topic, 2);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, topic, 0, NULL, "a", "{\"id\":0}");
    raw_write(w, topic, 1, NULL, "b", "{\"id\":1}");
    raw_writer_close(w);
}

static void test_a_handler_that_holds_up_a_rebalance_too_long_no_longer_counts(void **state) {
    (void)state;
    static gate hold = GATE_CLOSED; /* a thread that is left over must not find another's */
    const char *topic = unique("stuck"), *group = unique("group");
    fill_two_partitions(topic);
    consuming both[2];
    for (int i = 0; i < 2; i++) {
        kca_consumer_builder *b = short_session(topic, group);
        kca_consumer_builder_with_rebalance_timeout_ms(b, 2000);
        both[i] = consume(topic, group, b);
        kca_consumer_with_amount_of_processors(both[i].consumer, 4);
        both[i].recorder->behave = i ? NULL : first_time_waits;
        both[i].recorder->context = &hold;
    }
    runner runs[2];
    runner_start(&runs[0], both[0].consumer);
    must_wait_at(&hold, 2, COME_MS);
    runner_start(&runs[1], both[1].consumer);
    must_be_handled(both[1].recorder, 1, COME_MS); /* its partition has been taken away */
    gate_open(&hold);
    must_become(both_are_handled, both, COME_MS, "each is handled once");
    runner_stop(&runs[0]);
    runner_stop(&runs[1]);
    assert_int_equal(times_seen(both[0].recorder, both[1].recorder->all[0].id), 1);
    assert_true(both_are_handled(both));
    assert_int_equal(group_committed_sum(group, topic, 2), 2);
    end(&both[0]);
    end(&both[1]);
}

static int is_later(void *argument) {
    return now_ms() >= *(int64_t *)argument;
}

static void test_a_handler_slower_than_the_poll_interval_keeps_its_partition(void **state) {
    (void)state;
    static gate hold = GATE_CLOSED;
    const char *topic = unique("slow"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 1, 1);
    kca_consumer_builder *b = short_session(topic, group);
    kca_consumer_builder_with_rebalance_timeout_ms(b, 2000);
    consuming c = consume(topic, group, b);
    c.recorder->behave = first_time_waits;
    c.recorder->context = &hold;
    runner r;
    runner_start(&r, c.consumer);
    must_wait_at(&hold, 1, COME_MS);
    int64_t then = now_ms() + 4000; /* past rebalance_timeout and session_timeout */
    must_become(is_later, &then, 5000, "later");
    gate_open(&hold);
    must_be_handled(c.recorder, 1, COME_MS);
    runner_stop(&r);
    assert_int_equal(came(c.recorder), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    assert_int_equal(group_committed(group, topic, 0), 1);
    end(&c);
}

/* ---- the broker dies: fault 8 of Gomes ---- */

static void test_a_broker_that_crashes_costs_nothing_and_gives_no_empty_message(void **state) {
    (void)state;
    const char *topic = unique("hiccup"), *group = unique("group");
    topic_create(topic, PARTITIONS);
    consuming c = consume(topic, group, short_session(topic, group));
    topic_fill(topic, -1, 500, 40);
    runner r;
    runner_start(&r, c.consumer);
    must_be_handled(c.recorder, 500, COME_MS);
    cluster_do("kill");
    cluster_do("restart-node");
    raw_writer *w = raw_writer_open(NULL);
    for (int id = 500; id < 1000; id++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(w, topic, -1, NULL, value, value);
    }
    raw_writer_close(w);
    for (int64_t stop = now_ms() + COME_MS; missing_of(c.recorder, 1000) && now_ms() < stop;)
        must_come(c.recorder, 501, COME_MS);
    runner_stop(&r);
    assert_int_equal(missing_of(c.recorder, 1000), 0);
    assert_int_equal(times_seen(c.recorder, -1), 0);
    end(&c);
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "consume") == 0)
        return consume_until_killed(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_that_is_killed_skips_nothing),
        cmocka_unit_test(test_consumers_that_join_and_leave_lose_nothing_and_repeat_little),
        cmocka_unit_test(test_a_handler_that_holds_up_a_rebalance_too_long_no_longer_counts),
        cmocka_unit_test(test_a_handler_slower_than_the_poll_interval_keeps_its_partition),
        cmocka_unit_test(test_a_broker_that_crashes_costs_nothing_and_gives_no_empty_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
