/* A system with one consumer that records, in one call. */
#ifndef KCA_TESTS_CONSUMING_H
#define KCA_TESTS_CONSUMING_H

#include "behaviour.h"
#include "cluster.h"
#include "recorder.h"
#include "systems.h"

enum { COME_MS = 30000, RUN_MS = 40000 };

typedef struct consuming {
    kca_system *system;
    kca_consumer *consumer;
    recorder *recorder;
    const char *topic, *group;
} consuming;

/* Started, with the builder (freed) or, for NULL, consumer_of(topic, group); handles "thing". */
static inline consuming consume(const char *topic, const char *group, kca_consumer_builder *b) {
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    give_consumer(c.system, b ? b : consumer_of(topic, group));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    return c;
}

/* Runs until `count` more were handled; gives what run gave. */
static inline kca_error *run_for(consuming *c, int count) {
    c->recorder->stop = c->consumer;
    c->recorder->stop_at = c->recorder->handled + count;
    runner r;
    runner_start(&r, c->consumer);
    kca_error *e = runner_join(&r, RUN_MS);
    c->recorder->stop = NULL;
    return e;
}

/* A crashed member is noticed soon. */
static inline kca_consumer_builder *short_session(const char *topic, const char *group) {
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_session_timeout_ms(b, 1500);
    kca_consumer_builder_with_heartbeat_interval_ms(b, 400);
    return b;
}

static inline void end(consuming *c) {
    kca_consumer_free(c->consumer);
    finish(c->system);
    recorder_free(c->recorder);
}

#endif
