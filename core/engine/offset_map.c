#include "engine/offset_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 'r', BITS = 'b' };

/* Offsets from the base that bits can tell of. */
static int64_t most_bits(const kca__offset_map_writer *w) {
    return (int64_t)w->room * 8;
}

/* ---- writing ---- */

void kca__offset_map_begin(kca__offset_map_writer *w, int64_t base) {
    assert(base >= 0);
    w->base = w->open_first = w->open_end = base;
    w->room = KCA__OFFSET_MAP_BYTES;
    w->runs_full = w->bits_full = false;
    w->run_bytes = 0;
    memset(w->bits, 0xff, sizeof w->bits);
}

void kca__offset_map_limit(kca__offset_map_writer *w, size_t characters) {
    const size_t least = KCA__COMMIT_TEXT_HEAD + (KCA__COMMIT_TEXT_CHECKSUM + 1) * 4 / 3 + 1;
    size_t bytes = characters < least
                       ? 0
                       : (characters - KCA__COMMIT_TEXT_HEAD) * 3 / 4 - KCA__COMMIT_TEXT_CHECKSUM;
    if (bytes < w->room)
        w->room = bytes;
}

/* The run of open offsets has ended, and the finished ones behind it end at `end`. */
static void put_runs(kca__offset_map_writer *w, int64_t end) {
    unsigned char pair[2 * KCA__VARINT_SIZE];
    size_t len = kca__varint_put(pair, w->open_end - w->open_first);
    len += kca__varint_put(pair + len, end - w->open_end);
    if (len > w->room - w->run_bytes) {
        w->runs_full = true;
        return;
    }
    memcpy(w->runs + w->run_bytes, pair, len);
    w->run_bytes += len;
    w->open_first = w->open_end = end;
}

bool kca__offset_map_add_open_run(kca__offset_map_writer *w, int64_t first, int64_t end) {
    assert(first >= w->open_end && end > first);
    for (int64_t bit = first - w->base; bit < end - w->base && bit < most_bits(w); bit++)
        w->bits[bit / 8] &= (unsigned char)~(1u << bit % 8);
    if (end - w->base > most_bits(w))
        w->bits_full = true;

    if (!w->runs_full && first > w->open_end)
        put_runs(w, first);
    if (!w->runs_full)
        w->open_end = end;
    return !w->runs_full || !w->bits_full;
}

bool kca__offset_map_add_open(kca__offset_map_writer *w, int64_t offset) {
    return kca__offset_map_add_open_run(w, offset, offset + 1);
}

int64_t kca__offset_map_add_known(kca__offset_map_writer *w, int64_t end,
                                  const kca__offset_map *known) {
    bool more = true;
    for (int i = 0; i < known->count && more; i++) {
        const kca__offset_run *run = &known->runs[i];
        if (run->end <= end)
            continue;
        if (run->first > end)
            more = kca__offset_map_add_open_run(w, end, run->first);
        end = run->end;
    }
    return end;
}

/* The bits below `end`, without zeros at the end. */
static size_t end_bits(kca__offset_map_writer *w, int64_t end) {
    int64_t count = end - w->base;
    size_t len = (size_t)(count + 7) / 8;
    if (count % 8)
        w->bits[len - 1] &= (unsigned char)((1u << count % 8) - 1);
    while (len > 0 && w->bits[len - 1] == 0)
        len--;
    return len;
}

int64_t kca__offset_map_finish(kca__offset_map_writer *w, int64_t end,
                               char out[KCA__OFFSET_MAP_SIZE]) {
    assert(end >= w->open_end);
    if (!w->runs_full && end > w->open_end)
        put_runs(w, end);
    int64_t runs_end = w->runs_full ? w->open_end : end;
    int64_t bits_end = end - w->base > most_bits(w) ? w->base + most_bits(w) : end;
    size_t bit_bytes = end_bits(w, bits_end);

    out[0] = '\0';
    if (bits_end > runs_end || (bits_end == runs_end && bit_bytes < w->run_bytes)) {
        kca__commit_text_write(out, w->base, BITS, w->bits, bit_bytes);
        return bits_end;
    }
    if (w->run_bytes > 0)
        kca__commit_text_write(out, w->base, RUNS, w->runs, w->run_bytes);
    return runs_end;
}

