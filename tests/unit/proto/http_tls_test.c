/* The client over TLS: that it is chosen, timed, told about and cut off properly. */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_fixture.h"
#include "net/tls.h"
#include "support/test.h"

static uint16_t port;
static int listener;
static pthread_t thread;

/* A certificate for 127.0.0.1 that nobody vouches for. */
static void use_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_set_version(cert, X509_VERSION_3);
    X509_add_ext(cert, san, -1);
    X509_EXTENSION_free(san);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    CHECK_EQ(SSL_CTX_use_certificate(ctx, cert), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static bool read_request(SSL *ssl)
{
    char data[4096];
    int len = 0;

    do {
        int got = SSL_read(ssl, data + len, (int)sizeof data - len - 1);

        if (got <= 0)
            return false;
        len += got;
        data[len] = '\0';
    } while (!strstr(data, "\r\n\r\n"));
    return true;
}

/* Two whole responses, then one that ends without TLS saying so. */
static void *serve_tls(void *arg)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    static const char open_end[] = "HTTP/1.1 200 OK\r\n\r\nhalf of it";
    SSL_CTX *ctx = arg;
    int fd = accept(listener, NULL, NULL);
    SSL *ssl = SSL_new(ctx);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        for (int i = 0; i < 3 && read_request(ssl); i++) {
            if (i < 2)
                SSL_write(ssl, whole, sizeof whole - 1);
            else
                SSL_write(ssl, open_end, sizeof open_end - 1);
        }
    }
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(ctx);
    OPENSSL_thread_stop();
    return NULL;
}

static void start_tls_server(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    /* Here, not on the thread: OpenSSL 3.0 may fail to make one while another one loads roots. */
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    CHECK(ctx);
    use_certificate(ctx);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    CHECK_EQ(listen(listener, 4), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    port = ntohs(sa.sin_port);
    CHECK_EQ(pthread_create(&thread, NULL, serve_tls, ctx), 0);
}

static void stop_tls_server(void)
{
    pthread_join(thread, NULL);
    close(listener);
}

static void over_tls(void)
{
    const char *url = arena_printf(&arena, "https://127.0.0.1:%u/", port);
    struct http_response r = get(url);
    uint64_t sent;
    uint64_t received;

    CHECK_EQ(r.err, 0);
    CHECK_TEXT(text(r.body), "ok");
    CHECK(r.is_tls);
    CHECK_EQ(r.tls.version, TLS_1_3);
    CHECK_TEXT(text(r.proto), "HTTP/1.1");
    CHECK(r.timings.tls_handshaking > 0);
    CHECK(r.timings.blocked >= r.timings.tls_handshaking + r.timings.connecting);
    http_client_take_bytes(client, &sent, &received);
    CHECK(sent > 200 && received > 400); /* the handshake counts */

    r = get(url);
    CHECK_EQ(r.err, 0);
    CHECK(r.is_tls);
    CHECK_EQ(r.timings.tls_handshaking, 0);
    CHECK_EQ(r.timings.connecting, 0);

    /* Without TLS's own end nobody knows whether that was all. */
    r = get(url);
    CHECK_EQ(r.err, ERR_UNEXPECTED_EOF);
    CHECK_EQ(r.status, 0);
}

TEST(http_speaks_over_tls)
{
    struct tls_config *tls = tls_config_new();

    tls_config_set_insecure(tls, true);
    dialer_options.tls = tls;
    start_tls_server();
    run_client(over_tls);
    stop_tls_server();
    tls_config_free(tls);
}

static void untrusted(void)
{
    struct http_response r = get(arena_printf(&arena, "https://127.0.0.1:%u/", port));

    CHECK_EQ(r.err, ERR_TLS_UNKNOWN_AUTHORITY);
    CHECK_EQ(r.error_code, 1310);
    CHECK_EQ(r.timings.duration, 0);
    CHECK_TEXT(text(r.error), "x509: certificate signed by unknown authority");
    CHECK(strstr(text(r.error_long), "tls: failed to verify certificate"));
}

TEST(http_trusts_nobody_unasked)
{
    start_tls_server();
    run_client(untrusted);
    stop_tls_server();
}
