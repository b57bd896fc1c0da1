/* A worker process, from its start to its end. */
#ifndef KCA_TESTS_PROCESS_H
#define KCA_TESTS_PROCESS_H

#include "ledger.h"

#include <stdbool.h>
#include <sys/types.h>

enum { PROCESS_ARGUMENTS = 24, PROCESS_ARGUMENT = 400 };

typedef struct arguments {
    char texts[PROCESS_ARGUMENTS][PROCESS_ARGUMENT];
    char *list[PROCESS_ARGUMENTS + 1];
    int count;
    bool old_library; /* of the system, not the librdkafka that LD_LIBRARY_PATH names */
} arguments;

void arguments_add(arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct process {
    pid_t pid; /* 0: has ended */
    int status;
    int seat; /* which member it is; a restarted process takes its old seat */
    ledger ledger;
    char path[280], log[300]; /* of its ledger, and of its stderr */
} process;

/* Runs the worker with these arguments and `ledger`, whose notes count for the process' number. */
void process_start(process *p, const char *directory, const char *role, int number, arguments *a);

/* Fails the test when the process has ended by itself. */
void process_must_run(process *p);

/* Ends the process by SIGTERM; its status must be 0 unless `may_fail`. */
void process_end(process *p, bool may_fail, int timeout_ms);

/* Ends the process by SIGKILL; does nothing when it has ended. */
void process_kill(process *p);

/* True when a line of its stderr has this text. */
bool process_log_has(const process *p, const char *text);

/* Show the stderr of the process; and remove its files. */
void process_show_log(const process *p);
void process_remove_files(const process *p);

#endif
