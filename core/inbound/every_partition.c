#include "inbound/every_partition.h"

#include "kafka/ask.h"
#include "kafka/kafka_error.h"

enum { ANSWER_MS = 5000 };

rd_kafka_resp_err_t kca__every_partition_add(rd_kafka_topic_partition_list_t *list, rd_kafka_t *rk,
                                             const char *name) {
    kca__topic_look look = {rd_kafka_topic_new(rk, name, NULL), 0};
    if (!look.topic)
        return rd_kafka_last_error();
    rd_kafka_resp_err_t err = kca__ask_partitions(rk, &look, ANSWER_MS);
    rd_kafka_topic_destroy(look.topic);
    if (!err)
        rd_kafka_topic_partition_list_add_range(list, name, 0, look.partitions - 1);
    return err;
}

kca_error *kca__every_partition_find(rd_kafka_topic_partition_list_t *list, rd_kafka_t *rk,
                                     const kca_consumer_builder *options) {
    for (int i = 0; i < options->topic_count; i++) {
        rd_kafka_resp_err_t err = kca__every_partition_add(list, rk, options->topics[i]);
        bool missing = kca__error_is_missing_topic(err);
        if (err)
            return kca__error_new(missing ? KCA_ERROR_NOT_FOUND : KCA_ERROR_BROKER,
                                  "consumer %s: topic %s: %s", options->name, options->topics[i],
                                  missing ? "it does not exist" : rd_kafka_err2str(err));
    }
    return NULL;
}
