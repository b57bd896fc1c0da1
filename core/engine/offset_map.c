#include "engine/offset_map.h"

#include "base/base64.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNS = 'r',
    BITS = 'b',
    HEAD = 6, /* characters before the base64url */
    CHECKSUM = 4,
    LONGEST_VARINT = 9, /* of 63 bits */
    MOST_BITS = KCA__OFFSET_MAP_BYTES * 8
};

static const char magic[] = "kca1:";

static uint32_t add_to_checksum(uint32_t sum, unsigned byte) {
    return (sum ^ byte) * 16777619u;
}

static uint32_t checksum(int64_t base, char encoding, const unsigned char *payload, size_t len) {
    uint32_t sum = add_to_checksum(2166136261u, (unsigned char)encoding);
    for (int shift = 0; shift < 64; shift += 8)
        sum = add_to_checksum(sum, (unsigned char)((uint64_t)base >> shift));
    for (size_t i = 0; i < len; i++)
        sum = add_to_checksum(sum, payload[i]);
    return sum;
}

/* ---- writing ---- */

void kca__offset_map_begin(kca__offset_map_writer *w, int64_t base) {
    assert(base >= 0);
    w->base = w->open_first = w->open_end = base;
    w->runs_full = w->bits_full = false;
    w->run_bytes = 0;
    memset(w->bits, 0xff, sizeof w->bits);
}

static size_t put_varint(unsigned char *out, int64_t number) {
    size_t len = 0;
    uint64_t rest = (uint64_t)number;
    for (; rest > 127; rest >>= 7)
        out[len++] = (unsigned char)(rest | 128);
    out[len++] = (unsigned char)rest;
    return len;
}

/* The run of open offsets has ended, and the finished ones behind it end at `end`. */
static void put_runs(kca__offset_map_writer *w, int64_t end) {
    unsigned char pair[2 * LONGEST_VARINT];
    size_t len = put_varint(pair, w->open_end - w->open_first);
    len += put_varint(pair + len, end - w->open_end);
    if (len > sizeof w->runs - w->run_bytes) {
        w->runs_full = true;
        return;
    }
    memcpy(w->runs + w->run_bytes, pair, len);
    w->run_bytes += len;
    w->open_first = w->open_end = end;
}

/* Those from `first` to below `end`. */
static bool add_open_run(kca__offset_map_writer *w, int64_t first, int64_t end) {
    assert(first >= w->open_end && end > first);
    for (int64_t bit = first - w->base; bit < end - w->base && bit < MOST_BITS; bit++)
        w->bits[bit / 8] &= (unsigned char)~(1u << bit % 8);
    if (end - w->base > MOST_BITS)
        w->bits_full = true;

    if (!w->runs_full && first > w->open_end)
        put_runs(w, first);
    if (!w->runs_full)
        w->open_end = end;
    return !w->runs_full || !w->bits_full;
}

bool kca__offset_map_add_open(kca__offset_map_writer *w, int64_t offset) {
    return add_open_run(w, offset, offset + 1);
}

int64_t kca__offset_map_add_known(kca__offset_map_writer *w, int64_t end,
                                  const kca__offset_map *known) {
    bool more = true;
    for (int i = known->next; i < known->count && more; i++) {
        const kca__offset_run *run = &known->runs[i];
        if (run->end <= end)
            continue;
        if (run->first > end)
            more = add_open_run(w, end, run->first);
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

static void write_text(char *out, int64_t base, char encoding, const unsigned char *payload,
                       size_t len) {
    unsigned char bytes[CHECKSUM + KCA__OFFSET_MAP_BYTES];
    uint32_t sum = checksum(base, encoding, payload, len);
    for (int i = 0; i < CHECKSUM; i++)
        bytes[i] = (unsigned char)(sum >> (24 - 8 * i));
    memcpy(bytes + CHECKSUM, payload, len);
    kca__sink to = {.data = out};
    kca__sink_put(&to, magic, HEAD - 1);
    kca__sink_put(&to, &encoding, 1);
    kca__base64_write(&to, &kca__base64_url, bytes, CHECKSUM + len);
    kca__sink_put(&to, "", 1);
}

int64_t kca__offset_map_finish(kca__offset_map_writer *w, int64_t end,
                               char out[KCA__OFFSET_MAP_SIZE]) {
    assert(end >= w->open_end);
    if (!w->runs_full && end > w->open_end)
        put_runs(w, end);
    int64_t runs_end = w->runs_full ? w->open_end : end;
    int64_t bits_end = end - w->base > MOST_BITS ? w->base + MOST_BITS : end;
    size_t bit_bytes = end_bits(w, bits_end);

    out[0] = '\0';
    if (bits_end > runs_end || (bits_end == runs_end && bit_bytes < w->run_bytes)) {
        write_text(out, w->base, BITS, w->bits, bit_bytes);
        return bits_end;
    }
    if (w->run_bytes > 0)
        write_text(out, w->base, RUNS, w->runs, w->run_bytes);
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

/* False: it is cut off or too long. */
static bool get_varint(int64_t *out, const unsigned char **at, const unsigned char *end) {
    uint64_t number = 0;
    for (int i = 0; i < LONGEST_VARINT && *at < end; i++) {
        unsigned char byte = *(*at)++;
        number |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128) {
            *out = (int64_t)number;
            return true;
        }
    }
    return false;
}

static bool read_runs(kca__offset_map *m, const unsigned char *payload, size_t len, int64_t base) {
    const unsigned char *end = payload + len;
    int64_t open, finished, offset = base;
    while (payload < end) {
        if (!get_varint(&open, &payload, end) || !get_varint(&finished, &payload, end))
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

/* Gives the bytes in the payload; 0: it is none of our texts, or not of this base. */
static size_t read_text(unsigned char bytes[CHECKSUM + KCA__OFFSET_MAP_BYTES], const char *text,
                        size_t len, int64_t base) {
    if (!text || len < HEAD || len >= KCA__OFFSET_MAP_SIZE || memcmp(text, magic, HEAD - 1) != 0)
        return 0;
    size_t count;
    if (!kca__base64_read(bytes, &count, &kca__base64_url, text + HEAD, len - HEAD) ||
        count <= CHECKSUM)
        return 0;
    uint32_t sum = 0;
    for (int i = 0; i < CHECKSUM; i++)
        sum = sum << 8 | bytes[i];
    count -= CHECKSUM;
    return sum == checksum(base, text[HEAD - 1], bytes + CHECKSUM, count) ? count : 0;
}

bool kca__offset_map_read(kca__offset_map *out, const char *text, size_t len, int64_t base) {
    unsigned char bytes[CHECKSUM + KCA__OFFSET_MAP_BYTES];
    const unsigned char *payload = bytes + CHECKSUM;
    memset(out, 0, sizeof *out);
    size_t count = base < 0 ? 0 : read_text(bytes, text, len, base);
    if (count == 0 || (text[HEAD - 1] != RUNS && text[HEAD - 1] != BITS))
        return true;
    bool in_runs = text[HEAD - 1] == RUNS;
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
