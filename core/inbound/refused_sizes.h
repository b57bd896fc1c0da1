/*
 * What topics have refused as too large, in this run: what is as large is not sent to them for a
 * minute, for it would have the whole transaction aborted. Any thread.
 */
#ifndef KCA_INBOUND_REFUSED_SIZES_H
#define KCA_INBOUND_REFUSED_SIZES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KCA__REFUSED_TOPICS = 16 }; /* of more than that nothing is known */

typedef struct kca__refused_sizes {
    pthread_mutex_t lock;
    int count;
    struct {
        const char *topic;
        size_t bytes; /* of the smallest */
        int64_t until_ms;
    } all[KCA__REFUSED_TOPICS];
} kca__refused_sizes;

void kca__refused_sizes_init(kca__refused_sizes *s);
void kca__refused_sizes_close(kca__refused_sizes *s);

/* The topic (the pointer tells them apart) refused a record of this size, which was alone. */
void kca__refused_sizes_add(kca__refused_sizes *s, const char *topic, size_t bytes, int64_t now_ms);

/* One of this size would be refused, too. */
bool kca__refused_sizes_has(kca__refused_sizes *s, const char *topic, size_t bytes, int64_t now_ms);

#endif
