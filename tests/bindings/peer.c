/*
 * The peer of the cross test in C; peer.py and peer.lua do the same.
 *
 *     peer publish BOOTSTRAP TOPIC NAME MESSAGE_ID CORRELATION_ID SENDER TRACEPARENT TRACESTATE \
 *                  PAYLOAD
 *     peer handle BOOTSTRAP TOPIC GROUP COUNT
 *
 * `handle` prints a line for each: the fields of `publish` with tabs, the payload in hex.
 */
#include <kca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct peer {
    kca_consumer *consumer;
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

static void publish(char **args) {
    kca_system *s = new_system(args[0]);
    kca_publisher_builder *b;
    check(kca_publisher_builder_new(&b, "kafka", args[1]));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_async(b, 0);
    check(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
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
    if (--p->left == 0)
        kca_consumer_stop(p->consumer);
    return KCA_DONE;
}

static void handle(char **args) {
    kca_system *s = new_system(args[0]);
    kca_consumer_builder *b;
    peer p = {.left = atoi(args[3])};
    check(kca_consumer_builder_new(&b, "kafka", args[1], args[2]));
    check(kca_system_add_consumer(s, b));
    kca_consumer_builder_free(b);
    check(kca_system_add_handler(s, "*", handle_one, &p, NULL));
    check(kca_system_start(s, 10000));
    check(kca_system_consumer(s, args[2], &p.consumer));
    check(kca_consumer_run(p.consumer));
    kca_consumer_free(p.consumer);
    close_system(s);
}

int main(int argc, char **argv) {
    if (argc == 11 && strcmp(argv[1], "publish") == 0)
        publish(argv + 2);
    else if (argc == 6 && strcmp(argv[1], "handle") == 0)
        handle(argv + 2);
    else
        return 2;
    return 0;
}
