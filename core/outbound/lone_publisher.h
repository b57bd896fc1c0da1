/*
 * A publisher beside another one, which sends each record in a batch of its own. A broker refuses a
 * batch as a whole, and librdkafka then reports each record of it as refused: only of one that was
 * alone it is certain.
 */
#ifndef KCA_OUTBOUND_LONE_PUBLISHER_H
#define KCA_OUTBOUND_LONE_PUBLISHER_H

#include "outbound/publisher.h"

/* One for each of several publishers. Empty when it is all zeros. */
typedef kca__list kca__lone_publishers;

/* The one beside `other`, made and opened when it is not there yet; borrowed. */
kca_error *kca__lone_publishers_find(kca__publisher **out, kca__lone_publishers *all,
                                     const kca__publisher *other);

/* Closes all of them, as kca__lone_publisher_close. */
void kca__lone_publishers_close(kca__lone_publishers *all, int64_t deadline);

typedef struct kca__lone_publisher {
    kca__publisher *publisher; /* NULL: not open */
    kca__producers producers;  /* its own */
} kca__lone_publisher;

/* To the same topic, with the same settings otherwise; but one of which nobody would hear whether
 * it is stored (required_acks 0) waits for all in-sync replicas. Does nothing when it is open. */
kca_error *kca__lone_publisher_open(kca__lone_publisher *l, const kca__publisher *other);

/* What is not answered by the deadline is dropped, and told as that. */
void kca__lone_publisher_close(kca__lone_publisher *l, int64_t deadline);

#endif
