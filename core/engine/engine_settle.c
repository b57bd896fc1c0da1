/* Deliveries come back: settled, and given back. Part of the inbound engine. */
#include "engine/engine_private.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_IS_DUE = 1000 }; /* records published: then the poller is woken */

void kca__engine_take_back_locked(kca__engine *e, kca_delivery *d) {
    *(d->previous ? &d->previous->next : &e->out_first) = d->next;
    *(d->next ? &d->next->previous : &e->out_last) = d->previous;
    if (!d->assigned->revoked) {
        d->assigned->out--;
        e->out--;
    }
    pthread_cond_broadcast(&e->settled);
}

kca_delivery *kca__engine_leave_lane_locked(kca__engine *e, kca_delivery *d) {
    if (!d->in_lane)
        return NULL;
    kca__lane_entry *next = d->lane.is_behind ? NULL : kca__lanes_behind(&d->lane);
    kca__lanes_finish(&e->lanes, &d->lane);
    d->in_lane = false;
    return next ? kca__delivery_of_lane(next) : NULL;
}

void kca__engine_open_lane_locked(kca__engine *e, kca_delivery *d) {
    kca_delivery *next = kca__engine_leave_lane_locked(e, d);
    while (next && next->state == KCA__DELIVERY_KEPT)
        next = kca__engine_settle_kept_locked(e, next);
}

/* ---- settling ---- */

static void remember_id(kca__deduplication *memory, const kca_delivery *d) {
    size_t len;
    const char *id = memory ? kca__message_identity(&len, &d->message) : NULL;
    if (id)
        kca__deduplication_add(memory, id, len);
}

/* It is remembered when its reply is stored: were it a duplicate before, nobody would answer it.
 * The message is not there any more then. Without memory it is not remembered. */
static void keep_id(const kca__deduplication *memory, kca_delivery *d) {
    size_t len;
    const char *id = memory ? kca__message_identity(&len, &d->message) : NULL;
    char *copy = id ? malloc(len + 1) : NULL;
    if (copy)
        d->id = (kca__kept_id){memcpy(copy, id, len), len};
}

static void publish_locked(kca__engine *e, kca_delivery *d) {
    if (d->published.count == 0)
        return;
    for (kca__held_record *r = kca__list_first(&d->published); r; r = kca__list_next(&r->link)) {
        r->source = d->assigned->topic_partition;
        r->offset = d->offset;
        r->attempt = d->attempt;
    }
    kca__list_move(&e->batch, &d->published);
    if (e->batch.count >= BATCH_IS_DUE)
        e->setup.wake_poller(e->setup.owner);
}

void kca__engine_finish_locked(kca__engine *e, kca_delivery *d) {
    if (d->id.bytes)
        kca__deduplication_add(e->setup.deduplication, d->id.bytes, d->id.len);
    publish_locked(e, d);
    kca__engine_pass_locked(e, d);
}

bool kca__engine_batch_is_due(kca__engine *e) {
    pthread_mutex_lock(&e->lock);
    bool due = e->batch.count >= BATCH_IS_DUE;
    pthread_mutex_unlock(&e->lock);
    return due;
}

/* The engine takes over the reason that the handler gave. */
static void keep_reason_locked(kca_delivery *d) {
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = d->error_name;
    d->failure_text = d->error_text;
    d->error_name = d->error_text = NULL;
}

static void forget_reply(kca_delivery *d) {
    if (d->reply)
        kca__held_record_free(d->reply);
    d->reply = NULL;
}

/* A failed attempt publishes nothing: its records are dropped. */
static void forget_results(kca_delivery *d) {
    kca__held_records_free(&d->published);
    forget_reply(d);
}

/* Whatever went wrong before it was done is not the asker's. */
static void tell_refusal_locked(kca_delivery *d) {
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = NULL;
    d->failure_text = d->refusal_text;
    d->refusal_text = NULL;
}

/* It is answered: with its reply, or that this was refused. False: nobody asks. */
static bool answer_done_locked(kca__engine *e, kca_delivery *d) {
    bool asked = kca__engine_answer_locked(e, d, d->reply_form.trimmed);
    if (asked && d->answers_error) {
        forget_reply(d);
        tell_refusal_locked(d);
    }
    return asked;
}

/* True: it counts as settled. */
static bool is_done_locked(kca__engine *e, kca_delivery *d) {
    e->counts.handled++;
    if (answer_done_locked(e, d)) {
        keep_id(e->setup.deduplication, d);
        return false;
    }
    remember_id(e->setup.deduplication, d);
    publish_locked(e, d);
    return true;
}

/* Nobody knows how it was answered before, unless the application does. */
static bool is_duplicate_locked(kca__engine *e, kca_delivery *d) {
    e->counts.duplicates++;
    kca__held_records_free(&d->published);
    return !d->reply || !answer_done_locked(e, d);
}

