/* Where a redrive reads: the partitions of the dead-letter topic, their letters and frontiers. */
#include "redrive/redrive_run.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- letters ---- */

void kca__redrive_source_add(kca__redrive_letter *letter) {
    kca__redrive_partition *p = letter->partition;
    kca__list_add(&p->letters, &letter->link);
    p->read = letter->record->offset + 1;
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

void kca__redrive_source_advance(kca__redrive_partition *p) {
    kca__redrive_letter *first;
    while ((first = kca__list_first(&p->letters)) && first->settled) {
        kca__redrive_report_count(&p->run->report, first);
        remove_first(p);
    }
    p->next = first ? first->record->offset : p->read;
}

bool kca__redrive_source_is_finished(const kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++)
        if (!run->partitions[i].finished)
            return false;
    return true;
}

int64_t kca__redrive_source_remaining(const kca__redrive_run *run) {
    int64_t remaining = 0;
    for (int i = 0; i < run->partition_count; i++)
        remaining += run->partitions[i].end - run->partitions[i].next;
    return remaining;
}

void kca__redrive_source_close(kca__redrive_run *run) {
    for (int i = 0; i < run->partition_count; i++)
        while (run->partitions[i].letters.count > 0)
            remove_first(&run->partitions[i]);
    free(run->partitions);
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
    if (p->read < offset)
        p->read = offset;
    kca__redrive_source_advance(p);
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

/* ---- commits ---- */

kca_error *kca__redrive_source_commit(kca__redrive_run *run, int64_t deadline) {
    char what[400];
    kca_error *e = NULL;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(run->partition_count);
    for (int i = 0; i < run->partition_count; i++) {
        kca__redrive_partition *p = &run->partitions[i];
        if (p->next != p->committed)
            rd_kafka_topic_partition_list_add(list, run->options->topic, p->number)->offset =
                p->next;
    }
    snprintf(what, sizeof what, "committing as group %s", run->options->group_id);
    if (list->cnt > 0)
        e = kca__redrive_ask(run, kca__ask_commit, list, what, deadline);
    for (int i = 0; i < list->cnt && !e; i++)
        run->partitions[list->elems[i].partition].committed = list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return e;
}
