#include "testing.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/notifier.h"

enum { RAISERS = 3, CLEARERS = 2, TIMES = 20000 };

static bool is_readable(int fd) {
    struct pollfd watched = {.fd = fd, .events = POLLIN};
    return poll(&watched, 1, 0) == 1;
}

static void test_it_costs_no_descriptor_until_one_is_asked_for(void **state) {
    kca__notifier n;
    kca__notifier_init(&n);
    kca__notifier_raise(&n);
    kca__notifier_clear(&n);
    assert_false(kca__notifier_is_watched(&n));
    int fd = kca__notifier_fd(&n);
    assert_true(kca__notifier_is_watched(&n));
    assert_int_equal(kca__notifier_fd(&n), fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    kca__notifier_close(&n);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* What was raised before nobody looked must not be lost. */
static void test_a_new_descriptor_is_readable(void **state) {
    kca__notifier n;
    kca__notifier_init(&n);
    int fd = kca__notifier_fd(&n);
    assert_true(is_readable(fd));
    kca__notifier_clear(&n);
    assert_false(is_readable(fd));
    kca__notifier_close(&n);
}

static void test_many_raises_are_cleared_at_once(void **state) {
    kca__notifier n;
    kca__notifier_init(&n);
    int fd = kca__notifier_fd(&n);
    for (int i = 0; i < 5; i++)
        kca__notifier_raise(&n);
    assert_true(is_readable(fd));
    kca__notifier_clear(&n);
    assert_false(is_readable(fd));
    kca__notifier_clear(&n);
    kca__notifier_raise(&n);
    assert_true(is_readable(fd));
    kca__notifier_close(&n);
}

/* Work is a number that raisers add to; who clears, looks, and takes all of it. */
typedef struct shared {
    kca__notifier notifier;
    pthread_mutex_t lock;
    atomic_int work;
    atomic_int done;
} shared;

static void *raise_often(void *argument) {
    shared *s = argument;
    for (int i = 0; i < TIMES; i++) {
        atomic_fetch_add(&s->work, 1);
        kca__notifier_raise(&s->notifier);
    }
    return NULL;
}

static void *clear_when_readable(void *argument) {
    shared *s = argument;
    struct pollfd watched = {.fd = s->notifier.fd, .events = POLLIN};
    while (atomic_load(&s->done) < RAISERS * TIMES) {
        if (poll(&watched, 1, 50) != 1)
            continue;
        pthread_mutex_lock(&s->lock);
        kca__notifier_clear(&s->notifier);
        pthread_mutex_unlock(&s->lock);
        atomic_fetch_add(&s->done, atomic_exchange(&s->work, 0));
    }
    return NULL;
}

static void test_no_raise_is_lost_between_threads_and_it_is_quiet_at_the_end(void **state) {
    shared s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[RAISERS + CLEARERS];
    kca__notifier_init(&s.notifier);
    int fd = kca__notifier_fd(&s.notifier);
    for (int i = 0; i < RAISERS + CLEARERS; i++)
        pthread_create(&threads[i], NULL, i < RAISERS ? raise_often : clear_when_readable, &s);
    for (int i = 0; i < RAISERS + CLEARERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&s.done), RAISERS * TIMES);
    kca__notifier_clear(&s.notifier);
    assert_false(is_readable(fd));
    kca__notifier_raise(&s.notifier);
    assert_true(is_readable(fd));
    kca__notifier_close(&s.notifier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_costs_no_descriptor_until_one_is_asked_for),
        cmocka_unit_test(test_a_new_descriptor_is_readable),
        cmocka_unit_test(test_many_raises_are_cleared_at_once),
        cmocka_unit_test(test_no_raise_is_lost_between_threads_and_it_is_quiet_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
