/* The processes of the fault tests, which may be killed: worker consume|publish NAME=VALUE...
 * They end well on SIGTERM, and at once when the test does. */
#ifndef KCA_TESTS_WORKER_H
#define KCA_TESTS_WORKER_H

#include <kca.h>
#include <stdbool.h>

enum { WORKER_PROPERTIES = 16 };

typedef struct worker_options {
    const char *hosts, *topic, *group;
    const char *strategy, *instance; /* of the group's member; NULL: not set */
    int ledger;
    unsigned seed;

    int processors, queue, commit_ms, session_ms;
    int work_us;              /* a handler takes up to this long */
    int slow_every, slow_ms;  /* and now and then one takes this long */
    int from, keys, a_second; /* ids to publish from here on, at this rate */

    struct {
        char *name, *value;
    } properties[WORKER_PROPERTIES]; /* of the consumer or publisher */
    int property_count;
} worker_options;

/* Run until SIGTERM; give the exit status. */
int worker_consume(const worker_options *o);
int worker_publish(const worker_options *o);

/* Says what went wrong and ends the process unless it is NULL. */
void require(kca_error *e);

/* A system that is reached at the hosts, as connection "kafka"; it warns on stderr. */
kca_system *worker_system(const worker_options *o);

/* Calls `stop` on a thread of its own when SIGTERM comes. */
void on_term(void (*stop)(void *), void *argument);

#endif
