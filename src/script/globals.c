/* The global object.
 *
 * Between the global object and Object.prototype sits one object that answers for names which few
 * scripts use: Date, Map, typed arrays (18 KB of a VU's 63 when made) appear when first named;
 * __ENV, __VU, __ITER and `global` are computed. A name that is found once as a constructor is an
 * ordinary global from then on. */
#include <jansson.h>
#include <string.h>

#include "base/ensure.h"
#include "base/mem.h"
#include "engine/scenario.h"
#include "script/internal.h"
#include "script/js_part.h"

enum computed { ENV = LAZY_COUNT, VU_ID, ITER, GLOBAL };

struct lazy_name {
    const char *name;
    int what; /* enum lazy_intrinsic or enum computed */
};

static const struct lazy_name lazy_names[] = {
    {"__ENV", ENV},
    {"__ITER", ITER},
    {"__VU", VU_ID},
    {"global", GLOBAL},
    {"Date", LAZY_DATE},
    {"Map", LAZY_MAP_SET},
    {"Set", LAZY_MAP_SET},
    {"WeakMap", LAZY_MAP_SET},
    {"WeakSet", LAZY_MAP_SET},
    {"ArrayBuffer", LAZY_TYPED_ARRAYS},
    {"DataView", LAZY_TYPED_ARRAYS},
    {"Uint8Array", LAZY_TYPED_ARRAYS},
    {"Uint8ClampedArray", LAZY_TYPED_ARRAYS},
    {"Int8Array", LAZY_TYPED_ARRAYS},
    {"Uint16Array", LAZY_TYPED_ARRAYS},
    {"Int16Array", LAZY_TYPED_ARRAYS},
    {"Uint32Array", LAZY_TYPED_ARRAYS},
    {"Int32Array", LAZY_TYPED_ARRAYS},
    {"Float32Array", LAZY_TYPED_ARRAYS},
    {"Float64Array", LAZY_TYPED_ARRAYS},
    {"BigInt64Array", LAZY_TYPED_ARRAYS},
    {"BigUint64Array", LAZY_TYPED_ARRAYS},
    {"fetch", LAZY_FETCH},
    {"Headers", LAZY_FETCH},
    {"Request", LAZY_FETCH},
    {"Response", LAZY_FETCH},
    {"ReadableStream", LAZY_STREAMS},
    {"WritableStream", LAZY_STREAMS},
    {"CountQueuingStrategy", LAZY_STREAMS},
    {"URL", LAZY_URL},
    {"URLSearchParams", LAZY_URL},
    {"TextEncoder", LAZY_WEB},
    {"TextDecoder", LAZY_WEB},
    {"atob", LAZY_WEB},
    {"btoa", LAZY_WEB},
    {"structuredClone", LAZY_WEB},
    {"AbortController", LAZY_WEB},
    {"AbortSignal", LAZY_WEB},
    {"crypto", LAZY_CRYPTO},
    {"Crypto", LAZY_CRYPTO},
    {"CryptoKey", LAZY_SUBTLE},
    {"SubtleCrypto", LAZY_SUBTLE},
};

/* --- standard objects --------------------------------------------------------------------- */

/* QuickJS brings memory that threads share along. No other thread could ever see a VU's, and k6 has
 * neither name, which libraries probe for. */
static int add_typed_arrays(JSContext *ctx)
{
    static const char *const unwanted[] = {"SharedArrayBuffer", "Atomics"};
    JSValue global = JS_GetGlobalObject(ctx);
    int err = 0;

    JS_AddIntrinsicTypedArrays(ctx);
    for (size_t i = 0; i < COUNT_OF(unwanted); i++) {
        JSAtom atom = JS_NewAtom(ctx, unwanted[i]);

        if (JS_DeleteProperty(ctx, global, atom, 0) < 0)
            err = -1;
        JS_FreeAtom(ctx, atom);
    }
    JS_FreeValue(ctx, global);
    return err;
}

int globals_need(JSContext *ctx, enum lazy_intrinsic what)
{
    struct vu_private *p = vu_of(ctx)->_private;

    if (p->lazy_made & (1u << what))
        return 0;
    p->lazy_made |= 1u << what;
    switch (what) {
    case LAZY_DATE:
        JS_AddIntrinsicDate(ctx);
        break;
    case LAZY_MAP_SET:
        JS_AddIntrinsicMapSet(ctx);
        break;
    case LAZY_TYPED_ARRAYS:
        return add_typed_arrays(ctx);
    case LAZY_FETCH:
        return fetch_add_globals(ctx);
    case LAZY_STREAMS:
        return web_add(ctx, web_streams(ctx));
    case LAZY_URL:
        return web_add_part(ctx, &js_part_url, JS_UNDEFINED);
    case LAZY_WEB:
        return web_add_web(ctx);
    case LAZY_CRYPTO:
        return crypto_add_globals(ctx);
    case LAZY_SUBTLE:
        return web_add(ctx, crypto_subtle(ctx));
    case LAZY_COUNT:
        break;
    }
    return 0;
}

/* --- __ENV -------------------------------------------------------------------------------- */

static int add_scenario_env(JSContext *ctx, JSValueConst env, const struct scenario *scenario)
{
    const char *key;
    json_t *value;
    json_t *all = scenario ? scenario->env : NULL;

    json_object_foreach(all, key, value)
    {
        if (json_is_string(value) &&
            host_set_key(ctx, env, str_of(key), JS_NewString(ctx, json_string_value(value))) < 0)
            return -1;
    }
    return 0;
}

