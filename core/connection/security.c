#include "connection/security.h"

#include "base/error.h"

#include <string.h>
#include <strings.h>

static bool begins_with(const char *text, const char *beginning) {
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_of_tls(const char *property) {
    return begins_with(property, "ssl.") || begins_with(property, "enable.ssl.");
}

static bool is_of_sasl(const char *property) {
    return begins_with(property, "sasl.") || begins_with(property, "enable.sasl.");
}

/* The mechanism by property, in either of its names. */
static const char *mechanism_by_property(const kca_connection *c) {
    const char *found = kca__properties_get(&c->properties, "sasl.mechanisms");
    return found ? found : kca__properties_get(&c->properties, "sasl.mechanism");
}

static bool sends_password_unencrypted(const kca_connection *c) {
    const char *by_property = mechanism_by_property(c);
    const char *mechanism = by_property ? by_property : c->sasl_mechanism;
    return !c->tls && mechanism && strcasecmp(mechanism, "PLAIN") == 0;
}

static bool trusts_any_certificate(const kca_connection *c) {
    static const char *const off[] = {"false", "f", "0"}; /* as librdkafka reads them */
    const char *told = kca__properties_get(&c->properties, "enable.ssl.certificate.verification");
    for (size_t i = 0; told && i < sizeof off / sizeof *off; i++)
        if (strcasecmp(told, off[i]) == 0)
            return true;
    return false;
}

static bool trusts_any_host(const kca_connection *c) {
    const char *told = kca__properties_get(&c->properties, "ssl.endpoint.identification.algorithm");
    return told && strcasecmp(told, "https") != 0;
}

bool kca__security_is_lenient(const kca_connection *c) {
    return trusts_any_certificate(c) || trusts_any_host(c);
}

int kca__security_weaknesses(const char *out[KCA__MOST_WEAKNESSES], const kca_connection *c) {
    int count = 0;
    if (sends_password_unencrypted(c))
        out[count++] = "the password is sent without TLS (unencrypted_sasl): who sees the "
                       "network reads it";
    if (trusts_any_certificate(c))
        out[count++] = "certificates are not verified (enable.ssl.certificate.verification): who "
                       "is on the way can read and change everything";
    if (trusts_any_host(c))
        out[count++] = "host names are not verified (ssl.endpoint.identification.algorithm): who "
                       "has any certificate of a trusted authority can pose as the broker";
    return count;
}

static kca_error *check_properties(const kca_connection *c) {
    for (int i = 0; i < c->properties.count; i++) {
        const char *name = c->properties.items[i].name;
        if (is_of_tls(name) && !c->tls)
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "connection %s: property %s is for TLS, which this connection "
                                  "does not use: add with_tls, or leave the property out",
                                  c->name, name);
        if (is_of_sasl(name) && !kca__connection_uses_sasl(c))
            return kca__error_new(KCA_ERROR_ARGUMENT,
                                  "connection %s: property %s is for SASL, which this connection "
                                  "does not use: add with_sasl or sasl.mechanism, or leave the "
                                  "property out",
                                  c->name, name);
    }
    return NULL;
}

kca_error *kca__security_check(const kca_connection *c) {
    kca_error *e = check_properties(c);
    if (e)
        return e;
    const char *by_property = mechanism_by_property(c);
    if (c->sasl_mechanism && by_property && strcasecmp(by_property, c->sasl_mechanism) != 0)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: SASL mechanism %s contradicts the property's %s: "
                              "give one of them",
                              c->name, c->sasl_mechanism, by_property);
    if (c->tls_key_password && !c->tls)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: the TLS key's password is given without TLS: add "
                              "with_tls, or leave it out",
                              c->name);
    if (sends_password_unencrypted(c) && !c->unencrypted_sasl)
        return kca__error_new(KCA_ERROR_ARGUMENT,
                              "connection %s: SASL PLAIN without TLS shows the password to who "
                              "sees the network: add with_tls, or allow it by "
                              "unencrypted_sasl",
                              c->name);
    return NULL;
}
