/* Hooks on publishing and on handling: in order and in reverse, and what they may change, drop,
 * refuse, settle and see. */
#include "behaviour.h"
#include "recorder.h"
#include "systems.h"

#include <stdio.h>

enum { PATIENCE_MS = 60000, MOST = 4, LOG = 512, ROOM = 3 };

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define SPAN  "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"

typedef struct world world;

/* A hook that notes its calls, and does what its test wants. */
typedef struct hook {
    world *world;
    const char *name; /* one letter */
    int (*before)(kca_hooked *h, struct hook *hook);
    int (*after)(kca_hooked *h, struct hook *hook);
    int freed;
} hook;

struct world {
    kca_system *system;
    const char *topic, *consumer_name;
    kca_bus *bus;
    kca_consumer *consumer;
    hook hooks[MOST];
    int hook_count;
    char calls[LOG]; /* "a< b< handler b> a>" */
    int handled;
    int stop_at;
    int verdict; /* of the handler */
    int (*handle)(world *w, kca_delivery *d);
    char verdicts[LOG];
    int marked;
    char batches[LOG]; /* "[1 2 3] [2 4 5] " */
    int (*handle_batch)(world *w, kca_delivery *const *all, int count);
    kca_delivery *kept[ROOM];
    int kept_count;
    const char *batch_key; /* NULL: each has its own */
    int published, last;
};

static void note(world *w, const char *format, const char *name) {
    size_t len = strlen(w->calls);
    snprintf(w->calls + len, sizeof w->calls - len, format, name);
}

static int call_before(kca_hooked *h, void *user) {
    hook *k = user;
    note(k->world, "%s< ", k->name);
    assert_int_equal(kca_hooked_verdict(h), KCA_GO_ON);
    assert_null(kca_hooked_kept(h));
    kca_hooked_keep(h, k);
    return k->before ? k->before(h, k) : KCA_GO_ON;
}

static int call_after(kca_hooked *h, void *user) {
    hook *k = user;
    note(k->world, "%s> ", k->name);
    assert_ptr_equal(kca_hooked_kept(h), k);
    assert_true(kca_hooked_duration_us(h) >= 0);
    return k->after ? k->after(h, k) : KCA_GO_ON;
}

static void count_free(void *user) {
    ((hook *)user)->freed++;
}

static int handle(kca_delivery *d, void *user) {
    world *w = user;
    note(w, "%s ", "handler");
    if (++w->handled == w->stop_at)
        kca_consumer_stop(w->consumer);
    return w->handle ? w->handle(w, d) : w->verdict;
}

static int never_seen(const char *id, void *user) {
    return 0;
}

static int mark(const char *id, void *user) {
    ((world *)user)->marked++;
    return 0;
}

/* A system with a publisher and a consumer of its topic, before the start; what fails is tried
 * twice, and then skipped. */
static world *declare_world(bool async) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    *w = (world){.system = system_on("embedded://"),
                 .topic = unique("things"),
                 .consumer_name = unique("shop"),
                 .verdict = KCA_DONE,
                 .stop_at = 1};
    kca_publisher_builder *p = publisher_of(w->topic);
    kca_publisher_builder_with_async(p, async);
    give_publisher(w->system, p);
    kca_consumer_builder *b = consumer_of(w->topic, w->consumer_name);
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_retry_delay_ms(b, 1);
    kca_consumer_builder_with_failure_policy(b, "skip");
    give_consumer(w->system, b);
    return w;
}

static world *new_world(bool async) {
    world *w = declare_world(async);
    must(kca_system_add_handler(w->system, "thing", handle, w, NULL));
    return w;
}

static hook *next_hook(world *w, const char *name) {
    hook *k = &w->hooks[w->hook_count++];
    *k = (hook){.world = w, .name = name};
    return k;
}

static hook *on_publish(world *w, const char *name) {
    hook *k = next_hook(w, name);
    must(kca_system_add_publish_hook(w->system, call_before, call_after, k, count_free));
    return k;
}

static hook *on_handling(world *w, const char *name) {
    hook *k = next_hook(w, name);
    must(kca_system_add_handling_hook(w->system, call_before, call_after, k, count_free));
    return k;
}

static void begin(world *w) {
    start(w->system);
    w->bus = bus_of(w->system, w->topic);
    w->consumer = reader_of(w->system, w->consumer_name);
}

static void end(world *w) {
    kca_bus_free(w->bus);
    kca_consumer_free(w->consumer);
    finish(w->system);
    for (int i = 0; i < w->hook_count; i++)
        assert_int_equal(w->hooks[i].freed, 1);
    free(w);
}

