/* Hooks while another thread is busy with what they are put around. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <stdatomic.h>

enum { THINGS = 300, PATIENCE_MS = 60000 };

/* A handler that defers each delivery, and a thread that publishes with it meanwhile. */
typedef struct scene {
    kca_system *system;
    kca_bus *bus;
    kca_consumer *consumer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    kca_delivery *deferred; /* that no thread has taken yet */
    atomic_int freed, seen;
} scene;

static int defer(kca_delivery *d, void *user) {
    scene *x = user;
    pthread_mutex_lock(&x->lock);
    while (x->deferred)
        pthread_cond_wait(&x->changed, &x->lock);
    x->deferred = d;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return KCA_DEFERRED;
}

static kca_delivery *take_deferred(scene *x) {
    pthread_mutex_lock(&x->lock);
    while (!x->deferred)
        pthread_cond_wait(&x->changed, &x->lock);
    kca_delivery *d = x->deferred;
    x->deferred = NULL;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    return d;
}

static int see(kca_hooked *h, void *user) {
    scene *x = user;
    assert_int_equal(kca_hooked_verdict(h), KCA_DEFERRED);
    atomic_fetch_add(&x->seen, 1);
    return KCA_GO_ON;
}

/* Inside the publish, and perhaps inside the after functions of its own handling. */
static int settle_and_free(kca_hooked *h, void *user) {
    scene *x = user;
    kca_delivery *d = kca_hooked_delivery(h);
    if (!d)
        return KCA_GO_ON;
    must(kca_delivery_settle(d, KCA_DONE));
    kca_delivery_free(d);
    atomic_fetch_add(&x->freed, 1);
    return KCA_GO_ON;
}

static void *publish_with_each(void *argument) {
    scene *x = argument;
    kca_message *m = thing("{}", "k");
    for (int i = 0; i < THINGS; i++)
        must_fail(kca_delivery_publish(take_deferred(x), x->bus, m), KCA_ERROR_STATE,
                  "it has no transactional_id");
    kca_message_free(m);
    return NULL;
}

static int all_are_seen(void *argument) {
    scene *x = argument;
    return atomic_load(&x->seen) == THINGS;
}

static void test_a_delivery_is_freed_in_a_publish_while_hooks_see_it_deferred(void **state) {
    scene x = {.system = system_on("embedded://"),
               .lock = PTHREAD_MUTEX_INITIALIZER,
               .changed = PTHREAD_COND_INITIALIZER};
    pthread_t publisher;
    runner r;
    give_publisher(x.system, publisher_of("things"));
    kca_consumer_builder *c = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(c, KCA_PARTITION_EVERY);
    give_consumer(x.system, c);
    must(kca_system_add_handler(x.system, "thing", defer, &x, NULL));
    must(kca_system_add_handling_hook(x.system, NULL, see, &x, NULL));
    must(kca_system_add_publish_hook(x.system, settle_and_free, NULL, &x, NULL));
    start(x.system);
    x.bus = bus_of(x.system, "things");
    x.consumer = reader_of(x.system, "reader");
    publish_things(x.bus, 0, THINGS, 20, 0);
    pthread_create(&publisher, NULL, publish_with_each, &x);
    runner_start(&r, x.consumer);
    pthread_join(publisher, NULL);
    must_become(all_are_seen, &x, PATIENCE_MS, "each handling has ended");
    runner_stop(&r);
    assert_int_equal(atomic_load(&x.freed), THINGS);
    assert_int_equal(described(x.system, "consumers", 0, "handled"), THINGS);
    assert_int_equal(described(x.system, "consumers", 0, "held"), 0);
    kca_bus_free(x.bus);
    kca_consumer_free(x.consumer);
    finish(x.system);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_delivery_is_freed_in_a_publish_while_hooks_see_it_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
