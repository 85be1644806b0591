#include "net/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "net/tls_internal.h"
#include "net/transport.h"

enum { SCRATCH = SSL3_RT_MAX_PLAIN_LENGTH };

/* --- the socket under OpenSSL --------------------------------------------------------------- */

/* OpenSSL never waits: its reads and writes move what the socket takes now, and the fiber parks
 * outside of it. That keeps the SSL usable by one reader and one writer. */

/* What SSL_read or SSL_write of the outer connection came to, as transport_try_read would say it.
 */
static ptrdiff_t outer_result(struct tls *t, int ret)
{
    int err;

    if (ret > 0)
        return ret;
    err = tls_failure(t->outer, ret, &t->outer_bits);
    ERR_clear_error();
    return err == ERR_EOF ? 0 : err;
}

static ptrdiff_t try_read(struct tls *t, void *out, size_t size)
{
    if (!t->outer)
        return transport_try_read(t->below, out, size);
    return outer_result(t, SSL_read(t->outer->ssl, out, size > INT_MAX ? INT_MAX : (int)size));
}

static ptrdiff_t try_write(struct tls *t, const void *data, size_t len)
{
    ptrdiff_t put;

    if (!t->outer)
        return transport_try_write(t->below, data, len);
    put = outer_result(t, SSL_write(t->outer->ssl, data, len > INT_MAX ? INT_MAX : (int)len));
    return put == 0 ? ERR_BROKEN_PIPE : put;
}

static int bio_read(BIO *bio, char *out, size_t size, size_t *got)
{
    struct tls *t = BIO_get_data(bio);
    ptrdiff_t n = try_read(t, out, size);

    BIO_clear_retry_flags(bio);
    *got = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return 1;
    if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    }
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    else
        t->io_error = (int)n;
    return -1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *put)
{
    struct tls *t = BIO_get_data(bio);
    ptrdiff_t n = try_write(t, data, len);

    BIO_clear_retry_flags(bio);
    *put = n > 0 ? (size_t)n : 0;
    if (n >= 0)
        return 1;
    if (n == -EAGAIN)
        BIO_set_retry_write(bio);
    else
        t->io_error = (int)n;
    return -1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
    (void)number;
    (void)ptr;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "gale tcp");

    ensure(method && BIO_meth_set_read_ex(method, bio_read) &&
           BIO_meth_set_write_ex(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl));
    return method;
}

/* --- context ------------------------------------------------------------------------------ */

/* Go's order: what a server that follows the client's preference then picks is what k6 reports. */
static const char default_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
    "DEFAULT";
static const char default_ciphersuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static int set_protocol(SSL_CTX *ctx, const struct tls_config *c, struct diag *d)
{
    enum tls_version min = c->min ? c->min : TLS_1_2;
    enum tls_version max = c->max ? c->max : TLS_1_3;
    const char *ciphers = c->ciphers ? c->ciphers : default_ciphers;

    if (min > max) /* only a maximum below the default minimum was given */
        min = max;
    if (!*ciphers) {
        if (max < TLS_1_3)
            return diag_set(d, ERR_INVALID,
                            "tlsCipherSuites: none of them works with the TLS versions allowed");
        min = TLS_1_3;
    }
    SSL_CTX_set_min_proto_version(ctx, (int)min);
    SSL_CTX_set_max_proto_version(ctx, (int)max);
    /* A test tool meets old servers: level 1 lets RSA-1024 pass as Go does; TLS 1.0 and 1.1 need
     * level 0 (their signatures are SHA-1). */
    SSL_CTX_set_security_level(ctx, min < TLS_1_2 ? 0 : 1);
    if ((*ciphers && !SSL_CTX_set_cipher_list(ctx, ciphers)) ||
        !SSL_CTX_set_ciphersuites(ctx, c->ciphersuites ? c->ciphersuites : default_ciphersuites))
        return diag_set(d, ERR_INVALID, "tlsCipherSuites: none of them can be used");
    return 0;
}

static void set_behaviour(SSL_CTX *ctx, const struct tls_config *c)
{
    /* No tickets: k6 does not resume sessions. Servers without secure renegotiation: as Go. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* Without read-ahead a record costs two reads, and the socket's readiness is never used up by a
     * short count. An idle connection gives its buffers back (measured: 19 KB stay, else 52). */
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, c->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, tls_verify, NULL);
    if (c->cert_count)
        SSL_CTX_set_cert_cb(ctx, tls_choose_cert, NULL);
    if (c->keylog_fd >= 0)
        SSL_CTX_set_keylog_callback(ctx, tls_write_keylog);
}

int tls_context_new(const struct tls_config *config, struct tls_context **out, struct diag *d)
{
    struct tls_context *ctx = mem_zalloc(sizeof *ctx);
    int err;

    ctx->config = config;
    ctx->bio_method = make_bio_method();
    ctx->ssl_ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx->ssl_ctx) {
        ERR_clear_error();
        tls_context_free(ctx);
        return diag_set(d, ERR_TLS, "OpenSSL could not be set up");
    }
    err = set_protocol(ctx->ssl_ctx, config, d);
    if (err) {
        ERR_clear_error();
        tls_context_free(ctx);
        return err;
    }
    set_behaviour(ctx->ssl_ctx, config);
    *out = ctx;
    return 0;
}