static kca_error *publish(world *w, const char *payload) {
    kca_message *m = thing(payload, "k");
    kca_error *e = kca_bus_publish(w->bus, m, 0);
    kca_message_free(m);
    return e;
}

/* ---- on publishing ---- */

static void test_publish_goes_through_hooks_in_order_and_back_in_reverse(void **state) {
    world *w = new_world(false);
    on_publish(w, "a");
    on_publish(w, "b");
    on_publish(w, "c");
    begin(w);
    must(publish(w, "{}"));
    assert_string_equal(w->calls, "a< b< c< c> b> a> ");
    assert_int_equal(described(w->system, "publishers", 0, "stored"), 1);
    end(w);
}

static int add_header(kca_hooked *h, hook *k) {
    kca_message *m = kca_hooked_change(h);
    kca_message_set_header(m, k->name, "set");
    assert_ptr_equal(kca_hooked_message(h), m);
    kca_message_free(m); /* it is borrowed: nothing happens */
    return KCA_GO_ON;
}

static int change_payload(kca_hooked *h, hook *k) {
    assert_string_equal(kca_message_header(kca_hooked_message(h), "a"), "set");
    assert_string_equal(kca_hooked_channel(h), k->world->topic);
    assert_null(kca_hooked_delivery(h));
    kca_message_set_payload(kca_hooked_change(h), "{\"id\":2}", 8);
    return KCA_GO_ON;
}

static int is_changed(world *w, kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    int64_t id;
    assert_string_equal(kca_message_header(m, "a"), "set");
    assert_string_equal(kca_message_header(m, "own"), "1");
    assert_string_equal(kca_message_message_id(m), "m-1");
    must(kca_message_json_int64(m, "/id", &id));
    assert_int_equal(id, 2);
    return KCA_DONE;
}

static void test_a_hook_changes_what_is_published_and_not_the_message(void **state) {
    world *w = new_world(false);
    w->handle = is_changed;
    on_publish(w, "a")->before = add_header;
    on_publish(w, "b")->before = change_payload;
    begin(w);
    kca_message *m = thing("{\"id\":1}", "k");
    kca_message_set_header(m, "own", "1");
    kca_message_set_message_id(m, "m-1");
    must(kca_bus_publish(w->bus, m, 0));
    assert_int_equal(kca_message_header_count(m), 1);
    assert_memory_equal(kca_message_payload(m), "{\"id\":1}", 8);
    kca_message_free(m);
    must(kca_consumer_run(w->consumer));
    assert_int_equal(w->handled, 1);
    end(w);
}

static int change_wrongly(kca_hooked *h, hook *k) {
    kca_message_set_partition(kca_hooked_change(h), -7);
    return KCA_GO_ON;
}

static void test_what_a_setter_refuses_a_hook_is_the_publishs_error(void **state) {
    world *w = new_world(false);
    on_publish(w, "a")->before = change_wrongly;
    begin(w);
    must_fail(publish(w, "{}"), KCA_ERROR_ARGUMENT, "partition must be 0 or above");
    end(w);
}

static int drop(kca_hooked *h, hook *k) {
    return KCA_DROP;
}

static int is_dropped(kca_hooked *h, hook *k) {
    assert_int_equal(kca_hooked_verdict(h), KCA_DROP);
    assert_int_equal(kca_hooked_partition(h), -1);
    assert_string_equal(kca_hooked_error_text(h), "");
    return KCA_GO_ON;
}

static void drop_with(bool async) {
    world *w = new_world(async);
    on_publish(w, "a")->after = is_dropped;
    on_publish(w, "b")->before = drop;
    on_publish(w, "c");
    begin(w);
    kca_queue *q = queue_of(w->system);
    kca_message *m = thing("{}", "k");
    kca_event *receipt;
    must(kca_bus_publish_for_receipt(&receipt, w->bus, m, 7));
    kca_message_free(m);
    assert_string_equal(w->calls, "a< b< a> ");
    assert_int_equal(!receipt, async);
    if (async)
        receipt = next_event(q, KCA_EVENT_RECEIPT, PATIENCE_MS);
    assert_non_null(receipt);
    assert_int_equal(kca_event_token(receipt), 7);
    assert_null(kca_event_error(receipt));
    assert_int_equal(kca_event_partition(receipt), -1);
    assert_string_equal(kca_event_topic(receipt), w->topic);
    kca_event_free(receipt);
    kca_queue_free(q);
    assert_int_equal(described(w->system, "publishers", 0, "published"), 0);
    end(w);
}

static void test_a_dropped_message_goes_nowhere_and_has_a_receipt_that_says_so(void **state) {
    drop_with(false);
    drop_with(true);
}

