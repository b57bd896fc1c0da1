/* One thread asks until SIGTERM, another notes the answers; an id's token is id + 1. An answer says
 * where its question is, which so counts as stored. */
#include "worker.h"

#include "ledger.h"
#include "systems.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    START_MS = 30000,
    SHUTDOWN_MS = 5000,
    ANSWER_MS = 600000, /* longer than any test: none of these is over */
    SOON_MS = 1,
    SOON_EVERY = 50,    /* one of so many waits no longer than that, and is answered too late */
    MOST_OPEN = 100000, /* more than any test asks while nobody answers */
    BATCH = 64,
    COUNT_MS = 100
};

typedef struct asking {
    const worker_options *options;
    kca_system *system;
    kca_bus *bus;
    kca_queue *queue;
    atomic_int open; /* asks */
    atomic_bool stopped;
    char counts[200]; /* as they were noted last */
} asking;

static void note_answer(const asking *a, int id, const kca_message *m) {
    int64_t answered, partition, offset;
    require(kca_message_json_int64(m, "/id", &answered));
    require(kca_message_json_int64(m, "/partition", &partition));
    require(kca_message_json_int64(m, "/offset", &offset));
    if (answered != id) {
        fprintf(stderr, "question %d has the answer to %" PRId64 "\n", id, answered);
        abort();
    }
    ledger_note(a->options->ledger, "stored %d %" PRId64 " %" PRId64, id, partition, offset);
}

static void note_end(asking *a, const kca_event *e) {
    int id = (int)kca_event_token(e) - 1;
    const kca_error *error = kca_event_error(e);
    if (error)
        ledger_note(a->options->ledger, "failed %d %s", id, kca_error_name(error));
    else
        note_answer(a, id, kca_event_reply(e));
    atomic_fetch_sub(&a->open, 1);
}

static void note_counts(asking *a) {
    static const char *const names[] = {"answered", "late", "unknown", "timed_out", "asked"};
    int64_t n[5];
    char counts[sizeof a->counts];
    for (int i = 0; i < 5; i++)
        n[i] = described(a->system, "reply_channels", 0, names[i]);
    snprintf(counts, sizeof counts,
             "counted %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, n[0], n[1], n[2],
             n[3], n[4]);
    if (strcmp(counts, a->counts) != 0)
        ledger_note(a->options->ledger, "%s", counts);
    memcpy(a->counts, counts, sizeof counts);
}

static void *note_ends(void *argument) {
    asking *a = argument;
    kca_event *events[BATCH];
    while (!a->stopped || a->open > 0) {
        int count = kca_queue_next(a->queue, events, BATCH, COUNT_MS);
        for (int i = 0; i < count; i++) {
            if (kca_event_type(events[i]) == KCA_EVENT_REPLY)
                note_end(a, events[i]);
            kca_event_free(events[i]);
        }
        note_counts(a);
    }
    return NULL;
}

static void ask(void *argument, int id) {
    asking *a = argument;
    kca_message *m = new_thing(a->options, id);
    atomic_fetch_add(&a->open, 1);
    require(kca_bus_send(a->bus, m, (uint64_t)id + 1, id % SOON_EVERY ? ANSWER_MS : SOON_MS));
    kca_message_free(m);
}

static void add_publisher(kca_system *s, const worker_options *o) {
    kca_publisher_builder *b = lasting_publisher(o);
    kca_publisher_builder_with_buffer_messages(b, MOST_OPEN);
    kca_publisher_builder_with_reply_channel(b, o->replies);
    require(kca_system_add_publisher(s, b));
    kca_publisher_builder_free(b);
}

int worker_ask(const worker_options *o) {
    asking a = {.options = o, .system = worker_system(o)};
    add_publisher(a.system, o);
    require(kca_system_start(a.system, START_MS));
    require(kca_system_query_bus(a.system, o->topic, &a.bus));
    require(kca_system_queue(a.system, &a.queue));
    pthread_t notes = start_quiet(note_ends, &a);
    send_until_term(o, ask, &a);
    a.stopped = true;
    pthread_join(notes, NULL);
    note_counts(&a);
    require(kca_system_shutdown(a.system, SHUTDOWN_MS));
    kca_queue_free(a.queue);
    kca_bus_free(a.bus);
    kca_system_free(a.system);
    return 0;
}
