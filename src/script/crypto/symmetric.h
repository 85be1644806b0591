/* What WebCrypto does with secrets, by OpenSSL: AES, hashes, HMAC, PBKDF2, HKDF.
 *
 * Nothing of JavaScript: any thread. False means that a key or IV has the wrong length, or that
 * padding or a tag is wrong. */
#ifndef SCRIPT_CRYPTO_SYMMETRIC_H
#define SCRIPT_CRYPTO_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum crypto_mode { CRYPTO_CBC, CRYPTO_CTR, CRYPTO_GCM, CRYPTO_WRAP };

struct crypto_cipher {
    enum crypto_mode mode; /* WRAP: AES-KW (RFC 3394) */
    bool encrypt;
    struct str key;        /* its length says which AES */
    struct str iv;         /* CTR: the counter; WRAP: none */
    struct str data;       /* GCM, decrypting: with the tag behind it */
    struct str aad;        /* GCM */
    size_t tag_len;        /* GCM, bytes */
    unsigned counter_bits; /* CTR: so many low bits count, the others stay */
};
/* These append the result. */
bool crypto_cipher_run(const struct crypto_cipher *job, struct buf *out);
bool crypto_digest(const char *hash, struct str data, struct buf *out); /* "SHA-256", ... */
bool crypto_hmac(const char *hash, struct str key, struct str data, struct buf *out);

struct crypto_derive {
    bool is_hkdf; /* else PBKDF2 */
    const char *hash;
    struct str secret;
    struct str salt;
    struct str info;     /* HKDF (RFC 5869) */
    unsigned iterations; /* PBKDF2 (RFC 8018) */
    size_t len;          /* bytes wanted */
};
bool crypto_derive_run(const struct crypto_derive *job, struct buf *out);

#endif