static int refuse(kca_hooked *h, hook *k) {
    kca_hooked_explain(h, "NoTenant", "it has no tenant");
    return KCA_REJECTED;
}

static int refuse_for_now(kca_hooked *h, hook *k) {
    return KCA_FAILED;
}

static int is_refused(kca_hooked *h, hook *k) {
    assert_int_equal(kca_hooked_verdict(h), KCA_REJECTED);
    assert_string_equal(kca_hooked_error_name(h), "NoTenant");
    assert_string_equal(kca_hooked_error_text(h), "it has no tenant");
    return KCA_GO_ON;
}

static void test_a_refused_message_is_an_error_that_says_why(void **state) {
    world *w = new_world(false);
    on_publish(w, "a")->after = is_refused;
    hook *b = on_publish(w, "b");
    b->before = refuse;
    begin(w);
    kca_error *e = publish(w, "{}");
    assert_int_equal(kca_error_retriable(e), 0);
    assert_string_equal(kca_error_name(e), "hook");
    must_fail(e, KCA_ERROR_HOOK, w->topic, "refused", "NoTenant: it has no tenant");
    assert_string_equal(w->calls, "a< b< a> ");
    w->hooks[0].after = NULL;
    b->before = refuse_for_now;
    e = publish(w, "{}");
    assert_int_equal(kca_error_retriable(e), 1);
    must_fail(e, KCA_ERROR_HOOK, "hook: it did not say why");
    assert_int_equal(described(w->system, "publishers", 0, "published"), 0);
    end(w);
}

static int is_stored(kca_hooked *h, hook *k) {
    assert_int_equal(kca_hooked_verdict(h), KCA_DONE);
    assert_int_equal(kca_hooked_offset(h), 0);
    assert_true(kca_hooked_partition(h) >= 0);
    assert_true(kca_hooked_duration_us(h) > 0);
    return KCA_GO_ON;
}

static int is_too_large(kca_hooked *h, hook *k) {
    assert_int_equal(kca_hooked_verdict(h), KCA_REJECTED);
    assert_string_equal(kca_hooked_error_name(h), "too_large");
    must_have(kca_hooked_error_text(h), "batch_bytes");
    return KCA_GO_ON;
}

static void test_an_after_sees_the_outcome_of_the_call(void **state) {
    world *w = new_world(false);
    hook *a = on_publish(w, "a");
    a->after = is_stored;
    begin(w);
    must(publish(w, "{}"));
    a->after = is_too_large;
    kca_message *m = thing("{}", "k");
    char *large = calloc(1, 2000000);
    assert_non_null(large);
    kca_message_set_payload(m, large, 2000000);
    free(large);
    must_fail(kca_bus_publish(w->bus, m, 0), KCA_ERROR_TOO_LARGE, w->topic);
    kca_message_free(m);
    end(w);
}

static int fail_after(kca_hooked *h, hook *k) {
    kca_hooked_explain(h, NULL, "the ledger is closed");
    return KCA_FAILED;
}

static int odd(kca_hooked *h, hook *k) {
    return 77;
}

static void test_an_after_that_fails_is_an_error_of_a_message_that_is_published(void **state) {
    world *w = new_world(false);
    hook *a = on_publish(w, "a");
    a->after = fail_after;
    begin(w);
    must_fail(publish(w, "{}"), KCA_ERROR_HOOK, "after the message was published",
              "hook: the ledger is closed");
    a->after = odd;
    must_fail(publish(w, "{}"), KCA_ERROR_HOOK, "a number that it may not return");
    assert_int_equal(described(w->system, "publishers", 0, "stored"), 2);
    a->after = NULL;
    a->before = odd;
    must_fail(publish(w, "{}"), KCA_ERROR_HOOK, "a number that it may not return");
    assert_int_equal(described(w->system, "publishers", 0, "stored"), 2);
    end(w);
}

static int publish_audit(kca_hooked *h, hook *k) {
    must(publish(k->world, "{\"audit\":true}"));
    return KCA_GO_ON;
}

static void test_what_a_hook_publishes_goes_without_hooks(void **state) {
    world *w = new_world(false);
    hook *a = on_publish(w, "a");
    a->before = a->after = publish_audit;
    begin(w);
    must(publish(w, "{}"));
    assert_string_equal(w->calls, "a< a> ");
    assert_int_equal(described(w->system, "publishers", 0, "stored"), 3);
    end(w);
}

/* ---- on handling ---- */

static void run_one(world *w) {
    begin(w);
    must(publish(w, "{}"));
    must(kca_consumer_run(w->consumer));
}

