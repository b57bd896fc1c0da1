#include "telemetry/exporter_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "telemetry/otlp.h"
#include "telemetry/post.h"

#include <stdlib.h>
#include <string.h>

/* OTLP asks for pauses that grow, and by chance differ. */
enum { FIRST_PAUSE_MS = 1000, LONGEST_PAUSE_MS = 30000, MOST_TRIES = 5, LONGEST_TOLD_MS = 120000 };

struct kca__exporter {
    kca__exporter_settings settings;
    kca__log *log;
    kca__post *post;
    pthread_t thread;
    bool is_in_trouble; /* the thread's */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    kca__list queue;
    bool runs, stops;
    int64_t stop_ms;
    kca__exporter_counts counts;
};

kca_error *kca__exporter_new(kca__exporter **out, const char *settings, kca__log *log) {
    *out = NULL;
    kca__exporter *x = calloc(1, sizeof *x);
    if (!x)
        return kca__error_memory();
    pthread_mutex_init(&x->lock, NULL);
    kca__clock_condition_init(&x->changed);
    x->log = log;
    kca_error *e = kca__exporter_settings_read(&x->settings, settings);
    bool off = !e && x->settings.off;
    if (!e && !off)
        e = kca__post_new(&x->post, &x->settings);
    if (e || off)
        kca__exporter_free(x);
    else
        *out = x;
    return e;
}

static void free_all(kca__list *spans) {
    kca__span *span;
    while ((span = kca__list_take(spans)))
        kca__span_free(span);
}

