/* Signals by the thousand, with handlers that let calls end with EINTR; and who may take them: the
 * threads of the application, which say that they are its own. */
#ifndef KCA_TESTS_STORM_H
#define KCA_TESTS_STORM_H

#include <stdbool.h>

/* SIGUSR1, SIGALRM, SIGCHLD and SIGPIPE, to the process, STORM_A_SECOND times a second each. */
enum { STORM_A_SECOND = 500 };
void storm_begin(void);
void storm_end(void);

/* The calling thread is the application's. */
void storm_is_mine(void);

/* How many signals came to threads of the application, and to others: a fault. */
int storm_came(void);
int storm_strayed(void);

/* ---- what threads block, as the kernel tells ---- */

enum { STORM_THREADS = 256 };

typedef struct storm_threads {
    int ids[STORM_THREADS];
    int count;
} storm_threads;

/* The threads of this process. */
storm_threads storm_threads_now(void);

/* Which of the threads that are not among `known` leave a signal unblocked, besides those that a
 * processor takes if `processors`; `out_looked`: how many there are. */
int storm_open_threads(const storm_threads *known, bool processors, int *out_looked);

#endif
