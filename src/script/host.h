/* What every mod_*.c binds with: modules and classes as tables, conversions, errors, guards.
 *
 * A module is a `const struct host_module mod_x` in mod_x.c and a line MODULE(x) in modules.def.
 * It is instantiated in a VU when a script of that VU first imports it; its default export is the
 * namespace object, its named exports are the object's properties.
 *
 * Conventions of QuickJS hold: a JSValue returned is owned by the caller; functions that take a
 * JSValueConst borrow it; on failure an exception is pending and -1 or JS_EXCEPTION comes back. */
#ifndef SCRIPT_HOST_H
#define SCRIPT_HOST_H

#include <quickjs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"
#include "script/vu.h"

/* --- modules and classes ------------------------------------------------------------------ */

/* A class with native data (JS_SetOpaque, JS_GetOpaque with .id). `id` is given once, before any
 * thread starts, to every class that a module lists. */
struct host_class {
    JSClassID id;
    JSClassDef def;                      /* class_name, finalizer, gc_mark, ... */
    const JSCFunctionListEntry *methods; /* of the prototype */
    int method_count;
    JSCFunction *construct; /* `new X(...)`: this_val is new.target; NULL: not for scripts */
    int construct_length;
};

struct host_module {
    const char *name;                      /* "k6/http"; NULL: nothing to import (globals only) */
    const JSCFunctionListEntry *functions; /* properties of the namespace object */
    int function_count;
    struct host_class *const *classes; /* NULL-terminated, or NULL */
    /* Adds to the namespace object what the table cannot say: classes (host_class_add), objects.
     * Runs in the VU that imports the module. NULL: nothing. */
    int (*init)(JSContext *ctx, JSValueConst ns);
    const char *const *names; /* NULL-terminated: what init adds, for named imports; or NULL */
    /* Adds globals; in every VU, before the script: keep it cheap (lazy table entries). */
    int (*globals)(JSContext *ctx, JSValueConst global);

    /* Life of a worker and of a VU; each may be NULL. worker_init runs before the first VU. */
    int (*worker_init)(struct script_worker *worker, struct diag *d);
    void (*worker_deinit)(struct script_worker *worker);
    void (*iteration_begin)(struct vu *vu); /* cookies are reset here */
    void (*iteration_end)(struct vu *vu);   /* after the last JavaScript of it; may YIELD */
    void (*vu_free)(struct vu *vu);         /* before its runtime goes */
};

#define MODULE(name) extern const struct host_module mod_##name;
#include "script/modules.def"
#undef MODULE

/* Registers the class in this VU (once) and makes its prototype. */
MUST_USE int host_class_prepare(JSContext *ctx, struct host_class *cls);
/* As above, and adds the constructor to `ns` under the class's name. */
MUST_USE int host_class_add(JSContext *ctx, JSValueConst ns, struct host_class *cls);
/* An object of the class that owns `data`, which its finalizer frees. On failure (memory limit)
 * JS_EXCEPTION, and `data` stays the caller's. */
MUST_USE JSValue host_object_new(JSContext *ctx, struct host_class *cls, void *data);
/* As above in a constructor: honours `new_target`'s prototype (class X extends Counter). */
MUST_USE JSValue host_object_construct(JSContext *ctx, JSValueConst new_target,
                                       struct host_class *cls, void *data);
/* The data of `v`; NULL when it is no object of the class (no exception). */
void *host_object_data(JSValueConst v, const struct host_class *cls);
/* As above, with a TypeError that names the class. */
void *host_this(JSContext *ctx, JSValueConst this_val, const struct host_class *cls);

/* --- errors ------------------------------------------------------------------------------- */

