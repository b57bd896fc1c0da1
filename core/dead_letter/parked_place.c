#include "dead_letter/parked_place.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *kca__parked_place_write(const kca__parked_place *place, const char *topic, int partition,
                              const char *group) {
    char behind[24] = "-";
    if (place->behind >= 0)
        snprintf(behind, sizeof behind, "%" PRId64, place->behind);
    return kca__text_format("%" PRId64 " %s %" PRId64 " %d %s %s", place->waits_for, behind,
                            place->at, partition, topic, group);
}

/* Moves `at` behind a number of digits and the space after it; -1: there is none. */
static int64_t next_number(const char **at, const char *end) {
    int64_t number = 0;
    const char *p = *at;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (number > (INT64_MAX - 9) / 10)
            return -1;
        number = number * 10 + (*p - '0');
    }
    if (p == *at || p == end || *p != ' ')
        return -1;
    *at = p + 1;
    return number;
}

static bool next_is(const char **at, const char *end, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

kca__parked_place kca__parked_place_read(const char *text, size_t len, const char *topic,
                                         int partition, const char *group) {
    const kca__parked_place none = {0};
    const char *at = text, *end = text + len;
    kca__parked_place place = {.in_line = true, .behind = -1};
    if ((place.waits_for = next_number(&at, end)) < 0)
        return none;
    if (!next_is(&at, end, "- ") && (place.behind = next_number(&at, end)) < 0)
        return none;
    if ((place.at = next_number(&at, end)) < 0 || next_number(&at, end) != partition)
        return none;
    bool mine = next_is(&at, end, topic) && next_is(&at, end, " ") && next_is(&at, end, group);
    return mine && at == end ? place : none;
}
