#include "base/notes.h"

#include "base/error.h"

static void release_all(kca__list *l) {
    kca_event *e;
    while ((e = kca__list_take(l)))
        e->release(e);
}

void kca__notes_close(kca__notes *n) {
    release_all(&n->events);
    release_all(&n->logs);
}

int kca__notes_count(const kca__notes *n) {
    return n->events.count + n->logs.count;
}

void kca__notes_add(kca__notes *n, kca_event *e) {
    kca__list *l = e->type == KCA_EVENT_LOG ? &n->logs : &n->events;
    e->number = n->added++;
    kca__list_add(l, &e->link);
    if (l->count <= KCA__NOTES_MOST)
        return;
    kca_event *oldest = kca__list_take(l);
    if (oldest->type == KCA_EVENT_FAULT)
        n->dropped++;
    oldest->release(oldest);
}

static void tell_dropped(kca_event *fault, int64_t count) {
    kca_error *error = fault->error;
    fault->dropped = count;
    kca_error *told = kca__error_new(error->code, "%s (and %lld more %s dropped)", error->text,
                                     (long long)count, count == 1 ? "fault was" : "faults were");
    if (told->code != error->code)
        return; /* memory is out: the number tells it alone */
    int marks = (error->retriable ? KCA__RETRIABLE : 0) | (error->fatal ? KCA__FATAL : 0);
    fault->error = kca__error_mark(told, error->rdkafka_code, marks);
    kca__error_free(error);
}

kca_event *kca__notes_take(kca__notes *n) {
    const kca_event *event = kca__list_first(&n->events), *log = kca__list_first(&n->logs);
    bool log_is_older = log && (!event || log->number < event->number);
    kca_event *e = kca__list_take(log_is_older ? &n->logs : &n->events);
    if (e && e->type == KCA_EVENT_FAULT && n->dropped > 0) {
        tell_dropped(e, n->dropped);
        n->dropped = 0;
    }
    return e;
}
