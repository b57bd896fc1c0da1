#include "base/clock.h"
#include "base/error.h"
#include "base/generation.h"
#include "base/text.h"
#include "inbound/local.h"
#include "inbound/translation.h"
#include "kafka/record_headers.h"
#include "system/call.h"
#include "system/handle.h"

#include <stdlib.h>

const kca_message *kca_delivery_message(const kca_delivery *d) {
    return d ? &d->message : NULL;
}

const char *kca_delivery_consumer(const kca_delivery *d) {
    return d ? kca__engine_consumer(d->engine) : "";
}

const char *kca_delivery_topic(const kca_delivery *d) {
    return d ? d->event.topic : "";
}

int kca_delivery_partition(const kca_delivery *d) {
    return d ? d->event.partition : -1;
}

int64_t kca_delivery_offset(const kca_delivery *d) {
    return d ? d->offset : -1;
}

int64_t kca_delivery_timestamp_ms(const kca_delivery *d) {
    return d ? d->timestamp_ms : -1;
}

int kca_delivery_attempt(const kca_delivery *d) {
    return d ? d->attempt : 0;
}

int kca_delivery_left_ms(const kca_delivery *d) {
    return d ? kca__engine_left_ms(d) : -1;
}

int64_t kca_delivery_deadline_ms(const kca_delivery *d) {
    int left = kca_delivery_left_ms(d);
    return left < 0 ? -1 : kca__clock_unix_ms() + left;
}

int kca_delivery_is_out(kca_delivery *d) {
    return d && d->event.generation == kca__generation() && kca__engine_has_out(d);
}

int kca_delivery_header_count(const kca_delivery *d) {
    const kca__record *local = d ? kca__local_record(d) : NULL;
    if (local)
        return local->header_count;
    return d ? kca__record_headers_count(d->record) : 0;
}

/* False: there is none. */
static bool header_at(kca__header *out, const kca_delivery *d, int index) {
    const kca__record *local = d ? kca__local_record(d) : NULL;
    if (!local)
        return d && kca__record_headers_at(out, d->record, index);
    if (index < 0 || index >= local->header_count)
        return false;
    *out = local->headers[index];
    return true;
}

const char *kca_delivery_header_name(const kca_delivery *d, int index) {
    kca__header h;
    return header_at(&h, d, index) ? h.name : NULL;
}

const void *kca_delivery_header_value(const kca_delivery *d, int index) {
    kca__header h;
    return header_at(&h, d, index) ? h.value : NULL;
}

size_t kca_delivery_header_value_len(const kca_delivery *d, int index) {
    kca__header h;
    return header_at(&h, d, index) ? h.value_len : 0;
}

void kca_delivery_explain(kca_delivery *d, const char *error_name, const char *text) {
    if (d)
        kca__delivery_explain(d, error_name, text);
}

static kca_error *check_verdict(const char *what, int verdict) {
    if (kca__verdict_settles(verdict))
        return NULL;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "%s: verdict must be %d (done), %d (failed), %d (rejected) or %d "
                          "(duplicate), got %d",
                          what, KCA_DONE, KCA_FAILED, KCA_REJECTED, KCA_DUPLICATE, verdict);
}

/* A consumer's poller sees to it. */
static void see_deadline(const kca_delivery *d) {
    if (kca__engine_is_local(d->engine))
        kca__local_see_deadline(d);
}

kca_error *kca_delivery_settle(kca_delivery *d, int verdict) {
    if (!d)
        return kca__error_new(KCA_ERROR_ARGUMENT, "delivery: settle: delivery is missing");
    if (d->event.generation != kca__generation())
        return kca__error_new(KCA_ERROR_FORKED, "this delivery belongs to the parent process");
    kca_error *e = check_verdict("delivery", verdict);
    if (e)
        return e;
    see_deadline(d);
    kca__delivery_note_outcome(d, verdict);
    if (kca__engine_settle(d, verdict))
        return NULL;
    return kca__error_new(
        KCA_ERROR_STATE,
        "consumer %s: the delivery at %s[%d] offset %lld no longer counts: it was "
        "settled before, its time is over, one before it of its key has failed, or its "
        "partition is gone",
        kca__engine_consumer(d->engine), d->event.topic, d->event.partition, (long long)d->offset);
}

