#include "connection/embedded_broker.h"

#include "base/error.h"
#include "base/thread.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NUDGE_MS = 2 };

/* Lets the first member of a group go without waiting three seconds for others; NULL where
 * librdkafka has no such function. See KCA__QUIRK_MOCK_GROUP_DELAY. */
extern void rd_kafka_mock_group_initial_rebalance_delay_ms(rd_kafka_mock_cluster_t *cluster,
                                                           int32_t delay_ms) __attribute__((weak));

struct kca__embedded_broker {
    rd_kafka_t *host; /* a client that only lends its threads to the cluster */
    rd_kafka_mock_cluster_t *cluster;
};

bool kca__embedded_broker_is_meant(const char *hosts) {
    return strcmp(hosts, "embedded://") == 0;
}

/* Drops all logs: the host would log that it has no brokers of its own. */
static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
    (void)rk, (void)level, (void)facility, (void)text;
}

/* False: it cannot be made, and `reason` may say why. A signal would end the cluster's thread: see
 * KCA__QUIRK_MOCK_ENDS_BY_SIGNAL. */
static bool open_cluster(kca__embedded_broker *b, char *reason, size_t room) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, no_log);
    sigset_t before;
    kca__thread_block_signals(&before);
    b->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, room);
    if (b->host)
        b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
    kca__thread_restore_signals(&before);
    if (!b->host)
        rd_kafka_conf_destroy(conf);
    return b->cluster != NULL;
}

kca_error *kca__embedded_broker_open(kca__embedded_broker **out, const char *connection) {
    char reason[256] = "out of memory";
    *out = NULL;
    kca__embedded_broker *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();
    if (!open_cluster(b, reason, sizeof reason)) {
        kca__embedded_broker_close(b);
        return kca__error_new(KCA_ERROR_BROKER,
                              "connection %s: the embedded broker cannot start: %s", connection,
                              reason);
    }
    if (rd_kafka_mock_group_initial_rebalance_delay_ms)
        rd_kafka_mock_group_initial_rebalance_delay_ms(b->cluster, 0);
    *out = b;
    return NULL;
}

/* ---- the end ---- */

typedef struct nudging {
    struct sockaddr_in broker;
    atomic_bool over;
} nudging;

/* Connects again and again: the cluster's thread may oversleep a command, but never what comes to
 * its socket; see KCA__QUIRK_MOCK_OVERSLEEPS. */
static void *nudge(void *argument) {
    const struct timespec pause = {0, NUDGE_MS * 1000000};
    nudging *n = argument;
    while (!atomic_load(&n->over)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            (void)connect(fd, (const struct sockaddr *)&n->broker, sizeof n->broker);
            close(fd);
        }
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void destroy(rd_kafka_mock_cluster_t *cluster) {
    const char *port = strrchr(rd_kafka_mock_cluster_bootstraps(cluster), ':');
    nudging n = {.broker = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)(port ? atoi(port + 1) : 0)),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    pthread_t nudger;
    bool nudges = kca__thread_start(&nudger, nudge, &n);
    rd_kafka_mock_cluster_destroy(cluster);
    atomic_store(&n.over, true);
    if (nudges)
        pthread_join(nudger, NULL);
}

void kca__embedded_broker_close(kca__embedded_broker *b) {
    if (!b)
        return;
    if (b->cluster)
        destroy(b->cluster);
    if (b->host)
        rd_kafka_destroy(b->host);
    free(b);
}

const char *kca__embedded_broker_hosts(const kca__embedded_broker *b) {
    return rd_kafka_mock_cluster_bootstraps(b->cluster);
}
