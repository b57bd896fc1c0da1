/* A record that is kept until it may be published: with its delivery's transaction. One block of
 * memory. Pure. */
#ifndef KCA_MESSAGE_HELD_RECORD_H
#define KCA_MESSAGE_HELD_RECORD_H

#include "message/translator.h"

typedef struct kca__held_record {
    struct kca__held_record *next;
    const char *topic;  /* borrowed: the publisher's */
    const void *source; /* the owner's: what it comes of */
    kca__record record;
} kca__held_record;

/* A copy of `record`; NULL when memory is out. */
kca__held_record *kca__held_record_new(const char *topic, const kca__record *record);

/* All of a list. */
void kca__held_records_free(kca__held_record *first);

/* In the order of their coming. */
typedef struct kca__held_records {
    kca__held_record *first;
    kca__held_record *last;
    int count;
} kca__held_records;

void kca__held_records_add(kca__held_records *list, kca__held_record *r);

/* Moves all of `from` to the end of `to`. */
void kca__held_records_move(kca__held_records *to, kca__held_records *from);

/* Frees those of this source. */
void kca__held_records_drop(kca__held_records *list, const void *source);

#endif
