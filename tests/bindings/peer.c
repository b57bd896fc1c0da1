/*
 * The peer of the cross test in C; peer.py and peer.lua do the same.
 *
 *     peer publish BOOTSTRAP TOPIC NAME MESSAGE_ID CORRELATION_ID SENDER TRACEPARENT TRACESTATE \
 *                  PAYLOAD
 *     peer handle BOOTSTRAP TOPIC GROUP COUNT
 *     peer read BOOTSTRAP TOPIC all|named
 *     peer answer BOOTSTRAP CHANNEL REPLIES COUNT
 *     peer ask BOOTSTRAP REPLIES ASKER TRACEPARENT CHANNEL...
 *
 * What is published asks for a reply in the channel TOPIC.replies. `handle` prints a line for each:
 * the fields of `publish` with tabs, the payload in hex; and answers {"by":GROUP,"to":NAME}. `read`
 * prints each record as tests/python/hostile.py does, up to the one named "end", and then what the
 * system says of itself; its handlers are of every name, or only of "orderCreated".
 *
 * `answer` answers COUNT questions: "greet" with {"from":CHANNEL,"id":its correlation id}; "refuse"
 * it rejects, because "CHANNEL greets nobody". `ask` sends both to each CHANNEL, with the
 * correlation ids ASKER>CHANNEL and ASKER>CHANNEL!, and prints the answers: the channel and the
 * JSON; the channel, the error's kind in this language, and its text.
 */
#include <kca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 300, PATIENCE_MS = 120000 };

typedef struct peer {
    kca_consumer *consumer;
    const char *group;
    int left;
} peer;

static void check(kca_error *e) {
    if (!e)
        return;
    fprintf(stderr, "peer.c: %s\n", kca_error_text(e));
    kca_error_free(e);
    exit(1);
}

static kca_system *new_system(const char *bootstrap) {
    kca_system *s;
    kca_connection *connection;
    check(kca_system_new(&s));
    check(kca_system_log_to_stderr(s, KCA_LOG_WARN));
    check(kca_connection_new(&connection, "kafka", bootstrap));
    check(kca_system_add_connection(s, connection));
    kca_connection_free(connection);
    return s;
}

static void close_system(kca_system *s) {
    check(kca_system_shutdown(s, 10000));
    kca_system_free(s);
}

