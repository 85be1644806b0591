/* Modules and classes that are tables: how mod_*.c become importable. */
#include <string.h>

#include "base/ensure.h"
#include "base/mem.h"
#include "script/internal.h"

const struct host_module *const host_modules[] = {
#define MODULE(name) &mod_##name,
#include "script/modules.def"
#undef MODULE
};
const size_t host_module_count = COUNT_OF(host_modules);

static JSClassID async_class; /* QuickJS's own number, the same in every runtime */

static void find_async_class(void)
{
    static const char text[] = "(async function () {})";
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(rt);
    JSValue fn = JS_Eval(ctx, text, sizeof(text) - 1, "async", JS_EVAL_TYPE_GLOBAL);

    async_class = JS_GetClassID(fn);
    JS_FreeValue(ctx, fn);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
}

bool host_is_async(JSValueConst v)
{
    return JS_IsObject(v) && JS_GetClassID(v) == async_class;
}

void host_prepare(void)
{
    if (async_class == 0)
        find_async_class();
    for (size_t i = 0; i < host_module_count; i++) {
        struct host_class *const *classes = host_modules[i]->classes;

        for (; classes && *classes; classes++)
            JS_NewClassID(&(*classes)->id);
    }
    JS_NewClassID(&globals_class.id);
}

const struct host_module *host_module_find(struct str name)
{
    for (size_t i = 0; i < host_module_count; i++) {
        if (host_modules[i]->name && str_eq_c(name, host_modules[i]->name))
            return host_modules[i];
    }
    return NULL;
}

/* --- classes ------------------------------------------------------------------------------ */

static bool has_proto(JSContext *ctx, const struct host_class *cls)
{
    JSValue proto = JS_GetClassProto(ctx, cls->id);
    bool has = JS_IsObject(proto);

    JS_FreeValue(ctx, proto);
    return has;
}

int host_class_prepare(JSContext *ctx, struct host_class *cls)
{
    JSRuntime *rt = JS_GetRuntime(ctx);
    JSValue proto;

    ensure(cls->id != 0);
    if (JS_IsRegisteredClass(rt, cls->id) && has_proto(ctx, cls))
        return 0;
    if (!JS_IsRegisteredClass(rt, cls->id) && JS_NewClass(rt, cls->id, &cls->def) < 0)
        return -1;
    proto = JS_NewObject(ctx);
    if (JS_IsException(proto))
        return -1;
    if (cls->method_count > 0)
        JS_SetPropertyFunctionList(ctx, proto, cls->methods, cls->method_count);
    JS_SetClassProto(ctx, cls->id, proto);
    return 0;
}

int host_class_add(JSContext *ctx, JSValueConst ns, struct host_class *cls)
{
    JSValue proto;
    JSValue constructor;

    if (host_class_prepare(ctx, cls) < 0)
        return -1;
    ensure(cls->construct);
    constructor = JS_NewCFunction2(ctx, cls->construct, cls->def.class_name, cls->construct_length,
                                   JS_CFUNC_constructor, 0);
    if (JS_IsException(constructor))
        return -1;
    proto = JS_GetClassProto(ctx, cls->id);
    JS_SetConstructor(ctx, constructor, proto);
    JS_FreeValue(ctx, proto);
    return host_set(ctx, ns, cls->def.class_name, constructor);
}

JSValue host_object_new(JSContext *ctx, struct host_class *cls, void *data)
{
    JSValue object;

    if (host_class_prepare(ctx, cls) < 0)
        return JS_EXCEPTION;
    object = JS_NewObjectClass(ctx, (int)cls->id);
    if (!JS_IsException(object))
        JS_SetOpaque(object, data);
    return object;
}

JSValue host_object_construct(JSContext *ctx, JSValueConst new_target, struct host_class *cls,
                              void *data)
{
    JSValue proto;
    JSValue object;

    if (host_class_prepare(ctx, cls) < 0)
        return JS_EXCEPTION;
    proto = JS_GetPropertyStr(ctx, new_target, "prototype");
    if (JS_IsException(proto))
        return proto;
    object = JS_NewObjectProtoClass(ctx, proto, cls->id);
    JS_FreeValue(ctx, proto);
    if (!JS_IsException(object))
        JS_SetOpaque(object, data);
    return object;
}

