/* Keys are parked and let go while other threads look at them and let them go, too. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { THINGS = 400, KEYS = 20, MOST_PARKED = 3, PATIENCE_MS = 60000 };

typedef struct scene {
    kca_system *system;
    kca_consumer *consumer;
    atomic_bool over;
} scene;

static int reject(kca_delivery *d, void *user) {
    (void)d, (void)user;
    return KCA_REJECTED;
}

static void *look_on(void *argument) {
    scene *x = argument;
    while (!atomic_load(&x->over)) {
        char *text;
        must(kca_system_describe(x->system, KCA_FORMAT_TEXT, &text));
        kca_string_free(text);
        kca_error_free(kca_consumer_unpark(x->consumer, "things", 0, "k7", 2));
    }
    return NULL;
}

static int all_are_letters(void *argument) {
    kca_system *s = argument;
    return described(s, "consumers", 0, "dead_lettered") + described(s, "consumers", 0, "parked") ==
           THINGS;
}

static void test_parked_keys_are_looked_at_while_they_come_and_go(void **state) {
    scene x = {.system = system_on("embedded://")};
    pthread_t looker;
    runner r;
    give_publisher(x.system, publisher_of("things"));
    give_publisher(x.system, publisher_of("letters"));
    kca_consumer_builder *c = consumer_of("things", "reader");
    kca_consumer_builder_with_partition(c, 0);
    kca_consumer_builder_with_dead_letter_channel(c, "letters");
    kca_consumer_builder_with_park(c, 1);
    kca_consumer_builder_with_park_max_keys(c, MOST_PARKED);
    give_consumer(x.system, c);
    must(kca_system_add_handler(x.system, "thing", reject, NULL, NULL));
    start(x.system);
    kca_bus *bus = bus_of(x.system, "things");
    x.consumer = reader_of(x.system, "reader");
    pthread_create(&looker, NULL, look_on, &x);
    runner_start(&r, x.consumer);
    kca_message *m = thing("{}", "k");
    for (int i = 0; i < THINGS; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%d", i % KEYS);
        kca_message_set_key(m, key, strlen(key));
        kca_message_set_partition(m, 0);
        must(kca_bus_publish(bus, m, 0));
    }
    kca_message_free(m);
    must_become(all_are_letters, x.system, PATIENCE_MS, "each is a letter");
    atomic_store(&x.over, true);
    pthread_join(looker, NULL);
    runner_stop(&r);
    kca_bus_free(bus);
    kca_consumer_free(x.consumer);
    finish(x.system);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parked_keys_are_looked_at_while_they_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
