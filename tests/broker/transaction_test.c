/* Exactly once: consume, publish and commit in one transaction. What read_committed readers see is
 * counted. */
#include "consuming.h"
#include "proxy.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PARTITIONS = 3, PROCESSORS = 4, MOST = 4000 };

/* ---- a pipeline: what comes from a partition of `in` goes to the next one of `out`, with the same
 * id and key ---- */

typedef struct pipeline {
    consuming c;
    kca_bus *bus;
} pipeline;

static int next_of(int partition) {
    return (partition + 1) % PARTITIONS;
}

static kca_error *pass_on(kca_bus *bus, kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    kca_message *copy;
    kca_error *e = kca_message_new(&copy, "result");
    if (e)
        return e;
    kca_message_set_payload(copy, kca_message_payload(m), kca_message_payload_len(m));
    kca_message_set_key(copy, kca_message_key(m), kca_message_key_len(m));
    kca_message_set_partition(copy, next_of(kca_delivery_partition(d)));
    e = kca_delivery_publish(d, bus, copy);
    kca_message_free(copy);
    return e;
}

static int pass_it_on(recorder *r, kca_delivery *d, int id) {
    (void)id;
    kca_error *e = pass_on(r->context, d);
    int verdict = e ? KCA_FAILED : KCA_DONE; /* a zombie's deliveries no longer count */
    kca_error_free(e);
    return verdict;
}

/* Hooks of the next pipeline; NULL: none. */
static kca_hook_fn hook_before, hook_after;

static pipeline open_pipeline_at(const char *hosts, const char *in, const char *out,
                                 const char *group, const char *id, int transaction_timeout_ms) {
    pipeline p = {.c = {system_on(hosts), NULL, recorder_new(), in, group}};
    kca_consumer_builder *b = short_session(in, group);
    kca_consumer_builder_with_commit_interval_ms(b, 50);
    kca_consumer_builder_with_transactional_id(b, id);
    kca_consumer_builder_with_transaction_timeout_ms(b, transaction_timeout_ms);
    give_consumer(p.c.system, b);
    give_publisher(p.c.system, publisher_of(out));
    record(p.c.system, "thing", p.c.recorder);
    if (hook_before)
        must(kca_system_add_publish_hook(p.c.system, hook_before, hook_after, NULL, NULL));
    hook_before = hook_after = NULL;
    start(p.c.system);
    p.c.consumer = reader_of(p.c.system, group);
    p.bus = bus_of(p.c.system, out);
    kca_consumer_with_amount_of_processors(p.c.consumer, PROCESSORS);
    p.c.recorder->behave = pass_it_on;
    p.c.recorder->context = p.bus;
    return p;
}

static pipeline open_pipeline(const char *in, const char *out, const char *group, const char *id,
                              int transaction_timeout_ms) {
    return open_pipeline_at(listener("PLAINTEXT"), in, out, group, id, transaction_timeout_ms);
}

static void close_pipeline(pipeline *p) {
    kca_bus_free(p->bus);
    end(&p->c);
}

/* ---- a pipeline of batches ---- */

typedef struct batch_pipeline {
    kca_system *system;
    kca_consumer *consumer;
    kca_bus *bus;
    atomic_int calls;
} batch_pipeline;

/* Now and then one of them fails by itself, or all of them together. */
static int pass_batch_on(kca_delivery *const *all, int count, void *user) {
    batch_pipeline *p = user;
    int call = atomic_fetch_add(&p->calls, 1);
    for (int i = 0; i < count; i++) {
        kca_error *e = pass_on(p->bus, all[i]);
        kca_error_free(e); /* it no longer counts */
    }
    if (call % 5 == 1)
        kca_error_free(kca_delivery_settle(all[count / 2], KCA_FAILED));
    return call % 7 == 2 ? KCA_FAILED : KCA_DONE;
}

static void open_batch_pipeline(batch_pipeline *p, const char *in, const char *out,
                                const char *group) {
    *p = (batch_pipeline){.system = system_on(listener("PLAINTEXT"))};
    kca_consumer_builder *b = short_session(in, group);
    kca_consumer_builder_with_commit_interval_ms(b, 50);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_consumer_builder_with_max_attempts(b, 0);
    kca_consumer_builder_with_retry_backoff_ms(b, 10);
    give_consumer(p->system, b);
    give_publisher(p->system, publisher_of(out));
    must(kca_system_add_batch_handler(p->system, "thing", 100, 50, pass_batch_on, p, NULL));
    start(p->system);
    p->bus = bus_of(p->system, out);
    p->consumer = reader_of(p->system, group);
    kca_consumer_with_amount_of_processors(p->consumer, PROCESSORS);
}

