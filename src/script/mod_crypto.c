/* k6/crypto: hashes, HMAC, random bytes (k6-features.md CRY-01 to CRY-03).
 * The global `crypto` is in crypto/subtle.c. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "script/crypto/job.h"
#include "script/host.h"

enum { MAX_RANDOM = 1 << 24 };

/* k6's names and OpenSSL's. */
static const struct {
    const char *name;
    const char *digest;
} algorithms[] = {
    {"md4", "MD4"},
    {"md5", "MD5"},
    {"sha1", "SHA1"},
    {"sha256", "SHA256"},
    {"sha384", "SHA384"},
    {"sha512", "SHA512"},
    {"sha512_224", "SHA512-224"},
    {"sha512_256", "SHA512-256"},
    {"ripemd160", "RIPEMD160"},
};

static EVP_MD *fetch_digest(const char *digest)
{
    return EVP_MD_fetch(NULL, digest, NULL);
}

/* MD4 is in OpenSSL's legacy provider; once that is loaded by name, the default one must be too.
 * OpenSSL counts loads, so each worker has its own. Without the provider md4 alone is refused. */
static _Thread_local OSSL_PROVIDER *providers[2];

static int load_providers(struct script_worker *worker, struct diag *d)
{
    (void)worker;
    (void)d;
    providers[0] = OSSL_PROVIDER_load(NULL, "default");
    providers[1] = OSSL_PROVIDER_load(NULL, "legacy");
    return 0;
}

static void unload_providers(struct script_worker *worker)
{
    (void)worker;
    for (size_t i = 0; i < COUNT_OF(providers); i++) {
        if (providers[i])
            OSSL_PROVIDER_unload(providers[i]);
        providers[i] = NULL;
    }
}

static EVP_MD *digest_of(JSContext *ctx, struct str name)
{
    EVP_MD *md = NULL;

    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        if (str_eq_c(name, algorithms[i].name))
            md = fetch_digest(algorithms[i].digest);
    }
    if (!md)
        host_throw(ctx,
                   "invalid algorithm '%.*s': use md4, md5, sha1, sha256, sha384, sha512, "
                   "sha512_224, sha512_256 or ripemd160",
                   STR_ARG(name));
    return md;
}

/* --- output ------------------------------------------------------------------------------- */

static JSValue encoded(JSContext *ctx, struct str bytes, JSValueConst encoding)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct str name;
    JSValue result;

    if (host_str(ctx, encoding, &name) < 0)
        return JS_EXCEPTION;
    if (str_eq_c(name, "binary"))
        return host_array_buffer(ctx, bytes);
    if (str_eq_c(name, "hex")) {
        for (size_t i = 0; i < bytes.len; i++)
            buf_printf(&out, "%02x", (unsigned char)bytes.ptr[i]);
    } else if (str_eq_c(name, "base64")) {
        base64_encode(bytes, BASE64_STD, true, &out);
    } else if (str_eq_c(name, "base64url")) {
        base64_encode(bytes, BASE64_URL, true, &out);
    } else if (str_eq_c(name, "base64rawurl")) {
        base64_encode(bytes, BASE64_URL, false, &out);
    } else {
        return host_throw(ctx,
                          "invalid output encoding '%.*s': use hex, base64, base64url, "
                          "base64rawurl or binary",
                          STR_ARG(name));
    }
    result = host_string(ctx, buf_str(&out));
    buf_deinit(&out);
    return result;
}

/* --- hashers ------------------------------------------------------------------------------ */

struct hasher {
    EVP_MD *md;
    EVP_MD_CTX *hash; /* a plain hash */
    EVP_MAC_CTX *mac; /* or an HMAC */
};

static void hasher_deinit(struct hasher *h)
{
    EVP_MD_CTX_free(h->hash);
    EVP_MAC_CTX_free(h->mac);
    EVP_MD_free(h->md);
}