static int is_done(kca_hooked *h, hook *k) {
    assert_int_equal(kca_hooked_verdict(h), KCA_DONE);
    assert_string_equal(kca_hooked_error_name(h), "");
    assert_int_equal(kca_hooked_partition(h), kca_delivery_partition(kca_hooked_delivery(h)));
    assert_int_equal(kca_hooked_offset(h), 0);
    assert_ptr_equal(kca_hooked_message(h), kca_delivery_message(kca_hooked_delivery(h)));
    assert_null(kca_hooked_change(h));
    assert_string_equal(kca_hooked_channel(h), "");
    return KCA_GO_ON;
}

static void test_a_handler_is_inside_its_hooks(void **state) {
    world *w = new_world(false);
    on_handling(w, "a")->after = is_done;
    on_handling(w, "b");
    run_one(w);
    assert_string_equal(w->calls, "a< b< handler b> a> ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 1);
    end(w);
}

static void test_dispatch_calls_them_too(void **state) {
    world *w = new_world(false);
    on_handling(w, "a");
    on_handling(w, "b");
    begin(w);
    must(publish(w, "{}"));
    kca_queue *q;
    must(kca_consumer_queue(w->consumer, &q));
    while (!w->handled)
        assert_true(kca_queue_dispatch(q, 1, PATIENCE_MS) >= 0);
    assert_string_equal(w->calls, "a< b< handler b> a> ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 1);
    kca_queue_free(q);
    end(w);
}

/* Stops the consumer, for the handler is not called. */
static int settle_as(kca_hooked *h, hook *k) {
    kca_consumer_stop(k->world->consumer);
    kca_hooked_explain(h, "NoTenant", "it has no tenant");
    return k->world->verdict;
}

static int note_outcome(kca_hooked *h, hook *k) {
    world *w = k->world;
    size_t len = strlen(w->verdicts);
    snprintf(w->verdicts + len, sizeof w->verdicts - len, "%d %s: %s; ", kca_hooked_verdict(h),
             kca_hooked_error_name(h), kca_hooked_error_text(h));
    return KCA_GO_ON;
}

static void settle_before(int verdict, const char *count, const char *outcome) {
    world *w = new_world(false);
    w->verdict = verdict;
    on_handling(w, "a")->after = note_outcome;
    on_handling(w, "b")->before = settle_as;
    on_handling(w, "c");
    run_one(w);
    assert_string_equal(w->calls, "a< b< a> ");
    assert_string_equal(w->verdicts, outcome);
    assert_int_equal(described(w->system, "consumers", 0, count), 1);
    end(w);
}

static void test_a_before_settles_a_delivery(void **state) {
    settle_before(KCA_DONE, "handled", "0 : ; ");
    settle_before(KCA_REJECTED, "rejected", "2 NoTenant: it has no tenant; ");
    settle_before(KCA_DUPLICATE, "duplicates", "4 : ; ");
}

/* The first attempt. */
static int fail_once(kca_hooked *h, hook *k) {
    if (kca_delivery_attempt(kca_hooked_delivery(h)) > 1)
        return KCA_GO_ON;
    k->world->stop_at = k->world->handled + 1;
    kca_hooked_explain(h, "Locked", "the ledger is locked");
    return KCA_FAILED;
}

static void test_a_before_that_fails_is_a_failed_delivery(void **state) {
    world *w = new_world(false);
    on_handling(w, "a")->after = note_outcome;
    on_handling(w, "b")->before = fail_once;
    run_one(w);
    assert_string_equal(w->calls, "a< b< a> a< b< handler b> a> ");
    assert_string_equal(w->verdicts, "1 Locked: the ledger is locked; 0 : ; ");
    assert_int_equal(described(w->system, "consumers", 0, "retried"), 1);
    end(w);
}

/* The store must not learn of a message whose handling failed at the end. */
static void test_an_after_that_fails_is_a_failed_delivery_and_is_not_marked(void **state) {
    world *w = new_world(false);
    w->stop_at = 2;
    must(
        kca_system_set_deduplication_store(w->system, w->consumer_name, never_seen, mark, w, NULL));
    on_handling(w, "a")->after = note_outcome;
    on_handling(w, "b")->after = fail_once;
    run_one(w);
    assert_string_equal(w->calls, "a< b< handler b> a> a< b< handler b> a> ");
    assert_string_equal(w->verdicts, "1 Locked: the ledger is locked; 0 : ; ");
    assert_int_equal(w->marked, 1);
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 1);
    end(w);
}

static int fail_with_reason(world *w, kca_delivery *d) {
    kca_delivery_explain(d, "NegativeAmount", "it is -1");
    return KCA_REJECTED;
}

static void test_an_after_sees_why_the_handler_failed(void **state) {
    world *w = new_world(false);
    w->handle = fail_with_reason;
    on_handling(w, "a")->after = note_outcome;
    run_one(w);
    assert_string_equal(w->verdicts, "2 NegativeAmount: it is -1; ");
    end(w);
}

static int keep_delivery(world *w, kca_delivery *d) {
    kca_delivery_free(d);
    return KCA_DEFERRED;
}

static void test_a_deferred_delivery_stays_as_it_is(void **state) {
    world *w = new_world(false);
    w->handle = keep_delivery;
    w->stop_at = 2;
    on_handling(w, "a")->after = note_outcome;
    on_handling(w, "b")->after = fail_after;
    run_one(w);
    assert_string_equal(w->verdicts, "3 : ; 3 : ; ");
    assert_int_equal(described(w->system, "consumers", 0, "skipped"), 1);
    end(w);
}

static int begin_span(kca_hooked *h, hook *k) {
    assert_string_equal(kca_message_traceparent(kca_hooked_message(h)), TRACE);
    must_fail(kca_hooked_set_trace_context(h, "00-1-2-3", NULL), KCA_ERROR_ARGUMENT,
              "traceparent must be W3C's");
    must(publish(k->world, "{\"from\":\"parent\"}"));
    must(kca_hooked_set_trace_context(h, SPAN, "a=1"));
    return KCA_GO_ON;
}

static int publish_in_span(world *w, kca_delivery *d) {
    must(publish(w, "{\"from\":\"handler\"}"));
    assert_string_equal(kca_message_traceparent(kca_delivery_message(d)), TRACE);
    must_fail(kca_delivery_set_trace_context(d, NULL, NULL), KCA_ERROR_ARGUMENT, "traceparent");
    must_fail(kca_delivery_set_trace_context(NULL, SPAN, NULL), KCA_ERROR_ARGUMENT, "missing");
    return KCA_DONE;
}

static int note_trace(kca_hooked *h, hook *k) {
    world *w = k->world;
    size_t len = strlen(w->verdicts);
    const kca_message *m = kca_hooked_message(h);
    const char *from;
    if (!kca_message_json_string(m, "/from", &from))
        snprintf(w->verdicts + len, sizeof w->verdicts - len, "%s %s; ", from,
                 kca_message_traceparent(m));
    return KCA_GO_ON;
}

static void test_a_hook_has_its_span_continued(void **state) {
    world *w = new_world(false);
    w->handle = publish_in_span;
    hook *a = on_handling(w, "a");
    a->before = begin_span;
    begin(w);
    kca_message *m = thing("{}", "k");
    kca_message_set_trace_context(m, TRACE, NULL);
    must(kca_bus_publish(w->bus, m, 0));
    kca_message_free(m);
    must(kca_consumer_run(w->consumer));
    /* Those published meanwhile come next. */
    w->handle = NULL;
    w->stop_at = 3;
    a->before = note_trace;
    must(kca_consumer_run(w->consumer));
    assert_string_equal(w->verdicts, "parent " TRACE "; handler " SPAN "; ");
    end(w);
}

static int start_span(kca_hooked *h, hook *k) {
    must(kca_hooked_set_trace_context(h, SPAN, NULL));
    assert_string_equal(kca_message_traceparent(kca_hooked_message(h)), SPAN);
    return KCA_GO_ON;
}

static int is_in_span(world *w, kca_delivery *d) {
    assert_string_equal(kca_message_traceparent(kca_delivery_message(d)), SPAN);
    return KCA_DONE;
}

static void test_a_published_message_goes_on_with_its_hooks_span(void **state) {
    world *w = new_world(true);
    w->handle = is_in_span;
    on_publish(w, "a")->before = start_span;
    run_one(w);
    assert_int_equal(w->handled, 1);
    end(w);
}

static void test_without_a_handler_it_is_seen_as_rejected(void **state) {
    world *w = new_world(false);
    hook *a = on_handling(w, "a");
    a->after = note_outcome;
    begin(w);
    kca_message *m;
    must(kca_message_new(&m, "stranger"));
    kca_message_set_payload(m, "{}", 2);
    kca_message_set_key(m, "k", 1);
    must(kca_bus_publish(w->bus, m, 0));
    kca_message_free(m);
    must(publish(w, "{}"));
    must(kca_consumer_run(w->consumer));
    assert_string_equal(w->verdicts, "2 unhandled: no handler has its name; 0 : ; ");
    end(w);
}

/* ---- on handling in batches ---- */

static int id_of(const kca_message *m) {
    int64_t id = -1;
    must(kca_message_json_int64(m, "/id", &id));
    return (int)id;
}

static void publish_id(world *w, int id) {
    char payload[32];
    char key[16];
    snprintf(payload, sizeof payload, "{\"id\":%d}", id);
    snprintf(key, sizeof key, "k%d", id);
    kca_message *m = thing(payload, w->batch_key ? w->batch_key : key);
    kca_message_set_message_id(m, key);
    kca_message_set_partition(m, 0);
    must(kca_bus_publish(w->bus, m, 0));
    kca_message_free(m);
}

static void list(char out[LOG], kca_delivery *const *all, int count) {
    size_t len = strlen(out);
    for (int i = 0; i < count; i++) {
        snprintf(out + len, LOG - len, "%s%d", i ? " " : "[", id_of(kca_delivery_message(all[i])));
        len = strlen(out);
    }
    snprintf(out + len, LOG - len, "] ");
}

static int call_batch(kca_delivery *const *all, int count, void *user) {
    world *w = user;
    note(w, "%s ", "handler");
    list(w->batches, all, count);
    w->handled += count;
    if (w->handled >= w->stop_at)
        kca_consumer_stop(w->consumer);
    return w->handle_batch ? w->handle_batch(w, all, count) : w->verdict;
}

/* Batches of three, however long that takes, of messages with ids. */
static world *new_batch_world(void) {
    world *w = declare_world(false);
    w->stop_at = ROOM;
    must(kca_system_add_batch_handler(w->system, "thing", ROOM, PATIENCE_MS, call_batch, w, NULL));
    return w;
}

static void run_ids(world *w, int first, int last) {
    for (int id = first; id <= last; id++)
        publish_id(w, id);
    must(kca_consumer_run(w->consumer));
}

static int note_id(kca_hooked *h, hook *k) {
    world *w = k->world;
    size_t len = strlen(w->verdicts);
    const char *error = kca_hooked_error_text(h);
    snprintf(w->verdicts + len, sizeof w->verdicts - len, "%d:%d%s%s ",
             id_of(kca_hooked_message(h)), kca_hooked_verdict(h), *error ? " " : "", error);
    return KCA_GO_ON;
}

static void test_each_of_a_batch_goes_through_its_hooks(void **state) {
    world *w = new_batch_world();
    on_handling(w, "a");
    on_handling(w, "b")->after = note_id;
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->calls, "a< b< a< b< a< b< handler b> a> b> a> b> a> ");
    assert_string_equal(w->batches, "[1 2 3] ");
    assert_string_equal(w->verdicts, "3:0 2:0 1:0 ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 3);
    end(w);
}

static bool is_second(kca_hooked *h) {
    return id_of(kca_hooked_message(h)) == 2 && kca_delivery_attempt(kca_hooked_delivery(h)) == 1;
}

static int take_out_second(kca_hooked *h, hook *k) {
    kca_hooked_explain(h, NULL, "not now");
    return is_second(h) ? k->world->verdict : KCA_GO_ON;
}

static int all_are_done(world *w, kca_delivery *const *all, int count) {
    return KCA_DONE;
}

static void take_out(int verdict, const char *count, const char *outcome) {
    world *w = new_batch_world();
    w->verdict = verdict; /* of the hook */
    w->handle_batch = all_are_done;
    w->stop_at = 2;
    on_handling(w, "a")->after = note_id;
    on_handling(w, "b")->before = take_out_second;
    on_handling(w, "c");
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->calls, "a< b< c< a< b< a> a< b< c< handler c> b> a> c> b> a> ");
    assert_string_equal(w->batches, "[1 3] ");
    assert_string_equal(w->verdicts, outcome);
    assert_int_equal(described(w->system, "consumers", 0, count), 1 + 2 * (verdict == KCA_DONE));
    end(w);
}

