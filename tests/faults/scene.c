#include "scene.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long ago a member may have committed last: the interval, and the broker's answer to it. */
enum { LAST_COMMIT_MS = 3 * SCENE_COMMIT_MS };

static scene *current; /* for scene_abandon */

/* The high bits: the low ones come round too soon. */
int chance_below(unsigned *chance, int below) {
    return (int)((uint64_t)rand_r(chance) * (uint64_t)below / ((uint64_t)RAND_MAX + 1));
}

int scene_random(scene *s, int below) {
    return chance_below(&s->chance, below);
}

/* ---- processes ---- */

/* Starts a worker; gives its number. */
static int start_process(scene *s, const char *role, int seat, arguments *a) {
    assert_true(s->process_count < SCENE_PROCESSES);
    int number = s->process_count++;
    s->processes[number].seat = seat;
    arguments_add(a, "hosts=%s", listener(s->wish.through_proxy ? "PROXY" : "PLAINTEXT"));
    arguments_add(a, "topic=%s", s->topic);
    arguments_add(a, "storm=%d", s->wish.storm);
    arguments_add(a, "seed=%u", s->seed + (unsigned)number);
    process_start(&s->processes[number], s->directory, role, number, a);
    return number;
}

static void read_ledgers(scene *s) {
    for (int i = 0; i < s->process_count; i++)
        ledger_read(&s->processes[i].ledger, s->checker);
}

void scene_look(scene *s) {
    read_ledgers(s);
    for (int i = 0; i < s->process_count; i++)
        process_must_run(&s->processes[i]);
}

/* While something is wrong, it cannot always commit. */
static void end_process(scene *s, int number) {
    process_end(&s->processes[number], s->fault_ms != 0, SCENE_END_MS);
    read_ledgers(s);
}

static void kill_process(scene *s, int number) {
    scene_look(s);
    process_kill(&s->processes[number]);
    read_ledgers(s);
}

static int queue_of_member(const scene *s) {
    return s->wish.queue ? s->wish.queue : SCENE_QUEUE;
}

/* ---- the account of what may come twice ---- */

/* Partitions change hands: what was handled beyond a frontier comes again. */
static void expect_rebalance(scene *s) {
    s->rebalances++;
}

/* What the member (-1: what any) handles within this time may not be committed. */
static void expect_blind(scene *s, int member, int ms) {
    assert_true(s->blind_count < 64);
    s->blind[s->blind_count].process = member;
    s->blind[s->blind_count++].ms = ms;
    expect_rebalance(s);
}

static int most_repeated(scene *s) {
    if (s->wish.passes_on) /* aborted transactions: their results do not count */
        return INT_MAX;
    int most = s->rebalances * s->most_members * queue_of_member(s);
    for (int i = 0; i < s->blind_count; i++)
        most += checker_most_within(s->checker, s->blind[i].process, s->blind[i].ms);
    return most;
}

/* ---- publisher ---- */

static void publish(scene *s, const char *verb) {
    arguments a = {0};
    arguments_add(&a, "worker");
    arguments_add(&a, "%s", verb);
    arguments_add(&a, "from=%d", checker_next_id(s->checker));
    if (s->wish.keys)
        arguments_add(&a, "keys=%d", s->wish.keys);
    if (s->replies)
        arguments_add(&a, "replies=%s", s->replies);
    if (strcmp(verb, "ask") == 0)
        arguments_add(&a, "a_second=%d", SCENE_ASKS_A_SECOND);
    s->publisher = start_process(s, "publisher", -1, &a);
}

void scene_publish(scene *s) {
    publish(s, "publish");
}

void scene_ask(scene *s) {
    s->asker.from = checker_next_id(s->checker);
    publish(s, "ask");
    s->asker.process = s->publisher;
}

void scene_kill_publisher(scene *s) {
    kill_process(s, s->publisher);
    s->publisher = -1;
}

/* ---- members ---- */

