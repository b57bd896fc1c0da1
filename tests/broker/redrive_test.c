/* Dead letters come back to where they failed: all, some, or none, and not for ever. */
#include "consuming.h"
#include "redriving.h"

#include <stdatomic.h>

enum { PARTITIONS = 3 };

/* ---- dead letters as a consumer writes them ---- */

typedef struct failing {
    consuming c;
    const char *dead;
    atomic_int fails; /* its handler rejects */
} failing;

static int fail_or_not(recorder *r, kca_delivery *d, int id) {
    (void)id;
    failing *f = r->context;
    kca_delivery_explain(d, "NegativeAmount", "the amount is -3");
    return atomic_load(&f->fails) ? KCA_REJECTED : KCA_DONE;
}

/* A running consumer that fails, and whose dead letters have this format. */
static void begin_failing(failing *f, runner *r, const char *format) {
    const char *topic = unique("redriven"), *group = unique("group");
    f->dead = unique("dead");
    atomic_init(&f->fails, 1);
    topic_create(topic, PARTITIONS);
    topic_create(f->dead, 2);
    f->c = (consuming){system_on(listener("PLAINTEXT")), NULL, recorder_new(), topic, group};
    give_publisher(f->c.system, publisher_of(f->dead));
    kca_consumer_builder *b = consumer_of(topic, group);
    kca_consumer_builder_with_dead_letter_channel(b, f->dead);
    kca_consumer_builder_with_dead_letter_format(b, format);
    give_consumer(f->c.system, b);
    record(f->c.system, "thing", f->c.recorder);
    f->c.recorder->behave = fail_or_not;
    f->c.recorder->context = f;
    start(f->c.system);
    f->c.consumer = reader_of(f->c.system, group);
    runner_start(r, f->c.consumer);
}

static void end_failing(failing *f, runner *r) {
    runner_stop(r);
    end(&f->c);
}

typedef struct amount {
    const char *topic;
    int partitions;
    int64_t count;
} amount;

static int has_count(void *argument) {
    const amount *wanted = argument;
    return topic_count(wanted->topic, wanted->partitions) == wanted->count;
}

static void must_have_letters(const failing *f, int count) {
    must_become(has_count, &(amount){f->dead, 2, count}, COME_MS, "the dead letters are there");
}

/* Keys, values and headers of any kind; several headers of a name keep their order in all formats.
 */
static void write_originals(const char *topic) {
    static const struct {
        const char *key, *value;
        size_t key_len, value_len;
    } originals[] = {
        {"k1", "{\"id\":1, \"big\":12345678901234567890}", 2, 36},
        {NULL, "{\"id\":2}", 0, 8},
        {"", "plain", 0, 5},
        {"k\0\xff", "\0\xff\xfe", 3, 3},
        {"gone", NULL, 4, 0},
        {"empty", "", 5, 0},
    };
    raw_writer *w = raw_writer_open(NULL);
    for (size_t i = 0; i < sizeof originals / sizeof *originals; i++) {
        rd_kafka_headers_t *h = rd_kafka_headers_new(8);
        rd_kafka_header_add(h, "route", -1, "thing", -1);
        rd_kafka_header_add(h, "zebra", -1, "\xff\xfe", -1);
        rd_kafka_header_add(h, "messageId", -1, "m-1", -1);
        rd_kafka_header_add(h, "zebra", -1, "2", -1);
        rd_kafka_header_add(h, "empty", -1, "", -1);
        rd_kafka_resp_err_t err = rd_kafka_producev(
            raw_writer_client(w), RD_KAFKA_V_TOPIC(topic),
            RD_KAFKA_V_PARTITION((int)i % PARTITIONS), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(originals[i].key, originals[i].key_len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)originals[i].value, originals[i].value_len),
            RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
        assert_int_equal(err, 0);
    }
    raw_writer_close(w);
}
enum { ORIGINALS = 6 };

