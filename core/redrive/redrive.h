/* Redrive: says which dead letters are to be published again, and where to; and does it. */
#ifndef KCA_REDRIVE_REDRIVE_H
#define KCA_REDRIVE_REDRIVE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/option_table.h"
#include "connection/connection.h"

/* The header that counts how often a message was redriven. */
#define KCA__REDRIVES "kca-redrives"

/* The options are the rows of kca__redrive_options. */
struct kca_redrive {
    char *connection;
    char *topic; /* of dead letters */
    char *group_id;
    char *to_topic;                           /* NULL: the one that each came from */
    int max_messages;                         /* 0: all */
    int64_t start_time_ms, end_time_ms;       /* KCA__OPTION_UNSET: none */
    kca__option_texts only_topic, only_error; /* empty: any */
    int max_redrives;
    int dry_run;
    kca_error *error;
};

extern const kca__option kca__redrive_options[];

kca_error *kca__redrive_new(kca_redrive **out, const char *connection, const char *topic);
void kca__redrive_free(kca_redrive *r);

/* A copy without the first failure. */
kca_error *kca__redrive_copy(kca_redrive **out, const kca_redrive *r);

/* What no single setter can check. */
kca_error *kca__redrive_check(const kca_redrive *r);

/* Whether the filters let through a dead letter of this origin, error and time of writing (-1:
 * unknown). */
bool kca__redrive_takes(const kca_redrive *r, const char *topic, const char *error_name,
                        int64_t written_ms);

/* Runs the redrive. `c` is the system's copy of its connection, and open. Ends soon once *closing
 * is set. `out`, the report, is freed with free(). */
kca_error *kca__redrive_do(char **out, const kca_redrive *r, kca_connection *c, kca__log *log,
                           const atomic_bool *closing, int timeout_ms);

#endif
