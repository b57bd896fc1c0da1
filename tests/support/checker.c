#include "checker_book.h"

#include "behaviour.h"

#include <stdio.h>

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

letter *letter_of(checker *c, int id) {
    assert_true(id >= 0);
    grow(&c->letters, (size_t)id + 1, sizeof(letter));
    return (letter *)c->letters.items + id;
}

record *record_at(checker *c, int partition, int64_t offset) {
    assert_in_range(partition, 0, MOST_PARTITIONS - 1);
    assert_true(offset >= 0);
    list *l = &c->records[partition];
    size_t before = l->count;
    grow(l, (size_t)offset + 1, sizeof(record));
    for (size_t i = before; i < l->count; i++)
        ((record *)l->items)[i] = (record){.id = -1, .done_ns = NEVER, .dead_ns = NEVER};
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
}

void checker_handled(checker *c, const handled *h) {
    assert_in_range(h->process, 0, MOST_PROCESSES - 1);
    record *r = record_at(c, h->partition, h->offset);
    if (r->id < 0 || h->begin_ns < r->begin_ns)
        r->begin_ns = h->begin_ns;
    if (!h->undone && h->time_ns < r->done_ns)
        r->done_ns = h->time_ns;
    r->id = h->id;
    r->key = key_of(c, h->key);
    r->times += h->attempt == 1;
    letter *l = letter_of(c, h->id);
    l->times++;
    l->done += !h->undone;
    l->excused |= c->excuse_ns > 0 && h->time_ns - h->begin_ns > c->excuse_ns;
    c->by_process[h->process]++;
    size_t at = c->deliveries.count;
    grow(&c->deliveries, at + 1, sizeof *h);
    ((handled *)c->deliveries.items)[at] = *h;
}

/* ---- dead letters and results ---- */

void checker_condemn(checker *c, int id) {
    letter_of(c, id)->condemned = true;
}

void checker_excuse_after(checker *c, int ms) {
    c->excuse_ns = (int64_t)ms * 1000000;
}

void checker_forget_dead(checker *c) {
    for (size_t i = 0; i < c->letters.count; i++)
        ((letter *)c->letters.items)[i].dead = 0;
    for (int p = 0; p < MOST_PARTITIONS; p++) {
        for (size_t i = 0; i < c->records[p].count; i++) {
            record *r = (record *)c->records[p].items + i;
            r->dead = 0;
            r->dead_ns = NEVER;
        }
    }
    c->dead = c->misplaced = 0;
}

void checker_dead(checker *c, const dead_letter *d) {
    record *r = record_at(c, d->partition, d->offset);
    r->dead++;
    if (d->time_ns < r->dead_ns)
        r->dead_ns = d->time_ns;
    letter *l = letter_of(c, d->id);
    l->dead++;
    c->dead++;
    c->misplaced += l->stored && (l->partition != d->partition || l->offset != d->offset);
}

void checker_expect_results(checker *c) {
    c->expects_results = true;
}

/* Another publisher's messages may be under way still when it is gone. */
void checker_passed(checker *c, int id, const char *key) {
    letter *l = letter_of(c, id);
    int k = key_of(c, key);
    l->passed++;
    c->passed++;
    if (k < 0)
        return;
    c->shuffled += c->last[k].publisher == l->publisher && id < c->last[k].id;
    c->last[k].id = id;
    c->last[k].publisher = l->publisher;
}

/* ---- so far ---- */

int checker_published(const checker *c) {
    return c->published;
}

bool checker_is_published(const checker *c, int id) {
    const letter *letters = c->letters.items;
    return (size_t)id < c->letters.count && letters[id].stored;
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
