/* Failed deliveries that come again by way of retry channels: when, how often, with which headers,
 * and what becomes of them in the end. */
#include "consuming.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/time.h>

enum {
    COUNT = 10,
    MOST = 100,
    PAUSE_MS = 60,
    LONG_MS = 3600000,
    CLOCKS_MS = 2,
    SMALL = 400,
    ALWAYS = 2000000
};

/* ---- what the handler does: it fails id 3 so often, and notes each of its attempts ---- */

typedef struct plan {
    int failures;
    int attempts[MOST];
    char topics[MOST][64];
    int count;
    atomic_int latest; /* attempt */
    int early;         /* came before its time */
    const char *error; /* NULL: "the table is locked" */
} plan;

static int64_t unix_ms(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

static int64_t due_of(const kca_delivery *d) {
    for (int i = 0; i < kca_delivery_header_count(d); i++)
        if (strcmp(kca_delivery_header_name(d, i), "kca-retry-due-ms") == 0)
            return atoll(kca_delivery_header_value(d, i));
    return 0;
}

static int fail_3(recorder *r, kca_delivery *d, int id) {
    plan *p = r->context;
    if (id != 3)
        return KCA_DONE;
    assert_true(p->count < MOST);
    p->attempts[p->count] = kca_delivery_attempt(d);
    atomic_store(&p->latest, kca_delivery_attempt(d));
    snprintf(p->topics[p->count++], sizeof *p->topics, "%s", kca_delivery_topic(d));
    p->early += unix_ms() + CLOCKS_MS < due_of(d);
    kca_delivery_explain(d, "Busy", p->error ? p->error : "the table is locked");
    return kca_delivery_attempt(d) <= p->failures ? KCA_FAILED : KCA_DONE;
}

static void must_have_come(const plan *p, int n, int attempt, const char *topic) {
    assert_true(n < p->count);
    assert_int_equal(p->attempts[n], attempt);
    assert_string_equal(p->topics[n], topic);
}

/* ---- a consumer with two retry channels and one for dead letters ---- */

typedef struct channels {
    const char *topic, *group, *first, *second, *dead;
    int partitions;
} channels;

static channels make_channels(int partitions) {
    channels c = {unique("main"),  unique("group"), unique("retry"),
                  unique("retry"), unique("dead"),  partitions};
    topic_create(c.topic, partitions);
    topic_create(c.first, partitions);
    topic_create(c.second, partitions);
    topic_create(c.dead, 1);
    return c;
}

static kca_consumer_builder *retrying_by(const channels *t, int pause_ms) {
    kca_consumer_builder *b = consumer_of(t->topic, t->group);
    kca_consumer_builder_with_retry_channel(b, t->first);
    kca_consumer_builder_with_retry_channel(b, t->second);
    kca_consumer_builder_with_retry_backoff_ms(b, pause_ms);
    kca_consumer_builder_with_retry_backoff_max_ms(b, 2 * LONG_MS);
    kca_consumer_builder_with_dead_letter_channel(b, t->dead);
    return b;
}

/* Takes `b`. */
static consuming consume_by(plan *p, const channels *t, kca_consumer_builder *b) {
    consuming c = {system_on(listener("PLAINTEXT")), NULL, recorder_new(), t->topic, t->group};
    give_publisher(c.system, publisher_of(t->first));
    give_publisher(c.system, publisher_of(t->second));
    give_publisher(c.system, publisher_of(t->dead));
    give_publisher(c.system, publisher_of(t->topic));
    give_consumer(c.system, b);
    record(c.system, "thing", c.recorder);
    start(c.system);
    c.consumer = reader_of(c.system, t->group);
    c.recorder->behave = fail_3;
    c.recorder->context = p;
    return c;
}

static raw_record *the_one_of(const char *topic) {
    int count;
    raw_record *all = topic_read(&count, topic, 1);
    assert_int_equal(count, 1);
    return all;
}

/* ---- the way through ---- */

static void must_be_the_retry(const channels *t, const char *topic, const char *attempts) {
    raw_record *r = the_one_of(topic);
    assert_string_equal(r->value, "{\"id\":3}");
    assert_string_equal(record_header(r, "route"), "thing");
    assert_string_equal(record_header(r, "kca-retry-topic"), t->topic);
    assert_string_equal(record_header(r, "kca-retry-partition"), "0");
    assert_string_equal(record_header(r, "kca-retry-offset"), "3");
    assert_string_equal(record_header(r, "kca-retry-group"), t->group);
    assert_string_equal(record_header(r, "kca-retry-attempts"), attempts);
    assert_string_equal(record_header(r, "kca-retry-error-name"), "Busy");
    assert_string_equal(record_header(r, "kca-retry-error-text"), "the table is locked");
    must_have(record_header(r, "kca-retry-timestamp"), "T");
    assert_int_equal(r->header_count, 10);
    records_free(r, 1);
}

static void must_be_the_letter(const channels *t) {
    raw_record *r = the_one_of(t->dead);
    assert_string_equal(record_header(r, "kca-dead-letter-topic"), t->topic);
    assert_string_equal(record_header(r, "kca-dead-letter-offset"), "3");
    assert_string_equal(record_header(r, "kca-dead-letter-attempts"), "3");
    assert_null(record_header(r, "kca-retry-topic"));
    assert_int_equal(r->header_count, 10);
    records_free(r, 1);
}

static void test_a_failure_goes_through_the_channels_at_its_times_to_the_dead_letters(
    void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 3};
    topic_fill(t.topic, 0, COUNT, 1); /* of one key */
    consuming c = consume_by(&p, &t, retrying_by(&t, PAUSE_MS));
    must(run_for(&c, COUNT + 2));
    assert_int_equal(p.count, 3);
    must_have_come(&p, 0, 1, t.topic);
    must_have_come(&p, 1, 2, t.first);
    must_have_come(&p, 2, 3, t.second);
    assert_int_equal(p.early, 0);
    assert_int_equal(group_committed(t.group, t.topic, 0), COUNT);
    assert_int_equal(group_committed(t.group, t.first, 0), 1);
    assert_int_equal(group_committed(t.group, t.second, 0), 1);
    must_be_the_retry(&t, t.first, "1");
    must_be_the_retry(&t, t.second, "2");
    must_be_the_letter(&t);
    assert_int_equal(described(c.system, "consumers", 0, "retried"), 2);
    assert_int_equal(described(c.system, "consumers", 0, "retry_stored"), 2);
    assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), 1);
    end(&c);
}

