#include "certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400 };

static void add_extension(X509 *certificate, X509 *signer, int nid, const char *value) {
    X509V3_CTX about;
    X509V3_set_ctx(&about, signer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &about, nid, value);
    assert_non_null(extension);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void set_extensions(X509 *certificate, X509 *signer, const identity_wish *wish) {
    if (wish->ca)
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
    if (wish->alt_names)
        add_extension(certificate, signer, NID_subject_alt_name, wish->alt_names);
    if (wish->key_ids) {
        add_extension(certificate, signer, NID_subject_key_identifier, "hash");
        add_extension(certificate, signer, NID_authority_key_identifier, "keyid:always");
    }
}

identity identity_new(identity_wish wish) {
    static int serial;
    identity i = {X509_new(), EVP_EC_gen("P-256")};
    const identity *signer = wish.signer ? wish.signer : &i;
    long ends_s = wish.begins_s == 0 && wish.ends_s == 0 ? DAY_S : wish.ends_s;
    long begins_s = wish.begins_s == 0 ? -DAY_S : wish.begins_s;
    assert_non_null(i.certificate);
    assert_non_null(i.key);

    X509_set_version(i.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(i.certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(i.certificate), begins_s);
    X509_gmtime_adj(X509_getm_notAfter(i.certificate), ends_s);
    if (wish.name)
        X509_NAME_add_entry_by_NID(X509_get_subject_name(i.certificate), NID_commonName,
                                   MBSTRING_UTF8, (const unsigned char *)wish.name, -1, -1, 0);
    X509_set_issuer_name(i.certificate, X509_get_subject_name(signer->certificate));
    X509_set_pubkey(i.certificate, i.key);
    set_extensions(i.certificate, signer->certificate, &wish);
    assert_true(X509_sign(i.certificate, signer->key, EVP_sha256()));
    return i;
}

void identity_free(identity *i) {
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
}

static char *take_text(BIO *bio) {
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)len);
    BIO_free(bio);
    assert_non_null(text);
    return text;
}

char *certificate_pem(const identity *i) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_X509(bio, i->certificate));
    return take_text(bio);
}

char *key_pem(const identity *i, const char *password) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PKCS8PrivateKey(bio, i->key, password ? EVP_aes_256_cbc() : NULL,
                                              password, password ? (int)strlen(password) : 0, NULL,
                                              NULL));
    return take_text(bio);
}

void write_text(const char *path, const char *first, const char *second) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(first, file);
    if (second)
        fputs(second, file);
    assert_int_equal(fclose(file), 0);
}
