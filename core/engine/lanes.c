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

static kca__lane_entry *head_of(const kca__lanes *l, const kca__lane_entry *e) {
    kca__lane_entry *head = l->buckets[e->hash & l->mask];
    while (head && !same_lane(head, e))
        head = head->in_bucket;
    return head;
}

/* The head of a lane, or an entry without a key. */
static void make_ready(kca__lanes *l, kca__lane_entry *e) {
    if (!e->is_out && e->along == 0)
        kca__list_add(&l->ready, &e->link);
}

kca__lane_entry *kca__lanes_add(kca__lanes *l, kca__lane_entry *e) {
    e->behind = (kca__list){0};
    e->in_bucket = NULL;
    e->along = 0;
    e->is_behind = e->is_out = false;
    if (e->key_len == 0) {
        kca__list_add(&l->ready, &e->link);
        return NULL;
    }
    e->hash = hash_key(e->topic_partition, e->key, e->key_len);
    kca__lane_entry *head = head_of(l, e);
    if (head) {
        kca__lane_entry *last = kca__list_last(&head->behind);
        kca__list_add(&head->behind, &e->link);
        e->is_behind = true;
        return last ? last : head;
    }
    kca__lane_entry **bucket = &l->buckets[e->hash & l->mask];
    e->in_bucket = *bucket;
    *bucket = e;
    kca__list_add(&l->ready, &e->link);
    return NULL;
}

kca__lane_entry *kca__lanes_take(kca__lanes *l) {
    kca__lane_entry *e = kca__list_take(&l->ready);
    if (e)
        e->is_out = true;
    return e;
}

kca__lane_entry *kca__lanes_behind(const kca__lane_entry *e) {
    return e->is_behind ? kca__list_next(&e->link) : kca__list_first(&e->behind);
}

void kca__lanes_go_along(kca__lanes *l, kca__lane_entry *e) {
    e->is_out = true;
    head_of(l, e)->along++;
}

void kca__lanes_put_back(kca__lanes *l, kca__lane_entry *e) {
    kca__lane_entry *head = e->is_behind ? head_of(l, e) : e;
    head->along -= e->is_behind;
    e->is_out = false;
    make_ready(l, head);
}

/* The place in the bucket that points to this head. */
static kca__lane_entry **link_to(kca__lanes *l, const kca__lane_entry *e) {
    kca__lane_entry **at = &l->buckets[e->hash & l->mask];
    while (*at != e)
        at = &(*at)->in_bucket;
    return at;
}

/* `by` (NULL: nothing) takes the place of an entry behind the head. */
static void replace_behind(kca__lane_entry *head, const kca__lane_entry *e, kca__lane_entry *by) {
    kca__list kept = {0};
    kca__lane_entry *other;
    while ((other = kca__list_take(&head->behind)))
        if (other != e)
            kca__list_add(&kept, &other->link);
        else if (by)
            kca__list_add(&kept, &by->link);
    head->behind = kept;
}

void kca__lanes_replace(kca__lanes *l, kca__lane_entry *e, kca__lane_entry *by) {
    *by = *e;
    if (e->is_behind)
        replace_behind(head_of(l, e), e, by);
    else if (e->key_len > 0)
        *link_to(l, e) = by;
}

static bool leave_from_behind(kca__lanes *l, kca__lane_entry *e) {
    kca__lane_entry *head = head_of(l, e);
    replace_behind(head, e, NULL);
    head->along -= e->is_out;
    if (e->is_out)
        make_ready(l, head);
    return false;
}

bool kca__lanes_finish(kca__lanes *l, kca__lane_entry *e) {
    if (e->key_len == 0)
        return false;
    if (e->is_behind)
        return leave_from_behind(l, e);
    kca__lane_entry **at = link_to(l, e);
    kca__lane_entry *head = kca__list_take(&e->behind);
    if (!head) {
        *at = e->in_bucket;
        return false;
    }
    head->behind = e->behind;
    head->in_bucket = e->in_bucket;
    head->along = e->along - head->is_out;
    head->is_behind = false;
    *at = head;
    make_ready(l, head);
    return !head->is_out && head->along == 0;
}