/* ---- what came out ---- */

typedef struct outcome {
    int count, missing, repeated, disorder;
} outcome;

/* Reads as read_committed readers do. */
static outcome come_out(const char *topic, int wanted) {
    static int times[MOST], last[100];
    outcome o = {0};
    int count;
    raw_record *all = topic_read(&count, topic, PARTITIONS);
    memset(times, 0, sizeof times);
    memset(last, -1, sizeof last);
    for (int i = 0; i < count; i++) {
        int id, key;
        assert_int_equal(sscanf(all[i].value, "{\"id\":%d", &id), 1);
        assert_int_equal(sscanf(all[i].key, "k%d", &key), 1);
        assert_in_range(id, 0, wanted - 1);
        times[id]++;
        o.disorder += id <= last[key];
        last[key] = id;
    }
    o.count = count;
    for (int id = 0; id < wanted; id++) {
        o.missing += times[id] == 0;
        o.repeated += times[id] > 1;
    }
    records_free(all, count);
    return o;
}

typedef struct wish {
    const char *in, *out, *group;
    int count;
} wish;

static int all_is_committed(void *argument) {
    const wish *w = argument;
    return group_committed_sum(w->group, w->in, PARTITIONS) == topic_count(w->in, PARTITIONS);
}

/* Nothing less than was wanted; more is for who asks what came out. */
static int is_out(void *argument) {
    const wish *w = argument;
    return come_out(w->out, w->count).count >= w->count;
}

/* A transaction's end reaches the offsets' partition and the results' one after the other. */
static void must_have_come_out_once(const wish *w) {
    must_become(all_is_committed, (void *)(uintptr_t)w, COME_MS, "all is committed");
    wait_until(is_out, (void *)(uintptr_t)w, COME_MS);
    outcome o = come_out(w->out, w->count);
    if (o.missing || o.repeated || o.disorder || o.count != w->count)
        fail_msg("%d of %d came out: %d missing, %d repeated, %d in disorder", o.count, w->count,
                 o.missing, o.repeated, o.disorder);
}

static wish new_wish(const char *what, int count) {
    wish w = {unique(what), unique("out"), unique("group"), count};
    topic_create(w.in, PARTITIONS);
    topic_create(w.out, PARTITIONS);
    topic_fill(w.in, -1, count, 40);
    return w;
}

/* ---- the process that is killed or stopped ---- */

static int pass_on_slowly(recorder *r, kca_delivery *d, int id) {
    struct timespec work = {0, id % 50 == 0 ? 20000000 : 300000};
    nanosleep(&work, NULL);
    int verdict = pass_it_on(r, d, id);
    return write(STDOUT_FILENO, &id, sizeof id) == sizeof id ? verdict : KCA_FAILED;
}

static int run_pipeline(char **arguments) {
    pipeline p =
        open_pipeline(arguments[0], arguments[1], arguments[2], arguments[3], atoi(arguments[4]));
    p.c.recorder->behave = pass_on_slowly;
    kca_error *e = kca_consumer_run(p.c.consumer);
    fprintf(stderr, "run ended: %s\n", kca_error_text(e));
    _exit(kca_error_fatal(e) ? 3 : 1); /* as it dies, it frees nothing */
}

static pid_t spawn_pipeline(const wish *w, const char *id, const char *timeout_ms, int *out_fd) {
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const char *arguments[] = {"pipeline", "run", w->in, w->out, w->group, id, timeout_ms, NULL};
    assert_int_equal(
        posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char **)(uintptr_t)arguments, environ),
        0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out_fd = ends[0];
    return pid;
}

static void must_handle(int fd, int count) {
    for (int id, n = 0; n < count; n++)
        assert_int_equal(read(fd, &id, sizeof id), sizeof id);
}

/* ---- tests ---- */

static void must_lie_in_the_next_partitions(const wish *w) {
    int count, counts[PARTITIONS] = {0};
    raw_record *all = topic_read(&count, w->out, PARTITIONS);
    for (int i = 0; i < count; i++)
        counts[all[i].partition]++;
    records_free(all, count);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(counts[next_of(i)], topic_end(w->in, i));
}

