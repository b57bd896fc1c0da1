#include "raw_client.h"

#include <stdio.h>

void raw_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        die("%s=%s: %s", name, value, reason);
}

void raw_conf_set_number(rd_kafka_conf_t *conf, const char *name, int value) {
    char text[16];
    (void)snprintf(text, sizeof text, "%d", value);
    raw_conf_set(conf, name, text);
}

rd_kafka_conf_t *raw_conf_new(const options *o) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    raw_conf_set(conf, "bootstrap.servers", o->brokers);
    raw_conf_set(conf, "socket.nagle.disable", "true");
    return conf;
}

rd_kafka_t *raw_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char reason[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!rk)
        die("raw client: %s", reason);
    return rk;
}