/* True: it counts as settled. */
static bool count_verdict_locked(kca__engine *e, kca_delivery *d, int verdict) {
    switch (verdict) {
    case KCA_DONE:
        return is_done_locked(e, d);
    case KCA_DUPLICATE:
        return is_duplicate_locked(e, d);
    case KCA_REJECTED:
        e->counts.rejected++;
        break;
    default:
        e->counts.failed++;
    }
    forget_results(d);
    keep_reason_locked(d);
    return kca__engine_decide_locked(e, d, verdict == KCA_REJECTED);
}

void kca__engine_judge_locked(kca__engine *e, kca_delivery *d, int verdict) {
    if (count_verdict_locked(e, d, verdict))
        kca__engine_pass_locked(e, d);
    else if (d->fate != KCA__FATE_REPLY) /* else they wait for the reply, as they are */
        kca__engine_call_off_behind_locked(e, d, NULL);
}

bool kca__verdict_settles(int verdict) {
    return verdict >= KCA_DONE && verdict <= KCA_DUPLICATE && verdict != KCA_DEFERRED;
}

void kca__engine_begin_span(kca_delivery *d, kca__span *span) {
    pthread_mutex_lock(&d->engine->lock);
    bool out = d->state == KCA__DELIVERY_OUT;
    if (out)
        d->span = span;
    pthread_mutex_unlock(&d->engine->lock);
    if (!out)
        kca__span_end_process(span, KCA_GO_ON, NULL, NULL);
}

void kca__engine_end_span_locked(kca_delivery *d, int verdict, const char *error_name,
                                 const char *error_text) {
    kca__span_end_process(d->span, verdict, error_name, error_text);
    d->span = NULL;
}

bool kca__engine_settle_locked(kca__engine *e, kca_delivery *d, int verdict) {
    if (d->state != KCA__DELIVERY_OUT)
        return false;
    if (d->span)
        kca__engine_end_span_locked(d, verdict, d->error_name, d->error_text);
    d->state = KCA__DELIVERY_SETTLED;
    kca__engine_take_back_locked(e, d);
    if (d->assigned->revoked) {
        kca__engine_open_lane_locked(e, d);
        return false;
    }
    if (d->lane.is_behind) {
        d->state = KCA__DELIVERY_KEPT;
        d->verdict = verdict;
        d->is_back = false;
        if (kca__verdict_fails(verdict))
            kca__engine_tell_behind_locked(d, true);
        return true;
    }
    kca__engine_judge_locked(e, d, verdict);
    if (d->fate == KCA__FATE_NONE)
        kca__engine_open_lane_locked(e, d);
    return true;
}

/* Its handler, late or not, has let go of it. */
static void be_back_locked(kca__engine *e, kca_delivery *d) {
    e->late -= d->late;
    d->late = false;
}

bool kca__engine_settle(kca_delivery *d, int verdict) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool is_back = d->state == KCA__DELIVERY_OUT || d->state == KCA__DELIVERY_EXPIRED;
    bool counted = kca__engine_settle_locked(e, d, verdict);
    if (is_back) {
        be_back_locked(e, d);
        kca__engine_detach_locked(e, d);
    }
    kca__engine_wake_locked(e);
    pthread_mutex_unlock(&e->lock);
    return counted;
}

bool kca__engine_has_out(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool counts = d->state == KCA__DELIVERY_OUT && !d->assigned->revoked && !d->behind_failed;
    pthread_mutex_unlock(&e->lock);
    return counts;
}

void kca__engine_keep_question(kca_delivery *d, kca_message *question) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    kca_message *old = question;
    if (d->state == KCA__DELIVERY_OUT) {
        old = d->question;
        d->question = question;
    }
    pthread_mutex_unlock(&e->lock);
    kca__message_free(old);
}

/* Nobody writes its deadline while the application has it. */
int kca__engine_left_ms(const kca_delivery *d) {
    if (d->deadline_ms == KCA__CLOCK_NEVER)
        return -1;
    int64_t left = d->deadline_ms - d->engine->setup.clock_ms();
    return left > 0 ? (int)left : 0;
}

/* ---- giving back ---- */

bool kca__engine_has_ended(const kca_delivery *d) {
    return d->batch == 0 && d->state != KCA__DELIVERY_EXPIRED && d->fate == KCA__FATE_NONE &&
           !d->shared;
}

/* Frees the message that the application could read. */
static void clear_view(kca_delivery *d) {
    if (d->span)
        kca__engine_end_span_locked(d, KCA_GO_ON, NULL, NULL);
    kca__message_clear_inbound(&d->message);
    free(d->more_headers);
    free(d->traceparent);
    free(d->tracestate);
    free(d->error_name);
    free(d->error_text);
    d->more_headers = NULL;
    d->traceparent = d->tracestate = NULL;
    d->error_name = d->error_text = NULL;
    kca__delivery_clear_outcome(d);
}

/* Others that share the record, late handlers' ones, go on with it. */
static bool leave_sharers_locked(kca_delivery *d) {
    if (d->sharing == d)
        return false;
    kca_delivery *before = d->sharing;
    while (before->sharing != d)
        before = before->sharing;
    before->sharing = d->sharing;
    d->sharing = d;
    return true;
}

