/* Records made at random: what is dead-lettered comes back, and nothing that is damaged breaks the
 * reader. KCA_SEED repeats the one that failed. */
#include "testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "dead_letters.h"
#include "records.h"

enum { RECORDS = 50000, DAMAGES = 4, LONGEST = 80, HEADERS_MOST = 12, LETTER_HEADERS_MOST = 64 };

static unsigned next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*seed >> 33);
}

static size_t below(uint64_t *seed, size_t bound) {
    return next_random(seed) % bound;
}

/* Names of which every format keeps all there are. */
static const char *const NAMES[] = {"messageId", "correlationId", "channelName", "tenant",
                                    "",          "\xff",          "ção",         "timestamp",
                                    "a\"<",      "traceparent"};

/* Of these spring keeps what earlier hops wrote. */
static const char *const SPRINGS[] = {"kafka_dlt-original-topic", "kafka_dlt-original-offset",
                                      "kafka_dlt-original-consumer-group",
                                      "kafka_dlt-original-other"};

static const char *const TEXTS[] = {"",
                                    "null",
                                    "{\"a\":[1,2,{\"b\":9007199254740993}]}",
                                    "\"\\u0000\"",
                                    " [1]\n",
                                    "{\"ReasonError\":\"x\",\"Payload\":1,\"Headers\":{}}",
                                    "<a>\xe2\x80\xa8",
                                    "text",
                                    "a===",
                                    "-1",
                                    "2026-11-23T03:41:24Z"};

#define ONE_OF(list, seed) (list)[below(seed, sizeof(list) / sizeof(list)[0])]

/* Bytes with one NUL beyond them, as librdkafka gives them; NULL: none. */
static char *any_bytes(uint64_t *seed, size_t *len) {
    char bytes[LONGEST];
    *len = below(seed, LONGEST);
    switch (below(seed, 4)) {
    case 0:
        *len = 0;
        return NULL;
    case 1:
        for (size_t i = 0; i < *len; i++)
            bytes[i] = (char)next_random(seed);
        return record_copy(bytes, *len);
    case 2:
        for (size_t i = 0; i < *len; i++)
            bytes[i] = "a\0\"\\<\n/z"[below(seed, 8)];
        return record_copy(bytes, *len);
    default:;
        const char *text = ONE_OF(TEXTS, seed);
        *len = strlen(text);
        return record_copy(text, *len);
    }
}

static const char *any_name(uint64_t *seed) {
    return below(seed, 8) == 0 ? ONE_OF(SPRINGS, seed) : ONE_OF(NAMES, seed);
}

typedef struct failed {
    kca__dead_letter d;
    kca__header headers[HEADERS_MOST];
} failed;

static void failed_make(failed *f, uint64_t *seed) {
    f->d = dead_letter(f->headers, (int)below(seed, HEADERS_MOST));
    for (int i = 0; i < f->d.header_count; i++) {
        kca__header *h = &f->headers[i];
        const char *name = any_name(seed);
        h->name = record_copy(name, strlen(name));
        h->value = any_bytes(seed, &h->value_len);
    }
    f->d.key = any_bytes(seed, &f->d.key_len);
    f->d.value = any_bytes(seed, &f->d.value_len);
    f->d.topic = below(seed, 2) ? "orders" : "";
    f->d.partition = (int)below(seed, 1 << 20) - 1;
    f->d.offset = (int64_t)below(seed, 1 << 30) * 1000003 - 1;
    f->d.timestamp_ms = (int64_t)below(seed, 1 << 30) * 2003 - 1;
    f->d.attempts = (int)below(seed, 1 << 20);
    f->d.error_text = below(seed, 2) ? "<an error>" : "";
}

static void failed_free(failed *f) {
    for (int i = 0; i < f->d.header_count; i++) {
        free((char *)f->headers[i].name);
        free((char *)f->headers[i].value);
    }
    free((void *)f->d.key);
    free((void *)f->d.value);
}

/* ---- back again ---- */

