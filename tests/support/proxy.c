/* The test's thread writes wishes under the lock, raises the wake fd, and waits until the proxy's
 * thread has them in effect. Sockets are the proxy's thread's alone. */
#include "proxy.h"

#include "behaviour.h"
#include "proxy_link.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_PORTS = 8, MOST_LINKS = 500 };

typedef struct port {
    int listens, leads_to;
    int fd; /* -1: refuses */
} port;

struct proxy {
    pthread_t thread;
    port ports[MOST_PORTS];
    int port_count;
    int wake;
    proxy_link *links[MOST_LINKS];
    int link_count;
    proxy_faults faults; /* in effect */

    pthread_mutex_t lock;
    pthread_cond_t applied;
    proxy_faults wish;
    bool wish_reset, wish_stop, pending;
    int connections, resets;
};

/* ---- ports ---- */

static int open_port(port *p) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)p->listens),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int again = 1;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &again, sizeof again);
    if (bind(p->fd, (struct sockaddr *)&at, len) != 0 || listen(p->fd, 64) != 0)
        return -1;
    getsockname(p->fd, (struct sockaddr *)&at, &len);
    p->listens = ntohs(at.sin_port);
    return 0;
}

static void close_port(port *p) {
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* The ports of "host:port,host:port". */
static int read_ports(int *out, const char *addresses) {
    int count = 0;
    for (const char *at = addresses; (at = strchr(at, ':')); at++) {
        assert_true(count < MOST_PORTS);
        out[count++] = atoi(at + 1);
    }
    return count;
}

/* ---- the proxy's thread ---- */

static void drop_link(proxy *p, int index, bool reset) {
    proxy_link_close(p->links[index], reset);
    p->links[index] = p->links[--p->link_count];
}

static void reset_all(proxy *p) {
    p->resets += p->link_count;
    while (p->link_count > 0)
        drop_link(p, p->link_count - 1, true);
}

/* Takes the wishes over; false: the last one. */
static bool apply(proxy *p) {
    uint64_t raised;
    (void)!read(p->wake, &raised, sizeof raised);
    pthread_mutex_lock(&p->lock);
    bool goes_on = !p->wish_stop;
    p->faults = p->wish;
    for (int i = 0; i < p->port_count; i++) {
        if (p->faults.refuse || !goes_on)
            close_port(&p->ports[i]);
        else if (p->ports[i].fd < 0 && open_port(&p->ports[i]) != 0)
            abort(); /* somebody took the port meanwhile */
    }
    if (p->wish_reset || p->faults.refuse || !goes_on)
        reset_all(p);
    p->wish_reset = p->pending = false;
    p->connections = p->link_count;
    pthread_cond_broadcast(&p->applied);
    pthread_mutex_unlock(&p->lock);
    return goes_on;
}

static void accept_all(proxy *p, const port *from) {
    int client;
    while (p->link_count < MOST_LINKS &&
           (client = accept4(from->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        p->links[p->link_count++] = proxy_link_open(client, from->leads_to);
}

/* From the last to the first: a link that goes leaves its place to the last one. Under the lock, so
 * that who sees a reset finds it counted. */
static void serve_links(proxy *p, const struct pollfd *fds, int64_t now) {
    pthread_mutex_lock(&p->lock);
    for (int i = p->link_count - 1; i >= 0; i--) {
        proxy_fate fate = proxy_link_serve(p->links[i], &p->faults, &fds[2 * i], now);
        p->resets += fate == PROXY_CUT;
        if (fate != PROXY_GOES_ON)
            drop_link(p, i, fate != PROXY_OVER);
    }
    p->connections = p->link_count;
    pthread_mutex_unlock(&p->lock);
}

/* poll() takes the links' entries first, then the ports', and the wake fd's at the end. Who comes
 * while there is no room waits. */
static void wait_for_events(proxy *p, struct pollfd *fds) {
    int64_t now = now_ms(), until = INT64_MAX;
    for (int i = 0; i < p->link_count; i++) {
        int64_t at = proxy_link_prepare(p->links[i], &p->faults, &fds[2 * i], now);
        until = at < until ? at : until;
    }
    struct pollfd *others = &fds[2 * p->link_count];
    for (int i = 0; i < p->port_count; i++)
        others[i] = (struct pollfd){.fd = p->link_count < MOST_LINKS ? p->ports[i].fd : -1,
                                    .events = POLLIN};
    others[p->port_count] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    poll(fds, (nfds_t)(2 * p->link_count + p->port_count + 1),
         until == INT64_MAX ? -1 : (int)(until - now));
}

static void *run(void *argument) {
    proxy *p = argument;
    struct pollfd fds[2 * MOST_LINKS + MOST_PORTS + 1];
    for (;;) {
        wait_for_events(p, fds);
        struct pollfd others[MOST_PORTS + 1];
        memcpy(others, &fds[2 * p->link_count], sizeof others);
        serve_links(p, fds, now_ms());
        for (int i = 0; i < p->port_count; i++)
            if (others[i].revents & POLLIN)
                accept_all(p, &p->ports[i]);
        if ((others[p->port_count].revents & POLLIN) && !apply(p))
            return NULL;
    }
}

/* ---- the test's thread ---- */

proxy *proxy_start(const char *addresses, const char *upstreams) {
    int to[MOST_PORTS], at[MOST_PORTS] = {0};
    proxy *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->port_count = read_ports(to, upstreams);
    if (addresses)
        assert_int_equal(read_ports(at, addresses), p->port_count);
    for (int i = 0; i < p->port_count; i++) {
        p->ports[i] = (port){.listens = at[i], .leads_to = to[i]};
        if (open_port(&p->ports[i]) != 0)
            fail_msg("proxy: port %d is taken", at[i]);
    }
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->applied, NULL);
    assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
    return p;
}

/* With the lock held, which is given up. */
static void put_into_effect(proxy *p) {
    uint64_t one = 1;
    p->pending = true;
    assert_int_equal(write(p->wake, &one, sizeof one), sizeof one);
    while (p->pending)
        pthread_cond_wait(&p->applied, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void proxy_stop(proxy *p) {
    pthread_mutex_lock(&p->lock);
    p->wish_stop = true;
    put_into_effect(p);
    pthread_join(p->thread, NULL);
    close(p->wake);
    free(p);
}

int proxy_port(const proxy *p, int index) {
    return p->ports[index].listens;
}

void proxy_pass(proxy *p) {
    pthread_mutex_lock(&p->lock);
    p->wish = (proxy_faults){0};
    put_into_effect(p);
}

void proxy_refuse(proxy *p) {
    pthread_mutex_lock(&p->lock);
    p->wish.refuse = true;
    put_into_effect(p);
}

void proxy_reset(proxy *p) {
    pthread_mutex_lock(&p->lock);
    p->wish_reset = true;
    put_into_effect(p);
}

void proxy_hole(proxy *p) {
    pthread_mutex_lock(&p->lock);
    p->wish.hole = true;
    put_into_effect(p);
}

void proxy_delay(proxy *p, int ms) {
    pthread_mutex_lock(&p->lock);
    p->wish.delay_ms = ms;
    put_into_effect(p);
}

void proxy_limit(proxy *p, int bytes_a_second) {
    pthread_mutex_lock(&p->lock);
    p->wish.bytes_a_second = bytes_a_second;
    put_into_effect(p);
}

void proxy_cut(proxy *p, int bytes) {
    pthread_mutex_lock(&p->lock);
    p->wish.cut_bytes = bytes;
    put_into_effect(p);
}

static int counter(proxy *p, const int *value) {
    pthread_mutex_lock(&p->lock);
    int now = *value;
    pthread_mutex_unlock(&p->lock);
    return now;
}

int proxy_connections(proxy *p) {
    return counter(p, &p->connections);
}

int proxy_resets(proxy *p) {
    return counter(p, &p->resets);
}
