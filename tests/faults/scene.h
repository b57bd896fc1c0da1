/* A topic, its publisher and its consumers, each a process of its own, while things go wrong; and
 * the account of all messages. Every function here fails the test when it takes too long. */
#ifndef KCA_TESTS_SCENE_H
#define KCA_TESTS_SCENE_H

#include "behaviour.h"
#include "checker.h"
#include "cluster.h"
#include "nodes.h"
#include "process.h"
#include "proxy.h"
#include "systems.h"

#include <stdbool.h>

enum {
    SCENE_PARTITIONS = 6,
    SCENE_END_PARTITIONS = 3, /* of the dead-letter topic, and of the results' */
    SCENE_PROCESSES = 32,
    SCENE_QUEUE = 50,           /* queue_capacity of a member, unless wished otherwise */
    SCENE_COMMIT_MS = 200,      /* commit_interval */
    SCENE_SESSION_MS = 4000,    /* session_timeout, as in broker/configuration.bash */
    SCENE_ASKS_A_SECOND = 100,  /* fewer than are answered: else all waits for the last answer */
    SCENE_PROCESSING_MS = 300,  /* processing time, where some ids take longer */
    SCENE_PATIENCE_MS = 240000, /* until what must happen has happened */
    /* Until a process has ended: a dead letter that is being written, leaving the group, and the
     * publisher's buffer may each take up to 30 s in a network that swallows everything. */
    SCENE_END_MS = 240000
};

typedef struct scene_wish {
    const char *strategy; /* partition.assignment.strategy; NULL: kca's own choice */
    const char *protocol; /* group.protocol; NULL: that of consumer_of, unless with a strategy */
    bool static_members;  /* with group.instance.id */
    bool storm;           /* signals come to all processes without end */
    bool through_proxy;   /* all processes reach the cluster through scene.proxy */
    bool dead_letters;    /* some ids fail, are late or are rejected, by the seed: see fate.h */
    bool for_all_nodes;   /* their topic is written to only while all nodes are up */
    bool passes_on;       /* members have a transactional id each, and pass on what they handle;
                             nothing is late then */
    bool asks;            /* each message is a question, and wants a reply */
    int keys, queue;      /* 0: as usual */
} scene_wish;

typedef struct scene {
    const char *name;
    scene_wish wish;
    unsigned seed, chance, fates; /* fates: see fate.h */
    const char *topic, *group;
    const char *dead, *results, *replies; /* topics; NULL: none */
    char directory[200];                  /* ledgers and logs; removed when all went well */
    proxy *proxy;
    checker *checker;
    process processes[SCENE_PROCESSES]; /* by the checker's numbers */
    int process_count;
    int publisher; /* or asker; -1: none */
    struct {
        int process;            /* the last one; -1: none */
        int from;               /* its first id */
        int64_t stored;         /* questions to be, while nobody answers */
        int64_t answers_before; /* to others: at least these were there when it began */
        int least_unknown;      /* answers that came to it, and were not its own */
    } asker;
    int members, most_members;
    bool old_library; /* what is started now has the system's librdkafka, not the test's */
    int64_t begin_ms, fault_ms; /* fault_ms: since when something is wrong; 0: nothing */
    struct {
        int process,
            ms; /* a time within which what it (-1: what anyone) handles is not committed */
    } blind[64];
    int blind_count;
    int rebalances;
    struct {
        int partition;
        int64_t committed, by_ns; /* by then all below must have come to its end */
    } unseen[64];                 /* of which readers do not see all ends yet */
    int unseen_count;
} scene;

/* Opens the only scene of this process. Its directory's parent is given at build time. */
scene *scene_open(const char *name, scene_wish wish, unsigned seed);

/* Stops the publisher, waits until all confirmed messages are handled and committed, stops the
 * members, prints the account, and fails unless the account is good. */
void scene_close(scene *s);

/* After a failure: ends the processes that still run, and heals the cluster. Does nothing after
 * scene_close. */
void scene_abandon(void);

/* ---- publisher ---- */
void scene_publish(scene *s); /* until the scene closes, or it is killed */
void scene_ask(scene *s);     /* likewise; the publisher waits for answers */
void scene_kill_publisher(scene *s);

/* ---- members: consumer processes of one group; 0, 1, ... by the order of scene_join ---- */
int scene_join(scene *s);
void scene_leave(scene *s, int member);  /* SIGTERM: in good order unless there is a fault */
void scene_kill(scene *s, int member);   /* SIGKILL */
void scene_freeze(scene *s, int member); /* SIGSTOP */
void scene_thaw(scene *s, int member);   /* SIGCONT */
int scene_rejoin(scene *s,
                 int member); /* starts one anew that left or was killed; gives its number */

/* ---- conditions ---- */
void must_handle(scene *s, int more); /* waits for `more` deliveries, by any member */
void must_handle_by(scene *s, int member, int more); /* by this member */
void must_confirm(scene *s, int more);               /* waits for `more` receipts */
void go_on_for(scene *s, int ms);                    /* lets time pass */

/* ---- faults of the cluster and the network: repetitions are to be expected between the two ----
 */
void fault_begins(scene *s);
void fault_ends(scene *s); /* the cause is gone; waits until the topic's replicas are in sync */

/* ---- ends: see scene_ends.c ---- */
void must_wait_for_dead_letters(scene *s,
                                int count); /* until `count` ids wait to be stored there */
void must_commit_ends_only(scene *s);       /* nothing that was neither handled nor dead-lettered */
void must_have_ended_unseen(scene *s);      /* what could not be seen then; all replicas are back */
void scene_create_ends(scene *s);
void scene_read_ends(scene *s);
void scene_delete_topics(const scene *s); /* a node that was ended looks through all there are */

/* Reads the processes' ledgers; fails the test when a process has ended by itself. */
void scene_look(scene *s);

/* 0 <= result < below, by the seed. */
int scene_random(scene *s, int below);
int chance_below(unsigned *chance, int below);

#endif
