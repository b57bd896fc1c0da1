#include "checker.h"

#include "behaviour.h"

#include <stdbool.h>
#include <stdio.h>

enum { MOST_PROCESSES = 64, MOST_PARTITIONS = 32, MOST_KEYS = 1000 };

typedef struct letter { /* an id */
    bool sent, stored, refused;
    int times;     /* handled */
    int publisher; /* process that sent it */
    int partition;
    int64_t offset;
} letter;

typedef struct record { /* a place in the topic */
    int id;             /* -1: nobody came across it */
    int times;
    int key;
    int64_t stamp; /* of the last walk that came across it */
} record;

typedef struct list {
    void *items;
    size_t count, room;
} list;

struct checker {
    list letters;                  /* letter, by id */
    list records[MOST_PARTITIONS]; /* record, by offset */
    list deliveries;               /* handled */
    char keys[MOST_KEYS][CHECKER_KEY];
    int64_t greatest[MOST_KEYS]; /* offset of the key in this walk */
    int key_count;
    int by_process[MOST_PROCESSES];
    int published, missing;
    int64_t stamp;
};

checker *checker_new(void) {
    checker *c = calloc(1, sizeof *c);
    assert_non_null(c);
    return c;
}

void checker_free(checker *c) {
    free(c->letters.items);
    free(c->deliveries.items);
    for (int i = 0; i < MOST_PARTITIONS; i++)
        free(c->records[i].items);
    free(c);
}

/* Makes it `count` items long at least; new ones are zero. */
static void grow(list *l, size_t count, size_t size) {
    if (count > l->room) {
        size_t room = count > 2 * l->room ? count + 1000 : 2 * l->room;
        l->items = realloc(l->items, room * size);
        assert_non_null(l->items);
        memset((char *)l->items + l->room * size, 0, (room - l->room) * size);
        l->room = room;
    }
    if (count > l->count)
        l->count = count;
}

static letter *letter_of(checker *c, int id) {
    assert_true(id >= 0);
    grow(&c->letters, (size_t)id + 1, sizeof(letter));
    return (letter *)c->letters.items + id;
}

static record *record_at(checker *c, int partition, int64_t offset) {
    assert_in_range(partition, 0, MOST_PARTITIONS - 1);
    assert_true(offset >= 0);
    list *l = &c->records[partition];
    size_t before = l->count;
    grow(l, (size_t)offset + 1, sizeof(record));
    for (size_t i = before; i < l->count; i++)
        ((record *)l->items)[i].id = -1;
    return (record *)l->items + offset;
}

/* -1: none, so no order either. */
static int key_of(checker *c, const char *name) {
    if (!*name)
        return -1;
    int i = 0;
    while (i < c->key_count && strcmp(c->keys[i], name) != 0)
        i++;
    if (i == c->key_count) {
        assert_true(c->key_count < MOST_KEYS);
        snprintf(c->keys[c->key_count++], CHECKER_KEY, "%s", name);
    }
    return i;
}

/* ---- what is noted ---- */

void checker_sent(checker *c, int process, int id) {
    letter *l = letter_of(c, id);
    l->sent = true;
    l->publisher = process;
}

void checker_refused(checker *c, int id) {
    letter_of(c, id)->refused = true;
}

void checker_stored(checker *c, int id, int partition, int64_t offset) {
    letter *l = letter_of(c, id);
    assert_false(l->stored);
    l->stored = true;
    l->partition = partition;
    l->offset = offset;
    c->published++;
    c->missing += l->times == 0;
}

void checker_handled(checker *c, const handled *h) {
    assert_in_range(h->process, 0, MOST_PROCESSES - 1);
    record *r = record_at(c, h->partition, h->offset);
    r->id = h->id;
    r->key = key_of(c, h->key);
    r->times += h->attempt == 1;
    letter *l = letter_of(c, h->id);
    c->missing -= l->stored && l->times == 0;
    l->times++;
    c->by_process[h->process]++;
    size_t at = c->deliveries.count;
    grow(&c->deliveries, at + 1, sizeof *h);
    ((handled *)c->deliveries.items)[at] = *h;
}

int checker_published(const checker *c) {
    return c->published;
}

int checker_missing(const checker *c) {
    return c->missing;
}

int checker_deliveries(const checker *c, int process) {
    return process < 0 ? (int)c->deliveries.count : c->by_process[process];
}

int checker_next_id(const checker *c) {
    const letter *letters = c->letters.items;
    size_t next = c->letters.count;
    while (next > 0 && !letters[next - 1].sent && !letters[next - 1].refused)
        next--;
    return (int)next;
}

/* ---- the account ---- */

