/*
 * A publisher of a started system: a message that is published again and again, and its receipts,
 * taken by the thread that publishes.
 */
#ifndef BENCH_KCA_PUBLISHER_H
#define BENCH_KCA_PUBLISHER_H

#include "kca_client.h"

typedef struct publisher {
    kca_bus *bus;
    kca_queue *queue;
    kca_message *message;
    long published;
    long answered;
} publisher;

/* Declares the publisher, before the system starts: acks all, the workload's batch and buffer. */
void publisher_declare(kca_system *system, const options *o, int linger_ms);

void publisher_open(publisher *p, kca_system *system, const options *o);
void publisher_close(publisher *p);

/* `token` as in kca_bus_publish. */
void publisher_publish(publisher *p, uint64_t token);

/* Takes the receipts that are there, waiting for the first up to the timeout. */
void publisher_take_receipts(publisher *p, int timeout_ms);
void publisher_wait_for_receipts(publisher *p);

#endif
