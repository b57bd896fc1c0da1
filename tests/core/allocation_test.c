#include "testing.h"

#include <string.h>

#include "failing_memory.h"

#include "base/error.h"
#include "base/event.h"
/* Private: records are given in without a thread that fetches. */
#include "engine/engine_private.h"
#include "inbound/consumer_builder.h"
#include "outbound/in_flight.h"
#include "outbound/publisher_builder.h"
#include "system/handle.h"

/* True when it went well; else memory was out, and nothing else was wrong. */
static bool went_well(kca_error *e) {
    if (!e)
        return true;
    assert_true(memory_failed);
    assert_int_equal(e->code, KCA_ERROR_MEMORY);
    kca_error_free(e);
    return false;
}

static void assert_fine_or_memory(const kca_error *e) {
    assert_true(!e || (memory_failed && e->code == KCA_ERROR_MEMORY));
}

static kca_connection *new_connection(void) {
    kca_connection *c;
    if (!went_well(kca_connection_new(&c, "kafka", "localhost:9092"))) {
        assert_null(c);
        return NULL;
    }
    kca_connection_with_tls(c, "/ca.pem", "/certificate.pem", "/key.pem");
    kca_connection_with_tls_key_password(c, "hunter22");
    kca_connection_with_sasl(c, "PLAIN", "user", "hunter33");
    assert_fine_or_memory(kca_connection_error(c));
    return c;
}

static kca_publisher_builder *new_publisher(void) {
    kca_publisher_builder *b;
    if (!went_well(kca_publisher_builder_new(&b, "kafka", "orders"))) {
        assert_null(b);
        return NULL;
    }
    kca_publisher_builder_with_buffer_messages(b, 10);
    kca_publisher_builder_with_reply_channel(b, "replies");
    kca_publisher_builder_with_compression(b, "gzip");
    assert_fine_or_memory(kca_publisher_builder_error(b));
    return b;
}

static kca_consumer_builder *new_consumer(void) {
    kca_consumer_builder *b;
    if (!went_well(kca_consumer_builder_new(&b, "kafka", "orders", "billing"))) {
        assert_null(b);
        return NULL;
    }
    kca_consumer_builder_with_group_topic(b, "payments");
    kca_consumer_builder_with_start_offset(b, "1767225600000");
    kca_consumer_builder_with_isolation_level(b, "read_committed");
    kca_consumer_builder_with_group_id(b, "kafka:billing");
    kca_consumer_builder_with_failure_policy(b, "skip");
    assert_fine_or_memory(kca_consumer_builder_error(b));
    return b;
}

static kca_redrive *new_redrive(void) {
    kca_redrive *r;
    if (!went_well(kca_redrive_new(&r, "kafka", "orders.dead"))) {
        assert_null(r);
        return NULL;
    }
    kca_redrive_with_group_id(r, "again");
    kca_redrive_with_to_topic(r, "orders");
    kca_redrive_with_only_topic(r, "orders");
    kca_redrive_with_only_topic(r, "payments");
    kca_redrive_with_only_error(r, "NegativeAmount");
    assert_fine_or_memory(kca_redrive_error(r));
    return r;
}

static void copy_message(void) {
    kca_message *m, *copy;
    if (!went_well(kca_message_new(&m, "orderCreated")))
        return;
    kca_message_set_payload(m, "{}", 2);
    kca_message_set_key(m, "k", 1);
    kca_message_set_header(m, "tenant", "acme");
    if (!kca_message_error(m) && went_well(kca_message_copy(&copy, m)))
        kca_message_free(copy);
    kca_message_free(m);
}

static void build(void) {
    copy_message();
    kca_connection_free(new_connection());
    kca_publisher_builder_free(new_publisher());
    kca_consumer_builder_free(new_consumer());
    kca_redrive_free(new_redrive());
}

static int freed;

static void count_free(void *user) {
    (void)user;
    freed++;
}

static int handle(kca_delivery *d, void *user) {
    (void)d, (void)user;
    return KCA_DONE;
}

