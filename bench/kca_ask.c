/*
 * Asks at the pace of the end-to-end programs: one system asks, over one channel, and a consumer in
 * the same process answers over another. The time runs from just before an ask is sent to where its
 * answer is taken from the queue.
 */
#include "end_to_end.h"
#include "kca_publisher.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ASK_TIMEOUT_MS = 30000,
    ASKS_AT_ONCE = 30000 /* more than a run has: a stall of the broker ends none */
};

typedef struct program {
    end_to_end run;
    publisher publisher;
    kca_bus *bus;
    kca_consumer *consumer;
    double *sent; /* of each ask, by its token */
    uint64_t asked;
} program;

static void ask(void *user) {
    program *p = user;
    p->sent[++p->asked] = p->run.sent;
    check(kca_bus_send(p->bus, p->publisher.message, p->asked, ASK_TIMEOUT_MS));
}

static int on_order(kca_delivery *delivery, void *user) {
    (void)user;
    check(kca_delivery_reply(delivery, workload_payload, workload_payload_size));
    return KCA_DONE;
}

static void *answer(void *user) {
    const program *p = user;
    check(kca_consumer_run(p->consumer));
    return NULL;
}

/* Takes answers until the last has come. */
static void take_answers(program *p) {
    bool last = false;
    while (!last) {
        kca_event *e;
        if (kca_queue_next(p->publisher.queue, &e, 1, -1) != 1)
            die("answers: the queue ended");
        if (kca_event_type(e) == KCA_EVENT_REPLY) {
            if (kca_event_error(e))
                die("answer: %s", kca_error_text(kca_event_error(e)));
            last = end_to_end_arrived(&p->run, &p->sent[kca_event_token(e)], sizeof *p->sent);
        }
        kca_event_free(e);
    }
}

static void declare(kca_system *system, const options *o, const char *replies) {
    kca_publisher_builder *asks, *answers;
    kca_consumer_builder *c;
    check(kca_publisher_builder_new(&asks, kca_client_connection, o->topic));
    kca_publisher_builder_with_required_acks(asks, -1);
    kca_publisher_builder_with_linger_ms(asks, 0);
    kca_publisher_builder_with_reply_channel(asks, replies);
    kca_publisher_builder_with_buffer_messages(asks, ASKS_AT_ONCE);
    check(kca_system_add_publisher(system, asks));
    kca_publisher_builder_free(asks);
    check(kca_publisher_builder_new(&answers, kca_client_connection, replies));
    kca_publisher_builder_with_required_acks(answers, -1);
    kca_publisher_builder_with_linger_ms(answers, 0);
    check(kca_system_add_publisher(system, answers));
    kca_publisher_builder_free(answers);
    check(kca_consumer_builder_new(&c, kca_client_connection, o->topic, o->group));
    kca_consumer_builder_with_reply(c, 1);
    check(kca_system_add_consumer(system, c));
    kca_consumer_builder_free(c);
}

int main(int argc, char **argv) {
    options o;
    program p = {0};
    pthread_t answerer;
    char replies[300];
    options_parse(&o, argc, argv);
    snprintf(replies, sizeof replies, "%s.replies", o.topic);
    kca_system *system = kca_client_system(&o);
    declare(system, &o, replies);
    check(kca_system_add_handler(system, workload_route, on_order, NULL, NULL));
    check(kca_system_start(system, KCA_CLIENT_TIMEOUT_MS));
    publisher_open(&p.publisher, system, &o);
    kca_message_set_payload(p.publisher.message, workload_payload, workload_payload_size);
    check(kca_system_query_bus(system, o.topic, &p.bus));
    check(kca_system_consumer(system, o.group, &p.consumer));
    p.sent = calloc((size_t)(END_TO_END_WARM_UP + o.messages) + 2, sizeof *p.sent);
    if (!p.sent || pthread_create(&answerer, NULL, answer, &p))
        die("ask: no memory or no thread");
    end_to_end_start(&p.run, o.messages, ask, &p);
    take_answers(&p);
    end_to_end_finish(&p.run);
    kca_consumer_stop(p.consumer);
    pthread_join(answerer, NULL);
    measure_print(&p.run.measure, "kca_ask", kca_version(), o.messages);
    kca_consumer_free(p.consumer);
    kca_bus_free(p.bus);
    publisher_close(&p.publisher);
    check(kca_system_shutdown(system, KCA_CLIENT_TIMEOUT_MS));
    kca_system_free(system);
    free(p.sent);
    return 0;
}
