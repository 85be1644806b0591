/* k6/execution: scenario, instance, vu, test (k6-features.md DAT-02 to DAT-05).
 *
 * Everything is read when it is asked for. vu.tags and vu.metrics.tags are one object whose
 * properties are the VU's tags; vu.metrics.metadata is one whose properties are kept with samples
 * but make no series. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/run_state.h"
#include "engine/scenario.h"
#include "script/internal.h"

/* Getters that Object.keys() and JSON.stringify() see, as k6's; QuickJS's own macros hide theirs.
 */
#define GETTER(text, function)                                                                     \
    {                                                                                              \
        .name = (text), .prop_flags = JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE,                   \
        .def_type = JS_DEF_CGETSET, .u.getset.get.getter = (function)                              \
    }
#define NUMBERED(text, function, number)                                                           \
    {                                                                                              \
        .name = (text), .prop_flags = JS_PROP_CONFIGURABLE | JS_PROP_ENUMERABLE,                   \
        .def_type = JS_DEF_CGETSET_MAGIC, .magic = (number),                                       \
        .u.getset.get.getter_magic = (function)                                                    \
    }

/* --- guards ------------------------------------------------------------------------------- */

static struct vu *need_scenario(JSContext *ctx)
{
    struct vu *vu = vu_of(ctx);

    if (vu->scenario)
        return vu;
    host_throw(ctx, "getting scenario information outside of the VU context is not supported");
    return NULL;
}

static struct vu *need_run(JSContext *ctx, const char *what)
{
    struct vu *vu = vu_of(ctx);

    if (vu->phase != VU_INIT && vu->worker->env->run)
        return vu;
    host_throw(ctx, "getting %s information in the init context is not supported", what);
    return NULL;
}

/* --- scenario ----------------------------------------------------------------------------- */

static JSValue scenario_text(JSContext *ctx, JSValueConst this_val, int want_executor)
{
    const struct vu *vu = need_scenario(ctx);

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    return JS_NewString(ctx,
                        want_executor ? executor_name(vu->scenario->kind) : vu->scenario->name);
}

static JSValue scenario_start(JSContext *ctx, JSValueConst this_val)
{
    const struct vu *vu = need_scenario(ctx);
    int64_t wall;

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    wall = vu->worker->env->run ? run_state_scenario_start_wall(vu->worker->env->run, vu->scenario)
                                : 0;
    return JS_NewInt64(ctx, wall / NSEC_PER_MSEC);
}

static JSValue scenario_progress(JSContext *ctx, JSValueConst this_val)
{
    const struct vu *vu = need_scenario(ctx);

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    if (!vu->worker->env->run)
        return JS_NewInt32(ctx, 0);
    return JS_NewFloat64(
        ctx, run_state_scenario_progress(vu->worker->env->run, vu->scenario, clock_now()));
}

static JSValue scenario_iteration(JSContext *ctx, JSValueConst this_val, int in_test)
{
    const struct vu *vu = need_scenario(ctx);

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    return JS_NewInt64(ctx, (int64_t)(in_test ? vu->iteration.in_test : vu->iteration.in_instance));
}

static const JSCFunctionListEntry scenario_properties[] = {
    NUMBERED("name", scenario_text, 0),
    NUMBERED("executor", scenario_text, 1),
    GETTER("startTime", scenario_start),
    GETTER("progress", scenario_progress),
    NUMBERED("iterationInInstance", scenario_iteration, 0),
    NUMBERED("iterationInTest", scenario_iteration, 1),
};

/* --- instance ----------------------------------------------------------------------------- */

enum instance_number { INTERRUPTED, COMPLETED, ACTIVE, INITIALISED, DURATION };

static JSValue instance_number(JSContext *ctx, JSValueConst this_val, int which)
{
    struct vu *vu = need_run(ctx, "instance");
    const struct run_state *run;

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    run = vu->worker->env->run;
    switch ((enum instance_number)which) {
    case INTERRUPTED:
        return JS_NewInt64(ctx, (int64_t)run_state_interrupted(run));
    case COMPLETED:
        return JS_NewInt64(ctx, (int64_t)run_state_completed(run));
    case ACTIVE:
        return JS_NewInt64(ctx, (int64_t)run_state_vus_active(run));
    case INITIALISED:
        return JS_NewInt64(ctx, (int64_t)run_state_vus_initialised(run));
    case DURATION:
        return JS_NewFloat64(ctx, nsec_to_ms(run_state_duration(run, clock_now())));
    }
    return JS_UNDEFINED;
}