static void must_be_same_bytes(const char *a, size_t a_len, const char *b, size_t b_len) {
    assert_int_equal(a != NULL, b != NULL);
    assert_int_equal(a_len, b_len);
    if (a)
        assert_memory_equal(a, b, a_len);
}

/* `again` is `first`, redriven so many times. */
static void must_be_redriven(const raw_record *first, const raw_record *again, const char *times) {
    assert_int_equal(again->partition, first->partition);
    must_be_same_bytes(again->key, again->key_len, first->key, first->key_len);
    must_be_same_bytes(again->value, again->value_len, first->value, first->value_len);
    assert_int_equal(again->header_count, first->header_count + 1);
    for (int i = 0; i < first->header_count; i++) {
        assert_string_equal(again->headers[i].name, first->headers[i].name);
        assert_string_equal(again->headers[i].value, first->headers[i].value);
    }
    assert_string_equal(again->headers[first->header_count].name, "kca-redrives");
    assert_string_equal(again->headers[first->header_count].value, times);
}

static bool is_same_message(const raw_record *a, const raw_record *b) {
    return a->partition == b->partition && a->value_len == b->value_len &&
           a->key_len == b->key_len && (!a->key_len || !memcmp(a->key, b->key, a->key_len));
}

/* Of each partition the first half are originals, the second half the same redriven. */
static void must_have_come_back(const char *topic) {
    int count;
    raw_record *all = topic_read(&count, topic, PARTITIONS);
    assert_int_equal(count, 2 * ORIGINALS);
    for (int i = 0; i < count; i++) {
        if (record_header(&all[i], "kca-redrives"))
            continue;
        int found = 0;
        for (int j = i + 1; j < count; j++) {
            if (!record_header(&all[j], "kca-redrives") || !is_same_message(&all[i], &all[j]))
                continue;
            must_be_redriven(&all[i], &all[j], "1");
            found++;
        }
        assert_int_equal(found, 1);
    }
    records_free(all, count);
}

/* Spring's headers alone do not say where a message may go. */
static kca_redrive *redrive_to(const char *topic, const char *dead) {
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_allowed_topic(r, topic);
    return r;
}

static void come_back(const char *format) {
    failing f;
    runner r;
    begin_failing(&f, &r, format);
    write_originals(f.c.topic);
    must_have_letters(&f, ORIGINALS);
    atomic_store(&f.fails, 0);
    cJSON *report = redrive(f.c.system, redrive_to(f.c.topic, f.dead));
    must_report(report, (numbers){.redriven = ORIGINALS});
    assert_int_equal(number_in(cJSON_GetObjectItemCaseSensitive(report, "by_topic"), f.c.topic),
                     ORIGINALS);
    cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItem(report, "messages"), 0);
    assert_string_equal(text_in(message, "topic"), f.c.topic);
    assert_string_equal(text_in(message, "error_text"), "the amount is -3");
    assert_int_equal(number_in(message, "attempts"), 1);
    assert_int_equal(number_in(message, "redrives"), 0);
    assert_true(truth_in(message, "redriven"));
    cJSON_Delete(report);
    must_be_handled(f.c.recorder, 2 * ORIGINALS, COME_MS);
    must_have_come_back(f.c.topic);
    must_redrive(f.c.system, redrive_of(f.dead), (numbers){0}); /* they are done */
    end_failing(&f, &r);
}

static void test_kca_dead_letters_come_back_byte_for_byte_and_are_handled(void **state) {
    come_back("kca");
}

static void test_spring_dead_letters_come_back_byte_for_byte_and_are_handled(void **state) {
    come_back("spring");
}

static void test_gomes_dead_letters_come_back_byte_for_byte_and_are_handled(void **state) {
    come_back("gomes");
}

static int has_come(void *argument) {
    failing *f = argument;
    return came(f->c.recorder) > 0;
}

