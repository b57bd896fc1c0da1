/* Where a redrive reads: the partitions of the dead-letter topic, their letters and frontiers. */
#include "redrive/redrive_run.h"

#include "base/error.h"
#include "inbound/offsets.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- letters ---- */

void kca__redrive_source_add(kca__redrive_letter *letter) {
    kca__redrive_partition *p = letter->partition;
    kca__list_add(&p->letters, &letter->link);
    p->read = letter->record->offset + 1;
    letter->follows_known = p->follows_known;
    p->follows_known = false;
    p->run->letters++;
    p->run->chosen += letter->outcome == KCA__REDRIVEN;
    p->run->bytes += letter->bytes;
}

static void remove_first(kca__redrive_partition *p) {
    kca__redrive_letter *letter = kca__list_take(&p->letters);
    p->run->letters--;
    p->run->chosen -= letter->outcome == KCA__REDRIVEN;
    p->run->bytes -= letter->bytes;
    kca__redrive_letter_free(letter);
}

static bool remember(kca__redrive_partition *p, const kca__redrive_letter *letter) {
    kca__redrive_memory *m = &p->memory;
    p->changed = true;
    if (letter->follows_known)
        kca__redrive_memory_pass(m);
    if (letter->outcome == KCA__NOT_DEAD_LETTER)
        return kca__redrive_memory_ignore(m, letter->record->offset);
    if (letter->outcome != KCA__REDRIVEN && !p->run->options->give_up_others)
        return kca__redrive_memory_leave(m, letter->record->offset);
    kca__redrive_memory_pass(m);
    return true;
}

void kca__redrive_source_advance(kca__redrive_partition *p) {
    kca__redrive_letter *first;
    while ((first = kca__list_first(&p->letters)) && first->settled) {
        kca__redrive_report_count(first);
        if (!p->run->options->dry_run && !remember(p, first))
            kca__redrive_fail(p->run, kca__error_memory());
        remove_first(p);
    }
}

void kca__redrive_source_count_rest(kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++) {
        kca__redrive_letter *l = kca__list_first(&run->partitions[i].letters);
        for (; l; l = kca__list_next(&l->link))
            if (l->settled)
                kca__redrive_report_count(l);
    }
}

bool kca__redrive_source_is_finished(const kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++)
        if (!run->partitions[i].finished)
            return false;
    return true;
}

bool kca__redrive_source_is_complete(const kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++)
        if (run->partitions[i].read < run->partitions[i].end ||
            run->partitions[i].letters.count > 0)
            return false;
    return true;
}

bool kca__redrive_source_is_full(const kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++)
        if (run->partitions[i].full)
            return true;
    return false;
}

int64_t kca__redrive_source_remaining(const kca__redrive_run *run) {
    int64_t remaining = 0;
    for (int i = 0; i < KCA__REDRIVE_OUTCOMES && !run->options->give_up_others; i++)
        if (i != KCA__REDRIVEN && i != KCA__NOT_DEAD_LETTER)
            remaining += run->report.counts[i];
    for (int i = 0; i < run->partition_count; i++) {
        const kca__redrive_partition *p = &run->partitions[i];
        const kca__redrive_letter *l = kca__list_first(&p->letters);
        for (; l; l = kca__list_next(&l->link))
            remaining += !l->settled;
        remaining += p->left_below + kca__redrive_memory_count_left(&p->memory, p->read, p->high);
    }
    return remaining;
}

void kca__redrive_source_close(kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++) {
        while (run->partitions[i].letters.count > 0)
            remove_first(&run->partitions[i]);
        kca__redrive_memory_close(&run->partitions[i].memory);
        cJSON_Delete(run->partitions[i].listed);
    }
    free(run->partitions);
    free(run->left);
    if (run->reader)
        rd_kafka_assign(run->reader->rk, NULL);
    kca__client_close(run->reader);
}

/* ---- reading ---- */

/* Ends a partition that was read up to `offset`, which may be short of its end: an open transaction
 * begins there. */
static void finish(kca__redrive_partition *p, int64_t offset) {
    p->finished = true;
    if (offset > p->end)
        offset = p->end;
    if (p->read < offset) {
        p->read = offset;
        p->changed = true;
    }
}

static void take_error(kca__redrive_run *run, kca__redrive_partition *p,
                       const rd_kafka_message_t *m) {
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (p)
            finish(p, m->offset);
        return;
    }
    int code = m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ? KCA_ERROR_AUTHORIZATION
                                                                      : KCA_ERROR_BROKER;
    kca__redrive_fail(
        run, kca__redrive_error(run, code, m->err, "reading: %s", rd_kafka_message_errstr(m)));
}

rd_kafka_message_t *kca__redrive_source_read(kca__redrive_run *run, int timeout_ms,
                                             kca__redrive_partition **out) {
    rd_kafka_message_t *m = rd_kafka_consumer_poll(run->reader->rk, timeout_ms);
    if (!m)
        return NULL;
    bool known = m->rkt && m->partition >= 0 && m->partition < run->partition_count;
    kca__redrive_partition *p = *out = known ? &run->partitions[m->partition] : NULL;
    if (m->err)
        take_error(run, p, m);
    else if (p && !p->finished && m->offset >= p->end)
        finish(p, m->offset);
    else if (p && !p->finished && m->offset >= p->read)
        return m;
    rd_kafka_message_destroy(m);
    return NULL;
}

