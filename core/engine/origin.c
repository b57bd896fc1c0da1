#include "engine/origin.h"

#include <limits.h>
#include <string.h>

enum { LETTER = 'o', HAS_BEGUN = 1, HAS_ID = 2, HEAD = 5 };

uint32_t kca__origin_place(const char *cluster, const char *topic) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *cluster; cluster++)
        hash = (hash ^ (unsigned char)*cluster) * 16777619u;
    hash = (hash ^ '\n') * 16777619u;
    for (; *topic; topic++)
        hash = (hash ^ (unsigned char)*topic) * 16777619u;
    return hash;
}

void kca__origin_write(char out[KCA__ORIGIN_SIZE], const kca__origin *origin, int64_t offset) {
    unsigned char bytes[KCA__ORIGIN_BYTES];
    size_t len = HEAD;
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(origin->place >> (24 - 8 * i));
    bytes[4] = (unsigned char)((origin->has_begun ? HAS_BEGUN : 0) | (origin->has_id ? HAS_ID : 0));
    *out = '\0';
    if (bytes[4] == 0)
        return;
    if (origin->has_begun) {
        len += kca__varint_put(bytes + len, origin->partitions);
        len += kca__varint_put(bytes + len, origin->time_ms);
    }
    if (origin->has_id) {
        memcpy(bytes + len, origin->id, KCA__TOPIC_ID_BYTES);
        len += KCA__TOPIC_ID_BYTES;
    }
    kca__commit_text_write(out, offset, LETTER, bytes, len);
}

static bool read_beginning(kca__origin *out, const unsigned char **at, const unsigned char *end) {
    int64_t partitions, time_ms;
    if (!kca__varint_get(&partitions, at, end) || !kca__varint_get(&time_ms, at, end) ||
        partitions < 0 || partitions > INT_MAX || time_ms < 0)
        return false;
    out->has_begun = true;
    out->partitions = (int)partitions;
    out->time_ms = time_ms;
    return true;
}

bool kca__origin_read(kca__origin *out, uint32_t place, const char *text, size_t len,
                      int64_t offset) {
    unsigned char bytes[KCA__ORIGIN_BYTES];
    *out = (kca__origin){.place = place};
    size_t count = kca__commit_text_read(bytes, sizeof bytes, text, len, LETTER, offset);
    if (count < HEAD)
        return false;
    uint32_t told = 0;
    for (int i = 0; i < 4; i++)
        told = told << 8 | bytes[i];
    const unsigned char *at = bytes + HEAD;
    const unsigned char *end = bytes + count;
    if (told != place || (bytes[4] & HAS_BEGUN && !read_beginning(out, &at, end)))
        return false;
    if (bytes[4] & HAS_ID && end - at >= KCA__TOPIC_ID_BYTES) {
        out->has_id = true;
        memcpy(out->id, at, KCA__TOPIC_ID_BYTES);
    }
    return true;
}

bool kca__origin_is_of_another(const kca__origin *origin, const kca__origin *now) {
    return origin->has_id && now->has_id && memcmp(origin->id, now->id, KCA__TOPIC_ID_BYTES) != 0;
}
