/* Sends what is asked, and waits for the answer if that is wanted. */
#include "asking/reply_channel.h"

#include "base/error.h"
#include "base/id.h"
#include "base/interrupt.h"
#include "message/json_payload.h"
#include "outbound/publisher_hooks.h"

#include <string.h>

/* What a message must be so that an answer can come here. */
static kca_error *check(const kca__reply_channel *r, const kca_message *m) {
    const char *reply_to = m->texts[KCA__TEXT_REPLY_TO];
    kca_error *e = kca__message_check(m);
    if (e)
        return e;
    if (m->raw)
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "it is raw, without a correlation id of the library's: nobody "
                                  "could answer it");
    if (reply_to[0] && strcmp(reply_to, r->channel) != 0)
        return kca__message_error(m, KCA_ERROR_ARGUMENT,
                                  "its reply_to is %s, but answers are read from %s: leave it out",
                                  reply_to, r->channel);
    return NULL;
}

static void hear_report(void *user, kca_error *error) {
    kca__asks_hear_report(user, error);
}

/* A message with an id: answers to it may come before the call that sends it returns. */
typedef struct view {
    const kca_message *of;
    kca_message message;
    char id[37];
} view;

static void view_begin(view *v, const kca_message *m) {
    v->of = m;
    v->message = *m;
    if (m->texts[KCA__TEXT_CORRELATION_ID][0])
        return;
    kca__id_uuid4(v->id);
    v->message.texts[KCA__TEXT_CORRELATION_ID] = v->id;
}

/* What was read of the view only, by a hook, goes with it. */
static void view_end(view *v) {
    if (v->message.json != v->of->json)
        kca__json_payload_forget(&v->message);
}

/* Adds the ask of a message that has its id, and publishes it. */
static kca_error *put_ask(kca__awaited **out, kca__reply_channel *r, kca__publisher *p,
                          const kca_message *m, int type, kca__awaited_wish *wish) {
    wish->correlation_id = m->texts[KCA__TEXT_CORRELATION_ID];
    wish->name = m->texts[KCA__TEXT_NAME];
    wish->most = p->options->buffer_messages;
    kca_error *e = check(r, m);
    if (!e)
        e = kca__asks_add(out, r->asks, wish);
    if (e)
        return e;
    e = kca__publisher_send(p, m, type, hear_report, *out);
    if (e) {
        kca__asks_withdraw(*out, false);
        *out = NULL;
    }
    return e;
}

/* ... inside the hooks, which may have changed what an answer is known by. */
static kca_error *put_ask_hooked(kca__awaited **out, kca__reply_channel *r, kca__publisher *p,
                                 const kca_message *m, int type, kca__awaited_wish *wish) {
    kca_hooked h;
    kca_error *e = NULL;
    if (kca__publisher_enter(&h, p, m, NULL)) {
        view hooked;
        view_begin(&hooked, h.message);
        e = put_ask(out, r, p, &hooked.message, type, wish);
        view_end(&hooked);
    }
    e = kca__publishing_leave(&h, e);
    if (!e && !*out)
        return kca__error_new(KCA_ERROR_HOOK,
                              "publisher %s: a hook dropped the message, which nobody can answer "
                              "then",
                              p->options->topic);
    if (e && *out) {
        kca__asks_withdraw(*out, true);
        *out = NULL;
    }
    return e;
}

/* Adds the ask and publishes its message. */
static kca_error *send_ask(kca__awaited **out, kca__reply_channel *r, kca__publisher *p,
                           const kca_message *m, int type, kca__awaited_wish *wish) {
    *out = NULL;
    kca_error *e = check(r, m);
    if (e)
        return e;
    view asked;
    view_begin(&asked, m);
    if (kca__publisher_is_hooked(p))
        e = put_ask_hooked(out, r, p, &asked.message, type, wish);
    else
        e = put_ask(out, r, p, &asked.message, type, wish);
    view_end(&asked);
    return e;
}

kca_error *kca__reply_channel_send(kca__reply_channel *r, kca__publisher *p, const kca_message *m,
                                   int type, uint64_t token, int timeout_ms) {
    kca__awaited *ask;
    kca__awaited_wish wish = {.token = token, .deadline_ms = kca__clock_deadline(timeout_ms)};
    kca_error *e = send_ask(&ask, r, p, m, type, &wish);
    if (!e)
        kca__asks_accept(ask);
    return e;
}

/* If the application interrupts it, it ends as if its time were over. */
static void wait_for_end(kca__awaited *ask) {
    int slice = kca__interrupt_slice_ms(-1);
    while (!kca__asks_wait(ask, kca__clock_deadline(slice)))
        if (kca__interrupted())
            kca__asks_give_up(ask);
}

kca_error *kca__reply_channel_send_and_wait(kca_event **out, kca__reply_channel *r,
                                            kca__publisher *p, const kca_message *m, int type,
                                            int timeout_ms) {
    pthread_cond_t ended;
    kca__awaited *ask;
    kca__awaited_wish wish = {.deadline_ms = kca__clock_deadline(timeout_ms), .waiter = &ended};
    *out = NULL;
    kca__clock_condition_init(&ended);
    kca_error *e = send_ask(&ask, r, p, m, type, &wish);
    if (!e) {
        wait_for_end(ask);
        e = kca__asks_take(out, ask);
    }
    pthread_cond_destroy(&ended);
    return e;
}