static int freeze(JSContext *ctx, JSValueConst object)
{
    JSPropertyEnum *names;
    uint32_t count;
    int err = JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK);

    if (err < 0)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        if (err >= 0)
            err = JS_DefineProperty(
                ctx, object, names[i].atom, JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED,
                JS_PROP_HAS_WRITABLE | JS_PROP_HAS_CONFIGURABLE | JS_PROP_THROW);
        JS_FreeAtom(ctx, names[i].atom);
    }
    js_free(ctx, names);
    return err < 0 || JS_PreventExtensions(ctx, object) < 0 ? -1 : 0;
}

static JSValue make_env(struct vu *vu)
{
    JSContext *ctx = vu->ctx;
    JSValue env = JS_NewObject(ctx);
    const struct map *all = &vu->worker->script->env;

    if (JS_IsException(env))
        return env;
    for (const struct map_entry *e = map_first(all); e; e = map_next(all, e)) {
        if (host_set_key(ctx, env, e->key, JS_NewString(ctx, e->value)) < 0)
            goto failed;
    }
    if (add_scenario_env(ctx, env, vu->scenario) == 0 &&
        (!vu->worker->script->freeze_env || freeze(ctx, env) == 0))
        return env;
failed:
    JS_FreeValue(ctx, env);
    return JS_EXCEPTION;
}

void globals_reset_env(struct vu *vu)
{
    JSValue global = JS_GetGlobalObject(vu->ctx);
    JSAtom atom = JS_NewAtom(vu->ctx, "__ENV");

    JS_DeleteProperty(vu->ctx, global, atom, 0);
    JS_FreeAtom(vu->ctx, atom);
    JS_FreeValue(vu->ctx, global);
}

/* --- the object in between ---------------------------------------------------------------- */

static const struct lazy_name *find_name(JSContext *ctx, JSAtom prop)
{
    const char *text = JS_AtomToCString(ctx, prop);
    const struct lazy_name *found = NULL;

    for (size_t i = 0; text && i < COUNT_OF(lazy_names) && !found; i++) {
        if (strcmp(text, lazy_names[i].name) == 0)
            found = &lazy_names[i];
    }
    JS_FreeCString(ctx, text);
    return found;
}

/* A constructor that was just made, or __ENV that is kept: a property of the global object. */
static JSValue own_global(struct vu *vu, const struct lazy_name *name, JSAtom prop)
{
    JSContext *ctx = vu->ctx;
    JSValue global = JS_GetGlobalObject(ctx);
    JSPropertyDescriptor desc;
    JSValue value = JS_UNDEFINED;

    if (name->what == ENV) {
        value = make_env(vu);
        if (!JS_IsException(value))
            JS_DefinePropertyValue(ctx, global, prop, JS_DupValue(ctx, value),
                                   JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    } else if (globals_need(ctx, (enum lazy_intrinsic)name->what) < 0) {
        value = JS_EXCEPTION;
    } else if (JS_GetOwnProperty(ctx, &desc, global, prop) > 0) {
        JS_FreeValue(ctx, desc.getter);
        JS_FreeValue(ctx, desc.setter);
        value = desc.value;
    }
    JS_FreeValue(ctx, global);
    return value;
}

static JSValue value_of(struct vu *vu, const struct lazy_name *name, JSAtom prop)
{
    switch (name->what) {
    case VU_ID:
        return JS_NewInt64(vu->ctx, (int64_t)vu->id);
    case ITER:
        return vu->phase == VU_ITERATION ? JS_NewInt64(vu->ctx, (int64_t)vu->iteration_count)
                                         : JS_NewInt32(vu->ctx, 0);
    case GLOBAL:
        return JS_GetGlobalObject(vu->ctx);
    default:
        return own_global(vu, name, prop);
    }
}

static int lazy_get(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom prop)
{
    const struct lazy_name *name = find_name(ctx, prop);
    struct vu *vu = vu_of(ctx);

    (void)object;
    if (!name || (name->what == GLOBAL && vu->worker->script->base_mode))
        return 0;
    /* Once made, its name was on the global object; the script has deleted it since. */
    if (name->what < LAZY_COUNT && (vu->_private->lazy_made & (1u << name->what)))
        return 0;
    if (!desc)
        return 1;
    desc->flags = JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE;
    desc->getter = desc->setter = JS_UNDEFINED;
    desc->value = value_of(vu, name, prop);
    return JS_IsException(desc->value) ? -1 : 1;
}

static JSClassExoticMethods lazy_methods = {.get_own_property = lazy_get};

struct host_class globals_class = {
    .def = {.class_name = "Object", .exotic = &lazy_methods},
};

/* --- all of them -------------------------------------------------------------------------- */

static int put_in_between(struct vu *vu, JSValueConst global)
{
    JSContext *ctx = vu->ctx;
    JSValue proto = JS_GetPrototype(ctx, global);
    JSValue lazy;
    int err;

    if (JS_NewClass(vu->rt, globals_class.id, &globals_class.def) < 0) {
        JS_FreeValue(ctx, proto);
        return -1;
    }
    lazy = JS_NewObjectProtoClass(ctx, proto, globals_class.id);
    err = JS_IsException(lazy) ? -1 : JS_SetPrototype(ctx, global, lazy);
    JS_FreeValue(ctx, lazy);
    JS_FreeValue(ctx, proto);
    return err < 0 ? -1 : 0;
}

int globals_install(struct vu *vu)
{
    JSValue global = JS_GetGlobalObject(vu->ctx);
    int err = put_in_between(vu, global);

    if (err == 0)
        err = loader_globals(vu->ctx, global);
    for (size_t i = 0; err == 0 && i < host_module_count; i++) {
        if (host_modules[i]->globals)
            err = host_modules[i]->globals(vu->ctx, global);
    }
    JS_FreeValue(vu->ctx, global);
    return err;
}
