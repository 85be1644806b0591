#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#include "script/mod_crypto.h"

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

bool crypto_cipher_run(const struct crypto_cipher *job, struct buf *out)
{
    bool gcm = strcmp(job->name, "AES-GCM") == 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *cipher;
    char name[24];
    bool ok;

    snprintf(name, sizeof name, "AES-%zu-%s", job->key.len * 8, job->name + strlen("AES-"));
    cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    ok = cipher && EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, job->encrypt) == 1;
    if (ok && gcm)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)job->iv.len, NULL) == 1;
    else if (ok)
        ok = job->iv.len == (size_t)EVP_CIPHER_get_iv_length(cipher);
    ok = ok &&
         EVP_CipherInit_ex(ctx, NULL, NULL, BYTES(job->key), BYTES(job->iv), job->encrypt) == 1;
    ok = ok && (gcm ? run_gcm(ctx, job, out) : run(ctx, job->data, out));
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok;
}

/* --- derivation --------------------------------------------------------------------------- */

bool crypto_derive_run(const struct crypto_derive *job, char *out, size_t len)
{
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
    ok = len == 0 || EVP_KDF_derive(ctx, (unsigned char *)out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}
