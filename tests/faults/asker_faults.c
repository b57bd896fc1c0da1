#include "faults.h"

enum { SOME = 150, UNANSWERED = 20 };

static int has_stored(void *argument) {
    scene *s = argument;
    scene_look(s);
    return topic_count(s->topic, SCENE_PARTITIONS) >= s->asker.stored;
}

static int has_asked(void *argument) {
    scene *s = argument;
    scene_look(s);
    return checker_next_id(s->checker) > s->asker.from;
}

static int has_counted(void *argument) {
    scene *s = argument;
    scene_look(s);
    return s->processes[s->publisher].ledger.counted[COUNTED_UNKNOWN] >= s->asker.least_unknown;
}

/* Nobody answers while the asker dies and another one begins: what it does not know is counted. */
static void replace_the_asker(scene *s, int members[], int count) {
    for (int i = 0; i < count; i++)
        scene_kill(s, members[i]);
    s->asker.answers_before = topic_count(s->replies, SCENE_END_PARTITIONS);
    s->asker.stored = topic_count(s->topic, SCENE_PARTITIONS) + UNANSWERED;
    must_become(has_stored, s, SCENE_PATIENCE_MS, "questions are stored");
    scene_kill_publisher(s);
    scene_ask(s);
    must_become(has_asked, s, SCENE_PATIENCE_MS, "the next asker has begun");
    s->asker.least_unknown = UNANSWERED;
    for (int i = 0; i < count; i++)
        members[i] = scene_rejoin(s, members[i]);
}

/* Askers and answerers, under load; who of these, by the seed. */
void askers_and_answerers_are_killed(scene *s) {
    int members[2];
    for (int i = 0; i < 2; i++)
        members[i] = scene_join(s);
    scene_ask(s);
    must_confirm(s, SOME);
    int dies = scene_random(s, 2);
    must_handle_by(s, members[dies], 1 + scene_random(s, SOME / 4));
    scene_kill(s, members[dies]);
    must_confirm(s, SOME);
    members[dies] = scene_rejoin(s, members[dies]);
    must_handle_by(s, members[dies], SOME / 4);
    replace_the_asker(s, members, 2);
    must_confirm(s, SOME);
    must_become(has_counted, s, SCENE_PATIENCE_MS, "answers to the asker that died are counted");
}
