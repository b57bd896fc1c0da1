/* Random tests: one generator, whose rounds begin with the seeds 1, 2, 3 ... A round that fails
 * ends the program and prints KCA_SEED, which repeats that round alone. */
#ifndef KCA_TESTS_CHANCE_H
#define KCA_TESTS_CHANCE_H

#include "testing.h"

/* Any number below this one. */
uint64_t pick(uint64_t below);

/* Plays this many rounds, and gives how many they were: KCA_SCHEDULES sets the number, and a build
 * in which a round takes longer (KCA_TEST_ROUNDS of its CMakeLists.txt) plays fewer. */
long play_each(void (*round)(void), long rounds);

/* As assert_true, but without a call when it is true: a round checks often. */
#define check(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s", #condition);                                                            \
    } while (0)

#endif