static void add_ends(const scene *s, int seat, arguments *a) {
    if (s->dead) {
        arguments_add(a, "dead=%s", s->dead);
        arguments_add(a, "fates=%u", s->fates);
        arguments_add(a, "processing_ms=%d", s->wish.passes_on ? 0 : SCENE_PROCESSING_MS);
    }
    if (s->replies)
        arguments_add(a, "replies=%s", s->replies);
    if (s->results) {
        arguments_add(a, "results=%s", s->results);
        arguments_add(a, "transactional_id=%s-%d", s->group, seat);
    }
}

static int start_member(scene *s, int seat) {
    arguments a = {0};
    a.old_library = s->old_library;
    arguments_add(&a, "worker");
    arguments_add(&a, "consume");
    arguments_add(&a, "group=%s", s->group);
    arguments_add(&a, "queue=%d", queue_of_member(s));
    arguments_add(&a, "commit_ms=%d", SCENE_COMMIT_MS);
    arguments_add(&a, "session_ms=%d", SCENE_SESSION_MS);
    if (s->wish.strategy)
        arguments_add(&a, "strategy=%s", s->wish.strategy);
    else if (s->wish.protocol || is_dealt_by_broker())
        arguments_add(&a, "protocol=%s", s->wish.protocol ? s->wish.protocol : "consumer");
    if (s->wish.static_members)
        arguments_add(&a, "instance=%s-%d", s->group, seat);
    add_ends(s, seat, &a);
    expect_rebalance(s);
    return start_process(s, "member", seat, &a);
}

int scene_join(scene *s) {
    if (++s->members > s->most_members)
        s->most_members = s->members;
    return start_member(s, s->process_count);
}

int scene_rejoin(scene *s, int member) {
    s->members++;
    return start_member(s, s->processes[member].seat);
}

void scene_leave(scene *s, int member) {
    if (s->fault_ms)
        expect_blind(s, member, LAST_COMMIT_MS);
    else
        expect_rebalance(s);
    end_process(s, member);
    s->members--;
}

void scene_kill(scene *s, int member) {
    expect_blind(s, member, LAST_COMMIT_MS);
    kill_process(s, member);
    s->members--;
}

void scene_freeze(scene *s, int member) {
    expect_blind(s, member, LAST_COMMIT_MS);
    kill(s->processes[member].pid, SIGSTOP);
}

void scene_thaw(scene *s, int member) {
    expect_rebalance(s);
    kill(s->processes[member].pid, SIGCONT);
}

/* ---- conditions ---- */

typedef struct goal {
    scene *scene;
    int process; /* -1: all */
    int count;
    int64_t time_ms;
} goal;

static int is_handled(void *argument) {
    const goal *g = argument;
    scene_look(g->scene);
    return checker_deliveries(g->scene->checker, g->process) >= g->count;
}

void must_handle_by(scene *s, int member, int more) {
    scene_look(s);
    goal g = {s, member, checker_deliveries(s->checker, member) + more, 0};
    if (wait_until(is_handled, &g, SCENE_PATIENCE_MS))
        return;
    for (int i = 0; i < s->process_count; i++)
        process_show_log(&s->processes[i]);
    fail_msg("%d of %d deliveries came within %d ms",
             checker_deliveries(s->checker, member) - g.count + more, more, SCENE_PATIENCE_MS);
}

void must_handle(scene *s, int more) {
    must_handle_by(s, -1, more);
}

static int is_confirmed(void *argument) {
    const goal *g = argument;
    scene_look(g->scene);
    return checker_published(g->scene->checker) >= g->count;
}

void must_confirm(scene *s, int more) {
    scene_look(s);
    goal g = {s, -1, checker_published(s->checker) + more, 0};
    must_become(is_confirmed, &g, SCENE_PATIENCE_MS, "messages are confirmed");
}

static int is_time(void *argument) {
    const goal *g = argument;
    scene_look(g->scene);
    return now_ms() >= g->time_ms;
}

void go_on_for(scene *s, int ms) {
    goal g = {s, -1, 0, now_ms() + ms};
    must_become(is_time, &g, ms + SCENE_PATIENCE_MS, "time passes");
}

/* ---- faults ---- */

void fault_begins(scene *s) {
    scene_look(s);
    s->fault_ms = now_ms();
}

