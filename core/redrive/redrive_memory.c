#include "redrive/redrive_memory.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };

static bool add_open(kca__redrive_memory *m, int64_t first, int64_t end) {
    if (m->open_count == m->open_room) {
        int room = m->open_room ? 2 * m->open_room : FIRST_ROOM;
        kca__offset_run *larger = realloc(m->open, (size_t)room * sizeof *larger);
        if (!larger)
            return false;
        m->open = larger;
        m->open_room = room;
    }
    m->open[m->open_count++] = (kca__offset_run){first, end};
    return true;
}

/* What is not read in this run stays as it was. */
static bool leave_unread(kca__redrive_memory *m, int64_t base, int64_t begin) {
    bool well = true;
    for (int i = 0; i < m->known.count && base < begin && well; i++) {
        const kca__offset_run *run = &m->known.runs[i];
        int64_t end = run->first < begin ? run->first : begin;
        if (end > base)
            well = add_open(m, base, end);
        if (run->end > base)
            base = run->end;
    }
    return well && (base >= begin || add_open(m, base, begin));
}

bool kca__redrive_memory_open(kca__redrive_memory *out, const char *metadata, size_t len,
                              int64_t committed, int64_t base, int64_t begin) {
    memset(out, 0, sizeof *out);
    return kca__offset_map_read(&out->known, metadata, len, committed) &&
           leave_unread(out, base, begin);
}

void kca__redrive_memory_close(kca__redrive_memory *m) {
    kca__offset_map_clear(&m->known);
    free(m->open);
    memset(m, 0, sizeof *m);
}

int64_t kca__redrive_memory_known_end(const kca__redrive_memory *m) {
    return m->known.count > 0 ? m->known.runs[m->known.count - 1].end : -1;
}

bool kca__redrive_memory_knows(kca__redrive_memory *m, int64_t offset) {
    return kca__offset_map_has(&m->known, offset);
}

bool kca__redrive_memory_leave(kca__redrive_memory *m, int64_t offset) {
    if (m->grows) {
        m->open[m->open_count - 1].end = offset + 1;
        return true;
    }
    m->grows = add_open(m, offset, offset + 1);
    return m->grows;
}

void kca__redrive_memory_pass(kca__redrive_memory *m) {
    m->grows = false;
}

bool kca__redrive_memory_ignore(kca__redrive_memory *m, int64_t offset) {
    return !m->grows || kca__redrive_memory_leave(m, offset);
}

int64_t kca__redrive_memory_count_left(const kca__redrive_memory *m, int64_t first, int64_t end) {
    int64_t left = end > first ? end - first : 0;
    for (int i = 0; i < m->known.count; i++) {
        const kca__offset_run *run = &m->known.runs[i];
        int64_t from = run->first > first ? run->first : first;
        int64_t to = run->end < end ? run->end : end;
        if (to > from)
            left -= to - from;
    }
    return left;
}

/* Where the last letters that are left begin, behind which none is done; `read`: that one is. */
static int64_t find_tail(const kca__redrive_memory *m, const kca__offset_run *open, int count,
                         int64_t read) {
    int64_t tail = read;
    for (int i = count - 1; i >= 0 && open[i].end == tail; i--)
        tail = open[i].first;
    for (int i = m->open_count - 1; i >= 0 && m->open[i].end == tail; i--)
        tail = m->open[i].first;
    return tail;
}

int64_t kca__redrive_memory_write(const kca__redrive_memory *m, const kca__offset_run *open,
                                  int count, int64_t read, int64_t *out_base,
                                  char out[KCA__OFFSET_MAP_SIZE]) {
    kca__offset_map_writer w;
    bool more = true;
    *out_base = m->open_count > 0 ? m->open[0].first : count > 0 ? open[0].first : read;
    kca__offset_map_begin(&w, *out_base);
    for (int i = 0; i < m->open_count && more; i++)
        more = kca__offset_map_add_open_run(&w, m->open[i].first, m->open[i].end);
    for (int i = 0; i < count && more; i++)
        more = kca__offset_map_add_open_run(&w, open[i].first, open[i].end);
    int64_t end = kca__offset_map_add_known(&w, read, &m->known);
    int64_t told = kca__offset_map_finish(&w, end, out);
    if (told == end || (end == read && told >= find_tail(m, open, count, read)))
        return read;
    return end > read ? *out_base : told;
}
