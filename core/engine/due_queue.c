#include "engine/due_queue.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_before(const kca__due_entry *a, const kca__due_entry *b) {
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

/* The later one becomes a child of the other. The siblings of both must have been taken off. */
static kca__due_entry *merge(kca__due_entry *a, kca__due_entry *b) {
    if (is_before(b, a)) {
        kca__due_entry *earlier = b;
        b = a;
        a = earlier;
    }
    b->sibling = a->child;
    a->child = b;
    return a;
}

/* Takes the first off a list of siblings. */
static kca__due_entry *pop(kca__due_entry **list) {
    kca__due_entry *e = *list;
    *list = e->sibling;
    e->sibling = NULL;
    return e;
}

static kca__due_entry *merge_siblings(kca__due_entry *list) {
    kca__due_entry *pairs = NULL, *all = NULL;
    while (list) {
        kca__due_entry *pair = pop(&list);
        if (list)
            pair = merge(pair, pop(&list));
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs) {
        kca__due_entry *pair = pop(&pairs);
        all = all ? merge(all, pair) : pair;
    }
    return all;
}

void kca__due_queue_add(kca__due_queue *q, kca__due_entry *e) {
    e->number = q->added++;
    e->child = e->sibling = NULL;
    q->first = q->first ? merge(q->first, e) : e;
}

int64_t kca__due_queue_next_ms(const kca__due_queue *q) {
    return q->first ? q->first->due_ms : INT64_MAX;
}

kca__due_entry *kca__due_queue_take(kca__due_queue *q, int64_t now_ms) {
    return q->first && q->first->due_ms <= now_ms ? kca__due_queue_take_any(q) : NULL;
}

kca__due_entry *kca__due_queue_take_any(kca__due_queue *q) {
    kca__due_entry *e = q->first;
    if (e)
        q->first = merge_siblings(e->child);
    return e;
}
