/* The librdkafka properties of options: what the rows of an option table say of them. */
#ifndef KCA_KAFKA_OPTION_PROPERTIES_H
#define KCA_KAFKA_OPTION_PROPERTIES_H

#include <librdkafka/rdkafka.h>

#include "base/option_table.h"

/* Sets each row's property to the option's value; where the option is not set, librdkafka's default
 * stays. What depends on more than one option is set by its builder, over this. */
kca_error *kca__options_apply(const kca__option *rows, const void *object, rd_kafka_conf_t *conf,
                              const char *who);

/* The properties of the rows with their values in `conf`, as text. Free it with free(); NULL when
 * memory is out. */
char *kca__options_fingerprint(const kca__option *rows, rd_kafka_conf_t *conf);

/* The row that sets this property or stands for it; NULL: none does. */
const kca__option *kca__options_owner_of(const kca__option *rows, const char *property);

#endif
