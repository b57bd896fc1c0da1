/* Messages that are delivered at a time: they wait in delay channels, and relays write them on. */
#include "consuming.h"

#include <stdio.h>
#include <sys/time.h>

enum { SHORT_MS = 60, LONG_MS = 200, CLOCKS_MS = 2, COUNT = 12, FAR_MS = 600000 };

typedef struct delayed {
    const char *topic, *short_delay, *long_delay, *dead, *group, *relay_group;
    kca_system *system; /* publishes, and handles */
    kca_system *relaying;
    kca_consumer *relay;
    runner relay_runner;
} delayed;

static int64_t unix_ms(void) {
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

static kca_publisher_builder *laddered(const delayed *t) {
    kca_publisher_builder *b = publisher_of(t->topic);
    kca_publisher_builder_with_delay_channel(b, t->short_delay);
    kca_publisher_builder_with_delay_channel_ms(b, SHORT_MS);
    kca_publisher_builder_with_delay_channel(b, t->long_delay);
    kca_publisher_builder_with_delay_channel_ms(b, LONG_MS);
    return b;
}

static void open_delayed(delayed *t, int partitions) {
    *t = (delayed){.topic = unique("later"),
                   .short_delay = unique("delay"),
                   .long_delay = unique("delay"),
                   .dead = unique("dead"),
                   .group = unique("group"),
                   .relay_group = unique("relay")};
    topic_create(t->topic, partitions);
    topic_create(t->short_delay, 2);
    topic_create(t->long_delay, 2);
    topic_create(t->dead, 1);
}

/* `target`: the publisher of the topic that the relaying system has. */
static void start_relay(delayed *t, kca_publisher_builder *target) {
    t->relaying = system_on(listener("PLAINTEXT"));
    kca_consumer_builder *b = consumer_of(t->short_delay, t->relay_group);
    kca_consumer_builder_with_group_topic(b, t->long_delay);
    kca_consumer_builder_with_relay(b, 1);
    kca_consumer_builder_with_dead_letter_channel(b, t->dead);
    give_consumer(t->relaying, b);
    give_publisher(t->relaying, publisher_of(t->dead));
    give_publisher(t->relaying, target);
    start(t->relaying);
    t->relay = reader_of(t->relaying, t->relay_group);
    runner_start(&t->relay_runner, t->relay);
}

static void stop_relay(delayed *t) {
    runner_stop(&t->relay_runner);
    kca_consumer_free(t->relay);
    finish(t->relaying);
}

static void publish_at(kca_bus *bus, int id, int64_t at_ms, int partition) {
    char payload[32];
    snprintf(payload, sizeof payload, "{\"id\":%d}", id);
    kca_message *m = thing(payload, "k");
    kca_message_set_header(m, "tenant", "acme");
    kca_message_set_deliver_at_ms(m, at_ms);
    kca_message_set_partition(m, partition);
    must(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
}

typedef struct times {
    int64_t at_ms[COUNT];
    int early;
} times;

static int note_early(recorder *r, kca_delivery *d, int id) {
    times *t = r->context;
    t->early += unix_ms() + CLOCKS_MS < t->at_ms[id];
    assert_null(kca_message_header(kca_delivery_message(d), "kca-deliver-to"));
    assert_string_equal(kca_message_header(kca_delivery_message(d), "tenant"), "acme");
    return KCA_DONE;
}

/* From now on to some hops of both channels, one of them is late already. */
static void test_messages_come_at_their_times_by_as_many_hops_as_needed(void **state) {
    delayed t;
    open_delayed(&t, 2);
    consuming c = consume_beside(laddered(&t), t.topic, t.group, NULL);
    times wanted = {.early = 0};
    c.recorder->behave = note_early;
    c.recorder->context = &wanted;
    start_relay(&t, laddered(&t));
    kca_bus *bus = bus_of(c.system, t.topic);
    int64_t now_ms = unix_ms();
    for (int i = 0; i < COUNT; i++) {
        wanted.at_ms[i] = now_ms + (i - 1) * SHORT_MS;
        publish_at(bus, i, wanted.at_ms[i], i % 2);
    }
    must(run_for(&c, COUNT));
    assert_int_equal(wanted.early, 0);
    assert_int_equal(missing_of(c.recorder, COUNT), 0);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(c.recorder->all[i].partition, c.recorder->all[i].id % 2);
    must_become(has_counted, &(counter){t.relaying, "relayed", COUNT - 2}, COME_MS, "relayed");
    assert_int_equal(topic_count(t.dead, 1), 0);
    stop_relay(&t);
    kca_bus_free(bus);
    end(&c);
}

static void test_what_waits_outlives_the_relay(void **state) {
    delayed t;
    open_delayed(&t, 1);
    consuming c = consume_beside(laddered(&t), t.topic, t.group, NULL);
    kca_bus *bus = bus_of(c.system, t.topic);
    publish_at(bus, 0, unix_ms() + FAR_MS, -1);
    publish_at(bus, 1, unix_ms() + LONG_MS + 1, -1);
    must(kca_bus_flush(bus, COME_MS));
    assert_int_equal(topic_count(t.topic, 1), 0);
    for (int i = 0; i < 2; i++) { /* the first hop, and those after it */
        start_relay(&t, laddered(&t));
        must_become(has_counted, &(counter){t.relaying, "relayed", 1}, COME_MS, "relayed");
        stop_relay(&t);
    }
    start_relay(&t, laddered(&t));
    must(run_for(&c, 1));
    assert_int_equal(c.recorder->all[0].id, 1);
    stop_relay(&t);
    kca_bus_free(bus);
    end(&c);
}

static void write_forged(const char *topic, const char *to, const char *at, const char *partition) {
    raw_writer *w = raw_writer_open(NULL);
    rd_kafka_headers_t *list = rd_kafka_headers_new(4);
    if (to)
        rd_kafka_header_add(list, "kca-deliver-to", -1, to, -1);
    if (at)
        rd_kafka_header_add(list, "kca-deliver-at-ms", -1, at, -1);
    if (partition)
        rd_kafka_header_add(list, "kca-deliver-partition", -1, partition, -1);
    raw_write_bytes(w, topic, "k", 1, "{}", 2, list);
    raw_writer_close(w);
}

static void test_a_relay_leads_only_where_it_may(void **state) {
    static const char *const reasons[] = {"do not say where and when", "do not say where and when",
                                          "no publisher is declared", "partition 77"};
    delayed t;
    open_delayed(&t, 1);
    write_forged(t.short_delay, NULL, NULL, NULL);
    write_forged(t.short_delay, t.topic, "soon", NULL);
    write_forged(t.short_delay, "payments", "1", NULL);
    write_forged(t.short_delay, t.topic, "1", "77");
    write_forged(t.short_delay, t.topic, "1", NULL);
    start_relay(&t, laddered(&t));
    must_become(has_counted, &(counter){t.relaying, "dead_lettered", 4}, COME_MS, "dead_lettered");
    must_become(has_counted, &(counter){t.relaying, "relayed", 1}, COME_MS, "relayed");
    stop_relay(&t);
    int count;
    raw_record *letters = topic_read(&count, t.dead, 1);
    assert_int_equal(count, 4);
    for (int i = 0; i < count; i++) {
        int found = 0;
        for (size_t r = 0; r < sizeof reasons / sizeof *reasons; r++)
            found += strstr(record_header(&letters[i], "kca-dead-letter-error-text"), reasons[r]) !=
                     NULL;
        assert_in_range(found, 1, 2);
        assert_string_equal(record_header(&letters[i], "kca-dead-letter-error-name"), "relay");
        assert_string_equal(record_header(&letters[i], "kca-dead-letter-topic"), t.short_delay);
    }
    records_free(letters, count);
    raw_record *relayed = topic_read(&count, t.topic, 1);
    assert_int_equal(count, 1);
    assert_int_equal(relayed->header_count, 0);
    records_free(relayed, count);
}

static int note_time(recorder *r, kca_delivery *d, int id) {
    (void)id;
    *(int64_t *)r->context = kca_delivery_timestamp_ms(d);
    return KCA_DONE;
}

static void publish_raw(kca_bus *bus, int64_t own_ms, int64_t at_ms) {
    kca_message *m = thing("{\"id\":0}", "k");
    kca_message_set_raw(m, 1);
    kca_message_set_header(m, "route", "thing");
    kca_message_set_timestamp_ms(m, own_ms);
    kca_message_set_deliver_at_ms(m, at_ms);
    must(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
}

/* Gives how many there are. */
static int must_be_later_than(const char *topic, int64_t time_ms) {
    int count;
    raw_record *all = topic_read(&count, topic, 2);
    for (int i = 0; i < count; i++)
        assert_true(all[i].timestamp_ms >= time_ms);
    records_free(all, count);
    return count;
}

/* In the delay channels it is of now: one of long ago would fall to their retention. A slow machine
 * may publish it when its time has come already. */
static void test_the_time_of_a_raw_record_goes_along(void **state) {
    delayed t;
    open_delayed(&t, 1);
    consuming c = consume_beside(laddered(&t), t.topic, t.group, NULL);
    int64_t seen_ms, began_ms = unix_ms() - CLOCKS_MS, own_ms = began_ms - 3600000;
    c.recorder->behave = note_time;
    c.recorder->context = &seen_ms;
    start_relay(&t, laddered(&t));
    kca_bus *bus = bus_of(c.system, t.topic);
    int waited = 0;
    while (waited == 0) {
        seen_ms = 0;
        publish_raw(bus, own_ms, unix_ms() + LONG_MS + SHORT_MS);
        must(run_for(&c, 1));
        assert_int_equal(seen_ms, own_ms);
        waited += must_be_later_than(t.short_delay, began_ms);
        waited += must_be_later_than(t.long_delay, began_ms);
    }
    stop_relay(&t);
    kca_bus_free(bus);
    end(&c);
}

static void test_a_channel_has_one_delay_and_its_headers_are_not_the_messages(void **state) {
    delayed t = {.topic = unique("later"), .short_delay = "short", .long_delay = "long"};
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, laddered(&t));
    t.topic = unique("later");
    kca_publisher_builder *b = publisher_of(t.topic);
    kca_publisher_builder_with_delay_channel(b, "short");
    kca_publisher_builder_with_delay_channel_ms(b, SHORT_MS + 1);
    give_publisher(s, b);
    must_fail(kca_system_start(s, COME_MS), KCA_ERROR_ARGUMENT, "delay_channel short",
              "a channel has one delay");
    kca_system_free(s);
    s = system_on(listener("PLAINTEXT"));
    give_publisher(s, laddered(&t));
    start(s);
    kca_bus *bus = bus_of(s, t.topic);
    kca_message *m = thing("{}", "k");
    kca_message_set_header(m, "kca-deliver-partition", "1");
    kca_message_set_deliver_at_ms(m, unix_ms() + FAR_MS);
    must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_ARGUMENT, "header kca-deliver-partition");
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
}

static void test_without_delay_channels_a_later_message_is_refused(void **state) {
    const char *topic = unique("later");
    kca_system *s = system_on(listener("PLAINTEXT"));
    give_publisher(s, publisher_of(topic));
    start(s);
    kca_bus *bus = bus_of(s, topic);
    kca_message *m = thing("{}", "k");
    kca_message_set_deliver_at_ms(m, unix_ms() + FAR_MS);
    must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_STATE, topic, "needs a delay_channel");
    kca_message_set_deliver_at_ms(m, 0);
    must(kca_bus_publish(bus, m, 0));
    kca_message_set_deliver_at_ms(m, -1);
    must_fail(kca_bus_publish(bus, m, 0), KCA_ERROR_ARGUMENT, "deliver_at_ms must be 0 to");
    kca_message_free(m);
    kca_bus_free(bus);
    finish(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_at_their_times_by_as_many_hops_as_needed),
        cmocka_unit_test(test_what_waits_outlives_the_relay),
        cmocka_unit_test(test_a_relay_leads_only_where_it_may),
        cmocka_unit_test(test_the_time_of_a_raw_record_goes_along),
        cmocka_unit_test(test_a_channel_has_one_delay_and_its_headers_are_not_the_messages),
        cmocka_unit_test(test_without_delay_channels_a_later_message_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
