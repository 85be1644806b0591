/* WebCrypto's key pairs by OpenSSL: RSA and ECDSA, ECDH on P-256, P-384 and P-521.
 *
 * Nothing of JavaScript: any thread. An EVP_PKEY holds a public key or a whole pair and never
 * changes, so threads may share one; the caller owns a reference (EVP_PKEY_free).
 *
 * Whatever comes from outside is checked before it becomes a key: sizes, that a point is on its
 * curve, that the parts of a pair belong together. */
#ifndef SCRIPT_CRYPTO_PKEY_H
#define SCRIPT_CRYPTO_PKEY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum pkey_kind { PKEY_RSA, PKEY_P256, PKEY_P384, PKEY_P521, PKEY_NONE };
enum { PKEY_RSA_MIN_BITS = 512, PKEY_RSA_MAX_BITS = 16384 };

enum pkey_kind pkey_kind_of(struct str name); /* "RSA", "P-256", ... */
const char *pkey_kind_name(enum pkey_kind kind);
enum pkey_kind pkey_kind(const EVP_PKEY *key); /* NONE: of another kind, or a curve spelt out */
/* Whether an operation with the private or the public part takes longer than a few times 10 us. */
bool pkey_is_slow(const EVP_PKEY *key, bool is_private);

/* A pair. RSA takes seconds (4096 bits) to minutes (16384) and ends early when the work that it is
 * part of was cancelled (loop/offload.h). NULL: that, or numbers out of range. */
EVP_PKEY *pkey_generate(enum pkey_kind kind, unsigned bits, uint32_t exponent);

/* --- in and out --------------------------------------------------------------------------- */

/* The numbers of a JWK (RFC 7518, 6.2 and 6.3) in the order in which they are given here: n, e, d,
 * p, q, dp, dq, qi of RSA; x, y, d of a curve. */
enum { PKEY_NUMBERS = 8 };
/* The name of number `i`; NULL: there are no more. */
const char *pkey_number_name(enum pkey_kind kind, size_t i);

/* On failure these return NULL, and *why is a text that completes "the key ...". */
EVP_PKEY *pkey_from_der(enum pkey_kind kind, bool is_private, struct str der, const char **why);
EVP_PKEY *pkey_from_point(enum pkey_kind kind, struct str point, const char **why);
/* Big-endian; one that is missing has no `ptr`. A pair needs all, a public key the first two. */
EVP_PKEY *pkey_from_numbers(enum pkey_kind kind, const struct str numbers[PKEY_NUMBERS],
                            const char **why);

/* These append to `out`: SubjectPublicKeyInfo or PKCS #8; an uncompressed point. */
bool pkey_to_der(const EVP_PKEY *key, bool is_private, struct buf *out);
bool pkey_to_point(const EVP_PKEY *key, struct buf *out);
/* Number `i`, in as many bytes as RFC 7518 wants. False: the key has none. */
bool pkey_to_number(const EVP_PKEY *key, size_t i, struct buf *out);

/* --- operations (pkey_ops.c) -------------------------------------------------------------- */

enum pkey_scheme_kind { PKEY_PKCS1, PKEY_PSS, PKEY_ECDSA };

struct pkey_scheme {
    enum pkey_scheme_kind kind;
    const char *hash; /* "SHA-256", ... */
    int salt_len;     /* PSS */
};

/* Signatures of ECDSA are r and s one after the other (IEEE P1363), as WebCrypto has them. */
bool pkey_sign(EVP_PKEY *key, const struct pkey_scheme *scheme, struct str data, struct buf *out);
bool pkey_verify(EVP_PKEY *key, const struct pkey_scheme *scheme, struct str signature,
                 struct str data);
/* RSA-OAEP. False: too long, or not encrypted with this key and label. */
bool pkey_crypt(EVP_PKEY *key, bool encrypt, const char *hash, struct str label, struct str data,
                struct buf *out);
/* ECDH: the x coordinate. False: the keys are on different curves. */
bool pkey_agree(EVP_PKEY *mine, EVP_PKEY *theirs, struct buf *out);

#endif
