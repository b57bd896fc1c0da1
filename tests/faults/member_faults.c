#include "faults.h"

#include <stdio.h>

enum { SOME = 300 };

/* Two, a third joins, one leaves, one is killed and comes back, all under load; who, by the seed.
 */
void members_come_and_go(scene *s) {
    int members[3];
    members[0] = scene_join(s);
    members[1] = scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    members[2] = scene_join(s);
    must_handle_by(s, members[2], SOME / 4);

    int leaves = scene_random(s, 3);
    scene_leave(s, members[leaves]);
    must_handle(s, SOME);
    int dies = (leaves + 1 + scene_random(s, 2)) % 3;
    must_handle_by(s, members[dies], 1 + scene_random(s, SOME / 4));
    scene_kill(s, members[dies]);
    must_handle(s, SOME);

    members[dies] = scene_rejoin(s, members[dies]);
    must_handle_by(s, members[dies], SOME / 4);
    members[leaves] = scene_rejoin(s, members[leaves]);
    must_handle_by(s, members[leaves], SOME / 4);
}

/* It is taken for dead, others get what it has in hand; then it goes on where it was. */
void a_member_freezes(scene *s) {
    int frozen = scene_join(s), other = scene_join(s);
    scene_publish(s);
    must_handle_by(s, frozen, SOME / 2);
    must_handle_by(s, other, 1 + scene_random(s, SOME));
    scene_freeze(s, frozen);
    go_on_for(s, SCENE_SESSION_MS + 1000 + scene_random(s, 1000));
    must_handle_by(s, other, SOME);
    scene_thaw(s, frozen);
    must_handle_by(s, frozen, SOME / 2);
}

/* Both old and new ones have work. */
static void must_all_handle(scene *s, const int members[], int count) {
    for (int i = 0; i < count; i++)
        must_handle_by(s, members[i], SOME / 6);
}

static void replace(scene *s, int *member) {
    scene_leave(s, *member);
    *member = scene_rejoin(s, *member);
}

static bool has_newest(const scene *s, int member) {
    char line[100];
    snprintf(line, sizeof line, "librdkafka %s\n", rd_kafka_version_str());
    return process_log_has(&s->processes[member], line);
}

/* Member by member, and one goes back. */
void librdkafka_is_upgraded(scene *s) {
    int members[3];
    s->old_library = true;
    for (int i = 0; i < 3; i++)
        members[i] = scene_join(s);
    scene_publish(s);
    must_all_handle(s, members, 3);
    s->old_library = false;
    for (int i = 0; i < 3; i++) {
        assert_false(has_newest(s, members[i]));
        replace(s, &members[i]);
        must_all_handle(s, members, 3);
        assert_true(has_newest(s, members[i]));
    }
    s->old_library = true;
    replace(s, &members[scene_random(s, 3)]);
    must_all_handle(s, members, 3);
}

/* Member by member, to the group protocol "consumer", and one goes back. */
void the_group_protocol_changes(scene *s) {
    int members[3];
    for (int i = 0; i < 3; i++)
        members[i] = scene_join(s);
    scene_publish(s);
    must_all_handle(s, members, 3);
    s->wish.protocol = "consumer";
    for (int i = 0; i < 3; i++) {
        replace(s, &members[i]);
        must_all_handle(s, members, 3);
    }
    s->wish.protocol = "classic";
    replace(s, &members[scene_random(s, 3)]);
    must_all_handle(s, members, 3);
}