void tls_context_free(struct tls_context *ctx)
{
    if (!ctx)
        return;
    SSL_CTX_free(ctx->ssl_ctx);
    BIO_meth_free(ctx->bio_method);
    mem_free(ctx->scratch);
    mem_free(ctx);
}

/* Reading the system's roots takes 10 to 30 ms: only tests that verify somebody pay for it. */
static void load_roots(struct tls_context *ctx)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl_ctx);

    if (ctx->roots_ready || ctx->config->is_insecure)
        return;
    ctx->roots_ready = true;
    SSL_CTX_set_default_verify_paths(ctx->ssl_ctx);
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN); /* Go trusts any certificate in it */
    for (int i = 0; i < sk_X509_num(ctx->config->roots); i++)
        X509_STORE_add_cert(store, sk_X509_value(ctx->config->roots, i));
    ERR_clear_error();
}

/* --- the stream --------------------------------------------------------------------------- */

static struct tls *tls_of(struct stream *s)
{
    return CONTAINER_OF(s, struct tls, stream);
}

/* After a call on t->ssl returned `ret` <= 0: parks if that is what it wants. 0: try again. */
YIELDS static int wait_or_fail(struct tls *t, enum transport_side side, int ret, int64_t deadline)
{
    unsigned bits = 0;
    int err = tls_failure(t, ret, &bits);

    t->stream.bytes = t->below->stream.bytes;
    if (t->outer)
        bits = t->outer_bits;
    return err == -EAGAIN ? transport_wait(t->below, side, bits, deadline) : err;
}

/* Before a call whose result SSL_get_error explains. Clearing costs as much as a third of the call,
 * looking next to nothing. */
static void forget_errors(void)
{
    if (UNLIKELY(ERR_peek_error()))
        ERR_clear_error();
}

/* Whether SSL_read can come to something. Finding out by itself that nothing is there costs it as
 * much as reading a short record. */
static bool may_read(const struct tls *t)
{
    return transport_has_news(t->below) || SSL_has_pending(t->ssl) ||
           (t->outer && SSL_has_pending(t->outer->ssl)) || SSL_want_write(t->ssl);
}

static ptrdiff_t tls_read(struct stream *s, void *out, size_t size, int64_t deadline,
                          int64_t *ready_nsec)
{
    struct tls *t = tls_of(s);
    int len = size > INT_MAX ? INT_MAX : (int)size;
    int err = transport_take_turn(t->below, deadline);

    if (err == 0 && !may_read(t))
        err = transport_wait(t->below, TRANSPORT_READER, IO_READ, deadline);
    if (err)
        return err;
    for (;;) {
        int got;

        forget_errors();
        got = SSL_read(t->ssl, out, len);
        if (got > 0) {
            t->stream.bytes = t->below->stream.bytes;
            if (ready_nsec)
                *ready_nsec = transport_ready_nsec(t->below);
            return got;
        }
        err = wait_or_fail(t, TRANSPORT_READER, got, deadline);
        if (err == ERR_EOF)
            return 0;
        if (err)
            return err;
    }
}

/* Where a gathering write stands. */
struct cursor {
    const struct iovec *parts;
    size_t count;
    size_t offset; /* within parts[0] */
};

static void skip(struct cursor *c, size_t len)
{
    while (c->count > 0 && len >= c->parts->iov_len - c->offset) {
        len -= c->parts->iov_len - c->offset;
        c->offset = 0;
        c->parts++;
        c->count--;
    }
    c->offset += len;
}

/* The next bytes, at most a record's worth: in place where a part fills one or is the last, else
 * copied together, because each write makes a record and a system call of its own. */
static const char *gather(struct tls_context *ctx, struct cursor c, size_t *len)
{
    const char *first = (const char *)c.parts->iov_base + c.offset;
    size_t filled = 0;

    *len = c.parts->iov_len - c.offset;
    if (c.count == 1 || *len >= SCRATCH) {
        if (*len > SCRATCH)
            *len = SCRATCH;
        return first;
    }
    if (!ctx->scratch)
        ctx->scratch = mem_alloc(SCRATCH);
    while (c.count > 0 && filled < SCRATCH) {
        size_t n = c.parts->iov_len - c.offset;

        if (n > SCRATCH - filled)
            n = SCRATCH - filled;
        if (n)
            memcpy(ctx->scratch + filled, (const char *)c.parts->iov_base + c.offset, n);
        filled += n;
        skip(&c, n);
    }
    *len = filled;
    return ctx->scratch;
}

