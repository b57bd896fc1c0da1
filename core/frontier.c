#include "frontier.h"

#include <stdlib.h>

enum { FIRST_SIZE = 64 };

void kca__frontier_init(kca__frontier *f) {
    *f = (kca__frontier){.offset = -1};
}

void kca__frontier_close(kca__frontier *f) {
    free(f->records);
    f->records = NULL;
}

static kca__frontier_record *record(const kca__frontier *f, uint64_t number) {
    return &f->records[number & (f->size - 1)];
}

static bool grow(kca__frontier *f) {
    uint64_t size = f->size ? f->size * 2 : FIRST_SIZE;
    kca__frontier_record *records = malloc(size * sizeof *records);
    if (!records)
        return false;
    for (uint64_t n = f->first; n != f->end; n++)
        records[n & (size - 1)] = *record(f, n);
    free(f->records);
    f->records = records;
    f->size = size;
    return true;
}

bool kca__frontier_add(uint64_t *out_number, kca__frontier *f, int64_t offset) {
    if (f->end - f->first == f->size && !grow(f))
        return false;
    *record(f, f->end) = (kca__frontier_record){offset, false};
    *out_number = f->end++;
    return true;
}

bool kca__frontier_settle(kca__frontier *f, uint64_t number) {
    record(f, number)->settled = true;
    if (number != f->first)
        return false;
    do
        f->offset = record(f, f->first++)->offset + 1;
    while (f->first != f->end && record(f, f->first)->settled);
    return true;
}

uint64_t kca__frontier_open(const kca__frontier *f) {
    return f->end - f->first;
}
