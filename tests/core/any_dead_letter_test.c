/* Records made at random: what is dead-lettered or retried comes back, and nothing that is damaged
 * breaks the readers. KCA_SEED repeats the one that failed. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "chance.h"
#include "dead_letter/retry_record.h"
#include "dead_letters.h"
#include "message/postponed.h"
#include "records.h"

enum { RECORDS = 50000, DAMAGES = 4, LONGEST = 80, HEADERS_MOST = 12, LETTER_HEADERS_MOST = 64 };

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

#define ONE_OF(list) (list)[pick(sizeof(list) / sizeof(list)[0])]

/* Bytes with one NUL beyond them, as librdkafka gives them; NULL: none. */
static char *any_bytes(size_t *len) {
    char bytes[LONGEST];
    *len = pick(LONGEST);
    switch (pick(4)) {
    case 0:
        *len = 0;
        return NULL;
    case 1:
        for (size_t i = 0; i < *len; i++)
            bytes[i] = (char)pick(256);
        return record_copy(bytes, *len);
    case 2:
        for (size_t i = 0; i < *len; i++)
            bytes[i] = "a\0\"\\<\n/z"[pick(8)];
        return record_copy(bytes, *len);
    default:;
        const char *text = ONE_OF(TEXTS);
        *len = strlen(text);
        return record_copy(text, *len);
    }
}

static const char *any_name(void) {
    return pick(8) == 0 ? ONE_OF(SPRINGS) : ONE_OF(NAMES);
}

typedef struct failed {
    kca__dead_letter d;
    kca__header headers[HEADERS_MOST];
} failed;

static void failed_make(failed *f) {
    f->d = dead_letter(f->headers, (int)pick(HEADERS_MOST));
    for (int i = 0; i < f->d.header_count; i++) {
        kca__header *h = &f->headers[i];
        const char *name = any_name();
        h->name = record_copy(name, strlen(name));
        h->value = any_bytes(&h->value_len);
    }
    f->d.key = any_bytes(&f->d.key_len);
    f->d.value = any_bytes(&f->d.value_len);
    f->d.topic = pick(2) ? "orders" : "";
    f->d.partition = (int)pick(1 << 20) - 1;
    f->d.offset = (int64_t)pick(1 << 30) * 1000003 - 1;
    f->d.timestamp_ms = (int64_t)pick(1 << 30) * 2003 - 1;
    f->d.attempts = (int)pick(1 << 20);
    f->d.error_text = pick(2) ? "<an error>" : "";
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

static void damaged_make(damaged *out, const kca__record *r) {
    out->record = *r;
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
static size_t damage_bytes(char *bytes, size_t len) {
    static const char odd[] = "\"\\{}[],:n0\0\xff=";
    if (!bytes || len == 0)
        return len;
    if (pick(4) == 0)
        return pick(len);
    for (size_t n = pick(3) + 1; n > 0; n--)
        bytes[pick(len)] = pick(2) ? odd[pick(sizeof odd)] : (char)pick(256);
    return len;
}

static void damage_header(kca__header *h) {
    size_t len = strlen(h->name);
    switch (pick(4)) {
    case 0:
        ((char *)h->name)[damage_bytes((char *)h->name, len)] = '\0';
        break;
    case 1:
        free((char *)h->value);
        h->value = any_bytes(&h->value_len);
        break;
    default:
        if (!h->value)
            break;
        h->value_len = damage_bytes((char *)h->value, h->value_len);
        ((char *)h->value)[h->value_len] = '\0';
    }
}

static void damage(damaged *d) {
    kca__record *r = &d->record;
    if (pick(2)) {
        size_t len = damage_bytes((char *)r->value, r->value_len);
        char *exact = r->value ? malloc(len) : NULL;
        if (len > 0)
            memcpy(exact, r->value, len);
        free((void *)r->value);
        r->value = exact;
        r->value_len = len;
    }
    if (r->header_count == 0)
        return;
    size_t one = pick((uint64_t)r->header_count);
    size_t other = pick((uint64_t)r->header_count);
    kca__header moved = r->headers[one];
    if (pick(2)) {
        r->headers[one] = r->headers[other];
        r->headers[other] = moved;
    }
    if (pick(2))
        damage_header(&r->headers[one]);
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
static void assert_does_no_harm(const damaged *d) {
    kca__dead_letter_reading reading;
    int format = kca__dead_letter_read(&reading, &d->record);
    assert_true(format >= KCA__DEAD_LETTER_NONE);
    if (format == KCA__DEAD_LETTER_NONE)
        return;
    kca__dead_letter_record again;
    assert_sound(&reading.letter);
    assert_true(kca__dead_letter_write(&again, &reading.letter, (int)pick(3), "dead"));
    kca__dead_letter_record_clear(&again);
    kca__dead_letter_reading_clear(&reading);
}

/* ---- in a retry channel ---- */

static void assert_retry_is_sound(const damaged *d) {
    kca__retry_record told;
    kca__postponed later;
    kca__retry_record_read(&told, d->record.headers, d->record.header_count);
    assert_true(told.attempts >= 0 && told.due_ms >= -1 && strlen(told.topic) < 5000);
    assert_true(told.partition >= -1 && told.offset >= -1 && told.timestamp_ms >= -1);
    kca__postponed_read(&later, d->record.headers, d->record.header_count);
    assert_true(later.at_ms >= -1 && later.due_ms >= -1 && later.partition >= -1);
}

static void play_retry(const kca__dead_letter *of, int format) {
    kca__dead_letter_record written;
    kca__retry_record told;
    damaged d;
    int64_t due_ms = (int64_t)pick(UINT64_C(1) << 50);
    assert_true(kca__retry_record_write(&written, of, due_ms, format));
    kca__retry_record_read(&told, written.record.headers, written.record.header_count);
    assert_int_equal(told.attempts, of->attempts);
    assert_int_equal(told.due_ms, due_ms);
    assert_string_equal(told.topic, of->topic);
    damaged_make(&d, &written.record);
    int left = kca__retry_record_strip(written.record.headers, written.record.header_count);
    if (format != KCA__DEAD_LETTER_SPRING) /* which takes what others wrote for Spring's */
        assert_headers_are(written.record.headers, left, of->headers, of->header_count);
    kca__dead_letter_record_clear(&written);
    damage(&d);
    assert_retry_is_sound(&d);
    damaged_free(&d);
}

static void play(void) {
    failed f;
    failed_make(&f);
    play_retry(&f.d, (int)pick(3));
    for (int format = KCA__DEAD_LETTER_KCA; format <= KCA__DEAD_LETTER_GOMES; format++) {
        kca__dead_letter_record written;
        assert_comes_back(&f.d, format);
        assert_true(kca__dead_letter_write(&written, &f.d, format, "orders.dead"));
        for (int i = 0; i < DAMAGES; i++) {
            damaged d;
            damaged_make(&d, &written.record);
            damage(&d);
            assert_does_no_harm(&d);
            damaged_free(&d);
        }
        kca__dead_letter_record_clear(&written);
    }
    failed_free(&f);
}

static void test_any_record_comes_back_and_damage_does_no_harm(void **state) {
    play_each(play, RECORDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_record_comes_back_and_damage_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
