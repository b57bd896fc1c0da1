#include "fate.h"

#include <stdint.h>

/* 0 <= result < 1000. */
static unsigned draw(unsigned seed, int id) {
    uint64_t x = ((uint64_t)seed << 32 | (unsigned)id) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return (unsigned)((x >> 40) % 1000);
}

deed fate_deed(unsigned seed, int id, int attempt) {
    static const struct {
        unsigned per_mille;
        deed deed;
        int attempts; /* that it is so; 0: all */
    } fates[] = {
        {15, DEED_REJECTED, 0}, {15, DEED_FAILED, 0}, {5, DEED_LATE, 0},
        {40, DEED_FAILED, 1},   {30, DEED_FAILED, 2}, {5, DEED_LATE, 1},
    };
    if (seed == 0)
        return DEED_DONE;
    unsigned drawn = draw(seed, id);
    for (unsigned i = 0; i < sizeof fates / sizeof *fates; i++) {
        if (drawn < fates[i].per_mille)
            return fates[i].attempts && attempt > fates[i].attempts ? DEED_DONE : fates[i].deed;
        drawn -= fates[i].per_mille;
    }
    return DEED_DONE;
}

bool fate_is_death(unsigned seed, int id) {
    return fate_deed(seed, id, FATE_ATTEMPTS) != DEED_DONE;
}

const char *deed_name(deed d) {
    static const char *const names[] = {"", "Broken", "timeout", "Hopeless"};
    return names[d];
}