/* Throws an Error with that message. Always returns JS_EXCEPTION. */
JSValue host_throw(JSContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A ReferenceError: of names and modules that are not there. */
JSValue host_throw_reference(JSContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "what: text of err", with `code` set to k6's error code when it has one. */
JSValue host_throw_err(JSContext *ctx, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The message of `d`. */
JSValue host_throw_diag(JSContext *ctx, const struct diag *d);
/* What ends an iteration when it was interrupted in a parking call: not catchable by the script. */
JSValue host_throw_interrupted(JSContext *ctx);
/* An Error that the script cannot catch: it ends the iteration. */
JSValue host_throw_uncatchable(JSContext *ctx, const char *text);
/* An Error object with that message, not thrown (to reject a promise with). */
JSValue host_error(JSContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Guards: 0, or -1 with an exception that says where `what` may be used.
 *     if (host_need_init(ctx, "new Counter()") < 0) return JS_EXCEPTION; */
MUST_USE int host_need_init(JSContext *ctx, const char *what); /* init context only */
MUST_USE int host_need_vu(JSContext *ctx, const char *what);   /* not in the init context */

/* For C that recurses over a script's values: 0, or -1 with an exception when the stack is nearly
 * used up (QuickJS checks its own recursion only). */
MUST_USE int host_check_stack(JSContext *ctx);

/* A "warning" line of the script's log, source=script... `fmt` as printf. */
void host_warn(JSContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* --- values in ---------------------------------------------------------------------------- */

static inline bool host_is_nullish(JSValueConst v)
{
    return JS_IsUndefined(v) || JS_IsNull(v);
}

/* Whether it is an async function (which k6's callbacks may not be). */
bool host_is_async(JSValueConst v);

/* argv[i], or undefined. */
static inline JSValueConst host_arg(int argc, JSValueConst *argv, int i)
{
    return i < argc ? argv[i] : JS_UNDEFINED;
}

/* UTF-8 of a value (converted as String(v) does), copied into the iteration's arena; ptr is
 * NUL-terminated. Lone surrogates become U+FFFD. */
MUST_USE int host_str(JSContext *ctx, JSValueConst v, struct str *out);
/* The same on the heap; free it with mem_free. NULL: exception. */
MUST_USE char *host_strdup(JSContext *ctx, JSValueConst v);

/* Bytes of a string (as UTF-8), ArrayBuffer, typed array or DataView: valid until
 * host_bytes_release, and only while no JavaScript runs and the fiber does not park. */
struct host_bytes {
    const uint8_t *ptr;
    size_t len;
    bool is_text; /* it was a string */
    const char *_text;
};
MUST_USE int host_bytes(JSContext *ctx, JSValueConst v, struct host_bytes *out);
void host_bytes_release(JSContext *ctx, struct host_bytes *bytes);
/* Whether it is an ArrayBuffer, typed array or DataView. */
bool host_is_binary(JSContext *ctx, JSValueConst v);
/* As host_bytes, copied into the iteration's arena. */
MUST_USE int host_bytes_copy(JSContext *ctx, JSValueConst v, struct str *out);

/* A duration: text ('1m30s') or a number of milliseconds. TypeError that names `what` otherwise. */
MUST_USE int host_duration(JSContext *ctx, JSValueConst v, const char *what, int64_t *nsec);

MUST_USE int host_double(JSContext *ctx, JSValueConst v, double *out);
MUST_USE int host_int64(JSContext *ctx, JSValueConst v, int64_t *out); /* truncated, clamped */

/* `base` with the tags of an object ({k: string | number | boolean}) added; null and undefined add
 * none. Other values are a TypeError that names `what` ("check()", ...). */
MUST_USE int host_tags(JSContext *ctx, JSValueConst object, const char *what, tagset_id base,
                       tagset_id *out);

/* A property; JS_EXCEPTION when a getter threw. Free it. */
static inline JSValue host_get(JSContext *ctx, JSValueConst object, const char *name)
{
    return JS_GetPropertyStr(ctx, object, name);
}
/* ToBoolean of a property; false when it is missing. -1: exception. */
MUST_USE int host_get_bool(JSContext *ctx, JSValueConst object, const char *name, bool def);

/* Calls fn for each own enumerable string-keyed property, in order; stops when it returns < 0 and
 * returns that. `key` is valid during the call. */
MUST_USE int host_each(JSContext *ctx, JSValueConst object,
                       int (*fn)(JSContext *ctx, struct str key, JSValueConst value, void *arg),
                       void *arg);
/* Length of an array-like; -1: exception. */
MUST_USE int64_t host_length(JSContext *ctx, JSValueConst object);

/* --- values out --------------------------------------------------------------------------- */

static inline JSValue host_string(JSContext *ctx, struct str s)
{
    return JS_NewStringLen(ctx, s.ptr ? s.ptr : "", s.len);
}
/* An ArrayBuffer with a copy, or one that takes `data` (from mem_alloc) over, also on failure. */
MUST_USE JSValue host_array_buffer(JSContext *ctx, struct str bytes);
MUST_USE JSValue host_array_buffer_take(JSContext *ctx, void *data, size_t len);
MUST_USE JSValue host_uint8_array(JSContext *ctx, struct str bytes);

/* object[name] = value (taken, also on failure). -1: exception. */
MUST_USE int host_set(JSContext *ctx, JSValueConst object, const char *name, JSValue value);
MUST_USE int host_set_str(JSContext *ctx, JSValueConst object, const char *name, struct str value);
/* object[key] = value with a key that is data (own property, even "__proto__"). */
MUST_USE int host_set_key(JSContext *ctx, JSValueConst object, struct str key, JSValue value);

/* --- calls -------------------------------------------------------------------------------- */

/* Sleeps on the VU's fiber. 0, or -1 with the exception of an interrupted iteration. */
MUST_USE YIELDS int host_sleep_until(JSContext *ctx, int64_t deadline);
/* The same, but fiber_wake(vu->fiber) ends it early. */
MUST_USE YIELDS int host_park_until(JSContext *ctx, int64_t deadline);

/* Text of the pending exception, "Error: boom\n\tat f (file:///x.js:1:2)\n": heap; clears it. */
char *host_exception_text(JSContext *ctx);

#endif
