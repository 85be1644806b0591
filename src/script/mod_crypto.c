/* k6/crypto: hashes, HMAC, random bytes (k6-features.md CRY-01 to CRY-03); and the natives under
 * js/webcrypto.js, which is the global `crypto`. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "script/host.h"
#include "script/js_part.h"
#include "script/mod_crypto.h"

enum { MAX_RANDOM = 1 << 24, MAX_GET_RANDOM = 65536 };

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

/* --- natives of WebCrypto ----------------------------------------------------------------- */

/* Bytes of an argument, copied into the iteration's arena; undefined is empty. */
static int bytes_arg(JSContext *ctx, int argc, JSValueConst *argv, int i, struct str *out)
{
    *out = (struct str){"", 0};
    return host_is_nullish(host_arg(argc, argv, i)) ? 0 : host_bytes_copy(ctx, argv[i], out);
}

static JSValue native_random(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return random_bytes(ctx, JS_UNDEFINED, argc, argv);
}

/* cipher(name, encrypt, key, iv, data, aad, tagBytes): the result, with the tag behind it for
 * GCM; null when a tag or padding is wrong. */
static JSValue native_cipher(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct str name;
    struct str key;
    struct str iv;
    struct str data;
    struct str aad;
    int64_t tag_len;
    struct crypto_cipher job = {0};
    struct buf out = BUF_INIT(SIZE_MAX);
    JSValue result;

    (void)this_val;
    if (host_str(ctx, host_arg(argc, argv, 0), &name) < 0 ||
        bytes_arg(ctx, argc, argv, 2, &key) < 0 || bytes_arg(ctx, argc, argv, 3, &iv) < 0 ||
        bytes_arg(ctx, argc, argv, 4, &data) < 0 || bytes_arg(ctx, argc, argv, 5, &aad) < 0 ||
        host_int64(ctx, host_arg(argc, argv, 6), &tag_len) < 0)
        return JS_EXCEPTION;
    job = (struct crypto_cipher){
        name.ptr, JS_ToBool(ctx, host_arg(argc, argv, 1)) > 0, key, iv, data, aad, (size_t)tag_len};
    result = crypto_cipher_run(&job, &out) ? host_array_buffer(ctx, buf_str(&out)) : JS_NULL;
    buf_deinit(&out);
    return result;
}

/* derive(kind, hash, secret, salt, info or iterations, bytes): PBKDF2 or HKDF. */
static JSValue native_derive(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_derive job = {0};
    struct str kind;
    struct str hash_name;
    int64_t iterations = 0;
    int64_t len;
    char *out;

    (void)this_val;
    if (host_str(ctx, host_arg(argc, argv, 0), &kind) < 0 ||
        host_str(ctx, host_arg(argc, argv, 1), &hash_name) < 0 ||
        bytes_arg(ctx, argc, argv, 2, &job.secret) < 0 ||
        bytes_arg(ctx, argc, argv, 3, &job.salt) < 0 ||
        host_int64(ctx, host_arg(argc, argv, 5), &len) < 0)
        return JS_EXCEPTION;
    job.is_hkdf = str_eq_c(kind, "HKDF");
    if (job.is_hkdf ? bytes_arg(ctx, argc, argv, 4, &job.info) < 0
                    : host_int64(ctx, host_arg(argc, argv, 4), &iterations) < 0)
        return JS_EXCEPTION;
    if (len < 0 || len > MAX_RANDOM || iterations < 0 || iterations > 100000000)
        return host_throw(ctx, "deriveBits(): the length or the number of iterations is too large");
    job.hash = hash_name.ptr;
    job.iterations = (unsigned)iterations;
    out = mem_alloc((size_t)len + 1);
    if (!crypto_derive_run(&job, out, (size_t)len)) {
        mem_free(out);
        return JS_NULL;
    }
    return host_array_buffer_take(ctx, out, (size_t)len);
}

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_DEF("random", 1, native_random), JS_CFUNC_DEF("cipher", 7, native_cipher),
    JS_CFUNC_DEF("derive", 6, native_derive), JS_CFUNC_DEF("hmac", 4, hmac),
    JS_CFUNC_MAGIC_DEF("sha1", 2, hash, 2),   JS_CFUNC_MAGIC_DEF("sha256", 2, hash, 3),
    JS_CFUNC_MAGIC_DEF("sha384", 2, hash, 4), JS_CFUNC_MAGIC_DEF("sha512", 2, hash, 5),
};

/* The global `crypto` is made when it is first read, and is an ordinary property then. */
static JSValue get_crypto(JSContext *ctx, JSValueConst this_val)
{
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue native = JS_NewObject(ctx);
    JSValue crypto;

    (void)this_val;
    JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
    crypto = js_part_call(ctx, &js_part_webcrypto, native);
    JS_FreeValue(ctx, native);
    if (!JS_IsException(crypto) &&
        JS_DefinePropertyValueStr(ctx, global, "crypto", JS_DupValue(ctx, crypto),
                                  JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE) < 0) {
        JS_FreeValue(ctx, crypto);
        crypto = JS_EXCEPTION;
    }
    JS_FreeValue(ctx, global);
    return crypto;
}

static const JSCFunctionListEntry global_entries[] = {
    JS_CGETSET_DEF("crypto", get_crypto, NULL),
};

static int add_globals(JSContext *ctx, JSValueConst global)
{
    JS_SetPropertyFunctionList(ctx, global, global_entries, COUNT_OF(global_entries));
    return 0;
}

static struct host_class *const classes[] = {&hasher_class, NULL};

const struct host_module mod_crypto = {
    .name = "k6/crypto",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = prepare,
    .globals = add_globals,
    .worker_init = load_providers,
    .worker_deinit = unload_providers,
};
