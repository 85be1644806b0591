#include "script/async_groups.h"

#include "base/mem.h"
#include "script/internal.h"

/* Groups are known by their tag. */
struct async_groups {
    bool is_on;
    bool is_hooked;      /* the getter stands */
    bool is_registering; /* our own then() reads the constructor too */
    bool was_ours;       /* the job that just ran was not the script's */
    bool has_next;       /* `next` says where the coming job belongs */
    tag_id next;
    tag_id root; /* where the call began */
    tag_id now;
    tag_id *regions; /* owned; of queued jobs, oldest first, one for each end mark in the queue */
    size_t first;
    size_t count;
    size_t cap;
    JSValue promise; /* owned: the intrinsic constructor */
    JSValue then;    /* owned: its then() */
};

static tag_id tag_of(struct vu *vu, struct str path)
{
    return shard_tag(vu->shard, STR("group"), path);
}

static void set_now(struct vu *vu, tag_id tag)
{
    vu->_private->groups->now = tag;
    vu->tags = shard_tagset(vu->shard, vu->tags, &tag, 1);
}

/* --- regions of the queue ----------------------------------------------------------------- */

static JSValue end_region(JSContext *ctx, int argc, JSValueConst *argv)
{
    struct async_groups *g = vu_of(ctx)->_private->groups;

    (void)argc;
    (void)argv;
    g->was_ours = true;
    if (g->count > 0) {
        g->first++;
        g->count--;
    }
    return JS_UNDEFINED;
}

static void push_region(struct async_groups *g, tag_id tag)
{
    if (g->first + g->count == g->cap) {
        for (size_t i = 0; i < g->count; i++)
            g->regions[i] = g->regions[g->first + i];
        g->first = 0;
        if (g->count * 2 >= g->cap) {
            g->cap = g->cap ? g->cap * 2 : 16;
            g->regions = mem_reallocarray(g->regions, g->cap, sizeof(g->regions[0]));
        }
    }
    g->regions[g->first + g->count++] = tag;
}

void async_groups_close(struct vu *vu)
{
    struct async_groups *g = vu->_private->groups;

    if (JS_IsJobPending(vu->rt) && JS_EnqueueJob(vu->ctx, end_region, 0, NULL) == 0)
        push_region(g, g->now);
}

static void switch_to(struct vu *vu, tag_id tag)
{
    if (vu->_private->groups->now == tag)
        return;
    async_groups_close(vu);
    set_now(vu, tag);
}

int async_groups_run_job(struct vu *vu)
{
    struct async_groups *g = vu->_private->groups;
    tag_id tag = g->now;
    JSContext *ctx;
    int ran;

    if (g->has_next)
        tag = g->next;
    else if (g->count > 0)
        tag = g->regions[g->first];
    g->has_next = false;
    g->was_ours = false;
    if (g->now != tag)
        set_now(vu, tag);
    ran = JS_ExecutePendingJob(vu->rt, &ctx);
    if (ran != 0 && !g->was_ours)
        async_groups_close(vu);
    return ran;
}

/* --- the getter --------------------------------------------------------------------------- */

/* The reaction that runs just before the script's own. */
static JSValue announce(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                        int magic, JSValue *data)
{
    struct async_groups *g = vu_of(ctx)->_private->groups;
    int64_t tag;

    (void)this_val;
    (void)argc;
    (void)argv;
    (void)magic;
    if (JS_ToInt64(ctx, &tag, data[0]) < 0)
        return JS_EXCEPTION;
    g->was_ours = true;
    g->has_next = true;
    g->next = (tag_id)tag;
    return JS_UNDEFINED;
}

static int register_reaction(JSContext *ctx, struct async_groups *g, JSValueConst promise)
{
    JSValue tag = JS_NewInt64(ctx, g->now);
    JSValue fn = JS_NewCFunctionData(ctx, announce, 1, 0, 1, &tag);
    JSValue args[2] = {fn, fn};
    JSValue derived;

    if (JS_IsException(fn))
        return -1;
    g->is_registering = true;
    derived = JS_Call(ctx, g->then, promise, 2, args);
    g->is_registering = false;
    JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, derived);
    return JS_IsException(derived) ? -1 : 0;
}

