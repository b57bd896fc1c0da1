#include "engine/recent_ids.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

typedef struct recent_id {
    struct recent_id *in_bucket; /* the next one there */
    struct recent_id *newer;
    uint64_t hash;
    size_t len;
    char text[];
} recent_id;

struct kca__recent_ids {
    int capacity;
    int count;
    recent_id *oldest;
    recent_id *newest;
    recent_id **buckets;
    uint64_t bucket_count;
    uint64_t mask; /* the least 2^n - 1 that is not below bucket_count - 1 */
    uint64_t room; /* for buckets */
};

kca__recent_ids *kca__recent_ids_new(int capacity) {
    kca__recent_ids *ids = calloc(1, sizeof *ids);
    if (ids)
        ids->capacity = capacity;
    return ids;
}

void kca__recent_ids_free(kca__recent_ids *ids) {
    if (!ids)
        return;
    for (recent_id *id = ids->oldest, *newer; id; id = newer) {
        newer = id->newer;
        free(id);
    }
    free(ids->buckets);
    free(ids);
}

/* Two multiplications a word: after one, a difference in the highest bit is still in one bit. */
static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
    return hash ^ hash >> 32;
}

static uint64_t hash_id(const kca__recent_ids *ids, const char *id, size_t len) {
    uint64_t hash = mix((uint64_t)(uintptr_t)ids, len), word;
    for (; len >= sizeof word; id += sizeof word, len -= sizeof word) {
        memcpy(&word, id, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    if (len > 0)
        memcpy(&word, id, len);
    return mix(hash, word);
}

/* Buckets that do not exist yet have their share in the one without the highest bit. */
static recent_id **bucket(const kca__recent_ids *ids, uint64_t hash) {
    uint64_t number = hash & ids->mask;
    return &ids->buckets[number < ids->bucket_count ? number : number & ids->mask >> 1];
}

static recent_id *find(const kca__recent_ids *ids, uint64_t hash, const char *text, size_t len) {
    if (ids->bucket_count == 0)
        return NULL;
    for (recent_id *id = *bucket(ids, hash); id; id = id->in_bucket)
        if (id->len == len && (len == 0 || memcmp(id->text, text, len) == 0))
            return id;
    return NULL;
}

bool kca__recent_ids_has(const kca__recent_ids *ids, const char *id, size_t len) {
    return find(ids, hash_id(ids, id, len), id, len) != NULL;
}

static bool make_room(kca__recent_ids *ids) {
    if (ids->bucket_count < ids->room)
        return true;
    uint64_t room = ids->room ? ids->room * 2 : FIRST_ROOM;
    recent_id **buckets = realloc(ids->buckets, room * sizeof(recent_id *));
    if (!buckets)
        return false;
    ids->buckets = buckets;
    ids->room = room;
    return true;
}

/* There must be room. */
static void add_bucket(kca__recent_ids *ids) {
    uint64_t number = ids->bucket_count++;
    if (number > ids->mask)
        ids->mask = ids->mask * 2 + 1;
    recent_id **to = &ids->buckets[number];
    *to = NULL;
    if (number == 0)
        return;
    recent_id **at = &ids->buckets[number & ids->mask >> 1];
    while (*at) {
        recent_id *id = *at;
        if ((id->hash & ids->mask) != number) {
            at = &id->in_bucket;
            continue;
        }
        *at = id->in_bucket;
        id->in_bucket = *to;
        *to = id;
    }
}

static void forget_oldest(kca__recent_ids *ids) {
    recent_id *oldest = ids->oldest;
    recent_id **at = bucket(ids, oldest->hash);
    while (*at != oldest)
        at = &(*at)->in_bucket;
    *at = oldest->in_bucket;
    ids->oldest = oldest->newer;
    if (!ids->oldest)
        ids->newest = NULL;
    ids->count--;
    free(oldest);
}

static void append(kca__recent_ids *ids, recent_id *id) {
    recent_id **at = bucket(ids, id->hash);
    id->in_bucket = *at;
    *at = id;
    if (ids->newest)
        ids->newest->newer = id;
    else
        ids->oldest = id;
    ids->newest = id;
    ids->count++;
}

bool kca__recent_ids_add(kca__recent_ids *ids, const char *text, size_t len) {
    uint64_t hash = hash_id(ids, text, len);
    if (find(ids, hash, text, len))
        return true;
    bool full = ids->count == ids->capacity;
    if (!full && !make_room(ids))
        return false;
    recent_id *id = malloc(sizeof *id + len);
    if (!id)
        return false;
    *id = (recent_id){.hash = hash, .len = len};
    if (len > 0)
        memcpy(id->text, text, len);
    if (full)
        forget_oldest(ids);
    else
        add_bucket(ids);
    append(ids, id);
    return true;
}