/* Fails, is redriven, fails again ... until the guard keeps it. */
static void loop(const char *format) {
    failing f;
    runner r;
    begin_failing(&f, &r, format);
    raw_writer *w = raw_writer_open(NULL);
    raw_write_headers(w, f.c.topic, "k", "{\"id\":1}",
                      (const char *const[][2]){{"route", "thing"}, {"messageId", "m-1"}}, 2);
    raw_writer_close(w);
    must_become(has_come, &f, COME_MS, "it comes");
    for (int round = 1; round <= 4; round++) {
        kca_redrive *again = redrive_to(f.c.topic, f.dead);
        kca_redrive_with_max_redrives(again, 3);
        must_have_letters(&f, round > 3 ? 4 : round);
        must_redrive(
            f.c.system, again,
            (numbers){.redriven = round <= 3, .guarded = round > 3, .remaining = round > 3});
    }
    must_become(has_count, &(amount){f.c.topic, PARTITIONS, 4}, COME_MS, "three redrives");
    int count;
    raw_record *all = topic_read(&count, f.c.topic, PARTITIONS);
    assert_string_equal(record_header(&all[3], "kca-redrives"), "3");
    assert_string_equal(record_header(&all[3], "messageId"), "m-1");
    assert_int_equal(all[3].header_count, 3);
    records_free(all, count);
    end_failing(&f, &r);
}

static void test_the_loop_guard_counts_through_kca_dead_letters(void **state) {
    loop("kca");
}

static void test_the_loop_guard_counts_through_spring_dead_letters(void **state) {
    loop("spring");
}

static void test_the_loop_guard_counts_through_gomes_dead_letters(void **state) {
    loop("gomes");
}

/* ---- dead letters written by hand ---- */

/* A topic, and a dead-letter topic of two partitions. */
static void make_topics(const char **topic, const char **dead) {
    *topic = unique("redriven");
    *dead = unique("dead");
    topic_create(*topic, PARTITIONS);
    topic_create(*dead, 2);
}

static void test_a_dry_run_changes_nothing_and_tells_the_same_numbers(void **state) {
    const char *topic, *dead, *other = unique("other");
    make_topics(&topic, &dead);
    topic_create(other, 1);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < 150; i++)
        write_letter(w, dead,
                     (letter){.topic = i % 3   ? topic
                                       : i % 2 ? other
                                               : NULL,
                              .error = i % 5 ? "Late" : "Early",
                              .value = "{}",
                              .to = i % 2});
    raw_writer_close(w);
    kca_system *s = bare_system();
    kca_redrive *dry;
    must(kca_redrive_new(&dry, "kafka", dead));
    cJSON *would = redrive(s, dry);
    must_report(would, (numbers){.redriven = 125, .not_dead_letters = 25});
    assert_true(truth_in(would, "dry_run"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(would, "messages")), 100);
    assert_int_equal(topic_count(topic, PARTITIONS), 0);
    assert_int_equal(topic_count(other, 1), 0);
    char group[300];
    snprintf(group, sizeof group, "%s.redrive", dead);
    assert_int_equal(group_committed(group, dead, 0), -1);

    cJSON *did = redrive(s, redrive_of(dead));
    assert_false(truth_in(did, "dry_run"));
    must_report(did, (numbers){.redriven = 125, .not_dead_letters = 25});
    assert_int_equal(number_in(cJSON_GetObjectItem(did, "by_error"), "Early"), 20 + 5);
    assert_int_equal(number_in(cJSON_GetObjectItem(did, "by_topic"), topic), 100);
    const char *const parts[] = {"by_topic", "by_error"};
    for (int i = 0; i < 2; i++)
        assert_true(cJSON_Compare(cJSON_GetObjectItem(would, parts[i]),
                                  cJSON_GetObjectItem(did, parts[i]), 1));
    assert_int_equal(topic_count(topic, PARTITIONS), 100);
    assert_int_equal(topic_count(other, 1), 25);
    assert_int_equal(group_committed_sum(group, dead, 2), 150);
    cJSON_Delete(would);
    cJSON_Delete(did);
    finish(s);
}

