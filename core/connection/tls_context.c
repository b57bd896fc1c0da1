#include "connection/tls_context.h"

#include "base/error.h"
#include "connection/certificate.h"
#include "connection/tls_source.h"

#include <openssl/err.h>

static kca_error *refused(const kca__tls_source *s) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    kca_error *e = kca__error_new(KCA_ERROR_TLS, "connection %s: %s is refused by OpenSSL: %s",
                                  s->connection, s->label, reason ? reason : "no reason known");
    ERR_clear_error();
    return e;
}

/* One usable CA is enough: old ones stay in bundles for years. */
static kca_error *check_some_valid(const kca__tls_source *s, const kca__certificates *list) {
    const ASN1_TIME *latest = NULL;
    for (int i = 0; i < sk_X509_num(list); i++) {
        const ASN1_TIME *end = X509_get0_notAfter(sk_X509_value(list, i));
        if (X509_cmp_current_time(end) >= 0)
            return NULL;
        if (!latest || ASN1_TIME_compare(end, latest) > 0)
            latest = end;
    }
    char time[KCA__CERTIFICATE_TIME];
    kca__certificate_time(time, latest);
    return kca__error_new(KCA_ERROR_TLS,
                          "connection %s: %s: every certificate in it has expired, the last was "
                          "valid until %s",
                          s->connection, s->label, time);
}

static kca_error *use_ca(SSL_CTX *context, const char *connection, const char *ca) {
    if (!ca) {
        SSL_CTX_set_default_verify_paths(context);
        return NULL;
    }
    kca__tls_source s;
    kca__certificates *list = NULL;
    kca_error *e = kca__tls_source_open(&s, connection, KCA__TLS_CA, ca);
    if (!e)
        e = kca__tls_source_certificates(&list, &s);
    if (!e)
        e = check_some_valid(&s, list);
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    for (int i = 0; !e && i < sk_X509_num(list); i++)
        if (!X509_STORE_add_cert(store, sk_X509_value(list, i)))
            e = refused(&s);
    sk_X509_pop_free(list, X509_free);
    kca__tls_source_close(&s);
    return e;
}

/* Checks the client's own certificate only; its signers are the broker's matter. */
static kca_error *check_dates(const kca__tls_source *s, const X509 *certificate) {
    char name[KCA__CERTIFICATE_WORDS], time[KCA__CERTIFICATE_TIME];
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    kca__certificate_name(name, X509_get_subject_name(certificate));
    if (X509_cmp_current_time(end) < 0) {
        kca__certificate_time(time, end);
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: %s (\"%s\") has expired: it was valid until %s",
                              s->connection, s->label, name, time);
    }
    if (X509_cmp_current_time(begin) > 0) {
        kca__certificate_time(time, begin);
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: %s (\"%s\") is not valid yet: its time begins at %s "
                              "(is this machine's clock right?)",
                              s->connection, s->label, name, time);
    }
    return NULL;
}

/* The first is the client's own, the others are its chain. */
static kca_error *use_certificates(SSL_CTX *context, const kca__tls_source *s,
                                   const kca__certificates *list) {
    kca_error *e = check_dates(s, sk_X509_value(list, 0));
    if (!e && !SSL_CTX_use_certificate(context, sk_X509_value(list, 0)))
        e = refused(s);
    for (int i = 1; !e && i < sk_X509_num(list); i++)
        if (!SSL_CTX_add1_chain_cert(context, sk_X509_value(list, i)))
            e = refused(s);
    return e;
}

static kca_error *use_key(SSL_CTX *context, const kca__tls_source *s, EVP_PKEY *key,
                          const char *certificate_label) {
    if (!X509_check_private_key(SSL_CTX_get0_certificate(context), key)) {
        ERR_clear_error();
        return kca__error_new(KCA_ERROR_TLS, "connection %s: %s does not match %s", s->connection,
                              s->label, certificate_label);
    }
    return SSL_CTX_use_PrivateKey(context, key) ? NULL : refused(s);
}

static kca_error *use_identity(SSL_CTX *context, const char *connection, const kca__tls *tls) {
    kca__tls_source certificate = {0}, key = {0};
    kca__certificates *list = NULL;
    EVP_PKEY *pkey = NULL;
    kca_error *e =
        kca__tls_source_open(&certificate, connection, KCA__TLS_CERTIFICATE, tls->certificate);
    if (!e)
        e = kca__tls_source_open(&key, connection, KCA__TLS_KEY, tls->key);
    if (!e)
        e = kca__tls_source_certificates(&list, &certificate);
    if (!e)
        e = kca__tls_source_key(&pkey, &key, tls->key_password);
    if (!e)
        e = use_certificates(context, &certificate, list);
    if (!e)
        e = use_key(context, &key, pkey, certificate.label);
    sk_X509_pop_free(list, X509_free);
    EVP_PKEY_free(pkey);
    kca__tls_source_close(&certificate);
    kca__tls_source_close(&key);
    return e;
}

static kca_error *half_identity(const char *connection, const kca__tls *tls) {
    char label[320];
    kca__tls_source_label(label, sizeof label, tls->key ? KCA__TLS_KEY : KCA__TLS_CERTIFICATE,
                          tls->key ? tls->key : tls->certificate);
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "connection %s: %s comes without a %s: give both or neither", connection,
                          label, tls->key ? "certificate" : "key");
}

kca_error *kca__tls_context_new(SSL_CTX **out, const char *connection, const kca__tls *tls) {
    *out = NULL;
    if (!tls->certificate != !tls->key)
        return half_identity(connection, tls);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return kca__error_memory();
    kca_error *e = use_ca(context, connection, tls->ca);
    if (!e && tls->certificate)
        e = use_identity(context, connection, tls);
    ERR_clear_error();
    if (e)
        SSL_CTX_free(context);
    else
        *out = context;
    return e;
}
