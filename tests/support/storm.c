#include "storm.h"

#include "testing.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int kinds[] = {SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE};
enum { KINDS = sizeof kinds / sizeof *kinds };

static timer_t timers[KINDS];
static atomic_int came, strayed;
static _Thread_local bool is_mine;

static void take(int signal) {
    (void)signal;
    atomic_fetch_add(is_mine ? &came : &strayed, 1);
}

void storm_is_mine(void) {
    is_mine = true;
}

int storm_came(void) {
    return atomic_load(&came);
}

int storm_strayed(void) {
    return atomic_load(&strayed);
}

void storm_begin(void) {
    const struct sigaction action = {.sa_handler = take};
    const struct timespec pause = {0, 1000000000 / STORM_A_SECOND};
    storm_is_mine();
    atomic_store(&came, 0);
    atomic_store(&strayed, 0);
    for (int i = 0; i < KINDS; i++) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = kinds[i]};
        sigaction(kinds[i], &action, NULL);
        assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timers[i]), 0);
        timer_settime(timers[i], 0, &(struct itimerspec){pause, pause}, NULL);
    }
}

void storm_end(void) {
    for (int i = 0; i < KINDS; i++)
        timer_delete(timers[i]);
}

/* ---- threads ---- */

storm_threads storm_threads_now(void) {
    storm_threads now = {.count = 0};
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) && now.count < STORM_THREADS;)
        if (entry->d_name[0] != '.')
            now.ids[now.count++] = atoi(entry->d_name);
    closedir(folder);
    return now;
}

static bool has(const storm_threads *threads, int id) {
    for (int i = 0; i < threads->count; i++)
        if (threads->ids[i] == id)
            return true;
    return false;
}

/* The signals that can be blocked and that a thread has to block, as bits. */
static uint64_t wanted(bool processors) {
    sigset_t all;
    uint64_t bits = 0;
    sigfillset(&all);
    for (int i = 1; i <= 64; i++) {
        bool own = i == SIGSEGV || i == SIGBUS || i == SIGFPE || i == SIGILL || i == SIGTRAP ||
                   i == SIGSYS;
        if (sigismember(&all, i) == 1 && i != SIGKILL && i != SIGSTOP && !(own && processors))
            bits |= UINT64_C(1) << (i - 1);
    }
    return bits;
}

/* What the thread blocks; all of it when the thread has ended. */
static uint64_t blocked_by(int id) {
    char path[60], line[200];
    uint64_t bits = UINT64_MAX;
    snprintf(path, sizeof path, "/proc/self/task/%d/status", id);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "SigBlk: %" SCNx64, &bits) == 1)
            break;
    if (file)
        fclose(file);
    return bits;
}

int storm_open_threads(const storm_threads *known, bool processors, int *out_looked) {
    storm_threads now = storm_threads_now();
    uint64_t must_block = wanted(processors);
    int open = 0;
    *out_looked = 0;
    for (int i = 0; i < now.count; i++) {
        if (has(known, now.ids[i]))
            continue;
        uint64_t missing = must_block & ~blocked_by(now.ids[i]);
        if (missing)
            print_error("thread %d leaves signals %" PRIx64 " open\n", now.ids[i], missing);
        open += missing != 0;
        ++*out_looked;
    }
    return open;
}
