/* HTTP authentication: Basic (RFC 7617), Digest (RFC 7616), NTLM (v2).
 *
 * Pure functions over texts; http.c carries them over requests. Random values enter as arguments.
 */
#ifndef PROTO_AUTH_H
#define PROTO_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

/* "Basic dXNlcjpwYXNz", in the arena. */
struct str auth_basic(struct str user, struct str password, struct arena *a);

/* --- digest ------------------------------------------------------------------------------- */

enum digest_algorithm {
    DIGEST_MD5,
    DIGEST_MD5_SESS,
    DIGEST_SHA256,
    DIGEST_SHA256_SESS,
    DIGEST_SHA512_256,
    DIGEST_SHA512_256_SESS,
};

struct digest_challenge {
    struct str realm;
    struct str nonce;
    struct str opaque;
    bool has_opaque;
    bool has_algorithm; /* named, so that the answer names it too */
    bool qop_auth;      /* qop offers "auth"; none offered: RFC 2069's form */
    bool userhash;
    bool stale;
    enum digest_algorithm algorithm;
};

/* A WWW-Authenticate value that begins with "Digest". ERR_SYNTAX: it is none, or has no nonce;
 * ERR_UNSUPPORTED: another algorithm, or a qop that does not offer "auth". Texts are in the arena.
 */
MUST_USE int digest_challenge_parse(struct str value, struct arena *a,
                                    struct digest_challenge *out);

struct digest_request {
    struct str method;
    struct str uri; /* the request target */
    struct str user;
    struct str password;
    struct str cnonce;
    uint32_t nc; /* how often this nonce was used, this time included */
};

/* The Authorization value, in the arena. */
struct str digest_authorization(const struct digest_challenge *challenge,
                                const struct digest_request *request, struct arena *a);

/* --- NTLM --------------------------------------------------------------------------------- */

/* "NTLM <type 1 message>": opens the handshake. */
struct str ntlm_negotiate(struct arena *a);

struct ntlm_secret {
    struct str user; /* "DOMAIN\\user" or "user"; UTF-8 */
    struct str password;
    uint64_t filetime; /* now, in 100 ns since 1601; read when the server sends no timestamp */
    uint8_t client_challenge[8];
};

/* "NTLM <type 3 message>": answers a WWW-Authenticate value "NTLM <type 2 message>". ERR_SYNTAX. */
MUST_USE int ntlm_authenticate(struct str challenge, const struct ntlm_secret *secret,
                               struct arena *a, struct str *out);

#endif
