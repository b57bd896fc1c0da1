#include "engine/lanes.h"

#include <stdlib.h>
#include <string.h>

bool kca__lanes_init(kca__lanes *l, int capacity) {
    uint64_t buckets = 16;
    while (buckets < (uint64_t)capacity * 2)
        buckets *= 2;
    memset(l, 0, sizeof *l);
    l->mask = buckets - 1;
    l->buckets = calloc(buckets, sizeof *l->buckets);
    return l->buckets != NULL;
}

void kca__lanes_close(kca__lanes *l) {
    free(l->buckets);
    l->buckets = NULL;
}

void kca__lanes_clear(kca__lanes *l) {
    memset(l->buckets, 0, (l->mask + 1) * sizeof *l->buckets);
    l->ready = (kca__list){0};
}

/* Eight bytes at a time: keys are mostly UUIDs, and this runs for each record. */
static uint64_t hash_key(const void *topic_partition, const void *key, size_t len) {
    const uint64_t multiplier = 0x9e3779b97f4a7c15u;
    const unsigned char *p = key;
    uint64_t hash = (uint64_t)(uintptr_t)topic_partition ^ (len * multiplier), word;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        hash = (hash ^ word) * multiplier;
        hash ^= hash >> 32;
    }
    word = 0;
    if (len > 0)
        memcpy(&word, p, len);
    hash = (hash ^ word) * multiplier;
    return hash ^ hash >> 29;
}

static bool same_lane(const kca__lane_entry *a, const kca__lane_entry *b) {
    return a->hash == b->hash && a->topic_partition == b->topic_partition &&
           a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

void kca__lanes_add(kca__lanes *l, kca__lane_entry *e) {
    e->behind = (kca__list){0};
    e->in_bucket = NULL;
    if (e->key_len == 0) {
        kca__list_add(&l->ready, &e->link);
        return;
    }
    e->hash = hash_key(e->topic_partition, e->key, e->key_len);
    kca__lane_entry **bucket = &l->buckets[e->hash & l->mask];
    for (kca__lane_entry *head = *bucket; head; head = head->in_bucket) {
        if (!same_lane(head, e))
            continue;
        kca__list_add(&head->behind, &e->link);
        return;
    }
    e->in_bucket = *bucket;
    *bucket = e;
    kca__list_add(&l->ready, &e->link);
}

kca__lane_entry *kca__lanes_take(kca__lanes *l) {
    return kca__list_take(&l->ready);
}

void kca__lanes_put_back(kca__lanes *l, kca__lane_entry *e) {
    kca__list_add(&l->ready, &e->link);
}

/* The place in the bucket that points to this head. */
static kca__lane_entry **link_to(kca__lanes *l, const kca__lane_entry *e) {
    kca__lane_entry **at = &l->buckets[e->hash & l->mask];
    while (*at != e)
        at = &(*at)->in_bucket;
    return at;
}

void kca__lanes_replace(kca__lanes *l, kca__lane_entry *e, kca__lane_entry *by) {
    *by = *e;
    if (e->key_len > 0)
        *link_to(l, e) = by;
}

bool kca__lanes_finish(kca__lanes *l, kca__lane_entry *e) {
    if (e->key_len == 0)
        return false;
    kca__lane_entry **at = link_to(l, e);
    kca__lane_entry *head = kca__list_take(&e->behind);
    if (!head) {
        *at = e->in_bucket;
        return false;
    }
    head->behind = e->behind;
    head->in_bucket = e->in_bucket;
    *at = head;
    kca__list_add(&l->ready, &head->link);
    return true;
}
