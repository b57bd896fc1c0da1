/* Redrives of a started system: they use what start opened, so shutdown waits for their end. */
#include "system.h"

#include "error.h"

void kca__system_admit_redrives(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    s->open = true;
    atomic_store(&s->leaving, false);
    pthread_mutex_unlock(&s->lock);
}

void kca__system_dismiss_redrives(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    s->open = false;
    atomic_store(&s->leaving, true);
    pthread_mutex_unlock(&s->lock);
}

void kca__system_await_redrives(kca__system *s) {
    pthread_mutex_lock(&s->lock);
    while (s->redrives > 0)
        pthread_cond_wait(&s->parted, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

/* With the lock held. */
static kca_error *find_connection(kca_connection **out, const kca__system *s,
                                  const kca_redrive *r) {
    if (!s->open)
        return kca__error_new(KCA_ERROR_STATE, "redrive %s: the system is not started", r->topic);
    *out = kca__system_find_connection(s, r->connection);
    if (*out)
        return NULL;
    return kca__error_new(KCA_ERROR_NOT_FOUND, "redrive %s: connection %s is not declared",
                          r->topic, r->connection);
}

kca_error *kca__system_redrive(char **out, kca__system *s, const kca_redrive *r, int timeout_ms) {
    kca_connection *connection = NULL;
    kca_error *e = kca__redrive_check(r);
    if (e)
        return e;
    pthread_mutex_lock(&s->lock);
    e = find_connection(&connection, s, r);
    s->redrives += !e;
    pthread_mutex_unlock(&s->lock);
    if (e)
        return e;

    kca__system_hold(s);
    e = kca__redrive_do(out, r, connection, &s->log, &s->leaving, timeout_ms);
    pthread_mutex_lock(&s->lock);
    if (--s->redrives == 0)
        pthread_cond_broadcast(&s->parted);
    pthread_mutex_unlock(&s->lock);
    kca__system_release(s);
    return e;
}
