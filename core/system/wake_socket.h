/*
 * Wake socket: for event loops that can wait only for sockets which they connected themselves, for
 * example OpenResty's cosockets. A byte comes on a unix socket each time a queue's descriptor
 * becomes readable.
 *
 * A thread of its own, the carrier, waits for the descriptors, edge-triggered: a notifier writes
 * once each time it is raised, so nothing is lost and nothing spins. The socket's path is in a
 * directory that only this user can enter, and is removed once the connection is there; only this
 * process is accepted. The kernel forgets a descriptor that is closed.
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

/* Sends the mark now, unless the socket is full of unread bytes. */
void kca__wake_socket_carry(kca_wake_socket *w, int mark);

#endif
