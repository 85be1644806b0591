/* TLS (1.0 to 1.3) as a client, over a transport (transport.h: TCP) or inside of TLS to a proxy,
 * with OpenSSL 3.
 *
 * A tls_config is what options say, checked once on the main thread and frozen: it may be shared by
 * all workers. A tls_context is one worker's use of it (an SSL_CTX). A connection costs a handshake
 * each time: as k6, gale keeps no sessions.
 *
 * Errors are ERR_TLS_... with Go's texts in a diag ("tls: failed to verify certificate: x509:
 * certificate signed by unknown authority"). */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "net/stream.h"

struct loop;

/* The values are those on the wire, in order of age. */
enum tls_version { TLS_ANY = 0, TLS_1_0 = 0x301, TLS_1_1, TLS_1_2, TLS_1_3 };

/* "tls1.0" to "tls1.3" as in options and response.tls_version; TLS_ANY gives "". */
const char *tls_version_text(enum tls_version version);
MUST_USE int tls_version_parse(struct str text, enum tls_version *out); /* ERR_INVALID */

/* --- configuration -------------------------------------------------------------------------- */

struct tls_config;

struct tls_config *tls_config_new(void); /* verifies, TLS 1.2 and 1.3, no client certificate */
void tls_config_free(struct tls_config *c);

void tls_config_set_insecure(struct tls_config *c, bool skip_verify);
/* TLS_ANY: the default for that end (1.2 and 1.3). ERR_INVALID when min is above max. */
MUST_USE int tls_config_set_versions(struct tls_config *c, enum tls_version min,
                                     enum tls_version max, struct diag *d);
/* IANA names ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), in order of preference. ERR_INVALID with
 * the name in `d` for an unknown one. TLS 1.3's suites stay at their default unless one is named.
 */
MUST_USE int tls_config_set_ciphers(struct tls_config *c, const struct str *names, size_t count,
                                    struct diag *d);
/* One entry of tlsAuth. `cert` (leaf first, then its chain) and `key` are PEM text; an encrypted
 * key needs `password`. `domains`: hosts to send it to, a leading "*." allowed; none: to all. */
struct tls_client_cert {
    struct str cert;
    struct str key;
    struct str password;
    const struct str *domains;
    size_t domain_count;
};
MUST_USE int tls_config_add_cert(struct tls_config *c, const struct tls_client_cert *cert,
                                 struct diag *d);
/* More roots to trust, PEM; the system's (SSL_CERT_FILE and SSL_CERT_DIR included) stay. */
MUST_USE int tls_config_add_roots(struct tls_config *c, struct str pem, struct diag *d);
/* SSLKEYLOGFILE: secrets are appended to that file. ERR_INVALID when it cannot be opened. */
MUST_USE int tls_config_set_keylog(struct tls_config *c, const char *path, struct diag *d);

/* --- one worker's use ----------------------------------------------------------------------- */

struct tls_context;

/* `config` outlives it. */
MUST_USE int tls_context_new(const struct tls_config *config, struct tls_context **out,
                             struct diag *d);
void tls_context_free(struct tls_context *ctx); /* its streams are closed */

/* --- connections ---------------------------------------------------------------------------- */

enum tls_ocsp_status {
    TLS_OCSP_NONE, /* no stapled response */
    TLS_OCSP_GOOD,
    TLS_OCSP_REVOKED,
    TLS_OCSP_UNKNOWN,
    TLS_OCSP_SERVER_FAILED, /* stapled, but not a valid response */
};

/* Times are seconds since 1970; 0: absent. */
struct tls_ocsp {
    enum tls_ocsp_status status;
    int64_t produced_at;
    int64_t this_update;
    int64_t next_update;
    int64_t revoked_at;
    int revocation_reason; /* RFC 5280's number (0 unspecified, 1 key compromise, ...); -1: none */
};
const char *tls_ocsp_status_text(enum tls_ocsp_status status); /* "good", ...; "unknown" for none */
const char *tls_ocsp_reason_text(int reason); /* "key_compromise", ...; "" for none */

/* What was negotiated: stream->tls. */
struct tls_info {
    enum tls_version version;
    const char *cipher; /* IANA name: "TLS_AES_128_GCM_SHA256" */
    bool is_h2;         /* the server chose HTTP/2 by ALPN */
    struct tls_ocsp ocsp;
};

struct tls_request {
    struct str host; /* name for SNI and to verify, or an IP literal */
    bool offer_h2;   /* ALPN "h2" and "http/1.1" instead of "http/1.1" alone */
    bool no_alpn;    /* offer nothing (WebSockets in k6 do not) */
};

/* Handshakes over a transport, or over a TLS stream to a proxy, which the new stream owns, its
 * byte counts included; on failure it is closed. ERR_TIMEOUT, ERR_CANCELLED, ERR_TLS..., ERR_RESET,
 * ERR_EOF; `d` may be NULL. */
MUST_USE YIELDS int tls_connect(struct tls_context *ctx, struct stream *below,
                                const struct tls_request *request, int64_t deadline,
                                struct stream **out, struct diag *d);

#endif