static void test_what_one_call_left_the_next_one_does_and_each_exactly_once(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    fill_with_letters(dead, 2, topic, 500);
    kca_system *s = bare_system();
    kca_redrive *some = redrive_of(dead);
    kca_redrive_with_max_messages(some, 123);
    must_redrive(s, some, (numbers){.redriven = 123, .remaining = 377, .stopped = true});
    assert_int_equal(topic_count(topic, PARTITIONS), 123);
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 377});
    must_have_each_once(topic, PARTITIONS, 500);
    must_redrive(s, redrive_of(dead), (numbers){0});
    kca_redrive *another = redrive_of(dead);
    kca_redrive_with_group_id(another, unique("group"));
    kca_redrive_with_max_messages(another, 500);
    must_redrive(s, another, (numbers){.redriven = 500});
    finish(s);
}

static void test_what_a_filter_left_out_stays_redrivable(void **state) {
    const char *topic, *dead, *other = unique("other");
    make_topics(&topic, &dead);
    topic_create(other, 1);
    raw_writer *w = raw_writer_open(NULL);
    const char *const errors[] = {"Late", "Early", "Wrong"};
    for (int i = 0; i < 30; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        write_letter(w, dead,
                     (letter){.topic = i < 15 ? topic : other,
                              .error = errors[i % 3],
                              .value = value,
                              .to = i % 2});
    }
    raw_writer_close(w);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_only_topic(r, topic);
    kca_redrive_with_only_error(r, "Late");
    kca_redrive_with_only_error(r, "Wrong");
    must_redrive(s, r, (numbers){.redriven = 10, .left_out = 20, .remaining = 20});
    r = redrive_of(dead);
    kca_redrive_with_only_error(r, "Early");
    must_redrive(s, r, (numbers){.redriven = 10, .left_out = 10, .remaining = 10});
    r = redrive_of(dead);
    kca_redrive_with_only_error(r, "Early");
    must_redrive(s, r, (numbers){.left_out = 10, .remaining = 10});
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 10});
    must_redrive(s, redrive_of(dead), (numbers){0});
    assert_int_equal(topic_count(topic, PARTITIONS), 15);
    assert_int_equal(topic_count(other, 1), 15);
    int *times = times_of_ids(topic, PARTITIONS, 30);
    for (int id = 0; id < 15; id++)
        assert_int_equal(times[id], 1);
    free(times);
    finish(s);
}

static void test_what_is_given_up_is_not_offered_again(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < 10; i++)
        write_letter(
            w, dead,
            (letter){.topic = topic, .error = i % 2 ? "Late" : "Wrong", .value = "{}", .to = 0});
    raw_writer_close(w);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_only_error(r, "Late");
    kca_redrive_with_give_up_others(r, 1);
    must_redrive(s, r, (numbers){.redriven = 5, .left_out = 5});
    must_redrive(s, redrive_of(dead), (numbers){0});
    assert_int_equal(topic_count(topic, PARTITIONS), 5);
    finish(s);
}

/* ---- where messages may go ---- */

typedef struct hop {
    const char *name, *value;
} hop;

static void write_marked(const char *dead, const char *value, const hop *headers, int count) {
    const char *pairs[8][2];
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < count; i++) {
        pairs[i][0] = headers[i].name;
        pairs[i][1] = headers[i].value;
    }
    raw_write_headers(w, dead, "k", value, (const char *const(*)[2])pairs, count);
    raw_writer_close(w);
}

/* Letters that name a topic in Gomes' envelope, in other libraries' headers, and in ours beside
 * such: who could write the failed message could write that. One is really ours. */
