#include "connection/connection.h"

#include "base/error.h"
#include "base/text.h"
#include "system/native_property.h"

#include <stdio.h>

kca_error *kca_connection_new(kca_connection **out, const char *name, const char *hosts) {
    if (!out)
        return kca__error_new(KCA_ERROR_ARGUMENT, "connection: new: out is missing");
    return kca__connection_new(out, name, hosts);
}

void kca_connection_free(kca_connection *c) {
    kca__connection_free(c);
}

const kca_error *kca_connection_error(const kca_connection *c) {
    return c ? c->error : NULL;
}

static void set(kca_connection *c, char **field, const char *value) {
    if (!kca__text_set(field, value && *value ? value : NULL))
        kca__error_keep_first(&c->error, kca__error_memory());
}

void kca_connection_with_tls(kca_connection *c, const char *ca, const char *certificate,
                             const char *key) {
    if (!c)
        return;
    c->tls = 1;
    set(c, &c->tls_ca, ca);
    set(c, &c->tls_certificate, certificate);
    set(c, &c->tls_key, key);
    if (!c->tls_certificate != !c->tls_key)
        kca__error_keep_first(
            &c->error,
            kca__error_new(KCA_ERROR_ARGUMENT,
                           "connection %s: a TLS certificate and its key go together: %s "
                           "is missing",
                           c->name, c->tls_key ? "the certificate" : "the key"));
}

void kca_connection_with_tls_key_password(kca_connection *c, const char *password) {
    if (c)
        set(c, &c->tls_key_password, password);
}

void kca_connection_with_sasl(kca_connection *c, const char *mechanism, const char *user,
                              const char *password) {
    if (!c)
        return;
    kca__options o = {kca__connection_options, c, {"connection", c->name, &c->error}, NULL};
    kca__options_set_text(o, "SASL mechanism", mechanism);
    kca__options_set_text(o, "SASL user", user);
    kca__options_set_text(o, "SASL password", password);
}

void kca_connection_with_unencrypted_sasl(kca_connection *c, int allowed) {
    if (!c)
        return;
    kca__options o = {kca__connection_options, c, {"connection", c->name, &c->error}, NULL};
    kca__options_set_int(o, "unencrypted_sasl", allowed);
}

void kca_connection_with_fault_after_ms(kca_connection *c, int after_ms) {
    if (!c)
        return;
    kca__options o = {kca__connection_options, c, {"connection", c->name, &c->error}, NULL};
    kca__options_set_int(o, "fault_after_ms", after_ms);
}

void kca_connection_with_property(kca_connection *c, const char *name, const char *value) {
    if (!c)
        return;
    char who[150];
    snprintf(who, sizeof who, "connection %s", c->name);
    kca_error *e = kca__native_property_set(&c->properties, KCA__ON_CONNECTION, who, name, value);
    if (e)
        kca__error_keep_first(&c->error, e);
}
