/* Visits to the clusters of a started system: redrives and questions. They use what start opened,
 * so shutdown waits for their end. */
#include "system/system.h"

#include "base/error.h"
#include "connection/cluster_description.h"

void kca__system_admit_visits(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    s->open = true;
    atomic_store(&s->closing, false);
    pthread_mutex_unlock(&s->lock);
}

void kca__system_dismiss_visits(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    s->open = false;
    atomic_store(&s->closing, true);
    pthread_mutex_unlock(&s->lock);
}

void kca__system_await_visits(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    while (s->visits > 0)
        pthread_cond_wait(&s->visits_done, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* `what` begins the error. */
static kca_error *find_connection_locked(kca_connection **out, const kca__system *s,
                                         const char *what, const char *topic, const char *name) {
    if (!s->open)
        return kca__error_new(KCA_ERROR_STATE, "%s%s: the system is not started", what, topic);
    *out = kca__system_find_connection_locked(s, name);
    if (*out)
        return NULL;
    return kca__error_new(KCA_ERROR_NOT_FOUND, "%s%s: connection %s is not declared", what, topic,
                          name);
}

static kca_error *visit_begin(kca_connection **out, kca__system *s, const char *what,
                              const char *topic, const char *connection) {
    pthread_mutex_lock(&s->lock);
    kca_error *e = find_connection_locked(out, s, what, topic, connection);
    s->visits += !e;
    pthread_mutex_unlock(&s->lock);
    if (!e)
        kca__system_hold(s);
    return e;
}

static void visit_end(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    if (--s->visits == 0)
        pthread_cond_broadcast(&s->visits_done);
    pthread_mutex_unlock(&s->lock);
    kca__system_release(s);
}

static void show_redrive(kca__system *s, kca__redrive_visit *visit) {
    pthread_mutex_lock(&s->lock);
    kca__list_add(&s->redrives, &visit->link);
    pthread_mutex_unlock(&s->lock);
}

static void hide_redrive(kca__system *s, kca__redrive_visit *visit) {
    pthread_mutex_lock(&s->lock);
    for (int i = s->redrives.count; i > 0; i--) {
        kca__redrive_visit *other = kca__list_take(&s->redrives);
        if (other != visit)
            kca__list_add(&s->redrives, &other->link);
    }
    pthread_mutex_unlock(&s->lock);
}

kca_error *kca__system_redrive(char **out, kca__system *s, const kca_redrive *r, int timeout_ms) {
    kca_connection *connection = NULL;
    kca_redrive *copy = NULL; /* the application may free its own when it is asked meanwhile */
    kca_error *e = kca__redrive_check(r);
    if (!e)
        e = kca__redrive_copy(&copy, r);
    if (!e)
        e = visit_begin(&connection, s, "redrive ", r->topic, r->connection);
    if (!e) {
        kca__redrive_visit visit = {.options = copy};
        show_redrive(s, &visit);
        e = kca__redrive_do(out, copy, connection, &s->log, &visit.progress, &s->closing,
                            timeout_ms);
        hide_redrive(s, &visit);
        visit_end(s);
    }
    kca__redrive_free(copy);
    return e;
}

kca_error *kca__system_describe_cluster(char **out, kca__system *s, const char *connection_name,
                                        const char *topic, const char *group, int timeout_ms) {
    kca_connection *connection = NULL;
    kca_error *e = visit_begin(&connection, s, "describe cluster", "", connection_name);
    if (e)
        return e;
    e = kca__cluster_describe(out, connection, &s->log, topic, group, &s->closing,
                              kca__clock_deadline(timeout_ms));
    visit_end(s);
    return e;
}