static void test_a_pipeline_of_several_processors_passes_all_on_once_and_in_order(void **state) {
    wish w = new_wish("once", 3000);
    pipeline p = open_pipeline(w.in, w.out, w.group, unique("id"), 10000);
    runner r;
    runner_start(&r, p.c.consumer);
    must_have_come_out_once(&w);
    must_lie_in_the_next_partitions(&w);
    runner_stop(&r);
    close_pipeline(&p);
}

static void test_batches_pass_all_on_once_and_in_order(void **state) {
    wish w = new_wish("batches", 3000);
    batch_pipeline p;
    open_batch_pipeline(&p, w.in, w.out, w.group);
    runner r;
    runner_start(&r, p.consumer);
    must_have_come_out_once(&w);
    must_lie_in_the_next_partitions(&w);
    runner_stop(&r);
    kca_bus_free(p.bus);
    kca_consumer_free(p.consumer);
    finish(p.system);
}

static void test_a_process_that_is_killed_passes_nothing_on_twice(void **state) {
    wish w = new_wish("killed", 3000);
    const char *id = unique("id");
    int fd;
    for (int kills = 0; kills < 3; kills++) {
        pid_t pid = spawn_pipeline(&w, id, "10000", &fd);
        must_handle(fd, 150 + kills * 100);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(fd);
    }
    pipeline p = open_pipeline(w.in, w.out, w.group, id, 10000);
    runner r;
    runner_start(&r, p.c.consumer);
    must_have_come_out_once(&w);
    runner_stop(&r);
    close_pipeline(&p);
}

static int id_of(const kca_hooked *h) {
    int64_t id = -1;
    kca_error_free(kca_message_json_int64(kca_hooked_message(h), "/id", &id));
    return (int)id;
}

static int drop_each_third(kca_hooked *h, void *user) {
    kca_message_set_header(kca_hooked_change(h), "seen", "1");
    return !kca_hooked_delivery(h) ? KCA_FAILED : id_of(h) % 3 == 0 ? KCA_DROP : KCA_GO_ON;
}

static int fail_each_third(kca_hooked *h, void *user) {
    return id_of(h) % 3 == 1 ? KCA_FAILED : KCA_GO_ON;
}

/* It takes no notice of a hook that fails. */
static int pass_it_on_or_not(recorder *r, kca_delivery *d, int id) {
    kca_error *e = pass_on(r->context, d);
    bool as_wanted = kca_error_code(e) == (id % 3 == 1 ? KCA_ERROR_HOOK : KCA_OK);
    kca_error_free(e);
    return as_wanted ? KCA_DONE : KCA_FAILED;
}

static int a_third_is_out(void *argument) {
    const wish *w = argument;
    return come_out(w->out, w->count).count >= w->count / 3;
}

static void test_what_a_hook_drops_or_fails_does_not_come_out(void **state) {
    wish w = new_wish("hooked", 30);
    hook_before = drop_each_third;
    hook_after = fail_each_third;
    pipeline p = open_pipeline(w.in, w.out, w.group, unique("id"), 10000);
    p.c.recorder->behave = pass_it_on_or_not;
    runner r;
    runner_start(&r, p.c.consumer);
    must_become(all_is_committed, &w, COME_MS, "all is committed");
    must_become(a_third_is_out, &w, COME_MS, "the results are out");
    runner_stop(&r);
    close_pipeline(&p);
    outcome o = come_out(w.out, w.count);
    assert_int_equal(o.count, 10);
    assert_int_equal(o.repeated, 0);
}

typedef struct ended {
    pid_t pid;
    int status;
} ended;

static int has_ended_now(void *argument) {
    ended *e = argument;
    return waitpid(e->pid, &e->status, WNOHANG) == e->pid;
}

static int has_ended(ended *e) {
    return wait_until(has_ended_now, e, 500);
}

static void write_more(wish *w) {
    raw_writer *writer = raw_writer_open(NULL);
    if (w->count + 100 > MOST)
        fail_msg("the zombie goes on");
    for (int id = w->count; id < w->count + 100; id++) {
        char key[20], value[40];
        snprintf(key, sizeof key, "k%d", id % 40);
        snprintf(value, sizeof value, "{\"id\":%d}", id);
        raw_write(writer, w->in, -1, NULL, key, value);
    }
    raw_writer_close(writer);
    w->count += 100;
}