/* Its key does not wait: nothing is held but what waits for its time. */
static void test_an_hours_pause_holds_neither_key_nor_offset_and_outlives_the_process(
    void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 1};
    topic_fill(t.topic, 0, COUNT, 1);
    consuming c = consume_by(&p, &t, retrying_by(&t, LONG_MS));
    runner r;
    runner_start(&r, c.consumer);
    must_commit(t.group, t.topic, 0, COUNT);
    must_count(c.system, "waiting", 1); /* of the channel */
    runner_stop(&r);
    assert_int_equal(came(c.recorder), COUNT);
    assert_true(group_committed(t.group, t.first, 0) <= 0);
    raw_record *retry = the_one_of(t.first);
    int64_t left = atoll(record_header(retry, "kca-retry-due-ms")) - unix_ms();
    assert_in_range(left, LONG_MS / 2, LONG_MS);
    records_free(retry, 1);
    end(&c);
}

/* ---- headers of others ---- */

typedef struct text_header {
    const char *name, *value;
    size_t len;
} text_header;

static void write_retry(const char *topic, int id, const text_header *headers, int count) {
    raw_writer *w = raw_writer_open(NULL);
    rd_kafka_headers_t *list = rd_kafka_headers_new(8);
    char value[32];
    snprintf(value, sizeof value, "{\"id\":%d}", id);
    rd_kafka_header_add(list, "route", -1, "thing", -1);
    for (int i = 0; i < count; i++)
        rd_kafka_header_add(list, headers[i].name, -1, headers[i].value, (ssize_t)headers[i].len);
    raw_write_bytes(w, topic, "k", 1, value, strlen(value), list);
    raw_writer_close(w);
}

static void big_endian(char out[6], int64_t number) {
    for (int i = 0; i < 6; i++)
        out[i] = (char)(number >> (40 - 8 * i) & 0xff);
}

