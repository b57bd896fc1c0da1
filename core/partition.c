#include "partition.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static void free_partition(kca__partition *p) {
    kca__frontier_close(&p->frontier);
    free(p->topic);
    free(p);
}

void kca__partitions_close(kca__partitions *list) {
    for (kca__partition *p = list->first, *next; p; p = next) {
        next = p->next;
        free_partition(p);
    }
    *list = (kca__partitions){0};
}

static bool is_it(const kca__partition *p, const char *topic, int number) {
    return !p->revoked && p->number == number && strcmp(p->topic, topic) == 0;
}

kca__partition *kca__partitions_find(kca__partitions *list, const char *topic, int number) {
    if (list->found && is_it(list->found, topic, number))
        return list->found;
    kca__partition *p = list->first;
    while (p && !is_it(p, topic, number))
        p = p->next;
    if (p)
        list->found = p;
    return p;
}

kca__partition *kca__partitions_add(kca__partitions *list, const char *topic, int number) {
    kca__partition *p = calloc(1, sizeof *p);
    if (!p || !(p->topic = kca__text_copy(topic))) {
        free(p);
        return NULL;
    }
    p->number = number;
    p->last_offset = p->committed = -1;
    kca__frontier_init(&p->frontier);
    p->next = list->first;
    list->first = p;
    return p;
}

void kca__partitions_remove(kca__partitions *list, kca__partition *p) {
    kca__partition **at = &list->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (list->found == p)
        list->found = NULL;
    free_partition(p);
}

int kca__partitions_count_draining(const kca__partitions *list) {
    int out = 0;
    for (const kca__partition *p = list->first; p; p = p->next)
        out += p->draining && !p->revoked ? p->out : 0;
    return out;
}
