/* One thread publishes until SIGTERM, another notes the receipts; an id's token is id + 1. */
#include "worker.h"

#include "ledger.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

enum { START_MS = 30000, FLUSH_MS = 60000, SHUTDOWN_MS = 5000, BATCH = 64 };

typedef struct publishing {
    const worker_options *options;
    kca_bus *bus;
    kca_queue *queue;
    atomic_int unanswered;
    atomic_bool stopped; /* nothing more is published */
} publishing;

static void note_receipt(publishing *p, const kca_event *receipt) {
    int id = (int)kca_event_token(receipt) - 1;
    const kca_error *e = kca_event_error(receipt);
    if (e)
        ledger_note(p->options->ledger, "failed %d %s", id, kca_error_name(e));
    else
        ledger_note(p->options->ledger, "stored %d %d %" PRId64, id, kca_event_partition(receipt),
                    kca_event_offset(receipt));
    atomic_fetch_sub(&p->unanswered, 1);
}

static void *note_receipts(void *argument) {
    publishing *p = argument;
    kca_event *events[BATCH];
    while (!p->stopped || p->unanswered > 0) {
        int count = kca_queue_next(p->queue, events, BATCH, 100);
        for (int i = 0; i < count; i++) {
            if (kca_event_type(events[i]) == KCA_EVENT_RECEIPT)
                note_receipt(p, events[i]);
            kca_event_free(events[i]);
        }
    }
    return NULL;
}

static void publish(publishing *p, int id) {
    char key[20], payload[40];
    kca_message *m;
    int key_len = snprintf(key, sizeof key, "k%d", id % p->options->keys);
    int len = snprintf(payload, sizeof payload, "{\"id\":%d}", id);
    require(kca_message_new(&m, "thing"));
    kca_message_set_payload(m, payload, (size_t)len);
    kca_message_set_key(m, key, (size_t)key_len);
    if (p->options->replies) {
        snprintf(key, sizeof key, "%d", id);
        kca_message_set_correlation_id(m, key);
        kca_message_set_reply_to(m, p->options->replies);
    }
    ledger_note(p->options->ledger, "sent %d", id);
    atomic_fetch_add(&p->unanswered, 1);
    kca_error *e = kca_bus_publish(p->bus, m, (uint64_t)id + 1);
    if (e) {
        atomic_fetch_sub(&p->unanswered, 1);
        ledger_note(p->options->ledger, "refused %d %s", id, kca_error_name(e));
        fprintf(stderr, "%s\n", kca_error_text(e));
        kca_error_free(e);
    }
    kca_message_free(m);
}

static void add_publisher(kca_system *s, const worker_options *o) {
    kca_publisher_builder *b;
    require(kca_publisher_builder_new(&b, "kafka", o->topic));
    kca_publisher_builder_with_required_acks(b, -1);
    kca_publisher_builder_with_idempotence(b, 1);
    kca_publisher_builder_with_max_attempts(b, 1000000);
    kca_publisher_builder_with_buffer_timeout_ms(b, -1);
    require(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

static void stop(void *stopping) {
    atomic_store((atomic_bool *)stopping, true);
}

static void publish_until_term(publishing *p) {
    static atomic_bool stopping;
    on_term(stop, &stopping);
    for (int id = p->options->from; !stopping; id++) {
        publish(p, id);
        pass_us(1000000 / p->options->a_second);
    }
}

int worker_publish(const worker_options *o) {
    publishing p = {.options = o};
    kca_system *s = worker_system(o);
    add_publisher(s, o);
    require(kca_system_start(s, START_MS));
    require(kca_system_event_bus(s, o->topic, &p.bus));
    require(kca_system_queue(s, &p.queue));
    pthread_t notes = start_quiet(note_receipts, &p);
    publish_until_term(&p);
    require(kca_bus_flush(p.bus, FLUSH_MS));
    p.stopped = true;
    pthread_join(notes, NULL);
    require(kca_system_shutdown(s, SHUTDOWN_MS));
    kca_queue_free(p.queue);
    kca_bus_free(p.bus);
    kca_system_free(s);
    return 0;
}
