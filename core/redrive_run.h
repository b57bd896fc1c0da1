/*
 * A run of a redrive; private to the redrive_*.c. All of it is on the caller's thread: it reads a
 * record, hands it to the producer, and takes the producer's reports between records.
 *
 * source  the dead-letter topic's partitions, each from where the group was to where it ended when
 *         the run began, assigned by hand. What was read and is not settled is a list of letters
 *         in the order of the partition. `next` is the frontier: all before it is settled, and
 *         only that is ever counted, reported or committed. So whatever happens to what is under
 *         way, counts and offsets are true, and the run may begin again at the frontiers.
 * target  an idempotent producer. At the first message that is not stored all that is under way is
 *         purged, lest what comes after it is stored before it.
 *
 * Memory is bounded by the letters, not by the topic: so many, and so many bytes.
 */
#ifndef KCA_CORE_REDRIVE_RUN_H
#define KCA_CORE_REDRIVE_RUN_H

#include <cjson/cJSON.h>

#include "dead_letter.h"
#include "redrive.h"

typedef enum kca__redrive_outcome {
    KCA__REDRIVEN,
    KCA__LEFT_OUT,
    KCA__GUARDED,
    KCA__NOT_DEAD_LETTER,
    KCA__UNKNOWN_TARGET,
    KCA__REDRIVE_OUTCOMES
} kca__redrive_outcome;

struct kca__redrive_partition;

/* A record that was read, until the frontier is past it. */
typedef struct kca__redrive_letter {
    struct kca__redrive_letter *next;
    struct kca__redrive_partition *partition;
    int64_t offset;
    kca__redrive_outcome outcome;
    bool settled;             /* the broker has it, or it is not to be published */
    size_t bytes;             /* under way */
    cJSON *listing;           /* among the report's messages; NULL: not there */
    char *topic, *error_name; /* for the report's counts; inside this block */
} kca__redrive_letter;

typedef struct kca__redrive_partition {
    struct kca__redrive_run *run;
    int number;
    int64_t next;      /* the frontier */
    int64_t read;      /* what comes from here on was not read */
    int64_t end;       /* nothing is read from here on */
    int64_t committed; /* -1: nothing in this run */
    bool finished;     /* read up to its end, or to where the broker lets it be read */
    kca__redrive_letter *first, *last;
} kca__redrive_partition;

/* A topic that messages go to. */
typedef struct kca__redrive_topic {
    struct kca__redrive_topic *next;
    char *name;
    int partitions;
    rd_kafka_topic_t *handle; /* the producer's; NULL: a dry run */
} kca__redrive_topic;

typedef struct kca__redrive_report {
    int64_t counts[KCA__REDRIVE_OUTCOMES];
    cJSON *by_topic, *by_error, *messages;
    int listed; /* of the messages, those not reported yet included */
} kca__redrive_report;

typedef struct kca__redrive_run {
    const kca_redrive *options;
    kca_connection *connection;
    kca__log *log;
    const atomic_bool *leaving;
    int64_t deadline;
    char who[280]; /* "redrive orders.dead", as error texts begin */
    kca_error *failure;
    kca__redrive_report report;

    kca__client *reader;
    kca__redrive_partition *partitions;
    int partition_count;
    int64_t committed_ms; /* when; monotonic */
    int uncommitted;      /* letters settled since */

    kca__client *writer; /* NULL: a dry run */
    kca__redrive_topic *topics;
    bool singly;    /* one record a batch */
    bool too_large; /* the failure is a batch that was too large */
    int under_way;  /* handed to the producer, no report yet */
    int letters;    /* of all partitions */
    int chosen;     /* of these, those to be redriven */
    size_t bytes;   /* of these */
} kca__redrive_run;