/* Given out at its time and as its attempt; and then told to Spring in its own words. */
static void test_what_spring_put_into_a_retry_topic_goes_on_and_back(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 3};
    char due[6];
    int64_t due_ms = unix_ms() + 300;
    big_endian(due, due_ms);
    write_retry(t.first, 3,
                (text_header[]){{"kafka_original-topic", t.topic, strlen(t.topic)},
                                {"kafka_original-partition", "\0\0\0", 4},
                                {"kafka_original-offset", "\0\0\0\0\0\0\0\x07", 8},
                                {"kafka_exception-fqcn", "Boom", 4},
                                {"retry_topic-attempts", "\0\0\0\x02", 4},
                                {"retry_topic-backoff-timestamp", due, 6}},
                6);
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_dead_letter_format(b, "spring");
    consuming c = consume_by(&p, &t, b);
    must(run_for(&c, 1));
    assert_true(unix_ms() + CLOCKS_MS >= due_ms);
    must(run_for(&c, 1));
    must_have_come(&p, 0, 2, t.first);
    must_have_come(&p, 1, 3, t.second);
    raw_record *retry = the_one_of(t.second);
    assert_string_equal(record_header(retry, "kafka_original-topic"), t.topic);
    assert_memory_equal(record_header(retry, "kafka_original-offset"), "\0\0\0\0\0\0\0\x07", 8);
    assert_memory_equal(record_header(retry, "retry_topic-attempts"), "\0\0\0\x03", 4);
    assert_string_equal(record_header(retry, "kafka_exception-fqcn"), "Busy");
    records_free(retry, 1);
    raw_record *letter = the_one_of(t.dead);
    assert_string_equal(record_header(letter, "kafka_dlt-original-topic"), t.topic);
    assert_memory_equal(record_header(letter, "kafka_dlt-original-offset"), "\0\0\0\0\0\0\0\x07",
                        8);
    assert_null(record_header(letter, "kafka_original-topic"));
    assert_null(record_header(letter, "retry_topic-attempts"));
    records_free(letter, 1);
    end(&c);
}

static void test_forged_headers_neither_loop_nor_lead_elsewhere(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = ALWAYS};
    /* As if it had never failed, of a place that the consumer does not read; one without anything;
     * one that claims many attempts; and one that is due in 2286. */
    write_retry(t.second, 3,
                (text_header[]){{"kca-retry-attempts", "0", 1}, {"kca-retry-topic", "payments", 8}},
                2);
    write_retry(t.second, 3, NULL, 0);
    write_retry(t.first, 3, (text_header[]){{"kca-retry-attempts", "2147483647", 10}}, 1);
    write_retry(t.first, 3, (text_header[]){{"kca-retry-due-ms", "9999999999999", 13}}, 1);
    consuming c = consume_by(&p, &t, retrying_by(&t, 1));
    runner r;
    runner_start(&r, c.consumer);
    must_count(c.system, "dead_lettered", 3);
    must_count(c.system, "waiting", 1);
    runner_stop(&r);
    assert_int_equal(p.count, 3);
    assert_int_equal(described(c.system, "consumers", 0, "retried"), 0);
    int count;
    raw_record *letters = topic_read(&count, t.dead, 1);
    assert_int_equal(count, 3);
    for (int i = 0; i < count; i++)
        must_have(record_header(&letters[i], "kca-dead-letter-topic"), "retry");
    records_free(letters, count);
    end(&c);
}

/* ---- with the rest ---- */

static void publish_3(const consuming *c, const char *reply_to) {
    kca_bus *bus = bus_of(c->system, c->topic);
    kca_message *m = thing("{\"id\":3}", "k");
    if (reply_to)
        kca_message_set_reply_to(m, reply_to);
    must(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
    kca_bus_free(bus);
}

/* It is no duplicate of itself, and the asker hears of the end only. */
static void test_what_another_group_put_there_is_left_to_it(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 0};
    write_retry(t.first, 3, (text_header[]){{"kca-retry-group", "another", 7}}, 1);
    write_retry(t.first, 3, (text_header[]){{"kca-retry-group", t.group, strlen(t.group)}}, 1);
    consuming c = consume_by(&p, &t, retrying_by(&t, 1));
    kca_queue *q = queue_of(c.system);
    must(run_for(&c, 1));
    assert_int_equal(described(c.system, "consumers", 0, "passed_over"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    assert_int_equal(group_committed(t.group, t.first, 0), 2);
    kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
    assert_non_null(fault);
    must_have(kca_error_text(kca_event_error(fault)), "has records of group another");
    kca_event_free(fault);
    kca_queue_free(q);
    end(&c);
}

/* They would come back as if they were messages that failed. */
static void test_no_reply_goes_into_a_retry_channel(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 0};
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_reply(b, 1);
    consuming c = consume_by(&p, &t, b);
    publish_3(&c, t.second);
    must(run_for(&c, 1));
    assert_int_equal(described(c.system, "consumers", 0, "not_replied"), 1);
    assert_int_equal(topic_end(t.second, 0), 0);
    end(&c);
}

static void test_a_retried_question_is_handled_again_and_answered_once(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 2};
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_deduplication(b, 100);
    kca_consumer_builder_with_reply(b, 1);
    consuming c = consume_by(&p, &t, b);
    publish_3(&c, t.dead); /* any channel that is declared */
    must(run_for(&c, 3));
    assert_int_equal(described(c.system, "consumers", 0, "duplicates"), 0);
    assert_int_equal(described(c.system, "consumers", 0, "handled"), 1);
    assert_int_equal(described(c.system, "consumers", 0, "replied"), 1);
    raw_record *reply = the_one_of(t.dead);
    assert_string_equal(reply->value, "null");
    records_free(reply, 1);
    end(&c);
}

