/* The natives under js/crypto.js, js/webcrypto.js and js/webcrypto_pairs.js, which are the global
 * `crypto` (W3C Web Cryptography API; k6-features.md GLB-03): arguments into a job (crypto/job.h),
 * keys in and out. */
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/rng.h"
#include "script/crypto/job.h"
#include "script/internal.h"
#include "script/js_part.h"

/* getRandomValues() gives no more; a derivation of more bytes than that is nobody's key. */
enum { MAX_RANDOM = 65536, MAX_DERIVED = 1 << 24 };
/* PBKDF2: 0.3 us each (SHA-256). What takes half a minute can't be told from a hanging script. */
enum { MANY_ITERATIONS = 500, MAX_ITERATIONS = 100 * 1000 * 1000 };

static void say_bytes(struct crypto_job *job, bool ok)
{
    job->outcome = ok ? CRYPTO_BYTES : CRYPTO_FAILED;
}

static int key_arg(JSContext *ctx, JSValueConst v, EVP_PKEY **out)
{
    EVP_PKEY *key = crypto_key_of(ctx, v);

    if (!key || EVP_PKEY_up_ref(key) != 1)
        return -1;
    *out = key;
    return 0;
}

/* An index into the lists that js/webcrypto*.js has as well. */
static int index_arg(JSContext *ctx, JSValueConst v, int count, int *out)
{
    if (JS_ToInt32(ctx, out, v) < 0)
        return -1;
    if (*out >= 0 && *out < count)
        return 0;
    JS_ThrowRangeError(ctx, "no such number");
    return -1;
}

/* --- secrets ------------------------------------------------------------------------------ */

/* random(bytes) */
static JSValue native_random(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    unsigned char bytes[256];
    struct buf out = BUF_INIT(MAX_RANDOM);
    int64_t left;
    JSValue result;

    (void)this_val;
    if (host_int64(ctx, host_arg(argc, argv, 0), &left) < 0)
        return JS_EXCEPTION;
    for (; left > 0 && !buf_is_over(&out); left -= (int64_t)sizeof bytes) {
        rng_system(bytes, sizeof bytes);
        buf_append(&out, bytes, left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes);
    }
    result = buf_is_over(&out) ? JS_NULL : host_array_buffer(ctx, buf_str(&out));
    buf_deinit(&out);
    return result;
}

static void run_digest(struct crypto_job *job)
{
    say_bytes(job, crypto_digest(job->hash, job->in[0], &job->out));
}

/* digest(hash, data) */
static JSValue native_digest(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_digest);

    (void)this_val;
    if (crypto_job_hash(ctx, job, host_arg(argc, argv, 0)) < 0 ||
        crypto_job_input(ctx, job, 0, host_arg(argc, argv, 1)) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, false);
}

static void run_hmac(struct crypto_job *job)
{
    say_bytes(job, crypto_hmac(job->hash, job->in[0], job->in[1], &job->out));
}

/* hmac(hash, key, data) */
static JSValue native_hmac(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_hmac);

    (void)this_val;
    if (crypto_job_hash(ctx, job, host_arg(argc, argv, 0)) < 0 ||
        crypto_job_input(ctx, job, 0, host_arg(argc, argv, 1)) < 0 ||
        crypto_job_input(ctx, job, 1, host_arg(argc, argv, 2)) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, false);
}

static void run_cipher(struct crypto_job *job)
{
    job->cipher.key = job->in[0];
    job->cipher.iv = job->in[1];
    job->cipher.data = job->in[2];
    job->cipher.aad = job->in[3];
    say_bytes(job, crypto_cipher_run(&job->cipher, &job->out));
}

/* cipher(mode, encrypt, key, iv, data, aad, bits of the tag or counter): with the tag behind it for
 * GCM. */
