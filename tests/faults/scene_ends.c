/* What came out in the end: dead letters and results, read as they stand. */
#include "scene.h"

#include "fate.h"

#include <stdio.h>
#include <time.h>

static const char mark[] = "end";

/* The processing time that some are late for leaves others some room. */
enum { EXCUSED_MS = SCENE_PROCESSING_MS * 2 / 3 };

void scene_create_ends(scene *s) {
    if (s->wish.dead_letters) {
        s->dead = unique("dead");
        if (s->wish.for_all_nodes)
            topic_create_for_all_nodes(s->dead, SCENE_END_PARTITIONS);
        else
            topic_create(s->dead, SCENE_END_PARTITIONS);
        checker_excuse_after(s->checker, EXCUSED_MS);
        must_be_in_sync(s->dead, SCENE_END_PARTITIONS);
    }
    if (s->wish.passes_on) {
        s->results = unique("results");
        topic_create(s->results, SCENE_END_PARTITIONS);
        must_be_in_sync(s->results, SCENE_END_PARTITIONS);
        checker_expect_results(s->checker);
    }
    if (s->wish.asks) {
        s->replies = unique("replies");
        topic_create(s->replies, SCENE_END_PARTITIONS);
        must_be_in_sync(s->replies, SCENE_END_PARTITIONS);
    }
}

void scene_delete_topics(const scene *s) {
    topic_delete(s->topic);
    if (s->dead)
        topic_delete(s->dead);
    if (s->results)
        topic_delete(s->results);
    if (s->replies)
        topic_delete(s->replies);
}

/* ---- reading ---- */

static int id_of(const raw_record *r) {
    int id = 0;
    if (!r->value || sscanf(r->value, "{\"id\":%d}", &id) != 1)
        fail_msg("no id in %s", r->value ? r->value : "a record without a value");
    return id;
}

static bool is_mark(const raw_record *r) {
    return r->value && strcmp(r->value, mark) == 0;
}

typedef struct reading {
    const char *topic;
    raw_record *all;
    int count;
} reading;

static int has_all_marks(void *argument) {
    reading *r = argument;
    int marks = 0;
    records_free(r->all, r->count);
    r->all = topic_read(&r->count, r->topic, SCENE_END_PARTITIONS);
    for (int i = 0; i < r->count; i++)
        marks += is_mark(&r->all[i]);
    return marks == SCENE_END_PARTITIONS;
}

/* Of transactions: who sees a mark that was written after all of them sees them all, for one that
 * is neither committed nor aborted hides what comes after it. */
static reading read_to_marks(const char *topic) {
    reading r = {.topic = topic};
    raw_writer *w = raw_writer_open(NULL);
    for (int partition = 0; partition < SCENE_END_PARTITIONS; partition++)
        raw_write(w, topic, partition, NULL, NULL, mark);
    raw_writer_close(w);
    must_become(has_all_marks, &r, SCENE_PATIENCE_MS, "all transactions have ended");
    return r;
}

static reading read_now(const char *topic) {
    reading r = {.topic = topic};
    r.all = topic_read(&r.count, topic, SCENE_END_PARTITIONS);
    return r;
}

/* ---- dead letters ---- */

static int64_t number_in(const raw_record *r, const char *header) {
    const char *text = record_header(r, header);
    if (!text)
        fail_msg("dead letter of %s: no header %s", r->value, header);
    return strtoll(text, NULL, 10);
}

static void must_say(const raw_record *r, const char *header, const char *wanted) {
    const char *text = record_header(r, header);
    if (!text || strcmp(text, wanted) != 0)
        fail_msg("dead letter of %s: %s: %s, wanted %s", r->value, header, text ? text : "none",
                 wanted);
}

/* What had not that fate is here because it was late: the checker knows whether it may be. */
static void must_say_why(const scene *s, const raw_record *r, int id) {
    int attempts = (int)number_in(r, "kca-dead-letter-attempts");
    deed fate = fate_deed(s->fates, id, attempts);
    if (s->wish.passes_on && fate == DEED_LATE)
        fate = DEED_FAILED;
    const char *name = record_header(r, "kca-dead-letter-error-name");
    bool is_late = name && strcmp(name, deed_name(DEED_LATE)) == 0 && !s->wish.passes_on;
    if (!is_late)
        must_say(r, "kca-dead-letter-error-name", deed_name(fate));
    if (is_late || fate != DEED_REJECTED)
        assert_int_equal(attempts, FATE_ATTEMPTS);
}

