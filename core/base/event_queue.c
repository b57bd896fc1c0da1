#include "base/event_queue.h"

#include <string.h>

enum { SERVE_MS = 1000 };

void kca__event_queue_init(kca__event_queue *q) {
    memset(q, 0, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    kca__clock_condition_init(&q->arrived);
    kca__notifier_init(&q->notifier);
}

void kca__event_queue_close(kca__event_queue *q) {
    kca_event *e;
    while ((e = kca__list_take(&q->back)) || (e = kca__list_take(&q->receipts)))
        e->release(e);
    kca__notes_close(&q->notes);
    kca__notifier_close(&q->notifier);
    pthread_cond_destroy(&q->arrived);
    pthread_mutex_destroy(&q->lock);
}

/* Something is there now. */
static void announce_locked(kca__event_queue *q) {
    kca__notifier_raise(&q->notifier);
    if (q->waiting > 0)
        pthread_cond_signal(&q->arrived);
}

/* A thread that serves the source looks whether something is there. */
static void wake_server_locked(kca__event_queue *q) {
    if (q->serving > 0 && q->source.owner)
        q->source.wake(q->source.owner);
}

void kca__event_queue_push_receipts(kca__event_queue *q, kca__event_list *receipts) {
    if (receipts->count == 0)
        return;
    pthread_mutex_lock(&q->lock);
    kca__list_move(&q->receipts, receipts);
    announce_locked(q);
    pthread_mutex_unlock(&q->lock);
}

void kca__event_queue_push_refusals(kca__event_queue *q, kca__event_list *receipts) {
    if (receipts->count == 0)
        return;
    kca__event_queue_push_receipts(q, receipts);
    pthread_mutex_lock(&q->lock);
    wake_server_locked(q);
    pthread_mutex_unlock(&q->lock);
}

void kca__event_queue_push_note(kca__event_queue *q, kca_event *e) {
    if (!e)
        return;
    pthread_mutex_lock(&q->lock);
    kca__notes_add(&q->notes, e);
    announce_locked(q);
    wake_server_locked(q);
    pthread_mutex_unlock(&q->lock);
}

static int take_now_locked(kca__event_queue *q, kca_event **out, int max) {
    int count = 0;
    kca_event *e;
    while (count < max && ((e = kca__list_take(&q->back)) || (e = kca__notes_take(&q->notes)) ||
                           (e = kca__list_take(&q->receipts))))
        out[count++] = e;
    if (q->back.count + kca__notes_count(&q->notes) + q->receipts.count == 0)
        kca__notifier_clear(&q->notifier);
    else if (q->waiting > 0)
        pthread_cond_signal(&q->arrived);
    return count;
}

void kca__event_queue_put_back(kca__event_queue *q, kca_event **events, int count) {
    if (count == 0)
        return;
    pthread_mutex_lock(&q->lock);
    for (int i = 0; i < count; i++)
        kca__list_add(&q->back, &events[i]->link);
    announce_locked(q);
    wake_server_locked(q);
    pthread_mutex_unlock(&q->lock);
}

/* The lock is given up meanwhile. */
static void serve_source_locked(kca__event_queue *q, int timeout_ms) {
    kca__event_source source = q->source;
    q->serving++;
    pthread_mutex_unlock(&q->lock);
    source.serve(source.owner, timeout_ms);
    pthread_mutex_lock(&q->lock);
    if (--q->serving == 0)
        pthread_cond_broadcast(&q->arrived);
}

void kca__event_queue_set_source(kca__event_queue *q, kca__event_source source) {
    pthread_mutex_lock(&q->lock);
    kca__event_source old = q->source;
    q->source.owner = NULL;
    if (old.owner && q->serving > 0)
        old.wake(old.owner);
    while (q->serving > 0)
        kca__clock_wait(&q->arrived, &q->lock, KCA__CLOCK_NEVER);
    q->source = source;
    pthread_mutex_unlock(&q->lock);
}

/* False when the deadline is over. */
static bool wait_for_event_locked(kca__event_queue *q, int64_t deadline) {
    if (!q->source.owner || kca__notifier_is_watched(&q->notifier)) {
        q->waiting++;
        bool in_time = kca__clock_wait(&q->arrived, &q->lock, deadline);
        q->waiting--;
        return in_time;
    }
    int left = kca__clock_left_ms(deadline);
    serve_source_locked(q, left < 0 || left > SERVE_MS ? SERVE_MS : left);
    return left != 0;
}

int kca__event_queue_take(kca__event_queue *q, kca_event **out, int max, int timeout_ms) {
    pthread_mutex_lock(&q->lock);
    int count = take_now_locked(q, out, max);
    if (count == 0) {
        int64_t deadline = kca__clock_deadline(timeout_ms);
        for (bool in_time = true; count == 0 && in_time;) {
            in_time = wait_for_event_locked(q, deadline);
            count = take_now_locked(q, out, max);
        }
    }
    pthread_mutex_unlock(&q->lock);
    return count;
}

int kca__event_queue_fd(kca__event_queue *q) {
    pthread_mutex_lock(&q->lock);
    int fd = kca__notifier_fd(&q->notifier);
    pthread_mutex_unlock(&q->lock);
    return fd;
}