static JSValue native_cipher(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_cipher);
    int mode;
    int bits;

    (void)this_val;
    if (index_arg(ctx, host_arg(argc, argv, 0), CRYPTO_WRAP + 1, &mode) < 0 ||
        JS_ToInt32(ctx, &bits, host_arg(argc, argv, 6)) < 0)
        return crypto_job_refuse(job);
    for (size_t i = 0; i < 4; i++) {
        if (crypto_job_input(ctx, job, i, host_arg(argc, argv, (int)i + 2)) < 0)
            return crypto_job_refuse(job);
    }
    job->cipher.mode = (enum crypto_mode)mode;
    job->cipher.encrypt = JS_ToBool(ctx, host_arg(argc, argv, 1)) > 0;
    job->cipher.tag_len = (size_t)bits / 8;
    job->cipher.counter_bits = (unsigned)bits;
    return crypto_job_go(ctx, job, false);
}

static void run_derive(struct crypto_job *job)
{
    job->derive.hash = job->hash;
    job->derive.secret = job->in[0];
    job->derive.salt = job->in[1];
    job->derive.info = job->in[2];
    say_bytes(job, crypto_derive_run(&job->derive, &job->out));
}

/* derive(hash, secret, salt, info, iterations, bytes): HKDF with an info, else PBKDF2. */
static JSValue native_derive(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_derive);
    int64_t iterations;
    int64_t len;
    int64_t blocks;

    (void)this_val;
    if (crypto_job_hash(ctx, job, host_arg(argc, argv, 0)) < 0 ||
        crypto_job_input(ctx, job, 0, host_arg(argc, argv, 1)) < 0 ||
        crypto_job_input(ctx, job, 1, host_arg(argc, argv, 2)) < 0 ||
        crypto_job_input(ctx, job, 2, host_arg(argc, argv, 3)) < 0 ||
        host_int64(ctx, host_arg(argc, argv, 4), &iterations) < 0 ||
        host_int64(ctx, host_arg(argc, argv, 5), &len) < 0)
        return crypto_job_refuse(job);
    blocks = len / 20 + 1; /* of the shortest hash */
    if (len < 0 || len > MAX_DERIVED || iterations < 0 || iterations > MAX_ITERATIONS / blocks) {
        crypto_job_refuse(job);
        return JS_NULL;
    }
    job->derive.is_hkdf = job->in[2].ptr != NULL;
    job->derive.iterations = (unsigned)iterations;
    job->derive.len = (size_t)len;
    return crypto_job_go(ctx, job, iterations * blocks > MANY_ITERATIONS);
}

/* --- pairs -------------------------------------------------------------------------------- */

static void run_generate(struct crypto_job *job)
{
    job->made = pkey_generate(job->pair.kind, job->pair.bits, job->pair.exponent);
    job->outcome = job->made ? CRYPTO_KEY : CRYPTO_FAILED;
}

static int kind_arg(JSContext *ctx, JSValueConst v, enum pkey_kind *kind)
{
    const char *name = JS_ToCString(ctx, v);

    if (!name)
        return -1;
    *kind = pkey_kind_of(str_of(name));
    JS_FreeCString(ctx, name);
    if (*kind != PKEY_NONE)
        return 0;
    JS_ThrowTypeError(ctx, "unknown kind of key");
    return -1;
}

/* generate(kind, bits, exponent): a pair. */
static JSValue native_generate(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_generate);

    (void)this_val;
    if (kind_arg(ctx, host_arg(argc, argv, 0), &job->pair.kind) < 0 ||
        JS_ToUint32(ctx, &job->pair.bits, host_arg(argc, argv, 1)) < 0 ||
        JS_ToUint32(ctx, &job->pair.exponent, host_arg(argc, argv, 2)) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, job->pair.kind != PKEY_P256);
}

/* scheme, hash, salt length: the three arguments from `argv` on. */
static int scheme_args(JSContext *ctx, struct crypto_job *job, JSValueConst *argv)
{
    int kind;

    if (index_arg(ctx, argv[0], PKEY_ECDSA + 1, &kind) < 0 ||
        crypto_job_hash(ctx, job, argv[1]) < 0 ||
        JS_ToInt32(ctx, &job->scheme.salt_len, argv[2]) < 0)
        return -1;
    job->scheme.kind = (enum pkey_scheme_kind)kind;
    job->scheme.hash = job->hash;
    return 0;
}

static void run_sign(struct crypto_job *job)
{
    say_bytes(job, pkey_sign(job->key, &job->scheme, job->in[0], &job->out));
}

