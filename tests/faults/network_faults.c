#include "faults.h"

enum { SOME = 200, RESETS = 5 };

/* It is well again, and things go on. */
static void recover_after(scene *s, int ms) {
    go_on_for(s, ms);
    proxy_pass(s->proxy);
    must_confirm(s, SOME);
    must_handle(s, SOME);
}

/* One fault after the other. A cut may come in the midst of a request each time: nothing gets
 * through then. */
void the_network_is_bad(scene *s) {
    scene_join(s);
    scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    fault_begins(s);
    proxy_delay(s->proxy, 50 + scene_random(s, 200));
    recover_after(s, 2000);
    proxy_limit(s->proxy, 20000 + scene_random(s, 30000));
    recover_after(s, 2000);
    for (int times = 0; times < RESETS; times++) {
        proxy_reset(s->proxy);
        recover_after(s, scene_random(s, 500));
    }
    proxy_cut(s->proxy, 3000 + scene_random(s, 20000));
    recover_after(s, 2000);
    proxy_hole(s->proxy);
    recover_after(s, 1000 + scene_random(s, 5000));
    proxy_refuse(s->proxy);
    recover_after(s, 1000 + scene_random(s, 2000));
    fault_ends(s);
    must_handle(s, SOME);
}
