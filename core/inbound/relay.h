/*
 * Relay of an inbound channel adapter: records that wait in a delay channel (postponed.h) are
 * written on by the poller when their time has come, as dead letters are, to the next delay channel
 * or to their topic, and are done when the broker has them there.
 *
 * Headers may be anybody's. So only topics count of which the system has a publisher, and a record
 * waits for a week at most, counted from when it was written. All else is given up.
 */
#ifndef KCA_INBOUND_RELAY_H
#define KCA_INBOUND_RELAY_H

#include "inbound/inbound.h"

/* What the fetched record's headers tell. */
void kca__relay_look(const kca__inbound *in, kca__inbound_record *r);

/* Hands the record to the publisher of where it goes, without waiting; what becomes of it comes
 * back to the engine. An error: the delivery is still the caller's. */
kca_error *kca__relay_write(kca__inbound *in, kca_delivery *d);

/* It is not stored. `certain`: it was refused for itself. Takes `error`; the delivery is the
 * engine's then. */
void kca__relay_not_stored(kca_delivery *d, kca_error *error, bool certain);

#endif
