/* One connection through the proxy: a client, a server, and a flow each way. Known to proxy.c only.
 */
#ifndef KCA_TESTS_PROXY_LINK_H
#define KCA_TESTS_PROXY_LINK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct proxy_faults {
    bool refuse, hole;
    int delay_ms, bytes_a_second, cut_bytes; /* 0: none */
} proxy_faults;

struct proxy_chunk;
typedef struct proxy_flow {
    struct proxy_chunk *first, *last; /* read and not written yet */
    size_t queued, moved;             /* bytes */
    int64_t free_at;                  /* the limit lets nothing through before */
    bool ended;                       /* the reader's side has closed */
} proxy_flow;

typedef struct proxy_link {
    int client, server;
    bool connecting;
    proxy_flow up, down;
} proxy_link;

typedef enum proxy_fate { PROXY_GOES_ON, PROXY_OVER, PROXY_BROKEN, PROXY_CUT } proxy_fate;

/* Begins to connect to this port of loopback. */
proxy_link *proxy_link_open(int client, int port);

/* Closes both ends; `reset`: by RST. */
void proxy_link_close(proxy_link *l, bool reset);

/* Fills in the two entries for poll(), client and server; gives until when to wait at most. */
int64_t proxy_link_prepare(const proxy_link *l, const proxy_faults *faults, struct pollfd *fds,
                           int64_t now);

/* Moves the bytes for which poll() found both sides ready. */
proxy_fate proxy_link_serve(proxy_link *l, const proxy_faults *faults, const struct pollfd *fds,
                            int64_t now);

#endif
