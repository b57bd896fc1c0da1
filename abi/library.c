/* The library itself, texts and errors. */
#include "base/clock.h"
#include "base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>

int kca_abi(void) {
    return KCA_ABI;
}

const char *kca_version(void) {
    return KCA_VERSION;
}

int64_t kca_monotonic_us(void) {
    return kca__clock_us();
}

const char *kca_rdkafka_version(void) {
    return rd_kafka_version_str();
}

void kca_string_free(char *text) {
    free(text);
}

void kca_error_free(kca_error *e) {
    kca__error_free(e);
}

int kca_error_code(const kca_error *e) {
    return e ? e->code : KCA_OK;
}

const char *kca_error_name(const kca_error *e) {
    return kca__error_name(e);
}

const char *kca_error_text(const kca_error *e) {
    return e ? e->text : "";
}

int kca_error_rdkafka_code(const kca_error *e) {
    return e ? e->rdkafka_code : 0;
}

int kca_error_retriable(const kca_error *e) {
    return e ? e->retriable : 0;
}

int kca_error_fatal(const kca_error *e) {
    return e ? e->fatal : 0;
}
