#include "testing.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event_queue.h"

enum { PATIENCE_MS = 10000, THREADS = 4, EACH = 5000 };

static kca_event *note(int number) {
    char text[20];
    snprintf(text, sizeof text, "%d", number);
    return kca__event_new_log(KCA_LOG_INFO, "system", text);
}

static int number_of(kca_event *e) {
    int number = atoi(kca_event_log_text(e));
    kca_event_free(e);
    return number;
}

static void release_receipt(kca_event *e) {
    free(e);
}

static void push_receipt(kca__event_queue *q, uint64_t token) {
    kca__event_list list = {0};
    kca_event *e = calloc(1, sizeof *e);
    *e = (kca_event){.type = KCA_EVENT_RECEIPT, .token = token, .release = release_receipt};
    kca__list_add(&list, &e->link);
    kca__event_queue_push_receipts(q, &list);
    assert_int_equal(list.count, 0);
}

static bool is_readable(int fd) {
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

static void test_events_leave_in_their_order_notes_before_receipts(void **state) {
    kca__event_queue q;
    kca_event *out[8];
    kca__event_queue_init(&q);
    push_receipt(&q, 1);
    push_receipt(&q, 2);
    kca__event_queue_push_note(&q, note(7));
    kca__event_queue_push_note(&q, note(8));
    assert_int_equal(kca__event_queue_take(&q, out, 3, 0), 3);
    assert_int_equal(number_of(out[0]), 7);
    assert_int_equal(number_of(out[1]), 8);
    assert_int_equal(kca_event_token(out[2]), 1);
    kca_event_free(out[2]);
    assert_int_equal(kca__event_queue_take(&q, out, 8, -1), 1);
    assert_int_equal(kca_event_token(out[0]), 2);
    kca_event_free(out[0]);
    assert_int_equal(kca__event_queue_take(&q, out, 8, 0), 0);
    kca__event_queue_close(&q);
}

static void test_the_oldest_notes_make_room_receipts_never(void **state) {
    enum { MORE = 5 };
    kca__event_queue q;
    kca_event *out[1];
    kca__event_queue_init(&q);
    for (int i = 0; i < KCA__NOTES_MOST + MORE; i++) {
        kca__event_queue_push_note(&q, note(i));
        push_receipt(&q, 1);
    }
    assert_int_equal(kca__notes_count(&q.notes), KCA__NOTES_MOST);
    assert_int_equal(q.receipts.count, KCA__NOTES_MOST + MORE);
    assert_int_equal(kca__event_queue_take(&q, out, 1, 0), 1);
    assert_int_equal(number_of(out[0]), MORE);
    kca__event_queue_close(&q);
}

static void test_nothing_is_no_note_and_no_receipts_change_nothing(void **state) {
    kca__event_queue q;
    kca__event_list none = {0};
    kca_event *out[1];
    kca__event_queue_init(&q);
    int fd = kca__event_queue_fd(&q);
    kca__event_queue_take(&q, out, 1, 0);
    kca__event_queue_push_note(&q, NULL);
    kca__event_queue_push_receipts(&q, &none);
    assert_false(is_readable(fd));
    assert_int_equal(kca__event_queue_take(&q, out, 1, 0), 0);
    kca__event_queue_close(&q);
}

static void test_the_descriptor_is_readable_while_something_waits(void **state) {
    kca__event_queue q;
    kca_event *out[1];
    kca__event_queue_init(&q);
    int fd = kca__event_queue_fd(&q);
    assert_int_equal(kca__event_queue_fd(&q), fd);
    kca__event_queue_take(&q, out, 1, 0);
    assert_false(is_readable(fd));
    kca__event_queue_push_note(&q, note(1));
    kca__event_queue_push_note(&q, note(2));
    for (int i = 1; i <= 2; i++) {
        assert_true(is_readable(fd));
        assert_int_equal(kca__event_queue_take(&q, out, 1, 0), 1);
        assert_int_equal(number_of(out[0]), i);
    }
    assert_false(is_readable(fd));
    kca__event_queue_close(&q);
}

static void test_waiting_ends_at_the_deadline(void **state) {
    kca__event_queue q;
    kca_event *out[1];
    kca__event_queue_init(&q);
    int64_t begin = kca__clock_ms();
    assert_int_equal(kca__event_queue_take(&q, out, 1, 30), 0);
    assert_in_range(kca__clock_ms() - begin, 29, PATIENCE_MS);
    kca__event_queue_close(&q);
}

/* ---- many threads ---- */

typedef struct worker {
    kca__event_queue *queue;
    atomic_int *taken;
    pthread_t thread;
} worker;

static void *push_many(void *argument) {
    worker *w = argument;
    for (int i = 0; i < EACH; i++)
        push_receipt(w->queue, 1);
    return NULL;
}

static void *take_many(void *argument) {
    worker *w = argument;
    kca_event *out[7];
    while (atomic_load(w->taken) < THREADS * EACH) {
        int count = kca__event_queue_take(w->queue, out, 7, 20);
        for (int i = 0; i < count; i++)
            kca_event_free(out[i]);
        atomic_fetch_add(w->taken, count);
    }
    return NULL;
}

static void test_every_event_is_taken_once_by_many_threads(void **state) {
    kca__event_queue q;
    atomic_int taken = 0;
    worker workers[2 * THREADS];
    kca__event_queue_init(&q);
    for (int i = 0; i < 2 * THREADS; i++) {
        workers[i] = (worker){&q, &taken, 0};
        pthread_create(&workers[i].thread, NULL, i % 2 ? push_many : take_many, &workers[i]);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    assert_int_equal(atomic_load(&taken), THREADS * EACH);
    assert_int_equal(q.receipts.count, 0);
    kca__event_queue_close(&q);
}

/* ---- a source that is served by who waits ---- */

typedef struct source {
    kca__event_queue *queue;
    atomic_int woken;
    atomic_int wakes;
    atomic_int served;
    bool tells_at_the_end;
} source;

static void serve(void *owner, int timeout_ms) {
    source *s = owner;
    atomic_fetch_add(&s->served, 1);
    for (int64_t end = kca__clock_deadline(timeout_ms);
         !atomic_exchange(&s->woken, 0) && kca__clock_left_ms(end) != 0;)
        poll(NULL, 0, 1);
    if (s->tells_at_the_end)
        kca__event_queue_push_note(s->queue, note(1));
}

static void wake(void *owner) {
    assert_non_null(owner);
    atomic_store(&((source *)owner)->woken, 1);
    atomic_fetch_add(&((source *)owner)->wakes, 1);
}

static void *take_one(void *argument) {
    kca_event *out[1];
    int count = kca__event_queue_take(argument, out, 1, PATIENCE_MS);
    if (count == 1)
        kca_event_free(out[0]);
    return (void *)(intptr_t)count;
}

static void wait_until_served(source *s) {
    for (int64_t end = kca__clock_deadline(PATIENCE_MS);
         !atomic_load(&s->served) && kca__clock_left_ms(end) != 0;)
        poll(NULL, 0, 1);
    assert_true(atomic_load(&s->served) > 0);
}

static void test_a_note_reaches_who_serves_the_source(void **state) {
    kca__event_queue q;
    pthread_t taker;
    void *count;
    kca__event_queue_init(&q);
    source s = {.queue = &q};
    kca__event_queue_set_source(&q, (kca__event_source){serve, wake, &s});
    pthread_create(&taker, NULL, take_one, &q);
    wait_until_served(&s);
    kca__event_queue_push_refusals(&q, &(kca__event_list){0});
    assert_int_equal(atomic_load(&s.wakes), 0); /* nothing has come */
    int64_t begin = kca__clock_ms();
    kca__event_queue_push_note(&q, note(1));
    pthread_join(taker, &count);
    assert_int_equal((intptr_t)count, 1);
    assert_true(kca__clock_ms() - begin < PATIENCE_MS / 2);
    kca__event_queue_set_source(&q, (kca__event_source){0});
    kca__event_queue_close(&q);
}

/* What the source's last answers say comes while the source is being taken away. */
static void test_a_note_may_come_while_the_source_goes(void **state) {
    kca__event_queue q;
    pthread_t taker;
    void *count;
    kca__event_queue_init(&q);
    source s = {.queue = &q, .tells_at_the_end = true};
    kca__event_queue_set_source(&q, (kca__event_source){serve, wake, &s});
    pthread_create(&taker, NULL, take_one, &q);
    wait_until_served(&s);
    kca__event_queue_set_source(&q, (kca__event_source){serve, wake, NULL});
    pthread_join(taker, &count);
    assert_int_equal((intptr_t)count, 1);
    kca__event_queue_close(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_leave_in_their_order_notes_before_receipts),
        cmocka_unit_test(test_the_oldest_notes_make_room_receipts_never),
        cmocka_unit_test(test_nothing_is_no_note_and_no_receipts_change_nothing),
        cmocka_unit_test(test_the_descriptor_is_readable_while_something_waits),
        cmocka_unit_test(test_waiting_ends_at_the_deadline),
        cmocka_unit_test(test_every_event_is_taken_once_by_many_threads),
        cmocka_unit_test(test_a_note_reaches_who_serves_the_source),
        cmocka_unit_test(test_a_note_may_come_while_the_source_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