static const JSCFunctionListEntry instance_properties[] = {
    NUMBERED("iterationsInterrupted", instance_number, INTERRUPTED),
    NUMBERED("iterationsCompleted", instance_number, COMPLETED),
    NUMBERED("vusActive", instance_number, ACTIVE),
    NUMBERED("vusInitialized", instance_number, INITIALISED),
    NUMBERED("currentTestRunDuration", instance_number, DURATION),
};

/* --- tags and metadata -------------------------------------------------------------------- */

/* Text of a value that may become a tag: 1 and heap text in *out; 0 when it may not (a warning was
 * given); -1: exception. */
static int tag_text(JSContext *ctx, JSValueConst value, const char *what, struct str key,
                    char **out)
{
    const struct options *options = vu_of(ctx)->worker->options;

    if (JS_IsString(value) || JS_IsNumber(value) || JS_IsBool(value)) {
        *out = host_strdup(ctx, value);
        return *out ? 1 : -1;
    }
    if (options && options_bool(options, OPTION_THROW)) {
        JS_ThrowTypeError(ctx,
                          "%s '%.*s': only String, Boolean and Number types are accepted as a "
                          "value",
                          what, STR_ARG(key));
        return -1;
    }
    host_warn(ctx, "%s '%.*s': only String, Boolean and Number types are accepted as a value", what,
              STR_ARG(key));
    return 0;
}

static void set_tag(struct vu *vu, struct str key, const char *text)
{
    tag_id tag = shard_tag(vu->shard, key, str_of(text));

    vu->tags = shard_tagset(vu->shard, vu->tags, &tag, 1);
}

static void set_metadata(struct vu *vu, struct str key, const char *text)
{
    struct vu_private *p = vu->_private;

    if (!p->metadata) {
        p->metadata = mem_zalloc(sizeof(*p->metadata));
        map_init(p->metadata);
    }
    mem_free(map_set(p->metadata, key, mem_strdup(text)));
}

struct key_list {
    JSContext *ctx;
    JSPropertyEnum *names;
    uint32_t count;
    bool failed;
};

static void add_key(void *arg, struct str key, struct str value)
{
    struct key_list *list = arg;
    JSPropertyEnum *grown;

    (void)value;
    grown = js_realloc(list->ctx, list->names, (list->count + 1) * sizeof(*grown));
    if (!grown) {
        list->failed = true;
        return;
    }
    list->names = grown;
    list->names[list->count++] =
        (JSPropertyEnum){.is_enumerable = 1, .atom = JS_NewAtomLen(list->ctx, key.ptr, key.len)};
}

static int take_keys(struct key_list *list, JSPropertyEnum **names, uint32_t *count)
{
    if (list->failed) {
        for (uint32_t i = 0; i < list->count; i++)
            JS_FreeAtom(list->ctx, list->names[i].atom);
        js_free(list->ctx, list->names);
        return -1;
    }
    *names = list->names;
    *count = list->count;
    return 0;
}

static int tags_keys(JSContext *ctx, JSPropertyEnum **names, uint32_t *count, JSValueConst object)
{
    struct key_list list = {.ctx = ctx};

    (void)object;
    shard_tagset_each(vu_of(ctx)->shard, vu_of(ctx)->tags, add_key, &list);
    return take_keys(&list, names, count);
}

static int metadata_keys(JSContext *ctx, JSPropertyEnum **names, uint32_t *count,
                         JSValueConst object)
{
    struct key_list list = {.ctx = ctx};
    const struct map *all = vu_of(ctx)->_private->metadata;

    (void)object;
    for (struct map_entry *e = all ? map_first(all) : NULL; e; e = map_next(all, e))
        add_key(&list, e->key, (struct str){NULL, 0});
    return take_keys(&list, names, count);
}

static struct str tags_find(struct vu *vu, struct str key)
{
    return shard_tagset_get(vu->shard, vu->tags, key);
}

static struct str metadata_find(struct vu *vu, struct str key)
{
    const char *text = vu->_private->metadata ? map_get(vu->_private->metadata, key) : NULL;

    return str_of(text);
}

