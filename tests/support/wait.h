/* Tests wait for conditions, with a deadline. */
#ifndef KCA_TESTS_WAIT_H
#define KCA_TESTS_WAIT_H

#include <stdint.h>

/* Monotonic. */
int64_t now_ms(void);

/* Polls until condition(argument) is not 0; 0 when `timeout_ms` is over first. */
int wait_until(int (*condition)(void *), void *argument, int timeout_ms);

#endif