static void handle_event(const kca_event *e, void *user) {
    (void)e, (void)user;
}

static void use_handles(kca_system *s) {
    kca_queue *q;
    kca_bus *bus;
    kca_consumer *c;
    if (went_well(kca_system_queue(s, &q)))
        kca_queue_free(q);
    kca_error *e = kca_system_event_bus(s, "orders", &bus);
    assert_true(e || bus);
    kca_error_free(e);
    kca_bus_free(bus);
    e = kca_system_consumer(s, "billing", &c);
    kca_error_free(e);
    kca_consumer_free(c);
}

static void declare(void) {
    kca_connection *c = new_connection();
    kca_publisher_builder *p = new_publisher();
    kca_consumer_builder *b = new_consumer();
    kca_system *s;
    freed = 0;
    if (went_well(kca_system_new(&s))) {
        if (c)
            went_well(kca_system_add_connection(s, c));
        if (p)
            went_well(kca_system_add_publisher(s, p));
        if (b)
            went_well(kca_system_add_consumer(s, b));
        went_well(kca_system_add_handler(s, "orderCreated", handle, NULL, count_free));
        went_well(kca_system_add_handler(s, "*", handle, NULL, count_free));
        went_well(kca_system_set_event_handler(s, KCA_EVENT_LOG, handle_event, NULL, count_free));
        assert_true(kca__log_add_secret(&s->core->log, "another secret") || memory_failed);
        went_well(kca_system_log_to_queue(s, KCA_LOG_INFO));
        kca__log_write(&s->core->log, KCA_LOG_INFO, "system", NULL, "a line");
        use_handles(s);
        kca_system_free(s);
        assert_int_equal(freed, 3);
    } else {
        assert_null(s);
    }
    kca_connection_free(c);
    kca_publisher_builder_free(p);
    kca_consumer_builder_free(b);
}

/* With properties, which are copied; they were checked by librdkafka before. */
static kca_connection *with_properties;

static void copy_properties(void) {
    kca_connection *copy;
    if (!went_well(kca__connection_copy(&copy, with_properties))) {
        assert_null(copy);
        return;
    }
    assert_string_equal(kca__properties_get(&copy->properties, "client.id"), "a");
    kca_connection_free(copy);
}

/* ---- the engine ---- */

static int records, let_go_of;

static void release_record(void *record) {
    (void)record;
    records--;
}

static void wake_fetcher(void *owner) {
    (void)owner;
}

static void wake_poller(void *owner) {
    (void)owner;
}

static void let_go(void *owner) {
    let_go_of++;
    kca__engine_free(*(kca__engine **)owner);
}

static void accept_all(kca__engine *e, int partition, int count, int64_t first) {
    for (int i = 0; i < count; i++) {
        kca__inbound_record r = {.record = &records,
                                 .topic = "orders",
                                 .partition = partition,
                                 .offset = first + i,
                                 .key = "abc",
                                 .key_len = (size_t)i % 4};
        records++;
        kca__engine_accept_locked(e, &r, 1);
    }
}

static void note_commit(void *user, const char *topic, int partition, int64_t offset,
                        const char *map) {
    (void)topic, (void)map;
    ((int64_t *)user)[partition] = offset;
}

/* Dead letters: every second one is not stored at first. */
static void write_letters(kca__engine *e) {
    kca_delivery *d;
    for (int n = 0; (d = kca__engine_take_condemned(e)); n++) {
        if (n % 2 == 0 && d->writes == 0)
            kca__engine_letter_failed(d,
                                      kca__error_new(KCA_ERROR_NOT_STORED, "the broker is away"));
        else
            kca__engine_letter_stored(d);
    }
}

