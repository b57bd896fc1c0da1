/*
 * Logs of one system, librdkafka's included: to stderr and to the system's queue, each when asked,
 * else nowhere. Any thread may write. Every text that was declared a secret is masked in every
 * line.
 */
#ifndef KCA_BASE_LOG_H
#define KCA_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/event_queue.h"

typedef struct kca__log {
    atomic_int stderr_level;
    atomic_int queue_level;
    _Atomic(kca__event_queue *) queue;
    pthread_mutex_t lock; /* guards secrets */
    char **secrets;
    int secret_count;
} kca__log;

void kca__log_init(kca__log *log, kca__event_queue *queue);
void kca__log_close(kca__log *log);

/* Texts shorter than 4 characters are not taken: blotting them out would destroy every line. False
 * when memory is out: then no line may be written that could hold the secret. */
bool kca__log_add_secret(kca__log *log, const char *secret);

/* Masks the secrets in `text`, in place. */
void kca__log_mask(kca__log *log, char *text);

/* `component`: "system", "connection", "publisher", "consumer" or "librdkafka"; `name` may be NULL.
 */
void kca__log_write(kca__log *log, int level, const char *component, const char *name,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Nobody has asked for logs. */
bool kca__log_is_off(kca__log *log);

#endif
