#include "kafka/client.h"

#include "base/error.h"
#include "base/text.h"
#include "base/thread.h"
#include "kafka/quirks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* syslog's levels, as librdkafka has them. */
static int log_level(int syslog_level) {
    if (syslog_level <= 3)
        return KCA_LOG_ERROR;
    if (syslog_level == 4)
        return KCA_LOG_WARN;
    return syslog_level <= 6 ? KCA_LOG_INFO : KCA_LOG_DEBUG;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    kca__client *client = rk ? rd_kafka_opaque(rk) : NULL;
    if (!client)
        return;
    kca__offset_resets_see(&client->resets, facility, text);
    kca__log_write(client->log, log_level(level), "librdkafka", client->name, "%s: %s", facility,
                   text);
}

static bool is_complaint(int code) {
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE ||
           code == RD_KAFKA_RESP_ERR__SSL || code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
    kca__client *client = opaque;
    char fatal[sizeof client->trouble];
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = rd_kafka_fatal_error(rk, fatal, sizeof fatal);

    pthread_mutex_lock(&client->lock);
    kca__complaint_fn complain = is_complaint(code) ? client->complain : NULL;
    client->partition_went |= code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    /* "all brokers down" says less than the reason that came before it */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->trouble_code) {
        client->trouble_code = code;
        snprintf(client->trouble, sizeof client->trouble, "%s", reason);
        kca__log_mask(client->log, client->trouble);
    }
    pthread_mutex_unlock(&client->lock);
    kca__log_write(client->log, KCA_LOG_WARN, "librdkafka", client->name, "%s: %s",
                   rd_kafka_err2name(code), reason);
    if (complain)
        complain(client->complaint_user, client, reason);
}

void kca__client_on_complaint(kca__client *client, kca__complaint_fn fn, void *user) {
    pthread_mutex_lock(&client->lock);
    client->complaint_user = user;
    client->complain = fn;
    pthread_mutex_unlock(&client->lock);
}

void kca__client_take_error(kca__client *client, rd_kafka_event_t *event) {
    on_error(client->rk, rd_kafka_event_error(event), rd_kafka_event_error_string(event), client);
}

bool kca__client_is_unconfirmed(const rd_kafka_message_t *m) {
    return !m->err && m->offset < 0 && rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_PERSISTED;
}

int kca__client_trouble(kca__client *client, char *out) {
    pthread_mutex_lock(&client->lock);
    int code = client->trouble_code;
    memcpy(out, client->trouble, sizeof client->trouble);
    pthread_mutex_unlock(&client->lock);
    return code;
}

void kca__client_forget_trouble(kca__client *client) {
    pthread_mutex_lock(&client->lock);
    client->trouble_code = 0;
    client->trouble[0] = '\0';
    pthread_mutex_unlock(&client->lock);
}

kca_error *kca__client_open(kca__client **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            const char *name, const char *who, kca__log *log, void *owner) {
    *out = NULL;
    kca__client *client = calloc(1, sizeof *client);
    char *name_copy = kca__text_copy(name);
    if (!client || !name_copy) {
        free(client);
        free(name_copy);
        rd_kafka_conf_destroy(conf);
        return kca__error_memory();
    }
    *client = (kca__client){.name = name_copy, .log = log, .owner = owner};
    pthread_mutex_init(&client->lock, NULL);
    kca__offset_resets_init(&client->resets);

    char reason[KCA__TROUBLE_TEXT] = "";
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    sigset_t before;
    kca__thread_block_signals(&before);
    client->rk = rd_kafka_new(type, conf, reason, sizeof reason);
    kca__thread_restore_signals(&before);
    if (!client->rk) {
        rd_kafka_conf_destroy(conf);
        kca__log_mask(log, reason);
        kca__client_close(client);
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s", who, reason);
    }
    *out = client;
    return NULL;
}

/* It cannot be destroyed. It has been closed, and stays behind, silent and idle. */
static bool is_stuck(const kca__client *client) {
    return client->rk && client->partition_went && kca__has_quirk(KCA__QUIRK_DESTROY_HANGS);
}

void kca__client_close(kca__client *client) {
    if (!client)
        return;
    if (is_stuck(client)) {
        rd_kafka_set_log_level(client->rk, 0);
        return; /* what its threads may still see stays, too */
    }
    if (client->rk)
        rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    kca__offset_resets_close(&client->resets);
    pthread_mutex_destroy(&client->lock);
    free(client->name);
    free(client);
}
