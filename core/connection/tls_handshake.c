#include "connection/tls_handshake.h"

#include "base/error.h"
#include "connection/tls_source.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <stdio.h>
#include <string.h>

static X509 *keep(X509 *certificate) {
    if (certificate)
        X509_up_ref(certificate);
    return certificate;
}

static bool has_namesake(X509_STORE_CTX *store, X509 *certificate) {
    STACK_OF(X509) *known = X509_STORE_CTX_get1_certs(store, X509_get_issuer_name(certificate));
    bool found = sk_X509_num(known) > 0;
    sk_X509_pop_free(known, X509_free);
    return found;
}

/* Keeps the first trouble, and ends the handshake there. */
static int on_verify(int fine, X509_STORE_CTX *store) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    kca__tls_handshake *h = SSL_get_app_data(ssl);
    if (fine || h->trouble)
        return fine;
    h->trouble = X509_STORE_CTX_get_error(store);
    h->depth = X509_STORE_CTX_get_error_depth(store);
    h->own = keep(X509_STORE_CTX_get0_cert(store));
    h->culprit = keep(X509_STORE_CTX_get_current_cert(store));
    h->namesake = h->culprit && has_namesake(store, h->culprit);
    return 0;
}

static int on_certificate_request(SSL *ssl, void *arg) {
    (void)arg;
    kca__tls_handshake *h = SSL_get_app_data(ssl);
    h->asked = true;
    return 1;
}

bool kca__tls_handshake_run(kca__tls_handshake *h, kca__link *l, SSL_CTX *context) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_cert_cb(context, on_certificate_request, NULL);
    return kca__link_start_tls(l, context, h->host->name, h);
}

void kca__tls_handshake_clear(kca__tls_handshake *h) {
    X509_free(h->own);
    X509_free(h->culprit);
    h->own = h->culprit = NULL;
}

static void trusted(char *out, size_t size, const kca__tls *tls) {
    if (!tls->ca)
        snprintf(out, size, "the system's list of CAs");
    else if (kca__tls_is_pem(tls->ca))
        snprintf(out, size, "the given CA text");
    else
        snprintf(out, size, "%s", tls->ca);
}

static kca_error *explain_signer(const kca__tls_handshake *h) {
    char signer[KCA__CERTIFICATE_WORDS], where[300];
    bool self = h->trouble == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
                h->trouble == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
    bool direct = h->depth == 0 || (self && h->depth == 1);
    kca__certificate_name(signer, X509_get_issuer_name(h->culprit));
    trusted(where, sizeof where, h->tls);

    if (self && h->depth == 0)
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: the certificate of %s is self-signed (\"%s\") and is "
                              "not in %s: give it as CA (with_tls) if this is the right broker",
                              h->connection, h->host->text, signer, where);
    if (h->namesake)
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: the certificate of %s is signed by another \"%s\" "
                              "than the one in %s: same name, other key",
                              h->connection, h->host->text, signer, where);
    return kca__error_new(
        KCA_ERROR_TLS,
        "connection %s: the certificate of %s %s \"%s\", which is not in %s: give "
        "that CA (with_tls) if this is the right broker",
        h->connection, h->host->text, direct ? "is signed by" : "leads to", signer, where);
}

static kca_error *explain_time(const kca__tls_handshake *h, bool expired) {
    char time[KCA__CERTIFICATE_TIME], name[KCA__CERTIFICATE_WORDS];
    char whose[KCA__CERTIFICATE_WORDS + sizeof h->host->text + 40];
    kca__certificate_time(time, expired ? X509_get0_notAfter(h->culprit)
                                        : X509_get0_notBefore(h->culprit));
    kca__certificate_name(name, X509_get_subject_name(h->culprit));
    if (h->depth > 0)
        snprintf(whose, sizeof whose, "the CA \"%s\" of the certificate of %s", name,
                 h->host->text);
    else
        snprintf(whose, sizeof whose, "the certificate of %s", h->host->text);
    return kca__error_new(KCA_ERROR_TLS,
                          expired ? "connection %s: %s has expired: it was valid until %s"
                                  : "connection %s: %s is not valid yet: its time begins at %s (is "
                                    "this machine's clock right?)",
                          h->connection, whose, time);
}

static kca_error *explain_names(const kca__tls_handshake *h) {
    char names[KCA__CERTIFICATE_WORDS];
    kca__certificate_hosts(names, h->own);
    return kca__error_new(KCA_ERROR_TLS,
                          "connection %s: the certificate of %s is issued for %s, not for %s: use "
                          "a name of the certificate, or have this one added to it",
                          h->connection, h->host->text, names, h->host->name);
}

static kca_error *explain_certificate(const kca__tls_handshake *h) {
    switch (h->trouble) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return explain_signer(h);
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return explain_time(h, true);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return explain_time(h, false);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return explain_names(h);
    default:
        return kca__error_new(
            KCA_ERROR_TLS, "connection %s: the certificate of %s is not accepted: %s",
            h->connection, h->host->text, X509_verify_cert_error_string(h->trouble));
    }
}

/* The alert that the peer sent, for example "TLS alert 48, unknown ca"; 0: none. */
static int read_alert(char *out, size_t size) {
    unsigned long error = ERR_peek_error();
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) != ERR_LIB_SSL || reason <= SSL_AD_REASON_OFFSET ||
        reason > SSL_AD_REASON_OFFSET + 255)
        return 0;
    int alert = reason - SSL_AD_REASON_OFFSET;
    const char *text = ERR_reason_error_string(error);
    const char *name = text ? strstr(text, "alert ") : NULL;
    snprintf(out, size, "TLS alert %d%s%s", alert, name ? ", " : "", name ? name + 6 : "");
    return alert;
}

static kca_error *explain_own_certificate(const kca__tls_handshake *h, const char *alert) {
    if (!h->tls->certificate)
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: %s requires a client certificate and this connection "
                              "has none: give certificate and key (with_tls) (%s)",
                              h->connection, h->host->text, alert);
    char label[320];
    kca__tls_source_label(label, sizeof label, KCA__TLS_CERTIFICATE, h->tls->certificate);
    return kca__error_new(KCA_ERROR_TLS,
                          "connection %s: %s does not accept %s as client certificate (%s): the "
                          "broker must trust its signer",
                          h->connection, h->host->text, label, alert);
}

static bool is_about_parameters(int alert) {
    return alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_PROTOCOL_VERSION ||
           alert == SSL_AD_INSUFFICIENT_SECURITY;
}

kca_error *kca__tls_handshake_explain(const kca__tls_handshake *h, const kca__link *l) {
    char text[100] = "";
    if (h->trouble)
        return explain_certificate(h);
    int alert = l->state == KCA__LINK_BROKEN ? read_alert(text, sizeof text) : 0;
    if (h->asked && alert)
        return explain_own_certificate(h, text);
    if (h->asked && l->state == KCA__LINK_CLOSED) {
        kca_error *e = explain_own_certificate(h, "it closed the connection");
        if (!e->retriable)
            e->retriable = 1; /* without an alert, TLS is only the likely cause */
        return e;
    }
    if (alert)
        return kca__error_new(KCA_ERROR_TLS, "connection %s: %s refuses the TLS handshake (%s)%s",
                              h->connection, h->host->text, text,
                              is_about_parameters(alert) ? ": no TLS version or cipher in common"
                                                         : "");
    if (l->state != KCA__LINK_BROKEN)
        return NULL;
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    return kca__error_new(KCA_ERROR_TLS, "connection %s: the TLS handshake with %s breaks: %s",
                          h->connection, h->host->text, reason ? reason : "no reason known");
}
