#include "faults.h"

enum { SOME = 300, TIMES = 3 };

/* The next one goes on with the ids after the last that was begun. */
void the_publisher_is_killed(scene *s) {
    scene_join(s);
    scene_join(s);
    for (int i = 0; i < TIMES; i++) {
        scene_publish(s);
        must_confirm(s, SOME + scene_random(s, SOME));
        scene_kill_publisher(s);
    }
    scene_publish(s);
    must_confirm(s, SOME);
}