/* Those of one process have different times, or are in the order they were noted in already. */
static int by_time(const void *one, const void *other) {
    const handled *a = one, *b = other;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->process != b->process ? (a->process < b->process ? -1 : 1)
                                    : (a->offset > b->offset) - (a->offset < b->offset);
}

static void sort(checker *c) {
    if (c->deliveries.count)
        qsort(c->deliveries.items, c->deliveries.count, sizeof(handled), by_time);
}

/* What comes again comes in its order too, but after greater ones that came before: only a record's
 * first coming counts. Process -1: all processes taken for one. */
static int disorder_of(checker *c, int process) {
    int disorder = 0;
    c->stamp++;
    for (int i = 0; i < c->key_count; i++)
        c->greatest[i] = -1;
    for (size_t i = 0; i < c->deliveries.count; i++) {
        const handled *h = (handled *)c->deliveries.items + i;
        record *r = record_at(c, h->partition, h->offset);
        if ((process >= 0 && h->process != process) || r->stamp == c->stamp || r->key < 0)
            continue;
        r->stamp = c->stamp;
        disorder += h->offset < c->greatest[r->key];
        if (h->offset > c->greatest[r->key])
            c->greatest[r->key] = h->offset;
    }
    return disorder;
}

/* Another publisher's messages may be under way still when it is gone. */
static int shuffled_of(checker *c, int publisher) {
    const letter *letters = c->letters.items;
    int shuffled = 0;
    for (int i = 0; i < c->key_count; i++)
        c->greatest[i] = -1;
    for (int p = 0; p < MOST_PARTITIONS; p++) {
        for (size_t i = 0; i < c->records[p].count; i++) {
            const record *r = (record *)c->records[p].items + i;
            if (r->id < 0 || r->key < 0 || letters[r->id].publisher != publisher)
                continue;
            shuffled += r->id < c->greatest[r->key];
            if (r->id > c->greatest[r->key])
                c->greatest[r->key] = r->id;
        }
    }
    return shuffled;
}

static void count_records(checker *c, account *a) {
    char *seen = calloc(c->letters.count + 1, 1);
    assert_non_null(seen);
    for (int p = 0; p < MOST_PARTITIONS; p++) {
        for (size_t i = 0; i < c->records[p].count; i++) {
            const record *r = (record *)c->records[p].items + i;
            if (r->id < 0)
                continue;
            a->repeated += r->times > 1 ? r->times - 1 : 0;
            a->doubled += seen[r->id];
            seen[r->id] = 1;
        }
    }
    free(seen);
    for (int process = 0; process < MOST_PROCESSES; process++)
        a->shuffled += shuffled_of(c, process);
}

static void count_letters(checker *c, account *a) {
    for (size_t i = 0; i < c->letters.count; i++) {
        const letter *l = (letter *)c->letters.items + i;
        a->published += l->stored;
        a->refused += l->refused;
        a->unsure += l->sent && !l->stored && !l->refused;
        a->missing += l->stored && l->times == 0;
        a->unknown += l->times > 0 && (!l->sent || l->refused);
    }
}

account checker_account(checker *c) {
    account a = {.handled = (int)c->deliveries.count};
    sort(c);
    count_letters(c, &a);
    count_records(c, &a);
    for (size_t i = 0; i < c->deliveries.count; i++) {
        const handled *h = (handled *)c->deliveries.items + i;
        const letter *l = letter_of(c, h->id);
        a.misplaced += l->stored && (l->partition != h->partition || l->offset != h->offset);
    }
    for (int process = -1; process < MOST_PROCESSES; process++)
        if (process < 0 || c->by_process[process])
            a.disorder += disorder_of(c, process);
    return a;
}

int checker_most_within(checker *c, int process, int ms) {
    const handled *all = c->deliveries.items;
    int within = 0, most = 0;
    sort(c);
    for (size_t first = 0, next = 0; next < c->deliveries.count; next++) {
        within += process < 0 || all[next].process == process;
        for (; all[next].time_ns - all[first].time_ns > (int64_t)ms * 1000000; first++)
            within -= process < 0 || all[first].process == process;
        most = within > most ? within : most;
    }
    return most;
}

void account_print(char *out, size_t size, const account *a) {
    snprintf(out, size,
             "published %d (unsure %d, refused %d), handled %d, missing %d, repeated %d, "
             "disorder %d, shuffled %d, doubled %d, misplaced %d, unknown %d",
             a->published, a->unsure, a->refused, a->handled, a->missing, a->repeated, a->disorder,
             a->shuffled, a->doubled, a->misplaced, a->unknown);
}

int account_is_good(const account *a, int most_repeated) {
    return a->missing == 0 && a->unknown == 0 && a->misplaced == 0 && a->disorder == 0 &&
           a->shuffled == 0 && a->doubled == 0 && a->repeated <= most_repeated;
}