static int by_name_then_place(const void *a, const void *b) {
    const kca__header *x = *(const kca__header *const *)a, *y = *(const kca__header *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

static void sort(kca__header *out, const kca__header *headers, int count) {
    const kca__header *sorted[HEADERS_MOST];
    for (int i = 0; i < count; i++)
        sorted[i] = &headers[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name_then_place);
    for (int i = 0; i < count; i++)
        out[i] = *sorted[i];
}

/* Gomes' envelope has headers by name; those of one name keep their order. */
static void assert_comes_back(const kca__dead_letter *d, int format) {
    kca__dead_letter_record written;
    kca__dead_letter_reading reading;
    kca__header sorted[HEADERS_MOST], expected_sorted[HEADERS_MOST];
    kca__dead_letter expected = *d, *back = &reading.letter;
    assert_true(kca__dead_letter_write(&written, d, format, "orders.dead"));
    read_back(&reading, &written, format);
    if (format == KCA__DEAD_LETTER_GOMES) {
        assert_int_equal(back->header_count, d->header_count);
        sort(sorted, back->headers, back->header_count);
        sort(expected_sorted, d->headers, d->header_count);
        back->headers = sorted;
        expected.headers = expected_sorted;
    }
    assert_record_is(back, &expected);
    assert_source_is(back, &expected);
    kca__dead_letter_reading_clear(&reading);
    kca__dead_letter_record_clear(&written);
}

/* ---- damage ---- */

/* A record whose every part is a block of its own, of just its size. */
typedef struct damaged {
    kca__record record;
    kca__header headers[LETTER_HEADERS_MOST];
} damaged;

static void damaged_make(damaged *out, const kca__dead_letter_record *r) {
    out->record = record_of(r);
    out->record.headers = out->headers;
    for (int i = 0; i < r->header_count; i++) {
        const kca__header *h = &r->headers[i];
        out->headers[i] =
            (kca__header){record_copy(h->name, strlen(h->name)),
                          h->value ? record_copy(h->value, h->value_len) : NULL, h->value_len};
    }
    if (r->value) {
        out->record.value = malloc(r->value_len);
        if (r->value_len > 0)
            memcpy((void *)out->record.value, r->value, r->value_len);
    }
}

static void damaged_free(damaged *d) {
    for (int i = 0; i < d->record.header_count; i++) {
        free((char *)d->headers[i].name);
        free((char *)d->headers[i].value);
    }
    free((void *)d->record.value);
}

/* Breaks up to three bytes, or the end, and gives the length that is left. */
static size_t damage_bytes(char *bytes, size_t len, uint64_t *seed) {
    static const char odd[] = "\"\\{}[],:n0\0\xff=";
    if (!bytes || len == 0)
        return len;
    if (below(seed, 4) == 0)
        return below(seed, len);
    for (size_t n = below(seed, 3) + 1; n > 0; n--)
        bytes[below(seed, len)] =
            below(seed, 2) ? odd[below(seed, sizeof odd)] : (char)next_random(seed);
    return len;
}

static void damage_header(kca__header *h, uint64_t *seed) {
    size_t len = strlen(h->name);
    switch (below(seed, 4)) {
    case 0:
        ((char *)h->name)[damage_bytes((char *)h->name, len, seed)] = '\0';
        break;
    case 1:
        free((char *)h->value);
        h->value = any_bytes(seed, &h->value_len);
        break;
    default:
        if (!h->value)
            break;
        h->value_len = damage_bytes((char *)h->value, h->value_len, seed);
        ((char *)h->value)[h->value_len] = '\0';
    }
}

static void damage(damaged *d, uint64_t *seed) {
    kca__record *r = &d->record;
    if (below(seed, 2)) {
        size_t len = damage_bytes((char *)r->value, r->value_len, seed);
        char *exact = r->value ? malloc(len) : NULL;
        if (len > 0)
            memcpy(exact, r->value, len);
        free((void *)r->value);
        r->value = exact;
        r->value_len = len;
    }
    if (r->header_count == 0)
        return;
    size_t one = below(seed, (size_t)r->header_count);
    size_t other = below(seed, (size_t)r->header_count);
    kca__header moved = r->headers[one];
    if (below(seed, 2)) {
        r->headers[one] = r->headers[other];
        r->headers[other] = moved;
    }
    if (below(seed, 2))
        damage_header(&r->headers[one], seed);
}

static void assert_sound(const kca__dead_letter *d) {
    const char *const texts[] = {d->topic, d->group, d->error_name, d->error_text};
    for (int i = 0; i < COUNT_OF(texts); i++)
        assert_true(strlen(texts[i]) < 5000);
    for (int i = 0; i < d->header_count; i++) {
        const kca__header *h = &d->headers[i];
        assert_true(strlen(h->name) < 5000);
        if (h->value)
            assert_int_equal(h->value[h->value_len], '\0');
    }
    assert_true(d->partition >= -1 && d->offset >= -1 && d->timestamp_ms >= -1);
    assert_true(d->attempts >= 0 && d->time_ms >= -1);
    for (size_t i = 0; i < d->value_len; i++)
        (void)*((const volatile char *)d->value + i);
}

/* Whatever was read can be written again. */
static void assert_does_no_harm(const damaged *d, uint64_t *seed) {
    kca__dead_letter_reading reading;
    int format = kca__dead_letter_read(&reading, &d->record);
    assert_true(format >= KCA__DEAD_LETTER_NONE);
    if (format == KCA__DEAD_LETTER_NONE)
        return;
    kca__dead_letter_record again;
    assert_sound(&reading.letter);
    assert_true(kca__dead_letter_write(&again, &reading.letter, (int)below(seed, 3), "dead"));
    kca__dead_letter_record_clear(&again);
    kca__dead_letter_reading_clear(&reading);
}

static void play(uint64_t first) {
    uint64_t seed = first;
    failed f;
    failed_make(&f, &seed);
    for (int format = KCA__DEAD_LETTER_KCA; format <= KCA__DEAD_LETTER_GOMES; format++) {
        kca__dead_letter_record written;
        assert_comes_back(&f.d, format);
        assert_true(kca__dead_letter_write(&written, &f.d, format, "orders.dead"));
        for (int i = 0; i < DAMAGES; i++) {
            damaged d;
            damaged_make(&d, &written);
            damage(&d, &seed);
            assert_does_no_harm(&d, &seed);
            damaged_free(&d);
        }
        kca__dead_letter_record_clear(&written);
    }
    failed_free(&f);
}

static volatile uint64_t playing;

static void tell_the_seed(int signal_number) {
    (void)signal_number;
    fprintf(stderr, "KCA_SEED=%llu\n", (unsigned long long)playing);
}

static void test_any_record_comes_back_and_damage_does_no_harm(void **state) {
    const char *given = getenv("KCA_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;
    uint64_t last = given ? first : RECORDS;
    for (uint64_t seed = first; seed <= last; seed++) {
        playing = seed;
        play(seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_record_comes_back_and_damage_does_no_harm),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGABRT, tell_the_seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