static void test_in_a_transaction_the_retry_goes_with_the_offset(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 3};
    topic_fill(t.topic, 0, COUNT, COUNT);
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_transactional_id(b, unique("id"));
    consuming c = consume_by(&p, &t, b);
    must(run_for(&c, COUNT + 2));
    must_have_come(&p, 2, 3, t.second);
    must_be_the_retry(&t, t.first, "1");
    must_be_the_retry(&t, t.second, "2");
    must_be_the_letter(&t);
    assert_int_equal(group_committed(t.group, t.topic, 0) >= COUNT, 1);
    end(&c);
}

static void test_what_a_channel_refuses_is_dead_lettered(void **state) {
    for (int transactional = 0; transactional < 2; transactional++) {
        channels t = make_channels(1);
        plan p = {.failures = ALWAYS};
        char text[SMALL];
        snprintf(text, sizeof text, "%-*s", SMALL - 1, "{\"id\":3}");
        topic_set(t.first, "max.message.bytes", "300");
        raw_writer *w = raw_writer_open(NULL);
        raw_write(w, t.topic, 0, "thing", "k", text);
        raw_writer_close(w);
        kca_consumer_builder *b = retrying_by(&t, 1);
        if (transactional)
            kca_consumer_builder_with_transactional_id(b, unique("id"));
        consuming c = consume_by(&p, &t, b);
        kca_queue *q = queue_of(c.system);
        runner r;
        runner_start(&r, c.consumer);
        must_count(c.system, "dead_lettered", 1);
        kca_event *fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
        while (fault && !strstr(kca_error_text(kca_event_error(fault)), "refuses it")) {
            kca_event_free(fault); /* that a transaction was aborted */
            fault = next_event(q, KCA_EVENT_FAULT, COME_MS);
        }
        assert_non_null(fault);
        must_have(kca_error_text(kca_event_error(fault)), t.first);
        kca_event_free(fault);
        runner_stop(&r);
        kca_queue_free(q);
        assert_int_equal(p.count, 1);
        if (!transactional) /* there it counts once it is in a transaction */
            assert_int_equal(described(c.system, "consumers", 0, "retry_stored"), 0);
        raw_record *letter = the_one_of(t.dead);
        assert_string_equal(record_header(letter, "kca-dead-letter-topic"), t.topic);
        assert_string_equal(record_header(letter, "kca-dead-letter-error-name"), "Busy");
        records_free(letter, 1);
        end(&c);
    }
}

static int is_second(void *argument) {
    plan *p = argument;
    return atomic_load(&p->latest) == 2;
}

/* It is the error's text that is too long for the channel. */
static void test_what_fits_a_channel_without_its_error_is_tried_again(void **state) {
    char text[900];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int transactional = 0; transactional < 2; transactional++) {
        channels t = make_channels(1);
        plan p = {.failures = 1, .error = text};
        topic_set(t.first, "max.message.bytes", "800");
        topic_fill(t.topic, 0, COUNT, COUNT);
        kca_consumer_builder *b = retrying_by(&t, 1);
        if (transactional)
            kca_consumer_builder_with_transactional_id(b, unique("id"));
        consuming c = consume_by(&p, &t, b);
        runner r;
        runner_start(&r, c.consumer);
        must_become(is_second, &p, RUN_MS, "it is tried again");
        runner_stop(&r);
        must_have_come(&p, p.count - 1, 2, t.first);
        assert_int_equal(described(c.system, "consumers", 0, "dead_lettered"), 0);
        raw_record *retry = the_one_of(t.first);
        assert_string_equal(record_header(retry, "kca-retry-attempts"), "1");
        assert_null(record_header(retry, "kca-retry-error-text"));
        records_free(retry, 1);
        end(&c);
    }
}

static void test_a_consumer_of_one_partition_retries_in_that_partition(void **state) {
    channels t = make_channels(3);
    plan p = {.failures = 2};
    topic_fill(t.topic, 1, COUNT, COUNT);
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_partition(b, 1);
    consuming c = consume_by(&p, &t, b);
    must(run_for(&c, COUNT + 2));
    must_have_come(&p, 2, 3, t.second);
    assert_int_equal(topic_end(t.first, 1), 1);
    assert_int_equal(topic_end(t.second, 1), 1);
    assert_int_equal(group_committed(t.group, t.first, 1), 1);
    end(&c);
}

