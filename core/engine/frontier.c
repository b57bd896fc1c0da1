#include "engine/frontier.h"

#include <stddef.h>

void kca__frontier_init(kca__frontier *f) {
    *f = (kca__frontier){.end = -1};
}

int64_t kca__frontier_offset(const kca__frontier *f) {
    if (f->changes == 0)
        return -1;
    return f->first ? f->first->offset : f->end;
}

void kca__frontier_add(kca__frontier *f, kca__frontier_entry *entry, int64_t offset) {
    *entry = (kca__frontier_entry){.previous = f->last, .offset = offset};
    *(f->last ? &f->last->next : &f->first) = entry;
    f->last = entry;
    f->end = offset + 1;
}

void kca__frontier_pass(kca__frontier *f, int64_t offset) {
    f->end = offset + 1;
    f->changes++;
}

void kca__frontier_tell_again(kca__frontier *f, int64_t base) {
    if (f->changes == 0 && !f->first && f->end < base)
        f->end = base;
    f->changes += f->first || f->end >= 0;
}

void kca__frontier_reach(kca__frontier *f, int64_t end) {
    if (f->end >= end)
        return;
    f->end = end;
    f->changes += !f->first; /* else the frontier does not move yet */
}

void kca__frontier_settle(kca__frontier *f, kca__frontier_entry *entry) {
    *(entry->previous ? &entry->previous->next : &f->first) = entry->next;
    *(entry->next ? &entry->next->previous : &f->last) = entry->previous;
    f->changes++;
}

void kca__frontier_replace(kca__frontier *f, kca__frontier_entry *entry, kca__frontier_entry *by) {
    *by = *entry;
    *(by->previous ? &by->previous->next : &f->first) = by;
    *(by->next ? &by->next->previous : &f->last) = by;
}
