/* Certificates, and what tests of the diagnosis expect of a server. */
#ifndef KCA_TESTS_DIAGNOSIS_EXPECT_H
#define KCA_TESTS_DIAGNOSIS_EXPECT_H

#include "base/error.h"
#include "connection/diagnosis.h"
#include "fake_server.h"
#include "wait.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, SHORT_MS = 300, DAY_S = 86400 };

static char ca_file[] = "/tmp/kca-ca-XXXXXX";
static identity ca, other_ca, good, client, foreign_client;
static char *ca_text, *other_ca_text, *client_text, *client_key_text, *foreign_text, *foreign_key;
static kca__tls trusting; /* with ca_file */

static inline int make_all(void **state) {
    ca = identity_new((identity_wish){.name = "test CA", .ca = true, .key_ids = true});
    other_ca = identity_new((identity_wish){.name = "another CA", .ca = true, .key_ids = true});
    good = identity_new((identity_wish){
        .name = "broker", .alt_names = "DNS:localhost,IP:127.0.0.1,IP:::1", .signer = &ca});
    client = identity_new((identity_wish){.name = "client", .signer = &ca});
    foreign_client = identity_new((identity_wish){.name = "foreign", .signer = &other_ca});
    ca_text = certificate_pem(&ca);
    other_ca_text = certificate_pem(&other_ca);
    client_text = certificate_pem(&client);
    client_key_text = key_pem(&client, NULL);
    foreign_text = certificate_pem(&foreign_client);
    foreign_key = key_pem(&foreign_client, NULL);
    close(mkstemp(ca_file));
    write_text(ca_file, ca_text, NULL);
    trusting = (kca__tls){.enabled = true, .ca = ca_file};
    return 0;
}

static inline int drop_all(void **state) {
    identity *const identities[] = {&ca, &other_ca, &good, &client, &foreign_client};
    char *const texts[] = {ca_text,         other_ca_text, client_text,
                           client_key_text, foreign_text,  foreign_key};
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++)
        identity_free(identities[i]);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return unlink(ca_file);
}

typedef struct expected {
    int code;
    bool definite;
    const char *text; /* "HOST" stands for the host; NULL: nothing wrong */
} expected;

/* `pattern` with every HOST replaced. */
static inline void fill(char out[1000], const char *pattern, const char *host) {
    size_t len = 0;
    for (const char *p = pattern; *p; p++) {
        bool here = strncmp(p, "HOST", 4) == 0;
        len += (size_t)snprintf(out + len, 1000 - len, "%s", here ? host : (char[]){*p, '\0'});
        p += here ? 3 : 0;
    }
}

static inline void expect_within(int timeout_ms, expected x, const char *hosts, const char *host,
                                 const kca__tls *tls) {
    char text[1000] = "";
    int64_t begin = now_ms();
    kca__diagnosis d = kca__diagnose("kafka", hosts, tls, timeout_ms);
    if (x.text)
        fill(text, x.text, host);
    assert_string_equal(d.error ? d.error->text : "", text);
    assert_int_equal(d.error ? d.error->code : KCA_OK, x.code);
    assert_int_equal(d.error ? d.error->retriable : 0, x.text && !x.definite);
    assert_int_equal(d.definite, x.definite);
    assert_int_equal(ERR_peek_error(), 0);
    assert_true(now_ms() - begin < timeout_ms + 1000);
    kca__error_free(d.error);
}

static inline void expect(expected x, const char *host, const kca__tls *tls) {
    expect_within(TIMEOUT_MS, x, host, host, tls);
}

/* Starts such a server, and looks at it as `name`:port. */
static inline void expect_of_server(expected x, const char *name, fake_wish wish,
                                    const kca__tls *tls) {
    char host[100];
    fake_server *s = fake_server_start(wish);
    snprintf(host, sizeof host, "%s:%d", name, fake_server_port(s));
    expect_within(wish.manner == FAKE_SILENT ? SHORT_MS : TIMEOUT_MS, x, host, host, tls);
    fake_server_stop(s);
}

static const expected fine = {KCA_OK, false, NULL};

static inline expected tls_error(const char *text) {
    return (expected){KCA_ERROR_TLS, true, text};
}

#endif
