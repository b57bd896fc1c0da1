/*
 * The part that both end-to-end programs share: a thread that publishes at a steady pace, and the
 * time that each message took from just before it is published to where the handler sees it.
 *
 * The time travels in a header of its own, END_TO_END_HEADER, as a double of this process's
 * measure_now. First one message, until it arrives: then the group is joined. Then a warm-up, then
 * what counts.
 */
#ifndef BENCH_END_TO_END_H
#define BENCH_END_TO_END_H

#include "measure.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>

#define END_TO_END_HEADER "sentAt"

enum { END_TO_END_PER_SECOND = 1000, END_TO_END_WARM_UP = 2000 };

typedef struct end_to_end {
    measure measure;
    double sent;   /* of the message to be published: put it into the header */
    long messages; /* to measure */
    long seen;
    sem_t joined;
    pthread_t pacer;
    void (*publish)(void *user);
    void *user;
} end_to_end;

/* Starts the thread, which calls `publish` for each message. */
void end_to_end_start(end_to_end *run, long messages, void (*publish)(void *user), void *user);

/* A message arrived, with this value of the header. True: it was the last. One thread only. */
bool end_to_end_arrived(end_to_end *run, const void *sent, size_t size);

/* Waits for the thread. */
void end_to_end_finish(end_to_end *run);

#endif
