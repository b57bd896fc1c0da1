#include "outbound/lone_publisher.h"

#include "base/clock.h"

kca_error *kca__lone_publisher_open(kca__lone_publisher *l, const kca__publisher *other) {
    if (l->publisher)
        return NULL;
    kca_publisher_builder *options;
    kca_error *e = kca__publisher_builder_copy(&options, other->options);
    if (e)
        return e;
    l->producers.lone = true;
    options->batch_size = 1;
    options->linger_ms = 0;
    if (options->required_acks == 0)
        options->required_acks = -1;
    e = kca__publisher_new(&l->publisher, options, other->connection, other->log);
    if (!e)
        e = kca__publisher_open(l->publisher, &l->producers);
    if (e)
        kca__lone_publisher_close(l, kca__clock_deadline(0));
    return e;
}

void kca__lone_publisher_close(kca__lone_publisher *l, int64_t deadline) {
    if (!l->publisher)
        return;
    kca__publisher_close(l->publisher, deadline);
    kca__producers_close(&l->producers);
    kca__publisher_free(l->publisher);
    l->publisher = NULL;
}
