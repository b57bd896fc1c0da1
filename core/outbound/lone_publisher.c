#include "outbound/lone_publisher.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdlib.h>

typedef struct beside {
    kca__link link;
    const kca__publisher *other;
    kca__lone_publisher own;
} beside;

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

kca_error *kca__lone_publishers_find(kca__publisher **out, kca__lone_publishers *all,
                                     const kca__publisher *other) {
    beside *b = kca__list_first(all);
    *out = NULL;
    while (b && b->other != other)
        b = kca__list_next(&b->link);
    if (!b && (b = calloc(1, sizeof *b))) {
        b->other = other;
        kca__list_add(all, &b->link);
    }
    kca_error *e = b ? kca__lone_publisher_open(&b->own, other) : kca__error_memory();
    if (!e)
        *out = b->own.publisher;
    return e;
}

void kca__lone_publishers_close(kca__lone_publishers *all, int64_t deadline) {
    beside *b;
    while ((b = kca__list_take(all))) {
        kca__lone_publisher_close(&b->own, deadline);
        free(b);
    }
}
