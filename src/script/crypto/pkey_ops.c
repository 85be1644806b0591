/* Signing, verifying, encrypting and agreeing with the keys of pkey.c. */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "script/crypto/pkey.h"

#define BYTES(s) ((const unsigned char *)(s).ptr)

enum { MAX_EC_WIDTH = 66 };

static int ec_width(const EVP_PKEY *key)
{
    return (EVP_PKEY_get_bits(key) + 7) / 8;
}

/* --- signatures --------------------------------------------------------------------------- */

static bool set_scheme(EVP_PKEY_CTX *ctx, const struct pkey_scheme *scheme)
{
    if (scheme->kind == PKEY_ECDSA)
        return true;
    if (scheme->kind == PKEY_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, scheme->salt_len) == 1;
}

/* From OpenSSL's DER to r and s side by side. */
static bool put_ecdsa(const unsigned char *der, size_t len, int width, struct buf *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    unsigned char *room = (unsigned char *)buf_room(out, 2 * (size_t)width);
    bool ok = sig && room && BN_bn2binpad(ECDSA_SIG_get0_r(sig), room, width) == width &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), room + width, width) == width;

    if (ok)
        buf_added(out, 2 * (size_t)width);
    ECDSA_SIG_free(sig);
    return ok;
}

bool pkey_sign(EVP_PKEY *key, const struct pkey_scheme *scheme, struct str data, struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    struct buf raw = BUF_INIT(SIZE_MAX);
    unsigned char *room = NULL;
    size_t len = 0;
    bool ok = EVP_DigestSignInit_ex(ctx, &pctx, scheme->hash, NULL, NULL, key, NULL) == 1 &&
              set_scheme(pctx, scheme) &&
              EVP_DigestSign(ctx, NULL, &len, BYTES(data), data.len) == 1;

    if (ok)
        room = (unsigned char *)buf_room(&raw, len);
    ok = ok && room && EVP_DigestSign(ctx, room, &len, BYTES(data), data.len) == 1;
    if (ok && scheme->kind == PKEY_ECDSA)
        ok = put_ecdsa(room, len, ec_width(key), out);
    else if (ok)
        ok = buf_append(out, room, len) == 0;
    buf_deinit(&raw);
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* The other way; NULL when it has another length. The caller frees it (OPENSSL_free). */
static unsigned char *take_ecdsa(struct str signature, int width, int *len)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *der = NULL;
    BIGNUM *r = NULL;
    BIGNUM *s = NULL;

    if (signature.len == 2 * (size_t)width) {
        r = BN_bin2bn(BYTES(signature), width, NULL);
        s = BN_bin2bn(BYTES(signature) + width, width, NULL);
    }
    if (r && s && ECDSA_SIG_set0(sig, r, s) == 1)
        *len = i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    return der;
}

bool pkey_verify(EVP_PKEY *key, const struct pkey_scheme *scheme, struct str signature,
                 struct str data)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    unsigned char *der = NULL;
    int der_len = 0;
    bool ok = EVP_DigestVerifyInit_ex(ctx, &pctx, scheme->hash, NULL, NULL, key, NULL) == 1 &&
              set_scheme(pctx, scheme);

    if (scheme->kind == PKEY_ECDSA) {
        der = take_ecdsa(signature, ec_width(key), &der_len);
        signature = str_from((const char *)der, (size_t)der_len);
    }
    ok = ok && signature.ptr &&
         EVP_DigestVerify(ctx, BYTES(signature), signature.len, BYTES(data), data.len) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* --- encryption, agreement ---------------------------------------------------------------- */

static bool set_label(EVP_PKEY_CTX *ctx, struct str label)
{
    void *copy;

    if (label.len == 0)
        return true;
    copy = OPENSSL_memdup(label.ptr, label.len);
    if (copy && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len) == 1)
        return true; /* it is the context's */
    OPENSSL_free(copy);
    return false;
}

static bool set_oaep(EVP_PKEY_CTX *ctx, const char *hash, struct str label)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, hash, NULL) == 1 && set_label(ctx, label);
}

bool pkey_crypt(EVP_PKEY *key, bool encrypt, const char *hash, struct str label, struct str data,
                struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    int (*init)(EVP_PKEY_CTX *) = encrypt ? EVP_PKEY_encrypt_init : EVP_PKEY_decrypt_init;
    int (*run)(EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t) =
        encrypt ? EVP_PKEY_encrypt : EVP_PKEY_decrypt;
    unsigned char *room = NULL;
    size_t len = 0;
    bool ok = ctx && label.len <= INT32_MAX && init(ctx) == 1 && set_oaep(ctx, hash, label) &&
              run(ctx, NULL, &len, BYTES(data), data.len) == 1;

    if (ok)
        room = (unsigned char *)buf_room(out, len);
    ok = ok && room && run(ctx, room, &len, BYTES(data), data.len) == 1;
    if (ok)
        buf_added(out, len);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool pkey_agree(EVP_PKEY *mine, EVP_PKEY *theirs, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
    unsigned char *room = (unsigned char *)buf_room(out, MAX_EC_WIDTH);
    size_t len = MAX_EC_WIDTH;
    bool ok = ctx && room && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer(ctx, theirs) == 1 && EVP_PKEY_derive(ctx, room, &len) == 1;

    if (ok)
        buf_added(out, len);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}
