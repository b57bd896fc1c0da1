/*
 * Retry record: a record that failed, on its way through a retry channel to its next attempt, with
 * headers that say where it came from at first, how often it has failed, and when it is due. Pure:
 * takes the time as an argument.
 *
 * Key, value and headers stay as they were. Ours are texts "kca-retry-...": topic, partition,
 * offset, timestamp (RFC 3339), group, attempts (made so far), error-name, error-text, due-ms
 * (milliseconds since 1970). Where dead letters have Spring's format, they are instead those of
 * Spring's @RetryableTopic: kafka_original-..., kafka_dlt-original-consumer-group, kafka_exception-
 * ..., and retry_topic-attempts (int32: the attempt that comes next), retry_topic-backoff-timestamp
 * (due) and retry_topic-original-timestamp (both the shortest big-endian two's complement, as
 * Java's BigInteger writes it).
 *
 * Both are read, wherever they come from; of what both tell, the higher number counts, so that no
 * one can go back. Each hop replaces what the hops before it wrote.
 */
#ifndef KCA_DEAD_LETTER_RETRY_RECORD_H
#define KCA_DEAD_LETTER_RETRY_RECORD_H

#include "dead_letter/dead_letter.h"

/* What a retry record's headers tell. Texts are borrowed from them. */
typedef struct kca__retry_record {
    int attempts;      /* that failed; 0: not told */
    int64_t due_ms;    /* since 1970; -1: not told */
    const char *group; /* that wrote it with our headers; "": not told */
    const char *topic; /* where it came from at first, as the next three; "": not told */
    int partition;
    int64_t offset;
    int64_t timestamp_ms;
    bool log_append_time;
} kca__retry_record;

void kca__retry_record_read(kca__retry_record *out, const kca__header *headers, int count);

/* Takes out what hops added, and gives how many headers are left. */
int kca__retry_record_strip(kca__header *headers, int count);

/* The record to publish, of one that has failed `d->attempts` times; it is due at `due_ms`. As
 * kca__dead_letter_write. */
bool kca__retry_record_write(kca__dead_letter_record *out, const kca__dead_letter *d,
                             int64_t due_ms, int format);

#endif
