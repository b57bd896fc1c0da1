#include "outbound/publisher_hooks.h"

#include "base/clock.h"
#include "base/error.h"

bool kca__publishing_is_hooked(const kca__hooks *hooks) {
    return hooks->count > 0 && !kca__hooks_are_inside(hooks);
}

bool kca__publisher_is_hooked(const kca__publisher *p) {
    return p->hooks && kca__publishing_is_hooked(p->hooks);
}

bool kca__publishing_enter(kca_hooked *h, const kca__hooks *hooks, const char *channel,
                           const kca_message *m, kca_delivery *d) {
    kca__hooked_begin(h, hooks, m, d, channel, kca__clock_us());
    return kca__hooked_enter(h);
}

bool kca__publisher_enter(kca_hooked *h, const kca__publisher *p, const kca_message *m,
                          kca_delivery *d) {
    return kca__publishing_enter(h, p->hooks, p->options->topic, m, d);
}

/* A hook failed, or refused the message. */
static kca_error *hook_error(const kca_hooked *h, const char *what) {
    bool is_local = h->channel[0] == '\0';
    return kca__error_new(KCA_ERROR_HOOK, "%s%s: %s: %s: %s",
                          is_local ? "bus without a channel" : "publisher ", h->channel, what,
                          h->error_name ? h->error_name : "hook",
                          h->error_text ? h->error_text : "it did not say why");
}

/* The publish has an outcome, unless a hook has decided before it. */
static void judge(kca_hooked *h, const kca_error *e, int verdict) {
    if (e)
        verdict = e->retriable ? KCA_FAILED : KCA_REJECTED;
    kca__hooked_judge(h, verdict, e ? kca__error_name(e) : NULL, e ? e->text : NULL,
                      kca__clock_us());
}

kca_error *kca__publishing_leave(kca_hooked *h, kca_error *e) {
    const char *after = "a hook failed after the message was published";
    if (h->verdict == KCA_GO_ON) {
        judge(h, e, KCA_DONE);
    } else if (h->verdict == KCA_DROP) {
        after = "a hook failed after the message was dropped";
        judge(h, e, KCA_DROP);
    } else {
        e = hook_error(h, "a hook refused the message");
        kca__error_mark(e, 0, h->verdict == KCA_FAILED ? KCA__RETRIABLE : 0);
        h->duration_us = kca__clock_us() - h->begun_us;
    }
    if (kca__hooked_leave(h) && !e)
        e = hook_error(h, after);
    kca__hooked_end(h);
    return e;
}

kca_error *kca__publisher_drop(kca_event **out, kca__publisher *p, uint64_t token) {
    bool later = p->options->async && token != 0;
    bool now = !p->options->async && out;
    if (!kca__in_flight_enter(p->in_flight))
        return kca__error_new(KCA_ERROR_STATE, "publisher %s: the system is not started",
                              p->options->topic);
    kca_event *receipt = later || now ? kca__event_new_receipt(token, p->options->topic) : NULL;
    if (receipt && later) {
        kca__event_list receipts = {0};
        kca__list_add(&receipts, &receipt->link);
        kca__event_queue_push_refusals(p->producer->receipts, &receipts);
    } else if (receipt) {
        *out = receipt;
    }
    kca__in_flight_leave(p->in_flight);
    return (later || now) && !receipt ? kca__error_memory() : NULL;
}

kca_error *kca__publisher_publish_hooked(kca_event **out, kca__publisher *p, const kca_message *m,
                                         int type, uint64_t token, int timeout_ms) {
    kca_hooked h;
    kca_event *receipt = NULL;
    kca_error *e = NULL;
    if (kca__publisher_enter(&h, p, m, NULL))
        e = kca__publisher_put(&receipt, p, h.message, type, token, timeout_ms);
    else if (h.verdict == KCA_DROP)
        e = kca__publisher_drop(&receipt, p, token);
    if (receipt) {
        h.partition = receipt->partition;
        h.offset = receipt->offset;
    }
    e = kca__publishing_leave(&h, e);
    if (receipt && (e || !out))
        receipt->release(receipt);
    else if (receipt)
        *out = receipt;
    return e;
}
