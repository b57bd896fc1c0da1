/*
 * glibc's C11 threads over pthread, for ThreadSanitizer: it does not intercept them, takes threads
 * made by thrd_create for unknown ones, and crashes. Linked into a test program with -rdynamic,
 * these stand before libc's, also for librdkafka. The types are libc's own, which hold a pthread
 * object.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "mtx_t holds a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "cnd_t holds a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "thrd_t is a pthread_t");
_Static_assert(sizeof(tss_t) == sizeof(pthread_key_t), "tss_t is a pthread_key_t");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "once_flag is a pthread_once_t");

static int result_of(int err) {
    switch (err) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

/* ---- threads ---- */

typedef struct beginning {
    thrd_start_t run;
    void *argument;
} beginning;

static void *begin(void *argument) {
    beginning b = *(beginning *)argument;
    free(argument);
    return (void *)(intptr_t)b.run(b.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument) {
    beginning *b = malloc(sizeof *b);
    if (!b)
        return thrd_nomem;
    *b = (beginning){run, argument};
    int err = pthread_create((pthread_t *)thread, NULL, begin, b);
    if (err)
        free(b);
    return err == EAGAIN ? thrd_nomem : result_of(err);
}

int thrd_join(thrd_t thread, int *result) {
    void *returned;
    int err = pthread_join((pthread_t)thread, &returned);
    if (!err && result)
        *result = (int)(intptr_t)returned;
    return result_of(err);
}

int thrd_detach(thrd_t thread) {
    return result_of(pthread_detach((pthread_t)thread));
}

thrd_t thrd_current(void) {
    return (thrd_t)pthread_self();
}

int thrd_equal(thrd_t a, thrd_t b) {
    return pthread_equal((pthread_t)a, (pthread_t)b);
}

_Noreturn void thrd_exit(int result) {
    pthread_exit((void *)(intptr_t)result);
}

/* ---- mutexes ---- */

int mtx_init(mtx_t *lock, int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE
                                                                : PTHREAD_MUTEX_NORMAL);
    int err = pthread_mutex_init((pthread_mutex_t *)lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result_of(err);
}

int mtx_lock(mtx_t *lock) {
    return result_of(pthread_mutex_lock((pthread_mutex_t *)lock));
}

int mtx_trylock(mtx_t *lock) {
    return result_of(pthread_mutex_trylock((pthread_mutex_t *)lock));
}

int mtx_timedlock(mtx_t *restrict lock, const struct timespec *restrict until) {
    return result_of(pthread_mutex_timedlock((pthread_mutex_t *)lock, until));
}

int mtx_unlock(mtx_t *lock) {
    return result_of(pthread_mutex_unlock((pthread_mutex_t *)lock));
}

void mtx_destroy(mtx_t *lock) {
    pthread_mutex_destroy((pthread_mutex_t *)lock);
}

/* ---- conditions ---- */

int cnd_init(cnd_t *condition) {
    return result_of(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int cnd_signal(cnd_t *condition) {
    return result_of(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition) {
    return result_of(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *lock) {
    return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict lock,
                  const struct timespec *restrict until) {
    return result_of(
        pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)lock, until));
}

void cnd_destroy(cnd_t *condition) {
    pthread_cond_destroy((pthread_cond_t *)condition);
}

/* ---- each thread's own, and once ---- */

int tss_create(tss_t *key, tss_dtor_t destroy) {
    return result_of(pthread_key_create((pthread_key_t *)key, destroy));
}

void *tss_get(tss_t key) {
    return pthread_getspecific((pthread_key_t)key);
}

int tss_set(tss_t key, void *value) {
    return result_of(pthread_setspecific((pthread_key_t)key, value));
}

void tss_delete(tss_t key) {
    pthread_key_delete((pthread_key_t)key);
}

void call_once(once_flag *flag, void (*run)(void)) {
    pthread_once((pthread_once_t *)flag, run);
}
