/*
 * Replies of an inbound channel adapter: what a handler answers is written to the channel that the
 * message names in `replyTo`, by the poller, as dead letters are; only then is its delivery done.
 *
 * The name is the sender's, so only channels count of which the system has a publisher. Of another
 * one a fault tells, once. Replies are always confirmed: those of a publisher that asks for no
 * confirmation, or that were refused in company, are written alone.
 *
 * One that is refused for good for itself, or for the partition that it names, becomes the error
 * that says so. If that is refused, too, or nothing is taken by the topic, the delivery is done
 * without.
 */
#ifndef KCA_INBOUND_REPLIES_H
#define KCA_INBOUND_REPLIES_H

#include <pthread.h>

#include "engine/delivery.h"
#include "outbound/publisher.h"

struct kca__inbound;

enum { KCA__UNKNOWN_CHANNELS = 100 }; /* of more than that nobody is told */

typedef struct kca__replies {
    pthread_mutex_t lock;
    char *told[KCA__UNKNOWN_CHANNELS]; /* channels that were asked for and cannot be answered in */
    int told_count;
} kca__replies;

void kca__replies_init(kca__replies *r);

void kca__replies_close(kca__replies *r);

/* Whether somebody waits for the delivery's reply, and it can be answered; else a fault may tell.
 * Its message is read. On the thread that has taken it. */
void kca__replies_look(struct kca__inbound *in, kca_delivery *d);

/* ... when its message is another now. */
void kca__replies_look_again(struct kca__inbound *in, kca_delivery *d);

/* See kca__engine_setup. */
bool kca__replies_is_asked(void *inbound, const kca_delivery *d);

/* See kca_delivery_wants_reply. */
bool kca__replies_are_wanted(const kca_delivery *d);

/* See kca_delivery_reply and kca_delivery_reply_message. */
kca_error *kca__replies_give(kca_delivery *d, const void *payload, size_t len);
kca_error *kca__replies_give_message(kca_delivery *d, const kca_message *m);

/* Hands the reply to its publisher, without waiting; what becomes of it comes back to the engine.
 * An error: the delivery is still the caller's. */
kca_error *kca__replies_write(struct kca__inbound *in, kca_delivery *d);

/* It is not stored. `certain`: it was refused for itself. Takes `error`; the delivery is the
 * engine's then. */
void kca__replies_not_stored(kca_delivery *d, kca_error *error, bool certain);

#endif