/* ---- reading ---- */

static void add_run(kca__offset_map *m, int64_t first, int64_t end) {
    m->runs[m->count++] = (kca__offset_run){first, end};
    m->left += end - first;
}

/* Each number ends with a byte below 128; each second one is of a finished run. */
static size_t count_runs(const unsigned char *payload, size_t len) {
    size_t numbers = 0;
    for (size_t i = 0; i < len; i++)
        numbers += payload[i] < 128;
    return numbers / 2;
}

static bool read_runs(kca__offset_map *m, const unsigned char *payload, size_t len, int64_t base) {
    const unsigned char *end = payload + len;
    int64_t open, finished, offset = base;
    while (payload < end) {
        if (!kca__varint_get(&open, &payload, end) || !kca__varint_get(&finished, &payload, end))
            return false;
        if (finished > INT64_MAX - offset - open) /* may be below 0, but does not overflow */
            return false;
        add_run(m, offset + open, offset + open + finished);
        offset += open + finished;
    }
    return true;
}

static bool is_set(const unsigned char *bits, size_t bit) {
    return bits[bit / 8] >> bit % 8 & 1;
}

static size_t count_bit_runs(const unsigned char *payload, size_t len) {
    size_t runs = 0;
    for (size_t bit = 0; bit < len * 8; bit++)
        runs += is_set(payload, bit) && !(bit > 0 && is_set(payload, bit - 1));
    return runs;
}

static bool read_bits(kca__offset_map *m, const unsigned char *payload, size_t len, int64_t base) {
    for (size_t bit = 0, first; bit < len * 8; bit++) {
        if (!is_set(payload, bit))
            continue;
        for (first = bit; bit < len * 8 && is_set(payload, bit); bit++)
            ;
        if ((int64_t)bit > INT64_MAX - base)
            return false;
        add_run(m, base + (int64_t)first, base + (int64_t)bit);
    }
    return true;
}

bool kca__offset_map_read(kca__offset_map *out, const char *text, size_t len, int64_t base) {
    unsigned char payload[KCA__OFFSET_MAP_BYTES];
    memset(out, 0, sizeof *out);
    if (base < 0)
        return true;
    size_t count = kca__commit_text_read(payload, sizeof payload, text, len, RUNS, base);
    bool in_runs = count > 0;
    if (!in_runs)
        count = kca__commit_text_read(payload, sizeof payload, text, len, BITS, base);
    size_t runs = in_runs ? count_runs(payload, count) : count_bit_runs(payload, count);
    if (runs == 0)
        return true;
    out->runs = malloc(runs * sizeof *out->runs);
    if (!out->runs)
        return false;
    out->asked = base - 1;
    if (!(in_runs ? read_runs : read_bits)(out, payload, count, base))
        kca__offset_map_clear(out);
    return true;
}

bool kca__offset_map_has(kca__offset_map *m, int64_t offset) {
    while (m->next < m->count && m->runs[m->next].end <= offset) {
        m->left -= m->runs[m->next].end - m->runs[m->next].first;
        m->next++;
    }
    if (m->asked < offset)
        m->asked = offset;
    return m->next < m->count && m->runs[m->next].first <= offset;
}

int64_t kca__offset_map_count(const kca__offset_map *m) {
    if (m->next == m->count || m->asked < m->runs[m->next].first)
        return m->left;
    return m->left - (m->asked - m->runs[m->next].first + 1);
}

void kca__offset_map_clear(kca__offset_map *m) {
    free(m->runs);
    memset(m, 0, sizeof *m);
}
