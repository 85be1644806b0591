#include "script/crypto/job.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/mem.h"

/* A quarter of a millisecond or so for AES and SHA-256. */
enum { MUCH = 256 * 1024 };

/* --- keys --------------------------------------------------------------------------------- */

static void free_key(JSRuntime *rt, JSValue value)
{
    (void)rt;
    EVP_PKEY_free(JS_GetOpaque(value, crypto_key_class.id));
}

struct host_class crypto_key_class = {
    .def = {.class_name = "KeyHandle", .finalizer = free_key},
};

JSValue crypto_key_new(JSContext *ctx, EVP_PKEY *key)
{
    JSValue object = host_object_new(ctx, &crypto_key_class, key);

    if (JS_IsException(object))
        EVP_PKEY_free(key);
    return object;
}

EVP_PKEY *crypto_key_of(JSContext *ctx, JSValueConst v)
{
    EVP_PKEY *key = host_object_data(v, &crypto_key_class);

    if (!key)
        JS_ThrowTypeError(ctx, "a key of another kind is needed");
    return key;
}

/* --- jobs --------------------------------------------------------------------------------- */

/* OpenSSL keeps errors per thread until somebody looks; TLS connections of this one would take them
 * for theirs. */
static void run(struct vu_work *work)
{
    struct crypto_job *job = CONTAINER_OF(work, struct crypto_job, work);

    job->run(job);
    ERR_clear_error();
}

static JSValue result(struct vu_work *work, JSContext *ctx)
{
    struct crypto_job *job = CONTAINER_OF(work, struct crypto_job, work);
    EVP_PKEY *key = job->made;

    switch (job->outcome) {
    case CRYPTO_FAILED:
        break;
    case CRYPTO_BYTES:
        return host_array_buffer(ctx, buf_str(&job->out)); /* counted as the VU's memory */
    case CRYPTO_TRUE:
    case CRYPTO_FALSE:
        return JS_NewBool(ctx, job->outcome == CRYPTO_TRUE);
    case CRYPTO_KEY:
        job->made = NULL;
        return crypto_key_new(ctx, key);
    }
    return JS_NULL;
}

static void free_job(struct vu_work *work)
{
    struct crypto_job *job = CONTAINER_OF(work, struct crypto_job, work);

    for (size_t i = 0; i < CRYPTO_INPUTS; i++)
        mem_free((char *)(uintptr_t)job->in[i].ptr);
    EVP_PKEY_free(job->key);
    EVP_PKEY_free(job->peer);
    EVP_PKEY_free(job->made);
    buf_deinit(&job->out);
    mem_free(job);
}

struct crypto_job *crypto_job_new(void (*fn)(struct crypto_job *job))
{
    struct crypto_job *job = mem_zalloc(sizeof *job);

    job->work.run = run;
    job->work.result = result;
    job->work.free = free_job;
    job->work.size = sizeof *job;
    job->run = fn;
    buf_init(&job->out, SIZE_MAX); /* as long as the input, or as a length that was checked */
    return job;
}

JSValue crypto_job_refuse(struct crypto_job *job)
{
    free_job(&job->work);
    return JS_EXCEPTION;
}

JSValue crypto_job_go(JSContext *ctx, struct crypto_job *job, bool is_slow)
{
    if (is_slow || job->work.size > MUCH)
        return vu_work_start(ctx, &job->work);
    return vu_work_here(ctx, &job->work);
}

/* --- arguments ---------------------------------------------------------------------------- */

int crypto_job_input(JSContext *ctx, struct crypto_job *job, size_t i, JSValueConst v)
{
    struct host_bytes bytes;

    if (host_is_nullish(v))
        return 0;
    if (host_bytes(ctx, v, &bytes) < 0)
        return -1;
    job->in[i] = str_from(mem_strndup((const char *)bytes.ptr, bytes.len), bytes.len);
    job->work.size += bytes.len;
    host_bytes_release(ctx, &bytes);
    return 0;
}

int crypto_job_hash(JSContext *ctx, struct crypto_job *job, JSValueConst v)
{
    static const char *const hashes[] = {"SHA-1", "SHA-256", "SHA-384", "SHA-512"};
    const char *name = JS_ToCString(ctx, v);

    if (!name)
        return -1;
    for (size_t i = 0; i < COUNT_OF(hashes); i++) {
        if (str_eq_c(str_of(name), hashes[i]))
            job->hash = hashes[i];
    }
    JS_FreeCString(ctx, name);
    if (job->hash)
        return 0;
    JS_ThrowTypeError(ctx, "unknown hash");
    return -1;
}
