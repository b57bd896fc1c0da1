#include "kafka/topic_ids.h"

#include <stdint.h>

/* NULL in a librdkafka that has no such functions. */
#if RD_KAFKA_VERSION < 0x020300ff
typedef struct rd_kafka_TopicCollection_s rd_kafka_TopicCollection_t;
typedef struct rd_kafka_TopicDescription_s rd_kafka_TopicDescription_t;
typedef struct rd_kafka_Uuid_s rd_kafka_Uuid_t;
typedef rd_kafka_event_t rd_kafka_DescribeTopics_result_t;
#endif

#define MAY_BE_MISSING __attribute__((weak))
extern rd_kafka_TopicCollection_t *rd_kafka_TopicCollection_of_topic_names(
    const char **topics, size_t count) MAY_BE_MISSING;
extern void rd_kafka_TopicCollection_destroy(rd_kafka_TopicCollection_t *topics) MAY_BE_MISSING;
extern void rd_kafka_DescribeTopics(rd_kafka_t *rk, const rd_kafka_TopicCollection_t *topics,
                                    const rd_kafka_AdminOptions_t *options,
                                    rd_kafka_queue_t *answers) MAY_BE_MISSING;
extern const rd_kafka_DescribeTopics_result_t *rd_kafka_event_DescribeTopics_result(
    rd_kafka_event_t *event) MAY_BE_MISSING;
extern const rd_kafka_TopicDescription_t **rd_kafka_DescribeTopics_result_topics(
    const rd_kafka_DescribeTopics_result_t *result, size_t *count) MAY_BE_MISSING;
extern const rd_kafka_error_t *rd_kafka_TopicDescription_error(
    const rd_kafka_TopicDescription_t *topic) MAY_BE_MISSING;
extern const char *rd_kafka_TopicDescription_name(const rd_kafka_TopicDescription_t *topic)
    MAY_BE_MISSING;
extern const rd_kafka_Uuid_t *rd_kafka_TopicDescription_topic_id(
    const rd_kafka_TopicDescription_t *topic) MAY_BE_MISSING;
extern int64_t rd_kafka_Uuid_most_significant_bits(const rd_kafka_Uuid_t *id) MAY_BE_MISSING;
extern int64_t rd_kafka_Uuid_least_significant_bits(const rd_kafka_Uuid_t *id) MAY_BE_MISSING;

bool kca__topic_ids_ask(rd_kafka_t *rk, rd_kafka_queue_t *answers, const char *const *topics,
                        int count) {
    if (!rd_kafka_DescribeTopics)
        return false;
    rd_kafka_TopicCollection_t *names =
        rd_kafka_TopicCollection_of_topic_names((const char **)(uintptr_t)topics, (size_t)count);
    rd_kafka_DescribeTopics(rk, names, NULL, answers);
    rd_kafka_TopicCollection_destroy(names);
    return true;
}

static void put_bits(unsigned char *out, int64_t bits) {
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)bits >> (56 - 8 * i));
}

/* Brokers below 2.8 tell an id of zeros. */
static bool read_id(unsigned char *out, const rd_kafka_Uuid_t *id) {
    int64_t most = id ? rd_kafka_Uuid_most_significant_bits(id) : 0;
    int64_t least = id ? rd_kafka_Uuid_least_significant_bits(id) : 0;
    put_bits(out, most);
    put_bits(out + 8, least);
    return most != 0 || least != 0;
}

void kca__topic_ids_take(rd_kafka_event_t *answer,
                         void (*fn)(void *user, const char *topic, const unsigned char *id),
                         void *user) {
    unsigned char id[KCA__TOPIC_ID_BYTES];
    size_t count = 0;
    const rd_kafka_DescribeTopics_result_t *result = rd_kafka_event_DescribeTopics_result(answer);
    const rd_kafka_TopicDescription_t **topics =
        result ? rd_kafka_DescribeTopics_result_topics(result, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_error_t *error = rd_kafka_TopicDescription_error(topics[i]);
        if (!(error && rd_kafka_error_code(error)) &&
            read_id(id, rd_kafka_TopicDescription_topic_id(topics[i])))
            fn(user, rd_kafka_TopicDescription_name(topics[i]), id);
    }
}