static int64_t run_ns(void) {
    struct timespec run;
    clock_gettime(CLOCK_MONOTONIC, &run);
    return (int64_t)run.tv_sec * 1000000000 + run.tv_nsec;
}

/* From the time of day to the clock of the handlers; whole milliseconds are too early rather than
 * too late. */
static int64_t monotonic_ns(int64_t ms_since_1970) {
    struct timespec day;
    clock_gettime(CLOCK_REALTIME, &day);
    int64_t ago_ns = ((int64_t)day.tv_sec - ms_since_1970 / 1000) * 1000000000 + day.tv_nsec -
                     ms_since_1970 % 1000 * 1000000;
    return run_ns() - ago_ns;
}

/* Written when its topic took records again, after the whole one had been refused as too large. */
static bool is_trimmed(const raw_record *r) {
    return !record_header(r, "kca-dead-letter-time") &&
           record_header(r, "kca-dead-letter-error-name");
}

/* In a transaction it is written later than it counts for its key. */
static void take_dead_letter(scene *s, const raw_record *r) {
    int id = id_of(r);
    dead_letter d = {.id = id,
                     .partition = (int)number_in(r, "kca-dead-letter-partition"),
                     .offset = number_in(r, "kca-dead-letter-offset"),
                     .time_ns = s->wish.passes_on ? 0 : monotonic_ns(r->timestamp_ms)};
    must_say(r, "kca-dead-letter-topic", s->topic);
    if (!is_trimmed(r)) {
        must_say(r, "kca-dead-letter-group", s->group);
        must_say_why(s, r, id);
    }
    checker_dead(s->checker, &d);
}

static void take_dead_letters(scene *s, reading r) {
    int ids = checker_next_id(s->checker);
    for (int id = 0; id < ids; id++)
        if (fate_is_death(s->fates, id))
            checker_condemn(s->checker, id);
    checker_forget_dead(s->checker);
    for (int i = 0; i < r.count; i++)
        if (!is_mark(&r.all[i]))
            take_dead_letter(s, &r.all[i]);
    records_free(r.all, r.count);
}

/* Who wrote them noted the attempts first. */
static void read_dead_letters(scene *s) {
    reading r = read_now(s->dead);
    scene_look(s);
    take_dead_letters(s, r);
}

/* ---- results ---- */

static void take_results(scene *s, reading r) {
    for (int i = 0; i < r.count; i++)
        if (!is_mark(&r.all[i]))
            checker_passed(s->checker, id_of(&r.all[i]), r.all[i].key);
    records_free(r.all, r.count);
}

/* ---- replies ---- */

/* Of a question whose end was good, that is its result; else an error. */
static void must_answer(const scene *s, const raw_record *r, int id) {
    bool is_error = r->value && strncmp(r->value, "{\"error\":", 9) == 0;
    if (!is_error && (id_of(r) != id || fate_is_death(s->fates, id)))
        fail_msg("question %d is answered %s", id, r->value);
    if (is_error && !s->dead)
        fail_msg("question %d is answered %s, and nothing fails here", id, r->value);
}

/* Its questions that were not to be over at once are answered, each once; and what else came is
 * counted. */
static void must_have_counted(const scene *s, const int times[], int ids) {
    const ledger *l = &s->processes[s->asker.process].ledger;
    const int *n = l->counted;
    int64_t own = 0, others = 0;
    for (int id = 0; id < ids; id++)
        *(id < s->asker.from ? &others : &own) += times[id];
    print_message(
        "faults %s: of the last asker %d asks, %d answered, %d timed out, %d answers late, "
        "%d unknown\n",
        s->name, n[COUNTED_ASKED], n[COUNTED_ANSWERED], n[COUNTED_TIMED_OUT], n[COUNTED_LATE],
        n[COUNTED_UNKNOWN]);
    assert_int_equal(n[COUNTED_ASKED], ids - s->asker.from);
    assert_int_equal(n[COUNTED_ASKED], n[COUNTED_ANSWERED] + n[COUNTED_TIMED_OUT]);
    assert_int_equal(n[COUNTED_ANSWERED], l->stored);
    assert_in_range(n[COUNTED_TIMED_OUT], 0, n[COUNTED_ASKED] / 50 + 1);
    assert_in_range(n[COUNTED_ANSWERED] + n[COUNTED_LATE], n[COUNTED_ANSWERED], own);
    assert_in_range(n[COUNTED_UNKNOWN], s->asker.least_unknown, others - s->asker.answers_before);
}

