/* Redrive: says which dead letters are to be published again, and where to; and does it. */
#ifndef KCA_REDRIVE_REDRIVE_H
#define KCA_REDRIVE_REDRIVE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/option_table.h"
#include "connection/connection.h"

/* The header that counts how often a message was redriven. */
#define KCA__REDRIVES "kca-redrives"

/* How the names of topics begin that are the cluster's own. */
#define KCA__INTERNAL_TOPIC "__"

/* The options are the rows of kca__redrive_options. */
struct kca_redrive {
    char *connection;
    char *topic; /* of dead letters */
    char *group_id;
    char *to_topic;                     /* NULL: the one that each came from */
    int max_messages;                   /* 0: all */
    int64_t start_time_ms, end_time_ms; /* KCA__OPTION_UNSET: none */
    int start_partition;
    int64_t start_offset;
    kca__option_texts only_topic, only_error; /* empty: any */
    kca__option_texts allowed_topic;          /* empty: those that our own letters name */
    int max_redrives;
    int give_up_others;
    int dry_run;
    int max_listed;
    int list_records;
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

/* The topics that the options name, which messages may go to; NULL: a letter of ours may name any.
 */
const kca__option_texts *kca__redrive_allowed(const kca_redrive *r);

/* How far a redrive has come; for other threads to look at. */
typedef struct kca__redrive_progress {
    _Atomic(int64_t) records; /* that it will read */
    _Atomic(int64_t) read, redriven;
} kca__redrive_progress;

/* Runs the redrive. `c` is the system's copy of its connection, and open. Ends soon once *closing
 * is set. `out`, the report, is freed with free(). */
kca_error *kca__redrive_do(char **out, const kca_redrive *r, kca_connection *c, kca__log *log,
                           kca__redrive_progress *progress, const atomic_bool *closing,
                           int timeout_ms);

#endif