/* sign(key, scheme, hash, saltLength, data) */
static JSValue native_sign(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_sign);

    (void)this_val;
    (void)argc; /* QuickJS fills up to the declared length */
    if (key_arg(ctx, argv[0], &job->key) < 0 || scheme_args(ctx, job, argv + 1) < 0 ||
        crypto_job_input(ctx, job, 0, argv[4]) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, pkey_is_slow(job->key, true));
}

static void run_verify(struct crypto_job *job)
{
    bool is_good = pkey_verify(job->key, &job->scheme, job->in[0], job->in[1]);

    job->outcome = is_good ? CRYPTO_TRUE : CRYPTO_FALSE;
}

/* verify(key, scheme, hash, saltLength, signature, data) */
static JSValue native_verify(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_verify);

    (void)this_val;
    (void)argc;
    if (key_arg(ctx, argv[0], &job->key) < 0 || scheme_args(ctx, job, argv + 1) < 0 ||
        crypto_job_input(ctx, job, 0, argv[4]) < 0 || crypto_job_input(ctx, job, 1, argv[5]) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, pkey_is_slow(job->key, false));
}

static void run_oaep(struct crypto_job *job)
{
    say_bytes(job,
              pkey_crypt(job->key, job->encrypt, job->hash, job->in[0], job->in[1], &job->out));
}

/* oaep(key, encrypt, hash, label, data) */
static JSValue native_oaep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_oaep);

    (void)this_val;
    (void)argc;
    job->encrypt = JS_ToBool(ctx, argv[1]) > 0;
    if (key_arg(ctx, argv[0], &job->key) < 0 || crypto_job_hash(ctx, job, argv[2]) < 0 ||
        crypto_job_input(ctx, job, 0, argv[3]) < 0 || crypto_job_input(ctx, job, 1, argv[4]) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, pkey_is_slow(job->key, !job->encrypt));
}

static void run_agree(struct crypto_job *job)
{
    say_bytes(job, pkey_agree(job->key, job->peer, &job->out));
}

/* agree(mine, theirs) */
static JSValue native_agree(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct crypto_job *job = crypto_job_new(run_agree);

    (void)this_val;
    (void)argc;
    if (key_arg(ctx, argv[0], &job->key) < 0 || key_arg(ctx, argv[1], &job->peer) < 0)
        return crypto_job_refuse(job);
    return crypto_job_go(ctx, job, pkey_is_slow(job->key, true));
}

/* --- keys in and out ---------------------------------------------------------------------- */

/* A key, or the text that says what is wrong with it. */
static JSValue imported(JSContext *ctx, EVP_PKEY *key, const char *why)
{
    ERR_clear_error();
    return key ? crypto_key_new(ctx, key) : JS_NewString(ctx, why);
}

/* fromDer(kind, isPrivate, bytes); fromPoint(curve, bytes) with the magic 1. */
static JSValue native_from_bytes(JSContext *ctx, JSValueConst this_val, int argc,
                                 JSValueConst *argv, int is_point)
{
    const char *why = "can't be read";
    enum pkey_kind kind;
    struct host_bytes bytes;
    struct str data;
    EVP_PKEY *key;

    (void)this_val;
    if (kind_arg(ctx, host_arg(argc, argv, 0), &kind) < 0 ||
        host_bytes(ctx, host_arg(argc, argv, is_point ? 1 : 2), &bytes) < 0)
        return JS_EXCEPTION;
    data = str_from((const char *)bytes.ptr, bytes.len);
    if (is_point)
        key = pkey_from_point(kind, data, &why);
    else
        key = pkey_from_der(kind, JS_ToBool(ctx, argv[1]) > 0, data, &why);
    host_bytes_release(ctx, &bytes);
    return imported(ctx, key, why);
}

/* base64url without padding (RFC 7515, 2); nothing else of what base64_decode takes. */
static bool decode_url(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '+' || text.ptr[i] == '/' || base64_digit(text.ptr[i]) < 0)
            return false;
    }
    return text.len % 4 != 1 && base64_decode(text, out);
}

/* The numbers of a JWK one behind the other in `all`. 1: one is no base64url; -1: exception. */
static int read_numbers(JSContext *ctx, enum pkey_kind kind, JSValueConst jwk,
                        struct str numbers[PKEY_NUMBERS], struct buf *all)
{
    size_t starts[PKEY_NUMBERS + 1] = {0};
    bool given[PKEY_NUMBERS] = {false};
    int wrong = 0;

