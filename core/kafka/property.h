/* librdkafka properties that the application sets by name, checked at once. */
#ifndef KCA_KAFKA_PROPERTY_H
#define KCA_KAFKA_PROPERTY_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "kca.h"

/* What a property is set on. */
enum { KCA__ON_CONNECTION, KCA__ON_PUBLISHER, KCA__ON_CONSUMER };

typedef struct kca__property {
    char *name;
    char *value;
} kca__property;

typedef struct kca__properties {
    kca__property *items;
    int count;
} kca__properties;

void kca__properties_close(kca__properties *p);
bool kca__properties_copy(kca__properties *out, const kca__properties *p);

/* Sets or replaces. `on` is one of KCA__ON_...; `who` begins the error's text ("publisher
 * order.events"). Refused: unknown names (the nearest known is named), names of the other side, bad
 * values. */
kca_error *kca__properties_set(kca__properties *p, int on, const char *who, const char *name,
                               const char *value);

/* NULL: not set. */
const char *kca__properties_get(const kca__properties *p, const char *name);

/* Sets all of them that a producer (or consumer) takes. */
kca_error *kca__properties_apply(const kca__properties *p, rd_kafka_conf_t *conf, bool producer,
                                 const char *who);

/* Sets one property; the error's text never holds the value of a secret one. */
kca_error *kca__property_apply(rd_kafka_conf_t *conf, const char *who, const char *name,
                               const char *value);

/* Sets `count` properties, {name, value} each, until one is refused; one whose value is NULL keeps
 * librdkafka's default. */
kca_error *kca__property_apply_all(rd_kafka_conf_t *conf, const char *who,
                                   const char *const (*properties)[2], size_t count);

kca_error *kca__property_apply_int(rd_kafka_conf_t *conf, const char *who, const char *name,
                                   int value);

/* All of `conf` as a JSON object, secrets left out. Free with free(); NULL when memory is out. */
char *kca__property_dump(rd_kafka_conf_t *conf);

/* The client.id of `conf`, cut where there is no room. */
enum { KCA__CLIENT_ID_ROOM = 128 };
typedef struct kca__client_id {
    char text[KCA__CLIENT_ID_ROOM];
} kca__client_id;
void kca__property_client_id(kca__client_id *out, const rd_kafka_conf_t *conf);

/* Passwords, keys, tokens: never shown. */
bool kca__property_is_secret(const char *name);

/* True when the librdkafka in use knows the name. */
bool kca__property_is_known(const char *name);

#endif
