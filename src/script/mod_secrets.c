/* k6/secrets (k6-features.md DAT-08): get(key), source(name).get(key), both promises. */
#include "script/internal.h"
#include "script/secrets/lookup.h"
#include "script/secrets/secrets.h"

static JSValue settled(JSContext *ctx, bool ok, JSValue value)
{
    JSValue settle[2];
    JSValue promise = JS_NewPromiseCapability(ctx, settle);

    if (!JS_IsException(promise)) {
        JS_FreeValue(ctx, JS_Call(ctx, settle[ok ? 0 : 1], JS_UNDEFINED, 1, &value));
        JS_FreeValue(ctx, settle[0]);
        JS_FreeValue(ctx, settle[1]);
    }
    JS_FreeValue(ctx, value);
    return promise;
}

static JSValue rejected(JSContext *ctx, const char *why)
{
    return settled(ctx, false, host_error(ctx, "%s", why));
}

static JSValue get_from(JSContext *ctx, struct str name, JSValueConst key_value)
{
    struct secrets *secrets = vu_of(ctx)->worker->script->secrets;
    const struct secret_source *source = secrets ? secrets_find(secrets, name) : NULL;
    struct diag d = DIAG_INIT;
    struct str key;
    struct str value;
    JSValue promise;

    if (host_str(ctx, key_value, &key) < 0)
        return JS_EXCEPTION;
    if (!source)
        return rejected(ctx, "no secret sources are configured: use --secret-source");
    if (secret_source_url(source))
        return secret_lookup(ctx, source, key);
    if (secret_source_get(source, key, &value, &d) == 0)
        return settled(ctx, true, host_string(ctx, value));
    promise = rejected(ctx, d.message);
    diag_deinit(&d);
    return promise;
}

static JSValue get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return get_from(ctx, STR(""), host_arg(argc, argv, 0));
}

static JSValue get_of_source(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                             int magic, JSValue *data)
{
    struct str source;

    (void)this_val;
    (void)magic;
    if (host_str(ctx, data[0], &source) < 0)
        return JS_EXCEPTION;
    return get_from(ctx, source, host_arg(argc, argv, 0));
}

static JSValue source(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct secrets *secrets = vu_of(ctx)->worker->script->secrets;
    JSValueConst name = host_arg(argc, argv, 0);
    JSValue object;
    struct str text;

    (void)this_val;
    if (host_str(ctx, name, &text) < 0)
        return JS_EXCEPTION;
    if (text.len == 0 || !secrets || !secrets_find(secrets, text))
        return host_throw(ctx, "there is no secret source \"%.*s\": see --secret-source",
                          STR_ARG(text));
    object = JS_NewObject(ctx);
    if (host_set(ctx, object, "get",
                 JS_NewCFunctionData(ctx, get_of_source, 1, 0, 1, (JSValue *)&name)) == 0)
        return object;
    JS_FreeValue(ctx, object);
    return JS_EXCEPTION;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("get", 1, get),
    JS_CFUNC_DEF("source", 1, source),
};

const struct host_module mod_secrets = {
    .name = "k6/secrets",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .worker_deinit = secret_lookups_free,
};
