/*
 * Offset map: which offsets beyond the committed one are finished, as a part of the commit's
 * metadata (see commit_text.h). A restart reads it and does not repeat them. Its letter and
 * payload:
 *
 *   r  runs: lengths, alternately of open and of finished offsets, the first of open ones; each a
 *      varint (7 bits a byte, the lowest first). Small when little is open, however much is
 *      finished: one slow record with a million behind it takes 4 bytes.
 *   b  bits: one per offset, 1: finished; the lowest bit of a byte first. Better than runs when
 *      open and finished ones alternate.
 *
 * Both count from `base`, the committed offset, and are written side by side, for which one is
 * better shows only at the end. What fits in neither is left out: it is repeated, as it would be
 * without a map. Offsets at which there is no record count as finished.
 *
 * Texts stay readable: another encoding gets another letter, and a version that does not know it
 * repeats.
 *
 * Pure: no threads, no librdkafka. The owner locks.
 */
#ifndef KCA_ENGINE_OFFSET_MAP_H
#define KCA_ENGINE_OFFSET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/commit_text.h"

enum {
    KCA__OFFSET_MAP_SIZE = 4001, /* of a text with its NUL; a broker takes 4096 bytes by default */
    KCA__OFFSET_MAP_BYTES = 2991 /* of a payload, that 4000 characters have room for */
};

typedef struct kca__offset_run {
    int64_t first;
    int64_t end; /* the offset after the last */
} kca__offset_run;

/* An empty map is all zeros. */
typedef struct kca__offset_map {
    kca__offset_run *runs; /* of finished offsets, ascending */
    int count;
    int next;      /* the first run that was not passed */
    int64_t left;  /* offsets in runs that were not passed */
    int64_t asked; /* the greatest offset so far */
} kca__offset_map;

typedef struct kca__offset_map_writer {
    int64_t base;
    size_t room;        /* bytes of a payload */
    int64_t open_first; /* the last run of open offsets; what is before is in `runs` */
    int64_t open_end;
    bool runs_full; /* what is finished from open_end on did not fit */
    bool bits_full; /* an open offset was beyond */
    size_t run_bytes;
    unsigned char runs[KCA__OFFSET_MAP_BYTES];
    unsigned char bits[KCA__OFFSET_MAP_BYTES]; /* 0 where one is open, else 1, to the end */
} kca__offset_map_writer;

/* `base`: the offset that is to be committed, 0 or more. */
void kca__offset_map_begin(kca__offset_map_writer *w, int64_t base);

/* Of a text with up to so many characters, which may be less than a map needs. */
void kca__offset_map_limit(kca__offset_map_writer *w, size_t characters);

/* An offset that is not finished; greater than the one before. False: there is no more room,
 * further ones need not be added. */
bool kca__offset_map_add_open(kca__offset_map_writer *w, int64_t offset);

/* The same of all from `first` to below `end`. */
bool kca__offset_map_add_open_run(kca__offset_map_writer *w, int64_t first, int64_t end);

/* What `known` tells of from `end` on, where nothing has come yet, stays told; what is between is
 * open. Gives the end for kca__offset_map_finish. */
int64_t kca__offset_map_add_known(kca__offset_map_writer *w, int64_t end,
                                  const kca__offset_map *known);

/* All others below `end` are finished; `end` is beyond each one added. Writes the text; "" when
 * none are finished. Gives the offset up to which it tells of all that are: `end`, or less. */
int64_t kca__offset_map_finish(kca__offset_map_writer *w, int64_t end,
                               char out[KCA__OFFSET_MAP_SIZE]);

/* What the metadata committed with `base` tells; anything that is not of this form, or NULL: an
 * empty map. False: memory is out; the map is then empty, too. */
bool kca__offset_map_read(kca__offset_map *out, const char *text, size_t len, int64_t base);

/* True: it is told to be finished. To be asked in ascending order; going back may give false for
 * one that is, never true for one that is not. */
bool kca__offset_map_has(kca__offset_map *m, int64_t offset);

/* How many are told to be finished beyond the last one asked for. */
int64_t kca__offset_map_count(const kca__offset_map *m);

void kca__offset_map_clear(kca__offset_map *m);

#endif
