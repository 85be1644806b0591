#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/tls_internal.h"

enum { CIPHERS_TEXT_MAX = 8192 };

static const char *const version_texts[] = {"tls1.0", "tls1.1", "tls1.2", "tls1.3"};

const char *tls_version_text(enum tls_version version)
{
    if (version < TLS_1_0 || version > TLS_1_3)
        return "";
    return version_texts[version - TLS_1_0];
}

int tls_version_parse(struct str text, enum tls_version *out)
{
    for (unsigned i = 0; i < COUNT_OF(version_texts); i++) {
        if (str_eq_c(text, version_texts[i])) {
            *out = (enum tls_version)(TLS_1_0 + i);
            return 0;
        }
    }
    return ERR_INVALID;
}

struct tls_config *tls_config_new(void)
{
    struct tls_config *c = mem_zalloc(sizeof *c);

    c->keylog_fd = -1;
    c->provider = OSSL_PROVIDER_load(NULL, "default");
    return c;
}

static void cert_deinit(struct tls_cert *cert)
{
    X509_free(cert->leaf);
    sk_X509_pop_free(cert->chain, X509_free);
    EVP_PKEY_free(cert->key);
    for (size_t i = 0; i < cert->domain_count; i++)
        mem_free(cert->domains[i]);
    mem_free(cert->domains);
}

void tls_config_free(struct tls_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->cert_count; i++)
        cert_deinit(&c->certs[i]);
    mem_free(c->certs);
    mem_free(c->ciphers);
    mem_free(c->ciphersuites);
    sk_X509_pop_free(c->roots, X509_free);
    if (c->keylog_fd >= 0)
        close(c->keylog_fd);
    if (c->provider)
        OSSL_PROVIDER_unload(c->provider);
    mem_free(c);
}

void tls_config_set_insecure(struct tls_config *c, bool skip_verify)
{
    c->is_insecure = skip_verify;
}

int tls_config_set_versions(struct tls_config *c, enum tls_version min, enum tls_version max,
                            struct diag *d)
{
    if (min && max && min > max)
        return diag_set(d, ERR_INVALID, "tlsVersion: the minimum %s is above the maximum %s",
                        tls_version_text(min), tls_version_text(max));
    c->min = min;
    c->max = max;
    return 0;
}

/* --- cipher suites ------------------------------------------------------------------------ */

/* Names that scripts may know from k6 and that OpenSSL has under another one or, being broken, is
 * mostly built without. */
static const struct {
    const char *name;
    const char *standard; /* NULL: not there */
} other_names[] = {
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
    {"TLS_RSA_WITH_RC4_128_SHA", NULL},
    {"TLS_RSA_WITH_3DES_EDE_CBC_SHA", NULL},
    {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", NULL},
    {"TLS_ECDHE_RSA_WITH_RC4_128_SHA", NULL},
    {"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA", NULL},
};

static const SSL_CIPHER *find_cipher(SSL_CTX *all, struct str name)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(all);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        const char *standard = SSL_CIPHER_standard_name(cipher);

        if (standard && str_eq_c(name, standard))
            return cipher;
    }
    return NULL;
}

/* Adds the suite to the list of its TLS version. */
static int add_cipher(SSL_CTX *all, struct str name, struct buf *old, struct buf *tls13)
{
    const SSL_CIPHER *cipher = find_cipher(all, name);
    struct buf *list;

    for (size_t i = 0; !cipher && i < COUNT_OF(other_names); i++) {
        if (!str_eq_c(name, other_names[i].name))
            continue;
        if (other_names[i].standard)
            cipher = find_cipher(all, str_of(other_names[i].standard));
        if (!cipher)
            return 0;
    }
    if (!cipher)
        return ERR_INVALID;
    list = strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0 ? tls13 : old;
    if (list->len)
        buf_append_char(list, ':');
    return buf_append_c(list, SSL_CIPHER_get_name(cipher));
}

