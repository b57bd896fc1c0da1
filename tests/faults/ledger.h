/* A file in which a worker notes each event in a line, before it does anything else: the line is
 * there even if the worker is killed. The test follows the file.
 *
 *   sent ID                                                  about to be published
 *   stored ID PARTITION OFFSET                               confirmed
 *   failed ID ERROR                                          stored or not
 *   refused ID ERROR                                         never sent
 *   counted ANSWERED LATE UNKNOWN TIMED_OUT ASKED            by an asker, whose stored ones are
 *                                                            answered
 *   handled BEGIN_NS TIME_NS ID PARTITION OFFSET ATTEMPT KEY  the work is done, but not settled
 *   tried   BEGIN_NS TIME_NS ID PARTITION OFFSET ATTEMPT KEY  in vain
 */
#ifndef KCA_TESTS_LEDGER_H
#define KCA_TESTS_LEDGER_H

#include "checker.h"

/* For the worker. ledger_note ends the process when it cannot write. */
int ledger_open(const char *path);
void ledger_note(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For the test. ledger_read passes on the new lines; a last line without its end is not complete
 * yet, or never will be. */
enum { COUNTED_ANSWERED, COUNTED_LATE, COUNTED_UNKNOWN, COUNTED_TIMED_OUT, COUNTED_ASKED, COUNTED };

typedef struct ledger {
    int fd, process;
    int stored;           /* lines */
    int counted[COUNTED]; /* last; -1: not yet */
    size_t rest_len;
    char rest[256];
} ledger;

void ledger_follow(ledger *l, const char *path, int process);
void ledger_read(ledger *l, checker *c);
void ledger_close(ledger *l);

#endif
