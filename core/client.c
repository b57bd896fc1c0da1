#include "client.h"

#include "error.h"
#include "outbound_channel_adapter.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICE_POLL_MS = 1000, STEP_ASIDE_MS = 50, DESTROY_FIXED = 0x020601ff };

/* Waking the service thread for each message would cost its publisher more than it spares. */
enum { HANDING_POLL_MS = 1, HANDING_POLLS = 16 };

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
    if (client)
        kca__log_write(client->log, log_level(level), "librdkafka", client->name, "%s: %s",
                       facility, text);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
    kca__client *client = opaque;
    char fatal[sizeof client->trouble];
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        code = rd_kafka_fatal_error(rk, fatal, sizeof fatal);

    pthread_mutex_lock(&client->lock);
    client->partition_went |= code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    /* "all brokers down" says less than the reason that came before it */
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->trouble_code) {
        client->trouble_code = code;
        snprintf(client->trouble, sizeof client->trouble, "%s", reason);
        kca__log_blot(client->log, client->trouble);
    }
    pthread_mutex_unlock(&client->lock);
    kca__log_write(client->log, KCA_LOG_WARN, "librdkafka", client->name, "%s: %s",
                   rd_kafka_err2name(code), reason);
}

static void handle_event(kca__client *client, rd_kafka_event_t *event) {
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
        kca__publisher_take_reports(client, event);
    } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
        /* polled as an event, an error does not reach the callback */
        on_error(client->rk, rd_kafka_event_error(event), rd_kafka_event_error_string(event),
                 client);
    }
    rd_kafka_event_destroy(event);
}

/* With the lock held and client->polling set by the caller's turn; handles one event. */
static void poll_once(kca__client *client, int timeout_ms) {
    client->polling = true;
    pthread_mutex_unlock(&client->lock);
    rd_kafka_event_t *event = rd_kafka_queue_poll(client->queue, timeout_ms);
    if (event)
        handle_event(client, event);
    pthread_mutex_lock(&client->lock);
    client->polling = false;
    pthread_cond_broadcast(&client->turn);
}

static bool callers_poll(const kca__client *client) {
    return client->polling || client->waiters > 0 ||
           kca__clock_ms() < client->last_wait_ms + STEP_ASIDE_MS;
}

/* With the lock held. */
static void hand_over(kca__client *client) {
    if (client->handing > 0)
        client->handing--;
    if (!client->handed)
        return;
    kca__slot *first = client->handed;
    client->handed = client->last_handed = NULL;
    client->handing = HANDING_POLLS;
    pthread_mutex_unlock(&client->lock);
    kca__publisher_hand_over(client, first);
    pthread_mutex_lock(&client->lock);
}