/* A zombie: it was taken for dead, its successor has its id, and then it wakes up. */
static void test_a_zombie_is_fenced_and_passes_nothing_on(void **state) {
    wish w = new_wish("zombie", 2000);
    const char *id = unique("id");
    int fd;
    pid_t pid = spawn_pipeline(&w, id, "60000", &fd);
    must_handle(fd, 200);
    kill(pid, SIGSTOP);
    pipeline p = open_pipeline(w.in, w.out, w.group, id, 60000);
    runner r;
    runner_start(&r, p.c.consumer);
    must_become(all_is_committed, &w, COME_MS, "all is committed");
    kill(pid, SIGCONT);
    ended zombie = {pid, 0};
    while (!has_ended(&zombie)) /* it joins again, and commits */
        write_more(&w);
    assert_true(WIFEXITED(zombie.status));
    assert_int_equal(WEXITSTATUS(zombie.status), 3); /* with a fatal error */
    close(fd);
    must_have_come_out_once(&w);
    runner_stop(&r);
    close_pipeline(&p);
}

/* Publishes, and fails all the same: at first, or for good. */
static int fail_after_publishing(recorder *r, kca_delivery *d, int id) {
    pass_it_on(r, d, id);
    if (id % 100 == 7 && kca_delivery_attempt(d) < 3)
        return KCA_FAILED;
    return KCA_DONE;
}

static void test_what_a_failed_attempt_published_does_not_come_out(void **state) {
    wish w = new_wish("failed", 500);
    pipeline p = {.c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), w.in, w.group}};
    kca_consumer_builder *b = consumer_of(w.in, w.group);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_consumer_builder_with_max_attempts(b, 3);
    kca_consumer_builder_with_retry_backoff_ms(b, 10);
    give_consumer(p.c.system, b);
    give_publisher(p.c.system, publisher_of(w.out));
    record(p.c.system, "thing", p.c.recorder);
    start(p.c.system);
    p.c.consumer = reader_of(p.c.system, w.group);
    p.bus = bus_of(p.c.system, w.out);
    p.c.recorder->behave = fail_after_publishing;
    p.c.recorder->context = p.bus;
    runner r;
    runner_start(&r, p.c.consumer);
    must_have_come_out_once(&w);
    runner_stop(&r);
    assert_int_equal(described(p.c.system, "consumers", 0, "retried"), 10);
    close_pipeline(&p);
}

static int reject_some(recorder *r, kca_delivery *d, int id) {
    pass_it_on(r, d, id);
    return id % 10 == 0 ? KCA_REJECTED : KCA_DONE;
}

typedef struct contents {
    const char *topic;
    int partitions, count;
} contents;

static int holds(void *argument) {
    const contents *wanted = argument;
    int count;
    raw_record *all = topic_read(&count, wanted->topic, wanted->partitions);
    records_free(all, count);
    return count == wanted->count;
}

/* Waits as must_have_come_out_once does. */
static void must_hold(const char *topic, int partitions, int count) {
    must_become(holds, &(contents){topic, partitions, count}, COME_MS, "all has come out");
}

/* A dead letter goes with its offset: once, and not beside a result. */
static void test_dead_letters_are_part_of_the_transaction(void **state) {
    const char *dead = unique("dead");
    wish w = new_wish("rejected", 300);
    topic_create(dead, 1);
    kca_system *s = system_on(listener("PLAINTEXT"));
    recorder *handled = recorder_new();
    kca_consumer_builder *b = consumer_of(w.in, w.group);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_consumer_builder_with_dead_letter_channel(b, dead);
    give_consumer(s, b);
    give_publisher(s, publisher_of(w.out));
    give_publisher(s, publisher_of(dead));
    record(s, "thing", handled);
    start(s);
    kca_consumer *c = reader_of(s, w.group);
    kca_bus *bus = bus_of(s, w.out);
    handled->behave = reject_some;
    handled->context = bus;
    runner r;
    runner_start(&r, c);
    must_become(all_is_committed, &w, COME_MS, "all is committed");
    runner_stop(&r);
    must_hold(w.out, PARTITIONS, 270);
    must_hold(dead, 1, 30);
    int letters;
    raw_record *all = topic_read(&letters, dead, 1);
    assert_string_equal(record_header(&all[0], "kca-dead-letter-topic"), w.in);
    records_free(all, letters);
    kca_bus_free(bus);
    kca_consumer_free(c);
    finish(s);
    recorder_free(handled);
}