static void handle_all(kca__engine *e) {
    kca_delivery *d;
    pthread_mutex_lock(&e->lock);
    for (int n = 0; (d = kca__engine_take_locked(e)); n++) {
        pthread_mutex_unlock(&e->lock);
        kca__message_init_inbound(&d->message);
        kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
        if (n % 3 < 2)
            assert_true(kca__engine_settle(d, n % 3));
        kca__engine_give_back(d);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
}

static void run_the_engine(void) {
    kca__engine *e;
    int64_t commits[2] = {-1, -1};
    records = let_go_of = 0;
    kca__deduplication *deduplication = kca__deduplication_new(100);
    const kca__engine_setup setup = {.consumer = "billing",
                                     .capacity = 200,
                                     .retry = {.max_attempts = 2},
                                     .dead_letters = true,
                                     .skip = true,
                                     .deduplication = deduplication,
                                     .owner = &e,
                                     .wake_fetcher = wake_fetcher,
                                     .wake_poller = wake_poller,
                                     .release_record = release_record,
                                     .let_go = let_go};
    e = kca__engine_new(&setup);
    if (!e) {
        assert_true(memory_failed);
        kca__deduplication_free(deduplication);
        return;
    }
    char map[KCA__OFFSET_MAP_SIZE];
    kca__offset_map_writer w;
    kca__offset_map_begin(&w, 100);
    kca__offset_map_add_open(&w, 100);
    kca__offset_map_finish(&w, 110, map);
    bool assigned = kca__engine_assign(e, "orders", 0, 100, map, strlen(map));
    assigned &= kca__engine_assign(e, "orders", 1, -1, NULL, 0);
    assert_true(assigned || memory_failed);
    accept_all(e, 0, 90, 100);
    accept_all(e, 1, 5, 100);
    accept_all(e, 1, 5, 0); /* begins anew */
    for (int round = 0; round < 200 && e->held > 0; round++) {
        handle_all(e);
        write_letters(e);
        kca__engine_see_to_due(e, INT64_MAX - 1, INT64_MAX);
    }
    kca__engine_collect_commits(e, note_commit, commits);
    if (!memory_failed) {
        assert_null(e->failure);
        assert_int_equal(commits[0], 190);
        assert_int_equal(commits[1], 5);
    }
    /* A partition that could not begin anew must not be read past in silence. */
    if (assigned && !e->failure)
        assert_int_equal(commits[1], 5);
    if (e->failure)
        assert_int_equal(e->failure->code, KCA_ERROR_MEMORY);
    kca__engine_shut(e);
    assert_int_equal(records, 0);
    kca__engine_release(e);
    assert_int_equal(let_go_of, 1);
    kca__deduplication_free(deduplication);
}

/* First a small one, then one that needs more. */
static void hand_messages(kca__slot *slot) {
    static const char payload[2000];
    kca_message m;
    kca__message_init_inbound(&m);
    for (size_t len = 1; len <= sizeof payload; len += sizeof payload - 1) {
        m.payload = payload;
        m.payload_len = len;
        bool kept = kca__message_copy_make(&slot->copy, &m, &(kca__trace_context){0});
        assert_true(kept || (memory_failed && !slot->copy));
    }
}

static void fill_an_outbox(void) {
    kca__in_flight *o = kca__in_flight_new("orders", 2, 100);
    kca__slot *slot;
    kca__event_list receipts = {0};
    if (!o) {
        assert_true(memory_failed);
        return;
    }
    kca_error *e = kca__in_flight_take(&slot, o, 10);
    assert_true(e && (e->code == KCA_ERROR_STATE || memory_failed));
    kca_error_free(e);
    kca__in_flight_open(o);
    assert_null(kca__in_flight_take(&slot, o, 10));
    hand_messages(slot);
    slot->answer = NULL;
    slot->receipt.token = 1;
    kca__in_flight_begin_answers(o);
    kca__in_flight_answer_locked(slot, kca__error_new(KCA_ERROR_NOT_STORED, "gone"), 0, 0,
                                 &receipts);
    kca__in_flight_end_answers(o);
    kca__in_flight_leave(o);
    kca_error_free(kca__in_flight_full(o, 0));
    kca_event_free(kca__list_first(&receipts));
    kca__in_flight_release(o);
}

static void make_events(void) {
    kca_event *e = kca__event_new_fault(kca__error_new(KCA_ERROR_BROKER, "gone"), "orders", 0, 1);
    assert_true(e || memory_failed);
    kca_event_free(e);
    e = kca__event_new_log(KCA_LOG_INFO, "system", "a line");
    assert_true(e || memory_failed);
    kca_event_free(e);
    kca_error *error = kca__error_new(KCA_ERROR_BROKER, "gone"), *copy = kca__error_copy(error);
    assert_true(error && copy);
    kca_error_free(error);
    kca_error_free(copy);
}

static kca_bus *without_channel;

static int answer(kca_delivery *d, void *user) {
    kca_error *e = kca_delivery_reply(d, "[1]", 3);
    bool answered = went_well(e);
    if (answered && kca_delivery_attempt(d) == 2)
        return KCA_DONE;
    kca_delivery_explain(d, "Again", "once more");
    return KCA_FAILED;
}

/* It is handled, at the second attempt; or the error is what went wrong. */
static void ask_in_the_process(void) {
    kca_message *m;
    kca_event *reply;
    if (!went_well(kca_message_new(&m, "question")))
        return;
    kca_error *e = kca_bus_send_for_reply(&reply, without_channel, m, -1);
    assert_int_equal(e != NULL, reply == NULL);
    if (e)
        assert_true(memory_failed);
    else
        assert_int_equal(kca_message_payload_len(kca_event_reply(reply)), 3);
    kca_error_free(e);
    kca_event_free(reply);
    kca_message_free(m);
}

static void test_what_is_asked_in_the_process_is_answered_or_fails(void **state) {
    kca_system *s;
    kca_consumer_builder *retries;
    if (!memory_can_fail)
        skip();
    assert_null(kca_consumer_builder_new(&retries, "any", "any", "any"));
    kca_consumer_builder_with_retry_delay_ms(retries, 0);
    assert_null(kca_system_new(&s));
    assert_null(kca_system_set_local_retries(s, retries));
    assert_null(kca_system_add_handler(s, "question", answer, NULL, NULL));
    assert_null(kca_system_start(s, 0));
    assert_null(kca_system_query_bus(s, NULL, &without_channel));
    memory_fail_each(ask_in_the_process);
    kca_bus_free(without_channel);
    assert_null(kca_system_shutdown(s, -1));
    kca_system_free(s);
    kca_consumer_builder_free(retries);
}

static void test_builders_keep_the_failure(void **state) {
    memory_fail_each(build);
}

static void test_a_system_is_declared_or_says_what_is_missing(void **state) {
    memory_fail_each(declare);
}

static void test_properties_are_copied_whole_or_not_at_all(void **state) {
    if (!memory_can_fail)
        skip();
    assert_null(kca_connection_new(&with_properties, "kafka", "localhost:9092"));
    kca_connection_with_property(with_properties, "client.id", "a");
    kca_connection_with_property(with_properties, "log_level", "5");
    assert_null(kca_connection_error(with_properties));
    memory_fail_each(copy_properties);
    kca_connection_free(with_properties);
}

static void test_the_engine_ends_with_the_error_and_loses_no_record(void **state) {
    memory_fail_each(run_the_engine);
}

static void test_an_outbox_is_made_whole_or_not_at_all(void **state) {
    memory_fail_each(fill_an_outbox);
}

static void test_events_and_errors_do_without(void **state) {
    memory_fail_each(make_events);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builders_keep_the_failure),
        cmocka_unit_test(test_a_system_is_declared_or_says_what_is_missing),
        cmocka_unit_test(test_properties_are_copied_whole_or_not_at_all),
        cmocka_unit_test(test_the_engine_ends_with_the_error_and_loses_no_record),
        cmocka_unit_test(test_an_outbox_is_made_whole_or_not_at_all),
        cmocka_unit_test(test_events_and_errors_do_without),
        cmocka_unit_test(test_what_is_asked_in_the_process_is_answered_or_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
