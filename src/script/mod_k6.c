/* k6: check, group, fail, sleep, randomSeed (k6-features.md TAG-04 to TAG-06, K6M-01). */
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "script/async_groups.h"
#include "script/internal.h"

static bool is_promise(JSContext *ctx, JSValueConst v)
{
    return JS_IsObject(v) && (int)JS_PromiseState(ctx, v) >= 0;
}

static int check_name(JSContext *ctx, struct str name)
{
    if (str_find_str(name, STR("::")) < 0)
        return 0;
    host_throw(ctx, "group and check names may not contain '::': '%.*s'", STR_ARG(name));
    return -1;
}

/* --- check() ------------------------------------------------------------------------------ */

struct check_run {
    struct vu *vu;
    JSValueConst value;
    tagset_id tags;
    bool all;
};

static void count_check(struct check_run *run, struct str name, bool passed)
{
    tagset_id tags = run->tags;

    if (vu_has_system_tag(run->vu, SYSTEM_TAG_CHECK)) {
        tag_id tag = shard_tag(run->vu->shard, STR("check"), name);

        tags = shard_tagset(run->vu->shard, tags, &tag, 1);
    }
    vu_sample_tagged(run->vu, METRIC_CHECKS, tags, passed);
    run->all = run->all && passed;
}

static int run_check(JSContext *ctx, struct str name, JSValueConst predicate, void *arg)
{
    struct check_run *run = arg;
    JSValue result;
    int passed;

    if (check_name(ctx, name) < 0)
        return -1;
    if (host_is_async(predicate) || is_promise(ctx, predicate)) {
        host_throw(ctx,
                   "check() does not support async functions: '%.*s' (await what it needs first, "
                   "then check the value)",
                   STR_ARG(name));
        return -1;
    }
    if (!JS_IsFunction(ctx, predicate)) {
        passed = JS_ToBool(ctx, predicate);
        count_check(run, name, passed > 0);
        return passed < 0 ? -1 : 0;
    }
    result = JS_Call(ctx, predicate, JS_UNDEFINED, 1, &run->value);
    if (is_promise(ctx, result)) {
        JS_FreeValue(ctx, result);
        result =
            host_throw(ctx,
                       "check() does not support promises: '%.*s' (await it first, then check the "
                       "value)",
                       STR_ARG(name));
    }
    passed = JS_IsException(result) ? -1 : JS_ToBool(ctx, result);
    JS_FreeValue(ctx, result);
    count_check(run, name, passed > 0);
    return passed < 0 ? -1 : 0;
}

static JSValue k6_check(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    struct check_run run = {.vu = vu, .value = host_arg(argc, argv, 0), .all = true};

    (void)this_val;
    if (host_need_vu(ctx, "check()") < 0)
        return JS_EXCEPTION;
    if (is_promise(ctx, run.value))
        host_warn(ctx, "check() was given a promise, not what comes of it: await it first");
    if (!JS_IsObject(host_arg(argc, argv, 1)))
        return JS_ThrowTypeError(ctx, "check() needs an object of named checks");
    if (host_tags(ctx, host_arg(argc, argv, 2), "check()", vu->tags, &run.tags) < 0 ||
        host_each(ctx, argv[1], run_check, &run) < 0)
        return JS_EXCEPTION;
    return JS_NewBool(ctx, run.all);
}

/* --- group() ------------------------------------------------------------------------------ */

static void set_group(struct vu *vu, struct str path)
{
    tag_id tag;

    if (!vu_has_system_tag(vu, SYSTEM_TAG_GROUP))
        return;
    tag = shard_tag(vu->shard, STR("group"), path);
    vu->tags = shard_tagset(vu->shard, vu->tags, &tag, 1);
}

static void enter_group(struct vu *vu, struct str path)
{
    if (async_groups_are_on(vu))
        async_groups_enter(vu, path);
    else
        set_group(vu, path);
}

/* The end of an async function: `data` has its group's tags and when it began. */
static JSValue end_async_group(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                               int failed, JSValue *data)
{
    JSValue value = JS_DupValue(ctx, host_arg(argc, argv, 0));
    int64_t tags;
    int64_t start;

    (void)this_val;
    if (JS_ToInt64(ctx, &tags, data[0]) == 0 && JS_ToInt64(ctx, &start, data[1]) == 0)
        vu_sample_tagged(vu_of(ctx), METRIC_GROUP_DURATION, (tagset_id)tags,
                         nsec_to_ms(clock_now() - start));
    return failed ? JS_Throw(ctx, value) : value;
}