static SSL_CTX *every_cipher(void)
{
    SSL_CTX *all = SSL_CTX_new(TLS_client_method());

    ensure(all);
    SSL_CTX_set_security_level(all, 0);
    SSL_CTX_set_min_proto_version(all, TLS1_VERSION);
    SSL_CTX_set_cipher_list(all, "ALL:COMPLEMENTOFALL:@SECLEVEL=0");
    SSL_CTX_set_ciphersuites(all, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                  "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:"
                                  "TLS_AES_128_CCM_8_SHA256");
    return all;
}

int tls_config_set_ciphers(struct tls_config *c, const struct str *names, size_t count,
                           struct diag *d)
{
    struct buf old = BUF_INIT(CIPHERS_TEXT_MAX);
    struct buf tls13 = BUF_INIT(CIPHERS_TEXT_MAX);
    SSL_CTX *all = every_cipher();
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        err = add_cipher(all, names[i], &old, &tls13);
        if (err)
            err = diag_set(d, ERR_INVALID, "tlsCipherSuites: unknown cipher suite \"%.*s\"",
                           STR_ARG(names[i]));
    }
    SSL_CTX_free(all);
    if (err == 0 && count > 0 && !old.len && !tls13.len)
        err = diag_set(d, ERR_INVALID, "tlsCipherSuites: OpenSSL here has none of them");
    if (err == 0 && count > 0) {
        mem_free(c->ciphers);
        mem_free(c->ciphersuites);
        c->ciphers = buf_take(&old);
        c->ciphersuites = tls13.len ? buf_take(&tls13) : NULL;
    }
    buf_deinit(&old);
    buf_deinit(&tls13);
    ERR_clear_error();
    return err;
}

/* --- certificates ------------------------------------------------------------------------- */

static int give_password(char *out, int size, int for_writing, void *arg)
{
    const struct str *password = arg;

    (void)for_writing;
    if (size < 0 || password->len > (size_t)size)
        return -1;
    memcpy(out, password->ptr, password->len);
    return (int)password->len;
}

static BIO *bio_of(struct str pem)
{
    return BIO_new_mem_buf(pem.len ? pem.ptr : "", (int)pem.len);
}

/* Every certificate of a PEM text; NULL when there is none or one is broken. */
static STACK_OF(X509) * read_certs(struct str pem)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *bio = bio_of(pem);
    unsigned long last;
    X509 *x;

    while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(certs, x);
    last = ERR_peek_last_error();
    BIO_free(bio);
    /* Reading ends with "no start line"; anything else is damage. */
    if (sk_X509_num(certs) == 0 || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) {
        sk_X509_pop_free(certs, X509_free);
        certs = NULL;
    }
    ERR_clear_error();
    return certs;
}

static EVP_PKEY *read_key(struct str pem, struct str password)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, give_password, &password);

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static void copy_domains(struct tls_cert *cert, const struct tls_client_cert *from)
{
    cert->domains = mem_calloc(from->domain_count, sizeof *cert->domains);
    cert->domain_count = from->domain_count;
    for (size_t i = 0; i < from->domain_count; i++)
        cert->domains[i] = str_dup(from->domains[i]);
}

int tls_config_add_cert(struct tls_config *c, const struct tls_client_cert *from, struct diag *d)
{
    struct tls_cert cert = {.leaf = NULL};
    const char *problem = NULL;

    cert.chain = read_certs(from->cert);
    if (cert.chain) {
        cert.leaf = sk_X509_shift(cert.chain);
        cert.key = read_key(from->key, from->password);
    }
    if (!cert.chain)
        problem = "the certificate is not valid PEM";
    else if (!cert.key && from->password.len)
        problem = "the key is not valid PEM, or the password is wrong";
    else if (!cert.key)
        problem = "the key is not valid PEM, or it is encrypted and has no password";
    else if (!X509_check_private_key(cert.leaf, cert.key))
        problem = "the private key does not match the certificate";
    ERR_clear_error();
    if (problem) {
        cert_deinit(&cert);
        return diag_set(d, ERR_INVALID, "tlsAuth: %s", problem);
    }
    copy_domains(&cert, from);
    c->certs = mem_reallocarray(c->certs, c->cert_count + 1, sizeof cert);
    c->certs[c->cert_count++] = cert;
    return 0;
}

