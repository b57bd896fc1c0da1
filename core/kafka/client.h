/*
 * A librdkafka client (rd_kafka_t) with its logs and the last trouble it told of. Its owner polls
 * it: see outbound/producer.h and inbound/poller.h.
 */
#ifndef KCA_KAFKA_CLIENT_H
#define KCA_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/log.h"
#include "kafka/offset_resets.h"

enum { KCA__TROUBLE_TEXT = 512 };

typedef struct kca__client kca__client;

/* Hears that a broker cannot be reached, or sends its client away; on the thread that polls. */
typedef void (*kca__complaint_fn)(void *user, kca__client *client, const char *text);

struct kca__client {
    rd_kafka_t *rk;
    char *name; /* in logs */
    kca__log *log;
    void *owner; /* whom librdkafka's callbacks find by it, through `conf`'s opaque */

    pthread_mutex_t lock;
    char trouble[KCA__TROUBLE_TEXT]; /* last error librdkafka told of, "" none since the last
                                        success */
    int trouble_code;
    bool partition_went;        /* one that was read is not in the cluster any more */
    kca__offset_resets resets;  /* of a consumer */
    kca__complaint_fn complain; /* NULL: nobody hears */
    void *complaint_user;
};

/* Takes `conf`, also on failure; `who` begins the error's text. The opaque that callbacks get is
 * the client. */
kca_error *kca__client_open(kca__client **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            const char *name, const char *who, kca__log *log, void *owner);

/* Drops what is buffered; a consumer must have been closed. NULL is ignored. */
void kca__client_close(kca__client *client);

/* Who hears of brokers that cannot be reached. Until the client is closed. */
void kca__client_on_complaint(kca__client *client, kca__complaint_fn fn, void *user);

/* An error that came as an event: it does not reach the callback then. */
void kca__client_take_error(kca__client *client, rd_kafka_event_t *event);

/* The last trouble; its code, 0 for none. `out` has room for KCA__TROUBLE_TEXT. */
int kca__client_trouble(kca__client *client, char *out);
void kca__client_forget_trouble(kca__client *client);

/* Of a delivery report: librdkafka takes for stored, without an answer of the broker's, what comes
 * before a record that is stored. A broker which knows nothing of the producer yet takes any record
 * for its first, however. */
bool kca__client_is_unconfirmed(const rd_kafka_message_t *m);

#endif