/* Known before it is in a transaction: the policy decides, and what else is done is committed. */
static void test_a_dead_letter_larger_than_batch_bytes_is_left_to_the_policy(void **state) {
    enum { LARGE = 2000 };
    static char value[LARGE + 1];
    const char *in = unique("large"), *dead = unique("dead"), *group = unique("group");
    topic_create(in, 1);
    topic_create(dead, 1);
    int len = snprintf(value, sizeof value, "{\"id\":0,\"text\":\"");
    memset(value + len, 'x', sizeof value - (size_t)len);
    memcpy(value + LARGE - 2, "\"}", 3);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, in, 0, "nobody's", "large", value);
    raw_write(w, in, 0, NULL, "small", "{\"id\":1}");
    raw_writer_close(w);
    kca_consumer_builder *b = consumer_of(in, group);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    kca_consumer_builder_with_dead_letter_channel(b, dead);
    kca_consumer_builder_with_failure_policy(b, "skip");
    kca_publisher_builder *letters = publisher_of(dead);
    kca_publisher_builder_with_batch_bytes(letters, LARGE / 2);
    consuming c = consume_beside(letters, in, group, b);
    kca_queue *q = queue_of(c.system);
    runner r;
    runner_start(&r, c.consumer);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "larger than batch_bytes");
    kca_event_free(fault);
    must_be_handled(c.recorder, 1, COME_MS);
    must_commit(group, in, 0, 2);
    runner_stop(&r);
    assert_int_equal(described(c.system, "consumers", 0, "skipped"), 1);
    assert_int_equal(topic_end(dead, 0), 0);
    kca_queue_free(q);
    end(&c);
}

typedef struct barrier {
    kca_bus *bus;
    atomic_bool reached, open;
} barrier;

static int is_reached(void *argument) {
    return atomic_load(&((barrier *)argument)->reached);
}

/* Its first delivery waits at it. */
static int pass_on_behind_barrier(recorder *r, kca_delivery *d, int id) {
    barrier *g = r->context;
    if (id == 0 && !atomic_load(&g->open)) {
        const struct timespec pause = {0, 1000000};
        atomic_store(&g->reached, true);
        while (!atomic_load(&g->open))
            nanosleep(&pause, NULL);
    }
    kca_error *e = pass_on(g->bus, d);
    int verdict = e ? KCA_FAILED : KCA_DONE;
    kca_error_free(e);
    return verdict;
}

static void must_tell(kca_queue *q, const char *part) {
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), part);
    kca_event_free(fault);
}

/* The cluster cannot be reached for a while: the transaction is aborted, and all comes again. */
static void test_aborted_transactions_cost_nothing_and_repeat_nothing(void **state) {
    wish w = new_wish("aborted", 300);
    proxy *way = proxy_start(listener("PROXY"), listener("PROXIED"));
    pipeline p = open_pipeline_at(listener("PROXIED"), w.in, w.out, w.group, unique("id"), 2000);
    barrier g = {.bus = p.bus};
    p.c.recorder->behave = pass_on_behind_barrier;
    p.c.recorder->context = &g;
    kca_queue *q = queue_of(p.c.system);
    runner r;
    runner_start(&r, p.c.consumer);
    must_become(is_reached, &g, COME_MS, "the first is being handled");
    proxy_refuse(way);
    atomic_store(&g.open, true);
    must_tell(q, "what was in it comes again");
    proxy_pass(way);
    must_have_come_out_once(&w);
    runner_stop(&r);
    kca_queue_free(q);
    close_pipeline(&p);
    proxy_stop(way);
}

/* ---- a time-out is no fence ---- */

static int is_read_past(void *argument) {
    const char *topic = argument;
    int count, marks = 0;
    raw_record *all = topic_read(&count, topic, PARTITIONS);
    for (int i = 0; i < count; i++)
        marks += all[i].value && strcmp(all[i].value, "mark") == 0;
    records_free(all, count);
    return marks == PARTITIONS;
}