static void test_one_that_a_before_settles_leaves_its_batch(void **state) {
    take_out(KCA_DONE, "handled", "2:0 3:0 1:0 ");
    take_out(KCA_REJECTED, "rejected", "2:2 not now 3:0 1:0 ");
    take_out(KCA_DUPLICATE, "duplicates", "2:4 3:0 1:0 ");
}

static int stop_and_settle(kca_hooked *h, hook *k) {
    if (++k->world->handled == ROOM)
        kca_consumer_stop(k->world->consumer);
    return KCA_DONE;
}

static void test_a_batch_of_which_nothing_is_left_is_not_handled(void **state) {
    world *w = new_batch_world();
    on_handling(w, "a")->before = stop_and_settle;
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->calls, "a< a< a< ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 3);
    end(w);
}

/* The first time; then two more fill the batch that it comes again in. */
static int handle_and_fill(world *w, kca_delivery *const *all, int count) {
    if (w->published++ == 0)
        for (int id = 4; id <= w->last; id++)
            publish_id(w, id);
    return KCA_DONE;
}

static int fail_second(kca_hooked *h, hook *k) {
    kca_hooked_explain(h, NULL, "the ledger is locked");
    return is_second(h) ? KCA_FAILED : KCA_GO_ON;
}

static void test_one_that_a_before_fails_fails_alone(void **state) {
    world *w = new_batch_world();
    w->handle_batch = handle_and_fill;
    w->last = 5;
    w->stop_at = 5;
    on_handling(w, "a")->before = fail_second;
    begin(w);
    run_ids(w, 1, 3);
    assert_memory_equal(w->batches, "[1 3] [", 7);
    assert_int_equal(strlen(w->batches), strlen("[1 3] [4 5 2] "));
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 5);
    assert_int_equal(described(w->system, "consumers", 0, "retried"), 1);
    end(w);
}