/* Each confirmed question has an answer: in transactions one, else perhaps more. */
static void take_replies(scene *s, reading r) {
    int ids = checker_next_id(s->checker), answers = 0, unanswered = 0, twice = 0;
    int *times = calloc((size_t)ids + 1, sizeof *times);
    assert_non_null(times);
    for (int i = 0; i < r.count; i++) {
        if (is_mark(&r.all[i]))
            continue;
        int id = atoi(record_header(&r.all[i], "correlationId"));
        assert_in_range(id, 0, ids - 1);
        must_answer(s, &r.all[i], id);
        times[id]++;
        answers++;
    }
    for (int id = 0; id < ids; id++) {
        unanswered += times[id] == 0 && checker_is_published(s->checker, id);
        twice += times[id] > 1;
    }
    print_message("faults %s: %d questions, %d answers, %d unanswered, %d answered twice\n",
                  s->name, checker_published(s->checker), answers, unanswered, twice);
    assert_int_equal(unanswered, 0);
    if (s->asker.process >= 0)
        must_have_counted(s, times, ids);
    if (s->wish.passes_on)
        assert_int_equal(twice, 0);
    free(times);
    records_free(r.all, r.count);
}

void scene_read_ends(scene *s) {
    if (s->dead)
        take_dead_letters(s, s->wish.passes_on ? read_to_marks(s->dead) : read_now(s->dead));
    if (s->results)
        take_results(s, read_to_marks(s->results));
    if (s->replies)
        take_replies(s, s->wish.passes_on ? read_to_marks(s->replies) : read_now(s->replies));
}

/* ---- so far ---- */

typedef struct goal {
    scene *scene;
    int count;
} goal;

static int so_many_wait(void *argument) {
    const goal *g = argument;
    read_dead_letters(g->scene);
    return checker_waiting(g->scene->checker) >= g->count;
}

void must_wait_for_dead_letters(scene *s, int count) {
    goal g = {s, count};
    must_become(so_many_wait, &g, SCENE_PATIENCE_MS, "dead letters are not stored");
}

static void must_have_ended(const scene *s, int partition, int64_t committed, int64_t by_ns) {
    int open = checker_open_below(s->checker, partition, committed, by_ns);
    if (open > 0)
        fail_msg("partition %d: %lld is committed, and %d below had no end", partition,
                 (long long)committed, open);
}

static void look_again_later(scene *s, int partition, int64_t committed, int64_t by_ns) {
    assert_true(s->unseen_count < (int)(sizeof s->unseen / sizeof *s->unseen));
    s->unseen[s->unseen_count].partition = partition;
    s->unseen[s->unseen_count].committed = committed;
    s->unseen[s->unseen_count++].by_ns = by_ns;
}

/* What is known is read after what is committed. A new leader shows its readers what was confirmed
 * only when enough replicas are in sync again (KIP-966): while a node is away, a dead letter may be
 * stored and not be seen. When it is seen, its time tells whether it was there first. */
void must_commit_ends_only(scene *s) {
    int64_t committed[SCENE_PARTITIONS];
    group_committed_all(committed, s->group, s->topic, SCENE_PARTITIONS);
    int64_t by_ns = run_ns();
    read_dead_letters(s);
    for (int partition = 0; partition < SCENE_PARTITIONS; partition++) {
        if (s->fault_ms > 0 &&
            checker_open_below(s->checker, partition, committed[partition], by_ns) > 0)
            look_again_later(s, partition, committed[partition], by_ns);
        else
            must_have_ended(s, partition, committed[partition], by_ns);
    }
}

static int all_are_seen(void *argument) {
    scene *s = argument;
    int open = 0;
    read_dead_letters(s);
    for (int i = 0; i < s->unseen_count; i++)
        open += checker_open_below(s->checker, s->unseen[i].partition, s->unseen[i].committed,
                                   INT64_MAX - 1);
    return open == 0;
}

void must_have_ended_unseen(scene *s) {
    if (s->unseen_count > 0)
        must_become(all_are_seen, s, SCENE_PATIENCE_MS, "what was committed has no end");
    for (int i = 0; i < s->unseen_count; i++)
        must_have_ended(s, s->unseen[i].partition, s->unseen[i].committed, s->unseen[i].by_ns);
    s->unseen_count = 0;
}
