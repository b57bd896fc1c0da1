#include "checker_book.h"

#include "behaviour.h"

#include <stdio.h>

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

static int64_t end_of(const record *r) {
    return r->done_ns < r->dead_ns ? r->done_ns : r->dead_ns;
}

/* Whoever handles a key's next must know that the earlier one has come to its end. */
static int overtaken_in(checker *c, int partition) {
    int overtaken = 0;
    for (int i = 0; i < c->key_count; i++)
        c->greatest[i] = 0;
    for (size_t i = 0; i < c->records[partition].count; i++) {
        const record *r = (record *)c->records[partition].items + i;
        if (r->id < 0 || r->key < 0)
            continue;
        overtaken += r->begin_ns < c->greatest[r->key];
        if (end_of(r) > c->greatest[r->key])
            c->greatest[r->key] = end_of(r);
    }
    return overtaken;
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
            a->again += r->dead > 1 ? r->dead - 1 : 0;
            a->unknown += r->id < 0 && r->dead > 0;
            if (r->id < 0)
                continue;
            a->repeated += r->times > 1 ? r->times - 1 : 0;
            a->doubled += seen[r->id];
            seen[r->id] = 1;
        }
        a->overtaken += overtaken_in(c, p);
    }
    free(seen);
    for (int process = 0; process < MOST_PROCESSES; process++)
        a->shuffled += shuffled_of(c, process);
}

static bool has_ended(const checker *c, const letter *l) {
    return l->dead > 0 || (c->expects_results ? l->passed : l->done) > 0;
}

static void count_letters(checker *c, account *a) {
    for (size_t i = 0; i < c->letters.count; i++) {
        const letter *l = (letter *)c->letters.items + i;
        a->published += l->stored;
        a->refused += l->refused;
        a->unsure += l->sent && !l->stored && !l->refused;
        a->missing += l->stored && !has_ended(c, l);
        a->unknown += l->times + l->dead + l->passed > 0 && (!l->sent || l->refused);
        a->undue += l->dead > 0 && !l->condemned && !l->excused;
        a->twice += c->expects_results && l->dead + l->passed > 1;
    }
}

account checker_account(checker *c) {
    account a = {.handled = (int)c->deliveries.count,
                 .misplaced = c->misplaced,
                 .shuffled = c->shuffled,
                 .dead = c->dead,
                 .passed = c->passed};
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

/* ---- so far ---- */

int checker_open_below(const checker *c, int partition, int64_t offset, int64_t by_ns) {
    int open = 0;
    const list *places = &c->records[partition];
    for (size_t i = 0; i < places->count && (int64_t)i < offset; i++) {
        const record *r = (record *)places->items + i;
        open += r->id >= 0 && end_of(r) > by_ns;
    }
    for (size_t i = 0; i < c->letters.count; i++) {
        const letter *l = (letter *)c->letters.items + i;
        open += l->stored && l->partition == partition && l->offset < offset && l->times == 0;
    }
    return open;
}

int checker_waiting(const checker *c) {
    int waiting = 0;
    for (size_t i = 0; i < c->letters.count; i++) {
        const letter *l = (letter *)c->letters.items + i;
        waiting += l->condemned && l->times > 0 && l->dead == 0;
    }
    return waiting;
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
             "disorder %d, overtaken %d, shuffled %d, doubled %d, misplaced %d, unknown %d; "
             "dead %d, again %d, undue %d; passed %d, twice %d",
             a->published, a->unsure, a->refused, a->handled, a->missing, a->repeated, a->disorder,
             a->overtaken, a->shuffled, a->doubled, a->misplaced, a->unknown, a->dead, a->again,
             a->undue, a->passed, a->twice);
}

int account_is_good(const account *a, int most_repeated) {
    return a->missing == 0 && a->unknown == 0 && a->misplaced == 0 && a->disorder == 0 &&
           a->overtaken == 0 && a->shuffled == 0 && a->doubled == 0 && a->undue == 0 &&
           a->twice == 0 && a->repeated <= most_repeated && a->again <= most_repeated;
}