static void add_publisher(kca_system *s, const char *topic) {
    kca_publisher_builder *b;
    check(kca_publisher_builder_new(&b, "kafka", topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_async(b, 0);
    check(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

static void publish(char **args) {
    kca_system *s = new_system(args[0]);
    char replies[NAME];
    snprintf(replies, sizeof replies, "%s.replies", args[1]);
    add_publisher(s, args[1]);
    check(kca_system_start(s, 10000));

    kca_bus *bus;
    kca_message *m;
    check(kca_system_event_bus(s, args[1], &bus));
    check(kca_message_new(&m, args[2]));
    kca_message_set_message_id(m, args[3]);
    kca_message_set_correlation_id(m, args[4]);
    kca_message_set_header(m, "sender", args[5]);
    kca_message_set_trace_context(m, args[6], args[7]);
    kca_message_set_payload(m, args[8], strlen(args[8]));
    kca_message_set_reply_to(m, replies);
    check(kca_bus_publish(bus, m, 0));
    kca_message_free(m);
    kca_bus_free(bus);
    close_system(s);
}

static int handle_one(kca_delivery *d, void *user) {
    peer *p = user;
    const kca_message *m = kca_delivery_message(d);
    printf("%s\t%s\t%s\t%s\t%s\t%s\t", kca_message_name(m), kca_message_message_id(m),
           kca_message_correlation_id(m), kca_message_header(m, "sender"),
           kca_message_traceparent(m), kca_message_tracestate(m));
    const unsigned char *payload = kca_message_payload(m);
    for (size_t i = 0; i < kca_message_payload_len(m); i++)
        printf("%02x", payload[i]);
    printf("\n");
    char answer[2 * NAME];
    int len = snprintf(answer, sizeof answer, "{\"by\":\"%s\",\"to\":\"%s\"}", p->group,
                       kca_message_name(m));
    check(kca_delivery_reply(d, answer, (size_t)len));
    if (--p->left == 0)
        kca_consumer_stop(p->consumer);
    return KCA_DONE;
}

static void handle(char **args) {
    kca_system *s = new_system(args[0]);
    kca_consumer_builder *b;
    peer p = {.group = args[2], .left = atoi(args[3])};
    char replies[NAME];
    snprintf(replies, sizeof replies, "%s.replies", args[1]);
    add_publisher(s, replies);
    check(kca_consumer_builder_new(&b, "kafka", args[1], args[2]));
    kca_consumer_builder_with_reply(b, 1);
    check(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
    check(kca_system_add_handler(s, "*", handle_one, &p, NULL));
    check(kca_system_start(s, 10000));
    check(kca_system_consumer(s, args[2], &p.consumer));
    check(kca_consumer_run(p.consumer));
    kca_consumer_free(p.consumer);
    close_system(s);
}

/* ---- asking ---- */

static void count_down(peer *p) {
    if (--p->left == 0)
        kca_consumer_stop(p->consumer);
}

static int greet(kca_delivery *d, void *user) {
    peer *p = user;
    char answer[2 * NAME];
    int len = snprintf(answer, sizeof answer, "{\"from\":\"%s\",\"id\":\"%s\"}", p->group,
                       kca_message_correlation_id(kca_delivery_message(d)));
    check(kca_delivery_reply(d, answer, (size_t)len));
    count_down(p);
    return KCA_DONE;
}

static int refuse(kca_delivery *d, void *user) {
    peer *p = user;
    char text[2 * NAME];
    snprintf(text, sizeof text, "%s greets nobody", p->group);
    kca_delivery_explain(d, "refused", text);
    count_down(p);
    return KCA_REJECTED;
}

static void answer_all(char **args) {
    kca_system *s = new_system(args[0]);
    kca_consumer_builder *b;
    peer p = {.group = args[1], .left = atoi(args[3])};
    add_publisher(s, args[2]);
    check(kca_consumer_builder_new(&b, "kafka", args[1], args[1]));
    kca_consumer_builder_with_reply(b, 1);
    kca_consumer_builder_with_failure_policy(b, "skip");
    check(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
    check(kca_system_add_handler(s, "greet", greet, &p, NULL));
    check(kca_system_add_handler(s, "refuse", refuse, &p, NULL));
    check(kca_system_start(s, PATIENCE_MS));
    check(kca_system_consumer(s, args[1], &p.consumer));
    check(kca_consumer_run(p.consumer));
    kca_consumer_free(p.consumer);
    close_system(s);
}

static kca_error *send(kca_event **out, kca_bus *bus, const char *name, const char *id,
                       const char *traceparent) {
    kca_message *m;
    check(kca_message_new(&m, name));
    kca_message_set_correlation_id(m, id);
    kca_message_set_trace_context(m, traceparent, "");
    kca_message_set_payload(m, "{}", 2);
    kca_error *e = kca_bus_send_for_reply(out, bus, m, PATIENCE_MS);
    kca_message_free(m);
    return e;
}

static void ask_one(kca_system *s, const char *channel, const char *asker,
                    const char *traceparent) {
    kca_bus *bus;
    kca_event *e;
    char id[2 * NAME];
    check(kca_system_query_bus(s, channel, &bus));
    snprintf(id, sizeof id, "%s>%s", asker, channel);
    check(send(&e, bus, "greet", id, traceparent));
    const kca_message *m = kca_event_reply(e);
    printf("%s\t%.*s\n", channel, (int)kca_message_payload_len(m),
           (const char *)kca_message_payload(m));
    kca_event_free(e);
    snprintf(id, sizeof id, "%s>%s!", asker, channel);
    kca_error *refusal = send(&e, bus, "refuse", id, traceparent);
    printf("%s\t%s\t%s\n", channel,
           kca_error_code(refusal) == KCA_ERROR_REPLY ? "KCA_ERROR_REPLY" : "another",
           kca_error_text(refusal));
    kca_error_free(refusal);
    kca_bus_free(bus);
}

static void ask_all(char **args, int channels) {
    kca_system *s = new_system(args[0]);
    for (int i = 0; i < channels; i++) {
        kca_publisher_builder *b;
        check(kca_publisher_builder_new(&b, "kafka", args[4 + i]));
        kca_publisher_builder_with_required_acks(b, -1);
        kca_publisher_builder_with_linger_ms(b, 0);
        kca_publisher_builder_with_reply_channel(b, args[1]);
        check(kca_system_add_publisher(s, b));
        kca_publisher_builder_free(b);
    }
    check(kca_system_start(s, PATIENCE_MS));
    for (int i = 0; i < channels; i++)
        ask_one(s, args[4 + i], args[2], args[3]);
    close_system(s);
}

/* ---- records ---- */

/* Length and ends. */
static void print_digest(const void *bytes, size_t len) {
    const unsigned char *p = bytes;
    size_t most = len < 8 ? len : 8;
    if (!p) {
        printf("none");
        return;
    }
    printf("%zu:", len);
    for (size_t i = 0; i < most; i++)
        printf("%02x", p[i]);
    printf(":");
    for (size_t i = len - most; i < len; i++)
        printf("%02x", p[i]);
}

static void print_record(const kca_delivery *d) {
    const kca_message *m = kca_delivery_message(d);
    printf("record\t%lld\t", (long long)kca_delivery_offset(d));
    print_digest(kca_message_key(m), kca_message_key_len(m));
    printf("\t");
    print_digest(kca_message_payload(m), kca_message_payload_len(m));
    for (int i = 0; i < kca_delivery_header_count(d); i++) {
        const char *name = kca_delivery_header_name(d, i);
        printf("\t");
        print_digest(name, strlen(name));
        printf("=");
        print_digest(kca_delivery_header_value(d, i), kca_delivery_header_value_len(d, i));
    }
    printf("\n");
}

/* As the typed handlers of other languages, it rejects what is not JSON, unless it is of all. */
static int read_one(kca_delivery *d, void *all) {
    kca_error *e = all ? NULL : kca_message_check_json(kca_delivery_message(d));
    if (e) {
        kca_delivery_explain(d, kca_error_name(e), kca_error_text(e));
        kca_error_free(e);
        return KCA_REJECTED;
    }
    print_record(d);
    return KCA_DONE;
}

static int read_last(kca_delivery *d, void *consumer) {
    print_record(d);
    kca_consumer_stop(*(kca_consumer **)consumer);
    return KCA_DONE;
}

static void read_all(char **args) {
    kca_system *s = new_system(args[0]);
    kca_consumer_builder *b;
    kca_consumer *consumer;
    int all = strcmp(args[2], "all") == 0;
    check(kca_consumer_builder_new(&b, "kafka", args[1], "reader"));
    kca_consumer_builder_with_partition(b, KCA_PARTITION_EVERY);
    kca_consumer_builder_with_order(b, "partition");
    kca_consumer_builder_with_failure_policy(b, "skip");
    kca_consumer_builder_with_commit_interval_ms(b, 0);
    check(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
    check(kca_system_add_handler(s, all ? "*" : "orderCreated", read_one, all ? s : NULL, NULL));
    check(kca_system_add_handler(s, "end", read_last, &consumer, NULL));
    check(kca_system_start(s, 10000));
    check(kca_system_consumer(s, "reader", &consumer));
    check(kca_consumer_run(consumer));
    kca_consumer_free(consumer);
    char *described;
    check(kca_system_describe(s, KCA_FORMAT_TEXT, &described));
    printf("%s\n", described);
    kca_string_free(described);
    close_system(s);
}

int main(int argc, char **argv) {
    if (argc == 11 && strcmp(argv[1], "publish") == 0)
        publish(argv + 2);
    else if (argc == 6 && strcmp(argv[1], "handle") == 0)
        handle(argv + 2);
    else if (argc == 5 && strcmp(argv[1], "read") == 0)
        read_all(argv + 2);
    else if (argc == 6 && strcmp(argv[1], "answer") == 0)
        answer_all(argv + 2);
    else if (argc > 6 && strcmp(argv[1], "ask") == 0)
        ask_all(argv + 2, argc - 6);
    else
        return 2;
    return 0;
}
