/* A handler that notes its deliveries, gates that hold handlers up, and consumers that run on a
 * thread of their own. */
#ifndef KCA_TESTS_RECORDER_H
#define KCA_TESTS_RECORDER_H

#include <kca.h>
#include <pthread.h>
#include <stdbool.h>

enum { RECORDER_MOST = 30000, RECORDER_KEY = 16 };

typedef struct seen {
    int id; /* "id" of the payload; -1: none */
    int partition;
    int64_t offset;
    char key[RECORDER_KEY];
} seen;

typedef struct recorder recorder;
struct recorder {
    /* set by the test */
    int (*behave)(recorder *r, kca_delivery *d, int id); /* NULL: KCA_DONE */
    kca_consumer *stop;                                  /* stopped when `stop_at` were handled */
    int stop_at;
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    seen *all; /* in the order in which they came */
    int came;
    int handled; /* whose handlers have returned */
    int inside;  /* handlers that run now */
    int most_inside;
    int same_key_inside;   /* how often two of one key were inside at once */
    int same_key_disorder; /* how often an id of a key first came after a greater one */
};

recorder *recorder_new(void);
void recorder_free(recorder *r);

/* The kca_handler_fn; user is the recorder. */
int recorder_handle(kca_delivery *d, void *user);

/* Makes the recorder the system's handler of `name`. */
void record(kca_system *s, const char *name, recorder *r);

/* Wait until `count` deliveries came, or were handled. */
void must_come(recorder *r, int count, int timeout_ms);
void must_be_handled(recorder *r, int count, int timeout_ms);
int came(recorder *r);

/* How often the id came; how many of the ids 0 .. count - 1 never came; how many came more than
 * once. */
int times_seen(recorder *r, int id);
int missing_of(recorder *r, int count);
int repeated_of(recorder *r, int count);

/* A gate: handlers wait at it, a minute at most, until it is opened. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int waiting;
} gate;
#define GATE_CLOSED                                                                                \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 }
void gate_wait(gate *g);
void gate_open(gate *g);
void must_wait_at(gate *g, int handlers, int timeout_ms);

/* kca_consumer_run on a thread; join gives what it returned, and fails the test when it does not
 * return. */
typedef struct runner {
    kca_consumer *consumer;
    pthread_t thread;
    kca_error *error;
} runner;
void runner_start(runner *r, kca_consumer *c);
kca_error *runner_join(runner *r, int timeout_ms);

/* Stops the consumer and joins; it must end well. */
void runner_stop(runner *r);

#endif
