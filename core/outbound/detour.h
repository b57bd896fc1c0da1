/* Detour: the delay channel by which a publisher's message goes when it is delivered later. */
#ifndef KCA_OUTBOUND_DETOUR_H
#define KCA_OUTBOUND_DETOUR_H

#include "message/postponed.h"
#include "outbound/publisher.h"

/* The topic that has the message first, and headers that it has there. */
typedef struct kca__detour {
    const char *topic; /* NULL: none, it goes where it is to go */
    kca__header headers[KCA__POSTPONED_HEADERS];
    char room[KCA__POSTPONED_HEADERS][KCA__POSTPONED_NUMBER];
    int header_count;
} kca__detour;

/* An error for a message that is to be delivered later, when there is no delay channel, or its
 * headers would say where it waits. */
kca_error *kca__detour_check(const kca__publisher *p, const kca_message *m);

/* `out` must not be copied. */
void kca__detour_find(kca__detour *out, const kca__publisher *p, const kca_message *m);

/* Where what is to be delivered at this time goes now: one of the delay channels, or, with -1, the
 * publisher's topic. */
kca__rung kca__detour_rung(const kca__publisher *p, int64_t at_ms);

#endif
