#include "faults.h"

enum { SOME = 200, MEMBERS = 3 };

static void freeze_for_a_while(scene *s, int member, int other) {
    scene_freeze(s, member);
    go_on_for(s, SCENE_SESSION_MS + 1000 + scene_random(s, 1000));
    must_handle_by(s, other, SOME / 2);
    scene_thaw(s, member);
    must_handle(s, SOME);
}

/* Members die and freeze, also while a node is down; who and which, by the seed. */
void each_is_passed_on_once(scene *s) {
    int members[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        members[i] = scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    int first = scene_random(s, MEMBERS), second = (first + 1) % MEMBERS;
    must_handle_by(s, members[first], 1 + scene_random(s, SOME / 4));
    scene_kill(s, members[first]);
    members[first] = scene_rejoin(s, members[first]);
    must_handle_by(s, members[first], SOME / 4);
    freeze_for_a_while(s, members[second], members[first]);

    fault_begins(s);
    int node = 1 + scene_random(s, node_count());
    node_kill(node);
    go_on_for(s, scene_random(s, 1000));
    scene_kill(s, members[first]);
    members[first] = scene_rejoin(s, members[first]);
    must_confirm(s, SOME);
    must_handle(s, SOME);
    node_restart(node);
    fault_ends(s);
    must_handle(s, SOME);
}

/* Their topic takes no result for a while: whoever passes one on ends, and is started again. */
void results_are_refused(scene *s) {
    scene_join(s);
    scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    for (int i = 0; i < 3; i++) {
        topic_set(s->results, "max.message.bytes", "100"); /* the marks of transactions fit */
        must_confirm(s, SOME);
        topic_set(s->results, "max.message.bytes", "1048588");
        must_handle(s, SOME);
    }
}