static void write_letters_of_strangers(const char *dead, const char *topic) {
    char envelope[300];
    snprintf(envelope, sizeof envelope,
             "{\"ReasonError\":\"bad\",\"Payload\":{},\"Headers\":{\"channelName\":\"%s\"}}",
             topic);
    write_marked(dead, envelope, (const hop[]){{"channelName", dead}}, 1);
    write_marked(dead, "{}", (const hop[]){{"__connect.errors.topic", topic}}, 1);
    write_marked(dead, "{}", (const hop[]){{"kafka_original-topic", topic}}, 1);
    write_marked(dead, "{}",
                 (const hop[]){{"reason_poisoned", "bad"},
                               {"topic_poisoned", "orders"},
                               {"kca-dead-letter-topic", topic}},
                 3);
    write_marked(dead, "{}", (const hop[]){{"kca-dead-letter-topic", topic}}, 1);
}

static void test_a_topic_that_a_stranger_names_is_used_only_when_it_is_allowed(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    write_letters_of_strangers(dead, topic);
    kca_system *s = bare_system();
    cJSON *report = redrive(s, redrive_of(dead));
    must_report(report, (numbers){.redriven = 1, .not_allowed = 4, .remaining = 4});
    assert_int_equal(number_in(cJSON_GetObjectItem(report, "not_allowed_by_topic"), topic), 4);
    cJSON_Delete(report);
    must_redrive(s, redrive_to("elsewhere", dead), (numbers){.not_allowed = 4, .remaining = 4});
    assert_int_equal(topic_count(topic, PARTITIONS), 1);
    must_redrive(s, redrive_to(topic, dead), (numbers){.redriven = 4});
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    kca_redrive_with_only_topic(r, topic);
    must_redrive(s, r, (numbers){.redriven = 5});
    r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    kca_redrive_with_to_topic(r, topic);
    must_redrive(s, r, (numbers){.redriven = 5});
    r = redrive_to("elsewhere", dead); /* ours are not excepted when topics are named */
    kca_redrive_with_group_id(r, unique("group"));
    must_redrive(s, r, (numbers){.not_allowed = 5, .remaining = 5});
    finish(s);
}

static int trouble_of(const cJSON *report, const char *topic, const char *why) {
    char text[400];
    snprintf(text, sizeof text, "topic %s: %s", topic, why);
    return number_in(cJSON_GetObjectItem(report, "troubles"), text);
}

static void test_letters_that_cannot_go_are_passed_by_and_told_and_the_others_go(void **state) {
    const char *topic, *dead, *gone = unique("gone");
    make_topics(&topic, &dead);
    const char *const targets[] = {"__consumer_offsets", gone,  "__transaction_state", topic,
                                   "../../etc/passwd",   topic, "\x1b[31mx",           dead};
    for (int i = 0; i < 8; i++)
        write_marked(dead, "{}", (const hop[]){{"kca-dead-letter-topic", targets[i]}}, 1);
    write_marked(
        dead, "{}",
        (const hop[]){{"kca-dead-letter-topic", topic}, {"kca-redrives", "999999999999999999999"}},
        2);
    kca_system *s = bare_system();
    for (int i = 0; i < 2; i++) {
        cJSON *report = redrive(s, redrive_of(dead));
        must_report(report, (numbers){.redriven = i ? 0 : 2,
                                      .guarded = 1,
                                      .unknown_target = 5,
                                      .missing_target = 1,
                                      .remaining = 7});
        assert_int_equal(trouble_of(report, gone, "it does not exist"), 1);
        assert_int_equal(
            trouble_of(report, "__consumer_offsets", "the name is internal or not valid"), 1);
        assert_int_equal(trouble_of(report, "\\x1b[31mx", "the name is internal or not valid"), 1);
        assert_int_equal(trouble_of(report, dead, "it is the one that is read"), 1);
        cJSON_Delete(report);
    }
    assert_int_equal(topic_count(topic, PARTITIONS), 2);
    topic_create(gone, 1);
    must_redrive(s, redrive_of(dead),
                 (numbers){.redriven = 1, .guarded = 1, .unknown_target = 5, .remaining = 6});
    finish(s);
}

/* ---- pages ---- */

