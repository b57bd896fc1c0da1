/*
 * Keys that are parked: after a message of theirs went to the dead-letter channel, the later ones
 * follow it there, until the whole line has been redriven and handled. Part of the inbound engine;
 * what a partition knows of its keys is its parking (parking.h).
 *
 * What becomes of a message is decided when its turn has come, and so when all before it of its key
 * have ended. The parking changes at one place only, where the frontier passes a message: so
 * whatever is committed, offset, map and parking are of one moment.
 *
 * A key that has to make room for others, or is parked for too long, is let go: a fault says that
 * its order is given up from there on. Its letters stay letters, and no message is skipped.
 */
#include "engine/engine_private.h"

#include "base/error.h"
#include "base/text.h"
#include "dead_letter/dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t now_s(const kca__engine *e) {
    return e->setup.unix_ms() / 1000;
}

/* For people: one line, bounded. */
static void name_key(kca__parked_key *k, const void *key, size_t key_len) {
    char plain[KCA__DEAD_LETTER_ERROR_MOST + 1];
    size_t len = kca__dead_letter_plain_bytes(plain, key, key_len);
    if (len >= sizeof k->text)
        len = sizeof k->text - 1;
    while (len > 0 && ((unsigned char)plain[len] & 0xc0) == 0x80)
        len--; /* not in the midst of a character */
    memcpy(k->text, plain, len);
    k->text[len] = '\0';
}

/* ---- letting go ---- */

static void let_go_locked(kca__engine *e, kca__assigned *a, kca__parked_key *k, const char *why) {
    const kca__topic_partition *tp = a->topic_partition;
    kca_error *error = kca__error_new(KCA_ERROR_STATE,
                                      "consumer %s: %s%s of %s[%d], parked since offset %" PRId64
                                      ", is let go: %s. Its messages "
                                      "are handled again, before its dead letters are",
                                      e->consumer, *k->text ? "key " : "a key", k->text, tp->topic,
                                      tp->number, k->waits_for, why);
    kca__engine_fault_locked(e, error, tp->topic, tp->number, k->waits_for);
    kca__parking_remove(&a->parking, k);
}

/* Where a broker takes less than usual, they have as large a part of it. */
static bool has_room_locked(const kca__engine *e, const kca__parking *p) {
    size_t bytes = kca__parking_bytes(p);
    size_t most = e->longest_metadata * KCA__PARKING_SIZE / KCA__OFFSET_MAP_SIZE;
    return bytes <= KCA__PARKING_BYTES && (bytes == 0 || KCA__COMMIT_TEXT_SIZE(bytes) - 1 <= most);
}

static void fit_locked(kca__engine *e, kca__assigned *a) {
    while (!has_room_locked(e, &a->parking))
        let_go_locked(e, a, a->parking.keys, "a commit has no room for more of them");
}

static void make_room_locked(kca__engine *e, kca__assigned *a) {
    char why[80];
    if (a->parking.count < e->setup.park_max_keys)
        return;
    snprintf(why, sizeof why, "park_max_keys, %d, are parked after it", e->setup.park_max_keys);
    let_go_locked(e, a, a->parking.keys, why);
}

/* The parked key of a delivery; NULL: it is not parked, or not any more. */
static kca__parked_key *find_locked(kca__engine *e, const kca_delivery *d) {
    kca__parked_key *k = kca__parking_find(&d->assigned->parking, d->key_hash);
    if (!k)
        return NULL;
    if (!*k->text)
        name_key(k, d->key, d->key_len);
    if (now_s(e) - k->time_s < e->setup.park_max_ms / 1000)
        return k;
    char why[80];
    snprintf(why, sizeof why, "that is longer than park_max_ms, %" PRId64, e->setup.park_max_ms);
    let_go_locked(e, d->assigned, k, why);
    return NULL;
}

