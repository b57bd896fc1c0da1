#include "recorder.h"

#include "behaviour.h"

#include <errno.h>
#include <time.h>

enum { GATE_S = 60, STOP_MS = 40000 };

recorder *recorder_new(void) {
    recorder *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->all = calloc(RECORDER_MOST, sizeof *r->all);
    assert_non_null(r->all);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    return r;
}

void recorder_free(recorder *r) {
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r->all);
    free(r);
}

/* With the lock held. What comes again after a rebalance comes in its order too, but after greater
 * ids that it had before: only an id's first coming counts. */
static void compare(recorder *r, const seen *now) {
    if (!*now->key || now->id < 0)
        return;
    int greatest = -1;
    for (int i = 0; i < r->came && i < RECORDER_MOST; i++) {
        if (strcmp(r->all[i].key, now->key) != 0)
            continue;
        if (r->all[i].id == now->id)
            return;
        if (r->all[i].id > greatest)
            greatest = r->all[i].id;
    }
    r->same_key_disorder += greatest > now->id;
}

static int note(recorder *r, kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    int64_t id = -1;
    kca_error_free(kca_message_json_int64(m, "/id", &id));
    seen now = {
        .id = (int)id, .partition = kca_delivery_partition(d), .offset = kca_delivery_offset(d)};
    size_t len = kca_message_key_len(m);
    memcpy(now.key, kca_message_key(m) ? kca_message_key(m) : "",
           len < RECORDER_KEY ? len : RECORDER_KEY - 1);
    pthread_mutex_lock(&r->lock);
    compare(r, &now);
    if (r->came < RECORDER_MOST)
        r->all[r->came] = now;
    r->came++;
    r->inside++;
    if (r->inside > r->most_inside)
        r->most_inside = r->inside;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return now.id;
}

int recorder_handle(kca_delivery *d, void *user) {
    recorder *r = user;
    int id = note(r, d);
    int verdict = r->behave ? r->behave(r, d, id) : KCA_DONE;
    pthread_mutex_lock(&r->lock);
    r->inside--;
    r->handled++;
    bool stop = r->stop && r->handled >= r->stop_at;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (stop)
        kca_consumer_stop(r->stop);
    return verdict;
}

void record(kca_system *s, const char *name, recorder *r) {
    must(kca_system_add_handler(s, name, recorder_handle, r, NULL));
}

static bool wait_for_count(recorder *r, const int *counter, int count, int timeout_ms, int *out) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    pthread_mutex_lock(&r->lock);
    int result = 0;
    while (*counter < count && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&r->changed, &r->lock, &end);
    *out = *counter;
    pthread_mutex_unlock(&r->lock);
    return *out >= count;
}

void must_come(recorder *r, int count, int timeout_ms) {
    int reached;
    if (!wait_for_count(r, &r->came, count, timeout_ms, &reached))
        fail_msg("%d of %d deliveries came within %d ms", reached, count, timeout_ms);
}

void must_be_handled(recorder *r, int count, int timeout_ms) {
    int reached;
    if (!wait_for_count(r, &r->handled, count, timeout_ms, &reached))
        fail_msg("%d of %d deliveries were handled within %d ms", reached, count, timeout_ms);
}

int came(recorder *r) {
    pthread_mutex_lock(&r->lock);
    int count = r->came;
    pthread_mutex_unlock(&r->lock);
    return count;
}

int times_seen(recorder *r, int id) {
    int times = 0;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->came; i++)
        times += r->all[i].id == id;
    pthread_mutex_unlock(&r->lock);
    return times;
}

static int count_where(recorder *r, int count, int least, int most) {
    unsigned *times = calloc((size_t)count + 1, sizeof *times);
    assert_non_null(times);
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->came && i < RECORDER_MOST; i++)
        if (r->all[i].id >= 0 && r->all[i].id < count)
            times[r->all[i].id]++;
    pthread_mutex_unlock(&r->lock);
    int found = 0;
    for (int i = 0; i < count; i++)
        found += times[i] >= (unsigned)least && times[i] <= (unsigned)most;
    free(times);
    return found;
}

int missing_of(recorder *r, int count) {
    return count_where(r, count, 0, 0);
}

int repeated_of(recorder *r, int count) {
    return count_where(r, count, 2, RECORDER_MOST);
}

/* ---- gates ---- */

void gate_wait(gate *g) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GATE_S;
    pthread_mutex_lock(&g->lock);
    g->waiting++;
    int result = 0;
    while (!g->open && result != ETIMEDOUT)
        result = pthread_cond_timedwait(&g->changed, &g->lock, &end);
    g->waiting--;
    pthread_mutex_unlock(&g->lock);
}

void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

typedef struct crowd {
    gate *gate;
    int handlers;
} crowd;

static int is_there(void *argument) {
    crowd *wanted = argument;
    pthread_mutex_lock(&wanted->gate->lock);
    int there = wanted->gate->waiting >= wanted->handlers;
    pthread_mutex_unlock(&wanted->gate->lock);
    return there;
}

void must_wait_at(gate *g, int handlers, int timeout_ms) {
    must_become(is_there, &(crowd){g, handlers}, timeout_ms, "handlers wait at the gate");
}

/* ---- runners ---- */

static void *run(void *argument) {
    runner *r = argument;
    r->error = kca_consumer_run(r->consumer);
    return NULL;
}

void runner_start(runner *r, kca_consumer *c) {
    *r = (runner){.consumer = c};
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
}

kca_error *runner_join(runner *r, int timeout_ms) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    if (pthread_timedjoin_np(r->thread, NULL, &end) != 0)
        fail_msg("kca_consumer_run did not return within %d ms", timeout_ms);
    return r->error;
}

void runner_stop(runner *r) {
    kca_consumer_stop(r->consumer);
    must(runner_join(r, STOP_MS));
}
