#include "engine/parking.h"

#include <stdlib.h>
#include <string.h>

enum { LETTER = 'p', HASH_BYTES = 8, MOST_OF_KEY = HASH_BYTES + 5 * KCA__VARINT_SIZE };

/* FNV-1a: the hash stays the same whoever reads it. */
uint64_t kca__parking_hash(const void *key, size_t len) {
    const unsigned char *p = key;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 1099511628211u;
    hash ^= hash >> 32;
    return hash ? hash : 1;
}

bool kca__parking_init(kca__parking *p) {
    p->count = 0;
    p->keys = calloc(KCA__PARKING_KEYS, sizeof *p->keys);
    return p->keys != NULL;
}

void kca__parking_close(kca__parking *p) {
    free(p->keys);
    *p = (kca__parking){0};
}

bool kca__parking_copy(kca__parking *out, const kca__parking *p) {
    size_t bytes = (size_t)p->count * sizeof *p->keys;
    *out = (kca__parking){.keys = p->count > 0 ? malloc(bytes) : NULL};
    if (p->count > 0 && !out->keys)
        return false;
    if (p->count > 0)
        memcpy(out->keys, p->keys, bytes);
    out->count = p->count;
    return true;
}

kca__parked_key *kca__parking_find(const kca__parking *p, uint64_t hash) {
    for (int i = 0; i < p->count; i++)
        if (p->keys[i].hash == hash)
            return &p->keys[i];
    return NULL;
}

kca__parked_key *kca__parking_add(kca__parking *p, uint64_t hash, int64_t offset, int64_t time_s) {
    kca__parked_key *k = &p->keys[p->count];
    int64_t least_s = p->count > 0 ? k[-1].time_s : 0; /* the clock may have gone back */
    *k = (kca__parked_key){.hash = hash,
                           .waits_for = offset,
                           .next = offset,
                           .last = offset,
                           .letters = 1,
                           .time_s = time_s > least_s ? time_s : least_s};
    p->count++;
    return k;
}

void kca__parking_remove(kca__parking *p, kca__parked_key *k) {
    const kca__parked_key *end = p->keys + p->count--;
    memmove(k, k + 1, (size_t)(end - k - 1) * sizeof *k);
}

/* ---- deciding ---- */

static bool is_in_line(const kca__parked_key *k, const kca__parked_place *told) {
    if (!told->in_line || told->waits_for != k->waits_for || told->at > k->last)
        return false;
    return told->behind < 0 ? told->at == k->waits_for
                            : told->behind >= k->waits_for && told->behind < told->at;
}

static kca__parked judge_in_line(const kca__parked_key *k, const kca__parked_place *place) {
    if (k->passed ? place->behind == k->next : place->at == k->next)
        return KCA__PARKED_IN_TURN;
    return place->at < k->next || (k->passed && place->at == k->next) ? KCA__PARKED_AGAIN
                                                                      : KCA__PARKED_FOLLOWS;
}

kca__parked kca__parking_judge(const kca__parked_key *k, int64_t offset,
                               const kca__parked_place *told, kca__parked_place *out) {
    *out = (kca__parked_place){0};
    if (is_in_line(k, told)) {
        *out = *told;
        return judge_in_line(k, told);
    }
    if (offset > k->last) {
        *out = (kca__parked_place){true, k->waits_for, k->last, offset};
        return KCA__PARKED_FOLLOWS;
    }
    return offset < k->waits_for ? KCA__PARKED_NOT : KCA__PARKED_AGAIN;
}

/* ---- writing ---- */

static int64_t least_offset(const kca__parking *p) {
    int64_t least = INT64_MAX;
    for (int i = 0; i < p->count; i++)
        if (p->keys[i].waits_for < least)
            least = p->keys[i].waits_for;
    return least;
}

static size_t put_key(unsigned char *out, const kca__parked_key *k, int64_t least_offset,
                      int64_t first_s) {
    size_t len = 0;
    for (; len < HASH_BYTES; len++)
        out[len] = (unsigned char)(k->hash >> (56 - 8 * len));
    len += kca__varint_put(out + len, k->waits_for - least_offset);
    len += kca__varint_put(out + len, k->next - k->waits_for);
    len += kca__varint_put(out + len, k->last - k->next);
    len += kca__varint_put(out + len, 2 * (k->time_s - first_s) + k->passed);
    return len + kca__varint_put(out + len, k->letters);
}

