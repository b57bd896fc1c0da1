#include "base/thread.h"

void kca__thread_block_signals(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void kca__thread_restore_signals(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* A new thread inherits what its maker has blocked. */
bool kca__thread_start(pthread_t *out, kca__thread_fn run, void *argument) {
    sigset_t before;
    kca__thread_block_signals(&before);
    bool started = pthread_create(out, NULL, run, argument) == 0;
    kca__thread_restore_signals(&before);
    return started;
}

bool kca__thread_start_processor(pthread_t *out, kca__thread_fn run, void *argument) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&blocked, own[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    bool started = pthread_create(out, NULL, run, argument) == 0;
    kca__thread_restore_signals(&before);
    return started;
}
