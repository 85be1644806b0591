/* What the tls*.c files know of each other. */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_cert {
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    char **domains;
    size_t domain_count;
};

struct tls_config {
    bool is_insecure;
    enum tls_version min;
    enum tls_version max;
    char *ciphers;      /* OpenSSL's names, up to TLS 1.2; NULL: default, "": none */
    char *ciphersuites; /* TLS 1.3; NULL: default */
    struct tls_cert *certs;
    size_t cert_count;
    STACK_OF(X509) * roots; /* NULL: none */
    int keylog_fd;          /* -1: none */
    /* What OpenSSL would load by itself, unless somebody has loaded another one by name (k6/crypto
     * does, for MD4) and perhaps unloaded it since. */
    OSSL_PROVIDER *provider;
};

struct tls_context {
    const struct tls_config *config;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    char *scratch;    /* SCRATCH bytes, for what is gathered into one record; NULL at first */
    bool roots_ready; /* the system's roots are read at the first handshake that needs them */
};

struct tls_findings;

struct tls {
    struct stream stream;
    struct tls_info info;
    struct tls_context *ctx;
    struct transport *below; /* owned unless there is an outer */
    struct tls *outer;       /* owned: TLS to a proxy, which carries this one; NULL: none */
    unsigned outer_bits;     /* what the outer waits for, when it does */
    SSL *ssl;
    int io_error;                  /* of the socket, from within OpenSSL; 0: none */
    bool is_broken;                /* failed: no closing alert any more */
    struct tls_findings *findings; /* while the server's certificate is verified */
    int verify_err;                /* ERR_TLS... found by verification */
    char *error;                   /* owned: text of the last failure; NULL: none */
    struct str host;
};

static inline struct tls *tls_of_ssl(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* tls_verify.c: verification with Go's rules and texts; for SSL_CTX_set_cert_verify_callback. On a
 * failure verify_err and error of the connection are set. */
int tls_verify(X509_STORE_CTX *store, void *arg);

/* tls_config.c: for SSL_CTX_set_cert_cb: picks the client certificate that the server asked for. */
int tls_choose_cert(SSL *ssl, void *arg);
void tls_write_keylog(const SSL *ssl, const char *line);

/* tls_error.c: what the failed call on t->ssl (its result: `ret`) is called; -EAGAIN with the bits
 * to wait for in *wait_for when it only has to wait. Sets t->error. */
int tls_failure(struct tls *t, int ret, unsigned *wait_for);
void tls_set_error(struct tls *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* tls_ocsp.c */
void tls_read_ocsp(SSL *ssl, struct tls_ocsp *out);

#endif
