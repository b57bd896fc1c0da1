/*
 * Memory: what a redrive's group knows of one partition of dead letters: which of them are done.
 * The others stay redrivable, wherever they are.
 *
 * It is a commit: the offset of the first letter that is left, and in the metadata a map of those
 * that are done beyond (engine/offset_map.h). A map has room for so much. When a round would make
 * what is done too scattered for it, the round is cut before it is published: what cannot be
 * remembered is not done.
 *
 * In a run, letters are left and passed in the order of their offsets. Pure; the run's thread owns
 * it.
 */
#ifndef KCA_REDRIVE_REDRIVE_MEMORY_H
#define KCA_REDRIVE_REDRIVE_MEMORY_H

#include "engine/offset_map.h"

typedef struct kca__redrive_memory {
    kca__offset_map known; /* done before this run */
    kca__offset_run *open; /* left, ascending; all that is read and not in it is done */
    int open_count, open_room;
    bool grows; /* what is left next belongs to the last run */
} kca__redrive_memory;

/* What was committed, NULL: nothing; `begin`, the first offset to be read, is `base` or more, which
 * is the first that can be left. False when memory is out. */
bool kca__redrive_memory_open(kca__redrive_memory *out, const char *metadata, size_t len,
                              int64_t committed, int64_t base, int64_t begin);
void kca__redrive_memory_close(kca__redrive_memory *m);

/* The offset behind the last letter that was done before this run; -1: none was. */
int64_t kca__redrive_memory_known_end(const kca__redrive_memory *m);

/* Whether the letter was done before. To be asked in ascending order. */
bool kca__redrive_memory_knows(kca__redrive_memory *m, int64_t offset);

/* What becomes of the next record: it is left; it is done; it is no letter, so that either will do,
 * and it takes no room. False when memory is out. */
bool kca__redrive_memory_leave(kca__redrive_memory *m, int64_t offset);
void kca__redrive_memory_pass(kca__redrive_memory *m);
bool kca__redrive_memory_ignore(kca__redrive_memory *m, int64_t offset);

/* How many from `first` to below `end` were not done before. */
int64_t kca__redrive_memory_count_left(const kca__redrive_memory *m, int64_t first, int64_t end);

/* Writes what is to be committed: `out_base` and the text. `open`: runs of further letters that are
 * left, ascending; all else below `read` is done. Gives the offset from which on nothing may be
 * done, for the text does not tell of it: `read` when it tells of all. */
int64_t kca__redrive_memory_write(const kca__redrive_memory *m, const kca__offset_run *open,
                                  int count, int64_t read, int64_t *out_base,
                                  char out[KCA__OFFSET_MAP_SIZE]);

#endif