static int tls_write(struct stream *s, const struct iovec *parts, size_t count, int64_t deadline)
{
    struct tls *t = tls_of(s);
    struct cursor c = {parts, count, 0};

    skip(&c, 0);
    while (c.count > 0) {
        size_t len;
        int err = transport_take_turn(t->below, deadline);
        const char *data = gather(t->ctx, c, &len);
        int put;

        if (err)
            return err;
        forget_errors();
        put = SSL_write(t->ssl, data, (int)len);
        if (put > 0) {
            skip(&c, (size_t)put);
            continue;
        }
        err = wait_or_fail(t, TRANSPORT_WRITER, put, deadline);
        if (err)
            return err == ERR_EOF ? ERR_BROKEN_PIPE : err;
    }
    t->stream.bytes = t->below->stream.bytes;
    return 0;
}

static bool tls_is_idle_healthy(struct stream *s)
{
    struct tls *t = tls_of(s);
    unsigned bits;
    char byte;
    int got;

    if (!transport_has_news(t->below) && !SSL_has_pending(t->ssl) &&
        !(t->outer && SSL_has_pending(t->outer->ssl)))
        return true;
    /* Tickets and key updates may come at any time and are no reason to drop a connection. */
    ERR_clear_error();
    got = SSL_peek(t->ssl, &byte, 1);
    return got <= 0 && tls_failure(t, got, &bits) == -EAGAIN;
}

static const char *tls_error_text(struct stream *s)
{
    return tls_of(s)->error;
}

static void tls_close(struct stream *s)
{
    struct tls *t = tls_of(s);

    if (!t->is_broken) {
        ERR_clear_error();
        SSL_shutdown(t->ssl); /* the closing alert, as far as the socket takes it */
        ERR_clear_error();
    }
    SSL_free(t->ssl);
    stream_close(t->outer ? &t->outer->stream : &t->below->stream);
    mem_free(t->error);
    mem_free(t);
}

static const struct stream_ops tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .is_idle_healthy = tls_is_idle_healthy,
    .error_text = tls_error_text,
    .close = tls_close,
};

/* --- connecting --------------------------------------------------------------------------- */

static struct tls *tls_new(struct tls_context *ctx, struct stream *below, struct str host)
{
    struct tls *t = mem_zalloc(sizeof *t + host.len + 1);
    char *name = (char *)(t + 1);

    memcpy(name, host.ptr, host.len);
    t->stream.ops = &tls_ops;
    t->stream.remote = below->remote;
    t->stream.bytes = below->bytes;
    t->stream.tls = &t->info;
    t->ctx = ctx;
    if (below->ops == &tls_ops)
        t->outer = tls_of(below);
    t->below = t->outer ? t->outer->below : transport_of(below);
    t->host = str_from(name, host.len);
    t->is_broken = true; /* until the handshake is done */
    return t;
}

static bool set_up_ssl(struct tls *t, const struct tls_request *request)
{
    static const unsigned char alpn[] = "\2h2\10http/1.1";
    struct addr ip;
    BIO *bio;

    t->ssl = SSL_new(t->ctx->ssl_ctx);
    bio = BIO_new(t->ctx->bio_method);
    if (!t->ssl || !bio) {
        BIO_free(bio);
        return false;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    SSL_set_connect_state(t->ssl);
    SSL_set_tlsext_status_type(t->ssl, TLSEXT_STATUSTYPE_ocsp);
    if (addr_parse(t->host, &ip) != 0 &&
        !SSL_set_tlsext_host_name(t->ssl, (void *)(uintptr_t)t->host.ptr))
        return false;
    if (request->no_alpn)
        return true;
    return request->offer_h2 ? SSL_set_alpn_protos(t->ssl, alpn, sizeof alpn - 1) == 0
                             : SSL_set_alpn_protos(t->ssl, alpn + 3, sizeof alpn - 4) == 0;
}

YIELDS static int handshake(struct tls *t, int64_t deadline)
{
    int ret;

    for (;;) {
        int err;

        ERR_clear_error();
        ret = SSL_do_handshake(t->ssl);
        if (ret == 1)
            return 0;
        err = wait_or_fail(t, TRANSPORT_READER, ret, deadline);
        if (err)
            return err;
    }
}

static void read_info(struct tls *t)
{
    const unsigned char *protocol;
    unsigned len;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);

    SSL_get0_alpn_selected(t->ssl, &protocol, &len);
    t->info.version = (enum tls_version)SSL_version(t->ssl);
    t->info.cipher = cipher ? SSL_CIPHER_standard_name(cipher) : "";
    t->info.is_h2 = len == 2 && memcmp(protocol, "h2", 2) == 0;
    tls_read_ocsp(t->ssl, &t->info.ocsp);
}

static struct str without_dot(struct str host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

int tls_connect(struct tls_context *ctx, struct stream *below, const struct tls_request *request,
                int64_t deadline, struct stream **out, struct diag *d)
{
    struct tls *t = tls_new(ctx, below, without_dot(request->host));
    int err = ERR_TLS;

    load_roots(ctx);
    if (set_up_ssl(t, request))
        err = handshake(t, deadline);
    if (err) {
        if (t->error)
            diag_set(d, err, "%s", t->error);
        ERR_clear_error();
        stream_close(&t->stream);
        return err;
    }
    t->is_broken = false;
    t->stream.bytes = t->below->stream.bytes;
    read_info(t);
    *out = &t->stream;
    return 0;
}
