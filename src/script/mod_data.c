/* k6/data: SharedArray (k6-features.md DAT-01).
 *
 * The constructor's function runs once per process, in the first run of the init context; its
 * elements are kept as JSON text, frozen, outside of any runtime. What scripts get is a Proxy of an
 * empty array whose traps answer from there: each access parses one element, so that a million
 * rows cost one copy in all. An array that only later VUs make (a script that looks at __VU) is
 * made once per worker. */
#include <stdio.h>
#include <string.h>

#include "base/ensure.h"
#include "base/mem.h"
#include "script/internal.h"

struct shared_array {
    struct buf text; /* JSON of the elements, each with a NUL behind it */
    size_t *starts;  /* count + 1 offsets into text */
    uint32_t count;
};

struct shared_arrays {
    struct map by_name; /* struct shared_array * */
};

struct shared_arrays *shared_arrays_new(void)
{
    struct shared_arrays *arrays = mem_zalloc(sizeof(*arrays));

    map_init(&arrays->by_name);
    return arrays;
}

static void array_free(void *value)
{
    struct shared_array *array = value;

    buf_deinit(&array->text);
    mem_free(array->starts);
    mem_free(array);
}

void shared_arrays_free(struct shared_arrays *arrays)
{
    if (!arrays)
        return;
    map_deinit_with(&arrays->by_name, array_free);
    mem_free(arrays);
}

/* --- making one --------------------------------------------------------------------------- */

static int add_element(JSContext *ctx, struct shared_array *array, JSValueConst element)
{
    JSValue json = JS_JSONStringify(ctx, element, JS_UNDEFINED, JS_UNDEFINED);
    const char *text;
    size_t len;

    if (JS_IsException(json))
        return -1;
    array->starts[array->count] = array->text.len;
    text = JS_IsString(json) ? JS_ToCStringLen(ctx, &len, json) : NULL;
    if (text)
        buf_append(&array->text, text, len);
    else
        buf_append_c(&array->text, "null");
    buf_append_char(&array->text, '\0');
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, json);
    array->starts[++array->count] = array->text.len;
    return 0;
}

static struct shared_array *array_of(JSContext *ctx, JSValueConst list)
{
    int64_t length = host_length(ctx, list);
    struct shared_array *array;

    if (length < 0)
        return NULL;
    if (length > UINT32_MAX - 1) {
        host_throw(ctx, "a SharedArray has at most 4294967294 elements");
        return NULL;
    }
    array = mem_zalloc(sizeof(*array));
    buf_init(&array->text, SIZE_MAX);
    array->starts = mem_calloc((size_t)length + 1, sizeof(array->starts[0]));
    for (uint32_t i = 0; i < (uint32_t)length; i++) {
        JSValue element = JS_GetPropertyUint32(ctx, list, i);
        int err = JS_IsException(element) ? -1 : add_element(ctx, array, element);

        JS_FreeValue(ctx, element);
        if (err < 0) {
            array_free(array);
            return NULL;
        }
    }
    return array;
}

static struct shared_array *call_maker(JSContext *ctx, JSValueConst fn)
{
    JSValue list = JS_Call(ctx, fn, JS_UNDEFINED, 0, NULL);
    struct shared_array *array = NULL;

    if (JS_IsException(list))
        return NULL;
    if (JS_IsArray(ctx, list) > 0)
        array = array_of(ctx, list);
    else
        host_throw(ctx, "only arrays can be made into SharedArray: the function returned none");
    JS_FreeValue(ctx, list);
    return array;
}

/* The array of that name, made on first use. NULL: exception. */
static struct shared_array *find_or_make(struct vu *vu, struct str name, JSValueConst fn)
{
    struct script *script = vu->worker->script;
    struct shared_arrays *into = script->frozen ? vu->worker->late_arrays : script->arrays;
    struct shared_array *array = map_get(&script->arrays->by_name, name);

    if (!array)
        array = map_get(&into->by_name, name);
    if (array)
        return array;
    array = call_maker(vu->ctx, fn);
    if (array && map_has(&into->by_name, name)) { /* the function has made one of its own name */
        array_free(array);
        host_throw(vu->ctx, "SharedArray '%.*s' is made while it is being made", STR_ARG(name));
        return NULL;
    }
    if (array)
        map_set(&into->by_name, name, array);
    return array;
}

/* --- elements ----------------------------------------------------------------------------- */

enum { MAX_NESTING = 500 };

static int freeze_deep(JSContext *ctx, JSValueConst object, int depth);

static int freeze_property(JSContext *ctx, JSValueConst object, JSAtom atom, int depth)
{
    JSValue value = JS_GetProperty(ctx, object, atom);
    int err = JS_IsException(value) ? -1 : 0;

    if (err == 0 && JS_IsObject(value))
        err = freeze_deep(ctx, value, depth + 1);
    JS_FreeValue(ctx, value);
    if (err == 0)
        err = JS_DefineProperty(ctx, object, atom, JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED,
                                JS_PROP_HAS_WRITABLE | JS_PROP_HAS_CONFIGURABLE | JS_PROP_THROW);
    return err < 0 ? -1 : 0;
}