static void forget_record(kca_delivery *d) {
    clear_view(d);
    forget_results(d);
    free(d->failure_name);
    free(d->failure_text);
    free(d->id.bytes);
    free(d->refusal_text);
    kca__message_free(d->question);
    d->question = NULL;
    d->failure_name = d->failure_text = d->refusal_text = NULL;
    d->id = (kca__kept_id){NULL, 0};
    d->record = NULL;
}

void kca__engine_release_record(kca_delivery *d) {
    void *record = d->record;
    forget_record(d);
    if (record)
        d->engine->setup.release_record(record);
}

static void release_record_locked(kca_delivery *d) {
    if (leave_sharers_locked(d))
        forget_record(d);
    else
        kca__engine_release_record(d);
}

void kca__engine_free_delivery_locked(kca__engine *e, kca_delivery *d) {
    kca__assigned *a = d->assigned;
    d->state = KCA__DELIVERY_FREE;
    d->fate = KCA__FATE_NONE;
    d->assigned = NULL;
    d->next = e->free;
    e->free = d;
    e->held--;
    e->exempt -= kca__topic_partition_is_kept_back(a->topic_partition);
    if (--a->held == 0 && a->revoked)
        kca__assigned_list_remove(&e->assigned, a);
}

void kca__engine_drop_locked(kca__engine *e, kca_delivery *d) {
    kca__engine_open_lane_locked(e, d);
    release_record_locked(d);
    kca__engine_free_delivery_locked(e, d);
}

/* A record that no other delivery shares is released with the lock given up: that takes a while. */
static void end_delivery_locked(kca__engine *e, kca_delivery *d) {
    kca__engine_open_lane_locked(e, d);
    if (d->sharing == d) {
        pthread_mutex_unlock(&e->lock);
        kca__engine_release_record(d);
        pthread_mutex_lock(&e->lock);
    } else {
        release_record_locked(d);
    }
    bool was_full = kca__engine_room_locked(e) == 0;
    kca__engine_free_delivery_locked(e, d);
    if (was_full)
        kca__engine_wake_one_locked(e);
    else
        kca__engine_wake_locked(e);
}

static bool has_fate_locked(const kca__engine *e, const kca_delivery *d) {
    return d->fate != KCA__FATE_NONE && !d->assigned->revoked && !e->closed;
}

void kca__engine_part_with_locked(kca__engine *e, kca_delivery *d) {
    if (has_fate_locked(e, d)) {
        clear_view(d);
        if (d->fate != KCA__FATE_REPLY || d->state == KCA__DELIVERY_EXPIRED)
            forget_results(d);
        kca__engine_meet_fate_locked(e, d);
    } else {
        kca__engine_drop_locked(e, d);
    }
}

static void give_back_and_unlock(kca__engine *e, kca_delivery *d) {
    be_back_locked(e, d);
    if (d->state == KCA__DELIVERY_KEPT && !d->assigned->revoked) {
        d->is_back = true;
    } else if (has_fate_locked(e, d)) {
        kca__engine_part_with_locked(e, d);
    } else {
        end_delivery_locked(e, d);
    }
    pthread_mutex_unlock(&e->lock);
    kca__engine_release(e);
}

/* Only the thread that calls the handler knows the delivery. */
void kca__engine_begin_handling(kca_delivery *d) {
    d->handling = 1;
    d->let_go = false;
}

bool kca__engine_end_handling(kca_delivery *d, int verdict) {
    if (verdict != KCA_DEFERRED) {
        d->handling = 0;
        d->let_go = false;
        return true;
    }
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    bool let_go = --d->handling == 0 && d->let_go;
    if (let_go)
        d->let_go = false;
    pthread_mutex_unlock(&e->lock);
    return let_go;
}

void kca__engine_give_back(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    if (d->state == KCA__DELIVERY_OUT && d->behind_failed && !d->assigned->revoked) {
        kca__engine_come_again_locked(e, d);
    } else if (d->state == KCA__DELIVERY_OUT) {
        if (!d->error_text)
            d->error_text = kca__text_copy("it was freed without being settled");
        kca__engine_settle_locked(e, d, KCA_FAILED);
    }
    if (d->handling > 0) {
        d->let_go = true;
        pthread_mutex_unlock(&e->lock);
    } else {
        give_back_and_unlock(e, d);
    }
}

void kca__engine_keep(kca_delivery *d) {
    pthread_mutex_lock(&d->engine->lock);
    d->handling++;
    pthread_mutex_unlock(&d->engine->lock);
}

void kca__engine_let_go(kca_delivery *d) {
    if (kca__engine_end_handling(d, KCA_DEFERRED))
        kca__engine_give_back(d);
}

void kca__engine_withdraw(kca_delivery *d) {
    kca__engine *e = d->engine;
    pthread_mutex_lock(&e->lock);
    if (d->state == KCA__DELIVERY_OUT) {
        d->state = KCA__DELIVERY_SETTLED;
        kca__engine_take_back_locked(e, d);
    }
    give_back_and_unlock(e, d);
}
