#include "event_queue.h"

#include <string.h>

void kca__event_list_init(kca__event_list *l) {
    l->first = NULL;
    l->end = &l->first;
    l->count = 0;
}

void kca__event_list_add(kca__event_list *l, kca_event *e) {
    e->next = NULL;
    *l->end = e;
    l->end = &e->next;
    l->count++;
}

static kca_event *list_take(kca__event_list *l) {
    kca_event *e = l->first;
    if (!e)
        return NULL;
    l->first = e->next;
    if (!l->first)
        l->end = &l->first;
    l->count--;
    e->next = NULL;
    return e;
}

void kca__event_queue_init(kca__event_queue *q) {
    memset(q, 0, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    kca__clock_condition_init(&q->arrived);
    kca__event_list_init(&q->receipts);
    kca__event_list_init(&q->notes);
    kca__notifier_init(&q->notifier);
}

void kca__event_queue_close(kca__event_queue *q) {
    kca_event *e;
    while ((e = list_take(&q->notes)) || (e = list_take(&q->receipts)))
        e->release(e);
    kca__notifier_close(&q->notifier);
    pthread_cond_destroy(&q->arrived);
    pthread_mutex_destroy(&q->lock);
}

/* With the lock held: something is there now. */
static void announce(kca__event_queue *q) {
    kca__notifier_raise(&q->notifier);
    if (q->waiting > 0)
        pthread_cond_signal(&q->arrived);
}

void kca__event_queue_push_receipts(kca__event_queue *q, kca__event_list *receipts) {
    if (receipts->count == 0)
        return;
    pthread_mutex_lock(&q->lock);
    *q->receipts.end = receipts->first;
    q->receipts.end = receipts->end;
    q->receipts.count += receipts->count;
    announce(q);
    pthread_mutex_unlock(&q->lock);
    kca__event_list_init(receipts);
}

void kca__event_queue_push_note(kca__event_queue *q, kca_event *e) {
    if (!e)
        return;
    pthread_mutex_lock(&q->lock);
    kca_event *oldest = q->notes.count >= KCA__EVENT_QUEUE_NOTES ? list_take(&q->notes) : NULL;
    kca__event_list_add(&q->notes, e);
    announce(q);
    pthread_mutex_unlock(&q->lock);
    if (oldest)
        oldest->release(oldest);
}

/* With the lock held. */
static int take_now(kca__event_queue *q, kca_event **out, int max) {
    int count = 0;
    kca_event *e;
    while (count < max && ((e = list_take(&q->notes)) || (e = list_take(&q->receipts))))
        out[count++] = e;
    if (!q->notes.first && !q->receipts.first)
        kca__notifier_clear(&q->notifier);
    else if (q->waiting > 0)
        pthread_cond_signal(&q->arrived);
    return count;
}

int kca__event_queue_take(kca__event_queue *q, kca_event **out, int max, int timeout_ms) {
    pthread_mutex_lock(&q->lock);
    int count = take_now(q, out, max);
    if (count == 0 && timeout_ms != 0) {
        int64_t deadline = kca__clock_deadline(timeout_ms);
        int in_time = 1;
        q->waiting++;
        while (count == 0 && in_time) {
            in_time = kca__clock_wait(&q->arrived, &q->lock, deadline);
            count = take_now(q, out, max);
        }
        q->waiting--;
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
