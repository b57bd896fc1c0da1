/*
 * List: entries in the order of their coming; the first to come is the first to go.
 *
 * An entry is a struct that begins with a kca__link, so that a list needs no memory of its own and
 * a link leads to its entry without a cast: functions give entries as void *. An entry is in one
 * list at a time. {0} is an empty list. The owner locks.
 */
#ifndef KCA_BASE_LIST_H
#define KCA_BASE_LIST_H

#include <stddef.h>

typedef struct kca__link {
    struct kca__link *next;
} kca__link;

typedef struct kca__list {
    kca__link *first, *last; /* private: of an empty list NULL */
    int count;
} kca__list;

/* NULL: the list is empty. */
static inline void *kca__list_first(const kca__list *l) {
    return l->first;
}

/* NULL: the list is empty. */
static inline void *kca__list_last(const kca__list *l) {
    return l->last;
}

/* NULL: the entry is the last. */
static inline void *kca__list_next(const kca__link *entry) {
    return entry->next;
}

/* Moves all of `from` to the end of `to`. */
static inline void kca__list_move(kca__list *to, kca__list *from) {
    if (!from->first)
        return;
    *(to->last ? &to->last->next : &to->first) = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (kca__list){0};
}

static inline void kca__list_add(kca__list *l, kca__link *entry) {
    entry->next = NULL;
    *(l->last ? &l->last->next : &l->first) = entry;
    l->last = entry;
    l->count++;
}

/* The first entry, which then is in no list; NULL: the list is empty. */
static inline void *kca__list_take(kca__list *l) {
    kca__link *entry = l->first;
    if (!entry)
        return NULL;
    l->first = entry->next;
    if (!l->first)
        l->last = NULL;
    l->count--;
    return entry;
}

#endif