static int get_own(JSContext *ctx, JSPropertyDescriptor *desc, JSAtom prop,
                   struct str (*find)(struct vu *vu, struct str key))
{
    const char *key = JS_AtomToCString(ctx, prop);
    struct str value;

    if (!key)
        return -1;
    value = find(vu_of(ctx), str_of(key));
    JS_FreeCString(ctx, key);
    if (!value.ptr)
        return 0;
    if (!desc)
        return 1;
    desc->flags = JS_PROP_C_W_E;
    desc->getter = desc->setter = JS_UNDEFINED;
    desc->value = host_string(ctx, value);
    return JS_IsException(desc->value) ? -1 : 1;
}

static int define(JSContext *ctx, JSAtom prop, JSValueConst value, const char *what,
                  void (*set)(struct vu *vu, struct str key, const char *text))
{
    const char *key = JS_AtomToCString(ctx, prop);
    char *text = NULL;
    int is_ok;

    if (!key)
        return -1;
    is_ok = tag_text(ctx, value, what, str_of(key), &text);
    if (is_ok > 0)
        set(vu_of(ctx), str_of(key), text);
    mem_free(text);
    JS_FreeCString(ctx, key);
    return is_ok < 0 ? -1 : 1;
}

static int tags_get(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object, JSAtom prop)
{
    (void)object;
    return get_own(ctx, desc, prop, tags_find);
}

static int metadata_get(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst object,
                        JSAtom prop)
{
    (void)object;
    return get_own(ctx, desc, prop, metadata_find);
}

static int tags_set(JSContext *ctx, JSValueConst object, JSAtom prop, JSValueConst value,
                    JSValueConst receiver, int flags)
{
    (void)object;
    (void)receiver;
    (void)flags;
    return define(ctx, prop, value, "tag", set_tag);
}

static int metadata_set(JSContext *ctx, JSValueConst object, JSAtom prop, JSValueConst value,
                        JSValueConst receiver, int flags)
{
    (void)object;
    (void)receiver;
    (void)flags;
    return define(ctx, prop, value, "metadata", set_metadata);
}

static int tags_delete(JSContext *ctx, JSValueConst object, JSAtom prop)
{
    const char *key = JS_AtomToCString(ctx, prop);
    struct vu *vu = vu_of(ctx);

    (void)object;
    if (!key)
        return -1;
    vu->tags = shard_tagset_without(vu->shard, vu->tags, str_of(key));
    JS_FreeCString(ctx, key);
    return 1;
}

static int metadata_delete(JSContext *ctx, JSValueConst object, JSAtom prop)
{
    const char *key = JS_AtomToCString(ctx, prop);
    struct map *all = vu_of(ctx)->_private->metadata;

    (void)object;
    if (!key)
        return -1;
    if (all)
        mem_free(map_remove(all, str_of(key)));
    JS_FreeCString(ctx, key);
    return 1;
}

static JSClassExoticMethods tags_methods = {
    .get_own_property = tags_get,
    .get_own_property_names = tags_keys,
    .set_property = tags_set,
    .delete_property = tags_delete,
};
static JSClassExoticMethods metadata_methods = {
    .get_own_property = metadata_get,
    .get_own_property_names = metadata_keys,
    .set_property = metadata_set,
    .delete_property = metadata_delete,
};

static struct host_class tags_class = {.def = {.class_name = "Tags", .exotic = &tags_methods}};
static struct host_class metadata_class = {
    .def = {.class_name = "Metadata", .exotic = &metadata_methods}};

/* --- vu ----------------------------------------------------------------------------------- */

enum vu_number { ID, ID_IN_TEST, ITERATION_IN_INSTANCE, ITERATION_IN_SCENARIO };

static JSValue vu_number(JSContext *ctx, JSValueConst this_val, int which)
{
    struct vu *vu = need_run(ctx, "VU");

    (void)this_val;
    if (!vu)
        return JS_EXCEPTION;
    switch ((enum vu_number)which) {
    case ID:
        return JS_NewInt64(ctx, (int64_t)vu->id);
    case ID_IN_TEST:
        return JS_NewInt64(ctx, (int64_t)vu->id_in_test);
    case ITERATION_IN_INSTANCE:
        return JS_NewInt64(ctx, (int64_t)vu->iteration_count);
    case ITERATION_IN_SCENARIO:
        if (!need_scenario(ctx))
            return JS_EXCEPTION;
        return JS_NewInt64(ctx, (int64_t)vu->iteration.in_scenario_vu);
    }
    return JS_UNDEFINED;
}

