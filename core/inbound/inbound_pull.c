/* Pull form of the inbound channel adapter: deliveries and notes (faults, rebalances) as
 * events. */
#include "inbound/inbound.h"

/* Notes or deliveries; waits for the first. */
static int look(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                int timeout_ms) {
    /* Most who look without waiting find something: then nobody need ask the time. */
    int64_t deadline = timeout_ms == 0 ? KCA__CLOCK_OVER : kca__clock_deadline(timeout_ms);
    int count = kca__inbound_take(in, returned, out, max, deadline);
    if (returned)
        kca__engine_put_away(in->engine, returned);
    return count;
}

/* An event that comes between the first look and the clearing is found by the second look: so
 * the descriptor costs nothing as long as there is something to do. */
int kca__inbound_pull(kca__inbound *in, kca__returned *returned, kca_event **out, int max,
                      int timeout_ms) {
    kca__engine *e = in->engine;
    if (returned && returned->done && returned->done->engine != e)
        kca__returned_settle(returned);
    int count = look(in, returned, out, max, timeout_ms);
    if (!kca__engine_is_watched(e))
        return count;
    if (count == 0) {
        kca__engine_lower(e);
        count = look(in, NULL, out, max, 0);
    }
    kca__engine_level(e, count);
    return count;
}
