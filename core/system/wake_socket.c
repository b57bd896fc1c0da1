#include "system/wake_socket.h"

#include "base/error.h"
#include "base/generation.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AT_ONCE = 16 };

static kca_error *broken(const char *what) {
    return kca__error_new(KCA_ERROR_STATE, "wake socket: %s: %s", what, strerror(errno));
}

static void close_one(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Removes the socket's file and its directory. */
static void remove_path(kca_wake_socket *w) {
    char *path = w->address.sun_path;
    if (!*path)
        return;
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    *path = '\0';
}

static kca_error *make_path(kca_wake_socket *w) {
    const char *folder = getenv("TMPDIR");
    char *path = w->address.sun_path;
    size_t room = sizeof w->address.sun_path;
    if (!folder || strlen(folder) + sizeof "/kca-XXXXXX/wake" > room)
        folder = "/tmp";
    snprintf(path, room, "%s/kca-XXXXXX", folder);
    if (!mkdtemp(path)) {
        kca_error *e = broken(path);
        *path = '\0';
        return e;
    }
    strcat(path, "/wake");
    return NULL;
}

static kca_error *listen_there(kca_wake_socket *w) {
    w->address.sun_family = AF_UNIX;
    kca_error *e = make_path(w);
    if (e)
        return e;
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->listener < 0 ||
        bind(w->listener, (struct sockaddr *)&w->address, sizeof w->address) < 0 ||
        listen(w->listener, 1) < 0)
        return broken(w->address.sun_path);
    return NULL;
}

static kca_error *make_descriptors(kca_wake_socket *w) {
    w->watched = epoll_create1(EPOLL_CLOEXEC);
    w->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event stop = {.events = EPOLLIN, .data.u32 = 0};
    if (w->watched < 0 || w->stopped < 0 ||
        epoll_ctl(w->watched, EPOLL_CTL_ADD, w->stopped, &stop) < 0)
        return broken("no descriptor is left");
    return NULL;
}

kca_error *kca__wake_socket_new(kca_wake_socket **out) {
    kca_wake_socket *w = calloc(1, sizeof *w);
    if (!w)
        return kca__error_memory();
    kca__generation_watch();
    w->generation = kca__generation();
    w->listener = w->connection = w->watched = w->stopped = -1;
    kca_error *e = listen_there(w);
    if (!e)
        e = make_descriptors(w);
    if (e) {
        kca__wake_socket_free(w);
        return e;
    }
    *out = w;
    return NULL;
}

/* A fork's child has no carrier thread, and the path is its parent's. */
void kca__wake_socket_free(kca_wake_socket *w) {
    if (w->generation == kca__generation()) {
        if (w->connection >= 0) {
            eventfd_write(w->stopped, 1);
            pthread_join(w->carrier, NULL);
        }
        remove_path(w);
    }
    close_one(&w->listener);
    close_one(&w->connection);
    close_one(&w->watched);
    close_one(&w->stopped);
    free(w);
}

kca_error *kca__wake_socket_check_process(const kca_wake_socket *w) {
    if (w->generation == kca__generation())
        return NULL;
    return kca__error_new(KCA_ERROR_FORKED,
                          "this wake socket was made before fork: make one in the child");
}

/* Waits until the peer has read enough for one more byte. False: the connection is broken, or the
 * wake socket is being freed. */
static bool wait_for_room(kca_wake_socket *w) {
    struct pollfd both[] = {{.fd = w->connection, .events = POLLOUT},
                            {.fd = w->stopped, .events = POLLIN}};
    while (poll(both, 2, -1) < 0 && errno == EINTR)
        ;
    return !both[1].revents && !(both[0].revents & (POLLERR | POLLHUP));
}

static bool carry(kca_wake_socket *w, int mark) {
    char byte = (char)mark;
    for (;;) {
        if (send(w->connection, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
            return true;
        if (errno != EINTR && (errno != EAGAIN || !wait_for_room(w)))
            return false;
    }
}

/* Does not wait for room: the caller may be the reader, and the unread bytes wake it too. */
void kca__wake_socket_carry(kca_wake_socket *w, int mark) {
    char byte = (char)mark;
    if (w->connection >= 0)
        while (send(w->connection, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
            ;
}

static void *run_carrier(void *argument) {
    kca_wake_socket *w = argument;
    struct epoll_event events[AT_ONCE];
    for (;;) {
        int count = epoll_wait(w->watched, events, AT_ONCE, -1);
        if (count < 0 && errno != EINTR)
            return NULL;
        for (int i = 0; i < count; i++)
            if (events[i].data.u32 == 0 || !carry(w, (int)events[i].data.u32))
                return NULL;
    }
}

static bool is_this_process(int connection) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.pid == getpid();
}

kca_error *kca__wake_socket_accept(kca_wake_socket *w) {
    if (w->listener < 0)
        return kca__error_new(KCA_ERROR_STATE, "wake socket: it is connected");
    int connection = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0)
        return errno == EAGAIN
                   ? kca__error_new(KCA_ERROR_STATE, "wake socket: nobody has connected")
                   : broken("accept");
    if (!is_this_process(connection)) {
        close(connection);
        return kca__error_new(KCA_ERROR_STATE, "wake socket: another process has connected");
    }
    w->connection = connection;
    if (!kca__thread_start(&w->carrier, run_carrier, w)) {
        close_one(&w->connection);
        return kca__error_memory();
    }
    close_one(&w->listener);
    remove_path(w);
    return NULL;
}

kca_error *kca__wake_socket_watch(kca_wake_socket *w, int fd, int mark) {
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)mark};
    if (epoll_ctl(w->watched, EPOLL_CTL_ADD, fd, &wanted) == 0)
        return NULL;
    if (errno == EEXIST && epoll_ctl(w->watched, EPOLL_CTL_MOD, fd, &wanted) == 0)
        return NULL;
    return broken("the queue cannot be watched");
}
