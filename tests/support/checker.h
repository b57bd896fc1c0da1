/* Reconciles what publishers were told with what consumers handled, over all processes: no network,
 * no clock. Ids are small numbers from 0 on, each published once. */
#ifndef KCA_TESTS_CHECKER_H
#define KCA_TESTS_CHECKER_H

#include <stddef.h>
#include <stdint.h>

enum { CHECKER_KEY = 16 };

/* A delivery that a consumer process handled. */
typedef struct handled {
    int process;     /* a number from 0 on; one that was restarted is another */
    int64_t time_ns; /* of one clock for all processes */
    int id, partition;
    int64_t offset;
    int attempt; /* from 1 on: a later one is no repetition */
    char key[CHECKER_KEY];
} handled;

typedef struct account {
    int published; /* ids that were confirmed */
    int unsure;    /* ids that were sent and neither confirmed nor refused: there or not */
    int refused;   /* ids that were never sent */
    int handled;   /* deliveries */
    int missing;   /* confirmed ids that were never handled */
    int unknown;   /* handled ids that were never sent, or that were refused */
    int misplaced; /* deliveries of an id that is confirmed for another place */
    int repeated;  /* deliveries of a record that was handled before */
    int doubled;   /* records with an id that another record has */
    int disorder;  /* records of a key that first came after a later one: to all, or to a process */
    int shuffled;  /* records of a key and publisher with a lower id than one of theirs before */
} account;

typedef struct checker checker;
checker *checker_new(void);
void checker_free(checker *c);

/* What a publisher (a process, too) noted: before it published; and what it was told. */
void checker_sent(checker *c, int process, int id);
void checker_stored(checker *c, int id, int partition, int64_t offset);
void checker_refused(checker *c, int id);

/* What a consumer noted; of one process in the order of time. */
void checker_handled(checker *c, const handled *h);

/* So far: confirmed ids, those of them that nobody handled, deliveries of a process (-1: of all).
 */
int checker_published(const checker *c);
int checker_missing(const checker *c);
int checker_deliveries(const checker *c, int process);
int checker_next_id(const checker *c); /* one more than the greatest that was sent */

account checker_account(checker *c);

/* The most deliveries within a time this long, of a process (-1: of all). */
int checker_most_within(checker *c, int process, int ms);

/* The account in one line. */
void account_print(char *out, size_t size, const account *a);

/* 1 when nothing is wrong: neither lost, out of order nor out of place, and at most so many
 * repetitions. */
int account_is_good(const account *a, int most_repeated);

#endif
