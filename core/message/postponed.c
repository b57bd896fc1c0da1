#include "message/postponed.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PREFIX    "kca-deliver-"
#define TO        PREFIX "to"
#define AT        PREFIX "at-ms"
#define DUE       PREFIX "due-ms"
#define PARTITION PREFIX "partition"
#define TIMESTAMP PREFIX "timestamp-ms"

kca__rung kca__postponed_rung(const int *delays_ms, int count, int64_t at_ms, int64_t now_ms) {
    int64_t left_ms = at_ms - now_ms;
    int shortest = -1, longest = -1, fits = -1;
    for (int i = 0; i < count; i++) {
        if (shortest < 0 || delays_ms[i] < delays_ms[shortest])
            shortest = i;
        if (longest < 0 || delays_ms[i] > delays_ms[longest])
            longest = i;
        if (delays_ms[i] > 0 && delays_ms[i] <= left_ms &&
            (fits < 0 || delays_ms[i] > delays_ms[fits]))
            fits = i;
    }
    if (left_ms <= 0 || longest < 0 || delays_ms[longest] == 0)
        return (kca__rung){-1, now_ms};
    if (fits < 0)
        return (kca__rung){shortest, at_ms};
    return (kca__rung){fits, now_ms + delays_ms[fits]};
}

static void put_number(kca__header *out, char room[KCA__POSTPONED_NUMBER], const char *name,
                       int64_t number) {
    int len = snprintf(room, KCA__POSTPONED_NUMBER, "%" PRId64, number);
    *out = (kca__header){name, room, (size_t)len};
}

int kca__postponed_write(kca__header out[KCA__POSTPONED_HEADERS],
                         char room[KCA__POSTPONED_HEADERS][KCA__POSTPONED_NUMBER],
                         const kca__postponed *p) {
    int count = 0;
    out[count++] = (kca__header){TO, p->to, strlen(p->to)};
    put_number(&out[count], room[count], AT, p->at_ms);
    count++;
    put_number(&out[count], room[count], DUE, p->due_ms);
    count++;
    if (p->partition >= 0) {
        put_number(&out[count], room[count], PARTITION, p->partition);
        count++;
    }
    if (p->timestamp_ms >= 0) {
        put_number(&out[count], room[count], TIMESTAMP, p->timestamp_ms);
        count++;
    }
    return count;
}

/* Decimal digits, and nothing else; -1: no such number. */
static int64_t number_of(const kca__header *h, int64_t most) {
    int64_t number = 0;
    if (h->value_len == 0)
        return -1;
    for (size_t i = 0; i < h->value_len; i++) {
        int digit = h->value[i] - '0';
        if (digit < 0 || digit > 9 || number > (most - digit) / 10)
            return -1;
        number = number * 10 + digit;
    }
    return number;
}

static void read_one(kca__postponed *out, const kca__header *h) {
    if (strcmp(h->name, TO) == 0)
        out->to = strlen(h->value) == h->value_len ? h->value : "";
    else if (strcmp(h->name, AT) == 0)
        out->at_ms = number_of(h, INT64_MAX);
    else if (strcmp(h->name, DUE) == 0)
        out->due_ms = number_of(h, INT64_MAX);
    else if (strcmp(h->name, PARTITION) == 0)
        out->partition = (int)number_of(h, INT_MAX);
    else if (strcmp(h->name, TIMESTAMP) == 0)
        out->timestamp_ms = number_of(h, INT64_MAX);
}

bool kca__postponed_is_own(const char *name) {
    return strncmp(name, PREFIX, sizeof PREFIX - 1) == 0;
}

void kca__postponed_read(kca__postponed *out, const kca__header *headers, int count) {
    *out =
        (kca__postponed){.to = "", .at_ms = -1, .due_ms = -1, .partition = -1, .timestamp_ms = -1};
    for (int i = 0; i < count; i++)
        if (headers[i].value && kca__postponed_is_own(headers[i].name))
            read_one(out, &headers[i]);
}

int kca__postponed_strip(kca__header *headers, int count) {
    int left = 0;
    for (int i = 0; i < count; i++)
        if (!kca__postponed_is_own(headers[i].name))
            headers[left++] = headers[i];
    return left;
}