/* Those behind it of its key come again after it. */
static void test_the_key_of_one_that_a_before_fails_waits_for_it(void **state) {
    world *w = new_batch_world();
    w->handle_batch = handle_and_fill;
    w->batch_key = "k";
    w->last = 4;
    w->stop_at = 4;
    on_handling(w, "a")->before = fail_second;
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->batches, "[1] [2 3 4] ");
    /* Once more for the second; the third has left before. */
    assert_string_equal(w->calls, "a< a< handler a> a< a< a< handler a> a> a> ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 4);
    end(w);
}

static void test_one_that_an_after_fails_fails_alone_and_is_not_marked(void **state) {
    world *w = new_batch_world();
    w->handle_batch = handle_and_fill;
    w->last = 5;
    w->stop_at = 6;
    must(
        kca_system_set_deduplication_store(w->system, w->consumer_name, never_seen, mark, w, NULL));
    on_handling(w, "a")->after = note_id;
    on_handling(w, "b")->after = fail_second;
    begin(w);
    run_ids(w, 1, 3);
    assert_memory_equal(w->batches, "[1 2 3] [", 9);
    must_have(w->verdicts, "3:0 2:1 the ledger is locked 1:0 ");
    assert_int_equal(w->marked, 5);
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 5);
    assert_int_equal(described(w->system, "consumers", 0, "failed"), 1);
    end(w);
}

