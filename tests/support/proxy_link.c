#include "proxy_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 16384, MOST_QUEUED = 262144, SLICES_A_SECOND = 20 };

typedef struct proxy_chunk chunk;
struct proxy_chunk {
    chunk *next;
    int64_t due;
    size_t begin, end;
    char bytes[CHUNK];
};

/* ---- flows ---- */

static void drop_first(proxy_flow *f) {
    chunk *c = f->first;
    f->first = c->next;
    if (!f->first)
        f->last = NULL;
    free(c);
}

static void append(proxy_flow *f, chunk *c) {
    if (f->last)
        f->last->next = c;
    else
        f->first = c;
    f->last = c;
    f->queued += c->end;
}

static bool wants_bytes(const proxy_flow *f, const proxy_faults *faults) {
    return !faults->hole && !f->ended && f->queued < MOST_QUEUED;
}

/* When the first of its bytes may go on; INT64_MAX: there is none. */
static int64_t goes_on_at(const proxy_flow *f, const proxy_faults *faults) {
    if (faults->hole || !f->first)
        return INT64_MAX;
    return f->first->due > f->free_at ? f->first->due : f->free_at;
}

static proxy_fate read_bytes(proxy_flow *f, int fd, const proxy_faults *faults, int64_t now) {
    chunk *c = malloc(sizeof *c);
    ssize_t n = c ? read(fd, c->bytes, CHUNK) : -1;
    if (n > 0) {
        c->next = NULL;
        c->due = now + faults->delay_ms;
        c->begin = 0;
        c->end = (size_t)n;
        append(f, c);
        return PROXY_GOES_ON;
    }
    free(c);
    f->ended = n == 0;
    return n == 0 || errno == EAGAIN || errno == EINTR ? PROXY_GOES_ON : PROXY_BROKEN;
}

static size_t most_at_once(const proxy_flow *f, const proxy_faults *faults, bool up) {
    size_t most = f->first->end - f->first->begin;
    size_t slice = (size_t)faults->bytes_a_second / SLICES_A_SECOND + 1;
    if (faults->bytes_a_second && slice < most)
        most = slice;
    if (up && faults->cut_bytes && (size_t)faults->cut_bytes - f->moved < most)
        most = (size_t)faults->cut_bytes - f->moved;
    return most;
}

static proxy_fate write_bytes(proxy_flow *f, int fd, const proxy_faults *faults, bool up,
                              int64_t now) {
    if (up && faults->cut_bytes && f->moved >= (size_t)faults->cut_bytes)
        return PROXY_CUT;
    ssize_t n =
        send(fd, f->first->bytes + f->first->begin, most_at_once(f, faults, up), MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? PROXY_GOES_ON : PROXY_BROKEN;
    f->first->begin += (size_t)n;
    f->queued -= (size_t)n;
    f->moved += (size_t)n;
    if (faults->bytes_a_second)
        f->free_at = now + n * 1000 / faults->bytes_a_second;
    if (f->first->begin == f->first->end)
        drop_first(f);
    return PROXY_GOES_ON;
}

/* ---- links ---- */

proxy_link *proxy_link_open(int client, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int at_once = 1;
    proxy_link *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    l->client = client;
    l->server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    l->connecting = true;
    setsockopt(l->client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    setsockopt(l->server, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    /* What became of it is for proxy_link_serve to see. */
    (void)!connect(l->server, (struct sockaddr *)&to, sizeof to);
    return l;
}

void proxy_link_close(proxy_link *l, bool reset) {
    struct linger at_once = {.l_onoff = reset};
    setsockopt(l->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    setsockopt(l->server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(l->client);
    close(l->server);
    while (l->up.first)
        drop_first(&l->up);
    while (l->down.first)
        drop_first(&l->down);
    free(l);
}

int64_t proxy_link_prepare(const proxy_link *l, const proxy_faults *faults, struct pollfd *fds,
                           int64_t now) {
    int64_t up = l->connecting ? INT64_MAX : goes_on_at(&l->up, faults);
    int64_t down = goes_on_at(&l->down, faults);
    int client = (wants_bytes(&l->up, faults) ? POLLIN : 0) | (down <= now ? POLLOUT : 0);
    int server =
        (wants_bytes(&l->down, faults) ? POLLIN : 0) | (up <= now || l->connecting ? POLLOUT : 0);
    fds[0] = (struct pollfd){.fd = l->client, .events = (short)client};
    fds[1] = (struct pollfd){.fd = l->server, .events = (short)server};
    up = up <= now ? INT64_MAX : up;
    down = down <= now ? INT64_MAX : down;
    return up < down ? up : down;
}

static proxy_fate serve_flow(proxy_flow *f, const struct pollfd *from, const struct pollfd *to,
                             const proxy_faults *faults, bool up, int64_t now) {
    proxy_fate fate = PROXY_GOES_ON;
    if (from->revents & POLLIN)
        fate = read_bytes(f, from->fd, faults, now);
    if (fate == PROXY_GOES_ON && (to->revents & POLLOUT) && goes_on_at(f, faults) <= now)
        fate = write_bytes(f, to->fd, faults, up, now);
    if (fate == PROXY_GOES_ON && f->ended && !f->first)
        fate = PROXY_OVER;
    return fate;
}

proxy_fate proxy_link_serve(proxy_link *l, const proxy_faults *faults, const struct pollfd *fds,
                            int64_t now) {
    if ((fds[0].revents | fds[1].revents) & (POLLERR | POLLHUP | POLLNVAL))
        return PROXY_BROKEN;
    if (l->connecting && (fds[1].revents & POLLOUT))
        l->connecting = false;
    proxy_fate fate = serve_flow(&l->up, &fds[0], &fds[1], faults, true, now);
    if (fate == PROXY_GOES_ON)
        fate = serve_flow(&l->down, &fds[1], &fds[0], faults, false, now);
    return fate;
}