/* Gives the bytes; `out` NULL: only counts. */
static size_t put(unsigned char *out, const kca__parking *p) {
    unsigned char bytes[2 * KCA__VARINT_SIZE + MOST_OF_KEY];
    int64_t least = least_offset(p);
    size_t len = 0;
    for (int i = -1; i < p->count; i++) {
        size_t step = i < 0 ? kca__varint_put(bytes, least) : 0;
        step += i < 0 ? kca__varint_put(bytes + step, p->keys[0].time_s)
                      : put_key(bytes, &p->keys[i], least, p->keys[0].time_s);
        if (out)
            memcpy(out + len, bytes, step);
        len += step;
    }
    return len;
}

size_t kca__parking_bytes(const kca__parking *p) {
    return p->count > 0 ? put(NULL, p) : 0;
}

void kca__parking_write(char out[KCA__PARKING_SIZE], const kca__parking *p, int64_t offset) {
    unsigned char bytes[KCA__PARKING_BYTES];
    *out = '\0';
    if (p->count > 0)
        kca__commit_text_write(out, offset, LETTER, bytes, put(bytes, p));
}

/* ---- reading ---- */

/* Moves `number` on by the next varint. False: that is cut off, or the sum too large. */
static bool add_next(int64_t *number, const unsigned char **at, const unsigned char *end) {
    int64_t step;
    if (!kca__varint_get(&step, at, end) || step < 0 || step > INT64_MAX - *number)
        return false;
    *number += step;
    return true;
}

static bool get_key(kca__parked_key *k, const unsigned char **at, const unsigned char *end) {
    if (end - *at < HASH_BYTES)
        return false;
    for (int i = 0; i < HASH_BYTES; i++)
        k->hash = k->hash << 8 | *(*at)++;
    if (!add_next(&k->waits_for, at, end))
        return false;
    k->next = k->waits_for;
    if (!add_next(&k->next, at, end))
        return false;
    k->last = k->next;
    int64_t time = 0;
    if (!add_next(&k->last, at, end) || !add_next(&time, at, end) ||
        !add_next(&k->letters, at, end) || k->letters == 0 ||
        k->letters - 1 > k->last - k->waits_for || time / 2 > INT64_MAX - k->time_s)
        return false;
    k->passed = time & 1;
    k->time_s += time / 2;
    return true;
}

bool kca__parking_is_told(const char *text, size_t len, int64_t offset) {
    unsigned char bytes[KCA__PARKING_BYTES];
    return kca__commit_text_read(bytes, sizeof bytes, text, len, LETTER, offset) > 0;
}

/* What was written so fits when it is written again. */
static bool is_written_so(const kca__parking *p) {
    for (int i = 1; i < p->count; i++)
        if (p->keys[i].time_s < p->keys[i - 1].time_s ||
            kca__parking_find(&(kca__parking){p->keys, i}, p->keys[i].hash))
            return false;
    return kca__parking_bytes(p) <= KCA__PARKING_BYTES;
}

bool kca__parking_read(kca__parking *out, const char *text, size_t len, int64_t offset) {
    unsigned char bytes[KCA__PARKING_BYTES];
    size_t count = kca__commit_text_read(bytes, sizeof bytes, text, len, LETTER, offset);
    const unsigned char *at = bytes, *end = bytes + count;
    int64_t least = 0, first_s = 0;
    if (count == 0)
        return true;
    bool well = add_next(&least, &at, end) && add_next(&first_s, &at, end);
    while (well && at < end) {
        kca__parked_key k = {.waits_for = least, .time_s = first_s};
        well = out->count < KCA__PARKING_KEYS && get_key(&k, &at, end) && k.hash != 0;
        if (well)
            out->keys[out->count++] = k;
    }
    well = well && is_written_so(out);
    if (!well)
        out->count = 0;
    return well;
}
