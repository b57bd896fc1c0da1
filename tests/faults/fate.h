/* What handlers do with an id, by a seed: the workers do it, and the test knows what must come of
 * it.
 */
#ifndef KCA_TESTS_FATE_H
#define KCA_TESTS_FATE_H

#include <stdbool.h>

enum { FATE_ATTEMPTS = 3 }; /* max_attempts */

typedef enum deed { DEED_DONE, DEED_FAILED, DEED_LATE, DEED_REJECTED } deed;

/* Attempts are counted from 1 on. Some ids fail or are late once or twice, some always, some are
 * rejected. Seed 0: all are done. */
deed fate_deed(unsigned seed, int id, int attempt);

/* True when the id is dead-lettered in the end. */
bool fate_is_death(unsigned seed, int id);

/* The error's name. */
const char *deed_name(deed d);

#endif
