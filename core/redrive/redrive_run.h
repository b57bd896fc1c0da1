/*
 * A run of a redrive; private to the redrive_*.c. It works on the caller's thread, in rounds: reads
 * a bounded number of records, publishes their messages, awaits the answers, commits the offsets.
 *
 * source  the dead-letter topic's partitions, each from the group's offset to the partition's end
 * as it was when the run began, assigned by hand. Records that were read and are not settled are a
 * list of letters in the partition's order; only what is settled is ever counted or reported.
 * memory  which of them are done, and so not offered again; see redrive_memory.h.
 *
 * target  an idempotent producer. It gets no more messages at once than fit into one batch per
 * partition, and no new ones before those are answered: so when the broker refuses a message, no
 * later one is stored before it. One that it refuses alone is passed by.
 *
 * Memory is bounded by the records and bytes of a round, not by the topic.
 */
#ifndef KCA_REDRIVE_REDRIVE_RUN_H
#define KCA_REDRIVE_REDRIVE_RUN_H

#include <cjson/cJSON.h>

#include "base/list.h"
#include "dead_letter/dead_letter.h"
#include "kafka/ask.h"
#include "redrive/redrive.h"
#include "redrive/redrive_memory.h"

enum { KCA__REDRIVE_LETTERS = 5000 }; /* of a round; as many may be published twice after a crash */

typedef enum kca__redrive_outcome {
    KCA__REDRIVEN,
    KCA__LEFT_OUT,
    KCA__GUARDED,
    KCA__NOT_DEAD_LETTER,
    KCA__UNKNOWN_TARGET, /* none, or none that a message may go to */
    KCA__NOT_ALLOWED,
    KCA__MISSING_TARGET,
    KCA__REFUSED, /* by the broker */
    KCA__REDRIVE_OUTCOMES
} kca__redrive_outcome;

struct kca__redrive_partition;

/* A topic that messages go to. */
typedef struct kca__redrive_topic {
    struct kca__redrive_topic *next;
    char *name;
    int partitions;
    kca__redrive_outcome outcome; /* of all its letters: KCA__REDRIVEN, or why none can go there */
    rd_kafka_resp_err_t cause;    /* of a refusal */
    rd_kafka_topic_t *handle;     /* the producer's; NULL: a dry run */
} kca__redrive_topic;

/* A record that was read, until the frontier is past it. */
typedef struct kca__redrive_letter {
    kca__link link; /* in its partition's letters */
    struct kca__redrive_partition *partition;
    rd_kafka_message_t *record;
    kca__dead_letter_reading reading; /* points into the record; empty: it is no dead letter */
    int redrives;                     /* before this one */
    kca__redrive_outcome outcome;
    kca__redrive_topic *target; /* NULL: it is not to be published */
    rd_kafka_resp_err_t cause;  /* of the broker's last refusal; 0: none */
    size_t bytes;
    bool settled;       /* the broker has the message, or it is not to be published */
    bool follows_known; /* before it are letters that were done before this run */
    cJSON *listing;     /* its entry in the report's messages; NULL: none */
} kca__redrive_letter;

typedef struct kca__redrive_partition {
    struct kca__redrive_run *run;
    int number;
    int64_t high;       /* behind its last record */
    int64_t read;       /* the offset to read next */
    int64_t end;        /* the first offset that is not read */
    int64_t held_from;  /* letters from here on are not to be published yet */
    int64_t left_below; /* records before the first that is read, which are not done */
    kca__redrive_memory memory;
    bool changed;       /* the memory, since it was committed */
    bool follows_known; /* see the next letter's */
    bool finished;      /* read up to its end, or to where the broker lets it be read */
    bool full;          /* the memory has no room to go on */
    kca__list letters;  /* read, and not settled yet */
    cJSON *listed;      /* its part of the report's messages */
    int listed_count;   /* letters included */
    int64_t not_listed; /* the first letter that found no room; -1: all did */
} kca__redrive_partition;

typedef struct kca__redrive_report {
    int64_t counts[KCA__REDRIVE_OUTCOMES];
    cJSON *by_topic, *by_error, *by_target, *troubles;
    cJSON *not_allowed_by_topic, *not_allowed_by_error;
} kca__redrive_report;

typedef struct kca__redrive_run {
    const kca_redrive *options;
    kca_connection *connection;
    kca__log *log;
    kca__redrive_progress *progress;
    const atomic_bool *closing;
    int64_t deadline;
    char who[280]; /* "redrive orders.dead", as error texts begin */
    kca_error *failure;
    kca__redrive_report report;

    kca__client *reader;
    kca__redrive_partition *partitions;
    int partition_count;
    kca__offset_run *left; /* room for those of a round */
    int letters;           /* of all partitions */
    int chosen;            /* letters of these to be redriven */
    size_t bytes;          /* of all letters */

    kca__client *writer; /* NULL: a dry run */
    kca__redrive_topic *topics;
    kca__redrive_letter **batch; /* room for those of a round */
    int under_way;               /* messages given to the producer, no report yet */
    kca_error *trouble; /* why a message may or may not be stored; NULL: all answers are clear */
} kca__redrive_run;

