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

static void publish(void *argument, int id) {
    publishing *p = argument;
    kca_message *m = new_thing(p->options, id);
    if (p->options->replies)
        kca_message_set_reply_to(m, p->options->replies);
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
    kca_publisher_builder *b = lasting_publisher(o);
    kca_publisher_builder_with_buffer_timeout_ms(b, -1);
    require(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

int worker_publish(const worker_options *o) {
    publishing p = {.options = o};
    kca_system *s = worker_system(o);
    add_publisher(s, o);
    require(kca_system_start(s, START_MS));
    require(kca_system_event_bus(s, o->topic, &p.bus));
    require(kca_system_queue(s, &p.queue));
    pthread_t notes = start_quiet(note_receipts, &p);
    send_until_term(o, publish, &p);
    require(kca_bus_flush(p.bus, FLUSH_MS));
    p.stopped = true;
    pthread_join(notes, NULL);
    require(kca_system_shutdown(s, SHUTDOWN_MS));
    kca_queue_free(p.queue);
    kca_bus_free(p.bus);
    kca_system_free(s);
    return 0;
}