static JSValue vu_tags(JSContext *ctx, JSValueConst this_val)
{
    (void)this_val;
    return need_run(ctx, "VU") ? host_object_new(ctx, &tags_class, NULL) : JS_EXCEPTION;
}

static JSValue vu_metadata(JSContext *ctx, JSValueConst this_val)
{
    (void)this_val;
    return need_run(ctx, "VU") ? host_object_new(ctx, &metadata_class, NULL) : JS_EXCEPTION;
}

static const JSCFunctionListEntry metrics_properties[] = {
    GETTER("tags", vu_tags),
    GETTER("metadata", vu_metadata),
};

static const JSCFunctionListEntry vu_properties[] = {
    NUMBERED("idInInstance", vu_number, ID),
    NUMBERED("idInTest", vu_number, ID_IN_TEST),
    NUMBERED("iterationInInstance", vu_number, ITERATION_IN_INSTANCE),
    NUMBERED("iterationInScenario", vu_number, ITERATION_IN_SCENARIO),
    GETTER("tags", vu_tags),
    JS_OBJECT_DEF("metrics", metrics_properties, COUNT_OF(metrics_properties),
                  JS_PROP_ENUMERABLE | JS_PROP_CONFIGURABLE),
};

/* --- test --------------------------------------------------------------------------------- */

/* "test aborted: reason" */
static JSValue test_abort(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct vu *vu = vu_of(ctx);
    struct run_state *run = vu->worker->env->run;
    JSValueConst reason = host_arg(argc, argv, 0);
    char *why = NULL;
    char *text;

    (void)this_val;
    if (!host_is_nullish(reason) && !(why = host_strdup(ctx, reason)))
        return JS_EXCEPTION;
    text = why ? mem_printf("test aborted: %s", why) : mem_strdup("test aborted");
    if (!run || run_state_abort(run, RUN_ABORT_SCRIPT, text))
        log_msg(LOG_ERROR, str_of(text), NULL);
    vu->aborted = true;
    host_throw_uncatchable(ctx, text);
    mem_free(text);
    mem_free(why);
    return JS_EXCEPTION;
}

static JSValue test_fail(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct run_state *run = vu_of(ctx)->worker->env->run;
    JSValueConst reason = host_arg(argc, argv, 0);
    char *why = NULL;

    (void)this_val;
    if (!host_is_nullish(reason) && !(why = host_strdup(ctx, reason)))
        return JS_EXCEPTION;
    if (run)
        run_state_mark_failed(run);
    if (why)
        log_msg(LOG_ERROR, str_of(why), "source", "exec.test.fail", NULL);
    mem_free(why);
    return JS_UNDEFINED;
}

static JSValue test_options(JSContext *ctx, JSValueConst this_val)
{
    struct vu *vu = vu_of(ctx);
    json_t *json;
    char *text;
    JSValue options;

    (void)this_val;
    if (vu->phase == VU_INIT || !vu->worker->options)
        return host_throw(ctx, "getting test options in the init context is not supported");
    json = options_to_json(vu->worker->options);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    options = text ? JS_ParseJSON(ctx, text, strlen(text), "options") : JS_NULL;
    free(text);
    return options;
}

static const JSCFunctionListEntry test_properties[] = {
    JS_CFUNC_DEF("abort", 1, test_abort),
    JS_CFUNC_DEF("fail", 1, test_fail),
    GETTER("options", test_options),
};

/* --- the module --------------------------------------------------------------------------- */

#define PART(name, properties)                                                                     \
    JS_OBJECT_DEF(name, properties, COUNT_OF(properties), JS_PROP_ENUMERABLE | JS_PROP_CONFIGURABLE)

static const JSCFunctionListEntry parts[] = {
    PART("scenario", scenario_properties),
    PART("instance", instance_properties),
    PART("vu", vu_properties),
    PART("test", test_properties),
};

static struct host_class *const classes[] = {&tags_class, &metadata_class, NULL};

const struct host_module mod_execution = {
    .name = "k6/execution",
    .functions = parts,
    .function_count = COUNT_OF(parts),
    .classes = classes,
};
