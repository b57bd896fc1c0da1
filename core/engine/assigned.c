#include "engine/assigned.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void free_partition(kca__partition *p) {
    kca__offset_map_clear(&p->known);
    free(p);
}

void kca__partitions_close(kca__partitions *list) {
    for (kca__partition *p = list->first, *next; p; p = next) {
        next = p->next;
        free_partition(p);
    }
    for (kca__place *place = list->places, *next; place; place = next) {
        next = place->next;
        free(place->topic);
        free(place);
    }
    *list = (kca__partitions){0};
}

static bool is_at(const kca__place *place, const char *topic, int number) {
    return place->number == number && strcmp(place->topic, topic) == 0;
}

kca__place *kca__partitions_place(kca__partitions *list, const char *topic, int number) {
    for (kca__place *place = list->places; place; place = place->next)
        if (is_at(place, topic, number))
            return place;
    kca__place *place = calloc(1, sizeof *place);
    if (!place || !(place->topic = kca__text_copy(topic))) {
        free(place);
        return NULL;
    }
    place->number = number;
    place->next = list->places;
    list->places = place;
    return place;
}

static bool is_it(const kca__partition *p, const char *topic, int number) {
    return !p->revoked && is_at(p->place, topic, number);
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
    kca__place *place = kca__partitions_place(list, topic, number);
    kca__partition *p = place ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    p->place = place;
    p->base = p->begin = p->last_offset = p->committed = -1;
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
        out += p->draining && !p->revoked ? p->out + p->writing : 0;
    return out;
}
