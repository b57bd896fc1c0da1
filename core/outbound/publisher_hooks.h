/* A publisher's part of the hooks on publishing: see message/hooks.h. */
#ifndef KCA_OUTBOUND_PUBLISHER_HOOKS_H
#define KCA_OUTBOUND_PUBLISHER_HOOKS_H

#include "message/hooks.h"
#include "outbound/publisher.h"

/* Whether what this thread publishes now goes through these hooks. */
bool kca__publishing_is_hooked(const kca__hooks *hooks);

/* Begins, and calls the before functions. True: h->message is to be published; false: it is dropped
 * (KCA_DROP) or refused. kca__publishing_leave must follow. `channel` "": of a bus without one. */
bool kca__publishing_enter(kca_hooked *h, const kca__hooks *hooks, const char *channel,
                           const kca_message *m, kca_delivery *d);

/* Calls the after functions with what came of it; gives the outcome of the whole, and takes `e`. */
kca_error *kca__publishing_leave(kca_hooked *h, kca_error *e);

/* The same for a publisher. */
bool kca__publisher_is_hooked(const kca__publisher *p);
bool kca__publisher_enter(kca_hooked *h, const kca__publisher *p, const kca_message *m,
                          kca_delivery *d);

/* As kca__publisher_publish, inside the hooks. */
kca_error *kca__publisher_publish_hooked(kca_event **out, kca__publisher *p, const kca_message *m,
                                         int type, uint64_t token, int timeout_ms);

/* The outcome of a message that a hook dropped: its receipt, of a message that is nowhere. */
kca_error *kca__publisher_drop(kca_event **out, kca__publisher *p, uint64_t token);

#endif
