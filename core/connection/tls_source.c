#include "connection/tls_source.h"

#include "base/error.h"
#include "connection/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_FILE = 4 << 20, SHORTEST_KEY = 60 };

static const char base64[] = " \tABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

/* A key that lost its "-----BEGIN" line would be taken for a path, and shown; every DER key begins
 * with "M" in base64. */
static bool may_be_key(const char *given) {
    size_t len = strlen(given);
    return given[strcspn(given, "\r\n")] != '\0' ||
           (given[0] == 'M' && len >= SHORTEST_KEY && strspn(given, base64) == len);
}

void kca__tls_source_label(char *out, size_t size, kca__tls_role role, const char *given) {
    static const char *const texts[] = {"the given CA text", "the given certificate text",
                                        "the given key text"};
    static const char *const files[] = {"CA file", "certificate", "key"};
    if (kca__tls_is_pem(given) || may_be_key(given))
        snprintf(out, size, "%s", texts[role]);
    else
        snprintf(out, size, "%s %s", files[role], given);
}

static kca_error *unreadable(const kca__tls_source *s, int reason) {
    return kca__error_new(KCA_ERROR_ARGUMENT, "connection %s: %s: %s", s->connection, s->label,
                          reason == ENOENT ? "no such file" : strerror(reason));
}

static kca_error *check_file(size_t *size, const kca__tls_source *s, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0)
        return unreadable(s, errno);
    const char *trouble = S_ISDIR(about.st_mode)         ? "is a directory, not a file"
                          : !S_ISREG(about.st_mode)      ? "is not a regular file"
                          : about.st_size == 0           ? "is empty"
                          : about.st_size > LARGEST_FILE ? "is larger than 4 MiB"
                                                         : NULL;
    if (trouble)
        return kca__error_new(KCA_ERROR_ARGUMENT, "connection %s: %s %s", s->connection, s->label,
                              trouble);
    *size = (size_t)about.st_size;
    return NULL;
}

static kca_error *read_file(kca__tls_source *out, const char *path) {
    size_t size = 0;
    kca_error *e = check_file(&size, out, path);
    if (e)
        return e;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return unreadable(out, errno);
    out->text = OPENSSL_zalloc(size + 1);
    ssize_t n = 1;
    while (out->text && n > 0 && out->len < size) {
        n = read(fd, out->text + out->len, size - out->len);
        if (n > 0)
            out->len += (size_t)n;
    }
    int reason = errno;
    close(fd);
    if (!out->text)
        return kca__error_memory();
    return n < 0 ? unreadable(out, reason) : NULL;
}

kca_error *kca__tls_source_open(kca__tls_source *out, const char *connection, kca__tls_role role,
                                const char *given) {
    *out = (kca__tls_source){.connection = connection};
    kca__tls_source_label(out->label, sizeof out->label, role, given);
    if (kca__tls_is_pem(given) || may_be_key(given)) {
        out->text = OPENSSL_strdup(given);
        out->len = strlen(given);
        if (!out->text)
            return kca__error_memory();
    } else {
        kca_error *e = read_file(out, given);
        if (e)
            return e;
    }
    if (!strstr(out->text, "-----BEGIN"))
        return kca__error_new(
            KCA_ERROR_TLS,
            "connection %s: %s is not PEM, it has no \"-----BEGIN\" line: convert "
            "DER, PKCS#12 and Java stores with openssl or keytool",
            connection, out->label);
    return NULL;
}

void kca__tls_source_close(kca__tls_source *s) {
    OPENSSL_clear_free(s->text, s->len);
    s->text = NULL;
}

static kca_error *broken(const kca__tls_source *s, const char *what) {
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    /* typical of PEM text that went through an environment variable or JSON */
    if (strstr(s->text, "-----\\n"))
        reason = "it has \"\\n\" spelled out where lines should end";
    return kca__error_new(KCA_ERROR_TLS, "connection %s: %s: %s cannot be read (%s)", s->connection,
                          s->label, what, reason ? reason : "no reason known");
}

static int no_password(char *out, int size, int writing, void *user) {
    (void)out, (void)size, (void)writing, (void)user;
    return -1;
}

kca_error *kca__tls_source_certificates(kca__certificates **out, const kca__tls_source *s) {
    *out = NULL;
    kca__certificates *list = sk_X509_new_null();
    BIO *text = BIO_new_mem_buf(s->text, (int)s->len);
    X509 *certificate = NULL;
    ERR_clear_error();
    while (list && text && (certificate = PEM_read_bio_X509_AUX(text, NULL, no_password, NULL)))
        if (!sk_X509_push(list, certificate))
            X509_free(certificate);
    BIO_free(text);

    int count = sk_X509_num(list);
    kca_error *e = NULL;
    if (!list || !text) {
        e = kca__error_memory();
    } else if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE ||
               (count == 0 && strstr(s->text, "CERTIFICATE-----"))) {
        char what[40];
        snprintf(what, sizeof what, "certificate number %d in it", count + 1);
        e = broken(s, what);
    } else if (count == 0) {
        e = kca__error_new(KCA_ERROR_TLS, "connection %s: %s holds no certificate%s", s->connection,
                           s->label, strstr(s->text, "PRIVATE KEY-----") ? ", but a key" : "");
    }
    ERR_clear_error();
    if (e)
        sk_X509_pop_free(list, X509_free);
    else
        *out = list;
    return e;
}

typedef struct password_request {
    const char *password;
    bool asked;
} password_request;

/* Given to OpenSSL in any case: without this function it would ask on the terminal. */
static int on_password(char *out, int size, int writing, void *user) {
    (void)writing;
    password_request *request = user;
    request->asked = true;
    size_t len = request->password ? strlen(request->password) : 0;
    if (len == 0 || len > (size_t)size)
        return -1;
    memcpy(out, request->password, len);
    return (int)len;
}

static kca_error *bad_key(const kca__tls_source *s, const password_request *request) {
    if (!strstr(s->text, "PRIVATE KEY-----"))
        return kca__error_new(KCA_ERROR_TLS, "connection %s: %s holds no private key",
                              s->connection, s->label);
    if (!request->asked)
        return broken(s, "the private key");
    if (!request->password)
        return kca__error_new(KCA_ERROR_TLS,
                              "connection %s: %s is encrypted: give its password "
                              "(with_tls_key_password)",
                              s->connection, s->label);
    return kca__error_new(
        KCA_ERROR_TLS,
        "connection %s: %s: the password given does not open it (with_tls_key_password)",
        s->connection, s->label);
}

kca_error *kca__tls_source_key(EVP_PKEY **out, const kca__tls_source *s, const char *password) {
    password_request request = {password, false};
    BIO *text = BIO_new_mem_buf(s->text, (int)s->len);
    ERR_clear_error();
    *out = text ? PEM_read_bio_PrivateKey(text, NULL, on_password, &request) : NULL;
    BIO_free(text);
    kca_error *e = NULL;
    if (!text)
        e = kca__error_memory();
    else if (!*out)
        e = bad_key(s, &request);
    ERR_clear_error();
    return e;
}
