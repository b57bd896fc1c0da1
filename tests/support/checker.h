/* Reconciles the outcomes that publishers were told with the deliveries that consumers handled,
 * over all processes: no network, no clock. Ids are small numbers from 0 on, each published once.
 */
#ifndef KCA_TESTS_CHECKER_H
#define KCA_TESTS_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECKER_KEY = 16 };

/* A delivery that a consumer process handled. */
typedef struct handled {
    int process;               /* a number from 0 on; one that was restarted is another */
    int64_t begin_ns, time_ns; /* from when until when; of one clock for all processes */
    int id, partition;
    int64_t offset;
    int attempt; /* from 1 on: a later attempt is no repetition */
    bool undone; /* it failed, was rejected or took too long: not the end of its message */
    char key[CHECKER_KEY];
} handled;

/* A record of the dead-letter topic. */
typedef struct dead_letter {
    int id, partition; /* where it came from */
    int64_t offset;
    int64_t time_ns; /* not stored before; 0: not known */
} dead_letter;

typedef struct account {
    int published; /* ids that were confirmed */
    int unsure;    /* ids that were sent and neither confirmed nor refused: there or not */
    int refused;   /* ids that were never sent */
    int handled;   /* deliveries */
    int missing;   /* confirmed ids that came to no end: not handled well, and no dead letter */
    int unknown;   /* ids that came although they were never sent, or were refused */
    int misplaced; /* deliveries and dead letters of an id that is confirmed for another place */
    int repeated;  /* deliveries of a record that was handled before */
    int doubled;   /* records with an id that another record has */
    int disorder;  /* records of a key that first came after a later one: to all, or to a process */
    int overtaken; /* records that came before an earlier one of their key had come to its end */
    int shuffled;  /* records of a key and publisher whose id is lower than that of one before */
    int dead;      /* dead letters */
    int again;     /* dead letters of a record that already has one */
    int undue;     /* ids with a dead letter that should have none */
    int passed;    /* results */
    int twice;     /* when results are expected: ids with more than one result or dead letter */
} account;

typedef struct checker checker;
checker *checker_new(void);
void checker_free(checker *c);

/* Add a publisher's note (it is a process too): that it is about to publish; the outcome it was
 * told.
 */
void checker_sent(checker *c, int process, int id);
void checker_stored(checker *c, int id, int partition, int64_t offset);
void checker_refused(checker *c, int id);

/* Adds a consumer's note; those of one process come in the order of time. */
void checker_handled(checker *c, const handled *h);

/* Says that this id is to be dead-lettered; and that other ids may be, if one of their deliveries
 * took this long. */
void checker_condemn(checker *c, int id);
void checker_excuse_after(checker *c, int ms);

/* Sets the records of the dead-letter topic, read anew: those set before are forgotten. */
void checker_forget_dead(checker *c);
void checker_dead(checker *c, const dead_letter *d);

/* Sets the results, those of a partition in order. Each id is then to have one result or one dead
 * letter, which is its end. */
void checker_expect_results(checker *c);
void checker_passed(checker *c, int id, const char *key);

/* So far: confirmed ids, and whether this is one; deliveries of a process (-1: of all). */
int checker_published(const checker *c);
bool checker_is_published(const checker *c, int id);
int checker_deliveries(const checker *c, int process);
int checker_next_id(const checker *c); /* one more than the greatest that was sent */

/* Records below this offset that had not come to their end by that time, as far as is known. */
int checker_open_below(const checker *c, int partition, int64_t offset, int64_t by_ns);

/* Records that wait for their dead letter, as far as is known. */
int checker_waiting(const checker *c);

account checker_account(checker *c);

/* The most deliveries within any time of this length, of a process (-1: of all). */
int checker_most_within(checker *c, int process, int ms);

/* The account in one line. */
void account_print(char *out, size_t size, const account *a);

/* 1 when nothing is lost, out of order or out of place, and there are at most `repetitions`
 * repetitions. */
int account_is_good(const account *a, int most_repeated);

#endif