/* An error that begins with who it is; `err` may be 0. */
kca_error *kca__redrive_error(const kca__redrive_run *run, int code, rd_kafka_resp_err_t err,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Keeps the first failure, which ends the run. Takes `e`; NULL: none. */
void kca__redrive_fail(kca__redrive_run *run, kca_error *e);

/* One question of at most `timeout_ms` to the cluster through the reader. */
typedef rd_kafka_resp_err_t (*kca__redrive_question)(kca__redrive_run *run, void *about,
                                                     int timeout_ms);

/* Asks until there is an answer, or the deadline; `what` is asked for ("its offsets"). */
kca_error *kca__redrive_ask(kca__redrive_run *run, kca__redrive_question ask, void *about,
                            const char *what, int64_t deadline);

/* How many partitions a topic has; asking does not create it: KCA_ERROR_NOT_FOUND. */
kca_error *kca__redrive_count_partitions(kca__redrive_run *run, const char *topic, int *out);

/* Reads a record of the source, and sends it, passes it by, or fails. */
void kca__redrive_take(struct kca__redrive_partition *p, const rd_kafka_message_t *m);

/* ---- source ---- */

/* Opens the reader, and finds where each partition begins and ends. */
kca_error *kca__redrive_source_open(kca__redrive_run *run);
void kca__redrive_source_close(kca__redrive_run *run);

/* Reads on from the frontiers; letters that are not settled are forgotten. */
kca_error *kca__redrive_source_begin(kca__redrive_run *run);

/* The next record, which the caller destroys, and its partition; NULL: none came within the time,
 * or something that is no record and is seen to. */
rd_kafka_message_t *kca__redrive_source_read(kca__redrive_run *run, int timeout_ms,
                                             kca__redrive_partition **out);

/* A letter at the end of the partition's list; NULL when memory is out. */
kca__redrive_letter *kca__redrive_source_add(kca__redrive_partition *p, int64_t offset,
                                             kca__redrive_outcome outcome,
                                             const kca__dead_letter *d);

/* Moves the frontier over what is settled, which counts now. */
void kca__redrive_source_advance(kca__redrive_partition *p);

/* All partitions are read to their ends. */
bool kca__redrive_source_is_finished(const kca__redrive_run *run);

/* Records between the frontiers and the ends. */
int64_t kca__redrive_source_remaining(const kca__redrive_run *run);

/* Commits the frontiers that have moved; waits for the answer. */
kca_error *kca__redrive_source_commit(kca__redrive_run *run, int64_t deadline);

/* ---- target ---- */

kca_error *kca__redrive_target_open(kca__redrive_run *run);

/* Drops what is under way. */
void kca__redrive_target_close(kca__redrive_run *run);

/* The topic of this name, which must exist. */
kca_error *kca__redrive_target_find(kca__redrive_topic **out, kca__redrive_run *run,
                                    const char *name);

/* Hands the failed record to the producer, which copies it; `partition` -1: by key. The letter is
 * settled when it is stored; if it is not, that is the run's failure. */
void kca__redrive_target_send(kca__redrive_run *run, const kca__redrive_topic *topic, int partition,
                              const kca__dead_letter *d, int redrives, kca__redrive_letter *letter);

/* Takes the producer's reports; waits for one at most this long. */
void kca__redrive_target_serve(kca__redrive_run *run, int timeout_ms);

/* Waits until nothing is under way; at the deadline the rest is dropped. */
void kca__redrive_target_drain(kca__redrive_run *run, int64_t deadline);

/* ---- report ---- */

/* False when memory is out. */
bool kca__redrive_report_open(kca__redrive_report *r);
void kca__redrive_report_close(kca__redrive_report *r);

/* Lists the letter if there is still room. */
void kca__redrive_report_list(kca__redrive_report *r, kca__redrive_letter *letter,
                              const kca__dead_letter *d, int redrives);

/* The frontier is past the letter: it counts. */
void kca__redrive_report_count(kca__redrive_report *r, kca__redrive_letter *letter);

/* A letter is forgotten. */
void kca__redrive_report_forget(kca__redrive_report *r, kca__redrive_letter *letter);

/* As JSON text; NULL when memory is out. */
char *kca__redrive_report_write(const kca__redrive_run *run);

#endif