/* Those of this hash; 0: all. */
static int unpark_locked(kca__engine *e, kca__assigned *a, const void *key, size_t key_len,
                         uint64_t hash) {
    int count = 0;
    for (int i = 0; i < a->parking.count;) {
        kca__parked_key *k = &a->parking.keys[i];
        if (hash != 0 && k->hash != hash) {
            i++;
            continue;
        }
        if (hash != 0)
            name_key(k, key, key_len);
        let_go_locked(e, a, k, "it was unparked by hand");
        count++;
    }
    if (count > 0)
        kca__frontier_tell_again(&a->frontier, a->base);
    return count;
}

int kca__engine_unpark(kca__engine *e, const char *topic, int partition, const void *key,
                       size_t key_len) {
    uint64_t hash = key_len > 0 ? kca__parking_hash(key, key_len) : 0;
    int count = 0;
    pthread_mutex_lock(&e->lock);
    for (kca__assigned *a = e->assigned.first; a; a = a->next) {
        const kca__topic_partition *tp = a->topic_partition;
        if (!a->revoked && (!topic || strcmp(topic, tp->topic) == 0) &&
            (partition < 0 || partition == tp->number))
            count += unpark_locked(e, a, key, key_len, hash);
    }
    pthread_mutex_unlock(&e->lock);
    return count;
}

void kca__engine_shorten_parking_locked(kca__engine *e) {
    for (kca__assigned *a = e->assigned.first; a; a = a->next)
        if (!a->revoked)
            fit_locked(e, a);
}

/* ---- when its turn has come ---- */

void kca__engine_set_key_locked(kca_delivery *d, const void *key, size_t len) {
    d->key = key;
    d->key_len = len;
    d->key_hash = len > 0 ? kca__parking_hash(key, len) : 0;
}

bool kca__engine_is_parked_locked(const kca_delivery *d) {
    return d->assigned->parking.count > 0 && d->key_hash != 0 &&
           kca__parking_find(&d->assigned->parking, d->key_hash);
}

bool kca__engine_follows(const kca_delivery *d) {
    return d->parked == KCA__PARKED_FOLLOWS || d->parked == KCA__PARKED_AGAIN;
}

void kca__engine_judge_parked_locked(kca__engine *e, kca_delivery *d) {
    kca__parked_place told = {0};
    d->parked = KCA__PARKED_NOT;
    d->place = told;
    kca__parked_key *k = d->assigned->parking.count > 0 && d->key_hash ? find_locked(e, d) : NULL;
    if (!k)
        return;
    e->setup.told_place(e->setup.owner, d, &told);
    d->parked = kca__parking_judge(k, d->offset, &told, &d->place);
    if (!kca__engine_follows(d))
        return;
    free(d->failure_name);
    free(d->failure_text);
    bool again = d->parked == KCA__PARKED_AGAIN;
    d->failure_name =
        kca__text_copy(again ? KCA__DEAD_LETTER_REPEATED_NAME : KCA__DEAD_LETTER_PARKED_NAME);
    d->failure_text =
        kca__text_format(again ? "key %s: one at its place in the line behind offset %" PRId64
                                 " was handled, or has followed, before"
                               : "key %s waits for offset %" PRId64 ", which is a dead letter",
                         k->text, k->waits_for);
}

bool kca__engine_follow_locked(kca__engine *e, kca_delivery *d) {
    if (!kca__engine_follows(d))
        return false;
    d->state = KCA__DELIVERY_EXPIRED;
    kca__engine_condemn_locked(d);
    kca__engine_meet_fate_locked(e, d);
    return true;
}

/* ---- when it ends ---- */

void kca__engine_begin_line_locked(kca_delivery *d) {
    const kca__parking *p = &d->assigned->parking;
    if (d->key_hash == 0 || kca__engine_follows(d))
        return;
    const kca__parked_key *k = kca__parking_find(p, d->key_hash);
    if (!k)
        d->place = (kca__parked_place){true, d->offset, -1, d->offset};
    else if (d->parked == KCA__PARKED_NOT || k->waits_for != d->place.waits_for)
        d->place = (kca__parked_place){0};
}

/* It has become the first dead letter of its key. */
static void park_locked(kca__engine *e, kca__assigned *a, const kca_delivery *d) {
    make_room_locked(e, a);
    name_key(kca__parking_add(&a->parking, d->key_hash, d->offset, now_s(e)), d->key, d->key_len);
}

