/*
 * Postponed: a record on its way to a topic that is to have it at a time, in a delay channel. Text
 * headers say so: kca-deliver-to (the topic), -at-ms (the time, in ms since 1970), -due-ms (until
 * when it waits in this delay channel), -partition, if the message names one, and -timestamp-ms, if
 * it has a time of its own: a delay channel's records are of when they were written there, lest its
 * retention takes them before they are due. Pure.
 *
 * The ladder. Records of one topic wait for one another, so one topic cannot hold those of any
 * times: one of next month would keep all behind it back. A delay channel therefore has a fixed
 * delay, and its records come in the order in which they are due. A record takes the longest delay
 * that fits what is left, and then the next, until nothing is left; the shortest channel takes what
 * is less than its delay, and so a record is late by that at most.
 */
#ifndef KCA_MESSAGE_POSTPONED_H
#define KCA_MESSAGE_POSTPONED_H

#include "message/translator.h"

enum { KCA__POSTPONED_HEADERS = 5, KCA__POSTPONED_NUMBER = 24 };

typedef struct kca__postponed {
    const char *to; /* "" on reading: it is none of these records */
    int64_t at_ms;
    int64_t due_ms;
    int partition;        /* -1: the key chooses */
    int64_t timestamp_ms; /* that its record is to have; -1: that of when it gets there */
} kca__postponed;

/* A rung: the channel that a record waits in next, and until when; -1: in none, its time has come.
 * `delays_ms` are those of the channels, in any order; when all are 0, as in tests, nothing waits.
 */
typedef struct kca__rung {
    int channel;
    int64_t due_ms;
} kca__rung;

kca__rung kca__postponed_rung(const int *delays_ms, int count, int64_t at_ms, int64_t now_ms);

/* A header of this name says where a record waits: no message may have it. */
bool kca__postponed_is_own(const char *name);

/* Its headers; the numbers are written in `room`. Gives how many. */
int kca__postponed_write(kca__header out[KCA__POSTPONED_HEADERS],
                         char room[KCA__POSTPONED_HEADERS][KCA__POSTPONED_NUMBER],
                         const kca__postponed *p);

/* Borrows from the headers. */
void kca__postponed_read(kca__postponed *out, const kca__header *headers, int count);

/* Takes them out, and gives how many are left. */
int kca__postponed_strip(kca__header *headers, int count);

#endif
