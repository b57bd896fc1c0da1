#include "faults.h"

enum { SOME = 300, REFUSED = 10, LONGER_THAN_A_BROKER_SESSION_MS = 4000 };

static void begin(scene *s) {
    scene_join(s);
    scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
}

/* Other keys go on, and nothing is committed beyond those that wait. */
static void must_go_on_without_them(scene *s) {
    must_wait_for_dead_letters(s, REFUSED);
    must_handle(s, SOME);
    must_commit_ends_only(s);
    must_wait_for_dead_letters(s, REFUSED);
}

void dead_letters_are_refused(scene *s) {
    begin(s);
    topic_refuse_records(s->dead);
    for (int i = 0; i < 3; i++)
        must_go_on_without_them(s);
    topic_accept_records(s->dead);
    must_handle(s, SOME);
}

void too_few_replicas_take_dead_letters(scene *s) {
    begin(s);
    fault_begins(s);
    int node = 1 + scene_random(s, node_count());
    node_kill(node);
    must_confirm(s, SOME);
    must_go_on_without_them(s);
    node_restart(node);
    fault_ends(s);
    must_handle(s, SOME);
}

/* Others get what it could not bury, and cannot either. */
void a_member_dies_while_dead_letters_are_refused(scene *s) {
    int members[3];
    for (int i = 0; i < 3; i++)
        members[i] = scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    topic_refuse_records(s->dead);
    must_go_on_without_them(s);
    int *dies = &members[scene_random(s, 3)];
    scene_kill(s, *dies);
    must_go_on_without_them(s);
    *dies = scene_rejoin(s, *dies);
    must_handle_by(s, *dies, SOME / 4);
    must_go_on_without_them(s);
    topic_accept_records(s->dead);
    must_handle(s, SOME);
}

/* Dead letters are under way to it, and whether they are stored nobody knows. */
void the_leader_of_dead_letters_freezes(scene *s) {
    begin(s);
    int leader = partition_leader(s->dead, scene_random(s, SCENE_END_PARTITIONS));
    fault_begins(s);
    node_pause(leader);
    go_on_for(s, LONGER_THAN_A_BROKER_SESSION_MS + scene_random(s, 3000));
    must_handle(s, SOME);
    must_commit_ends_only(s);
    node_continue(leader);
    fault_ends(s);
    must_handle(s, SOME);
}
