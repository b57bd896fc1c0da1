/* Systems in a few lines. The connection is always named "kafka". */
#ifndef KCA_TESTS_SYSTEMS_H
#define KCA_TESTS_SYSTEMS_H

#include <kca.h>
#include <stdbool.h>

/* A system with the connection "kafka" to these hosts. */
kca_system *system_on(const char *hosts);

/* Adds a connection that the test made, and frees it. */
void give_connection(kca_system *s, kca_connection *c);

/* A publisher with required_acks -1; give_publisher adds it and frees it. */
kca_publisher_builder *publisher_of(const char *topic);
void give_publisher(kca_system *s, kca_publisher_builder *b);

/* A consumer whose group has its name, and that commits every 100 ms; give_consumer adds it and
 * frees it. Its group protocol is that of the environment's KCA_GROUP_PROTOCOL, or else its
 * strategy that of KCA_ASSIGNMENT_STRATEGY, where there is one. */
kca_consumer_builder *consumer_of(const char *topic, const char *name);

/* True when KCA_GROUP_PROTOCOL is "consumer": the broker decides who has what, and for how long. */
bool is_dealt_by_broker(void);

/* How soon a dead member is noticed, unless the broker decides: see broker/configuration.bash. */
void set_session(kca_consumer_builder *b, int session_ms);
void give_consumer(kca_system *s, kca_consumer_builder *b);

void start(kca_system *s);

/* Shuts down, which must leave nothing over, and frees. */
void finish(kca_system *s);

kca_bus *bus_of(kca_system *s, const char *channel);
kca_queue *queue_of(kca_system *s);
kca_consumer *reader_of(kca_system *s, const char *consumer);

/* A message "thing" with this payload; key NULL: none set. */
kca_message *thing(const char *payload, const char *key);

/* Publishes {"id":from} ... {"id":from + count - 1} with keys k0 ... k<keys - 1> and tokens id + 1,
 * or no token. */
void publish_things(kca_bus *bus, int from, int count, int keys, int tokens);

/* The next event of this type; other events are dropped; NULL: none in time. */
kca_event *next_event(kca_queue *q, int type, int timeout_ms);

/* Waits for a log line with `part` in it; other events are dropped. */
int log_says(kca_queue *q, const char *part, int timeout_ms);

/* ---- describe: the element of this index of "connections", "publishers" or "consumers" ---- */
int64_t described(kca_system *s, const char *list, int index, const char *name);

/* A number of a partition of the only consumer; -1: unknown, or the consumer has no such partition.
 */
int64_t described_partition(kca_system *s, const char *topic, int partition, const char *name);

/* The effective value of a librdkafka property; freed with free(). */
char *property_in_effect(kca_system *s, const char *list, int index, const char *name);
void must_have_property(kca_system *s, const char *list, const char *name, const char *value);

#endif