static void must_list(kca_system *s, const char *dead, int partition, int from, int count,
                      int next_partition, int next_offset) {
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_dry_run(r, 1);
    kca_redrive_with_start_partition(r, partition);
    kca_redrive_with_start_offset(r, from);
    kca_redrive_with_max_listed(r, 4);
    cJSON *report = redrive(s, r), *messages = cJSON_GetObjectItem(report, "messages");
    const cJSON *next = cJSON_GetObjectItem(report, "next");
    assert_int_equal(cJSON_GetArraySize(messages), count);
    for (int i = 0; i < count; i++) {
        const cJSON *message = cJSON_GetArrayItem(messages, i);
        if (number_in(message, "partition") != partition) {
            partition++;
            from = 0;
        }
        assert_int_equal(number_in(message, "partition"), partition);
        assert_int_equal(number_in(message, "offset"), from++);
    }
    assert_int_equal(cJSON_IsNull(next), next_partition < 0);
    if (next_partition >= 0) {
        assert_int_equal(number_in(next, "partition"), next_partition);
        assert_int_equal(number_in(next, "offset"), next_offset);
    }
    cJSON_Delete(report);
}

static void test_letters_are_listed_page_by_page(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    fill_with_letters(dead, 2, topic, 13); /* 7 and 6 */
    kca_system *s = bare_system();
    must_list(s, dead, 0, 0, 4, 0, 4);
    must_list(s, dead, 0, 4, 4, 1, 1);
    must_list(s, dead, 1, 1, 4, 1, 5);
    must_list(s, dead, 1, 5, 1, -1, -1);
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_start_partition(r, 1);
    kca_redrive_with_start_offset(r, 4);
    must_redrive(s, r, (numbers){.redriven = 2, .remaining = 11});
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 11});
    must_have_each_once(topic, PARTITIONS, 13);
    finish(s);
}

static void test_a_listed_letter_can_have_the_whole_record(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    write_marked(dead, "{\"id\":1}",
                 (const hop[]){{"tenant", "acme"}, {"kca-dead-letter-topic", topic}}, 2);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_dry_run(r, 1);
    kca_redrive_with_list_records(r, 1);
    cJSON *report = redrive(s, r);
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItem(
        cJSON_GetArrayItem(cJSON_GetObjectItem(report, "messages"), 0), "record"));
    assert_string_equal(text, "{\"key\":\"aw==\",\"value\":\"eyJpZCI6MX0=\",\"headers\":[["
                              "\"dGVuYW50\",\"YWNtZQ==\"]]}");
    free(text);
    cJSON_Delete(report);
    finish(s);
}

static void test_times_bound_what_is_read_and_a_later_call_does_the_rest(void **state) {
    const int64_t then = 1767225600000;
    const char *topic, *dead;
    make_topics(&topic, &dead);
    raw_writer *w = raw_writer_open(NULL);
    for (int i = 0; i < 40; i++) {
        char value[40];
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        write_letter(
            w, dead,
            (letter){.topic = topic, .value = value, .to = i % 2, .written_ms = then + i * 1000});
    }
    raw_writer_close(w);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_start_time_ms(r, then + 10000);
    kca_redrive_with_end_time_ms(r, then + 30000);
    must_redrive(s, r, (numbers){.redriven = 20, .remaining = 20});
    int *times = times_of_ids(topic, PARTITIONS, 40);
    for (int id = 0; id < 40; id++)
        assert_int_equal(times[id], id >= 10 && id < 30);
    free(times);
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 20});
    must_have_each_once(topic, PARTITIONS, 40);
    r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    kca_redrive_with_end_time_ms(r, then);
    must_redrive(s, r, (numbers){.remaining = 40});
    r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    kca_redrive_with_start_time_ms(r, then + 40000);
    must_redrive(s, r, (numbers){.remaining = 40});
    finish(s);
}