/* As Object.freeze, all the way down. The values are fresh from JSON: plain and without cycles. */
static int freeze_deep(JSContext *ctx, JSValueConst object, int depth)
{
    JSPropertyEnum *names;
    uint32_t count;
    int err = 0;

    if (depth > MAX_NESTING) {
        host_throw(ctx, "an element of a SharedArray is nested deeper than %d", MAX_NESTING);
        return -1;
    }
    if (host_check_stack(ctx) < 0 ||
        JS_GetOwnPropertyNames(ctx, &names, &count, object, JS_GPN_STRING_MASK) < 0)
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        if (err == 0)
            err = freeze_property(ctx, object, names[i].atom, depth);
        JS_FreeAtom(ctx, names[i].atom);
    }
    js_free(ctx, names);
    if (err == 0 && JS_PreventExtensions(ctx, object) < 0)
        err = -1;
    return err;
}

static JSValue element_at(JSContext *ctx, const struct shared_array *array, uint32_t index)
{
    size_t start = array->starts[index];
    JSValue value = JS_ParseJSON(ctx, array->text.data + start,
                                 array->starts[index + 1] - start - 1, "SharedArray");

    if (JS_IsObject(value) && freeze_deep(ctx, value, 0) < 0) {
        JS_FreeValue(ctx, value);
        return JS_EXCEPTION;
    }
    return value;
}

/* --- the proxy ---------------------------------------------------------------------------- */

/* The handler object has the traps as methods and the array as its data. */
static struct host_class handler_class;

/* 1: `key` is an index, in *index; 0: it is not; -1: exception. */
static int index_of(JSContext *ctx, JSValueConst key, uint32_t *index)
{
    uint64_t number;
    const char *text;
    size_t len;
    bool ok;

    if (!JS_IsString(key))
        return 0;
    text = JS_ToCStringLen(ctx, &len, key);
    if (!text)
        return -1;
    ok = len > 0 && len <= 10 && (text[0] != '0' || len == 1) &&
         str_to_u64(str_from(text, len), &number) && number < UINT32_MAX;
    JS_FreeCString(ctx, text);
    if (!ok)
        return 0;
    *index = (uint32_t)number;
    return 1;
}

static bool is_length(JSContext *ctx, JSValueConst key)
{
    const char *text = JS_IsString(key) ? JS_ToCString(ctx, key) : NULL;
    bool is = text && strcmp(text, "length") == 0;

    JS_FreeCString(ctx, text);
    return is;
}

static JSValue get_from_target(JSContext *ctx, JSValueConst target, JSValueConst key)
{
    JSAtom atom = JS_ValueToAtom(ctx, key);
    JSValue value;

    if (atom == JS_ATOM_NULL)
        return JS_EXCEPTION;
    value = JS_GetProperty(ctx, target, atom);
    JS_FreeAtom(ctx, atom);
    return value;
}

/* get(target, key, receiver) */
static JSValue trap_get(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct shared_array *array = host_this(ctx, this_val, &handler_class);
    uint32_t index;
    int is_index = argc > 1 ? index_of(ctx, argv[1], &index) : -1;

    if (!array || is_index < 0)
        return JS_EXCEPTION;
    if (is_index > 0)
        return index < array->count ? element_at(ctx, array, index) : JS_UNDEFINED;
    if (is_length(ctx, argv[1]))
        return JS_NewUint32(ctx, array->count);
    return get_from_target(ctx, argv[0], argv[1]);
}

/* has(target, key) */
static JSValue trap_has(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct shared_array *array = host_this(ctx, this_val, &handler_class);
    uint32_t index;
    int is_index = argc > 1 ? index_of(ctx, argv[1], &index) : -1;
    JSAtom atom;
    int has;

    if (!array || is_index < 0)
        return JS_EXCEPTION;
    if (is_index > 0)
        return JS_NewBool(ctx, index < array->count);
    atom = JS_ValueToAtom(ctx, argv[1]);
    has = JS_HasProperty(ctx, argv[0], atom);
    JS_FreeAtom(ctx, atom);
    return has < 0 ? JS_EXCEPTION : JS_NewBool(ctx, has);
}

/* set, defineProperty, deleteProperty, preventExtensions, setPrototypeOf: not here. */
static JSValue trap_refuse(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    return JS_ThrowTypeError(ctx, "SharedArray is immutable");
}

/* ownKeys(target) */
static JSValue trap_keys(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct shared_array *array = host_this(ctx, this_val, &handler_class);
    JSValue keys;
    char text[16];

    (void)argc;
    (void)argv;
    if (!array)
        return JS_EXCEPTION;
    keys = JS_NewArray(ctx);
    for (uint32_t i = 0; i < array->count; i++) {
        snprintf(text, sizeof(text), "%u", i);
        JS_DefinePropertyValueUint32(ctx, keys, i, JS_NewString(ctx, text), JS_PROP_C_W_E);
    }
    JS_DefinePropertyValueUint32(ctx, keys, array->count, JS_NewString(ctx, "length"),
                                 JS_PROP_C_W_E);
    return keys;
}

