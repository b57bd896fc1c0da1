/*
 * Deliveries for whose records a transaction was aborted. Part of the inbound engine.
 *
 * All that was in the transaction is read again. Those whose records the broker refuses for good
 * must not put them into the next one, which would be aborted, too: each of them fails alone, when
 * its turn has come, and the handler is not called for that.
 */
#include "engine/engine_private.h"

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>

static void free_refused(kca__refused *r) {
    free(r->name);
    free(r->text);
    kca__error_free(r->error);
    free(r);
}

static bool is_refused_locked(const kca__engine *e, const kca__topic_partition *tp,
                              int64_t offset) {
    const kca__refused *r = kca__list_first(&e->refused);
    while (r && (r->topic_partition != tp || r->offset != offset))
        r = kca__list_next(&r->link);
    return r != NULL;
}

bool kca__engine_is_refused_locked(const kca__engine *e, const kca_delivery *d) {
    return e->refused.count > 0 && is_refused_locked(e, d->assigned->topic_partition, d->offset);
}

/* Takes `error`; NULL: no memory. */
static kca__refused *new_refused(const kca__held_record *held, bool for_good, kca_error *error) {
    kca__refused *r = calloc(1, sizeof *r);
    if (!r) {
        kca__error_free(error);
        return NULL;
    }
    r->topic_partition = held->source;
    r->offset = held->offset;
    r->attempt = held->attempt;
    r->kind = held->kind;
    if (held->kind == KCA__HELD_LETTER || held->kind == KCA__HELD_RETRY) {
        r->name = held->letter.name ? kca__text_copy(held->letter.name) : NULL;
        r->text = held->letter.text ? kca__text_copy(held->letter.text) : NULL;
    } else {
        r->name = kca__text_copy("refused");
        r->text = kca__text_copy(error->text);
    }
    if (held->kind != KCA__HELD_RESULT && for_good)
        r->error = error;
    else
        kca__error_free(error);
    return r;
}

/* Without memory for it, it would come again for ever. */
void kca__engine_refuse(kca__engine *e, const kca__held_record *held, bool for_good,
                        kca_error *error) {
    pthread_mutex_lock(&e->lock);
    if (is_refused_locked(e, held->source, held->offset)) {
        kca__error_free(error);
    } else {
        kca__refused *r = new_refused(held, for_good, error);
        if (r)
            kca__list_add(&e->refused, &r->link);
        else
            kca__engine_fail_locked(e, kca__error_memory());
    }
    pthread_mutex_unlock(&e->lock);
}

/* Takes it from the list; NULL: none. */
static kca__refused *take_locked(kca__engine *e, const kca_delivery *d) {
    kca__list kept = {0};
    kca__refused *r, *found = NULL;
    while ((r = kca__list_take(&e->refused))) {
        if (!found && r->topic_partition == d->assigned->topic_partition && r->offset == d->offset)
            found = r;
        else
            kca__list_add(&kept, &r->link);
    }
    e->refused = kept;
    return found;
}

/* True: it counts as settled. */
static bool fail_locked(kca__engine *e, kca_delivery *d, kca__refused *r) {
    if (r->kind == KCA__HELD_LETTER && r->error) {
        kca_error *error = r->error;
        r->error = NULL;
        return kca__engine_give_up_locked(e, d, error);
    }
    if (r->kind == KCA__HELD_LETTER) {
        d->letter.trimmed = true;
        kca__engine_condemn_locked(d);
        return false;
    }
    if (r->kind == KCA__HELD_RETRY && !r->error) {
        d->letter.trimmed = true;
        d->fate = KCA__FATE_RETRY_CHANNEL;
        d->failed_ms = kca__clock_unix_ms();
        return false;
    }
    if (r->kind == KCA__HELD_RETRY) {
        kca_error *error = r->error;
        r->error = NULL;
        return kca__engine_turn_back_locked(e, d, error);
    }
    e->counts.failed++;
    return kca__engine_decide_locked(e, d, false);
}

static void take_reason_locked(kca_delivery *d, kca__refused *r) {
    free(d->failure_name);
    free(d->failure_text);
    d->failure_name = r->name;
    d->failure_text = r->text;
    r->name = r->text = NULL;
}

/* Only its reply was refused: it is handled again at the same attempt, and answered with the error,
 * or not at all. */
static void expect_refusal_locked(kca__engine *e, kca_delivery *d, kca__refused *r) {
    const kca__topic_partition *tp = d->assigned->topic_partition;
    d->attempt = r->attempt - 1;
    if (!r->error) {
        free(d->refusal_text);
        d->refusal_text = r->text;
        r->text = NULL;
        d->reply_form.trimmed = true;
        return;
    }
    atomic_store_explicit(&d->asked, KCA__ASKED_NO, memory_order_relaxed);
    e->counts.not_replied++;
    kca__engine_fault_locked(e, r->error, tp->topic, tp->number, d->offset);
    r->error = NULL;
}

bool kca__engine_meet_refusal_locked(kca__engine *e, kca_delivery *d) {
    kca__refused *r = e->refused.count > 0 ? take_locked(e, d) : NULL;
    if (!r)
        return false;
    if (r->kind == KCA__HELD_REPLY) {
        expect_refusal_locked(e, d, r);
        free_refused(r);
        return false;
    }
    d->state = KCA__DELIVERY_EXPIRED;
    d->attempt = r->attempt;
    take_reason_locked(d, r);
    if (fail_locked(e, d, r))
        kca__engine_pass_locked(e, d);
    free_refused(r);
    if (d->fate == KCA__FATE_NONE)
        kca__engine_drop_locked(e, d);
    else
        kca__engine_meet_fate_locked(e, d);
    return true;
}

void kca__engine_forget_refused_locked(kca__engine *e, const kca__topic_partition *tp) {
    kca__list kept = {0};
    kca__refused *r;
    while ((r = kca__list_take(&e->refused))) {
        if (!tp || r->topic_partition == tp)
            free_refused(r);
        else
            kca__list_add(&kept, &r->link);
    }
    e->refused = kept;
}