static void test_a_partition_that_is_no_more_is_replaced_by_the_keys(void **state) {
    const char *topic, *dead, *elsewhere = unique("elsewhere");
    make_topics(&topic, &dead);
    topic_create(elsewhere, PARTITIONS);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, elsewhere, -1, NULL, "abc", "{\"id\":0}"); /* where murmur2 puts the key */
    write_letter(w, dead, (letter){.topic = topic, .key = "abc", .value = "{}", .partition = 7});
    write_letter(w, dead, (letter){.topic = topic, .key = "abc", .value = "{}", .partition = 0});
    write_letter(w, dead, (letter){.topic = topic, .key = "abc", .value = "{}", .partition = 1});
    write_letter(w, dead, (letter){.topic = topic, .key = "abc", .value = "{}", .partition = 2});
    raw_writer_close(w);
    kca_system *s = bare_system();
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 4});
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(topic_end(topic, i), 1 + topic_end(elsewhere, i));
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    kca_redrive_with_to_topic(r, elsewhere);
    must_redrive(s, r, (numbers){.redriven = 4});
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(topic_end(elsewhere, i), topic_end(topic, i) > 1 ? 5 : 0);
    finish(s);
}

/* The dead letters that Gomes itself wrote. */
static int write_gomes_letters(const char *dead) {
    int count = 0;
    size_t size = 0;
    char *line = NULL;
    FILE *file = fopen(KCA_TEST_DATA "/gomes/dlq.jsonl", "r");
    assert_non_null(file);
    raw_writer *w = raw_writer_open(NULL);
    while (getline(&line, &size, file) > 0) {
        const char *headers[20][2];
        cJSON *record = cJSON_Parse(line), *list = cJSON_GetObjectItem(record, "headers");
        int header_count = cJSON_GetArraySize(list) / 2;
        for (int i = 0; i < header_count; i++)
            for (int j = 0; j < 2; j++)
                headers[i][j] = cJSON_GetStringValue(cJSON_GetArrayItem(list, 2 * i + j));
        raw_write_headers(w, dead, text_in(record, "key"), text_in(record, "payload"),
                          (const char *const(*)[2])headers, header_count);
        cJSON_Delete(record);
        count++;
    }
    raw_writer_close(w);
    fclose(file);
    free(line);
    return count;
}

static void test_letters_of_gomes_go_to_the_topic_that_is_named(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    int letters = write_gomes_letters(dead);
    kca_system *s = bare_system();
    kca_redrive *r = redrive_of(dead);
    kca_redrive_with_group_id(r, unique("group"));
    must_redrive(s, r, (numbers){.unknown_target = letters, .remaining = letters});
    r = redrive_of(dead);
    kca_redrive_with_to_topic(r, topic);
    cJSON *report = redrive(s, r);
    must_report(report, (numbers){.redriven = letters});
    assert_int_equal(number_in(cJSON_GetObjectItem(report, "by_topic"), ""), letters);
    cJSON_Delete(report);
    int count, orders = 0;
    raw_record *all = topic_read(&count, topic, PARTITIONS);
    assert_int_equal(count, letters);
    for (int i = 0; i < count; i++) {
        assert_string_equal(record_header(&all[i], "kca-redrives"), "1");
        const char *route = record_header(&all[i], "route");
        orders += all[i].value && strstr(all[i].value, "\"orderId\":\"ORD-NEG\"") && route &&
                  strcmp(route, "orderCreated") == 0 && !strstr(all[i].value, "ReasonError");
    }
    assert_true(orders > 0);
    records_free(all, count);
    finish(s);
}

static void test_records_that_are_no_dead_letters_are_passed(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    raw_writer *w = raw_writer_open(NULL);
    raw_write(w, dead, 0, NULL, NULL, "plain");
    raw_write(w, dead, 0, NULL, NULL, NULL);
    write_letter(w, dead, (letter){.topic = topic, .value = "{}"});
    write_letter(w, dead, (letter){.topic = "no topic at all", .value = "{}"});
    write_letter(w, dead, (letter){.topic = dead, .value = "{}"});
    raw_write(w, dead, 0, NULL, NULL, "{\"Payload\":1}");
    raw_writer_close(w);
    kca_system *s = bare_system();
    must_redrive(
        s, redrive_of(dead),
        (numbers){.redriven = 1, .not_dead_letters = 3, .unknown_target = 2, .remaining = 2});
    assert_int_equal(topic_count(topic, PARTITIONS), 1);
    assert_int_equal(topic_count(dead, 2), 6);
    finish(s);
}

