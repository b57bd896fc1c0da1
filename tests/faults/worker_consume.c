#include "worker.h"

#include "fate.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    START_MS = 30000,
    SHUTDOWN_MS = 30000,
    RETRY_MS = 20,
    TRANSACTION_MS = 15000,
    REPAIR_MS = 300,
    UNRELEASED_INSTANCE_ID = 111
};

static atomic_bool stopped;

static void add_publisher(kca_system *s, const char *topic) {
    kca_publisher_builder *b;
    require(kca_publisher_builder_new(&b, "kafka", topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_max_attempts(b, 3);
    require(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

static void set_member(kca_consumer_builder *b, const worker_options *o) {
    if (o->protocol)
        kca_consumer_builder_with_group_protocol(b, o->protocol);
    if (!o->protocol || strcmp(o->protocol, "consumer") != 0) { /* else the broker decides */
        kca_consumer_builder_with_session_timeout_ms(b, o->session_ms);
        kca_consumer_builder_with_heartbeat_interval_ms(b, o->session_ms / 4);
    }
    if (o->strategy)
        kca_consumer_builder_with_assignment_strategy(b, o->strategy);
    if (o->instance)
        kca_consumer_builder_with_group_instance_id(b, o->instance);
}

static void set_ends(kca_consumer_builder *b, const worker_options *o) {
    if (o->dead) {
        kca_consumer_builder_with_max_attempts(b, FATE_ATTEMPTS);
        kca_consumer_builder_with_retry_backoff_ms(b, RETRY_MS);
        kca_consumer_builder_with_dead_letter_channel(b, o->dead);
    }
    kca_consumer_builder_with_reply(b, o->replies != NULL);
    if (o->transactional_id) {
        kca_consumer_builder_with_transactional_id(b, o->transactional_id);
        kca_consumer_builder_with_transaction_timeout_ms(b, TRANSACTION_MS);
    }
}

static void add_consumer(kca_system *s, const worker_options *o) {
    kca_consumer_builder *b;
    require(kca_consumer_builder_new(&b, "kafka", o->topic, o->group));
    kca_consumer_builder_with_queue_capacity(b, o->queue);
    kca_consumer_builder_with_commit_interval_ms(b, o->commit_ms);
    set_member(b, o);
    set_ends(b, o);
    require(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
}

static void stop(void *consumer) {
    atomic_store(&stopped, true);
    kca_consumer_stop(consumer);
}

static kca_system *open_system(worker_options *o) {
    fprintf(stderr, "librdkafka %s\n", kca_rdkafka_version());
    kca_system *s = worker_system(o);
    add_consumer(s, o);
    if (o->dead)
        add_publisher(s, o->dead);
    if (o->results)
        add_publisher(s, o->results);
    if (o->replies)
        add_publisher(s, o->replies);
    require(kca_system_add_handler(s, "thing", worker_handle, o, NULL));
    require(kca_system_start(s, START_MS));
    if (o->results)
        require(kca_system_event_bus(s, o->results, &o->bus));
    return s;
}

/* A dead letter or result that is refused for good ends it, until somebody has mended that; and so
 * does, with the group protocol "consumer", the name of a static member that was killed, until its
 * session is over. */
static bool may_pass(const kca_error *e, const worker_options *o) {
    return kca_error_code(e) == KCA_ERROR_TOO_LARGE ||
           (kca_error_code(e) == KCA_ERROR_HANDLER && o->results) ||
           kca_error_rdkafka_code(e) == UNRELEASED_INSTANCE_ID;
}

/* As who supervises it does. */
static void run(kca_consumer *c, const worker_options *o) {
    const struct timespec pause = {0, REPAIR_MS * 1000000};
    kca_error *e;
    while ((e = kca_consumer_run(c)) && may_pass(e, o) && !atomic_load(&stopped)) {
        fprintf(stderr, "%s\n", kca_error_text(e));
        kca_error_free(e);
        nanosleep(&pause, NULL);
    }
    if (atomic_load(&stopped))
        kca_error_free(e);
    else
        require(e);
}

int worker_consume(worker_options *o) {
    kca_consumer *c;
    kca_system *s = open_system(o);
    require(kca_system_consumer(s, o->group, &c));
    kca_consumer_with_amount_of_processors(c, o->processors);
    if (o->processing_ms > 0)
        kca_consumer_with_message_processing_timeout_ms(c, o->processing_ms);
    on_term(stop, c);
    run(c, o);
    require(kca_system_shutdown(s, SHUTDOWN_MS));
    kca_bus_free(o->bus);
    kca_consumer_free(c);
    kca_system_free(s);
    return 0;
}
