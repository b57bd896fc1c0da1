#include "telemetry/sampler.h"

#include <stdlib.h>
#include <string.h>

#define ALL (UINT64_C(1) << 63)

static const char parent_based[] = "parentbased_";

/* From 0 to 1; false: it is none. */
static bool read_ratio(uint64_t *out, const char *text) {
    char *end;
    double ratio = text && *text ? strtod(text, &end) : 1;
    if (text && *text && *end)
        return false;
    if (!(ratio >= 0 && ratio <= 1))
        return false;
    *out = ratio >= 1 ? ALL : (uint64_t)(ratio * (double)ALL);
    return true;
}

bool kca__sampler_read(kca__sampler *out, const char *name, const char *argument,
                       const char **out_bad) {
    if (!name)
        name = "parentbased_always_on";
    *out_bad = "argument";
    out->follows_parent = strncmp(name, parent_based, strlen(parent_based)) == 0;
    if (out->follows_parent)
        name += strlen(parent_based);
    out->below = strcmp(name, "always_off") == 0 ? 0 : ALL;
    if (strcmp(name, "traceidratio") == 0)
        return read_ratio(&out->below, argument);
    *out_bad = "name";
    return strcmp(name, "always_on") == 0 || strcmp(name, "always_off") == 0;
}

bool kca__sampler_takes(const kca__sampler *s, const kca__span_place *parent,
                        const unsigned char trace_id[KCA__TRACE_ID_BYTES]) {
    if (parent && s->follows_parent)
        return parent->sampled;
    uint64_t number = 0;
    for (int i = KCA__TRACE_ID_BYTES - 8; i < KCA__TRACE_ID_BYTES; i++)
        number = number << 8 | trace_id[i];
    return number >> 1 < s->below;
}