    for (size_t i = 0; i < PKEY_NUMBERS; i++) {
        const char *name = pkey_number_name(kind, i);
        JSValue v = name ? JS_GetPropertyStr(ctx, jwk, name) : JS_UNDEFINED;
        size_t len;
        const char *text = JS_IsUndefined(v) ? NULL : JS_ToCStringLen(ctx, &len, v);

        if (!JS_IsUndefined(v) && !text)
            wrong = -1;
        else if (text && wrong == 0 && !decode_url(str_from(text, len), all))
            wrong = 1;
        given[i] = text != NULL;
        starts[i + 1] = all->len;
        JS_FreeCString(ctx, text);
        JS_FreeValue(ctx, v);
    }
    for (size_t i = 0; i < PKEY_NUMBERS; i++)
        numbers[i] =
            given[i] ? str_from(all->data ? all->data + starts[i] : "", starts[i + 1] - starts[i])
                     : (struct str){NULL, 0};
    return wrong;
}

/* fromJwk(kind, jwk): private when it has a `d`. */
static JSValue native_from_jwk(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct str numbers[PKEY_NUMBERS];
    struct buf all = BUF_INIT(SIZE_MAX);
    const char *why = "has a number that is no base64url";
    enum pkey_kind kind;
    EVP_PKEY *key = NULL;
    int wrong;

    (void)this_val;
    if (kind_arg(ctx, host_arg(argc, argv, 0), &kind) < 0)
        return JS_EXCEPTION;
    wrong = read_numbers(ctx, kind, host_arg(argc, argv, 1), numbers, &all);
    if (wrong == 0)
        key = pkey_from_numbers(kind, numbers, &why);
    buf_deinit(&all);
    return wrong < 0 ? JS_EXCEPTION : imported(ctx, key, why);
}

static JSValue exported(JSContext *ctx, struct buf *out, bool ok)
{
    JSValue result = ok ? host_array_buffer(ctx, buf_str(out)) : JS_NULL;

    ERR_clear_error();
    buf_deinit(out);
    return result;
}

/* toDer(key, isPrivate); toPoint(key) with the magic 1. */
static JSValue native_to_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                               int is_point)
{
    EVP_PKEY *key = crypto_key_of(ctx, host_arg(argc, argv, 0));
    struct buf out = BUF_INIT(SIZE_MAX);
    bool ok;

    (void)this_val;
    if (!key)
        return JS_EXCEPTION;
    if (is_point)
        ok = pkey_to_point(key, &out);
    else
        ok = pkey_to_der(key, JS_ToBool(ctx, host_arg(argc, argv, 1)) > 0, &out);
    return exported(ctx, &out, ok);
}

/* number(key, name): one of a JWK's, as bytes; null when it has none. */
static JSValue native_number(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    EVP_PKEY *key = crypto_key_of(ctx, host_arg(argc, argv, 0));
    struct buf out = BUF_INIT(SIZE_MAX);
    const char *wanted;
    const char *name;
    size_t i = 0;
    bool ok;

    (void)this_val;
    wanted = key ? JS_ToCString(ctx, host_arg(argc, argv, 1)) : NULL;
    if (!wanted)
        return JS_EXCEPTION;
    while ((name = pkey_number_name(pkey_kind(key), i)) && !str_eq_c(str_of(wanted), name))
        i++;
    JS_FreeCString(ctx, wanted);
    ok = name && pkey_to_number(key, i, &out);
    return exported(ctx, &out, ok);
}

/* --- text --------------------------------------------------------------------------------- */

/* toBase64url(bytes) */
static JSValue native_to_base64url(JSContext *ctx, JSValueConst this_val, int argc,
                                   JSValueConst *argv)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct host_bytes bytes;
    JSValue result;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    base64_encode(str_from((const char *)bytes.ptr, bytes.len), BASE64_URL, false, &out);
    host_bytes_release(ctx, &bytes);
    result = host_string(ctx, buf_str(&out));
    buf_deinit(&out);
    return result;
}

