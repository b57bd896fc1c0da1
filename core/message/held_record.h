/* A record that is kept until it may be published: with its delivery's transaction. One block of
 * memory. Pure. */
#ifndef KCA_MESSAGE_HELD_RECORD_H
#define KCA_MESSAGE_HELD_RECORD_H

#include "base/list.h"
#include "message/translator.h"

/* What a held record is: what a handler published, its dead letter, its reply, or, to a retry
 * channel, its own record. */
typedef enum kca__held_kind {
    KCA__HELD_RESULT,
    KCA__HELD_LETTER,
    KCA__HELD_REPLY,
    KCA__HELD_RETRY
} kca__held_kind;

/* A letter that is held: how its record failed, and in which form it is written. */
typedef struct kca__held_letter {
    bool trimmed;       /* see dead_letter.h; a reply: it tells an error instead of the result */
    char *name, *text;  /* NULL: none; owned */
    size_t cause_bytes; /* of the record that failed */
} kca__held_letter;

typedef struct kca__held_record {
    kca__link link;
    const char *topic; /* borrowed: the publisher's */
    void *channel;     /* the owner's: the publisher */
    int partition;     /* -1: the key chooses */
    kca__record record;
    kca__held_kind kind;
    kca__held_letter letter; /* but of a result */

    /* the owner's: what it comes of */
    const void *source;
    int64_t offset;
    int attempt;

    /* the owner's, while it is being written: */
    int error;    /* librdkafka's code of its report; 0: none yet, or stored */
    bool certain; /* it was refused for itself, not for its company */
} kca__held_record;

/* A copy of `record`; NULL when memory is out. */
kca__held_record *kca__held_record_new(const char *topic, const kca__record *record);

/* The record of `m` with what `wire` adds to it, and more headers; NULL when memory is out. */
kca__held_record *kca__held_record_of(const char *topic, const kca_message *m,
                                      const kca__wire *wire, const kca__header *more,
                                      int more_count);

typedef kca__list kca__held_records;

void kca__held_record_free(kca__held_record *r);

/* Frees all of them; the list is empty then. */
void kca__held_records_free(kca__held_records *list);

/* Frees those of this source. */
void kca__held_records_drop(kca__held_records *list, const void *source);

#endif
