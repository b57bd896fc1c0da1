#include "faults.h"

enum { SOME = 300, LONGER_THAN_A_BROKER_SESSION_MS = 4000 };

static void begin(scene *s) {
    scene_join(s);
    scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
}

static void kill_for_a_while(scene *s, int node) {
    fault_begins(s);
    node_kill(node);
    must_confirm(s, SOME);
    must_handle(s, SOME);
    node_restart(node);
    fault_ends(s);
    must_handle(s, SOME);
}

void the_leader_is_killed(scene *s) {
    begin(s);
    kill_for_a_while(s, partition_leader(s->topic, scene_random(s, SCENE_PARTITIONS)));
}

void the_coordinator_is_killed(scene *s) {
    begin(s);
    kill_for_a_while(s, group_coordinator(s->group));
}

/* Others lead meanwhile, and it does not know when it goes on. */
void the_leader_freezes(scene *s) {
    begin(s);
    int leader = partition_leader(s->topic, scene_random(s, SCENE_PARTITIONS));
    fault_begins(s);
    node_pause(leader);
    go_on_for(s, LONGER_THAN_A_BROKER_SESSION_MS + scene_random(s, 4000));
    must_confirm(s, SOME);
    must_handle(s, SOME);
    node_continue(leader);
    fault_ends(s);
    must_handle(s, SOME);
}

void the_leaders_move(scene *s) {
    begin(s);
    fault_begins(s);
    for (int partition = 0; partition < SCENE_PARTITIONS; partition++) {
        int others = 1 + scene_random(s, node_count() - 1);
        int leader = partition_leader(s->topic, partition);
        partition_move(s->topic, partition, (leader - 1 + others) % node_count() + 1);
        must_confirm(s, SOME / 6);
    }
    fault_ends(s);
    must_handle(s, SOME);
}
