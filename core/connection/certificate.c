#include "connection/certificate.h"

#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char cut[] = "...";

/* Takes whole UTF-8 characters only. */
static void copy_words(char out[KCA__CERTIFICATE_WORDS], const char *text, size_t len) {
    bool fits = len < KCA__CERTIFICATE_WORDS;
    if (!fits) {
        len = KCA__CERTIFICATE_WORDS - sizeof cut;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    memcpy(out + len, fits ? "" : cut, fits ? 1 : sizeof cut);
}

void kca__certificate_name(char out[KCA__CERTIFICATE_WORDS], const X509_NAME *name) {
    out[0] = '\0';
    BIO *words = BIO_new(BIO_s_mem());
    if (!words)
        return;
    char *text = NULL;
    X509_NAME_print_ex(words, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long len = BIO_get_mem_data(words, &text);
    if (len > 0)
        copy_words(out, text, (size_t)len);
    BIO_free(words);
}

void kca__certificate_time(char out[KCA__CERTIFICATE_TIME], const ASN1_TIME *time) {
    struct tm tm;
    if (!ASN1_TIME_to_tm(time, &tm) ||
        strftime(out, KCA__CERTIFICATE_TIME, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
        snprintf(out, KCA__CERTIFICATE_TIME, "an unreadable time");
}

typedef struct list {
    char *out;
    size_t len;
    bool full;
} list;

/* `text` comes from a stranger's certificate, so it may hold anything. */
static void list_add(list *l, const char *prefix, const unsigned char *text, size_t len) {
    const char *comma = l->len > 0 ? ", " : "";
    size_t needed = strlen(comma) + strlen(prefix) + len;
    if (l->full)
        return;
    if (l->len + needed + sizeof ", ..." > KCA__CERTIFICATE_WORDS) {
        l->full = true;
        snprintf(l->out + l->len, KCA__CERTIFICATE_WORDS - l->len, "%s%s", comma, cut);
        return;
    }
    l->len += (size_t)sprintf(l->out + l->len, "%s%s", comma, prefix);
    for (size_t i = 0; i < len; i++)
        l->out[l->len++] = text[i] >= ' ' && text[i] < 0x7f ? (char)text[i] : '?';
    l->out[l->len] = '\0';
}

static void list_add_address(list *l, const ASN1_OCTET_STRING *address) {
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(address);
    int family = len == 4 ? AF_INET : AF_INET6;
    if ((len == 4 || len == 16) &&
        inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text))
        list_add(l, "", (unsigned char *)text, strlen(text));
}

static void list_add_common_names(list *l, const X509 *certificate) {
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int i = -1;
    while ((i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0) {
        const ASN1_STRING *name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        list_add(l, "CN=", ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name));
    }
}

void kca__certificate_hosts(char out[KCA__CERTIFICATE_WORDS], const X509 *certificate) {
    list l = {out, 0, false};
    bool has_name = false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            has_name = true;
            list_add(&l, "", ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            list_add_address(&l, name->d.iPAddress);
        }
    }
    GENERAL_NAMES_free(names);
    if (!has_name)
        list_add_common_names(&l, certificate);
    if (l.len == 0 && !l.full)
        snprintf(out, KCA__CERTIFICATE_WORDS, "no host at all");
}
