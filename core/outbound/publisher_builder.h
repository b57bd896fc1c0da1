/* Publisher builder: the declared options of an outbound channel adapter, and their librdkafka
 * properties. */
#ifndef KCA_OUTBOUND_PUBLISHER_BUILDER_H
#define KCA_OUTBOUND_PUBLISHER_BUILDER_H

#include "base/option_table.h"
#include "connection/connection.h"
#include "message/translator.h"

/* The options are the rows of kca__publisher_options. */
struct kca_publisher_builder {
    char *connection;
    char *topic;
    int max_attempts;
    int batch_size;
    int batch_bytes;
    int async;
    int required_acks;
    char *reply_channel;
    int read_replies;
    const char *compression;
    int linger_ms;
    int idempotence;
    int buffer_messages;
    int buffer_bytes;
    int buffer_timeout_ms;
    int background;
    const char *dialect;
    kca__option_texts delay_channel; /* one for each of */
    kca__option_ints delay_channel_ms;
    kca__options_given given;
    kca__properties properties;
    kca_error *error;
};

extern const kca__option kca__publisher_options[];

kca_error *kca__publisher_builder_new(kca_publisher_builder **out, const char *connection,
                                      const char *topic);
kca_error *kca__publisher_builder_copy(kca_publisher_builder **out, const kca_publisher_builder *b);
void kca__publisher_builder_free(kca_publisher_builder *b);

/* Checks what no single setter can. */
kca_error *kca__publisher_builder_check(const kca_publisher_builder *b);

kca__dialect kca__publisher_builder_dialect(const kca_publisher_builder *b);

/* No batch timer delays a publish that waits for its answer. */
int kca__publisher_builder_linger_ms(const kca_publisher_builder *b);

/* Sets the options' properties in `conf`, and gives them as text: publishers of equal text may
 * share a client. Free it with free(). */
kca_error *kca__publisher_builder_configure(char **out_fingerprint, const kca_publisher_builder *b,
                                            rd_kafka_conf_t *conf);

#endif
