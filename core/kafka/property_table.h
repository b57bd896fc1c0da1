/* The properties that the librdkafka in use knows, read from its own documentation table at run
 * time. */
#ifndef KCA_KAFKA_PROPERTY_TABLE_H
#define KCA_KAFKA_PROPERTY_TABLE_H

typedef struct kca__known_property {
    char *name;
    char scope; /* 'P' producer, 'C' consumer, '*' both */
} kca__known_property;

/* NULL: no such property. */
const kca__known_property *kca__property_table_find(const char *name);

/* The name most like this one. */
const char *kca__property_table_nearest(const char *name);

#endif
