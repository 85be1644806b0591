#include "fixture.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/test.h"

unsigned recv_calls;
unsigned send_calls;

ssize_t recv(int fd, void *out, size_t size, int flags)
{
    recv_calls++;
    return syscall(SYS_recvfrom, fd, out, size, flags, NULL, NULL);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    send_calls++;
    return syscall(SYS_sendmsg, fd, msg, flags);
}

static void join_servers(void);

struct start {
    void (*fn)(void *arg);
    void *arg;
};

static void fiber_main(void *arg)
{
    struct start *start = arg;

    start->fn(start->arg);
    loop_stop(fiber_loop());
}

void run_fiber(void (*fn)(void *arg), void *arg)
{
    struct start start = {fn, arg};
    struct loop *loop;

    CHECK_EQ(loop_new(&loop), 0);
    fiber_start(loop, fiber_main, &start);
    loop_run(loop);
    loop_free(loop);
    join_servers();
}

int64_t in_ms(int64_t ms)
{
    return clock_now() + ms * NSEC_PER_MSEC;
}

int64_t soon(void)
{
    return in_ms(20000);
}

bool turns_unhealthy(struct stream *s)
{
    for (int i = 0; i < 2000 && stream_is_idle_healthy(s); i++)
        CHECK_EQ(fiber_sleep_until(in_ms(2)), 0);
    return !stream_is_idle_healthy(s);
}

struct addr loopback(uint16_t port)
{
    return (struct addr){.family = ADDR_V4, .port = port, .ip = {127, 0, 0, 1}};
}

static int listen_any(int backlog, uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    if (backlog >= 0)
        CHECK_EQ(listen(fd, backlog), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

uint16_t dead_port(void)
{
    uint16_t port;

    close(listen_any(-1, &port));
    return port;
}

enum { SERVERS_MAX = 16 };

struct listener {
    pthread_t thread;
    int fd;
    unsigned count;
    void (*serve)(int fd, void *arg);
    void *arg;
};

static struct listener listeners[SERVERS_MAX];
static size_t listener_count;

static void *accept_loop(void *arg)
{
    struct listener *l = arg;

    while (l->count-- > 0) {
        int fd = accept(l->fd, NULL, NULL);

        if (fd < 0)
            break;
        l->serve(fd, l->arg);
        close(fd);
    }
    return NULL;
}

uint16_t serve(unsigned count, void (*serve_one)(int fd, void *arg), void *arg)
{
    struct listener *l = &listeners[listener_count++];
    uint16_t port;

    CHECK(listener_count <= SERVERS_MAX);
    signal(SIGPIPE, SIG_IGN);
    l->fd = listen_any(64, &port);
    l->count = count;
    l->serve = serve_one;
    l->arg = arg;
    CHECK_EQ(pthread_create(&l->thread, NULL, accept_loop, l), 0);
    return port;
}

/* A server may still be at work when its client is done; what it works with must outlive it. */
static void join_servers(void)
{
    while (listener_count > 0) {
        struct listener *l = &listeners[--listener_count];

        shutdown(l->fd, SHUT_RDWR);
        pthread_join(l->thread, NULL);
        close(l->fd);
    }
}

static atomic_bool is_released;

void stall_until_released(void)
{
    for (int i = 0; i < 2000 && !is_released; i++)
        usleep(5000);
}

void release_server(void)
{
    is_released = true;
}

void write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, data, len, MSG_NOSIGNAL);

        if (put <= 0)
            return;
        data += put;
        len -= (size_t)put;
    }
}

void read_exactly(int fd, char *out, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, out, len);

        if (got <= 0)
            return;
        out += got;
        len -= (size_t)got;
    }
}

