/* Options of TLS: versions, cipher suites, client certificates, key log, OCSP staples. */
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "fixture.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "support/test.h"

static const long hour = 3600;

static struct pair ca;
static struct pair leaf;
static struct tls_server server;
static struct tls_config *config;
static struct tls_info info;
static uint16_t port;
static char read_error[128];

static void answer(void *ssl, void *arg)
{
    (void)arg;
    SSL_write(ssl, "ok", 2);
    SSL_shutdown(ssl);
}

static void set_up(void)
{
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    ca = make_cert("gale test CA", NULL, -hour, hour, NULL);
    leaf = make_cert("leaf", "DNS:shop.test,DNS:www.shop.test", -hour, hour, &ca);
    server =
        (struct tls_server){.cert = leaf.cert, .key = leaf.key, .ca = ca.cert, .serve = answer};
    config = tls_config_new();
    tls_config_set_insecure(config, true);
}

static void tear_down(void)
{
    tls_config_free(config);
    pair_free(&leaf);
    pair_free(&ca);
}

static void client(void *arg)
{
    struct tls_request request = {.host = str_of(arg)};
    struct tls_context *ctx;
    struct addr to = loopback(port);
    struct stream *tcp;
    struct stream *s;
    char buf[8];

    read_error[0] = '\0';
    CHECK_EQ(tls_context_new(config, &ctx, NULL), 0);
    CHECK_EQ(tcp_dial(fiber_loop(), &to, NULL, soon(), &tcp, NULL), 0);
    CHECK_EQ(tls_connect(ctx, tcp, &request, soon(), &s, NULL), 0);
    info = *s->tls;
    if (stream_read(s, buf, sizeof buf, soon(), NULL) < 0)
        snprintf(read_error, sizeof read_error, "%s", stream_error_text(s));
    stream_close(s);
    tls_context_free(ctx);
}

static void run(const char *host)
{
    server.subject[0] = '\0';
    port = serve_tls(1, &server);
    run_fiber(client, (void *)(uintptr_t)host);
}

/* --- versions and cipher suites --------------------------------------------------------------- */

TEST(tls_config_parses_versions)
{
    struct diag d = DIAG_INIT;
    enum tls_version v;

    CHECK(tls_version_parse(STR("tls1.0"), &v) == 0 && v == TLS_1_0);
    CHECK(tls_version_parse(STR("tls1.3"), &v) == 0 && v == TLS_1_3);
    CHECK_EQ(tls_version_parse(STR("ssl3.0"), &v), ERR_INVALID);
    CHECK_TEXT(tls_version_text(TLS_1_2), "tls1.2");
    CHECK_TEXT(tls_version_text(TLS_ANY), "");
    set_up();
    CHECK_EQ(tls_config_set_versions(config, TLS_1_3, TLS_1_2, &d), ERR_INVALID);
    CHECK_TEXT(d.message, "tlsVersion: the minimum tls1.3 is above the maximum tls1.2");
    diag_deinit(&d);
    tear_down();
}

TEST(tls_config_holds_to_a_maximum)
{
    set_up();
    CHECK_EQ(tls_config_set_versions(config, TLS_ANY, TLS_1_2, NULL), 0);
    run("shop.test");
    CHECK_EQ(info.version, TLS_1_2);
    tear_down();
}