/* What is in a retry channel already is the group's own, or was handed over to it. */
static void test_a_channel_is_read_from_its_beginning_wherever_the_topic_begins(void **state) {
    channels t = make_channels(1);
    plan p = {.failures = 0};
    topic_fill(t.topic, 0, COUNT, 1);
    write_retry(t.first, 3, NULL, 0);
    kca_consumer_builder *b = retrying_by(&t, 1);
    kca_consumer_builder_with_start_offset(b, "latest");
    consuming c = consume_by(&p, &t, b);
    must(run_for(&c, 1));
    must_have_come(&p, 0, 2, t.first);
    assert_int_equal(came(c.recorder), 1);
    end(&c);
}

/* ---- declarations ---- */

static void must_be_refused(const channels *t, kca_publisher_builder *first, const char *part) {
    kca_system *s = system_on(listener("PLAINTEXT"));
    recorder *r = recorder_new();
    if (first)
        give_publisher(s, first);
    give_publisher(s, publisher_of(t->second));
    give_publisher(s, publisher_of(t->dead));
    give_consumer(s, retrying_by(t, 1));
    record(s, "thing", r);
    kca_connection *other;
    must(kca_connection_new(&other, "other", listener("PLAINTEXT")));
    give_connection(s, other);
    must_fail(kca_system_start(s, COME_MS), first ? KCA_ERROR_ARGUMENT : KCA_ERROR_NOT_FOUND,
              t->first, part);
    kca_system_free(s);
    recorder_free(r);
}

static void test_a_channel_that_nobody_confirms_or_the_consumer_cannot_read_is_refused(
    void **state) {
    channels t = {unique("main"),  unique("group"), unique("retry"),
                  unique("retry"), unique("dead"),  1};
    kca_publisher_builder *elsewhere, *unconfirmed = publisher_of(t.first);
    must(kca_publisher_builder_new(&elsewhere, "other", t.first));
    kca_publisher_builder_with_required_acks(elsewhere, -1);
    kca_publisher_builder_with_required_acks(unconfirmed, 0);
    must_be_refused(&t, NULL, "no publisher is declared for it");
    must_be_refused(&t, unconfirmed, "required_acks -1 or 1");
    must_be_refused(&t, elsewhere, "over connection other: it must be over the consumer's, kafka");
}

static void test_a_channel_of_another_group_is_refused(void **state) {
    channels t = {unique("main"),  unique("group"), unique("retry"),
                  unique("retry"), unique("dead"),  1};
    channels other = t;
    other.group = unique("group");
    recorder *r = recorder_new();
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, publisher_of(t.first));
    give_publisher(s, publisher_of(t.second));
    give_publisher(s, publisher_of(t.dead));
    give_consumer(s, retrying_by(&t, 1));
    give_consumer(s, retrying_by(&other, 1));
    record(s, "thing", r);
    must_fail(kca_system_start(s, COME_MS), KCA_ERROR_ARGUMENT, t.first,
              "consumers of other groups or topics need channels of their own");
    kca_system_free(s);
    recorder_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_goes_through_the_channels_at_its_times_to_the_dead_letters),
        cmocka_unit_test(test_an_hours_pause_holds_neither_key_nor_offset_and_outlives_the_process),
        cmocka_unit_test(test_what_spring_put_into_a_retry_topic_goes_on_and_back),
        cmocka_unit_test(test_forged_headers_neither_loop_nor_lead_elsewhere),
        cmocka_unit_test(test_what_another_group_put_there_is_left_to_it),
        cmocka_unit_test(test_no_reply_goes_into_a_retry_channel),
        cmocka_unit_test(test_a_retried_question_is_handled_again_and_answered_once),
        cmocka_unit_test(test_in_a_transaction_the_retry_goes_with_the_offset),
        cmocka_unit_test(test_what_a_channel_refuses_is_dead_lettered),
        cmocka_unit_test(test_what_fits_a_channel_without_its_error_is_tried_again),
        cmocka_unit_test(test_a_consumer_of_one_partition_retries_in_that_partition),
        cmocka_unit_test(test_a_channel_is_read_from_its_beginning_wherever_the_topic_begins),
        cmocka_unit_test(
            test_a_channel_that_nobody_confirms_or_the_consumer_cannot_read_is_refused),
        cmocka_unit_test(test_a_channel_of_another_group_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