int tls_config_add_roots(struct tls_config *c, struct str pem, struct diag *d)
{
    STACK_OF(X509) *certs = read_certs(pem);

    if (!certs)
        return diag_set(d, ERR_INVALID, "the CA certificates are not valid PEM");
    if (!c->roots)
        c->roots = sk_X509_new_null();
    while (sk_X509_num(certs) > 0)
        sk_X509_push(c->roots, sk_X509_shift(certs));
    sk_X509_free(certs);
    return 0;
}

static bool domain_matches(const char *domain, struct str host)
{
    struct str pattern = str_of(domain);

    if (!str_starts_with(pattern, STR("*.")))
        return str_eq_nocase(pattern, host);
    pattern = str_from_index(pattern, 1);
    return host.len > pattern.len &&
           str_eq_nocase(str_from_index(host, host.len - pattern.len), pattern);
}

static bool is_for_host(const struct tls_cert *cert, struct str host)
{
    for (size_t i = 0; i < cert->domain_count; i++) {
        if (domain_matches(cert->domains[i], host))
            return true;
    }
    return cert->domain_count == 0;
}

static bool is_issuer_wanted(const X509 *x, const STACK_OF(X509_NAME) * wanted)
{
    for (int i = 0; i < sk_X509_NAME_num(wanted); i++) {
        if (X509_NAME_cmp(X509_get_issuer_name(x), sk_X509_NAME_value(wanted, i)) == 0)
            return true;
    }
    return false;
}

/* Whether the server asked for an issuer of the certificate or of its chain; a server that names
 * none takes any. */
static bool is_wanted(const struct tls_cert *cert, const STACK_OF(X509_NAME) * wanted)
{
    if (sk_X509_NAME_num(wanted) <= 0 || is_issuer_wanted(cert->leaf, wanted))
        return true;
    for (int i = 0; i < sk_X509_num(cert->chain); i++) {
        if (is_issuer_wanted(sk_X509_value(cert->chain, i), wanted))
            return true;
    }
    return false;
}

int tls_choose_cert(SSL *ssl, void *arg)
{
    struct tls *t = tls_of_ssl(ssl);
    const struct tls_config *c = t->ctx->config;
    const STACK_OF(X509_NAME) *wanted = SSL_get0_peer_CA_list(ssl);

    (void)arg;
    for (size_t i = 0; i < c->cert_count; i++) {
        const struct tls_cert *cert = &c->certs[i];

        if (is_for_host(cert, t->host) && is_wanted(cert, wanted))
            return SSL_use_cert_and_key(ssl, cert->leaf, cert->key, cert->chain, 1);
    }
    return 1; /* none: the server decides whether it can do without */
}

/* --- SSLKEYLOGFILE ------------------------------------------------------------------------ */

int tls_config_set_keylog(struct tls_config *c, const char *path, struct diag *d)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return diag_set(d, ERR_INVALID, "SSLKEYLOGFILE: %s: %s", path, err_text(-errno));
    if (c->keylog_fd >= 0)
        close(c->keylog_fd);
    c->keylog_fd = fd;
    return 0;
}

/* One appending write a line, so that workers may share the file. */
void tls_write_keylog(const SSL *ssl, const char *line)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)line, strlen(line)},
                             {(void *)(uintptr_t) "\n", 1}};
    ssize_t put = writev(tls_of_ssl(ssl)->ctx->config->keylog_fd, parts, 2);

    (void)put; /* a full disk must not stop the test */
}
