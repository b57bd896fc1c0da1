#include "inbound/processors.h"

#include "base/error.h"
#include "base/thread.h"

#include <stdlib.h>

typedef struct processor {
    const kca__consumer *consumer;
    kca__inbound *inbound;
    pthread_t thread;
} processor;

static void *process(void *argument) {
    processor *p = argument;
    kca__returned returned = {0};
    kca_event *taken; /* the notes go elsewhere in this form: a delivery, or a batch */
    while (kca__inbound_take(p->inbound, &returned, &taken, 1, KCA__CLOCK_NEVER) > 0) {
        if (taken->type == KCA_EVENT_BATCH) {
            kca__consumer_handle_batch(p->consumer, taken);
            continue;
        }
        kca_delivery *d = (kca_delivery *)taken;
        if (kca__consumer_handle(p->consumer, d, &returned.verdict))
            returned.done = d;
    }
    kca__engine_put_away(p->inbound->engine, &returned);
    return NULL;
}

kca_error *kca__processors_run(const kca__consumer *c, kca__inbound *in, int count) {
    processor *all = calloc((size_t)count, sizeof *all);
    if (!all) {
        kca__inbound_stop(in, KCA__CLOCK_NEVER);
        return kca__error_memory();
    }
    kca_error *e = NULL;
    int started = 1;
    all[0] = (processor){c, in, pthread_self()};
    for (; started < count && !e; started++) {
        all[started] = (processor){.consumer = c, .inbound = in};
        if (!kca__thread_start_processor(&all[started].thread, process, &all[started])) {
            e = kca__error_new(KCA_ERROR_MEMORY,
                               "consumer %s: processor %d of %d: no thread can be started",
                               c->options->name, started + 1, count);
            kca__inbound_stop(in, KCA__CLOCK_NEVER);
            break;
        }
    }
    process(&all[0]);
    for (int i = 1; i < started; i++)
        pthread_join(all[i].thread, NULL);
    free(all);
    return e;
}
