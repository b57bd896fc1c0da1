/* Consumers and brokers that die: nothing is skipped. */
#include "consuming.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { COUNT = 3000, PARTITIONS = 4 };

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

/* ---- the same with a retry channel: a third of the ids fail at first ---- */

static consuming consume_retrying(const char *topic, const char *group, const char *channel) {
    kca_consumer_builder *b = short_session(topic, group);
    kca_consumer_builder_with_retry_channel(b, channel);
    kca_consumer_builder_with_retry_backoff_ms(b, 1);
    return consume_beside(publisher_of(channel), topic, group, b);
}

static bool fails(const kca_delivery *d, int id) {
    return id % 3 == 0 && kca_delivery_attempt(d) == 1;
}

static int fail_or_tell(recorder *r, kca_delivery *d, int id) {
    return fails(d, id) ? KCA_FAILED : take_a_while_and_tell(r, d, id);
}

static int retry_until_killed(const char *topic, const char *group, const char *channel) {
    consuming c = consume_retrying(topic, group, channel);
    c.recorder->behave = fail_or_tell;
    kca_consumer_with_amount_of_processors(c.consumer, 4);
    kca_error *e = kca_consumer_run(c.consumer);
    fprintf(stderr, "run ended: %s\n", kca_error_text(e));
    return 1;
}

/* `channel`: for retries; NULL: none. */
static pid_t spawn_consumer(const char *topic, const char *group, const char *channel,
                            int *out_fd) {
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char *const arguments[] = {"consumer",
                               "consume",
                               (char *)(uintptr_t)topic,
                               (char *)(uintptr_t)group,
                               (char *)(uintptr_t)channel,
                               NULL};
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
    const char *topic = unique("killed"), *group = unique("group");
    char *handled = calloc(COUNT, 1);
    topic_create(topic, PARTITIONS);
    topic_fill(topic, -1, COUNT, 40);
    int fd;
    pid_t pid = spawn_consumer(topic, group, NULL, &fd);
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

typedef struct account {
    atomic_int left;
    char done[COUNT];
} account;

/* Its context: the account. On the one processor. */
static int fail_or_note(recorder *r, kca_delivery *d, int id) {
    account *a = r->context;
    if (fails(d, id))
        return KCA_FAILED;
    if (!a->done[id])
        atomic_fetch_sub(&a->left, 1);
    a->done[id] = 1;
    return KCA_DONE;
}

static int nothing_is_left(void *argument) {
    return atomic_load(&((account *)argument)->left) == 0;
}

static void test_a_process_that_is_killed_loses_nothing_on_its_way_through_a_retry_channel(
    void **state) {
    const char *topic = unique("killed"), *group = unique("group"), *channel = unique("retry");
    account *a = calloc(1, sizeof *a);
    topic_create(topic, PARTITIONS);
    topic_create(channel, PARTITIONS);
    topic_fill(topic, -1, COUNT, 40);
    int fd;
    pid_t pid = spawn_consumer(topic, group, channel, &fd);
    assert_int_equal(note_handled(a->done, fd, COUNT / 3), COUNT / 3);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    note_handled(a->done, fd, COUNT);
    close(fd);
    for (int id = 0; id < COUNT; id++)
        atomic_fetch_add(&a->left, !a->done[id]);

    consuming c = consume_retrying(topic, group, channel);
    c.recorder->behave = fail_or_note;
    c.recorder->context = a;
    runner r;
    runner_start(&r, c.consumer);
    must_become(nothing_is_left, a, COME_MS, "all done");
    runner_stop(&r);
    end(&c);
    free(a);
}

/* ---- the broker dies: fault 8 of Gomes ---- */

static void test_a_broker_that_crashes_costs_nothing_and_gives_no_empty_message(void **state) {
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
    if (argc >= 4 && strcmp(argv[1], "consume") == 0)
        return argc == 4 ? consume_until_killed(argv[2], argv[3])
                         : retry_until_killed(argv[2], argv[3], argv[4]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_that_is_killed_skips_nothing),
        cmocka_unit_test(
            test_a_process_that_is_killed_loses_nothing_on_its_way_through_a_retry_channel),
        cmocka_unit_test(test_a_broker_that_crashes_costs_nothing_and_gives_no_empty_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
