/*
 * Parking: the keys of one partition that wait for a dead letter.
 *
 * When a message of a key has become a dead letter, the later ones of that key follow it into the
 * dead-letter channel instead of being handled: the key is parked. Those letters are a line. Each
 * says which offset the key waits for, where it stands itself, and which one it stands behind; both
 * stay as they are however often it is published again. So a message that is redriven is handled
 * exactly when its turn in the line has come: all before it have been handled. When the last of the
 * line has been, the key is let go.
 *
 * It is a part of the commit's metadata (commit_text.h), and so agrees with the offset that it was
 * committed with. Its letter is `p`, its payload:
 *
 *   the least offset that a key waits for, and the first time in seconds since 1970 (varints), then
 *   for each key, in the order of their times: a hash of it (8 bytes, big endian); from the least
 *   offset to its own, from there to the place where its line has come to, from there to its last
 *   (varints); twice the seconds since the first time, and 1 if that place has been handled (a
 *   varint); how many of the line were not handled yet (a varint)
 *
 * Keys with one hash share a line: they may follow one another without need. Two of them that join
 * it at once both stand behind the same one, and the engine lets the line go then; none is skipped.
 *
 * Pure: no threads, no librdkafka. The owner locks.
 */
#ifndef KCA_ENGINE_PARKING_H
#define KCA_ENGINE_PARKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dead_letter/parked_place.h"
#include "engine/commit_text.h"

enum {
    KCA__PARKING_KEYS = 120,
    KCA__PARKING_BYTES = 2020, /* of a payload: the offset map wants some of the 4000 characters */
    KCA__PARKING_SIZE = KCA__COMMIT_TEXT_SIZE(KCA__PARKING_BYTES),
    KCA__PARKED_TEXT = 64
};

typedef struct kca__parked_key {
    uint64_t hash;
    int64_t waits_for;
    int64_t next; /* the place whose turn has come; or, `passed`, the last that was handled */
    bool passed;
    int64_t last;    /* place */
    int64_t letters; /* of the line that were not handled yet; 1 or more */
    int64_t time_s;
    char text[KCA__PARKED_TEXT]; /* the key, for people; "": not known */
} kca__parked_key;

/* An empty one is all zeros. */
typedef struct kca__parking {
    kca__parked_key *keys; /* the one that is parked longest first */
    int count;
} kca__parking;

/* What becomes of a message whose turn has come. */
typedef enum kca__parked {
    KCA__PARKED_NOT,     /* its key does not wait: it is handled */
    KCA__PARKED_IN_TURN, /* it is the one that its key waits for: likewise */
    KCA__PARKED_FOLLOWS, /* into the dead-letter channel */
    KCA__PARKED_AGAIN    /* likewise: one at its place was handled, or has followed, before */
} kca__parked;

/* Never 0. */
uint64_t kca__parking_hash(const void *key, size_t len);

/* False when memory is out. */
bool kca__parking_init(kca__parking *p);
void kca__parking_close(kca__parking *p);

/* Into one that was not initialised. False when memory is out. */
bool kca__parking_copy(kca__parking *out, const kca__parking *p);

kca__parked_key *kca__parking_find(const kca__parking *p, uint64_t hash);

/* A key begins to wait for this offset. There are less than KCA__PARKING_KEYS. */
kca__parked_key *kca__parking_add(kca__parking *p, uint64_t hash, int64_t offset, int64_t time_s);
void kca__parking_remove(kca__parking *p, kca__parked_key *k);

/* Decides of a message of the key at `offset`. `told`: the place that it says it has; one that
 * cannot be is not believed. `out` is its place, if it has one. */
kca__parked kca__parking_judge(const kca__parked_key *k, int64_t offset,
                               const kca__parked_place *told, kca__parked_place *out);

/* Of the payload. */
size_t kca__parking_bytes(const kca__parking *p);

/* "" when no key is parked. It has room: kca__parking_bytes says so. */
void kca__parking_write(char out[KCA__PARKING_SIZE], const kca__parking *p, int64_t offset);

/* It tells of parked keys. */
bool kca__parking_is_told(const char *text, size_t len, int64_t offset);

/* What the metadata committed with `offset` tells, into an empty one. False: something that this
 * library did not write; it is left empty. */
bool kca__parking_read(kca__parking *out, const char *text, size_t len, int64_t offset);

#endif
