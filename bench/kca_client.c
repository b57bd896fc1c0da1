#include "kca_client.h"

#include "workload.h"

const char kca_client_connection[] = "bench";

void check(kca_error *error) {
    if (error)
        die("%s: %s", kca_error_name(error), kca_error_text(error));
}

kca_system *kca_client_system(const options *o) {
    kca_system *system;
    kca_connection *connection;
    check(kca_system_new(&system));
    check(kca_system_log_to_stderr(system, KCA_LOG_WARN));
    check(kca_connection_new(&connection, kca_client_connection, o->brokers));
    check(kca_system_add_connection(system, connection));
    kca_connection_free(connection);
    return system;
}

void kca_client_declare_consumer(kca_system *system, const options *o) {
    kca_consumer_builder *b;
    check(kca_consumer_builder_new(&b, kca_client_connection, o->topic, o->group));
    kca_consumer_builder_with_queue_capacity(b, WORKLOAD_FETCH_MESSAGES);
    check(kca_system_add_consumer(system, b));
    kca_consumer_builder_free(b);
}
