#include "system/wake_socket.h"

#include "base/error.h"
#include "base/generation.h"

kca_error *kca_wake_socket_new(kca_wake_socket **out) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "wake socket: new: out is missing");
    *out = NULL;
    return kca__wake_socket_new(out);
}

void kca_wake_socket_free(kca_wake_socket *w) {
    if (w)
        kca__wake_socket_free(w);
}

const char *kca_wake_socket_path(const kca_wake_socket *w) {
    return w ? w->address.sun_path : NULL;
}

static kca_error *check(const kca_wake_socket *w) {
    return w ? kca__wake_socket_check_process(w)
             : kca__error_new(KCA_ERROR_ARGUMENT, "wake socket: it is missing");
}

kca_error *kca_wake_socket_accept(kca_wake_socket *w) {
    kca_error *e = check(w);
    return e ? e : kca__wake_socket_accept(w);
}

static bool is_mark(int mark) {
    return mark >= 1 && mark <= 255;
}

kca_error *kca_wake_socket_watch(kca_wake_socket *w, kca_queue *q, int mark) {
    kca_error *e = check(w);
    if (e)
        return e;
    if (!is_mark(mark))
        return kca__error_new(KCA_ERROR_ARGUMENT, "wake socket: mark must be 1 to 255, got %d",
                              mark);
    int fd = kca_queue_fd(q);
    if (fd < 0)
        return kca__error_new(KCA_ERROR_STATE, "wake socket: the queue has no descriptor");
    return kca__wake_socket_watch(w, fd, mark);
}

void kca_wake_socket_wake(kca_wake_socket *w, int mark) {
    if (w && is_mark(mark) && w->generation == kca__generation())
        kca__wake_socket_carry(w, mark);
}
