#include "bridge.h"

#include "error.h"
#include "generation.h"

kca_error *kca_bridge_new(kca_bridge **out) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "kca_bridge_new: out is NULL");
    *out = NULL;
    return kca__bridge_new(out);
}

void kca_bridge_free(kca_bridge *b) {
    if (b)
        kca__bridge_free(b);
}

const char *kca_bridge_path(const kca_bridge *b) {
    return b ? b->address.sun_path : NULL;
}

static kca_error *check(const kca_bridge *b) {
    return b ? kca__bridge_check_process(b)
             : kca__error_new(KCA_ERROR_ARGUMENT, "bridge: it is NULL");
}

kca_error *kca_bridge_accept(kca_bridge *b) {
    kca_error *e = check(b);
    return e ? e : kca__bridge_accept(b);
}

static bool is_mark(int mark) {
    return mark >= 1 && mark <= 255;
}

kca_error *kca_bridge_watch(kca_bridge *b, kca_queue *q, int mark) {
    kca_error *e = check(b);
    if (e)
        return e;
    if (!is_mark(mark))
        return kca__error_new(KCA_ERROR_ARGUMENT, "bridge: mark must be 1 to 255, got %d", mark);
    int fd = kca_queue_fd(q);
    if (fd < 0)
        return kca__error_new(KCA_ERROR_STATE, "bridge: the queue has no descriptor");
    return kca__bridge_watch(b, fd, mark);
}

void kca_bridge_wake(kca_bridge *b, int mark) {
    if (b && is_mark(mark) && b->generation == kca__generation())
        kca__bridge_carry(b, mark);
}
