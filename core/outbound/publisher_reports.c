/* Turns delivery reports into receipts, answers and faults. Part of the outbound channel adapter.
 */
#include "outbound/publisher.h"

#include "kafka/kafka_error.h"
#include "kafka/record_headers.h"
#include "message/record_size.h"

static const char *reason_of(const rd_kafka_message_t *m) {
    return m->err ? rd_kafka_err2str(m->err) : "it confirmed a later one only";
}

static size_t size_of(const rd_kafka_message_t *m) {
    return kca__record_size_bare(m->key_len, m->len) + kca__record_headers_size(m);
}

/* The broker counts the batch that the record was in. */
static kca_error *too_large(const rd_kafka_message_t *m) {
    return kca__error_from_kafka(
        KCA_ERROR_TOO_LARGE, m->err, 0,
        "publisher %s: a record of %zu bytes, with key, headers and framing, or the batch that it "
        "was in, is larger than the topic takes (max.message.bytes)",
        rd_kafka_topic_name(m->rkt), size_of(m));
}

static kca_error *report_error(kca__producer *producer, const rd_kafka_message_t *m) {
    const char *topic = rd_kafka_topic_name(m->rkt);
    int code = kca__error_code_of_record(m->err, KCA_ERROR_NOT_STORED);
    if (code == KCA_ERROR_TOO_LARGE)
        return too_large(m);
    if (m->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
        return kca__publisher_no_partition(topic, m->partition);
    char trouble[KCA__TROUBLE_TEXT] = "";
    if (m->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
        m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        kca__client_trouble(producer->client, trouble);
    int marks = kca__error_refusal(m->err) == KCA__REFUSAL_NONE ? KCA__RETRIABLE : 0;
    return kca__error_from_kafka(code, m->err, marks,
                                 "publisher %s: the broker did not confirm the message%s: %s%s%s%s",
                                 topic,
                                 rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED
                                     ? ""
                                     : ", which may be stored nevertheless",
                                 reason_of(m), *trouble ? " (" : "", trouble, *trouble ? ")" : "");
}

/* Reports a failed message that has no receipt and no waiting caller as a fault: it must not vanish
 * in silence. */
static void tell_fault(kca__producer *producer, const kca_error *error, const char *topic,
                       int partition) {
    kca__log_write(producer->client->log, KCA_LOG_ERROR, "publisher", topic, "%s", error->text);
    kca__event_queue_push_note(producer->receipts,
                               kca__event_new_fault(kca__error_copy(error), topic, partition, -1));
}

/* A call of `written`, for a record that the library itself wrote; made without the in_flight's
 * lock. */
typedef struct telling {
    kca__written_fn written;
    void *user;
    kca_error *error;
} telling;

enum { MOST_TELLINGS = 64 };

typedef struct reports {
    kca__event_list receipts;
    telling tellings[MOST_TELLINGS];
    int telling_count;
    kca__in_flight *locked;
} reports;

static void take_report_locked(kca__producer *producer, const rd_kafka_message_t *m, reports *r) {
    kca__slot *slot = m->_private;
    kca__answer *answer = slot->answer;
    telling told = {slot->written, slot->user, NULL};
    kca_error *error = m->err || kca__client_is_unconfirmed(m) ? report_error(producer, m) : NULL;
    if (error && !answer && !told.written && slot->receipt.token == 0)
        tell_fault(producer, error, rd_kafka_topic_name(m->rkt), m->partition);
    kca_error *copy = answer || told.written ? kca__error_copy(error) : NULL;
    int64_t offset = m->offset < 0 ? -1 : m->offset;
    kca__span_end_send(slot->span, error, m->partition, offset);
    kca__in_flight_answer_locked(slot, error, m->partition, offset, &r->receipts);
    if (answer) {
        pthread_mutex_lock(&producer->lock);
        answer->error = copy;
        answer->partition = m->partition;
        answer->offset = offset;
        answer->done = true;
        pthread_mutex_unlock(&producer->lock);
    } else if (told.written) {
        told.error = copy;
        r->tellings[r->telling_count++] = told;
    }
}

static void lock_in_flight(reports *r, kca__in_flight *in_flight) {
    if (r->locked == in_flight)
        return;
    if (r->locked)
        kca__in_flight_end_answers(r->locked);
    if (in_flight)
        kca__in_flight_begin_answers(in_flight);
    r->locked = in_flight;
}

static void tell(reports *r) {
    lock_in_flight(r, NULL);
    for (int i = 0; i < r->telling_count; i++)
        r->tellings[i].written(r->tellings[i].user, r->tellings[i].error);
    r->telling_count = 0;
}

void kca__publisher_take_reports(kca__producer *producer, rd_kafka_event_t *event) {
    reports r;
    r.receipts = (kca__event_list){0};
    r.telling_count = 0;
    r.locked = NULL;
    bool stored = false;
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event))) {
        stored |= !m->err;
        lock_in_flight(&r, ((kca__slot *)m->_private)->in_flight);
        take_report_locked(producer, m, &r);
        if (r.telling_count == MOST_TELLINGS)
            tell(&r);
    }
    tell(&r);
    if (stored)
        kca__client_forget_trouble(producer->client);
    kca__event_queue_push_receipts(producer->receipts, &r.receipts);
}

void kca__publisher_report_refusal(kca__producer *producer, kca__slot *slot, kca_error *error) {
    kca__in_flight *in_flight = slot->in_flight;
    kca__event_list receipts = {0};
    const char *topic = slot->receipt.topic;
    kca__written_fn written = slot->written;
    void *user = slot->user;
    kca_error *fault = slot->receipt.token == 0 ? kca__error_copy(error) : NULL;
    kca__span_end_send(slot->span, error, -1, -1);
    kca__in_flight_begin_answers(in_flight);
    kca__in_flight_answer_locked(slot, error, -1, -1, &receipts);
    kca__in_flight_end_answers(in_flight);
    kca__event_queue_push_refusals(producer->receipts, &receipts);
    if (written) {
        written(user, fault);
        return;
    }
    if (fault)
        tell_fault(producer, fault, topic, -1);
    kca__error_free(fault);
}
