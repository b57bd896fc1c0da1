/*
 * Wake socket: for event loops that can wait for nothing but sockets which they connected
 * themselves, such as OpenResty's cosockets. On a unix socket a byte comes each time a queue's
 * descriptor becomes readable.
 *
 * A thread of its own waits for the descriptors, edge-triggered: a notifier writes once for each
 * time that it is raised, so nothing is lost and nothing spins. The socket's path is in a
 * directory that only this user can enter, and is gone when the connection is there; nobody but
 * this process is accepted. A descriptor that is closed is forgotten by the kernel.
 */
#ifndef KCA_SYSTEM_WAKE_SOCKET_H
#define KCA_SYSTEM_WAKE_SOCKET_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/un.h>

#include "kca.h"

struct kca_wake_socket {
    unsigned generation; /* of forks */
    struct sockaddr_un address;
    int listener;      /* -1: the connection is there */
    int connection;    /* -1: not yet */
    int watched;       /* epoll */
    int stopped;       /* eventfd: the thread is to end */
    pthread_t carrier; /* from the connection on */
};

kca_error *kca__wake_socket_new(kca_wake_socket **out);
void kca__wake_socket_free(kca_wake_socket *w);
kca_error *kca__wake_socket_check_process(const kca_wake_socket *w);

kca_error *kca__wake_socket_accept(kca_wake_socket *w);
kca_error *kca__wake_socket_watch(kca_wake_socket *w, int fd, int mark);

/* Sends the mark now, unless so many wait to be read that there is no room. */
void kca__wake_socket_carry(kca_wake_socket *w, int mark);

#endif
