#include "faults.h"

enum { SOME = 100, MEMBERS = 3, ROUNDS = 4 };

typedef struct mixture {
    scene *scene;
    int members[MEMBERS];
    int node; /* that is ended or frozen; 0: none */
    bool frozen;
    bool refused; /* dead letters */
} mixture;

static void replace_a_member(mixture *m) {
    int *member = &m->members[scene_random(m->scene, MEMBERS)];
    if (scene_random(m->scene, 2))
        scene_kill(m->scene, *member);
    else
        scene_leave(m->scene, *member);
    *member = scene_rejoin(m->scene, *member);
}

static void replace_the_publisher(mixture *m) {
    scene_kill_publisher(m->scene);
    scene_publish(m->scene);
}

/* One at most: with two down nothing can be written. */
static void stop_a_node(mixture *m) {
    if (m->node)
        return;
    m->node = 1 + scene_random(m->scene, node_count());
    m->frozen = scene_random(m->scene, 2);
    if (m->frozen)
        node_pause(m->node);
    else
        node_kill(m->node);
}

static void bring_the_node_back(mixture *m) {
    if (m->node && m->frozen)
        node_continue(m->node);
    else if (m->node)
        node_restart(m->node);
    m->node = 0;
}

static void disturb_the_network(mixture *m) {
    proxy *p = m->scene->proxy;
    switch (scene_random(m->scene, 4)) {
    case 0:
        proxy_delay(p, 20 + scene_random(m->scene, 200));
        break;
    case 1:
        proxy_limit(p, 50000);
        break;
    case 2:
        proxy_hole(p);
        break;
    default:
        proxy_reset(p);
        break;
    }
}

static void refuse_dead_letters(mixture *m) {
    topic_refuse_records(m->scene->dead);
    m->refused = true;
}

static void accept_dead_letters(mixture *m) {
    if (m->refused)
        topic_accept_records(m->scene->dead);
    m->refused = false;
}

/* By the seed: what comes on top of what is there already, and when. */
void things_go_wrong_at_once(scene *s) {
    mixture m = {.scene = s};
    static void (*const faults[])(mixture *) = {
        replace_a_member,    replace_the_publisher, stop_a_node,        disturb_the_network,
        bring_the_node_back, refuse_dead_letters,   accept_dead_letters};
    for (int i = 0; i < MEMBERS; i++)
        m.members[i] = scene_join(s);
    scene_publish(s);
    must_handle(s, SOME);
    fault_begins(s);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 3; i++) {
            faults[scene_random(s, sizeof faults / sizeof *faults)](&m);
            go_on_for(s, scene_random(s, 1500));
        }
        proxy_pass(s->proxy);
        accept_dead_letters(&m);
        must_confirm(s, SOME);
    }
    bring_the_node_back(&m);
    fault_ends(s);
    must_handle(s, SOME);
}