/* fromBase64url(text): null when it is none. */
static JSValue native_from_base64url(JSContext *ctx, JSValueConst this_val, int argc,
                                     JSValueConst *argv)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, host_arg(argc, argv, 0));
    bool ok;

    (void)this_val;
    if (!text)
        return JS_EXCEPTION;
    ok = decode_url(str_from(text, len), &out);
    JS_FreeCString(ctx, text);
    return exported(ctx, &out, ok);
}

/* text(bytes): of UTF-8. */
static JSValue native_text(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct host_bytes bytes;
    JSValue text;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &bytes) < 0)
        return JS_EXCEPTION;
    text = host_string(ctx, str_from((const char *)bytes.ptr, bytes.len));
    host_bytes_release(ctx, &bytes);
    return text;
}

/* pairs(tools): the part for RSA and curves, which most scripts never need. */
static JSValue native_pairs(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    if (host_class_prepare(ctx, &crypto_key_class) < 0)
        return JS_EXCEPTION;
    return js_part_call(ctx, &js_part_webcrypto_pairs, host_arg(argc, argv, 0));
}

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_DEF("random", 1, native_random),
    JS_CFUNC_DEF("digest", 2, native_digest),
    JS_CFUNC_DEF("hmac", 3, native_hmac),
    JS_CFUNC_DEF("cipher", 7, native_cipher),
    JS_CFUNC_DEF("derive", 6, native_derive),
    JS_CFUNC_DEF("generate", 3, native_generate),
    JS_CFUNC_DEF("sign", 5, native_sign),
    JS_CFUNC_DEF("verify", 6, native_verify),
    JS_CFUNC_DEF("oaep", 5, native_oaep),
    JS_CFUNC_DEF("agree", 2, native_agree),
    JS_CFUNC_MAGIC_DEF("fromDer", 3, native_from_bytes, 0),
    JS_CFUNC_MAGIC_DEF("fromPoint", 2, native_from_bytes, 1),
    JS_CFUNC_DEF("fromJwk", 2, native_from_jwk),
    JS_CFUNC_MAGIC_DEF("toDer", 2, native_to_bytes, 0),
    JS_CFUNC_MAGIC_DEF("toPoint", 1, native_to_bytes, 1),
    JS_CFUNC_DEF("number", 2, native_number),
    JS_CFUNC_DEF("toBase64url", 1, native_to_base64url),
    JS_CFUNC_DEF("fromBase64url", 1, native_from_base64url),
    JS_CFUNC_DEF("text", 1, native_text),
    JS_CFUNC_DEF("pairs", 1, native_pairs),
};

/* The part of js/webcrypto.js, made when it is first needed. */
JSValue crypto_subtle(JSContext *ctx)
{
    struct vu_private *p = vu_of(ctx)->_private;
    JSValue native;
    JSValue made;

    if (!JS_IsUndefined(p->subtle))
        return JS_DupValue(ctx, p->subtle);
    native = JS_NewObject(ctx);
    if (JS_IsException(native))
        return native;
    JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
    made = js_part_call(ctx, &js_part_webcrypto, native);
    JS_FreeValue(ctx, native);
    if (!JS_IsException(made))
        p->subtle = JS_DupValue(ctx, made);
    return made;
}

static JSValue native_subtle(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue part = crypto_subtle(ctx);
    JSValue subtle = JS_IsException(part) ? part : host_get(ctx, part, "subtle");

    (void)this_val;
    (void)argc;
    (void)argv;
    if (!JS_IsException(part))
        JS_FreeValue(ctx, part);
    return subtle;
}

static const JSCFunctionListEntry crypto_natives[] = {
    JS_CFUNC_DEF("random", 1, native_random),
    JS_CFUNC_DEF("subtle", 0, native_subtle),
};

int crypto_add_globals(JSContext *ctx)
{
    JSValue native = JS_NewObject(ctx);
    int err;

    if (JS_IsException(native))
        return -1;
    JS_SetPropertyFunctionList(ctx, native, crypto_natives, COUNT_OF(crypto_natives));
    err = web_add_part(ctx, &js_part_crypto, native);
    JS_FreeValue(ctx, native);
    return err;
}
