/* The real Kafka that tests/broker/kafka started, seen from outside through librdkafka. A function
 * here that does not work fails the test. */
#ifndef KCA_TESTS_CLUSTER_H
#define KCA_TESTS_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* host:port of a listener: "PLAINTEXT", "TLS", "MTLS" ... */
const char *listener(const char *name);

/* Path of a file that tests/broker/certificates made; borrowed, for the life of the process. */
const char *certificate_file(const char *name);

/* A file's text, freed with free(). */
char *text_of(const char *path);

/* Runs tests/broker/kafka with these words, for example cluster_do("acl --add ..."). */
void cluster_do(const char *words);

/* A producer through which to ask the cluster; borrowed, for the life of the process. */
rd_kafka_t *cluster_client(void);

/* ---- topics ---- */
void topic_create(const char *topic, int partitions);
void topic_create_with(const char *topic, int partitions, const char *setting, const char *value);
void topic_grow(const char *topic, int partitions);
void topic_set(const char *topic, const char *setting, const char *value);
void topic_delete(const char *topic);

/* The controller has answered; the brokers' answers to consumers follow a moment later. */
void topic_must_be_gone(const char *topic);

/* Deletes the partition's records below this offset, as retention does. */
void topic_trim(const char *topic, int partition, int64_t before);

/* Records between the partition's first and last offset; partition -1: of all `partitions`. */
int64_t topic_end(const char *topic, int partition);
int64_t topic_count(const char *topic, int partitions);

/* Bytes that the partition takes on the disk of node 1. */
int64_t topic_bytes(const char *topic, int partition);

/* ---- records ---- */
typedef struct raw_record {
    int partition;
    int64_t offset, timestamp_ms;
    char *key, *value; /* end with NUL */
    size_t key_len, value_len;
    struct {
        char *name, *value; /* a value ends with NUL, too; NULL: none */
        size_t value_len;
    } headers[32];
    int header_count;
} raw_record;

/* All records of the partitions 0 .. partitions - 1, unchanged, by partition and offset; of
 * transactions only committed ones. */
raw_record *topic_read(int *out_count, const char *topic, int partitions);
void records_free(raw_record *records, int count);

/* The value of the last header of this name; NULL: none. */
const char *record_header(const raw_record *r, const char *name);

/* Writes records as another program would: header `route` is "thing" unless NULL is given;
 * partition -1: by key. */
typedef struct raw_writer raw_writer;
raw_writer *raw_writer_open(const char *transactional_id);
void raw_write(raw_writer *w, const char *topic, int partition, const char *route, const char *key,
               const char *value);
void raw_write_headers(raw_writer *w, const char *topic, const char *key, const char *value,
                       const char *const (*headers)[2], int count);

/* Takes the headers. A key or value of NULL is none, unlike an empty one. */
void raw_write_bytes(raw_writer *w, const char *topic, const void *key, size_t key_len,
                     const void *value, size_t value_len, rd_kafka_headers_t *headers);
rd_kafka_t *raw_writer_client(raw_writer *w);
void raw_writer_close(raw_writer *w); /* flushes */

/* Writes `count` records with values {"id":0} ... and keys k0 ... k<keys - 1>; keys 0: no keys. */
void topic_fill(const char *topic, int partition, int count, int keys);

/* ---- groups ---- */

/* The group's committed offset; -1: none. */
int64_t group_committed(const char *group, const char *topic, int partition);
void group_committed_all(int64_t *out, const char *group, const char *topic, int partitions);
int64_t group_committed_sum(const char *group, const char *topic, int partitions);

/* The metadata of that commit; "" when there is none; freed with free(). */
char *group_metadata(const char *group, const char *topic, int partition);

/* Commits as another program would, for a group that has no members; metadata NULL: none. */
void group_commit(const char *group, const char *topic, int partition, int64_t offset,
                  const char *metadata);

#endif