static int hasher_init(JSContext *ctx, struct hasher *h, JSValueConst algorithm)
{
    struct str name;

    *h = (struct hasher){0};
    if (host_str(ctx, algorithm, &name) < 0)
        return -1;
    h->md = digest_of(ctx, name);
    if (!h->md)
        return -1;
    h->hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(h->hash, h->md, NULL);
    return 0;
}

static int hasher_init_mac(JSContext *ctx, struct hasher *h, JSValueConst algorithm,
                           JSValueConst key)
{
    EVP_MAC *mac;
    OSSL_PARAM params[2];
    struct host_bytes bytes;

    if (hasher_init(ctx, h, algorithm) < 0)
        return -1;
    if (host_bytes(ctx, key, &bytes) < 0) {
        hasher_deinit(h);
        return -1;
    }
    mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *)(uintptr_t)EVP_MD_get0_name(h->md), 0);
    params[1] = OSSL_PARAM_construct_end();
    h->mac = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    /* An empty key is a key: OpenSSL wants a pointer all the same. */
    EVP_MAC_init(h->mac, bytes.len ? bytes.ptr : (const unsigned char *)"", bytes.len, params);
    host_bytes_release(ctx, &bytes);
    return 0;
}

static int hasher_update(JSContext *ctx, struct hasher *h, JSValueConst data)
{
    struct host_bytes bytes;

    if (host_bytes(ctx, data, &bytes) < 0)
        return -1;
    if (h->mac)
        EVP_MAC_update(h->mac, bytes.ptr, bytes.len);
    else
        EVP_DigestUpdate(h->hash, bytes.ptr, bytes.len);
    host_bytes_release(ctx, &bytes);
    return 0;
}

/* The digest so far; more may be added afterwards. */
static JSValue hasher_digest(JSContext *ctx, struct hasher *h, JSValueConst encoding)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t len = 0;
    unsigned plain_len = 0;

    if (h->mac) {
        EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(h->mac);

        EVP_MAC_final(copy, sum, &len, sizeof sum);
        EVP_MAC_CTX_free(copy);
    } else {
        EVP_MD_CTX *copy = EVP_MD_CTX_new();

        EVP_MD_CTX_copy_ex(copy, h->hash);
        EVP_DigestFinal_ex(copy, sum, &plain_len);
        EVP_MD_CTX_free(copy);
        len = plain_len;
    }
    return encoded(ctx, str_from((const char *)sum, len), encoding);
}

static void free_hasher(JSRuntime *rt, JSValue value);

static struct host_class hasher_class;