static int settle_each(world *w, kca_delivery *const *all, int count) {
    must(kca_delivery_settle(all[0], KCA_DONE));
    kca_delivery_explain(all[1], "NegativeAmount", "it is -1");
    must(kca_delivery_settle(all[1], KCA_REJECTED));
    return KCA_DUPLICATE;
}

static void test_an_after_sees_how_each_of_a_batch_was_settled(void **state) {
    world *w = new_batch_world();
    w->handle_batch = settle_each;
    on_handling(w, "a")->after = fail_second; /* too late: it is settled */
    on_handling(w, "b")->after = note_id;
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->verdicts, "3:4 2:2 it is -1 1:0 ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 1);
    assert_int_equal(described(w->system, "consumers", 0, "rejected"), 1);
    assert_int_equal(described(w->system, "consumers", 0, "duplicates"), 1);
    end(w);
}

static int fail_together(world *w, kca_delivery *const *all, int count) {
    for (int i = 0; i < count; i++)
        kca_delivery_explain(all[i], NULL, "no room");
    return count == ROOM ? KCA_FAILED : KCA_DONE;
}

static int reject_first(kca_hooked *h, hook *k) {
    return id_of(kca_hooked_message(h)) == 1 && kca_hooked_verdict(h) == KCA_FAILED ? KCA_REJECTED
                                                                                    : KCA_GO_ON;
}

