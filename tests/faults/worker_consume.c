#include "worker.h"

#include "ledger.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { START_MS = 30000, SHUTDOWN_MS = 30000 };

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void work(const worker_options *o) {
    static atomic_uint threads;
    static _Thread_local unsigned chance;
    if (!chance)
        chance = o->seed + ++threads;
    int us = o->work_us > 0 ? rand_r(&chance) % o->work_us : 0;
    if (o->slow_every > 0 && rand_r(&chance) % o->slow_every == 0)
        us = o->slow_ms * 1000;
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* Work that was begun and not ended does not count: it has to come again. */
static int handle(kca_delivery *d, void *user) {
    const worker_options *o = user;
    const kca_message *m = kca_delivery_message(d);
    int64_t id;
    require(kca_message_json_int64(m, "/id", &id));
    work(o);
    ledger_note(o->ledger, "handled %" PRId64 " %" PRId64 " %d %" PRId64 " %d %.*s", monotonic_ns(),
                id, kca_delivery_partition(d), kca_delivery_offset(d), kca_delivery_attempt(d),
                (int)kca_message_key_len(m), (const char *)kca_message_key(m));
    return KCA_DONE;
}

static void add_consumer(kca_system *s, const worker_options *o) {
    kca_consumer_builder *b;
    require(kca_consumer_builder_new(&b, "kafka", o->topic, o->group));
    kca_consumer_builder_with_queue_capacity(b, o->queue);
    kca_consumer_builder_with_commit_interval_ms(b, o->commit_ms);
    kca_consumer_builder_with_session_timeout_ms(b, o->session_ms);
    kca_consumer_builder_with_heartbeat_interval_ms(b, o->session_ms / 4);
    if (o->strategy)
        kca_consumer_builder_with_assignment_strategy(b, o->strategy);
    if (o->instance)
        kca_consumer_builder_with_group_instance_id(b, o->instance);
    for (int i = 0; i < o->property_count; i++)
        kca_consumer_builder_with_property(b, o->properties[i].name, o->properties[i].value);
    require(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
}

static void stop(void *consumer) {
    kca_consumer_stop(consumer);
}

int worker_consume(const worker_options *o) {
    kca_consumer *c;
    kca_system *s = worker_system(o);
    add_consumer(s, o);
    require(kca_system_add_handler(s, "thing", handle, (void *)(uintptr_t)o, NULL));
    require(kca_system_start(s, START_MS));
    require(kca_system_consumer(s, o->group, &c));
    kca_consumer_with_amount_of_processors(c, o->processors);
    on_term(stop, c);
    require(kca_consumer_run(c));
    require(kca_system_shutdown(s, SHUTDOWN_MS));
    kca_consumer_free(c);
    kca_system_free(s);
    return 0;
}
