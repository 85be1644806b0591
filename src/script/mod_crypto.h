/* Symmetric ciphers and key derivation for WebCrypto, by OpenSSL (crypto_ops.c). */
#ifndef SCRIPT_MOD_CRYPTO_H
#define SCRIPT_MOD_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct crypto_cipher {
    const char *name; /* "AES-CBC", "AES-CTR" or "AES-GCM"; the key's length says which AES */
    bool encrypt;
    struct str key;
    struct str iv;
    struct str data; /* GCM, decrypting: with the tag behind it */
    struct str aad;  /* GCM */
    size_t tag_len;  /* GCM, bytes */
};

/* Appends the result. False: a key or IV of the wrong length, wrong padding, a wrong tag. */
bool crypto_cipher_run(const struct crypto_cipher *job, struct buf *out);

struct crypto_derive {
    bool is_hkdf;     /* else PBKDF2 */
    const char *hash; /* "SHA-256", ... */
    struct str secret;
    struct str salt;
    struct str info;     /* HKDF (RFC 5869) */
    unsigned iterations; /* PBKDF2 (RFC 8018) */
};
bool crypto_derive_run(const struct crypto_derive *job, char *out, size_t len);

#endif