/* It was redriven at its turn. */
static void move_locked(kca__assigned *a, const kca_delivery *d, kca__parked_key *k) {
    k->next = d->place.at;
    k->passed = !d->is_letter;
    k->letters -= k->passed && k->letters > 1;
    if (k->passed && k->next == k->last)
        kca__parking_remove(&a->parking, k);
}

/* It has followed; or, skipped, has left a hole in the line, behind which nothing gets its turn; or
 * another one stands behind the same one: of another key with this hash. */
static void extend_locked(kca__engine *e, kca__assigned *a, const kca_delivery *d,
                          kca__parked_key *k) {
    bool is_new = d->place.at == d->offset;
    if (d->is_letter && is_new && d->place.behind != k->last) {
        let_go_locked(e, a, k, "another key has the same hash");
    } else if (d->is_letter && is_new) {
        k->last = d->place.at;
        k->letters++;
    } else if (!d->is_letter && !is_new) {
        let_go_locked(e, a, k, "one of its dead letters was skipped");
    }
}

static void note_end_locked(kca__engine *e, kca__assigned *a, const kca_delivery *d) {
    kca__parked_key *k = kca__parking_find(&a->parking, d->key_hash);
    if (!k) {
        if (d->is_letter && d->place.waits_for == d->offset)
            park_locked(e, a, d);
    } else if (k->waits_for == d->place.waits_for) {
        if (d->parked == KCA__PARKED_IN_TURN)
            move_locked(a, d, k);
        else if (d->parked == KCA__PARKED_FOLLOWS)
            extend_locked(e, a, d, k);
    }
    fit_locked(e, a);
}

void kca__engine_pass_locked(kca__engine *e, kca_delivery *d) {
    if (d->key_hash && d->place.in_line)
        note_end_locked(e, d->assigned, d);
    kca__frontier_settle(&d->assigned->frontier, &d->frontier);
}

/* ---- seeks ---- */

/* Keys that wait for an offset before the place go with it. */
static void carry_locked(kca__assigned *a, int64_t to) {
    kca__parking *p = &a->parking;
    for (int i = p->count - 1; i >= 0; i--)
        if (p->keys[i].waits_for >= to)
            kca__parking_remove(p, &p->keys[i]);
    if (p->count > 0) {
        kca__parking_close(&a->topic_partition->carried);
        a->topic_partition->carried = *p;
        *p = (kca__parking){0};
    }
}

/* What was carried and is not assigned yet. Without memory it is as if nothing was parked. */
static void note_carried_locked(kca__engine *e, kca__topic_partition *tp, const kca_delivery *d) {
    kca__assigned carried = {.topic_partition = tp, .parking = tp->carried};
    if (!carried.parking.keys && !kca__parking_init(&carried.parking))
        return;
    note_end_locked(e, &carried, d);
    tp->carried = carried.parking;
}

void kca__engine_note_late_letter_locked(kca__engine *e, kca_delivery *d) {
    kca__topic_partition *tp = d->assigned->topic_partition;
    if (d->offset >= d->assigned->sought || d->fate != KCA__FATE_DEAD_LETTER || !d->key_hash ||
        !d->place.in_line)
        return;
    d->is_letter = true;
    kca__assigned *now = kca__assigned_list_find(&e->assigned, tp->topic, tp->number);
    if (now) {
        note_end_locked(e, now, d);
        kca__frontier_tell_again(&now->frontier, now->base);
    } else {
        note_carried_locked(e, tp, d);
    }
}

void kca__engine_revoke_for(kca__engine *e, const char *topic, int partition, int64_t to) {
    pthread_mutex_lock(&e->lock);
    kca__assigned *a = kca__assigned_list_find(&e->assigned, topic, partition);
    if (a) {
        carry_locked(a, to);
        a->sought = to;
        kca__engine_revoke_locked(e, a);
    }
    pthread_mutex_unlock(&e->lock);
}
