#include "worker.h"

#include "ledger.h"
#include "storm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

void require(kca_error *e) {
    if (!e)
        return;
    fprintf(stderr, "%s: %s\n", kca_error_name(e), kca_error_text(e));
    _exit(1);
}

kca_system *worker_system(const worker_options *o) {
    kca_system *s;
    kca_connection *c;
    require(kca_system_new(&s));
    require(kca_system_log_to_stderr(s, KCA_LOG_INFO));
    require(kca_connection_new(&c, "kafka", o->hosts));
    require(kca_system_add_connection(s, c));
    kca_connection_free(c);
    return s;
}

void pass_us(int us) {
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0)
        ;
}

pthread_t start_quiet(void *(*run)(void *), void *argument) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, run, argument) != 0)
        _exit(1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}

/* ---- SIGTERM ---- */

static struct {
    void (*stop)(void *);
    void *argument;
} term;

static void *wait_for_term(void *unused) {
    (void)unused;
    sigset_t set;
    int which;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &which);
    term.stop(term.argument);
    return NULL;
}

void on_term(void (*stop)(void *), void *argument) {
    term.stop = stop;
    term.argument = argument;
    pthread_detach(start_quiet(wait_for_term, NULL));
}

/* Before any thread is started: all of them block it. */
static void block_term(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- options ---- */

static bool take_number(worker_options *o, const char *name, const char *value) {
    const struct {
        const char *name;
        int *number;
    } numbers[] = {
        {"processors", &o->processors},
        {"queue", &o->queue},
        {"commit_ms", &o->commit_ms},
        {"session_ms", &o->session_ms},
        {"work_us", &o->work_us},
        {"slow_every", &o->slow_every},
        {"slow_ms", &o->slow_ms},
        {"from", &o->from},
        {"keys", &o->keys},
        {"a_second", &o->a_second},
        {"processing_ms", &o->processing_ms},
        {"storm", &o->storm},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        *numbers[i].number = atoi(value);
        return true;
    }
    return false;
}

static bool take_text(worker_options *o, const char *name, const char *value) {
    const struct {
        const char *name, **text;
    } texts[] = {
        {"hosts", &o->hosts},
        {"topic", &o->topic},
        {"group", &o->group},
        {"strategy", &o->strategy},
        {"protocol", &o->protocol},
        {"instance", &o->instance},
        {"dead", &o->dead},
        {"results", &o->results},
        {"transactional_id", &o->transactional_id},
        {"replies", &o->replies},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(name, texts[i].name) != 0)
            continue;
        *texts[i].text = value;
        return true;
    }
    return false;
}

static bool take(worker_options *o, char *option) {
    char *value = strchr(option, '=');
    if (!value)
        return false;
    *value++ = '\0';
    if (strcmp(option, "ledger") == 0)
        o->ledger = ledger_open(value);
    else if (strcmp(option, "seed") == 0)
        o->seed = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(option, "fates") == 0)
        o->fates = (unsigned)strtoul(value, NULL, 10);
    else
        return take_text(o, option, value) || take_number(o, option, value);
    return true;
}

/* No thread of the library may take a signal: that is a fault whatever the scene allows. */
static int work(worker_options *o, const char *verb) {
    if (o->storm)
        storm_begin();
    int status = strcmp(verb, "publish") == 0 ? worker_publish(o)
                 : strcmp(verb, "ask") == 0   ? worker_ask(o)
                                              : worker_consume(o);
    if (o->storm)
        storm_end();
    if (storm_strayed() > 0) {
        fprintf(stderr, "%d signals came to threads of the library\n", storm_strayed());
        abort();
    }
    return status;
}

/* What else a verb needs; false: there is no such verb. */
static bool has_all_of(const worker_options *o, const char *verb) {
    if (strcmp(verb, "publish") == 0)
        return true;
    return strcmp(verb, "ask") == 0 ? o->replies != NULL
                                    : strcmp(verb, "consume") == 0 && o->group != NULL;
}

int main(int argc, char **argv) {
    worker_options o = {.ledger = -1,
                        .processors = 4,
                        .queue = 50,
                        .commit_ms = 200,
                        .session_ms = 4000,
                        .work_us = 10000,
                        .slow_every = 20,
                        .slow_ms = 100,
                        .keys = 40,
                        .a_second = 300};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    block_term();
    bool fine = argc > 2;
    for (int i = 2; fine && i < argc; i++)
        fine = take(&o, argv[i]);
    if (fine && o.hosts && o.topic && o.ledger >= 0 && has_all_of(&o, argv[1]))
        return work(&o, argv[1]);
    fprintf(stderr, "usage: worker consume|publish|ask hosts=... topic=... [group=...] ledger=FILE "
                    "[NAME=VALUE]...\n");
    return 2;
}
