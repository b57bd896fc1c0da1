/* A second process of this program, which can be killed: its main sees `words` as arguments. It
 * tells the test numbers. */
#ifndef KCA_TESTS_CHILD_H
#define KCA_TESTS_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct child {
    pid_t pid;
    int fd;
} child;

child child_start(const char *what, const char *topic, const char *group);

/* Called in the child. False when the test no longer listens. */
bool child_tell(int number);

/* The next number that the child told; false: it has ended, or told nothing in time. */
bool child_says(const child *c, int *out, int timeout_ms);

/* Ends the child at once, as a crash does; what it told can still be read until child_close. */
void child_kill(const child *c);
void child_close(child *c);

#endif
