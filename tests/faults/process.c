#include "process.h"

#include "behaviour.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void arguments_add(arguments *a, const char *format, ...) {
    va_list values;
    assert_true(a->count < PROCESS_ARGUMENTS);
    va_start(values, format);
    vsnprintf(a->texts[a->count], PROCESS_ARGUMENT, format, values);
    va_end(values);
    a->list[a->count] = a->texts[a->count];
    a->count++;
}

/* Without LD_LIBRARY_PATH. */
static char **environment_of_system(char *list[], int most) {
    int count = 0;
    for (char **e = environ; *e; e++) {
        assert_true(count < most - 1);
        if (strncmp(*e, "LD_LIBRARY_PATH=", 16) != 0)
            list[count++] = *e;
    }
    list[count] = NULL;
    return list;
}

void process_start(process *p, const char *directory, const char *role, int number, arguments *a) {
    enum { MOST = 1000 };
    char *variables[MOST];
    char **given = a->old_library ? environment_of_system(variables, MOST) : environ;
    posix_spawn_file_actions_t actions;
    snprintf(p->path, sizeof p->path, "%s/%d-%s", directory, number, role);
    snprintf(p->log, sizeof p->log, "%s/%d-%s.log", directory, number, role);
    ledger_follow(&p->ledger, p->path, number);
    arguments_add(a, "ledger=%s", p->path);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, p->log, O_WRONLY | O_CREAT | O_APPEND,
                                     0644);
    assert_int_equal(posix_spawn(&p->pid, KCA_FAULTS_WORKER, &actions, NULL, a->list, given), 0);
    posix_spawn_file_actions_destroy(&actions);
}

void process_show_log(const process *p) {
    char line[500];
    FILE *file = fopen(p->log, "r");
    print_error("---- %s\n", p->log);
    while (file && fgets(line, sizeof line, file))
        print_error("%s", line);
    if (file)
        fclose(file);
}

bool process_log_has(const process *p, const char *text) {
    char line[1000];
    bool has = false;
    FILE *file = fopen(p->log, "r");
    while (file && !has && fgets(line, sizeof line, file))
        has = strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return has;
}

static int has_ended(void *argument) {
    process *p = argument;
    if (waitpid(p->pid, &p->status, WNOHANG) != p->pid)
        return 0;
    p->pid = 0;
    return 1;
}

static void fail_for(const process *p, const char *why) {
    process_show_log(p);
    fail_msg("%s %s, status %x", p->path, why, (unsigned)p->status);
}

void process_must_run(process *p) {
    if (p->pid && has_ended(p))
        fail_for(p, "ended by itself");
}

void process_end(process *p, bool may_fail, int timeout_ms) {
    assert_true(p->pid > 0);
    kill(p->pid, SIGTERM);
    if (!wait_until(has_ended, p, timeout_ms))
        fail_for(p, "does not end");
    if (p->status != 0 && !(may_fail && WIFEXITED(p->status)))
        fail_for(p, "ended badly");
}

void process_kill(process *p) {
    if (p->pid <= 0)
        return;
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

void process_remove_files(const process *p) {
    unlink(p->log);
    unlink(p->path);
}
