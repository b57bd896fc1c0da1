#include "system/native_property.h"

#include "base/error.h"
#include "connection/connection.h"
#include "inbound/consumer_builder.h"
#include "kafka/option_properties.h"
#include "outbound/publisher_builder.h"

#include <string.h>

static const struct {
    const kca__option *rows;
    int on; /* whose rows these are */
} tables[] = {
    {kca__connection_options, KCA__ON_CONNECTION},
    {kca__publisher_options, KCA__ON_PUBLISHER},
    {kca__consumer_options, KCA__ON_CONSUMER},
};

#define OWN_COMMITS "kca's own commits, which it would break"

/* Properties that kca decides without an option of their own. */
static const char *const decided[][2] = {
    {"bootstrap.servers", "the connection's hosts"},
    {"metadata.broker.list", "the connection's hosts"},
    {"security.protocol", "with_tls and with_sasl"},
    {"enable.auto.commit", OWN_COMMITS},
    {"auto.commit.enable", OWN_COMMITS},
    {"enable.auto.offset.store", OWN_COMMITS},
    {"test.mock.num.brokers", "a connection to embedded://"},
};

/* Of the connection alone, so that an adapter weakens nothing unseen. */
static bool is_of_security(const char *property) {
    static const char *const beginnings[] = {"ssl.", "enable.ssl.", "sasl.", "enable.sasl."};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(property, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

/* What is to be used instead; NULL: the property may be set. */
static const char *instead_of(const char *property, int on) {
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++)
        if (strcmp(decided[i][0], property) == 0)
            return decided[i][1];
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const kca__option *row = kca__options_owner_of(tables[i].rows, property);
        bool refused = row && (row->refusal == KCA__REFUSED_EVERYWHERE ||
                               (row->refusal == KCA__REFUSED_HERE && tables[i].on == on));
        if (refused)
            return row->instead ? row->instead : row->name;
    }
    return NULL;
}

kca_error *kca__native_property_set(kca__properties *p, int on, const char *who, const char *name,
                                    const char *value) {
    const char *instead = name && value ? instead_of(name, on) : NULL;
    if (instead)
        return kca__error_new(KCA_ERROR_ARGUMENT, "%s: property %s is not set by name: use %s", who,
                              name, instead);
    if (name && on != KCA__ON_CONNECTION && is_of_security(name))
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "%s: property %s is set on the connection, for all that use it", who,
                              name);
    return kca__properties_set(p, on, who, name, value);
}
