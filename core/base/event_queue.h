/*
 * The system's queue: receipts, faults and log lines wait here for the application.
 *
 * Many threads push, many may take; one lock for each push or take of any number of events.
 * Receipts are bounded by their publisher's buffer; all else are notes, see notes.h.
 *
 * Where all receipts come from one source (a producer client), a thread that waits here serves the
 * source itself instead of being woken by the thread that does; see outbound/producer.h. Not when
 * somebody polls the descriptor: then the source must be served while nobody waits here.
 */
#ifndef KCA_BASE_EVENT_QUEUE_H
#define KCA_BASE_EVENT_QUEUE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/notes.h"
#include "base/notifier.h"

typedef kca__list kca__event_list;

typedef struct kca__event_source {
    void (*serve)(void *owner, int timeout_ms); /* waits for something and pushes it */
    void (*wake)(void *owner);                  /* makes serve return */
    void *owner;                                /* NULL: no source */
} kca__event_source;

typedef struct kca__event_queue {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    int waiting;
    kca__event_source source;
    int serving;          /* threads inside source.serve */
    kca__event_list back; /* were taken, and not handled: they come first */
    kca__event_list receipts;
    kca__notes notes;
    kca__notifier notifier;
} kca__event_queue;

void kca__event_queue_init(kca__event_queue *q);

/* Releases what is left in it. */
void kca__event_queue_close(kca__event_queue *q);

/* Sets the one source, or none (owner NULL); then nobody is inside the old one any more. */
void kca__event_queue_set_source(kca__event_queue *q, kca__event_source source);

/* Moves all of `receipts`, which came out of the source, to the queue. */
void kca__event_queue_push_receipts(kca__event_queue *q, kca__event_list *receipts);

/* Moves receipts that did not come out of the source, and wakes the thread that serves it. */
void kca__event_queue_push_refusals(kca__event_queue *q, kca__event_list *receipts);

/* NULL is ignored. */
void kca__event_queue_push_note(kca__event_queue *q, kca_event *e);

/* Up to `max` events, notes first; waits up to timeout_ms for the first. */
int kca__event_queue_take(kca__event_queue *q, kca_event **out, int max, int timeout_ms);

/* Events that were taken and are to be taken again, in this order, before others. */
void kca__event_queue_put_back(kca__event_queue *q, kca_event **events, int count);

int kca__event_queue_fd(kca__event_queue *q);

#endif