static void *serve(void *argument) {
    kca__client *client = argument;
    pthread_mutex_lock(&client->lock);
    while (!client->stopping) {
        hand_over(client);
        if (callers_poll(client))
            kca__clock_wait(&client->service, &client->lock,
                            kca__clock_deadline(client->handing ? HANDING_POLL_MS : STEP_ASIDE_MS));
        else
            poll_once(client, client->handing ? HANDING_POLL_MS : SERVICE_POLL_MS);
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

/* With the lock held: a caller comes, and the service thread steps aside. */
static void begin_waiting(kca__client *client) {
    client->waiters++;
    if (client->polling && client->waiters == 1)
        rd_kafka_queue_yield(client->queue);
}

static void end_waiting(kca__client *client) {
    client->waiters--;
    client->last_wait_ms = kca__clock_ms();
    if (client->waiters > 0)
        pthread_cond_broadcast(&client->turn);
}

/* With the lock held: polls, or waits for who polls. */
static void wait_once(kca__client *client, int timeout_ms) {
    if (!client->polling)
        poll_once(client, timeout_ms);
    else if (timeout_ms > 0)
        kca__clock_wait(&client->turn, &client->lock, kca__clock_deadline(timeout_ms));
}

bool kca__client_wait(kca__client *client, const bool *done, int64_t deadline) {
    pthread_mutex_lock(&client->lock);
    begin_waiting(client);
    for (int left; !*done && (left = kca__clock_left_ms(deadline)) != 0;)
        wait_once(client, left < 0 || left > SERVICE_POLL_MS ? SERVICE_POLL_MS : left);
    end_waiting(client);
    bool was_done = *done;
    pthread_mutex_unlock(&client->lock);
    return was_done;
}

void kca__client_serve(kca__client *client, int timeout_ms) {
    pthread_mutex_lock(&client->lock);
    begin_waiting(client);
    wait_once(client, timeout_ms);
    end_waiting(client);
    pthread_mutex_unlock(&client->lock);
}

void kca__client_hand(kca__client *client, kca__slot *slot) {
    slot->next = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->handed)
        client->last_handed->next = slot;
    else
        client->handed = slot;
    client->last_handed = slot;
    if (!client->handing) {
        client->handing = HANDING_POLLS;
        pthread_cond_signal(&client->service);
        if (client->polling)
            rd_kafka_queue_yield(client->queue);
    }
    pthread_mutex_unlock(&client->lock);
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

static kca_error *start_service(kca__client *client, const char *who) {
    client->queue = rd_kafka_queue_get_main(client->rk);
    if (pthread_create(&client->thread, NULL, serve, client) != 0)
        return kca__error_new(KCA_ERROR_MEMORY, "%s: no thread can be started", who);
    client->has_thread = true;
    return NULL;
}

kca_error *kca__client_open(kca__client **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                            const char *name, const char *who, kca__log *log,
                            kca__event_queue *receipts) {
    *out = NULL;
    kca__client *client = calloc(1, sizeof *client);
    char *name_copy = kca__text_copy(name);
    if (!client || !name_copy) {
        free(client);
        free(name_copy);
        rd_kafka_conf_destroy(conf);
        return kca__error_memory();
    }
    *client = (kca__client){
        .name = name_copy, .log = log, .receipts = receipts, .last_wait_ms = -STEP_ASIDE_MS};
    pthread_mutex_init(&client->lock, NULL);
    kca__clock_condition_init(&client->turn);
    kca__clock_condition_init(&client->service);

    char reason[512] = "";
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    /* Without anybody to tell librdkafka itself forgets what became of records. */
    bool served = type == RD_KAFKA_PRODUCER && receipts;
    if (served)
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    client->rk = rd_kafka_new(type, conf, reason, sizeof reason);
    kca_error *e = NULL;
    if (!client->rk) {
        rd_kafka_conf_destroy(conf);
        kca__log_blot(log, reason);
        e = kca__error_new(KCA_ERROR_ARGUMENT, "%s: %s", who, reason);
    } else if (served) {
        e = start_service(client, who);
    }
    if (e) {
        kca__client_close(client);
        return e;
    }
    *out = client;
    return NULL;
}

/* librdkafka below 2.6.1 waits for ever, at full speed, for the references to a partition that went
 * while it was read. Its client has been closed: it stays behind, silent and idle. */
static bool is_stuck(const kca__client *client) {
    return client->rk && client->partition_went && rd_kafka_version() < DESTROY_FIXED;
}

void kca__client_close(kca__client *client) {
    if (!client)
        return;
    if (client->has_thread) {
        pthread_mutex_lock(&client->lock);
        client->stopping = true;
        pthread_cond_signal(&client->service);
        pthread_mutex_unlock(&client->lock);
        rd_kafka_queue_yield(client->queue);
        pthread_join(client->thread, NULL);
    }
    if (client->queue)
        rd_kafka_queue_destroy(client->queue);
    if (is_stuck(client)) {
        rd_kafka_set_log_level(client->rk, 0);
        return; /* what its threads may still see stays, too */
    }
    if (client->rk)
        rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_cond_destroy(&client->turn);
    pthread_cond_destroy(&client->service);
    pthread_mutex_destroy(&client->lock);
    free(client->fingerprint);
    free(client->name);
    free(client);
}
