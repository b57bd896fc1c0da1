/*
 * Watch: one thread of a system that keeps the states of its connections and running consumers.
 *
 * It sleeps while all are well: no statistics are collected, and nothing is done per message. What
 * librdkafka complains of is only a suspicion (it retries by itself, and complains of idle
 * connections, too): the watch probes the cluster, once a second until the probe finds all well.
 * So a state changes when the trouble is real, and changes back without traffic.
 *
 * The watch's lock comes before the engine's and the event queue's. A probe runs without it; what
 * is probed is held meanwhile.
 */
#ifndef KCA_CONNECTION_WATCH_H
#define KCA_CONNECTION_WATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/state.h"
#include "kafka/client.h"

/* Something with a state; its owner keeps the memory, and sets all but the last part. */
typedef struct kca__watched {
    const char *kind, *name; /* "consumer" and its name */
    kca_connection *connection;
    int well; /* the state in which all is well: KCA_STATE_CONNECTED or _JOINED */
    void *owner;
    void (*hold)(void *owner); /* its memory and clients stay until `release`; NULL: they do */
    void (*release)(void *owner);
    void (*tell)(void *owner, kca_event *e); /* takes the event; under the watch's lock */

    /* the watch's, under its lock */
    struct kca__watched *next;
    bool watched;
    kca__state state;
    bool has_joined;              /* or needs no joining */
    kca__client *client;          /* which complained last, or any */
    char told[KCA__TROUBLE_TEXT]; /* what it said */
    int suspicions;               /* complaints, ever */
    bool suspect;                 /* not probed since, or in trouble */
    int64_t next_probe_ms;
} kca__watched;

typedef struct kca__watch {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
    kca__watched *first;
} kca__watch;

void kca__watch_init(kca__watch *w);
void kca__watch_close(kca__watch *w);

/* False: no thread can be made. */
bool kca__watch_start(kca__watch *w);

/* It is to stop soon; waits until it has: a probe takes two seconds at most to end. */
void kca__watch_dismiss(kca__watch *w);
void kca__watch_stop(kca__watch *w);

/* Begins in this state, of which nothing is told. */
void kca__watch_add(kca__watch *w, kca__watched *x, kca__client *client, int state);

/* From now on nothing is told of it; it may be held for some seconds more. */
void kca__watch_remove(kca__watch *w, kca__watched *x);

/* From now on this client's complaints concern `x`, whose connection is watched. */
void kca__watch_listen(kca__watched *x, kca__client *client);

/* It has joined its group; it was put out of it. */
void kca__watch_joined(kca__watch *w, kca__watched *x);
void kca__watch_lost(kca__watch *w, kca__watched *x);

/* A copy of its state. */
kca__state kca__watch_look(kca__watch *w, const kca__watched *x);

#endif
