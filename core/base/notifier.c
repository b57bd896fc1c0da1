#include "base/notifier.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

void kca__notifier_init(kca__notifier *n) {
    atomic_init(&n->fd, -1);
    atomic_init(&n->raised, 0);
}

void kca__notifier_close(kca__notifier *n) {
    int fd = atomic_exchange(&n->fd, -1);
    if (fd >= 0)
        close(fd);
}

int kca__notifier_fd(kca__notifier *n) {
    int fd = atomic_load(&n->fd);
    if (fd >= 0)
        return fd;
    fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -1;
    atomic_store(&n->raised, 1);
    atomic_store(&n->fd, fd);
    return fd;
}

bool kca__notifier_is_watched(const kca__notifier *n) {
    return atomic_load_explicit(&n->fd, memory_order_relaxed) >= 0;
}

bool kca__notifier_is_raised(const kca__notifier *n) {
    return atomic_load(&n->raised);
}

void kca__notifier_raise(kca__notifier *n) {
    int fd = atomic_load(&n->fd);
    if (fd < 0 || atomic_exchange(&n->raised, 1))
        return;
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof one);
    (void)written; /* an eventfd that cannot take one more is readable already */
}

void kca__notifier_clear(kca__notifier *n) {
    int fd = atomic_load(&n->fd);
    if (fd < 0 || !atomic_load(&n->raised))
        return;
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    (void)got;
    atomic_store(&n->raised, 0);
}