static JSValue get_constructor(JSContext *ctx, JSValueConst this_val)
{
    struct async_groups *g = vu_of(ctx)->_private->groups;

    if (g->is_on && !g->is_registering && JS_IsObject(this_val) &&
        (int)JS_PromiseState(ctx, this_val) >= 0 && register_reaction(ctx, g, this_val) < 0)
        return JS_EXCEPTION;
    return JS_DupValue(ctx, g->promise);
}

/* An assignment makes a property of its own, as it would without the getter. */
static JSValue set_constructor(JSContext *ctx, JSValueConst this_val, JSValueConst value)
{
    int err = JS_DefinePropertyValueStr(ctx, this_val, "constructor", JS_DupValue(ctx, value),
                                        JS_PROP_C_W_E);

    return err < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static const JSCFunctionListEntry hook[] = {
    JS_CGETSET_DEF("constructor", get_constructor, set_constructor),
};

/* The intrinsics, whatever the script has made of the global name. */
static int hook_promise(JSContext *ctx, struct async_groups *g)
{
    JSValue functions[2];
    JSValue any = JS_NewPromiseCapability(ctx, functions);
    JSValue proto;

    if (JS_IsException(any))
        return -1;
    JS_FreeValue(ctx, functions[0]);
    JS_FreeValue(ctx, functions[1]);
    proto = JS_GetPrototype(ctx, any);
    JS_FreeValue(ctx, any);
    g->promise = host_get(ctx, proto, "constructor");
    g->then = host_get(ctx, proto, "then");
    g->is_hooked = !JS_IsException(g->promise) && !JS_IsException(g->then);
    if (g->is_hooked)
        JS_SetPropertyFunctionList(ctx, proto, hook, COUNT_OF(hook));
    JS_FreeValue(ctx, proto);
    return g->is_hooked ? 0 : -1;
}

/* --- on and off --------------------------------------------------------------------------- */

int async_groups_on(struct vu *vu)
{
    struct vu_private *p = vu->_private;

    if (!p->groups) {
        p->groups = mem_zalloc(sizeof(*p->groups));
        p->groups->promise = p->groups->then = JS_UNDEFINED;
    }
    if (!p->groups->is_hooked && hook_promise(vu->ctx, p->groups) < 0)
        return -1;
    if (p->groups->is_on)
        return 0;
    p->groups->is_on = true;
    p->groups->root = tag_of(vu, shard_tagset_get(vu->shard, p->call_tags, STR("group")));
    p->groups->now = tag_of(vu, shard_tagset_get(vu->shard, vu->tags, STR("group")));
    if (p->groups->now != p->groups->root && JS_IsJobPending(vu->rt)) {
        /* What was queued until now is taken for the call's own. */
        tag_id inner = p->groups->now;

        p->groups->now = p->groups->root;
        async_groups_close(vu);
        p->groups->now = inner;
    }
    return 0;
}

bool async_groups_are_on(const struct vu *vu)
{
    return vu->_private->groups && vu->_private->groups->is_on;
}

void async_groups_off(struct vu *vu)
{
    struct async_groups *g = vu->_private->groups;

    if (!async_groups_are_on(vu))
        return;
    set_now(vu, g->root);
    g->is_on = g->has_next = false;
    g->first = g->count = 0;
}

void async_groups_free(struct vu *vu)
{
    struct async_groups *g = vu->_private->groups;

    if (!g)
        return;
    JS_FreeValue(vu->ctx, g->promise);
    JS_FreeValue(vu->ctx, g->then);
    mem_free(g->regions);
    mem_free(g);
    vu->_private->groups = NULL;
}

void async_groups_enter(struct vu *vu, struct str path)
{
    switch_to(vu, tag_of(vu, path));
}

unsigned async_groups_now(struct vu *vu)
{
    return async_groups_are_on(vu) ? vu->_private->groups->now + 1 : 0;
}

void async_groups_resume(struct vu *vu, unsigned group)
{
    if (async_groups_are_on(vu))
        switch_to(vu, group > 0 ? group - 1 : vu->_private->groups->root);
}
