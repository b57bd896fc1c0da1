/* Where a redrive publishes: an idempotent producer of its own, and the topics. */
#include "redrive/redrive_run.h"

#include "base/error.h"
#include "base/text.h"
#include "kafka/kafka_error.h"
#include "kafka/produce.h"
#include "kafka/record_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE_MS = 100,
    DROP_MS = 1000,
    PARTS = 8,                /* of a batch that is refused */
    MOST_BATCH_BYTES = 900000 /* below a broker's message.max.bytes, 1048588 unless changed */
};

/* ---- answers ---- */

/* Whether the cluster has refused this message, and stored nothing of it. Another error is one of
 * the producer or the network: nothing is known of the message then, or of those behind it. */
static bool is_refusal(rd_kafka_resp_err_t err) {
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return true;
    default:
        return false;
    }
}

static void not_stored(kca__redrive_run *run, kca__redrive_letter *letter,
                       rd_kafka_resp_err_t err) {
    if (is_refusal(err)) {
        letter->cause = err;
        return;
    }
    if (run->trouble)
        return;
    run->trouble =
        kca__redrive_error(run, kca__error_code_of_record(err, KCA_ERROR_NOT_STORED), err,
                           "%s[%d] offset %lld is not stored in topic %s: %s", run->options->topic,
                           letter->partition->number, (long long)letter->record->offset,
                           letter->target->name, rd_kafka_err2str(err));
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
    (void)rk;
    kca__redrive_run *run = ((kca__client *)opaque)->owner;
    kca__redrive_letter *letter = m->_private;
    run->under_way--;
    if (kca__client_is_unconfirmed(m))
        not_stored(run, letter, RD_KAFKA_RESP_ERR__INCONSISTENT);
    else if (!m->err)
        letter->settled = true;
    else if (m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
             m->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        not_stored(run, letter, m->err);
}

/* ---- life ---- */

/* Sets limits so high that only the broker's count, and a linger so long that messages go when they
 * are flushed. */
static kca_error *configure(kca__redrive_run *run, rd_kafka_conf_t *conf) {
    const char *const properties[][2] = {
        {"acks", "-1"},
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"},
        {"message.max.bytes", "1000000000"},
        {"queue.buffering.max.messages", "10000000"},
        {"queue.buffering.max.kbytes", "2147483647"},
        {"linger.ms", "1000"},
        {"batch.num.messages", "10000"},
        {"batch.size", "10000000"},
    };
    kca_error *e = kca__connection_configure(run->connection, conf, true, run->who);
    return e ? e
             : kca__property_apply_all(conf, run->who, properties,
                                       sizeof properties / sizeof *properties);
}

kca_error *kca__redrive_target_open(kca__redrive_run *run) {
    if (run->options->dry_run)
        return NULL;
    run->batch = calloc(KCA__REDRIVE_LETTERS, sizeof(kca__redrive_letter *));
    if (!run->batch)
        return kca__error_memory();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    kca_error *e = configure(run, conf);
    if (e) {
        rd_kafka_conf_destroy(conf);
        return e;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    e = kca__client_open(&run->writer, RD_KAFKA_PRODUCER, conf, run->options->topic, run->who,
                         run->log, run);
    return e;
}

void kca__redrive_target_close(kca__redrive_run *run) {
    while (run->topics) {
        kca__redrive_topic *t = run->topics;
        run->topics = t->next;
        if (t->handle)
            rd_kafka_topic_destroy(t->handle);
        free(t->name);
        free(t);
    }
    kca__client_close(run->writer);
    free(run->batch);
    run->batch = NULL;
    run->writer = NULL;
    run->under_way = 0;
}

/* ---- topics ---- */

static kca_error *add_topic(kca__redrive_topic **out, kca__redrive_run *run, const char *name,
                            int partitions) {
    kca__redrive_topic *t = calloc(1, sizeof *t);
    if (!t || !(t->name = kca__text_copy(name))) {
        free(t);
        return kca__error_memory();
    }
    t->partitions = partitions;
    t->outcome = KCA__REDRIVEN;
    t->next = run->topics;
    run->topics = t;
    *out = t;
    if (run->writer && partitions > 0 &&
        !(t->handle = rd_kafka_topic_new(run->writer->rk, name, NULL)))
        return kca__redrive_error(run, KCA_ERROR_BROKER, rd_kafka_last_error(), "topic %s: %s",
                                  name, rd_kafka_err2str(rd_kafka_last_error()));
    return NULL;
}

/* Whether the cluster says that no message can go there; else it may, a moment later. */
static bool is_of_topic(const kca_error *e) {
    return e->rdkafka_code &&
           (e->code == KCA_ERROR_NOT_FOUND || e->code == KCA_ERROR_AUTHORIZATION ||
            e->rdkafka_code == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION);
}

/* A topic that the cluster does not show: its letters are passed by. Takes `e`, and gives it back
 * when it says nothing of the topic. */
static kca_error *add_hidden(kca__redrive_topic **out, kca__redrive_run *run, const char *name,
                             kca_error *e) {
    if (!is_of_topic(e))
        return e;
    kca_error *memory = add_topic(out, run, name, 0);
    if (!memory) {
        (*out)->outcome = e->code == KCA_ERROR_NOT_FOUND ? KCA__MISSING_TARGET : KCA__REFUSED;
        (*out)->cause = (rd_kafka_resp_err_t)e->rdkafka_code;
    }
    kca__error_free(e);
    return memory;
}

kca_error *kca__redrive_target_find(kca__redrive_topic **out, kca__redrive_run *run,
                                    const char *name) {
    for (*out = run->topics; *out; *out = (*out)->next)
        if (strcmp((*out)->name, name) == 0)
            return NULL;
    int partitions;
    kca_error *e = kca__redrive_count_partitions(run, name, &partitions);
    return e ? add_hidden(out, run, name, e) : add_topic(out, run, name, partitions);
}

/* ---- messages ---- */

/* Where the message stands in the line of its key goes along, if it goes to where that is. NULL:
 * memory is out. */
static bool add_place(rd_kafka_headers_t *list, const kca__dead_letter *d, const char *topic) {
    if (!d->place.in_line || strcmp(d->topic, topic) != 0)
        return true;
    char *text = kca__parked_place_write(&d->place, d->topic, d->partition, d->group);
    if (text)
        rd_kafka_header_add(list, KCA__PARKED_HEADER, -1, text, -1);
    free(text);
    return text != NULL;
}

/* What followed was not handled: it was not redriven in vain, and does not count. NULL: memory is
 * out. */
static rd_kafka_headers_t *headers_of(const kca__redrive_letter *letter) {
    const kca__dead_letter *d = &letter->reading.letter;
    int redrives = letter->redrives + (d->kind != KCA__DEAD_LETTER_FOLLOWS);
    char text[16];
    int len = snprintf(text, sizeof text, "%d", redrives);
    rd_kafka_headers_t *list = rd_kafka_headers_new((size_t)d->header_count + 2);
    for (int i = 0; i < d->header_count; i++) {
        const char *name = d->headers[i].name;
        if (strcmp(name, KCA__REDRIVES) != 0 && strcmp(name, KCA__PARKED_HEADER) != 0)
            kca__record_headers_add(list, &d->headers[i], 1);
    }
    rd_kafka_header_add(list, KCA__REDRIVES, -1, text, len);
    if (add_place(list, d, letter->target->name))
        return list;
    rd_kafka_headers_destroy(list);
    return NULL;
}

/* The partition that the letter came from, if it goes to its original topic and that still has it.
 */
static int partition_of(const kca__redrive_topic *topic, const kca__dead_letter *d) {
    bool same = strcmp(topic->name, d->topic) == 0;
    return same && d->partition >= 0 && d->partition < topic->partitions ? d->partition
                                                                         : RD_KAFKA_PARTITION_UA;
}

/* Gives the failed record to the producer, which copies it. */
static void hand_over(kca__redrive_run *run, kca__redrive_letter *letter) {
    const kca__dead_letter *d = &letter->reading.letter;
    rd_kafka_headers_t *headers = headers_of(letter);
    if (!headers) {
        kca__error_keep_first(&run->trouble, kca__error_memory());
        return;
    }
    const kca__parcel parcel = {.topic = letter->target->handle,
                                .partition = partition_of(letter->target, d),
                                .key = d->key,
                                .key_len = d->key_len,
                                .value = d->value,
                                .value_len = d->value_len,
                                .headers = headers,
                                .opaque = letter};
    rd_kafka_error_t *error = kca__produce(run->writer->rk, &parcel);
    if (!error) {
        run->under_way++;
        return;
    }
    not_stored(run, letter, rd_kafka_error_code(error));
    rd_kafka_error_destroy(error);
}

/* ---- batches ---- */

/* Waits for all answers; messages without an answer at the deadline are dropped. */
static void flush(kca__redrive_run *run, int64_t deadline) {
    for (int left; run->under_way > 0 && !atomic_load(run->closing);) {
        if ((left = kca__clock_left_ms(deadline)) == 0)
            break;
        rd_kafka_flush(run->writer->rk, left < 0 || left > SLICE_MS ? SLICE_MS : left);
    }
    int64_t end = kca__clock_deadline(DROP_MS);
    while (run->under_way > 0 && kca__clock_left_ms(end) != 0) {
        rd_kafka_purge(run->writer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(run->writer->rk, SLICE_MS);
    }
}

static bool may_go_on(const kca__redrive_run *run, int64_t deadline) {
    return !run->trouble && kca__clock_left_ms(deadline) != 0 && !atomic_load(run->closing);
}

/* Passes it by. The topic's others, too, when nothing may be written there. */
static void refuse(kca__redrive_run *run, kca__redrive_letter *letter) {
    if (letter->cause == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        letter->target->outcome = KCA__REFUSED;
        letter->target->cause = letter->cause;
    }
    letter->outcome = KCA__REFUSED;
    letter->settled = true;
    run->chosen--;
}

/* Moves the letters that were refused to the beginning. Gives their number. */
static int gather_refused(kca__redrive_letter **letters, int count) {
    int refused = 0;
    for (int i = 0; i < count; i++)
        if (!letters[i]->settled && letters[i]->cause)
            letters[refused++] = letters[i];
    return refused;
}

/* Publishes them together. A broker refuses a batch as a whole, because of one of its messages, or
 * because together they are larger than the topic allows; it has stored none of them then. So those
 * that are refused are tried again in smaller parts, down to single ones. */
static void publish_together(kca__redrive_run *run, kca__redrive_letter **letters, int count,
                             int64_t deadline) {
    if (!may_go_on(run, deadline))
        return;
    for (int i = 0; i < count; i++) {
        letters[i]->cause = letters[i]->target->cause;
        if (!letters[i]->cause)
            hand_over(run, letters[i]);
    }
    flush(run, deadline);
    int refused = gather_refused(letters, count);
    if (count == 1 && refused == 1)
        refuse(run, letters[0]);
    int step = (refused + PARTS - 1) / PARTS;
    for (int i = 0; count > 1 && i < refused; i += step)
        publish_together(run, letters + i, refused - i < step ? refused - i : step, deadline);
}

/* ---- order ---- */

/* All that are to go, as they were read. Gives their number. */
static int gather(kca__redrive_run *run) {
    int count = 0;
    for (int i = 0; i < run->partition_count; i++) {
        kca__redrive_letter *l = kca__list_first(&run->partitions[i].letters);
        for (; l && l->record->offset < run->partitions[i].held_from; l = kca__list_next(&l->link))
            if (!l->settled)
                run->batch[count++] = l;
    }
    return count;
}

static int compare_numbers(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

/* Those in no line first, as they were read; then line by line, each from its beginning: what has
 * failed once more lies behind those that followed it, and they would not be handled before it. */
static int compare_places(const void *left, const void *right) {
    const kca__redrive_letter *a = *(kca__redrive_letter *const *)left;
    const kca__redrive_letter *b = *(kca__redrive_letter *const *)right;
    const kca__dead_letter *x = &a->reading.letter, *y = &b->reading.letter;
    int order = x->place.in_line - y->place.in_line;
    if (!order && x->place.in_line) {
        order = strcmp(x->topic, y->topic);
        order = order ? order : compare_numbers(x->partition, y->partition);
        order = order ? order : strcmp(x->group, y->group);
        order = order ? order : compare_numbers(x->place.waits_for, y->place.waits_for);
        order = order ? order : compare_numbers(x->place.at, y->place.at);
    }
    order = order ? order : compare_numbers(a->partition->number, b->partition->number);
    return order ? order : compare_numbers(a->record->offset, b->record->offset);
}

/* Publishes batch by batch. */
static void publish(kca__redrive_run *run, int64_t deadline) {
    kca__redrive_letter **letters = run->batch;
    int total = gather(run), first = 0;
    size_t bytes = 0;
    qsort(letters, (size_t)total, sizeof(kca__redrive_letter *), compare_places);
    for (int i = 0; i < total; i++) {
        if (i > first && bytes + letters[i]->bytes > MOST_BATCH_BYTES) {
            publish_together(run, letters + first, i - first, deadline);
            first = i;
            bytes = 0;
        }
        bytes += letters[i]->bytes;
    }
    if (total > first)
        publish_together(run, letters + first, total - first, deadline);
}

void kca__redrive_target_publish(kca__redrive_run *run, int64_t deadline) {
    if (!run->writer)
        return;
    publish(run, deadline);
    for (int i = 0; i < run->partition_count; i++)
        kca__redrive_source_advance(&run->partitions[i]);
    kca__redrive_fail(run, run->trouble);
    run->trouble = NULL;
}
