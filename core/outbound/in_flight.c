#include "outbound/in_flight.h"

#include "base/error.h"
#include "base/generation.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_NS = 200000,  /* between looks whether the visitors have left */
    MOST_LOOKED = 1000 /* slots, in one go */
};

struct kca__in_flight {
    char *topic;
    int capacity;
    size_t byte_capacity;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int waiting;
    bool open;
    atomic_int visitors;
    unsigned holders; /* the publisher, and each receipt handed out */
    kca__slot *slots;
    int used;        /* slots ever used: the rest of `slots` is untouched memory */
    kca__slot *free; /* linked by next: the last that became free is the first to be taken */
    size_t bytes;
    kca__in_flight_counts counts;
};

kca__in_flight *kca__in_flight_new(const char *topic, int messages, size_t bytes) {
    kca__in_flight *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->topic = kca__text_copy(topic);
    o->slots = calloc((size_t)messages, sizeof *o->slots);
    if (!o->topic || !o->slots) {
        free(o->topic);
        free(o->slots);
        free(o);
        return NULL;
    }
    o->capacity = messages;
    o->byte_capacity = bytes;
    o->holders = 1;
    pthread_mutex_init(&o->lock, NULL);
    kca__clock_condition_init(&o->changed);
    return o;
}

static void release_and_unlock(kca__in_flight *o) {
    bool last = --o->holders == 0;
    pthread_mutex_unlock(&o->lock);
    if (!last)
        return;
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    for (int i = 0; i < o->used; i++)
        free(o->slots[i].copy);
    free(o->slots);
    free(o->topic);
    free(o);
}

void kca__in_flight_release(kca__in_flight *o) {
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    release_and_unlock(o);
}

void kca__in_flight_open(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
    o->open = true;
    pthread_mutex_unlock(&o->lock);
}

