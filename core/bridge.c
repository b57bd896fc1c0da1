#include "bridge.h"

#include "error.h"
#include "generation.h"

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
    return kca__error_new(KCA_ERROR_STATE, "bridge: %s: %s", what, strerror(errno));
}

static void close_one(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The socket's file and its directory. */
static void remove_path(kca_bridge *b) {
    char *path = b->address.sun_path;
    if (!*path)
        return;
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    *path = '\0';
}

static kca_error *make_path(kca_bridge *b) {
    const char *folder = getenv("TMPDIR");
    char *path = b->address.sun_path;
    size_t room = sizeof b->address.sun_path;
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

static kca_error *listen_there(kca_bridge *b) {
    b->address.sun_family = AF_UNIX;
    kca_error *e = make_path(b);
    if (e)
        return e;
    b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (b->listener < 0 ||
        bind(b->listener, (struct sockaddr *)&b->address, sizeof b->address) < 0 ||
        listen(b->listener, 1) < 0)
        return broken(b->address.sun_path);
    return NULL;
}

static kca_error *make_descriptors(kca_bridge *b) {
    b->watched = epoll_create1(EPOLL_CLOEXEC);
    b->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event stop = {.events = EPOLLIN, .data.u32 = 0};
    if (b->watched < 0 || b->stopped < 0 ||
        epoll_ctl(b->watched, EPOLL_CTL_ADD, b->stopped, &stop) < 0)
        return broken("no descriptor is left");
    return NULL;
}

kca_error *kca__bridge_new(kca_bridge **out) {
    kca_bridge *b = calloc(1, sizeof *b);
    if (!b)
        return kca__error_memory();
    kca__generation_watch();
    b->generation = kca__generation();
    b->listener = b->connection = b->watched = b->stopped = -1;
    kca_error *e = listen_there(b);
    if (!e)
        e = make_descriptors(b);
    if (e) {
        kca__bridge_free(b);
        return e;
    }
    *out = b;
    return NULL;
}

/* In a fork's child the thread is not there, and the path is the parent's. */
void kca__bridge_free(kca_bridge *b) {
    if (b->generation == kca__generation()) {
        if (b->connection >= 0) {
            eventfd_write(b->stopped, 1);
            pthread_join(b->carrier, NULL);
        }
        remove_path(b);
    }
    close_one(&b->listener);
    close_one(&b->connection);
    close_one(&b->watched);
    close_one(&b->stopped);
    free(b);
}

kca_error *kca__bridge_check_process(const kca_bridge *b) {
    if (b->generation == kca__generation())
        return NULL;
    return kca__error_new(KCA_ERROR_FORKED,
                          "this bridge was made before fork: make one in the child");
}

/* Until the peer has read enough for one more byte, or the bridge is freed. False: it is over. */
static bool wait_for_room(kca_bridge *b) {
    struct pollfd both[] = {{.fd = b->connection, .events = POLLOUT},
                            {.fd = b->stopped, .events = POLLIN}};
    while (poll(both, 2, -1) < 0 && errno == EINTR)
        ;
    return !both[1].revents && !(both[0].revents & (POLLERR | POLLHUP));
}

static bool carry(kca_bridge *b, int mark) {
    char byte = (char)mark;
    for (;;) {
        if (send(b->connection, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
            return true;
        if (errno != EINTR && (errno != EAGAIN || !wait_for_room(b)))
            return false;
    }
}

/* Not for want of room: who calls may be the one that reads, and what waits there wakes it too. */
void kca__bridge_carry(kca_bridge *b, int mark) {
    char byte = (char)mark;
    if (b->connection >= 0)
        while (send(b->connection, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EINTR)
            ;
}

static void *run_carrier(void *bridge) {
    kca_bridge *b = bridge;
    struct epoll_event events[AT_ONCE];
    for (;;) {
        int count = epoll_wait(b->watched, events, AT_ONCE, -1);
        if (count < 0 && errno != EINTR)
            return NULL;
        for (int i = 0; i < count; i++)
            if (events[i].data.u32 == 0 || !carry(b, (int)events[i].data.u32))
                return NULL;
    }
}

static bool is_this_process(int connection) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.pid == getpid();
}

kca_error *kca__bridge_accept(kca_bridge *b) {
    if (b->listener < 0)
        return kca__error_new(KCA_ERROR_STATE, "bridge: it is connected");
    int connection = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0)
        return errno == EAGAIN ? kca__error_new(KCA_ERROR_STATE, "bridge: nobody has connected")
                               : broken("accept");
    if (!is_this_process(connection)) {
        close(connection);
        return kca__error_new(KCA_ERROR_STATE, "bridge: another process has connected");
    }
    b->connection = connection;
    if (pthread_create(&b->carrier, NULL, run_carrier, b) != 0) {
        close_one(&b->connection);
        return kca__error_memory();
    }
    close_one(&b->listener);
    remove_path(b);
    return NULL;
}

kca_error *kca__bridge_watch(kca_bridge *b, int fd, int mark) {
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u32 = (uint32_t)mark};
    if (epoll_ctl(b->watched, EPOLL_CTL_ADD, fd, &wanted) == 0)
        return NULL;
    if (errno == EEXIST && epoll_ctl(b->watched, EPOLL_CTL_MOD, fd, &wanted) == 0)
        return NULL;
    return broken("the queue cannot be watched");
}
