/* The checker's notes: for checker.c, which keeps them, and checker_account.c, which adds them up.
 */
#ifndef KCA_TESTS_CHECKER_BOOK_H
#define KCA_TESTS_CHECKER_BOOK_H

#include "checker.h"

enum { MOST_PROCESSES = 64, MOST_PARTITIONS = 32, MOST_KEYS = 1000 };

typedef struct letter { /* an id */
    bool sent, stored, refused;
    bool condemned, excused; /* it must, or may, be dead-lettered */
    int times;               /* handled */
    int done, dead, passed;  /* handled well; dead letters; results */
    int publisher;           /* process that sent it */
    int partition;
    int64_t offset;
} letter;

typedef struct record { /* a place in the topic */
    int id;             /* -1: nobody came across it */
    int times;
    int key;
    int64_t stamp;    /* of the last walk that came across it */
    int64_t begin_ns; /* when it came first */
    int64_t done_ns;  /* when it was handled well first; NEVER */
    int64_t dead_ns;  /* when its first dead letter was there; NEVER */
    int dead;
} record;

#define NEVER INT64_MAX

typedef struct list {
    void *items;
    size_t count, room;
} list;

struct checker {
    list letters;                  /* letter, by id */
    list records[MOST_PARTITIONS]; /* record, by offset */
    list deliveries;               /* handled */
    char keys[MOST_KEYS][CHECKER_KEY];
    int64_t greatest[MOST_KEYS]; /* of the key in this walk */
    int key_count;
    struct {
        int id, publisher;
    } last[MOST_KEYS]; /* result of the key */
    int by_process[MOST_PROCESSES];
    int published, dead, passed;
    int misplaced; /* dead letters of an id that is confirmed for another place */
    int shuffled;  /* results */
    bool expects_results;
    int64_t excuse_ns; /* 0: none */
    int64_t stamp;
};

letter *letter_of(checker *c, int id);
record *record_at(checker *c, int partition, int64_t offset);

#endif
