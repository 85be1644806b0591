/* k6/metrics: Counter, Gauge, Rate, Trend (k6-features.md DAT-06, MET-19).
 *
 * The metric's id in the worker's registry is all that an object holds: it sits in the place of the
 * opaque pointer, plus 1. */
#include <math.h>

#include "base/mem.h"
#include "engine/options.h"
#include "script/internal.h"

enum { CLASS_COUNT = 4 };

static struct host_class *const metric_classes[CLASS_COUNT + 1];

static void *from_id(uint32_t id)
{
    return (void *)((uintptr_t)id + 1);
}

/* The metric of `this`; NULL with a TypeError. */
static const struct metric *metric_of(JSContext *ctx, JSValueConst this_val)
{
    for (struct host_class *const *cls = metric_classes; *cls; cls++) {
        uintptr_t data = (uintptr_t)host_object_data(this_val, *cls);

        if (data)
            return shard_registry(vu_of(ctx)->shard)->metrics[data - 1];
    }
    JS_ThrowTypeError(ctx, "this is not a metric");
    return NULL;
}

static JSValue construct(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv,
                         enum metric_type type)
{
    struct vu *vu = vu_of(ctx);
    bool is_time = argc > 1 && JS_ToBool(ctx, argv[1]) > 0;
    const struct metric *metric;
    struct diag d = DIAG_INIT;
    JSValue result = JS_EXCEPTION;
    char *name;

    if (host_need_init(ctx, "a new metric") < 0)
        return JS_EXCEPTION;
    name = host_strdup(ctx, host_arg(argc, argv, 0));
    if (!name)
        return JS_EXCEPTION;
    if (metric_registry_add(shard_registry(vu->shard), str_of(name), type,
                            is_time ? METRIC_TIME : METRIC_DEFAULT, &metric, &d) < 0)
        host_throw_diag(ctx, &d);
    else
        result = host_object_construct(ctx, new_target, metric_classes[type], from_id(metric->id));
    diag_deinit(&d);
    mem_free(name);
    return result;
}

static JSValue counter_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return construct(ctx, new_target, argc, argv, METRIC_COUNTER);
}

static JSValue gauge_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return construct(ctx, new_target, argc, argv, METRIC_GAUGE);
}

static JSValue rate_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return construct(ctx, new_target, argc, argv, METRIC_RATE);
}

static JSValue trend_new(JSContext *ctx, JSValueConst new_target, int argc, JSValueConst *argv)
{
    return construct(ctx, new_target, argc, argv, METRIC_TREND);
}

/* A wrong value is a warning, or an exception with the option `throw`. */
static JSValue refuse(JSContext *ctx, const struct metric *metric, JSValueConst value)
{
    const struct options *options = vu_of(ctx)->worker->options;
    char *text = host_strdup(ctx, value);
    JSValue result = JS_FALSE;

    if (!text)
        return JS_EXCEPTION;
    if (options && options_bool(options, OPTION_THROW))
        result = host_throw(ctx,
                            "'%s' is an invalid value for metric '%s', a number or a boolean "
                            "value is expected",
                            text, metric->name.ptr);
    else
        host_warn(ctx,
                  "'%s' is an invalid value for metric '%s', a number or a boolean value is "
                  "expected",
                  text, metric->name.ptr);
    mem_free(text);
    return result;
}

static JSValue metric_add(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    const struct metric *metric = metric_of(ctx, this_val);
    JSValueConst arg = host_arg(argc, argv, 0);
    tagset_id tags;
    double value;

    if (!metric || host_need_vu(ctx, "add() of a metric") < 0)
        return JS_EXCEPTION;
    if (host_is_nullish(arg) || JS_IsSymbol(arg))
        return refuse(ctx, metric, JS_IsSymbol(arg) ? JS_UNDEFINED : arg);
    if (host_double(ctx, arg, &value) < 0)
        return JS_EXCEPTION;
    if (isnan(value))
        return refuse(ctx, metric, arg);
    if (host_tags(ctx, host_arg(argc, argv, 1), "add()", vu->tags, &tags) < 0)
        return JS_EXCEPTION;
    vu_sample_tagged(vu, metric->id, tags, value);
    return JS_TRUE;
}

static JSValue metric_name(JSContext *ctx, JSValueConst this_val)
{
    const struct metric *metric = metric_of(ctx, this_val);

    return metric ? host_string(ctx, metric->name) : JS_EXCEPTION;
}

static const JSCFunctionListEntry methods[] = {
    JS_CFUNC_DEF("add", 2, metric_add),
    JS_CGETSET_DEF("name", metric_name, NULL),
};

#define METRIC_CLASS(variable, js_name, new_function)                                              \
    static struct host_class variable = {                                                          \
        .def = {.class_name = js_name},                                                            \
        .methods = methods,                                                                        \
        .method_count = COUNT_OF(methods),                                                         \
        .construct = new_function,                                                                 \
        .construct_length = 2,                                                                     \
    }
METRIC_CLASS(counter_class, "Counter", counter_new);
METRIC_CLASS(gauge_class, "Gauge", gauge_new);
METRIC_CLASS(rate_class, "Rate", rate_new);
METRIC_CLASS(trend_class, "Trend", trend_new);

/* In the order of enum metric_type. */
static struct host_class *const metric_classes[CLASS_COUNT + 1] = {&counter_class, &gauge_class,
                                                                   &rate_class, &trend_class, NULL};

static int init(JSContext *ctx, JSValueConst ns)
{
    for (struct host_class *const *cls = metric_classes; *cls; cls++) {
        if (host_class_add(ctx, ns, *cls) < 0)
            return -1;
    }
    return 0;
}

static const char *const names[] = {"Counter", "Gauge", "Rate", "Trend", NULL};

const struct host_module mod_metrics = {
    .name = "k6/metrics",
    .classes = metric_classes,
    .init = init,
    .names = names,
};
