/* The processes of the fault tests, which may be killed: worker consume|publish|ask NAME=VALUE...
 * They end well on SIGTERM, and at once when the test does. */
#ifndef KCA_TESTS_WORKER_H
#define KCA_TESTS_WORKER_H

#include <kca.h>
#include <pthread.h>
#include <stdbool.h>

typedef struct worker_options {
    const char *hosts, *topic, *group;
    const char *strategy, *protocol; /* of the group's member; NULL: not set */
    const char *instance;
    const char *dead;                       /* dead-letter channel; NULL: none */
    const char *results, *transactional_id; /* channel that is passed on to; NULL: none */
    const char *replies; /* channel that questions are answered in; NULL: nobody asks */
    int ledger;
    unsigned seed, fates; /* fates: see fate.h */

    int processors, queue, commit_ms, session_ms;
    int processing_ms;        /* processing time; 0: without end, and nothing is late */
    int work_us;              /* a handler takes up to this long */
    int slow_every, slow_ms;  /* and now and then one takes this long */
    int storm;                /* 1: signals all the time */
    int from, keys, a_second; /* ids to publish from here on, at this rate */

    kca_bus *bus; /* of the results */
} worker_options;

/* Run until SIGTERM; give the exit status. */
int worker_consume(worker_options *o);
int worker_publish(const worker_options *o);
int worker_ask(const worker_options *o);

/* The worker's handler; `options`: a worker_options. */
int worker_handle(kca_delivery *d, void *options);

/* Says what went wrong and ends the process, unless the error is NULL. */
void require(kca_error *e);

/* A system with a connection "kafka" to these hosts, which warns on stderr. */
kca_system *worker_system(const worker_options *o);

/* Begins to declare a publisher of the topic that outlasts whatever happens to its brokers. */
kca_publisher_builder *lasting_publisher(const worker_options *o);

/* The message of an id, which is noted as sent. */
kca_message *new_thing(const worker_options *o, int id);

/* Sends one id after the other, at the options' rate. */
void send_until_term(const worker_options *o, void (*send)(void *argument, int id), void *argument);

/* Lets this much time pass, whatever signals come. */
void pass_us(int us);

/* Starts a thread that takes no signals. */
pthread_t start_quiet(void *(*run)(void *), void *argument);

/* Calls `stop` on a thread of its own when SIGTERM comes. */
void on_term(void (*stop)(void *), void *argument);

#endif