/* What comes after an open transaction is not read before the broker has ended it. */
static void must_end_transactions(const char *topic) {
    raw_writer *w = raw_writer_open(NULL);
    for (int partition = 0; partition < PARTITIONS; partition++)
        raw_write(w, topic, partition, NULL, "k0", "mark");
    raw_writer_close(w);
    must_become(is_read_past, (void *)(uintptr_t)topic, 60000, "the open transaction has ended");
}

static void test_a_process_that_was_frozen_past_its_transaction_goes_on(void **state) {
    wish w = {unique("frozen"), unique("out"), unique("group"), 2000};
    topic_create(w.in, PARTITIONS);
    topic_create(w.out, PARTITIONS);
    topic_fill(w.in, -1, w.count, 40);
    int fd;
    ended frozen = {spawn_pipeline(&w, unique("id"), "2000", &fd), 0};
    must_handle(fd, 300);
    kill(frozen.pid, SIGSTOP);
    must_end_transactions(w.out);
    kill(frozen.pid, SIGCONT);
    must_become(all_is_committed, &w, COME_MS, "all is committed");
    assert_false(has_ended_now(&frozen));
    kill(frozen.pid, SIGKILL);
    waitpid(frozen.pid, NULL, 0);
    close(fd);
    must_hold(w.out, PARTITIONS, w.count + PARTITIONS);
}

static void test_a_seek_back_passes_on_again_what_it_went_back_over(void **state) {
    wish w = new_wish("seek", 300);
    pipeline p = open_pipeline(w.in, w.out, w.group, unique("id"), 10000);
    runner r;
    runner_start(&r, p.c.consumer);
    must_have_come_out_once(&w);
    must(kca_consumer_seek(p.c.consumer, w.in, 0, KCA_OFFSET_BEGINNING, COME_MS));
    must_become(all_is_committed, &w, COME_MS, "all is committed again");
    runner_stop(&r);
    must_hold(w.out, PARTITIONS, w.count + (int)topic_end(w.in, 0));
    outcome o = come_out(w.out, w.count);
    assert_int_equal(o.missing, 0);
    assert_int_equal(o.repeated, topic_end(w.in, 0));
    close_pipeline(&p);
}

static void test_what_is_published_elsewhere_or_too_late_is_refused(void **state) {
    const char *topic = unique("refused"), *group = unique("group");
    topic_create(topic, 1);
    topic_fill(topic, 0, 1, 1);
    consuming plain = consume(topic, group, NULL);
    kca_queue *q;
    must(kca_consumer_queue(plain.consumer, &q));
    kca_event *event = next_event(q, KCA_EVENT_DELIVERY, COME_MS);
    assert_non_null(event);
    kca_system *other = system_on(listener("PLAINTEXT"));
    give_publisher(other, publisher_of("elsewhere"));
    kca_bus *bus = bus_of(other, "elsewhere");
    kca_message *m = thing("{}", "k");
    must_fail(kca_delivery_publish(kca_event_delivery(event), bus, m), KCA_ERROR_STATE,
              "transactional_id");
    must(kca_delivery_settle(kca_event_delivery(event), KCA_DONE));
    kca_event_free(event);
    kca_message_free(m);
    kca_bus_free(bus);
    kca_queue_free(q);
    kca_system_free(other);
    end(&plain);
}

int main(int argc, char **argv) {
    if (argc == 7 && strcmp(argv[1], "run") == 0)
        return run_pipeline(argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pipeline_of_several_processors_passes_all_on_once_and_in_order),
        cmocka_unit_test(test_batches_pass_all_on_once_and_in_order),
        cmocka_unit_test(test_a_process_that_is_killed_passes_nothing_on_twice),
        cmocka_unit_test(test_what_a_hook_drops_or_fails_does_not_come_out),
        cmocka_unit_test(test_a_zombie_is_fenced_and_passes_nothing_on),
        cmocka_unit_test(test_what_a_failed_attempt_published_does_not_come_out),
        cmocka_unit_test(test_dead_letters_are_part_of_the_transaction),
        cmocka_unit_test(test_a_dead_letter_larger_than_batch_bytes_is_left_to_the_policy),
        cmocka_unit_test(test_aborted_transactions_cost_nothing_and_repeat_nothing),
        cmocka_unit_test(test_a_process_that_was_frozen_past_its_transaction_goes_on),
        cmocka_unit_test(test_a_seek_back_passes_on_again_what_it_went_back_over),
        cmocka_unit_test(test_what_is_published_elsewhere_or_too_late_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
