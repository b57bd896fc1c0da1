/*
 * CloudEvents 1.0: message <-> record, by the Kafka binding. Pure.
 *
 * Binary: the attributes are headers "ce_<attribute>", datacontenttype is the header content-type,
 * and the payload is the record's value. Structured: the value is a JSON object of all attributes,
 * and the payload its member `data`, as it stands if it is JSON.
 *
 *     id            message id              correlationid   correlation id
 *     source        origin                  version         version
 *     type          name                    messagetype     type (Command, Query, Event, Document)
 *     time          timestamp               channelname     channel
 *     traceparent, tracestate               replyto         channel for replies
 *
 * A custom header "ce_<attribute>" is an extension attribute, and content-type the payload's type,
 * in both modes; every other custom header is a header of the record. The trace context is also
 * written as the headers traceparent and tracestate, which come first when it is read.
 */
#ifndef KCA_MESSAGE_CLOUD_EVENT_H
#define KCA_MESSAGE_CLOUD_EVENT_H

#include "message/translator.h"

/* As kca__translator_read, which reads what is no event of either mode; in another dialect than
 * Gomes' both modes are read. False: memory is out. */
bool kca__cloud_event_read(kca_message *out, kca__dialect dialect, kca__record *record,
                           int64_t now_ms);

/* The id by which an answer is known: of a structured event, as that of the others stands in a
 * header. In memory of its own, for the caller to free; NULL: it has none, or memory is out. */
char *kca__cloud_event_correlation_id(const kca__record *record);

/* Frees the memory of kca__cloud_event_read; m->headers is empty then. */
void kca__cloud_event_clear(kca_message *m);

/* As kca__translator_write, in the channel's dialect, whichever it is. An event without a name has
 * the word of its type as type, which must not be empty. For kca__wire_clear; false: memory is out.
 */
bool kca__cloud_event_write(kca__wire *out, const kca_message *m,
                            const kca__channel_defaults *channel, int64_t now_ms);

/* ---- for the two above ---- */

/* The attribute's meaning, KCA__TEXT_... or KCA__WIRE_...; specversion and datacontenttype have
 * none: KCA__CLOUD_EVENT_VERSION, KCA__CLOUD_EVENT_CONTENT; KCA__WIRE_CUSTOM: an extension. */
enum { KCA__CLOUD_EVENT_VERSION = -10, KCA__CLOUD_EVENT_CONTENT, KCA__CLOUD_EVENT_DATA };
int kca__cloud_event_attribute(const char *name);

/* The attribute of the header of this name; NULL: the header is none's. */
const char *kca__cloud_event_header(const char *name);

#endif
