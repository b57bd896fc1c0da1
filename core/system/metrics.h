/*
 * Metrics: what a system counts, as rows with a name, and one walk that gives each row's values.
 *
 * Whoever writes them (as text here, or in another form) gives a visitor. It is called under the
 * locks of `describe`: it keeps what it needs, and calls nothing of the system. All values of one
 * part are of one moment. Values of a row do not come one after the other: those of one part do.
 */
#ifndef KCA_SYSTEM_METRICS_H
#define KCA_SYSTEM_METRICS_H

#include "system/system.h"

typedef enum kca__metric_of {
    KCA__METRIC_OF_CONNECTION,
    KCA__METRIC_OF_SENT,
    KCA__METRIC_OF_PUBLISHER,
    KCA__METRIC_OF_REPLY_CHANNEL,
    KCA__METRIC_OF_CONSUMER,
    KCA__METRIC_OF_PARTITION,
    KCA__METRIC_OF_LOCALS
} kca__metric_of;

typedef struct kca__metric {
    const char *name; /* as OpenTelemetry writes it: "kca.consumer.handled" */
    const char *unit; /* likewise: "{message}" */
    bool counts;      /* it only grows: a counter; otherwise a gauge */
    const char *text; /* one line for people */
    kca__metric_of of;
    size_t at;    /* of its value in the numbers of its part */
    bool is_wide; /* int64_t there, else int */
} kca__metric;

enum { KCA__METRIC_ROWS = 64, KCA__METRIC_LABELS = 5 }; /* at most */

/* The last one has no name. */
extern const kca__metric kca__metrics[];

/* As OpenTelemetry names attributes; the last one has no name. */
typedef struct kca__metric_label {
    const char *name;
    const char *value;
} kca__metric_label;

typedef void (*kca__metric_fn)(void *user, const kca__metric *row, const kca__metric_label *labels,
                               int64_t value);

/* Each row with each of its parts; what is not known yet is left out. */
void kca__metrics_walk(kca__system *s, kca__metric_fn fn, void *user);

/* See kca_system_metrics. Free with free(). */
kca_error *kca__metrics_write(char **out, kca__system *s, int format);

#endif