static JSValue js_update(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = host_this(ctx, this_val, &hasher_class);

    if (!h || hasher_update(ctx, h, host_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

static JSValue js_digest(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher *h = host_this(ctx, this_val, &hasher_class);

    return h ? hasher_digest(ctx, h, host_arg(argc, argv, 0)) : JS_EXCEPTION;
}

static const JSCFunctionListEntry hasher_methods[] = {
    JS_CFUNC_DEF("update", 1, js_update),
    JS_CFUNC_DEF("digest", 1, js_digest),
};

static struct host_class hasher_class = {
    .def = {.class_name = "Hasher", .finalizer = free_hasher},
    .methods = hasher_methods,
    .method_count = COUNT_OF(hasher_methods),
};

static void free_hasher(JSRuntime *rt, JSValue value)
{
    struct hasher *h = JS_GetOpaque(value, hasher_class.id);

    (void)rt;
    if (!h)
        return;
    hasher_deinit(h);
    mem_free(h);
}

static JSValue new_hasher(JSContext *ctx, const struct hasher *from)
{
    struct hasher *h = mem_dup(from, sizeof *h);
    JSValue object = host_object_new(ctx, &hasher_class, h);

    if (JS_IsException(object)) {
        hasher_deinit(h);
        mem_free(h);
    }
    return object;
}

/* --- functions ---------------------------------------------------------------------------- */

static JSValue create_hash(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher h;

    (void)this_val;
    if (hasher_init(ctx, &h, host_arg(argc, argv, 0)) < 0)
        return JS_EXCEPTION;
    return new_hasher(ctx, &h);
}

static JSValue create_hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct hasher h;

    (void)this_val;
    if (hasher_init_mac(ctx, &h, host_arg(argc, argv, 0), host_arg(argc, argv, 1)) < 0)
        return JS_EXCEPTION;
    return new_hasher(ctx, &h);
}

/* sha256(data, encoding) and its kin; the magic is the algorithm. */
static JSValue hash(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv, int which)
{
    JSValue name = JS_NewString(ctx, algorithms[which].name);
    JSValue result = JS_EXCEPTION;
    struct hasher h;

    (void)this_val;
    if (hasher_init(ctx, &h, name) == 0) {
        if (hasher_update(ctx, &h, host_arg(argc, argv, 0)) == 0)
            result = hasher_digest(ctx, &h, host_arg(argc, argv, 1));
        hasher_deinit(&h);
    }
    JS_FreeValue(ctx, name);
    return result;
}

/* hmac(algorithm, secret, data, encoding) */
static JSValue hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue result = JS_EXCEPTION;
    struct hasher h;

    (void)this_val;
    if (hasher_init_mac(ctx, &h, host_arg(argc, argv, 0), host_arg(argc, argv, 1)) < 0)
        return JS_EXCEPTION;
    if (hasher_update(ctx, &h, host_arg(argc, argv, 2)) == 0)
        result = hasher_digest(ctx, &h, host_arg(argc, argv, 3));
    hasher_deinit(&h);
    return result;
}

static JSValue random_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int64_t count;
    void *bytes;

    (void)this_val;
    if (host_int64(ctx, host_arg(argc, argv, 0), &count) < 0)
        return JS_EXCEPTION;
    if (count < 1 || count > MAX_RANDOM)
        return host_throw(ctx, "randomBytes() takes a size from 1 to %d", MAX_RANDOM);
    bytes = mem_alloc((size_t)count);
    rng_system(bytes, (size_t)count);
    return host_array_buffer_take(ctx, bytes, (size_t)count);
}

static JSValue hex_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue hex = JS_NewString(ctx, "hex");
    struct host_bytes bytes;
    JSValue result = JS_EXCEPTION;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &bytes) == 0) {
        result = encoded(ctx, str_from((const char *)bytes.ptr, bytes.len), hex);
        host_bytes_release(ctx, &bytes);
    }
    JS_FreeValue(ctx, hex);
    return result;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_MAGIC_DEF("md4", 2, hash, 0),        JS_CFUNC_MAGIC_DEF("md5", 2, hash, 1),
    JS_CFUNC_MAGIC_DEF("sha1", 2, hash, 2),       JS_CFUNC_MAGIC_DEF("sha256", 2, hash, 3),
    JS_CFUNC_MAGIC_DEF("sha384", 2, hash, 4),     JS_CFUNC_MAGIC_DEF("sha512", 2, hash, 5),
    JS_CFUNC_MAGIC_DEF("sha512_224", 2, hash, 6), JS_CFUNC_MAGIC_DEF("sha512_256", 2, hash, 7),
    JS_CFUNC_MAGIC_DEF("ripemd160", 2, hash, 8),  JS_CFUNC_DEF("hmac", 4, hmac),
    JS_CFUNC_DEF("createHash", 1, create_hash),   JS_CFUNC_DEF("createHMAC", 2, create_hmac),
    JS_CFUNC_DEF("randomBytes", 1, random_bytes), JS_CFUNC_DEF("hexEncode", 1, hex_encode),
};

static int prepare(JSContext *ctx, JSValueConst ns)
{
    (void)ns;
    return host_class_prepare(ctx, &hasher_class);
}

static struct host_class *const classes[] = {&hasher_class, &crypto_key_class, NULL};

const struct host_module mod_crypto = {
    .name = "k6/crypto",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = prepare,
    .worker_init = load_providers,
    .worker_deinit = unload_providers,
};
