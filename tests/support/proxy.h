/* A TCP proxy on loopback that can be as bad as a network. A thread of its own moves the bytes. */
#ifndef KCA_TESTS_PROXY_H
#define KCA_TESTS_PROXY_H

typedef struct proxy proxy;

/* Stands before each of the addresses in `upstreams` ("127.0.0.1:port,127.0.0.1:port"), and listens
 * for it at the address of its position in `addresses`; NULL: at a free port. Fails the test when
 * it cannot. */
proxy *proxy_start(const char *addresses, const char *upstreams);
void proxy_stop(proxy *p);
int proxy_port(const proxy *p, int index);

/* Each fault is in effect when its function returns, for present and future connections. Faults add
 * up until proxy_pass takes them all away. */
void proxy_pass(proxy *p);
void proxy_refuse(proxy *p); /* nobody listens, and all connections are reset */
void proxy_reset(proxy *p);  /* all connections, once */
void proxy_hole(proxy *p);   /* connects, but nothing comes through until proxy_pass: then late */
void proxy_delay(proxy *p, int ms);             /* each way */
void proxy_limit(proxy *p, int bytes_a_second); /* of each connection and way */
void proxy_cut(proxy *p, int bytes); /* resets a connection after this many bytes upstream */

/* How many connections there are now, and how many a fault has reset. */
int proxy_connections(proxy *p);
int proxy_resets(proxy *p);

#endif