/* --- TLS ---------------------------------------------------------------------------------- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char both[] = "\2h2\10http/1.1";
    const struct tls_server *server = arg;
    const unsigned char *from = server->offers_h2 ? both : both + 3;
    unsigned len = server->offers_h2 ? 12 : 9;
    unsigned char *picked;

    (void)ssl;
    if (SSL_select_next_proto(&picked, out_len, from, len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = picked;
    return SSL_TLSEXT_ERR_OK;
}

static int staple(SSL *ssl, void *arg)
{
    const struct tls_server *server = arg;
    unsigned char *copy;

    if (!server->ocsp)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(server->ocsp, (size_t)server->ocsp_len);
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, server->ocsp_len);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *server_ctx(struct tls_server *server)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    CHECK(ctx);
    SSL_CTX_set_security_level(ctx, 0);
    CHECK_EQ(SSL_CTX_use_certificate(ctx, server->cert), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey(ctx, server->key), 1);
    SSL_CTX_set_min_proto_version(ctx, server->min ? server->min : TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, server->max);
    if (server->ciphers)
        CHECK_EQ(SSL_CTX_set_cipher_list(ctx, server->ciphers), 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, server);
    SSL_CTX_set_tlsext_status_cb(ctx, staple);
    SSL_CTX_set_tlsext_status_arg(ctx, server);
    if (server->wants_cert) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), server->ca);
        SSL_CTX_add_client_CA(ctx, server->ca);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}

static void note_client(struct tls_server *server, SSL *ssl)
{
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    X509 *peer = SSL_get0_peer_certificate(ssl);

    snprintf(server->sni, sizeof server->sni, "%s", sni ? sni : "");
    if (peer)
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, server->subject,
                                  sizeof server->subject);
}

static void serve_one_tls(int fd, void *arg)
{
    struct tls_server *server = arg;
    SSL_CTX *ctx = server_ctx(server);
    SSL *ssl = SSL_new(ctx);

    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        note_client(server, ssl);
        if (server->serve)
            server->serve(ssl, server->arg);
    } else {
        server->failed = true;
        ERR_clear_error();
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

uint16_t serve_tls(unsigned count, struct tls_server *server)
{
    return serve(count, serve_one_tls, server);
}

/* --- certificates --------------------------------------------------------------------------- */

struct pair make_cert(const char *common_name, const char *names, long from, long to,
                      const struct pair *issuer)
{
    struct pair pair = {X509_new(), EVP_EC_gen("P-256")};
    X509_NAME *subject = X509_get_subject_name(pair.cert);
    static long serial = 1;
    X509V3_CTX v3;
    X509_EXTENSION *ext;

    X509_set_version(pair.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(pair.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(pair.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(pair.cert), to);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
                               -1, 0);
    X509_set_issuer_name(pair.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
    X509_set_pubkey(pair.cert, pair.key);
    X509V3_set_ctx(&v3, issuer ? issuer->cert : pair.cert, pair.cert, NULL, NULL, 0);
    if (!issuer) {
        ext = X509V3_EXT_conf_nid(NULL, &v3, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(pair.cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    if (names) {
        ext = X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, names);
        CHECK(ext);
        X509_add_ext(pair.cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    CHECK(X509_sign(pair.cert, issuer ? issuer->key : pair.key, EVP_sha256()) > 0);
    return pair;
}

void pair_free(struct pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
}

static char *take_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = mem_strndup(data, (size_t)len);

    BIO_free(bio);
    return text;
}

char *cert_pem(const struct pair *pair)
{
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK_EQ(PEM_write_bio_X509(bio, pair->cert), 1);
    return take_text(bio);
}

char *key_pem(const struct pair *pair, const char *password, bool is_legacy)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
    const unsigned char *secret = (const unsigned char *)password;
    int len = password ? (int)strlen(password) : 0;

    if (is_legacy)
        CHECK_EQ(PEM_write_bio_PrivateKey_traditional(
                     bio, pair->key, cipher, (unsigned char *)(uintptr_t)secret, len, NULL, NULL),
                 1);
    else
        CHECK_EQ(PEM_write_bio_PrivateKey(bio, pair->key, cipher, secret, len, NULL, NULL), 1);
    return take_text(bio);
}