static JSValue descriptor(JSContext *ctx, JSValue value, bool is_element)
{
    JSValue desc = JS_NewObject(ctx);

    if (host_set(ctx, desc, "value", value) == 0 && host_set(ctx, desc, "writable", JS_TRUE) == 0 &&
        host_set(ctx, desc, "enumerable", JS_NewBool(ctx, is_element)) == 0 &&
        host_set(ctx, desc, "configurable", JS_NewBool(ctx, is_element)) == 0)
        return desc;
    JS_FreeValue(ctx, desc);
    return JS_EXCEPTION;
}

/* getOwnPropertyDescriptor(target, key) */
static JSValue trap_descriptor(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    const struct shared_array *array = host_this(ctx, this_val, &handler_class);
    uint32_t index;
    int is_index = argc > 1 ? index_of(ctx, argv[1], &index) : -1;

    if (!array || is_index < 0)
        return JS_EXCEPTION;
    if (is_index > 0 && index < array->count)
        return descriptor(ctx, element_at(ctx, array, index), true);
    if (is_length(ctx, argv[1]))
        return descriptor(ctx, JS_NewUint32(ctx, array->count), false);
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry traps[] = {
    JS_CFUNC_DEF("get", 3, trap_get),
    JS_CFUNC_DEF("has", 2, trap_has),
    JS_CFUNC_DEF("ownKeys", 1, trap_keys),
    JS_CFUNC_DEF("getOwnPropertyDescriptor", 2, trap_descriptor),
    JS_CFUNC_DEF("set", 4, trap_refuse),
    JS_CFUNC_DEF("defineProperty", 3, trap_refuse),
    JS_CFUNC_DEF("deleteProperty", 2, trap_refuse),
    JS_CFUNC_DEF("preventExtensions", 1, trap_refuse),
    JS_CFUNC_DEF("setPrototypeOf", 2, trap_refuse),
};

static struct host_class handler_class = {
    .def = {.class_name = "SharedArrayHandler"},
    .methods = traps,
    .method_count = COUNT_OF(traps),
};

static JSValue proxy_of(JSContext *ctx, struct shared_array *array)
{
    JSValue args[2] = {JS_NewArray(ctx), host_object_new(ctx, &handler_class, array)};
    JSValue global = JS_GetGlobalObject(ctx);
    JSValue constructor = JS_GetPropertyStr(ctx, global, "Proxy");
    JSValue proxy = JS_EXCEPTION;

    if (!JS_IsException(args[0]) && !JS_IsException(args[1]))
        proxy = JS_CallConstructor(ctx, constructor, 2, args);
    JS_FreeValue(ctx, constructor);
    JS_FreeValue(ctx, global);
    JS_FreeValue(ctx, args[0]);
    JS_FreeValue(ctx, args[1]);
    return proxy;
}

JSValue shared_array_get(JSContext *ctx, struct str name, JSValueConst fn)
{
    struct shared_array *array = find_or_make(vu_of(ctx), name, fn);

    return array && host_class_prepare(ctx, &handler_class) == 0 ? proxy_of(ctx, array)
                                                                 : JS_EXCEPTION;
}

static JSValue array_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    JSValueConst fn = host_arg(argc, argv, 1);
    struct shared_array *array;
    JSValue proxy = JS_EXCEPTION;
    char *name;

    (void)new_target;
    if (host_need_init(ctx, "new SharedArray()") < 0)
        return JS_EXCEPTION;
    if (host_is_async(fn))
        return host_throw(ctx, "SharedArray does not support async functions");
    if (!JS_IsString(host_arg(argc, argv, 0)) || !JS_IsFunction(ctx, fn))
        return JS_ThrowTypeError(ctx, "new SharedArray() needs a name and a function");
    name = host_strdup(ctx, argv[0]);
    if (!name)
        return JS_EXCEPTION;
    if (!*name)
        host_throw(ctx, "a SharedArray needs a name");
    else if ((array = find_or_make(vu_of(ctx), str_of(name), fn)))
        proxy = proxy_of(ctx, array);
    mem_free(name);
    return proxy;
}

static struct host_class array_class = {
    .def = {.class_name = "SharedArray"},
    .construct = array_new,
    .construct_length = 2,
};

static int init(JSContext *ctx, JSValueConst ns)
{
    return host_class_add(ctx, ns, &array_class);
}

static struct host_class *const classes[] = {&array_class, &handler_class, NULL};
static const char *const names[] = {"SharedArray", NULL};

const struct host_module mod_data = {
    .name = "k6/data",
    .classes = classes,
    .init = init,
    .names = names,
};
