/* What consumer.c and consumer_batch.c have in common: a delivery's store, handler and hooks. */
#ifndef KCA_INBOUND_CONSUMER_PRIVATE_H
#define KCA_INBOUND_CONSUMER_PRIVATE_H

#include "inbound/consumer.h"

const char *kca__consumer_why_unhandled(const char *name, const kca__handler *handler);

/* 1: the message was handled before; 0: not, or nobody is asked; -1: not to be known. */
int kca__consumer_ask_store(const kca__consumer *c, kca_delivery *d);

/* It was handled. */
void kca__consumer_tell_store(const kca__consumer *c, kca_delivery *d);

void kca__consumer_begin_hooked(kca_hooked *out, const kca__consumer *c, kca_delivery *d);
void kca__consumer_judge_hooked(kca_hooked *h, const kca_delivery *d, int verdict);

/* A hook failed: its reason counts, or else the one that is there. */
void kca__consumer_explain_hook(kca_delivery *d, const kca_hooked *h);

#endif
