/* faults NAME: one of the scenarios below, by the seed KCA_SEED, or another each time.
 * faults random: one of them by chance; with KCA_FAULTS=long one after another, for
 * KCA_FAULTS_MINUTES (30). */
#include "faults.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    SKIPPED = 77,
    COOPERATIVE_FIXED = 0x020601ff,
    PROTOCOL_READY = 0x020c00ff,
    DEFAULT_MINUTES = 30
};

typedef struct scenario {
    const char *name;
    void (*run)(scene *s);
    scene_wish wish;
    int needs; /* rd_kafka_version() at least */
} scenario;

static const scenario scenarios[] = {
    {"members_eager", members_come_and_go, {.strategy = "range"}, 0},
    {"members_static", members_come_and_go, {.static_members = true}, 0},
    {"members_cooperative",
     members_come_and_go,
     {.strategy = "cooperative-sticky"},
     COOPERATIVE_FIXED},
    {"members_cooperative_static",
     members_come_and_go,
     {.strategy = "cooperative-sticky", .static_members = true},
     COOPERATIVE_FIXED},
    {"member_freezes", a_member_freezes, {0}, 0},
    {"members_upgraded", librdkafka_is_upgraded, {.protocol = "classic"}, PROTOCOL_READY},
    {"members_protocol", the_group_protocol_changes, {.protocol = "classic"}, PROTOCOL_READY},
    {"members_consumer", members_come_and_go, {.protocol = "consumer"}, PROTOCOL_READY},
    {"members_consumer_static",
     members_come_and_go,
     {.protocol = "consumer", .static_members = true},
     PROTOCOL_READY},
    {"member_freezes_consumer", a_member_freezes, {.protocol = "consumer"}, PROTOCOL_READY},
    {"once_consumer",
     each_is_passed_on_once,
     {.protocol = "consumer", .dead_letters = true, .passes_on = true},
     PROTOCOL_READY},
    {"publisher_killed", the_publisher_is_killed, {0}, 0},
    {"askers_killed", askers_and_answerers_are_killed, {.asks = true}, 0},
    {"leader_killed", the_leader_is_killed, {.asks = true}, 0},
    {"leader_freezes", the_leader_freezes, {0}, 0},
    {"coordinator_killed", the_coordinator_is_killed, {0}, 0},
    {"leaders_move", the_leaders_move, {0}, 0},
    {"letters_members", members_come_and_go, {.dead_letters = true, .asks = true}, 0},
    {"letters_refused",
     dead_letters_are_refused,
     {.dead_letters = true, .keys = 900, .queue = 300},
     0},
    {"letters_replicas",
     too_few_replicas_take_dead_letters,
     {.dead_letters = true, .for_all_nodes = true, .keys = 900, .queue = 300},
     0},
    {"letters_killed",
     a_member_dies_while_dead_letters_are_refused,
     {.dead_letters = true, .keys = 900, .queue = 300},
     0},
    {"letters_leader_freezes",
     the_leader_of_dead_letters_freezes,
     {.dead_letters = true, .keys = 900, .queue = 300},
     0},
    {"once", each_is_passed_on_once, {.dead_letters = true, .passes_on = true, .asks = true}, 0},
    {"results_refused", results_are_refused, {.passes_on = true}, 0},
    {"bad_network", the_network_is_bad, {.through_proxy = true}, 0},
    {"mixed",
     things_go_wrong_at_once,
     {.through_proxy = true, .dead_letters = true, .asks = true},
     0},
    {"signals",
     things_go_wrong_at_once,
     {.through_proxy = true, .dead_letters = true, .storm = true},
     0},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static unsigned seed; /* of this run */
static const scenario *chosen;

static void run(const scenario *wanted, unsigned scene_seed) {
    scene *s = scene_open(wanted->name, wanted->wish, scene_seed);
    wanted->run(s);
    scene_close(s);
}

static bool can_run(const scenario *wanted) {
    return rd_kafka_version() >= wanted->needs;
}

static void test_nothing_is_lost(void **state) {
    run(chosen, seed);
}

static int64_t long_ms(void) {
    const char *form = getenv("KCA_FAULTS"), *minutes = getenv("KCA_FAULTS_MINUTES");
    if (!form || strcmp(form, "long") != 0)
        return 0;
    return (minutes ? atoi(minutes) : DEFAULT_MINUTES) * INT64_C(60000);
}

/* Each has its seed, which is printed: with it, it can be run again alone. */
static void test_nothing_is_lost_whatever_comes_next(void **state) {
    unsigned chance = seed;
    int64_t end = now_ms() + long_ms();
    do {
        const scenario *next = &scenarios[chance_below(&chance, SCENARIOS)];
        if (can_run(next))
            run(next, (unsigned)rand_r(&chance));
    } while (now_ms() < end);
}

static int abandon(void **state) {
    scene_abandon();
    return 0;
}

static const scenario *find(const char *name) {
    for (int i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

int main(int argc, char **argv) {
    const struct CMUnitTest one[] = {cmocka_unit_test_teardown(test_nothing_is_lost, abandon)};
    const struct CMUnitTest many[] = {
        cmocka_unit_test_teardown(test_nothing_is_lost_whatever_comes_next, abandon)};
    const char *given = getenv("KCA_SEED"), *name = argc == 2 ? argv[1] : "";
    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL) ^ (unsigned)getpid();
    if (strcmp(name, "random") == 0)
        return cmocka_run_group_tests(many, NULL, NULL);
    chosen = find(name);
    if (!chosen) {
        fprintf(stderr, "usage: faults random|SCENARIO; scenarios:\n");
        for (int i = 0; i < SCENARIOS; i++)
            fprintf(stderr, "  %s\n", scenarios[i].name);
        return 2;
    }
    if (!can_run(chosen)) {
        printf("needs a newer librdkafka than %s\n", rd_kafka_version_str());
        return SKIPPED;
    }
    return cmocka_run_group_tests(one, NULL, NULL);
}