void kca__in_flight_shut(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
    o->open = false;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

bool kca__in_flight_enter(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
    bool open = o->open;
    if (open)
        atomic_fetch_add(&o->visitors, 1);
    pthread_mutex_unlock(&o->lock);
    return open;
}

/* Without the lock: each publish ends here. So a thread that waits for it has to look. */
void kca__in_flight_leave(kca__in_flight *o) {
    atomic_fetch_sub(&o->visitors, 1);
}

void kca__in_flight_wait_left(kca__in_flight *o) {
    const struct timespec pause = {0, LOOK_NS};
    while (atomic_load(&o->visitors) > 0)
        nanosleep(&pause, NULL);
}

static void announce_locked(kca__in_flight *o) {
    if (o->waiting > 0)
        pthread_cond_broadcast(&o->changed);
}

static void free_slot_locked(kca__slot *slot) {
    kca__in_flight *o = slot->in_flight;
    slot->next = o->free;
    o->free = slot;
}

/* The application frees a receipt. */
static void release_receipt(kca_event *e) {
    kca__slot *slot = (kca__slot *)e;
    kca__in_flight *o = slot->in_flight;
    kca__error_free(e->error);
    e->error = NULL;
    pthread_mutex_lock(&o->lock);
    o->counts.receipts--;
    free_slot_locked(slot);
    announce_locked(o);
    release_and_unlock(o);
}

/* A message larger than the whole buffer goes when nothing else is under way. */
static bool has_room_locked(const kca__in_flight *o, size_t bytes) {
    return (o->free || o->used < o->capacity) &&
           (o->bytes == 0 || o->bytes + bytes <= o->byte_capacity);
}

static kca__in_flight_fill filled_by_locked(const kca__in_flight *o) {
    return o->counts.receipts > o->counts.unanswered ? KCA__FILLED_BY_RECEIPTS
                                                     : KCA__FILLED_BY_MESSAGES;
}

kca__in_flight_fill kca__in_flight_filled_by(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
    kca__in_flight_fill fill = filled_by_locked(o);
    pthread_mutex_unlock(&o->lock);
    return fill;
}

kca_error *kca__in_flight_full(kca__in_flight *o, int timeout_ms) {
    kca_error *e;
    pthread_mutex_lock(&o->lock);
    if (filled_by_locked(o) == KCA__FILLED_BY_RECEIPTS)
        e = kca__error_new(
            KCA_ERROR_BUFFER_FULL,
            "publisher %s: no room after %d ms: %d receipts wait to be read from the "
            "system's queue (publish with token 0 to get none)",
            o->topic, timeout_ms, o->counts.receipts);
    else
        e = kca__error_new(
            KCA_ERROR_BUFFER_FULL,
            "publisher %s: no room after %d ms: %d messages of %zu bytes wait for the "
            "broker's answer (buffer_messages %d, buffer_bytes %zu)",
            o->topic, timeout_ms, o->counts.unanswered, o->bytes, o->capacity, o->byte_capacity);
    pthread_mutex_unlock(&o->lock);
    return kca__error_mark(e, 0, KCA__RETRIABLE);
}

void kca__in_flight_wait_for_room(kca__in_flight *o, size_t bytes, int64_t deadline) {
    pthread_mutex_lock(&o->lock);
    o->waiting++;
    while (o->open && !has_room_locked(o, bytes))
        if (!kca__clock_wait(&o->changed, &o->lock, deadline))
            break;
    o->waiting--;
    pthread_mutex_unlock(&o->lock);
}

static kca__slot *take_slot_locked(kca__in_flight *o) {
    if (o->free) {
        kca__slot *slot = o->free;
        o->free = slot->next;
        return slot;
    }
    kca__slot *slot = &o->slots[o->used++];
    slot->in_flight = o;
    slot->receipt.type = KCA_EVENT_RECEIPT;
    slot->receipt.release = release_receipt;
    slot->receipt.generation = kca__generation();
    slot->receipt.topic = o->topic;
    return slot;
}

/* A slot of which nobody is told, until its taker asks for it. */
static kca__slot *clean(kca__slot *slot, size_t bytes) {
    slot->answer = NULL;
    slot->written = NULL;
    slot->span = NULL;
    slot->receipt.token = 0;
    slot->bytes = bytes;
    return slot;
}

kca_error *kca__in_flight_take(kca__slot **out, kca__in_flight *o, size_t bytes) {
    kca_error *e = NULL;
    *out = NULL;
    pthread_mutex_lock(&o->lock);
    if (!o->open)
        e = kca__error_new(KCA_ERROR_STATE, "publisher %s: the system is not started", o->topic);
    if (!e && has_room_locked(o, bytes)) {
        *out = clean(take_slot_locked(o), bytes);
        atomic_fetch_add(&o->visitors, 1);
        o->bytes += bytes;
        (*out)->taken_ms = kca__clock_coarse_ms();
        o->counts.unanswered++;
    }
    pthread_mutex_unlock(&o->lock);
    return e;
}

void kca__in_flight_give_back(kca__slot *slot) {
    kca__in_flight *o = slot->in_flight;
    pthread_mutex_lock(&o->lock);
    o->bytes -= slot->bytes;
    slot->taken_ms = 0;
    o->counts.unanswered--;
    free_slot_locked(slot);
    announce_locked(o);
    pthread_mutex_unlock(&o->lock);
}

void kca__in_flight_begin_answers(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
}

void kca__in_flight_end_answers(kca__in_flight *o) {
    announce_locked(o);
    pthread_mutex_unlock(&o->lock);
}

void kca__in_flight_answer_locked(kca__slot *slot, kca_error *error, int partition, int64_t offset,
                                  kca__event_list *receipts) {
    kca__in_flight *o = slot->in_flight;
    o->bytes -= slot->bytes;
    slot->taken_ms = 0;
    o->counts.unanswered--;
    if (error)
        o->counts.failed++;
    else
        o->counts.stored++;
    if (slot->answer || slot->receipt.token == 0) {
        kca__error_free(error);
        free_slot_locked(slot);
        return;
    }
    slot->receipt.error = error;
    slot->receipt.partition = partition;
    slot->receipt.offset = offset;
    o->counts.receipts++;
    o->holders++;
    kca__list_add(receipts, &slot->receipt.link);
}

int kca__in_flight_wait_answered(kca__in_flight *o, int64_t deadline) {
    pthread_mutex_lock(&o->lock);
    o->waiting++;
    while (o->counts.unanswered > 0)
        if (!kca__clock_wait(&o->changed, &o->lock, deadline))
            break;
    o->waiting--;
    int unanswered = o->counts.unanswered;
    pthread_mutex_unlock(&o->lock);
    return unanswered;
}

kca__in_flight_counts kca__in_flight_count(kca__in_flight *o) {
    pthread_mutex_lock(&o->lock);
    kca__in_flight_counts counts = o->counts;
    counts.published = counts.stored + counts.failed + counts.unanswered;
    pthread_mutex_unlock(&o->lock);
    return counts;
}

static int64_t oldest_of_locked(const kca__in_flight *o, int first, int64_t oldest) {
    for (int i = first; i < o->used && i < first + MOST_LOOKED; i++)
        if (o->slots[i].taken_ms > 0 && (oldest == 0 || o->slots[i].taken_ms < oldest))
            oldest = o->slots[i].taken_ms;
    return oldest;
}

int64_t kca__in_flight_oldest_ms(kca__in_flight *o) {
    int64_t oldest = 0;
    bool more = true;
    for (int first = 0; more; first += MOST_LOOKED) {
        pthread_mutex_lock(&o->lock);
        oldest = oldest_of_locked(o, first, oldest);
        more = o->counts.unanswered > 0 && first + MOST_LOOKED < o->used;
        pthread_mutex_unlock(&o->lock);
    }
    return oldest;
}
