/*
 * Reply channel: its reader, and the asks whose answers come on it.
 *
 * One for each connection and channel that publishers name. Each process reads the whole channel,
 * without a group, from where it ended before the start returned: so an answer cannot come before
 * its reader. A thread of its own reads, looks for partitions that were added, which it reads from
 * their first record, and ends asks whose time is over. A channel that does not exist is no error:
 * when it comes, it is read from its first record, too.
 */
#ifndef KCA_ASKING_REPLY_CHANNEL_H
#define KCA_ASKING_REPLY_CHANNEL_H

#include <stdatomic.h>

#include "asking/asks.h"
#include "connection/connection.h"
#include "outbound/publisher.h"

typedef struct kca__reply_channel {
    char *connection; /* its name */
    char *channel;
    kca__log *log;
    kca__event_queue *queue;
    kca__asks *asks;

    /* while started */
    kca__client *reader;
    kca__client *finder; /* finds the topic, and so has it made by a cluster that makes topics */
    rd_kafka_queue_t *records;
    rd_kafka_topic_t *topic;
    atomic_int partitions; /* that are read; the reader alone changes it */
    bool is_open;          /* asks are taken */
    bool has_told;         /* why they are not */
    int64_t look_ms;       /* when to look for partitions again */
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
} kca__reply_channel;

kca_error *kca__reply_channel_new(kca__reply_channel **out, const char *connection,
                                  const char *channel, kca__log *log, kca__event_queue *queue);
void kca__reply_channel_free(kca__reply_channel *r);

/* Begins to read; `finder` is a client of a producer over the connection. A channel that cannot be
 * read yet is told of by a fault, and looked for again. */
kca_error *kca__reply_channel_open(kca__reply_channel *r, kca_connection *c, kca__client *finder,
                                   int64_t deadline);

/* Ends what waits; hurry: what still does at this time, see kca__asks_hurry. */
void kca__reply_channel_hurry(kca__reply_channel *r, int64_t until_ms);
void kca__reply_channel_shut(kca__reply_channel *r);
void kca__reply_channel_close(kca__reply_channel *r);

/* Finds partitions that are not read yet, and begins to read them. False: there is none yet, or it
 * could not be found out before the deadline. */
bool kca__reply_channel_look(kca__reply_channel *r, int64_t deadline);

/* That the channel cannot be read, for a reason of librdkafka's; and a fault that tells it, which
 * takes `e`. */
kca_error *kca__reply_channel_unreadable(const kca__reply_channel *r, rd_kafka_resp_err_t err);
void kca__reply_channel_tell(const kca__reply_channel *r, kca_error *e);

/* See kca_bus_send and kca_bus_send_for_reply; `type` is the bus' own. */
kca_error *kca__reply_channel_send(kca__reply_channel *r, kca__publisher *p, const kca_message *m,
                                   int type, uint64_t token, int timeout_ms);
kca_error *kca__reply_channel_send_and_wait(kca_event **out, kca__reply_channel *r,
                                            kca__publisher *p, const kca_message *m, int type,
                                            int timeout_ms);

#endif
