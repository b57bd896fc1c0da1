/*
 * Parked place: where a message stands in the line of its key, which waits for a dead letter (see
 * engine/parking.h). A dead letter has it in text headers; a message that is redriven in the one
 * header kca-parked:
 *
 *   <waits_for> <behind, or -> <at> <partition> <topic> <group>
 *
 * A line is of one group and partition: to others the header says nothing. Whoever writes it by
 * hand can give up the order of that key, and have its messages passed by as repeated. Pure.
 */
#ifndef KCA_DEAD_LETTER_PARKED_PLACE_H
#define KCA_DEAD_LETTER_PARKED_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KCA__PARKED_HEADER "kca-parked"

/* All zeros: in none. */
typedef struct kca__parked_place {
    bool in_line;
    int64_t waits_for; /* the offset that the line began with */
    int64_t behind;    /* that of the one before it; -1: it is the first */
    int64_t at;        /* its own, of when it came first */
} kca__parked_place;

/* The header's text, the caller's; NULL when memory is out. */
char *kca__parked_place_write(const kca__parked_place *place, const char *topic, int partition,
                              const char *group);

/* What the header says of this group and partition; in no line when that is nothing. */
kca__parked_place kca__parked_place_read(const char *text, size_t len, const char *topic,
                                         int partition, const char *group);

#endif
