#include "script/crypto/symmetric.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

#define BYTES(s) ((const unsigned char *)(s).ptr)

/* --- AES ---------------------------------------------------------------------------------- */

static bool run(EVP_CIPHER_CTX *ctx, struct str data, struct buf *out)
{
    unsigned char *room = (unsigned char *)buf_room(out, data.len + EVP_MAX_BLOCK_LENGTH);
    int first = 0;
    int last = 0;

    if (!room || data.len > INT32_MAX ||
        EVP_CipherUpdate(ctx, room, &first, BYTES(data), (int)data.len) != 1 ||
        EVP_CipherFinal_ex(ctx, room + first, &last) != 1)
        return false;
    buf_added(out, (size_t)first + (size_t)last);
    return true;
}

static bool run_gcm(EVP_CIPHER_CTX *ctx, const struct crypto_cipher *job, struct buf *out)
{
    unsigned char tag[16];
    struct str data = job->data;
    int len;

    if (job->tag_len == 0 || job->tag_len > sizeof tag)
        return false;
    if (!job->encrypt) {
        if (data.len < job->tag_len)
            return false;
        data.len -= job->tag_len;
        memcpy(tag, data.ptr + data.len, job->tag_len);
        if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)job->tag_len, tag) != 1)
            return false;
    }
    if (job->aad.len > 0 &&
        EVP_CipherUpdate(ctx, NULL, &len, BYTES(job->aad), (int)job->aad.len) != 1)
        return false;
    if (!run(ctx, data, out))
        return false;
    if (!job->encrypt)
        return true;
    return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)job->tag_len, tag) == 1 &&
           buf_append(out, tag, job->tag_len) == 0;
}

static bool run_mode(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct crypto_cipher *job,
                     struct buf *out)
{
    bool gcm = job->mode == CRYPTO_GCM;
    const unsigned char *iv = job->mode == CRYPTO_WRAP ? NULL : BYTES(job->iv);

    if (!cipher || EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, job->encrypt) != 1)
        return false;
    if (gcm && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)job->iv.len, NULL) != 1)
        return false;
    if (!gcm && iv && job->iv.len != (size_t)EVP_CIPHER_get_iv_length(cipher))
        return false;
    if (EVP_CipherInit_ex(ctx, NULL, NULL, BYTES(job->key), iv, job->encrypt) != 1)
        return false;
    return gcm ? run_gcm(ctx, job, out) : run(ctx, job->data, out);
}

static bool run_once(const struct crypto_cipher *job, struct buf *out)
{
    static const char *const modes[] = {"CBC", "CTR", "GCM", "WRAP"};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher;
    char name[32];
    bool ok;

    snprintf(name, sizeof name, "AES-%zu-%s", job->key.len * 8, modes[job->mode]);
    cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    ok = run_mode(ctx, cipher, job, out);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok;
}

enum { BLOCK = 16 };

static uint128 number_of(const char *block)
{
    uint128 value = 0;

    for (int i = 0; i < BLOCK; i++)
        value = value << 8 | (unsigned char)block[i];
    return value;
}

static void put_number(uint128 value, char *block)
{
    for (int i = BLOCK - 1; i >= 0; i--, value >>= 8)
        block[i] = (char)(unsigned char)value;
}

/* OpenSSL counts in all 128 bits. Where the counter is shorter and wraps (NIST SP 800-38A, appendix
 * B.1), the rest is a second run from 0; more than it can count is refused. */
static bool run_ctr(const struct crypto_cipher *job, struct buf *out)
{
    uint128 blocks = (job->data.len + BLOCK - 1) / BLOCK;
    struct crypto_cipher part = *job;
    char zeroed[BLOCK];
    uint128 all;
    uint128 first;
    uint128 counter;

    if (job->iv.len != BLOCK || job->counter_bits < 1 || job->counter_bits > 128)
        return false;
    if (job->counter_bits == 128)
        return run_once(job, out);
    all = (uint128)1 << job->counter_bits;
    counter = number_of(job->iv.ptr);
    first = all - (counter & (all - 1));
    if (blocks > all)
        return false;
    if (blocks <= first)
        return run_once(job, out);
    put_number(counter & ~(all - 1), zeroed);
    part.data = str_slice(job->data, 0, (size_t)first * BLOCK);
    if (!run_once(&part, out))
        return false;
    part.data = str_from_index(job->data, (size_t)first * BLOCK);
    part.iv = str_from(zeroed, BLOCK);
    return run_once(&part, out);
}

bool crypto_cipher_run(const struct crypto_cipher *job, struct buf *out)
{
    return job->mode == CRYPTO_CTR ? run_ctr(job, out) : run_once(job, out);
}

/* --- hashes ------------------------------------------------------------------------------- */

static bool added(struct buf *out, const unsigned char *bytes, size_t len, bool ok)
{
    return ok && buf_append(out, bytes, len) == 0;
}

bool crypto_digest(const char *hash, struct str data, struct buf *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t len = 0;
    int ok = EVP_Q_digest(NULL, hash, NULL, data.ptr, data.len, sum, &len);

    return added(out, sum, len, ok == 1);
}

bool crypto_hmac(const char *hash, struct str key, struct str data, struct buf *out)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t len = 0;
    const unsigned char *ok = EVP_Q_mac(NULL, "HMAC", NULL, hash, NULL, key.ptr, key.len,
                                        BYTES(data), data.len, sum, sizeof sum, &len);

    return added(out, sum, len, ok != NULL);
}

/* --- derivation --------------------------------------------------------------------------- */

bool crypto_derive_run(const struct crypto_derive *job, struct buf *out)
{
    char *room = buf_room(out, job->len);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, job->is_hkdf ? "HKDF" : "PBKDF2", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    unsigned iterations = job->iterations;
    int pkcs5 = 1; /* no lower bounds of NIST's: scripts choose */
    OSSL_PARAM params[6];
    size_t n = 0;
    bool ok;

    params[n++] =
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)job->hash, 0);
    params[n++] = OSSL_PARAM_construct_octet_string(
        job->is_hkdf ? OSSL_KDF_PARAM_KEY : OSSL_KDF_PARAM_PASSWORD,
        (void *)(uintptr_t)job->secret.ptr, job->secret.len);
    params[n++] = OSSL_PARAM_construct_octet_string(
        OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)job->salt.ptr, job->salt.len);
    if (job->is_hkdf) {
        params[n++] = OSSL_PARAM_construct_octet_string(
            OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)job->info.ptr, job->info.len);
    } else {
        params[n++] = OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations);
        params[n++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &pkcs5);
    }
    params[n] = OSSL_PARAM_construct_end();
    ok = room &&
         (job->len == 0 || EVP_KDF_derive(ctx, (unsigned char *)room, job->len, params) == 1);
    if (ok)
        buf_added(out, job->len);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}
