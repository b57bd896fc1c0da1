/*
 * Origin: which partition a group's offset is of, and when the group began to read its topic. It
 * goes with each commit, as the part `o` of the metadata (see commit_text.h):
 *
 *   place (4 bytes: a hash of the cluster's id and the topic's name), flags (1 byte), then
 *   1: how many partitions the topic had when the group began, and when that was, in ms since 1970
 *      (two varints)
 *   2: the topic's id (16 bytes)
 *
 * Offsets outlive what they count: a topic is deleted and made anew, partitions are added, a
 * cluster is mirrored. The place keeps what was copied elsewhere from being believed.
 *
 * Pure: no threads, no librdkafka.
 */
#ifndef KCA_ENGINE_ORIGIN_H
#define KCA_ENGINE_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/commit_text.h"

enum {
    KCA__ORIGIN_BYTES = 4 + 1 + 2 * KCA__VARINT_SIZE + KCA__TOPIC_ID_BYTES,
    KCA__ORIGIN_SIZE = KCA__COMMIT_TEXT_SIZE(KCA__ORIGIN_BYTES)
};

typedef struct kca__origin {
    uint32_t place;
    bool has_begun; /* the two are known */
    int partitions; /* those from this number on appeared later */
    int64_t time_ms;
    bool has_id;
    unsigned char id[KCA__TOPIC_ID_BYTES];
} kca__origin;

/* A hash for `place`. */
uint32_t kca__origin_place(const char *cluster, const char *topic);

/* "" when nothing is known but the place. */
void kca__origin_write(char out[KCA__ORIGIN_SIZE], const kca__origin *origin, int64_t offset);

/* What the metadata committed with `offset` tells of this place. False: nothing. */
bool kca__origin_read(kca__origin *out, uint32_t place, const char *text, size_t len,
                      int64_t offset);

/* It is not of this topic, which was made anew. False also when an id is not known. */
bool kca__origin_is_of_another(const kca__origin *origin, const kca__origin *now);

#endif