/* ---- memory ---- */

/* What is supposed of letters that are to be published: they are left, or what needs the most room
 * for runs (alternately left and done), or for bits (done from the second on). */
typedef enum supposed { LEFT, SCATTERED, DONE } supposed;

/* Whether the letter is not done; `before`: that of the one before it; `first`: all before are. */
static bool is_left(const kca__redrive_letter *l, bool before, bool first, supposed s) {
    bool joins = before && !l->follows_known;
    if (l->outcome == KCA__NOT_DEAD_LETTER)
        return joins;
    if (l->outcome == KCA__REDRIVEN)
        return !l->settled && (s == LEFT || (s == SCATTERED ? !joins : first));
    return !l->partition->run->options->give_up_others;
}

/* Writes what the group is to know when only the first `letters` are read. False: there is no room
 * for all that is done. */
static bool write_memory(const kca__redrive_partition *p, int letters, supposed s, int64_t *base,
                         char text[KCA__OFFSET_MAP_SIZE]) {
    kca__offset_run *out = p->run->left;
    int count = 0;
    bool before = p->memory.grows;
    const kca__redrive_letter *l = kca__list_first(&p->letters);
    for (; l && letters > 0; l = kca__list_next(&l->link), letters--) {
        bool left = is_left(l, before, p->memory.open_count + count == 0, s);
        if (left && before && !l->follows_known && count > 0)
            out[count - 1].end = l->record->offset + 1;
        else if (left)
            out[count++] = (kca__offset_run){l->record->offset, l->record->offset + 1};
        before = left;
    }
    int64_t read = l ? l->record->offset : p->read;
    return kca__redrive_memory_write(&p->memory, out, count, read, base, text) == read;
}

/* Drops the letters from this offset on. */
static void cut(kca__redrive_partition *p, int64_t from) {
    kca__list all = p->letters;
    p->letters = (kca__list){0};
    for (kca__redrive_letter *l; (l = kca__list_take(&all));) {
        if (l->record->offset < from) {
            kca__list_add(&p->letters, &l->link);
            continue;
        }
        if (l->record->offset < p->read)
            p->read = l->record->offset;
        p->run->letters--;
        p->run->chosen -= l->outcome == KCA__REDRIVEN;
        p->run->bytes -= l->bytes;
        kca__redrive_letter_free(l);
    }
    p->finished = true;
}

static void fit(kca__redrive_partition *p) {
    char text[KCA__OFFSET_MAP_SIZE];
    int64_t base;
    int letters = p->letters.count;
    while (letters > 0 && (!write_memory(p, letters, SCATTERED, &base, text) ||
                           !write_memory(p, letters, DONE, &base, text)))
        letters /= 2;
    p->held_from = p->read;
    if (letters == p->letters.count)
        return;
    p->full = letters == 0;
    const kca__redrive_letter *l = kca__list_first(&p->letters);
    while (letters-- > 0)
        l = kca__list_next(&l->link);
    p->held_from = l->record->offset;
    if (p->full)
        cut(p, p->held_from);
}

void kca__redrive_source_fit(kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count && !run->options->dry_run; i++)
        fit(&run->partitions[i]);
}

bool kca__redrive_source_has_more(const kca__redrive_run *run) {
    bool more = false;
    for (int i = 0; i < run->partition_count; i++) {
        const kca__redrive_partition *p = &run->partitions[i];
        const kca__redrive_letter *first = kca__list_first(&p->letters);
        if (first && first->record->offset < p->held_from)
            return false;
        more = more || first;
    }
    return more;
}

void kca__redrive_source_drop_held(kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count && !run->options->dry_run; i++)
        if (run->partitions[i].held_from < run->partitions[i].read)
            cut(&run->partitions[i], run->partitions[i].held_from);
}

/* ---- commits ---- */

kca_error *kca__redrive_source_commit(kca__redrive_run *run, int64_t deadline) {
    char what[400], text[KCA__OFFSET_MAP_SIZE];
    kca_error *e = NULL;
    int full = -1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(run->partition_count);
    for (int i = 0; i < run->partition_count; i++) {
        kca__redrive_partition *p = &run->partitions[i];
        int64_t base;
        if (!p->changed)
            continue;
        if (!write_memory(p, p->letters.count, LEFT, &base, text))
            full = i;
        kca__offsets_add(list, run->options->topic, p->number, base, text);
    }
    snprintf(what, sizeof what, "committing as group %s", run->options->group_id);
    if (list->cnt > 0)
        e = kca__redrive_ask(run, kca__ask_commit, list, what, deadline);
    for (int i = 0; i < list->cnt && !e; i++)
        run->partitions[list->elems[i].partition].changed = false;
    rd_kafka_topic_partition_list_destroy(list);
    if (!e && full >= 0)
        e = kca__redrive_error(run, KCA_ERROR_STATE, 0,
                               "group %s has no room for all that is done of %s[%d]: some of it "
                               "may be redriven again",
                               run->options->group_id, run->options->topic, full);
    return e;
}
