/* The handler: it takes its time, does what the id's fate is, and notes it. */
#include "worker.h"

#include "fate.h"
#include "ledger.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void work(const worker_options *o) {
    static atomic_uint threads;
    static _Thread_local unsigned chance;
    if (!chance)
        chance = o->seed + ++threads;
    int us = o->work_us > 0 ? rand_r(&chance) % o->work_us : 0;
    if (o->slow_every > 0 && rand_r(&chance) % o->slow_every == 0)
        us = o->slow_ms * 1000;
    pass_us(us);
}

/* Into the delivery's transaction. What no longer counts is refused: it failed then. */
static int pass_on(kca_bus *results, kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    kca_message *result;
    require(kca_message_new(&result, "result"));
    kca_message_set_payload(result, kca_message_payload(m), kca_message_payload_len(m));
    kca_message_set_key(result, kca_message_key(m), kca_message_key_len(m));
    kca_error *e = kca_delivery_publish(d, results, result);
    kca_message_free(result);
    int verdict = e ? KCA_FAILED : KCA_DONE;
    int code = kca_error_code(e);
    if (code != KCA_OK && code != KCA_ERROR_STATE && code != KCA_ERROR_TOO_LARGE)
        require(e);
    kca_error_free(e);
    return verdict;
}

/* With what was asked, and where that is. What no longer counts comes again. */
static void answer(kca_delivery *d, int id) {
    char text[100];
    int len = snprintf(text, sizeof text, "{\"id\":%d,\"partition\":%d,\"offset\":%" PRId64 "}", id,
                       kca_delivery_partition(d), kca_delivery_offset(d));
    kca_error *e = kca_delivery_reply(d, text, (size_t)len);
    if (kca_error_code(e) != KCA_ERROR_STATE)
        require(e);
    kca_error_free(e);
}

static int verdict_of(const worker_options *o, kca_delivery *d, int id) {
    deed what = fate_deed(o->fates, id, kca_delivery_attempt(d));
    if (what == DEED_DONE && o->replies)
        answer(d, id);
    if (what == DEED_DONE)
        return o->bus ? pass_on(o->bus, d) : KCA_DONE;
    if (what == DEED_LATE && o->processing_ms > 0)
        pass_us(o->processing_ms * 1500); /* half as long again */
    kca_delivery_explain(d, deed_name(what == DEED_LATE ? DEED_FAILED : what), "it is its fate");
    return what == DEED_REJECTED ? KCA_REJECTED : KCA_FAILED;
}

/* Work that was begun and not ended does not count: it has to come again. */
int worker_handle(kca_delivery *d, void *options) {
    const worker_options *o = options;
    const kca_message *m = kca_delivery_message(d);
    int64_t id, begin_ns = monotonic_ns();
    require(kca_message_json_int64(m, "/id", &id));
    work(o);
    int verdict = verdict_of(o, d, (int)id);
    ledger_note(o->ledger, "%s %" PRId64 " %" PRId64 " %" PRId64 " %d %" PRId64 " %d %.*s",
                verdict == KCA_DONE ? "handled" : "tried", begin_ns, monotonic_ns(), id,
                kca_delivery_partition(d), kca_delivery_offset(d), kca_delivery_attempt(d),
                (int)kca_message_key_len(m), (const char *)kca_message_key(m));
    return verdict;
}
