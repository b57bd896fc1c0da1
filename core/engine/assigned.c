#include "engine/assigned.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void free_assigned(kca__assigned *a) {
    kca__offset_map_clear(&a->known);
    kca__parking_close(&a->parking);
    free(a);
}

void kca__assigned_list_close(kca__assigned_list *list) {
    for (kca__assigned *a = list->first, *next; a; a = next) {
        next = a->next;
        free_assigned(a);
    }
    for (kca__topic_partition *tp = list->topic_partitions, *next; tp; tp = next) {
        next = tp->next;
        kca__parking_close(&tp->carried);
        free(tp->topic);
        free(tp);
    }
    *list = (kca__assigned_list){0};
}

static bool is_named(const kca__topic_partition *tp, const char *topic, int number) {
    return tp->number == number && strcmp(tp->topic, topic) == 0;
}

kca__topic_partition *kca__assigned_list_topic_partition(kca__assigned_list *list,
                                                         const char *topic, int number) {
    for (kca__topic_partition *tp = list->topic_partitions; tp; tp = tp->next)
        if (is_named(tp, topic, number))
            return tp;
    kca__topic_partition *tp = calloc(1, sizeof *tp);
    if (!tp || !(tp->topic = kca__text_copy(topic))) {
        free(tp);
        return NULL;
    }
    tp->number = number;
    tp->next = list->topic_partitions;
    list->topic_partitions = tp;
    return tp;
}

static bool is_current(const kca__assigned *a, const char *topic, int number) {
    return !a->revoked && is_named(a->topic_partition, topic, number);
}

kca__assigned *kca__assigned_list_find(kca__assigned_list *list, const char *topic, int number) {
    if (list->found && is_current(list->found, topic, number))
        return list->found;
    kca__assigned *a = list->first;
    while (a && !is_current(a, topic, number))
        a = a->next;
    if (a)
        list->found = a;
    return a;
}

kca__assigned *kca__assigned_list_add(kca__assigned_list *list, const char *topic, int number) {
    kca__topic_partition *tp = kca__assigned_list_topic_partition(list, topic, number);
    kca__assigned *a = tp ? calloc(1, sizeof *a) : NULL;
    if (!a)
        return NULL;
    a->topic_partition = tp;
    a->base = a->begin = a->last_offset = a->committed = a->reset_from = -1;
    kca__frontier_init(&a->frontier);
    a->next = list->first;
    list->first = a;
    return a;
}

void kca__assigned_list_remove(kca__assigned_list *list, kca__assigned *a) {
    kca__assigned **at = &list->first;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    if (list->found == a)
        list->found = NULL;
    free_assigned(a);
}

int kca__assigned_list_count_draining(const kca__assigned_list *list) {
    int out = 0;
    for (const kca__assigned *a = list->first; a; a = a->next)
        out += a->draining && !a->revoked ? a->out + a->writing : 0;
    return out;
}