/* An error whose text begins with run->who; `err` may be 0. */
kca_error *kca__redrive_error(const kca__redrive_run *run, int code, rd_kafka_resp_err_t err,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Keeps the first failure, which ends the run. Takes `e`; NULL: no failure. KCA_ERROR_TIMEOUT is
 * not one: it only says that the time is over. */
void kca__redrive_fail(kca__redrive_run *run, kca_error *e);

/* Asks through the reader until there is an answer, or the deadline; `what` is asked for ("its
 * offsets"). */
kca_error *kca__redrive_ask(kca__redrive_run *run, kca__question question, void *about,
                            const char *what, int64_t deadline);

/* Gives how many partitions a topic has. Asking does not create it; KCA_ERROR_NOT_FOUND: it does
 * not exist. */
kca_error *kca__redrive_count_partitions(kca__redrive_run *run, const char *topic, int *out);

/* Takes a record of the source and decides about it: it is to be published, or left alone, or the
 * run fails. One that was done before is skipped. */
void kca__redrive_take(kca__redrive_partition *p, rd_kafka_message_t *record);

void kca__redrive_letter_free(kca__redrive_letter *letter);

/* ---- source ---- */

/* Opens the reader, finds where each partition begins and ends, and begins to read. */
kca_error *kca__redrive_source_open(kca__redrive_run *run);
void kca__redrive_source_close(kca__redrive_run *run);

/* The next record, which the caller takes, and its partition. NULL: none came in time, or an event
 * came that is not a record, and was handled. */
rd_kafka_message_t *kca__redrive_source_read(kca__redrive_run *run, int timeout_ms,
                                             kca__redrive_partition **out);

/* Appends the letter to its partition's list, which takes it. */
void kca__redrive_source_add(kca__redrive_letter *letter);

/* Counts the letters that are settled, up to the first that is not, and has them remembered. */
void kca__redrive_source_advance(kca__redrive_partition *p);

/* Holds back the last letters, as far as the memory may have no room for what becomes of them.
 * Where not even one can go, all are dropped, which then are not read: it is full. */
void kca__redrive_source_fit(kca__redrive_run *run);

/* Only letters that were held back are not settled; now the memory may have room for them. */
bool kca__redrive_source_has_more(const kca__redrive_run *run);

/* Drops letters that are still held back. */
void kca__redrive_source_drop_held(kca__redrive_run *run);

/* At the end: counts the letters that are settled behind one that is not. */
void kca__redrive_source_count_rest(kca__redrive_run *run);

/* No partition is to be read any more. */
bool kca__redrive_source_is_finished(const kca__redrive_run *run);

/* All partitions are read to their ends, and what was read is settled. */
bool kca__redrive_source_is_complete(const kca__redrive_run *run);

/* A partition's memory has no room for more. */
bool kca__redrive_source_is_full(const kca__redrive_run *run);

/* Letters, and records that are not read, that a later redrive can take. */
int64_t kca__redrive_source_remaining(const kca__redrive_run *run);

/* Commits the memories that have changed, and waits for the answer. */
kca_error *kca__redrive_source_commit(kca__redrive_run *run, int64_t deadline);

/* ---- target ---- */

kca_error *kca__redrive_target_open(kca__redrive_run *run);

/* Closes the producer; messages under way are dropped. */
void kca__redrive_target_close(kca__redrive_run *run);

/* The topic of this name; its outcome says whether messages can go to it. */
kca_error *kca__redrive_target_find(kca__redrive_topic **out, kca__redrive_run *run,
                                    const char *name);

/* Publishes all letters that are not settled, in order, and waits for the answers. A message that
 * is refused is passed by. One of which it is not clear whether it is stored is the run's failure.
 * Later letters then stay unsettled, and so does every message that is not answered before the
 * deadline. */
void kca__redrive_target_publish(kca__redrive_run *run, int64_t deadline);

/* ---- report ---- */

/* False when memory is out. */
bool kca__redrive_report_open(kca__redrive_report *r);
void kca__redrive_report_close(kca__redrive_report *r);

/* Lists the letter if there is still room in its partition's part. */
void kca__redrive_report_list(kca__redrive_letter *letter);

/* Counts a letter that is settled. */
void kca__redrive_report_count(kca__redrive_letter *letter);

/* The report as JSON text; NULL when memory is out. */
char *kca__redrive_report_write(const kca__redrive_run *run);

#endif