/* A promise that settles as `running` (taken) does, once the group is measured. */
static JSValue when_done(JSContext *ctx, JSValue running, tagset_id tags, int64_t start)
{
    JSValue data[2] = {JS_NewInt64(ctx, tags), JS_NewInt64(ctx, start)};
    JSValue handlers[2] = {JS_NewCFunctionData(ctx, end_async_group, 1, 0, 2, data),
                           JS_NewCFunctionData(ctx, end_async_group, 1, 1, 2, data)};
    JSAtom then = JS_NewAtom(ctx, "then");
    JSValue promise = JS_Invoke(ctx, running, then, 2, handlers);

    JS_FreeAtom(ctx, then);
    JS_FreeValue(ctx, handlers[0]);
    JS_FreeValue(ctx, handlers[1]);
    JS_FreeValue(ctx, running);
    return promise;
}

static JSValue run_group(JSContext *ctx, struct str name, JSValueConst fn)
{
    struct vu *vu = vu_of(ctx);
    struct str outer = shard_tagset_get(vu->shard, vu->tags, STR("group")); /* for its life */
    struct buf path = BUF_INIT(64 * 1024);
    bool is_async = host_is_async(fn);
    tagset_id tags;
    int64_t start;
    JSValue result;

    if (is_async && vu_has_system_tag(vu, SYSTEM_TAG_GROUP) && async_groups_on(vu) < 0)
        return JS_EXCEPTION;
    buf_append_str(&path, outer);
    buf_append_c(&path, "::");
    buf_append_str(&path, name);
    enter_group(vu, buf_str(&path));
    buf_deinit(&path);
    tags = vu->tags;
    start = clock_now();
    result = JS_Call(ctx, fn, JS_UNDEFINED, 0, NULL);
    if (!is_async)
        vu_sample(vu, METRIC_GROUP_DURATION, nsec_to_ms(clock_now() - start));
    enter_group(vu, outer);
    return is_async && !JS_IsException(result) ? when_done(ctx, result, tags, start) : result;
}

static JSValue k6_group(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValueConst fn = host_arg(argc, argv, 1);
    JSValue result = JS_EXCEPTION;
    char *name;

    (void)this_val;
    if (host_need_vu(ctx, "group()") < 0)
        return JS_EXCEPTION;
    if (!JS_IsFunction(ctx, fn))
        return JS_ThrowTypeError(ctx, "group() needs a name and a function");
    name = host_strdup(ctx, argv[0]);
    if (!name)
        return JS_EXCEPTION;
    if (check_name(ctx, str_of(name)) == 0)
        result = run_group(ctx, str_of(name), fn);
    mem_free(name);
    return result;
}

/* --- the rest ----------------------------------------------------------------------------- */

static JSValue k6_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    char *text;

    (void)this_val;
    if (JS_IsUndefined(host_arg(argc, argv, 0)))
        return host_throw(ctx, "fail() was called");
    text = host_strdup(ctx, argv[0]);
    if (text)
        host_throw(ctx, "%s", text);
    mem_free(text);
    return JS_EXCEPTION;
}

static int64_t saturated_add(int64_t a, int64_t b)
{
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

static JSValue k6_sleep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    double seconds;

    (void)this_val;
    if (host_double(ctx, host_arg(argc, argv, 0), &seconds) < 0)
        return JS_EXCEPTION;
    if (!(seconds > 0))
        return JS_UNDEFINED;
    if (host_sleep_until(ctx, saturated_add(clock_now(), nsec_from_sec(seconds))) < 0)
        return JS_EXCEPTION;
    return JS_UNDEFINED;
}

static JSValue seeded_random(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    return JS_NewFloat64(ctx, rng_unit(&vu_of(ctx)->rng));
}

/* From here on Math.random() of this VU is ours, which can be seeded. */
static JSValue k6_random_seed(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue global;
    JSValue math;
    int64_t seed;
    int err;

    (void)this_val;
    if (host_int64(ctx, host_arg(argc, argv, 0), &seed) < 0)
        return JS_EXCEPTION;
    rng_seed(&vu_of(ctx)->rng, (uint64_t)seed);
    global = JS_GetGlobalObject(ctx);
    math = JS_GetPropertyStr(ctx, global, "Math");
    err = JS_DefinePropertyValueStr(ctx, math, "random",
                                    JS_NewCFunction(ctx, seeded_random, "random", 0),
                                    JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JS_FreeValue(ctx, math);
    JS_FreeValue(ctx, global);
    return err < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("check", 3, k6_check), JS_CFUNC_DEF("fail", 1, k6_fail),
    JS_CFUNC_DEF("group", 2, k6_group), JS_CFUNC_DEF("randomSeed", 1, k6_random_seed),
    JS_CFUNC_DEF("sleep", 1, k6_sleep),
};

const struct host_module mod_k6 = {
    .name = "k6",
    .functions = functions,
    .function_count = COUNT_OF(functions),
};