static void test_texts_that_are_no_utf_8_make_no_broken_report(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    raw_writer *w = raw_writer_open(NULL);
    write_letter(w, dead,
                 (letter){.topic = topic, .key = "\xff\"\x01k", .error = "\xfe\"e", .value = "{}"});
    raw_writer_close(w);
    kca_system *s = bare_system();
    cJSON *report = redrive(s, redrive_of(dead));
    cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItem(report, "messages"), 0);
    assert_string_equal(text_in(message, "key"), "\\xff\"\\x01k");
    assert_string_equal(text_in(message, "error_name"), "\\xfe\"e");
    assert_int_equal(number_in(cJSON_GetObjectItem(report, "by_error"), "\\xfe\"e"), 1);
    cJSON_Delete(report);
    finish(s);
}

static void test_a_transaction_that_was_aborted_is_not_read(void **state) {
    const char *topic, *dead;
    make_topics(&topic, &dead);
    raw_writer *w = raw_writer_open(unique("transaction"));
    rd_kafka_t *rk = raw_writer_client(w);
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            assert_null(rd_kafka_init_transactions(rk, 20000));
        assert_null(rd_kafka_begin_transaction(rk));
        write_letter(w, dead, (letter){.topic = topic, .value = round ? "{\"id\":0}" : "aborted"});
        assert_int_equal(rd_kafka_flush(rk, 20000), 0);
        assert_null(round ? rd_kafka_commit_transaction(rk, 20000)
                          : rd_kafka_abort_transaction(rk, 20000));
    }
    raw_writer_close(w);
    kca_system *s = bare_system();
    must_redrive(s, redrive_of(dead), (numbers){.redriven = 1});
    must_redrive(s, redrive_of(dead), (numbers){0});
    must_have_each_once(topic, PARTITIONS, 1);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kca_dead_letters_come_back_byte_for_byte_and_are_handled),
        cmocka_unit_test(test_spring_dead_letters_come_back_byte_for_byte_and_are_handled),
        cmocka_unit_test(test_gomes_dead_letters_come_back_byte_for_byte_and_are_handled),
        cmocka_unit_test(test_the_loop_guard_counts_through_kca_dead_letters),
        cmocka_unit_test(test_the_loop_guard_counts_through_spring_dead_letters),
        cmocka_unit_test(test_the_loop_guard_counts_through_gomes_dead_letters),
        cmocka_unit_test(test_a_dry_run_changes_nothing_and_tells_the_same_numbers),
        cmocka_unit_test(test_what_one_call_left_the_next_one_does_and_each_exactly_once),
        cmocka_unit_test(test_what_a_filter_left_out_stays_redrivable),
        cmocka_unit_test(test_what_is_given_up_is_not_offered_again),
        cmocka_unit_test(test_a_topic_that_a_stranger_names_is_used_only_when_it_is_allowed),
        cmocka_unit_test(test_letters_that_cannot_go_are_passed_by_and_told_and_the_others_go),
        cmocka_unit_test(test_letters_are_listed_page_by_page),
        cmocka_unit_test(test_a_listed_letter_can_have_the_whole_record),
        cmocka_unit_test(test_times_bound_what_is_read_and_a_later_call_does_the_rest),
        cmocka_unit_test(test_a_partition_that_is_no_more_is_replaced_by_the_keys),
        cmocka_unit_test(test_letters_of_gomes_go_to_the_topic_that_is_named),
        cmocka_unit_test(test_records_that_are_no_dead_letters_are_passed),
        cmocka_unit_test(test_texts_that_are_no_utf_8_make_no_broken_report),
        cmocka_unit_test(test_a_transaction_that_was_aborted_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