void fault_ends(scene *s) {
    must_be_in_sync(s->topic, SCENE_PARTITIONS);
    if (s->dead)
        must_be_in_sync(s->dead, SCENE_END_PARTITIONS);
    if (s->results)
        must_be_in_sync(s->results, SCENE_END_PARTITIONS);
    if (s->replies)
        must_be_in_sync(s->replies, SCENE_END_PARTITIONS);
    expect_blind(s, -1, (int)(now_ms() - s->fault_ms) + SCENE_COMMIT_MS + SCENE_SESSION_MS);
    s->fault_ms = 0;
    must_have_ended_unseen(s);
}

/* ---- beginning and end ---- */

static void remove_directory(const scene *s) {
    for (int i = 0; i < s->process_count; i++)
        process_remove_files(&s->processes[i]);
    rmdir(s->directory);
}

static void free_scene(scene *s) {
    for (int i = 0; i < s->process_count; i++)
        ledger_close(&s->processes[i].ledger);
    if (s->proxy)
        proxy_stop(s->proxy);
    checker_free(s->checker);
    free(s);
    current = NULL;
}

scene *scene_open(const char *name, scene_wish wish, unsigned seed) {
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    *s = (scene){.name = name,
                 .wish = wish,
                 .seed = seed,
                 .chance = seed,
                 .fates = wish.dead_letters ? seed | 1 : 0,
                 .publisher = -1,
                 .asker = {.process = -1}};
    current = s;
    s->checker = checker_new();
    s->begin_ms = now_ms();
    print_message("faults %s: KCA_SEED=%u\n", name, seed);
    nodes_heal();
    s->topic = unique(name);
    s->group = unique("group");
    snprintf(s->directory, sizeof s->directory, "%s/%s", KCA_TEST_SCRATCH, s->topic);
    assert_int_equal(mkdir(s->directory, 0755), 0);
    topic_create(s->topic, SCENE_PARTITIONS);
    must_be_in_sync(s->topic, SCENE_PARTITIONS);
    scene_create_ends(s);
    if (wish.through_proxy)
        s->proxy = proxy_start(listener("PROXY"), listener("PROXIED"));
    return s;
}

void scene_abandon(void) {
    if (!current)
        return;
    for (int i = 0; i < current->process_count; i++)
        process_kill(&current->processes[i]);
    free_scene(current);
    nodes_heal();
}

static int all_is_committed(void *argument) {
    scene *s = argument;
    scene_look(s);
    return group_committed_sum(s->group, s->topic, SCENE_PARTITIONS) ==
           topic_count(s->topic, SCENE_PARTITIONS);
}

/* A broker has said, while leaders moved, that a member's place is out of range, and librdkafka has
 * gone back to the beginning: all of the partition comes again there, in its order, but after what
 * the member had before. */
static bool went_back(const scene *s) {
    for (int i = 0; i < s->process_count; i++)
        if (process_log_has(&s->processes[i], "offset reset (at offset"))
            return true;
    return false;
}

static void give_account(scene *s, bool committed) {
    char line[400];
    account a = checker_account(s->checker);
    int most = most_repeated(s);
    account_print(line, sizeof line, &a);
    print_message("faults %s: KCA_SEED=%u, %d s: %s; at most %d repeated\n", s->name, s->seed,
                  (int)(now_ms() - s->begin_ms) / 1000, line, most);
    if (a.disorder > 0 && went_back(s)) {
        print_message("faults %s: a broker has sent a member back to the beginning\n", s->name);
        a.disorder = 0;
    }
    if (!account_is_good(&a, most))
        fail_msg("%s: the account is wrong; ledgers and logs are in %s", s->name, s->directory);
    if (!committed)
        fail_msg("%s: not all is committed; ledgers and logs are in %s", s->name, s->directory);
}

void scene_close(scene *s) {
    assert_int_equal(s->fault_ms, 0);
    if (s->publisher >= 0)
        end_process(s, s->publisher);
    bool committed = wait_until(all_is_committed, s, 2 * SCENE_PATIENCE_MS);
    for (int i = 0; i < s->process_count; i++)
        if (s->processes[i].pid > 0)
            end_process(s, i);
    scene_read_ends(s);
    give_account(s, committed && all_is_committed(s));
    remove_directory(s);
    scene_delete_topics(s);
    free_scene(s);
}