static void test_a_batch_that_failed_as_a_whole_comes_one_by_one_through_hooks(void **state) {
    world *w = new_batch_world();
    w->handle_batch = fail_together;
    w->stop_at = 6;
    on_handling(w, "a")->after = reject_first;
    on_handling(w, "b")->after = note_id;
    begin(w);
    run_ids(w, 1, 3);
    must_have(w->verdicts, "3:1 no room 2:1 no room 1:1 no room ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 3);
    assert_int_equal(described(w->system, "consumers", 0, "failed"), 0);
    assert_int_equal(described(w->system, "consumers", 0, "rejected"), 0);
    end(w);
}

static int keep_all(world *w, kca_delivery *const *all, int count) {
    for (int i = 0; i < count; i++)
        w->kept[w->kept_count++] = all[i];
    /* Before the functions after are called, as another thread might. */
    must(kca_delivery_settle(all[0], KCA_DONE));
    kca_delivery_free(all[0]);
    return KCA_DEFERRED;
}

static int settle_kept(kca_hooked *h, hook *k) {
    world *w = k->world;
    for (int i = 1; i < w->kept_count; i++) {
        must(kca_delivery_settle(w->kept[i], KCA_DONE));
        kca_delivery_free(w->kept[i]);
    }
    w->kept_count = 0;
    return note_outcome(h, k);
}

static void test_a_deferred_batch_stays_as_it_is(void **state) {
    world *w = new_batch_world();
    w->handle_batch = keep_all;
    on_handling(w, "a")->after = fail_after;
    on_handling(w, "b")->after = settle_kept;
    begin(w);
    run_ids(w, 1, 3);
    assert_string_equal(w->verdicts, "3 : ; 3 : ; 3 : ; ");
    assert_int_equal(described(w->system, "consumers", 0, "handled"), 3);
    end(w);
}

/* ---- declaring ---- */

static int go_on(kca_hooked *h, void *user) {
    return KCA_GO_ON;
}

static void test_hooks_are_declared_before_start_and_are_few(void **state) {
    world *w = new_world(false);
    hook refused = {.world = w};
    must_fail(kca_system_add_publish_hook(w->system, NULL, NULL, &refused, count_free),
              KCA_ERROR_ARGUMENT, "must not be NULL");
    for (int i = 0; i < 16; i++)
        must(kca_system_add_handling_hook(w->system, i % 2 ? go_on : NULL, i % 2 ? NULL : go_on,
                                          NULL, NULL));
    must_fail(kca_system_add_handling_hook(w->system, go_on, NULL, &refused, count_free),
              KCA_ERROR_ARGUMENT, "at most 16");
    run_one(w);
    must_fail(kca_system_add_publish_hook(w->system, go_on, NULL, &refused, count_free),
              KCA_ERROR_STATE, "before start");
    assert_int_equal(refused.freed, 3);
    assert_int_equal(w->handled, 1);
    end(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_goes_through_hooks_in_order_and_back_in_reverse),
        cmocka_unit_test(test_a_hook_changes_what_is_published_and_not_the_message),
        cmocka_unit_test(test_what_a_setter_refuses_a_hook_is_the_publishs_error),
        cmocka_unit_test(test_a_dropped_message_goes_nowhere_and_has_a_receipt_that_says_so),
        cmocka_unit_test(test_a_refused_message_is_an_error_that_says_why),
        cmocka_unit_test(test_an_after_sees_the_outcome_of_the_call),
        cmocka_unit_test(test_an_after_that_fails_is_an_error_of_a_message_that_is_published),
        cmocka_unit_test(test_what_a_hook_publishes_goes_without_hooks),
        cmocka_unit_test(test_a_handler_is_inside_its_hooks),
        cmocka_unit_test(test_dispatch_calls_them_too),
        cmocka_unit_test(test_a_before_settles_a_delivery),
        cmocka_unit_test(test_a_before_that_fails_is_a_failed_delivery),
        cmocka_unit_test(test_an_after_that_fails_is_a_failed_delivery_and_is_not_marked),
        cmocka_unit_test(test_an_after_sees_why_the_handler_failed),
        cmocka_unit_test(test_a_deferred_delivery_stays_as_it_is),
        cmocka_unit_test(test_a_hook_has_its_span_continued),
        cmocka_unit_test(test_a_published_message_goes_on_with_its_hooks_span),
        cmocka_unit_test(test_without_a_handler_it_is_seen_as_rejected),
        cmocka_unit_test(test_each_of_a_batch_goes_through_its_hooks),
        cmocka_unit_test(test_one_that_a_before_settles_leaves_its_batch),
        cmocka_unit_test(test_a_batch_of_which_nothing_is_left_is_not_handled),
        cmocka_unit_test(test_one_that_a_before_fails_fails_alone),
        cmocka_unit_test(test_the_key_of_one_that_a_before_fails_waits_for_it),
        cmocka_unit_test(test_one_that_an_after_fails_fails_alone_and_is_not_marked),
        cmocka_unit_test(test_an_after_sees_how_each_of_a_batch_was_settled),
        cmocka_unit_test(test_a_batch_that_failed_as_a_whole_comes_one_by_one_through_hooks),
        cmocka_unit_test(test_a_deferred_batch_stays_as_it_is),
        cmocka_unit_test(test_hooks_are_declared_before_start_and_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
