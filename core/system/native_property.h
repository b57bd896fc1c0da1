/* with_property: a librdkafka property by its own name, unless kca decides it. */
#ifndef KCA_SYSTEM_NATIVE_PROPERTY_H
#define KCA_SYSTEM_NATIVE_PROPERTY_H

#include "kafka/property.h"

/* As kca__properties_set, but refuses what an option of kca stands for, whichever object's it is,
 * and tells the option. */
kca_error *kca__native_property_set(kca__properties *p, int on, const char *who, const char *name,
                                    const char *value);

#endif
