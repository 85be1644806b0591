/* One operation of crypto.subtle: what it works on and what comes of it, apart from JavaScript, so
 * that it may run off the worker's thread (script/vu_work.h).
 *
 * The natives under js/webcrypto.js make one, read their arguments into it, and hand it to
 * crypto_job_go. Its result is an ArrayBuffer, a boolean, a key or null for "it failed": at once or
 * by a promise, which is one to the JavaScript that awaits it. */
#ifndef SCRIPT_CRYPTO_JOB_H
#define SCRIPT_CRYPTO_JOB_H

#include "script/crypto/pkey.h"
#include "script/crypto/symmetric.h"
#include "script/host.h"
#include "script/vu_work.h"

enum { CRYPTO_INPUTS = 4 };

enum crypto_outcome {
    CRYPTO_FAILED, /* null */
    CRYPTO_BYTES,  /* `out` */
    CRYPTO_TRUE,
    CRYPTO_FALSE,
    CRYPTO_KEY, /* `made` */
};

struct crypto_job {
    struct vu_work work;
    void (*run)(struct crypto_job *job); /* sets `outcome`; on any thread */

    struct str in[CRYPTO_INPUTS]; /* owned copies; NULL: not given */
    EVP_PKEY *key;                /* owned references */
    EVP_PKEY *peer;
    const char *hash; /* static */
    union {
        struct crypto_cipher cipher;
        struct crypto_derive derive;
        struct pkey_scheme scheme;
        struct {
            enum pkey_kind kind;
            unsigned bits;
            uint32_t exponent;
        } pair;
        bool encrypt;
    };

    enum crypto_outcome outcome;
    struct buf out;
    EVP_PKEY *made;
};

struct crypto_job *crypto_job_new(void (*run)(struct crypto_job *job));
/* Drops it after an argument was wrong. Always JS_EXCEPTION. */
JSValue crypto_job_refuse(struct crypto_job *job);
/* Takes it. `is_slow`: off the thread; also done for much input. */
MUST_USE YIELDS JSValue crypto_job_go(JSContext *ctx, struct crypto_job *job, bool is_slow);

/* Arguments; -1: exception. Undefined gives no input. */
MUST_USE int crypto_job_input(JSContext *ctx, struct crypto_job *job, size_t i, JSValueConst v);
MUST_USE int crypto_job_hash(JSContext *ctx, struct crypto_job *job, JSValueConst v);

/* A key as the JavaScript holds it: an object of crypto_key_class around an EVP_PKEY. */
extern struct host_class crypto_key_class;
MUST_USE JSValue crypto_key_new(JSContext *ctx, EVP_PKEY *key); /* takes the reference */
/* Borrowed; NULL with an exception when `v` is none. */
EVP_PKEY *crypto_key_of(JSContext *ctx, JSValueConst v);

#endif
