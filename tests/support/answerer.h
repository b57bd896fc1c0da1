/* An answerer that is made by hand: a consumer whose handler publishes its answers itself.
 *
 * To {"id":n} it answers {"twice":2n}, to a negative n {"error":"negative"}, to 0 nothing. */
#ifndef KCA_TESTS_ANSWERER_H
#define KCA_TESTS_ANSWERER_H

#include <kca.h>

#include "recorder.h"

typedef struct answerer {
    kca_system *system;
    const char *replies;
    const char *name;
    kca_consumer *consumer;
    kca_bus *bus;
    gate *hold; /* its handler waits there first; NULL: it does not */
    runner runner;
} answerer;

/* Declares it in a system that is not started: it reads `asks` and answers on `replies`. */
void answerer_declare(answerer *a, kca_system *s, const char *asks, const char *replies);

/* Runs it, once the system is started; and ends it. */
void answerer_start(answerer *a);
void answerer_stop(answerer *a);

/* A publisher of asks, which go at once; declared. */
void asking_declare(kca_system *s, const char *asks, const char *replies);
kca_bus *query_bus_of(kca_system *s, const char *channel);

/* The message {"id":id}; freed by the caller. */
kca_message *question(int64_t id);

/* Sends it, and gives kca_bus_send's or kca_bus_send_for_reply's outcome. */
kca_error *send_question(kca_bus *bus, int64_t id, uint64_t token, int timeout_ms);
kca_error *ask_question(kca_event **out, kca_bus *bus, int64_t id, int timeout_ms);

/* Fails unless the event is the answer to this id. */
void must_be_answer(const kca_event *e, int64_t id);

#endif