void *host_object_data(JSValueConst v, const struct host_class *cls)
{
    return cls->id ? JS_GetOpaque(v, cls->id) : NULL;
}

void *host_this(JSContext *ctx, JSValueConst this_val, const struct host_class *cls)
{
    void *data = host_object_data(this_val, cls);

    if (!data)
        JS_ThrowTypeError(ctx, "this is not a %s", cls->def.class_name);
    return data;
}

/* --- modules ------------------------------------------------------------------------------ */

static JSValue make_namespace(JSContext *ctx, const struct host_module *module)
{
    JSValue ns = JS_NewObject(ctx);

    if (JS_IsException(ns))
        return ns;
    if (module->function_count > 0)
        JS_SetPropertyFunctionList(ctx, ns, module->functions, module->function_count);
    for (int i = 0; i < module->function_count; i++) {
        /* Functions of a table are not enumerable, as befits a prototype; a namespace's are. */
        JSAtom atom = JS_NewAtom(ctx, module->functions[i].name);
        JSValue value = JS_GetProperty(ctx, ns, atom);

        JS_DefinePropertyValue(ctx, ns, atom, value, JS_PROP_C_W_E);
        JS_FreeAtom(ctx, atom);
    }
    if (module->init && module->init(ctx, ns) < 0) {
        JS_FreeValue(ctx, ns);
        return JS_EXCEPTION;
    }
    return ns;
}

JSValue host_module_namespace(JSContext *ctx, const struct host_module *module)
{
    struct vu_private *p = vu_of(ctx)->_private;
    JSValue ns;

    for (size_t i = 0; i < p->builtin_count; i++) {
        if (p->builtins[i].module == module)
            return JS_DupValue(ctx, p->builtins[i].ns);
    }
    ns = make_namespace(ctx, module);
    if (JS_IsException(ns))
        return ns;
    p->builtins = mem_reallocarray(p->builtins, p->builtin_count + 1, sizeof(p->builtins[0]));
    p->builtins[p->builtin_count++] = (struct builtin_module){module, JS_DupValue(ctx, ns)};
    return ns;
}

static int export_name(JSContext *ctx, JSModuleDef *m, JSValueConst ns, const char *name)
{
    JSValue value = JS_GetPropertyStr(ctx, ns, name);

    if (JS_IsException(value))
        return -1;
    return JS_SetModuleExport(ctx, m, name, value);
}

/* QuickJS calls it when the module is evaluated. */
static int init_module(JSContext *ctx, JSModuleDef *m)
{
    JSAtom atom = JS_GetModuleName(ctx, m);
    const char *name = JS_AtomToCString(ctx, atom);
    const struct host_module *module = host_module_find(str_of(name));
    JSValue ns;
    int err = 0;

    JS_FreeCString(ctx, name);
    JS_FreeAtom(ctx, atom);
    ensure(module);
    ns = host_module_namespace(ctx, module);
    if (JS_IsException(ns))
        return -1;
    for (int i = 0; err == 0 && i < module->function_count; i++)
        err = export_name(ctx, m, ns, module->functions[i].name);
    for (const char *const *n = module->names; err == 0 && n && *n; n++)
        err = export_name(ctx, m, ns, *n);
    if (err == 0)
        return JS_SetModuleExport(ctx, m, "default", ns);
    JS_FreeValue(ctx, ns);
    return -1;
}

JSModuleDef *host_module_load(JSContext *ctx, const struct host_module *module)
{
    JSModuleDef *m = JS_NewCModule(ctx, module->name, init_module);

    if (!m)
        return NULL;
    JS_AddModuleExport(ctx, m, "default");
    for (int i = 0; i < module->function_count; i++)
        JS_AddModuleExport(ctx, m, module->functions[i].name);
    for (const char *const *n = module->names; n && *n; n++)
        JS_AddModuleExport(ctx, m, *n);
    return m;
}
