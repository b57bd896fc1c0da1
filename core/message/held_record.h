/* A record that is kept until it may be published: with its delivery's transaction. One block of
 * memory. Pure. */
#ifndef KCA_MESSAGE_HELD_RECORD_H
#define KCA_MESSAGE_HELD_RECORD_H

#include "base/list.h"
#include "message/translator.h"

typedef struct kca__held_record {
    kca__link link;
    const char *topic;  /* borrowed: the publisher's */
    const void *source; /* the owner's: what it comes of */
    kca__record record;
} kca__held_record;

/* A copy of `record`; NULL when memory is out. */
kca__held_record *kca__held_record_new(const char *topic, const kca__record *record);

typedef kca__list kca__held_records;

/* Frees all of them; the list is empty then. */
void kca__held_records_free(kca__held_records *list);

/* Frees those of this source. */
void kca__held_records_drop(kca__held_records *list, const void *source);

#endif
