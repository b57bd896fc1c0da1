/*
 * The order example of the document: publish orderCreated events, handle them with four processors,
 * shut down cleanly.
 *
 *     order_example [bootstrap] [events]        defaults: embedded://  20
 */
#include <kca.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct order_service {
    kca_consumer *consumer;
    atomic_int handled;
    int expected;
} order_service;

static void check(kca_error *e) {
    if (!e)
        return;
    fprintf(stderr, "order_example: %s\n", kca_error_text(e));
    kca_error_free(e);
    exit(1);
}

/* Runs on one of the four processors; orders of one customer (the key) come one after another. */
static int handle_order_created(kca_delivery *d, void *user) {
    order_service *service = user;
    const kca_message *m = kca_delivery_message(d);
    const char *order_id;
    double amount;
    kca_error *e = kca_message_json_string(m, "/orderId", &order_id);
    if (!e)
        e = kca_message_json_double(m, "/amount", &amount);
    if (e) {
        kca_delivery_explain(d, kca_error_name(e), kca_error_text(e));
        kca_error_free(e);
        return KCA_REJECTED;
    }
    printf("handled   %s  amount %8.2f  from %s[%d] offset %lld\n", order_id, amount,
           kca_delivery_topic(d), kca_delivery_partition(d), (long long)kca_delivery_offset(d));
    if (atomic_fetch_add(&service->handled, 1) + 1 >= service->expected)
        kca_consumer_stop(service->consumer);
    return KCA_DONE;
}

static void declare(kca_system *s, const char *bootstrap, order_service *service) {
    kca_connection *connection;
    check(kca_connection_new(&connection, "kafka", bootstrap));
    check(kca_system_add_connection(s, connection));
    kca_connection_free(connection);

    kca_publisher_builder *publisher;
    check(kca_publisher_builder_new(&publisher, "kafka", "order.events"));
    kca_publisher_builder_with_batch_size(publisher, 100);
    kca_publisher_builder_with_max_attempts(publisher, 5);
    kca_publisher_builder_with_required_acks(publisher, -1);
    check(kca_system_add_publisher(s, publisher));
    kca_publisher_builder_free(publisher);

    kca_consumer_builder *consumer;
    check(kca_consumer_builder_new(&consumer, "kafka", "order.events", "order-service-group"));
    kca_consumer_builder_with_heartbeat_interval_ms(consumer, 5000);
    kca_consumer_builder_with_commit_interval_ms(consumer, 10000);
    check(kca_system_add_consumer(s, consumer));
    kca_consumer_builder_free(consumer);

    check(kca_system_add_handler(s, "orderCreated", handle_order_created, service, NULL));
}

/* Each message of an async publisher gets a receipt. Unread receipts fill the buffer, so they are
 * read along the way. */
static int read_receipts(kca_queue *queue, int *stored, int timeout_ms) {
    kca_event *events[100];
    int count = kca_queue_next(queue, events, 100, timeout_ms), receipts = 0;
    for (int i = 0; i < count; i++) {
        if (kca_event_type(events[i]) == KCA_EVENT_RECEIPT) {
            receipts++;
            *stored += kca_event_error(events[i]) == NULL;
        }
        kca_event_free(events[i]);
    }
    return receipts;
}

static void publish_orders(kca_system *s, int count) {
    kca_bus *bus;
    kca_message *m;
    kca_queue *queue;
    int answered = 0, stored = 0;
    check(kca_system_event_bus(s, "order.events", &bus));
    check(kca_system_queue(s, &queue));
    check(kca_message_new(&m, "orderCreated"));
    for (int i = 1; i <= count; i++) {
        char order[100], customer[20];
        int len = snprintf(order, sizeof order, "{\"orderId\":\"ORD-%05d\",\"amount\":%.2f}", i,
                           i * 9.99);
        snprintf(customer, sizeof customer, "customer-%d", i % 5);
        kca_message_set_payload(m, order, (size_t)len);
        kca_message_set_correlation_id(m, customer);
        check(kca_bus_publish(bus, m, (uint64_t)i));
        if (i - answered >= 1000)
            answered += read_receipts(queue, &stored, 10000);
    }
    for (int new_ones = 1; answered < count && new_ones > 0; answered += new_ones)
        new_ones = read_receipts(queue, &stored, 30000);
    printf("published %d orderCreated events, %d stored\n", count, stored);
    kca_message_free(m);
    kca_queue_free(queue);
    kca_bus_free(bus);
}

/* Ctrl-C: a thread of its own waits for the signal, because a signal handler may do next to
 * nothing. */
static void *wait_for_signal(void *user) {
    sigset_t *signals = user;
    int signal_number;
    sigwait(signals, &signal_number);
    exit(130);
}

int main(int argc, char **argv) {
    const char *bootstrap = argc > 1 ? argv[1] : "embedded://";
    int count = argc > 2 ? atoi(argv[2]) : 20;
    static sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_t signal_thread;
    pthread_create(&signal_thread, NULL, wait_for_signal, &signals);

    kca_system *s;
    order_service service = {.expected = count};
    check(kca_system_new(&s));
    check(kca_system_log_to_stderr(s, KCA_LOG_WARN));
    declare(s, bootstrap, &service);
    check(kca_system_start(s, 10000));
    printf("started on %s\n", bootstrap);

    publish_orders(s, count);

    check(kca_system_consumer(s, "order-service-group", &service.consumer));
    kca_consumer_with_amount_of_processors(service.consumer, 4);
    kca_consumer_with_message_processing_timeout_ms(service.consumer, 30000);
    check(kca_consumer_run(service.consumer));

    char *endpoints;
    check(kca_system_describe(s, KCA_FORMAT_TEXT, &endpoints));
    printf("%s", endpoints);
    kca_string_free(endpoints);

    kca_consumer_free(service.consumer);
    check(kca_system_shutdown(s, 10000));
    kca_system_free(s);
    printf("shut down cleanly\n");
    return 0;
}
