/* Verification of a server's certificate by Go's rules: what is wrong with the leaf itself comes
 * first (its dates, then its names), then the chain. OpenSSL would stop at the chain. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/tls_internal.h"

enum { NAMES_TEXT_MAX = 300 };

/* What the walk along the chain found: X509_V_ERR_ codes, 0: nothing. */
struct tls_findings {
    int leaf_date;
    int authority;
    int other;
};

static struct tls *tls_of_store(X509_STORE_CTX *store)
{
    return tls_of_ssl(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

static int note(int ok, X509_STORE_CTX *store)
{
    struct tls_findings *f = tls_of_store(store)->findings;
    int err = X509_STORE_CTX_get_error(store);

    if (ok)
        return 1;
    switch (err) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        if (X509_STORE_CTX_get_error_depth(store) == 0)
            f->leaf_date = err;
        else
            f->other = f->other ? f->other : err;
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        f->authority = err;
        break;
    default:
        f->other = f->other ? f->other : err;
        break;
    }
    return 1; /* go on: the rest decides which one is reported */
}

static void set_date_error(struct tls *t, const X509 *leaf, int err)
{
    bool is_expired = err == X509_V_ERR_CERT_HAS_EXPIRED;
    const ASN1_TIME *limit = is_expired ? X509_get0_notAfter(leaf) : X509_get0_notBefore(leaf);
    char now_text[40];
    char limit_text[40] = "?";
    struct tm tm;

    clock_rfc3339(clock_wall(), 0, now_text, sizeof now_text);
    if (ASN1_TIME_to_tm(limit, &tm))
        clock_rfc3339((int64_t)timegm(&tm) * NSEC_PER_SEC, 0, limit_text, sizeof limit_text);
    tls_set_error(t,
                  "tls: failed to verify certificate: x509: certificate has expired or is not yet "
                  "valid: current time %s is %s %s",
                  now_text, is_expired ? "after" : "before", limit_text);
    t->verify_err = ERR_TLS;
}

/* The names or IPs of the certificate, as "a, b". */
static void list_names(const X509 *leaf, int type, struct buf *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        struct addr ip = {.family = ADDR_NONE};
        char text[ADDR_TEXT_MAX];
        int len;

        if (name->type != type)
            continue;
        buf_append_c(out, out->len ? ", " : "");
        len = ASN1_STRING_length(name->d.ia5);
        if (type == GEN_DNS) {
            buf_append(out, ASN1_STRING_get0_data(name->d.dNSName), (size_t)len);
        } else if (len == 4 || len == 16) {
            ip.family = len == 4 ? ADDR_V4 : ADDR_V6;
            memcpy(ip.ip, ASN1_STRING_get0_data(name->d.iPAddress), (size_t)len);
            buf_append_c(out, addr_format(&ip, text));
        }
    }
    GENERAL_NAMES_free(names);
}

static void set_name_error(struct tls *t, const X509 *leaf, bool is_ip)
{
    static const char prefix[] = "tls: failed to verify certificate: x509: ";
    struct buf names = BUF_INIT(NAMES_TEXT_MAX);

    list_names(leaf, is_ip ? GEN_IPADD : GEN_DNS, &names);
    if (names.len)
        tls_set_error(t, "%scertificate is valid for %s, not %.*s", prefix, names.data,
                      STR_ARG(t->host));
    else if (is_ip)
        tls_set_error(t,
                      "%scannot validate certificate for %.*s because it doesn't contain any IP "
                      "SANs",
                      prefix, STR_ARG(t->host));
    else
        tls_set_error(t, "%scertificate is not valid for any names, but wanted to match %.*s",
                      prefix, STR_ARG(t->host));
    buf_deinit(&names);
    t->verify_err = ERR_TLS_HOSTNAME;
}

/* Only the subject's alternative names count, as in Go (RFC 6125 6.4.4 is past). */
static bool name_matches(const struct tls *t, X509 *leaf, bool *is_ip)
{
    struct addr ip;

    *is_ip = addr_parse(t->host, &ip) == 0;
    if (*is_ip)
        return X509_check_ip(leaf, ip.ip, ip.family == ADDR_V4 ? 4 : 16, 0) == 1;
    return X509_check_host(leaf, t->host.ptr, t->host.len,
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           NULL) == 1;
}

/* Reports the weightiest finding; returns its X509_V_ERR_ code, 0: none. */
static int judge(struct tls *t, X509 *leaf, const struct tls_findings *f)
{
    bool is_ip;

    if (f->leaf_date) {
        set_date_error(t, leaf, f->leaf_date);
        return f->leaf_date;
    }
    if (!name_matches(t, leaf, &is_ip)) {
        set_name_error(t, leaf, is_ip);
        return is_ip ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH;
    }
    if (f->authority) {
        tls_set_error(t, "tls: failed to verify certificate: %s",
                      err_text(ERR_TLS_UNKNOWN_AUTHORITY));
        t->verify_err = ERR_TLS_UNKNOWN_AUTHORITY;
        return f->authority;
    }
    if (f->other) {
        tls_set_error(t, "tls: failed to verify certificate: x509: %s",
                      X509_verify_cert_error_string(f->other));
        t->verify_err = ERR_TLS;
    }
    return f->other;
}

int tls_verify(X509_STORE_CTX *store, void *arg)
{
    struct tls *t = tls_of_store(store);
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct tls_findings f = {0, 0, 0};
    int err;

    (void)arg;
    if (t->ctx->config->is_insecure)
        return 1;
    t->findings = &f;
    X509_STORE_CTX_set_verify_cb(store, note);
    if (X509_verify_cert(store) <= 0 && !f.leaf_date && !f.authority && !f.other)
        f.other = X509_V_ERR_UNSPECIFIED;
    t->findings = NULL;
    err = judge(t, leaf, &f);
    X509_STORE_CTX_set_error(store, err ? err : X509_V_OK);
    return err == 0;
}
