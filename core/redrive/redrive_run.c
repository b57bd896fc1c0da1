/* The course of a redrive. */
#include "redrive/redrive_run.h"

#include "base/error.h"
#include "base/interrupt.h"

#include <stdio.h>

enum {
    MOST_BYTES = 16 * 1024 * 1024,
    WAIT_MS = 50,
    LONGEST_RESERVE_MS = 2000, /* of the caller's time, kept for the last answers and the commit */
    LEAST_COMMIT_MS = 1000,
    LONGEST_COMMIT_MS = 10000
};

static bool has_enough(const kca__redrive_run *run) {
    int most = run->options->max_messages;
    return most > 0 && run->report.counts[KCA__REDRIVEN] + run->chosen >= most;
}

static bool may_read(const kca__redrive_run *run, int64_t until) {
    return !run->failure && !kca__redrive_source_is_finished(run) && !has_enough(run) &&
           kca__interrupt_left_ms(until) != 0 && !atomic_load(run->closing);
}

/* Reads the records of a round: up to its bounds, or as many as are there now. */
static void read_round(kca__redrive_run *run, int64_t until) {
    kca__redrive_partition *p;
    bool came = true;
    while ((came || run->letters == 0) && run->letters < KCA__REDRIVE_LETTERS &&
           run->bytes < MOST_BYTES && may_read(run, until)) {
        rd_kafka_message_t *m = kca__redrive_source_read(run, WAIT_MS, &p);
        came = m != NULL;
        if (m)
            kca__redrive_take(p, m);
    }
    for (int i = 0; i < run->partition_count; i++)
        kca__redrive_source_advance(&run->partitions[i]);
}

/* Publishes a round, in as many parts as the memories have room for. */
static void publish_round(kca__redrive_run *run, int64_t answered) {
    do {
        kca__redrive_source_fit(run);
        kca__redrive_target_publish(run, answered);
    } while (kca__redrive_source_has_more(run) && !run->failure &&
             kca__clock_left_ms(answered) != 0 && !atomic_load(run->closing));
    kca__redrive_source_drop_held(run);
}

static void tell_progress(kca__redrive_run *run) {
    int64_t read = 0;
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES; i++)
        read += run->report.counts[i];
    run->progress->read = read;
    run->progress->redriven = run->report.counts[KCA__REDRIVEN];
}

/* Works round by round until the end, or until the time is over or something fails. Letters that
 * were read before a failure are still published. */
static void work(kca__redrive_run *run, int64_t until, int64_t answered) {
    while (may_read(run, until)) {
        read_round(run, until);
        publish_round(run, answered);
        tell_progress(run);
        if (!run->options->dry_run && may_read(run, until))
            kca__redrive_fail(run, kca__redrive_source_commit(run, answered));
    }
}

/* ---- the end ---- */

/* The deadline of the last commit: it gets some time in any case, but not for ever. */
static int64_t last_commit(const kca__redrive_run *run) {
    int64_t least = kca__clock_deadline(LEAST_COMMIT_MS);
    int64_t most = kca__clock_deadline(LONGEST_COMMIT_MS);
    int64_t deadline = atomic_load(run->closing) ? least : run->deadline;
    return deadline < least ? least : deadline > most ? most : deadline;
}

/* The error, with how far the run came added. Takes both errors. */
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
    kca__error_mark(whole, e->rdkafka_code, e->retriable ? KCA__RETRIABLE : 0);
    kca__error_free(e);
    kca__error_free(not_committed);
    return whole;
}

static bool is_done(const kca__redrive_run *run) {
    int most = run->options->max_messages;
    return kca__redrive_source_is_complete(run) ||
           (most > 0 && run->report.counts[KCA__REDRIVEN] >= most);
}

static kca_error *end(kca__redrive_run *run) {
    kca_error *not_committed = NULL;
    kca__redrive_source_count_rest(run);
    if (!run->options->dry_run)
        not_committed = kca__redrive_source_commit(run, last_commit(run));
    kca_error *e = run->failure;
    run->failure = NULL;
    if (!e && not_committed) {
        e = not_committed;
        not_committed = NULL;
    }
    if (!e && atomic_load(run->closing) && !is_done(run))
        e = kca__redrive_error(run, KCA_ERROR_STOPPED, 0, "the system shuts down");
    return e ? failed(run, e, not_committed) : NULL;
}

/* When no message can go, it is not begun. */
static kca_error *find_to_topic(kca__redrive_run *run) {
    kca__redrive_topic *topic;
    const char *name = run->options->to_topic;
    kca_error *e = kca__redrive_target_find(&topic, run, name);
    if (e || topic->outcome == KCA__REDRIVEN)
        return e;
    if (topic->outcome == KCA__MISSING_TARGET)
        return kca__redrive_error(run, KCA_ERROR_NOT_FOUND, topic->cause,
                                  "topic %s: it does not exist", name);
    return kca__redrive_error(run, KCA_ERROR_AUTHORIZATION, topic->cause, "topic %s: %s", name,
                              rd_kafka_err2str(topic->cause));
}

/* Commits before it publishes: a run that is not allowed to commit must not publish. */
static kca_error *begin(kca__redrive_run *run) {
    kca_error *e = kca__redrive_source_open(run);
    if (!e && !run->options->dry_run)
        e = kca__redrive_source_commit(run, run->deadline);
    if (!e)
        e = kca__redrive_target_open(run);
    if (!e && run->options->to_topic)
        e = find_to_topic(run);
    return e;
}

static int64_t earlier(int64_t deadline, int ms) {
    return deadline == KCA__CLOCK_NEVER ? deadline : deadline - ms;
}

kca_error *kca__redrive_do(char **out, const kca_redrive *r, kca_connection *c, kca__log *log,
                           kca__redrive_progress *progress, const atomic_bool *closing,
                           int timeout_ms) {
    int reserve = timeout_ms / 4 < LONGEST_RESERVE_MS ? timeout_ms / 4 : LONGEST_RESERVE_MS;
    kca__redrive_run run = {.options = r,
                            .connection = c,
                            .log = log,
                            .progress = progress,
                            .closing = closing,
                            .deadline = kca__clock_deadline(timeout_ms)};
    snprintf(run.who, sizeof run.who, "redrive %s", r->topic);
    kca_error *e = kca__redrive_report_open(&run.report) ? begin(&run) : kca__error_memory();
    if (!e) {
        work(&run, earlier(run.deadline, reserve), earlier(run.deadline, reserve / 2));
        e = end(&run);
    }
    *out = e ? NULL : kca__redrive_report_write(&run);
    kca__redrive_target_close(&run);
    kca__redrive_source_close(&run);
    kca__redrive_report_close(&run.report);
    return e || *out ? e : kca__error_memory();
}
