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

/* Started, with the builder (freed) or, for NULL, consumer_of(topic, group), and the publisher of
 * its dead letters (freed), or NULL; handles "thing". */
static inline consuming consume_beside(kca_publisher_builder *dead_letters, const char *topic,
                                       const char *group, kca_consumer_builder *b) {
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    if (dead_letters)
        give_publisher(c.system, dead_letters);
    give_consumer(c.system, b ? b : consumer_of(topic, group));
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, group);
    return c;
}

static inline consuming consume(const char *topic, const char *group, kca_consumer_builder *b) {
    return consume_beside(NULL, topic, group, b);
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
    set_session(b, 1500);
    return b;
}

typedef struct wanted_commit {
    const char *group, *topic;
    int partition;
    int64_t offset;
} wanted_commit;

static inline int has_committed(void *argument) {
    const wanted_commit *wanted = argument;
    return group_committed(wanted->group, wanted->topic, wanted->partition) == wanted->offset;
}

static inline void must_commit(const char *group, const char *topic, int partition,
                               int64_t offset) {
    if (!wait_until(has_committed, &(wanted_commit){group, topic, partition, offset}, COME_MS))
        fail_msg("%s[%d]: %lld is committed, wanted %lld", topic, partition,
                 (long long)group_committed(group, topic, partition), (long long)offset);
}

/* A counter of the consumer that describe shows reaches the value. */
typedef struct counter {
    kca_system *system;
    const char *name;
    int64_t value;
} counter;

static inline int has_counted(void *argument) {
    const counter *wanted = argument;
    return described(wanted->system, "consumers", 0, wanted->name) >= wanted->value;
}

static inline void must_count(kca_system *system, const char *name, int64_t value) {
    must_become(has_counted, &(counter){system, name, value}, COME_MS, name);
}

static inline void end(consuming *c) {
    kca_consumer_free(c->consumer);
    finish(c->system);
    recorder_free(c->recorder);
}

#endif
