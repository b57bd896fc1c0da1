/*
 * Threads of the library. They start with all signals blocked, so that the kernel gives a signal to
 * the process to a thread of the application, whose handler expects it there: a thread of the
 * library would run that handler in the middle of its work, and its own calls would end with EINTR.
 *
 * Processors run the application's code: they take the signals that a fault of that code itself
 * raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS), which a handler for crashes waits for.
 */
#ifndef KCA_BASE_THREAD_H
#define KCA_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

typedef void *(*kca__thread_fn)(void *argument);

/* False: no thread can be made. */
bool kca__thread_start(pthread_t *out, kca__thread_fn run, void *argument);

/* A thread that runs the application's code. */
bool kca__thread_start_processor(pthread_t *out, kca__thread_fn run, void *argument);

/* Around calls that make threads elsewhere, in librdkafka: they inherit what is blocked here. */
void kca__thread_block_signals(sigset_t *before);
void kca__thread_restore_signals(const sigset_t *before);

#endif
