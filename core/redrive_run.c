/* The course of a redrive. */
#include "redrive_run.h"

#include "error.h"

#include <stdio.h>

enum {
    MOST_LETTERS = 1000,
    MOST_BYTES = 32 * 1024 * 1024,
    WAIT_MS = 50,
    COMMIT_INTERVAL_MS = 1000,
    COMMIT_LETTERS = 1000,
    LONGEST_RESERVE_MS = 2000,
    LEAST_COMMIT_MS = 1000,
    LONGEST_COMMIT_MS = 10000
};

static bool has_room(const kca__redrive_run *run) {
    return run->letters == 0 || (run->letters < MOST_LETTERS && run->bytes < MOST_BYTES);
}

static bool has_enough(const kca__redrive_run *run) {
    int most = run->options->max_messages;
    return most > 0 && run->report.counts[KCA__REDRIVEN] + run->chosen >= most;
}

static void read_one(kca__redrive_run *run) {
    kca__redrive_partition *p;
    rd_kafka_message_t *m = kca__redrive_source_read(run, WAIT_MS, &p);
    if (!m)
        return;
    kca__redrive_take(p, m);
    rd_kafka_message_destroy(m);
}

/* What is settled and not committed comes twice after a crash. */
static void commit_now_and_then(kca__redrive_run *run) {
    bool due = run->uncommitted >= COMMIT_LETTERS ||
               kca__clock_ms() - run->committed_ms >= COMMIT_INTERVAL_MS;
    if (!run->options->dry_run && due)
        kca__redrive_fail(run, kca__redrive_source_commit(run, run->deadline));
}

/* Until the end, or the time is over, or something fails. */
static void work(kca__redrive_run *run, int64_t until) {
    while (!run->failure && !kca__redrive_source_is_finished(run) && !has_enough(run) &&
           kca__clock_left_ms(until) != 0 && !atomic_load(run->leaving)) {
        if (has_room(run))
            read_one(run);
        kca__redrive_target_serve(run, has_room(run) ? 0 : WAIT_MS);
        commit_now_and_then(run);
    }
}

/* A broker refuses a batch that is larger than the topic's largest message, though each message of
 * it may be small enough: so once more from there, each by itself. */
static kca_error *begin_singly(kca__redrive_run *run) {
    kca__error_free(run->failure);
    run->failure = NULL;
    run->too_large = false;
    run->singly = true;
    kca__redrive_target_close(run);
    kca_error *e = kca__redrive_target_open(run);
    return e ? e : kca__redrive_source_begin(run);
}

static void work_and_drain(kca__redrive_run *run, int64_t until, int64_t drained) {
    work(run, until);
    kca__redrive_target_drain(run, drained);
    if (!run->too_large || run->singly || kca__clock_left_ms(until) == 0)
        return;
    kca__redrive_fail(run, begin_singly(run));
    work(run, until);
    kca__redrive_target_drain(run, drained);
}

/* ---- the end ---- */

/* The last commit gets some time in any case, and not for ever. */
static int64_t last_commit(const kca__redrive_run *run) {
    int64_t least = kca__clock_deadline(LEAST_COMMIT_MS);
    int64_t most = kca__clock_deadline(LONGEST_COMMIT_MS);
    int64_t deadline = atomic_load(run->leaving) ? least : run->deadline;
    return deadline < least ? least : deadline > most ? most : deadline;
}

/* The error with how far it came. Takes both. */
static kca_error *failed(kca__redrive_run *run, kca_error *e, kca_error *not_committed) {
    const kca__redrive_report *r = &run->report;
    long long passed = 0;
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        passed += i == KCA__REDRIVEN ? 0 : r->counts[i];
    kca_error *whole = kca__error_new(
        e->code, "%s; before: %lld redriven, %lld passed by, %lld remain%s%s", e->text,
        (long long)r->counts[KCA__REDRIVEN], passed, (long long)kca__redrive_source_remaining(run),
        not_committed ? "; what was not committed comes again: " : "",
        not_committed ? not_committed->text : "");
    if (whole->code != KCA_ERROR_MEMORY) {
        whole->rdkafka_code = e->rdkafka_code;
        whole->retriable = e->retriable;
    }
    kca__error_free(e);
    kca__error_free(not_committed);
    return whole;
}

static bool is_done(const kca__redrive_run *run) {
    int most = run->options->max_messages;
    return kca__redrive_source_remaining(run) == 0 ||
           (most > 0 && run->report.counts[KCA__REDRIVEN] >= most);
}

static kca_error *end(kca__redrive_run *run) {
    kca_error *not_committed = NULL;
    if (!run->options->dry_run)
        not_committed = kca__redrive_source_commit(run, last_commit(run));
    kca_error *e = run->failure;
    run->failure = NULL;
    if (!e && not_committed) {
        e = not_committed;
        not_committed = NULL;
    }
    if (!e && atomic_load(run->leaving) && !is_done(run))
        e = kca__redrive_error(run, KCA_ERROR_STOPPED, 0, "the system shuts down");
    return e ? failed(run, e, not_committed) : NULL;
}

/* The first commit comes before the first message: who may not commit must not publish. */
static kca_error *begin(kca__redrive_run *run) {
    kca_error *e = kca__redrive_source_open(run);
    if (!e && !run->options->dry_run)
        e = kca__redrive_source_commit(run, run->deadline);
    if (!e)
        e = kca__redrive_target_open(run);
    if (!e && run->options->to_topic) {
        kca__redrive_topic *topic;
        e = kca__redrive_target_find(&topic, run, run->options->to_topic);
    }
    return e ? e : kca__redrive_source_begin(run);
}

static int64_t earlier(int64_t deadline, int ms) {
    return deadline == KCA__CLOCK_NEVER ? deadline : deadline - ms;
}

kca_error *kca__redrive_do(char **out, const kca_redrive *r, kca_connection *c, kca__log *log,
                           const atomic_bool *leaving, int timeout_ms) {
    int reserve = timeout_ms / 4 < LONGEST_RESERVE_MS ? timeout_ms / 4 : LONGEST_RESERVE_MS;
    kca__redrive_run run = {.options = r,
                            .connection = c,
                            .log = log,
                            .leaving = leaving,
                            .deadline = kca__clock_deadline(timeout_ms)};
    snprintf(run.who, sizeof run.who, "redrive %s", r->topic);
    kca_error *e = kca__redrive_report_open(&run.report) ? begin(&run) : kca__error_memory();
    if (!e) {
        work_and_drain(&run, earlier(run.deadline, reserve), earlier(run.deadline, reserve / 2));
        e = end(&run);
    }
    *out = e ? NULL : kca__redrive_report_write(&run);
    kca__redrive_target_close(&run);
    kca__redrive_source_close(&run);
    kca__redrive_report_close(&run.report);
    return e || *out ? e : kca__error_memory();
}
