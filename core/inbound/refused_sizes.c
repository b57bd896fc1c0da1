#include "inbound/refused_sizes.h"

enum { KNOWN_MS = 60000 }; /* somebody may allow larger ones meanwhile */

void kca__refused_sizes_init(kca__refused_sizes *s) {
    s->count = 0;
    pthread_mutex_init(&s->lock, NULL);
}

void kca__refused_sizes_close(kca__refused_sizes *s) {
    pthread_mutex_destroy(&s->lock);
}

static int index_of_locked(const kca__refused_sizes *s, const char *topic) {
    int i = 0;
    while (i < s->count && s->all[i].topic != topic)
        i++;
    return i;
}

void kca__refused_sizes_add(kca__refused_sizes *s, const char *topic, size_t bytes,
                            int64_t now_ms) {
    pthread_mutex_lock(&s->lock);
    int i = index_of_locked(s, topic);
    if (i < KCA__REFUSED_TOPICS) {
        bool is_known = i < s->count && now_ms < s->all[i].until_ms;
        if (!is_known || bytes < s->all[i].bytes)
            s->all[i].bytes = bytes;
        s->all[i].topic = topic;
        s->all[i].until_ms = now_ms + KNOWN_MS;
        s->count += i == s->count;
    }
    pthread_mutex_unlock(&s->lock);
}

bool kca__refused_sizes_has(kca__refused_sizes *s, const char *topic, size_t bytes,
                            int64_t now_ms) {
    pthread_mutex_lock(&s->lock);
    int i = index_of_locked(s, topic);
    bool has = i < s->count && now_ms < s->all[i].until_ms && bytes >= s->all[i].bytes;
    pthread_mutex_unlock(&s->lock);
    return has;
}
