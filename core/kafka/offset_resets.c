#include "kafka/offset_resets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kca__offset_reset {
    kca__offset_reset *next;
    int64_t from;
    int partition;
    char topic[];
};

void kca__offset_resets_init(kca__offset_resets *resets) {
    pthread_mutex_init(&resets->lock, NULL);
    resets->first = NULL;
    atomic_init(&resets->count, 0);
}

void kca__offset_resets_close(kca__offset_resets *resets) {
    for (kca__offset_reset *r = resets->first, *next; r; r = next) {
        next = r->next;
        free(r);
    }
    pthread_mutex_destroy(&resets->lock);
}

/* "[thrd:main]: TOPIC [PARTITION]: offset reset (at offset FROM ...". NULL: it is none, or of a
 * place that is no offset, or memory is out. */
static kca__offset_reset *read_line(const char *line) {
    static const char mark[] = "]: offset reset (at offset ";
    const char *end = strstr(line, mark);
    const char *number = end;
    while (number && number > line && *number != '[')
        number--;
    if (!end || number < line + 2 || number[-1] != ' ')
        return NULL;
    const char *topic = number - 1;
    while (topic > line && topic[-1] != ' ')
        topic--;
    size_t len = (size_t)(number - 1 - topic);
    int partition;
    long long from;
    if (sscanf(number, "[%d]", &partition) != 1 ||
        sscanf(end + sizeof mark - 1, "%lld", &from) != 1 || from < 0)
        return NULL;
    kca__offset_reset *r = calloc(1, sizeof *r + len + 1);
    if (!r)
        return NULL;
    memcpy(r->topic, topic, len);
    r->partition = partition;
    r->from = from;
    return r;
}

void kca__offset_resets_see(kca__offset_resets *resets, const char *facility, const char *line) {
    kca__offset_reset *r = strcmp(facility, "OFFSET") == 0 ? read_line(line) : NULL;
    if (!r)
        return;
    pthread_mutex_lock(&resets->lock);
    r->next = resets->first;
    resets->first = r;
    atomic_fetch_add(&resets->count, 1);
    pthread_mutex_unlock(&resets->lock);
}

/* The oldest counts, and all go: nothing came in between. */
int64_t kca__offset_resets_take(kca__offset_resets *resets, const char *topic, int partition) {
    int64_t from = -1;
    if (atomic_load(&resets->count) == 0)
        return -1;
    pthread_mutex_lock(&resets->lock);
    for (kca__offset_reset **at = &resets->first; *at;) {
        kca__offset_reset *r = *at;
        if (r->partition != partition || strcmp(r->topic, topic) != 0) {
            at = &r->next;
            continue;
        }
        from = r->from;
        *at = r->next;
        free(r);
        atomic_fetch_sub(&resets->count, 1);
    }
    pthread_mutex_unlock(&resets->lock);
    return from;
}