TEST(tls_config_picks_ciphers)
{
    static const struct str names[] = {STR_INIT("TLS_RSA_WITH_RC4_128_SHA"),
                                       STR_INIT("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305"),
                                       STR_INIT("TLS_AES_256_GCM_SHA384")};

    set_up();
    CHECK_EQ(tls_config_set_ciphers(config, names, 3, NULL), 0);
    run("shop.test");
    CHECK_TEXT(info.cipher, "TLS_AES_256_GCM_SHA384");
    server.max = TLS1_2_VERSION;
    run("shop.test");
    CHECK_TEXT(info.cipher, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    tear_down();
}

TEST(tls_config_leaves_13_alone_unless_named)
{
    static const struct str old = STR_INIT("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    static const struct str new = STR_INIT("TLS_CHACHA20_POLY1305_SHA256");

    set_up();
    CHECK_EQ(tls_config_set_ciphers(config, &old, 1, NULL), 0);
    run("shop.test");
    CHECK_TEXT(info.cipher, "TLS_AES_128_GCM_SHA256");
    CHECK_EQ(tls_config_set_ciphers(config, &new, 1, NULL), 0);
    run("shop.test");
    CHECK_TEXT(info.cipher, "TLS_CHACHA20_POLY1305_SHA256");
    tear_down();
}

TEST(tls_config_refuses_bad_ciphers)
{
    static const struct str unknown = STR_INIT("TLS_NONSENSE");
    static const struct str broken = STR_INIT("TLS_RSA_WITH_RC4_128_SHA");
    static const struct str new = STR_INIT("TLS_AES_128_GCM_SHA256");
    struct tls_context *ctx;
    struct diag d = DIAG_INIT;

    set_up();
    CHECK_EQ(tls_config_set_ciphers(config, &unknown, 1, &d), ERR_INVALID);
    CHECK_TEXT(d.message, "tlsCipherSuites: unknown cipher suite \"TLS_NONSENSE\"");
    diag_deinit(&d);
    CHECK_EQ(tls_config_set_ciphers(config, &broken, 1, NULL), ERR_INVALID);
    CHECK_EQ(tls_config_set_ciphers(config, &new, 1, NULL), 0);
    CHECK_EQ(tls_config_set_versions(config, TLS_ANY, TLS_1_2, NULL), 0);
    CHECK_EQ(tls_context_new(config, &ctx, NULL), ERR_INVALID);
    tear_down();
}

/* --- client certificates -------------------------------------------------------------------- */

static int add(const struct pair *pair, const char *password, bool is_legacy, const char *domain)
{
    struct str domains[1] = {str_of(domain)};
    char *cert = cert_pem(pair);
    char *key = key_pem(pair, password, is_legacy);
    struct tls_client_cert c = {.cert = str_of(cert),
                                .key = str_of(key),
                                .password = str_of(password),
                                .domains = domains,
                                .domain_count = domain ? 1 : 0};
    int err = tls_config_add_cert(config, &c, NULL);

    mem_free(cert);
    mem_free(key);
    return err;
}

TEST(tls_config_sends_the_certificate_of_the_domain)
{
    struct pair one;
    struct pair two;
    struct pair all;
    struct pair foreign_ca;
    struct pair foreign;

    set_up();
    server.wants_cert = true;
    foreign_ca = make_cert("foreign CA", NULL, -hour, hour, NULL);
    foreign = make_cert("foreign", NULL, -hour, hour, &foreign_ca);
    one = make_cert("one", NULL, -hour, hour, &ca);
    two = make_cert("two", NULL, -hour, hour, &ca);
    all = make_cert("all", NULL, -hour, hour, &ca);
    CHECK_EQ(add(&foreign, NULL, false, NULL), 0); /* not of an authority that is asked for */
    CHECK_EQ(add(&one, "secret", true, "shop.test"), 0);
    CHECK_EQ(add(&two, "secret", false, "*.shop.test"), 0);
    CHECK_EQ(add(&all, NULL, false, NULL), 0);
    run("shop.test");
    CHECK_TEXT(server.subject, "one");
    run("www.shop.test");
    CHECK_TEXT(server.subject, "two");
    server.max = TLS1_2_VERSION;
    run("other.test");
    CHECK_TEXT(server.subject, "all");
    CHECK_TEXT(read_error, "");
    pair_free(&one);
    pair_free(&two);
    pair_free(&all);
    pair_free(&foreign);
    pair_free(&foreign_ca);
    tear_down();
}

TEST(tls_config_without_a_certificate_hears_of_it)
{
    set_up();
    server.wants_cert = true;
    run("shop.test");
    CHECK_TEXT(read_error, "remote error: tls: certificate required");
    tear_down();
}

static void expect_refused(struct str cert, struct str key, struct str password, const char *text)
{
    struct tls_client_cert c = {.cert = cert, .key = key, .password = password};
    struct diag d = DIAG_INIT;

    CHECK_EQ(tls_config_add_cert(config, &c, &d), ERR_INVALID);
    CHECK_TEXT(d.message, text);
    diag_deinit(&d);
}

TEST(tls_config_refuses_bad_certificates)
{
    char *cert;
    char *key;
    char *locked;

    set_up();
    cert = cert_pem(&leaf);
    key = key_pem(&ca, NULL, false);
    locked = key_pem(&leaf, "secret", false);
    expect_refused(STR("nonsense"), str_of(key), STR(""),
                   "tlsAuth: the certificate is not valid PEM");
    expect_refused(STR(""), STR(""), STR(""), "tlsAuth: the certificate is not valid PEM");
    expect_refused(str_of(cert), str_of(key), STR(""),
                   "tlsAuth: the private key does not match the certificate");
    expect_refused(str_of(cert), str_of(locked), STR(""),
                   "tlsAuth: the key is not valid PEM, or it is encrypted and has no password");
    expect_refused(str_of(cert), str_of(locked), STR("wrong"),
                   "tlsAuth: the key is not valid PEM, or the password is wrong");
    CHECK_EQ(tls_config_add_roots(config, STR("nonsense"), NULL), ERR_INVALID);
    mem_free(cert);
    mem_free(key);
    mem_free(locked);
    tear_down();
}

/* --- the key log ---------------------------------------------------------------------------- */

TEST(tls_config_logs_keys)
{
    char path[] = "/tmp/gale-keys-XXXXXX";
    char line[512];
    unsigned lines = 0;
    FILE *file;

    close(mkstemp(path));
    set_up();
    CHECK_EQ(tls_config_set_keylog(config, "/nonexistent/dir/file", NULL), ERR_INVALID);
    CHECK_EQ(tls_config_set_keylog(config, path, NULL), 0);
    run("shop.test");
    file = fopen(path, "r");
    while (fgets(line, sizeof line, file))
        lines += strstr(line, "_TRAFFIC_SECRET") != NULL && line[strlen(line) - 1] == '\n';
    fclose(file);
    CHECK(lines >= 4);
    unlink(path);
    tear_down();
}

/* --- OCSP --------------------------------------------------------------------------------- */

static void make_staple(int status, int reason)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf.cert, ca.cert);
    ASN1_TIME *revoked = ASN1_TIME_set(NULL, 1000000000);
    ASN1_TIME *updated = ASN1_TIME_set(NULL, 1700000000);
    ASN1_TIME *next = ASN1_TIME_set(NULL, 1800000000);
    OCSP_RESPONSE *response;

    CHECK(OCSP_basic_add1_status(basic, id, status, reason, revoked, updated, next));
    CHECK(OCSP_basic_sign(basic, ca.cert, ca.key, EVP_sha256(), NULL, 0));
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    server.ocsp = NULL;
    server.ocsp_len = i2d_OCSP_RESPONSE(response, &server.ocsp);
    CHECK(server.ocsp_len > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(revoked);
    ASN1_TIME_free(updated);
    ASN1_TIME_free(next);
}

TEST(tls_reads_the_ocsp_staple)
{
    int64_t now = clock_wall() / NSEC_PER_SEC;

    set_up();
    make_staple(V_OCSP_CERTSTATUS_GOOD, 0);
    run("shop.test");
    CHECK_TEXT(tls_ocsp_status_text(info.ocsp.status), "good");
    CHECK(info.ocsp.produced_at >= now - 60 && info.ocsp.produced_at <= now + 60);
    CHECK_EQ(info.ocsp.this_update, 1700000000);
    CHECK_EQ(info.ocsp.next_update, 1800000000);
    CHECK_EQ(info.ocsp.revoked_at, 0);
    CHECK_TEXT(tls_ocsp_reason_text(info.ocsp.revocation_reason), "");
    OPENSSL_free(server.ocsp);
    make_staple(V_OCSP_CERTSTATUS_REVOKED, OCSP_REVOKED_STATUS_KEYCOMPROMISE);
    run("shop.test");
    CHECK_TEXT(tls_ocsp_status_text(info.ocsp.status), "revoked");
    CHECK_EQ(info.ocsp.revoked_at, 1000000000);
    CHECK_TEXT(tls_ocsp_reason_text(info.ocsp.revocation_reason), "key_compromise");
    OPENSSL_free(server.ocsp);
    make_staple(V_OCSP_CERTSTATUS_UNKNOWN, 0);
    run("shop.test");
    CHECK_EQ(info.ocsp.status, TLS_OCSP_UNKNOWN);
    CHECK_TEXT(tls_ocsp_status_text(info.ocsp.status), "unknown");
    OPENSSL_free(server.ocsp);
    server.ocsp = (unsigned char *)OPENSSL_strdup("garbage");
    server.ocsp_len = 7;
    run("shop.test");
    CHECK_TEXT(tls_ocsp_status_text(info.ocsp.status), "server_failed");
    OPENSSL_free(server.ocsp);
    CHECK_TEXT(tls_ocsp_status_text(TLS_OCSP_NONE), "unknown");
    CHECK_TEXT(tls_ocsp_reason_text(99), "");
    tear_down();
}