/* NULL: they may be settled together. */
static kca_error *check_batch(kca_delivery *const *deliveries, int count, int verdict) {
    if (!deliveries || count < 1)
        return kca__error_new(KCA_ERROR_ARGUMENT, "batch: settle: deliveries are missing");
    for (int i = 0; i < count; i++) {
        if (!deliveries[i])
            return kca__error_new(KCA_ERROR_ARGUMENT, "batch: settle: delivery %d is missing", i);
        if (deliveries[i]->event.generation != kca__generation())
            return kca__error_new(KCA_ERROR_FORKED, "this batch belongs to the parent process");
        if (deliveries[i]->engine != deliveries[0]->engine)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "batch: settle: delivery %d is of another consumer", i);
    }
    return check_verdict("batch", verdict);
}

kca_error *kca_batch_settle(kca_delivery *const *deliveries, int count, int verdict) {
    kca_error *e = check_batch(deliveries, count, verdict);
    if (!e)
        see_deadline(deliveries[0]);
    for (int i = 0; i < count && !e; i++)
        kca__delivery_note_outcome(deliveries[i], verdict);
    if (!e)
        kca__engine_settle_batch(deliveries, count, verdict, true);
    return e;
}

kca_error *kca_delivery_publish(kca_delivery *d, kca_bus *bus, const kca_message *m) {
    if (!d || !bus || !m)
        return kca__error_new(KCA_ERROR_ARGUMENT, "delivery: publish: %s is missing",
                              !d     ? "delivery"
                              : !bus ? "bus"
                                     : "message");
    if (d->event.generation != kca__generation())
        return kca__error_new(KCA_ERROR_FORKED, "this delivery belongs to the parent process");
    if (kca__engine_is_local(d->engine) || !bus->publisher)
        return kca__error_new(KCA_ERROR_STATE,
                              "delivery: publish: %s has no channel, so there is no transaction: "
                              "publish through the bus",
                              bus->publisher ? "the bus that it came through" : "the bus");
    kca__call call = kca__call_begin(bus->system);
    kca_message *kept = call.system ? kca__message_keep(m) : NULL;
    if (call.system)
        kca__engine_keep(d);
    kca_error *e = kca__transaction_publish(d, bus->publisher, m, bus->type);
    if (call.system)
        kca__engine_let_go(d);
    kca__message_let_go(kept);
    kca__call_end(call);
    return e;
}

kca_error *kca_delivery_record(kca_message **out, const kca_delivery *d) {
    if (out)
        *out = NULL;
    if (!out || !d)
        return kca__error_new(KCA_ERROR_ARGUMENT, "delivery: record: %s is missing",
                              d ? "out" : "delivery");
    return kca__translation_record(out, d->record);
}

kca_error *kca_delivery_translate(kca_delivery *d, const kca_message *m) {
    if (!d || !m)
        return kca__error_new(KCA_ERROR_ARGUMENT, "delivery: translate: %s is missing",
                              d ? "message" : "delivery");
    if (d->event.generation != kca__generation())
        return kca__error_new(KCA_ERROR_FORKED, "this delivery belongs to the parent process");
    return kca__translation_give(d, m);
}

int kca_delivery_wants_reply(const kca_delivery *d) {
    return d ? kca__replies_are_wanted(d) : 0;
}

static kca_error *check_reply(const kca_delivery *d, bool has_message) {
    if (!d || !has_message)
        return kca__error_new(KCA_ERROR_ARGUMENT, "delivery: reply: %s is missing",
                              d ? "message" : "delivery");
    if (d->event.generation != kca__generation())
        return kca__error_new(KCA_ERROR_FORKED, "this delivery belongs to the parent process");
    return NULL;
}

kca_error *kca_delivery_reply(kca_delivery *d, const void *payload, size_t len) {
    kca_error *e = check_reply(d, true);
    return e ? e : kca__replies_give(d, payload, len);
}

kca_error *kca_delivery_reply_message(kca_delivery *d, const kca_message *m) {
    kca_error *e = check_reply(d, m != NULL);
    return e ? e : kca__replies_give_message(d, m);
}

/* The event handed out is the delivery: only who frees it changes. */
kca_delivery *kca_event_into_delivery(kca_event *e) {
    return e && e->type == KCA_EVENT_DELIVERY ? (kca_delivery *)e : NULL;
}

int kca_event_batch_count(const kca_event *e) {
    return e && e->type == KCA_EVENT_BATCH ? kca__batch_count(e) : 0;
}

int kca_event_into_batch(kca_event *e, kca_delivery **out, int max) {
    int count = kca_event_batch_count(e);
    if (count == 0)
        return 0;
    if (!out || count > max)
        return -KCA_ERROR_ARGUMENT;
    for (kca_delivery *d = kca__batch_open(e); d; d = d->batch_next)
        *out++ = d;
    return count;
}

void kca_delivery_free(kca_delivery *d) {
    if (d && d->event.generation == kca__generation())
        kca__engine_give_back(d);
}