void kca__exporter_free(kca__exporter *x) {
    if (!x)
        return;
    free_all(&x->queue);
    kca__post_free(x->post);
    kca__exporter_settings_close(&x->settings);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

const char *kca__exporter_url(const kca__exporter *x) {
    const char *url = x->settings.url;
    const char *authority = strstr(url, "://") + 3;
    const char *at = memchr(authority, '@', strcspn(authority, "/"));
    return at ? at + 1 : url;
}

kca__exporter_counts kca__exporter_count(kca__exporter *x) {
    pthread_mutex_lock(&x->lock);
    kca__exporter_counts counts = x->counts;
    counts.waiting = x->queue.count;
    pthread_mutex_unlock(&x->lock);
    return counts;
}

/* ---- the queue ---- */

void kca__exporter_add(kca__exporter *x, kca__span *span) {
    span->ended_ns = kca__clock_unix_ns();
    pthread_mutex_lock(&x->lock);
    bool room = x->runs && x->queue.count < x->settings.queue_most;
    if (room)
        kca__list_add(&x->queue, &span->link);
    else
        x->counts.dropped++;
    if (room && x->queue.count == x->settings.batch_most)
        pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (!room)
        kca__span_free(span);
}

bool kca__exporter_has_room(kca__exporter *x) {
    pthread_mutex_lock(&x->lock);
    bool room = x->runs && x->queue.count < x->settings.queue_most;
    if (!room)
        x->counts.dropped++;
    pthread_mutex_unlock(&x->lock);
    return room;
}

const kca__sampler *kca__exporter_sampler(const kca__exporter *x) {
    return &x->settings.sampler;
}

/* Waits for a batch: it is full, its first has waited long enough, or the exporter stops. False:
 * there is nothing more to send. */
static bool take_batch(kca__exporter *x, kca__list *out) {
    pthread_mutex_lock(&x->lock);
    int64_t due = kca__clock_deadline(x->settings.delay_ms);
    while (!x->stops && x->queue.count < x->settings.batch_most)
        if (!kca__clock_wait(&x->changed, &x->lock, due)) {
            if (x->queue.count > 0)
                break;
            due = kca__clock_deadline(x->settings.delay_ms);
        }
    while (x->queue.count > 0 && out->count < x->settings.batch_most)
        kca__list_add(out, kca__list_take(&x->queue));
    bool over = x->stops && (out->count == 0 || kca__clock_ms() >= x->stop_ms);
    pthread_mutex_unlock(&x->lock);
    return !over;
}

/* ---- sending ---- */

/* A request under way is over: the time that a stop gave is. */
static bool is_over(void *user) {
    kca__exporter *x = user;
    pthread_mutex_lock(&x->lock);
    bool over = x->stops && kca__clock_ms() >= x->stop_ms;
    pthread_mutex_unlock(&x->lock);
    return over;
}

/* Between two tries. False: it stops, and there is no time for pauses. */
static bool pause_for(kca__exporter *x, int64_t pause_ms) {
    int64_t until = kca__clock_ms() + pause_ms;
    pthread_mutex_lock(&x->lock);
    while (!x->stops && kca__clock_ms() < until)
        kca__clock_wait(&x->changed, &x->lock, until);
    bool goes_on = !x->stops;
    pthread_mutex_unlock(&x->lock);
    return goes_on;
}

static int64_t pause_before(int tries, const kca__post_answer *answer) {
    int64_t pause = (int64_t)FIRST_PAUSE_MS << (tries - 1);
    if (pause > LONGEST_PAUSE_MS)
        pause = LONGEST_PAUSE_MS;
    pause -= kca__clock_us() % (pause / 2);
    int64_t told = answer->after_ms < LONGEST_TOLD_MS ? answer->after_ms : LONGEST_TOLD_MS;
    return told > pause ? told : pause;
}

/* Once when trouble begins, and once when it is over. */
static void tell(kca__exporter *x, const kca__post_answer *answer) {
    bool trouble = answer->outcome != KCA__POST_TAKEN;
    if (trouble && !x->is_in_trouble)
        kca__log_write(x->log, KCA_LOG_WARN, "exporter", NULL, "%s takes no spans: %s",
                       kca__exporter_url(x), answer->text);
    else if (!trouble && x->is_in_trouble)
        kca__log_write(x->log, KCA_LOG_INFO, "exporter", NULL, "%s takes spans again",
                       kca__exporter_url(x));
    x->is_in_trouble = trouble;
}

static kca__post_answer send_body(kca__exporter *x, const char *body) {
    kca__post_answer answer;
    for (int tries = 1;; tries++) {
        kca__post_send(&answer, x->post, body, is_over, x);
        tell(x, &answer);
        if (answer.outcome != KCA__POST_LATER || tries == MOST_TRIES ||
            !pause_for(x, pause_before(tries, &answer)))
            return answer;
    }
}

static void send_batch(kca__exporter *x, kca__list *spans) {
    int64_t count = spans->count, sent = 0;
    char *body = kca__otlp_write(spans, &x->settings);
    free_all(spans);
    if (body) {
        kca__post_answer answer = send_body(x, body);
        if (answer.outcome == KCA__POST_TAKEN)
            sent = answer.refused < count ? count - answer.refused : 0;
    }
    free(body);
    pthread_mutex_lock(&x->lock);
    x->counts.sent += sent;
    x->counts.failed += count - sent;
    pthread_mutex_unlock(&x->lock);
}

static void *run(void *argument) {
    kca__exporter *x = argument;
    kca__list batch = {0};
    while (take_batch(x, &batch))
        send_batch(x, &batch);
    pthread_mutex_lock(&x->lock);
    x->runs = false;
    kca__list_move(&batch, &x->queue);
    x->counts.dropped += batch.count;
    pthread_mutex_unlock(&x->lock);
    free_all(&batch);
    return NULL;
}

/* ---- life ---- */

bool kca__exporter_start(kca__exporter *x) {
    pthread_mutex_lock(&x->lock);
    x->stops = false;
    x->is_in_trouble = false;
    bool runs = x->runs = kca__thread_start(&x->thread, run, x);
    pthread_mutex_unlock(&x->lock);
    return runs;
}

void kca__exporter_stop(kca__exporter *x, int64_t deadline) {
    int64_t most = kca__clock_deadline(x->settings.export_timeout_ms);
    pthread_mutex_lock(&x->lock);
    bool runs = x->runs;
    x->stops = true;
    x->stop_ms = deadline < most ? deadline : most;
    pthread_cond_signal(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (!runs)
        return;
    kca__post_wake(x->post);
    pthread_join(x->thread, NULL);
}
