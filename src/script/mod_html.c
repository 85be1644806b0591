/* k6/html: the natives under js/html.js. A node object keeps its page alive. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/url.h"
#include "script/host.h"
#include "script/html/dom.h"
#include "script/html/selector.h"
#include "script/js_part.h"
#include "script/mod_html.h"

struct node {
    struct dom *dom; /* a reference */
    const struct dom_node *node;
};

static void free_node(JSRuntime *rt, JSValue value);

static struct host_class node_class = {.def = {.class_name = "Node", .finalizer = free_node}};

static void free_node(JSRuntime *rt, JSValue value)
{
    struct node *n = JS_GetOpaque(value, node_class.id);

    (void)rt;
    if (!n)
        return;
    dom_unref(n->dom);
    mem_free(n);
}

static JSValue new_node(JSContext *ctx, struct dom *dom, const struct dom_node *node)
{
    struct node *n;
    JSValue value;

    if (!node)
        return JS_UNDEFINED;
    n = mem_alloc(sizeof *n);
    *n = (struct node){dom_ref(dom), node};
    value = host_object_new(ctx, &node_class, n);
    if (JS_IsException(value)) {
        dom_unref(dom);
        mem_free(n);
    }
    return value;
}

static struct node *node_arg(JSContext *ctx, int argc, JSValueConst *argv, int i)
{
    struct node *n = host_object_data(host_arg(argc, argv, i), &node_class);

    if (!n)
        JS_ThrowTypeError(ctx, "a node was expected");
    return n;
}

/* --- one node ----------------------------------------------------------------------------- */

static JSValue native_parse(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct diag d = DIAG_INIT;
    struct host_bytes text;
    struct dom *dom = NULL;
    JSValue value;
    int err;

    (void)this_val;
    if (host_bytes(ctx, host_arg(argc, argv, 0), &text) < 0)
        return JS_EXCEPTION;
    err = dom_parse(str_from((const char *)text.ptr, text.len), &dom, &d);
    host_bytes_release(ctx, &text);
    if (err) {
        value = host_throw_diag(ctx, &d);
        diag_deinit(&d);
        return value;
    }
    value = new_node(ctx, dom, dom_root(dom));
    dom_unref(dom);
    return value;
}

static JSValue native_kind(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);

    (void)this_val;
    return n ? JS_NewInt32(ctx, (int32_t)n->node->kind) : JS_EXCEPTION;
}

static JSValue native_name(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);

    (void)this_val;
    return n ? host_string(ctx, n->node->name) : JS_EXCEPTION;
}

static JSValue native_order(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);

    (void)this_val;
    return n ? JS_NewInt64(ctx, n->node->order) : JS_EXCEPTION;
}

static JSValue native_same(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *a = node_arg(ctx, argc, argv, 0);
    struct node *b = a ? node_arg(ctx, argc, argv, 1) : NULL;

    (void)this_val;
    return b ? JS_NewBool(ctx, a->node == b->node) : JS_EXCEPTION;
}

static JSValue native_attr(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);
    const struct dom_attr *attr;
    size_t len;
    const char *key;

    (void)this_val;
    key = n ? JS_ToCStringLen(ctx, &len, host_arg(argc, argv, 1)) : NULL;
    if (!key)
        return JS_EXCEPTION;
    attr = dom_attr(n->node, str_from(key, len));
    JS_FreeCString(ctx, key);
    return attr ? host_string(ctx, attr->value) : JS_UNDEFINED;
}

/* [[name, value], ...] */
static JSValue native_attrs(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);
    JSValue list = n ? JS_NewArray(ctx) : JS_EXCEPTION;

    (void)this_val;
    for (uint32_t i = 0; !JS_IsException(list) && i < n->node->attr_count; i++) {
        JSValue pair = JS_NewArray(ctx);

        JS_SetPropertyUint32(ctx, pair, 0, host_string(ctx, n->node->attrs[i].name));
        JS_SetPropertyUint32(ctx, pair, 1, host_string(ctx, n->node->attrs[i].value));
        JS_SetPropertyUint32(ctx, list, i, pair);
    }
    return list;
}

static JSValue native_value(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);

    (void)this_val;
    if (!n)
        return JS_EXCEPTION;
    if (n->node->kind == DOM_ELEMENT || n->node->kind == DOM_DOCUMENT)
        return JS_UNDEFINED;
    return host_string(ctx, n->node->text);
}

static JSValue markup(JSContext *ctx, int argc, JSValueConst *argv,
                      void (*append)(const struct dom_node *node, struct buf *out))
{
    struct node *n = node_arg(ctx, argc, argv, 0);
    struct buf out = BUF_INIT(SIZE_MAX);
    JSValue value;

    if (!n)
        return JS_EXCEPTION;
    append(n->node, &out);
    value = host_string(ctx, buf_str(&out));
    buf_deinit(&out);
    return value;
}

static JSValue native_inner(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return markup(ctx, argc, argv, dom_append_inner_html);
}

static JSValue native_outer(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return markup(ctx, argc, argv, dom_append_outer_html);
}

/* --- steps -------------------------------------------------------------------------------- */

static const struct dom_node *parent_of(const struct dom_node *n)
{
    return n->parent;
}

static const struct dom_node *first_child(const struct dom_node *n)
{
    return n->first_child;
}

static const struct dom_node *last_child(const struct dom_node *n)
{
    return n->last_child;
}

static const struct dom_node *next_sibling(const struct dom_node *n)
{
    return n->next;
}

static const struct dom_node *previous_sibling(const struct dom_node *n)
{
    return n->prev;
}

static const struct dom_node *document_of(const struct dom_node *n)
{
    while (n->parent)
        n = n->parent;
    return n;
}

static const struct {
    const char *name;
    const struct dom_node *(*step)(const struct dom_node *node);
} steps[] = {
    {"parent", parent_of},
    {"parentElement", dom_parent_element},
    {"firstChild", first_child},
    {"lastChild", last_child},
    {"nextSibling", next_sibling},
    {"previousSibling", previous_sibling},
    {"firstElement", dom_first_element},
    {"lastElement", dom_last_element},
    {"nextElement", dom_next_element},
    {"previousElement", dom_prev_element},
    {"document", document_of},
};

static JSValue native_step(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct node *n = node_arg(ctx, argc, argv, 0);
    const char *how = n ? JS_ToCString(ctx, host_arg(argc, argv, 1)) : NULL;
    const struct dom_node *to = NULL;

    (void)this_val;
    if (!how)
        return JS_EXCEPTION;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (strcmp(how, steps[i].name) == 0)
            to = steps[i].step(n->node);
    }
    JS_FreeCString(ctx, how);
    return new_node(ctx, n->dom, to);
}

/* --- lists of nodes ----------------------------------------------------------------------- */

/* Calls fn for each node of an array. -1: exception. */
static int each_node(JSContext *ctx, JSValueConst array,
                     void (*fn)(void *arg, const struct node *node), void *arg)
{
    int64_t count = host_length(ctx, array);

    for (int64_t i = 0; i < count; i++) {
        JSValue item = JS_GetPropertyUint32(ctx, array, (uint32_t)i);
        struct node *n = host_object_data(item, &node_class);

        if (n)
            fn(arg, n);
        JS_FreeValue(ctx, item);
    }
    return count < 0 ? -1 : 0;
}

static void add_text(void *arg, const struct node *n)
{
    dom_append_text(n->node, arg);
}

static JSValue native_text(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    JSValue value = JS_EXCEPTION;

    (void)this_val;
    if (each_node(ctx, host_arg(argc, argv, 0), add_text, &out) == 0)
        value = host_string(ctx, buf_str(&out));
    buf_deinit(&out);
    return value;
}

struct query {
    struct selector *selector;
    struct dom *dom;
    struct node_list found;
};

static void query_below(void *arg, const struct node *n)
{
    struct query *q = arg;

    q->dom = n->dom;
    selector_find(q->selector, n->node, &q->found);
}

static void query_itself(void *arg, const struct node *n)
{
    struct query *q = arg;

    q->dom = n->dom;
    if (selector_matches(q->selector, n->node))
        node_list_add(&q->found, n->node);
}

static JSValue node_array(JSContext *ctx, const struct query *q)
{
    JSValue list = JS_NewArray(ctx);

    for (size_t i = 0; !JS_IsException(list) && i < q->found.count; i++) {
        JSValue value = new_node(ctx, q->dom, q->found.nodes[i]);

        if (JS_IsException(value) || JS_SetPropertyUint32(ctx, list, (uint32_t)i, value) < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    }
    return list;
}

static JSValue run_query(JSContext *ctx, int argc, JSValueConst *argv,
                         void (*fn)(void *arg, const struct node *node))
{
    struct query q = {NULL, NULL, {NULL, 0, 0}};
    struct diag d = DIAG_INIT;
    size_t len;
    const char *text = JS_ToCStringLen(ctx, &len, host_arg(argc, argv, 1));
    JSValue value;

    if (!text)
        return JS_EXCEPTION;
    if (selector_compile(str_from(text, len), &q.selector, &d)) {
        value = host_throw_diag(ctx, &d);
    } else if (each_node(ctx, host_arg(argc, argv, 0), fn, &q) < 0) {
        value = JS_EXCEPTION;
    } else {
        node_list_sort(&q.found);
        selector_apply_position(q.selector, &q.found);
        value = node_array(ctx, &q);
    }
    diag_deinit(&d);
    node_list_deinit(&q.found);
    selector_free(q.selector);
    JS_FreeCString(ctx, text);
    return value;
}

static JSValue native_find(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return run_query(ctx, argc, argv, query_below);
}

static JSValue native_filter(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    return run_query(ctx, argc, argv, query_itself);
}

/* --- URLs --------------------------------------------------------------------------------- */

/* A reference against the page's URL; what can't be resolved stays as it is. */
static JSValue native_resolve(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct arena arena;
    struct url base;
    struct url url;
    struct str base_text;
    struct str reference;
    struct str result;
    JSValue value;

    (void)this_val;
    if (host_str(ctx, host_arg(argc, argv, 0), &base_text) < 0 ||
        host_str(ctx, host_arg(argc, argv, 1), &reference) < 0)
        return JS_EXCEPTION;
    arena_init(&arena);
    result = reference;
    if (base_text.len > 0 && url_parse(base_text, &arena, &base, NULL) == 0 &&
        url_resolve(&base, reference, &arena, &url, NULL) == 0)
        result = url_text(&url, URL_USER_KEEP, &arena);
    value = host_string(ctx, result);
    arena_deinit(&arena);
    return value;
}

static int set_prefixed(JSContext *ctx, JSValueConst object, const char *name, const char *prefix,
                        struct str text)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    int result;

    if (text.len > 0)
        buf_printf(&out, "%s%.*s", prefix, STR_ARG(text));
    result = host_set_str(ctx, object, name, buf_str(&out));
    buf_deinit(&out);
    return result;
}

/* The parts that a link element shows. */
static int set_url_parts(JSContext *ctx, JSValueConst object, const struct url *u)
{
    struct str rest = u->authority;
    ptrdiff_t colon = str_rfind(rest, ':');
    bool has_port = colon >= 0 && str_find(str_from_index(rest, (size_t)colon), ']') < 0;
    struct str hostname = has_port ? str_slice(rest, 0, (size_t)colon) : rest;
    char *origin = mem_printf("%.*s://%.*s", STR_ARG(u->scheme), STR_ARG(u->authority));
    char *protocol = mem_printf("%.*s:", STR_ARG(u->scheme));
    int failed = host_set_str(ctx, object, "host", u->authority) |
                 host_set_str(ctx, object, "hostname", hostname) |
                 host_set_str(ctx, object, "port",
                              has_port ? str_from_index(rest, (size_t)colon + 1) : STR("")) |
                 host_set_str(ctx, object, "origin", str_of(origin)) |
                 host_set_str(ctx, object, "protocol", str_of(protocol)) |
                 host_set_str(ctx, object, "pathname", u->path) |
                 set_prefixed(ctx, object, "search", "?", u->query) |
                 set_prefixed(ctx, object, "hash", "#", u->fragment) |
                 host_set_str(ctx, object, "username", u->user) |
                 host_set_str(ctx, object, "password", u->password);

    mem_free(origin);
    mem_free(protocol);
    return failed;
}

static JSValue native_url(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct arena arena;
    struct url url;
    struct str text;
    JSValue object;

    (void)this_val;
    if (host_str(ctx, host_arg(argc, argv, 0), &text) < 0)
        return JS_EXCEPTION;
    arena_init(&arena);
    if (url_parse(text, &arena, &url, NULL))
        url = (struct url){0};
    object = JS_NewObject(ctx);
    if (!JS_IsException(object) && set_url_parts(ctx, object, &url) < 0) {
        JS_FreeValue(ctx, object);
        object = JS_EXCEPTION;
    }
    arena_deinit(&arena);
    return object;
}

/* --- the module --------------------------------------------------------------------------- */

static const JSCFunctionListEntry natives[] = {
    JS_CFUNC_DEF("parse", 1, native_parse),     JS_CFUNC_DEF("kind", 1, native_kind),
    JS_CFUNC_DEF("name", 1, native_name),       JS_CFUNC_DEF("order", 1, native_order),
    JS_CFUNC_DEF("same", 2, native_same),       JS_CFUNC_DEF("attr", 2, native_attr),
    JS_CFUNC_DEF("attrs", 1, native_attrs),     JS_CFUNC_DEF("value", 1, native_value),
    JS_CFUNC_DEF("inner", 1, native_inner),     JS_CFUNC_DEF("outer", 1, native_outer),
    JS_CFUNC_DEF("step", 2, native_step),       JS_CFUNC_DEF("text", 1, native_text),
    JS_CFUNC_DEF("find", 2, native_find),       JS_CFUNC_DEF("filter", 2, native_filter),
    JS_CFUNC_DEF("resolve", 2, native_resolve), JS_CFUNC_DEF("url", 1, native_url),
};

/* The interface of js/html.js, made once per VU and kept on the prototype of its nodes. */
static JSValue part_of(JSContext *ctx)
{
    JSValue proto;
    JSValue part;
    JSValue native;

    if (host_class_prepare(ctx, &node_class) < 0)
        return JS_EXCEPTION;
    proto = JS_GetClassProto(ctx, node_class.id);
    part = host_get(ctx, proto, "part");
    if (JS_IsUndefined(part)) {
        native = JS_NewObject(ctx);
        JS_SetPropertyFunctionList(ctx, native, natives, COUNT_OF(natives));
        part = js_part_call(ctx, &js_part_html, native);
        JS_FreeValue(ctx, native);
        if (!JS_IsException(part) && host_set(ctx, proto, "part", JS_DupValue(ctx, part)) < 0) {
            JS_FreeValue(ctx, part);
            part = JS_EXCEPTION;
        }
    }
    JS_FreeValue(ctx, proto);
    return part;
}

JSValue html_call(JSContext *ctx, const char *function, int argc, JSValueConst *argv)
{
    JSValue part = part_of(ctx);
    JSValue fn = JS_IsException(part) ? JS_EXCEPTION : host_get(ctx, part, function);
    JSValue result = JS_IsException(fn) ? JS_EXCEPTION : JS_Call(ctx, fn, part, argc, argv);

    JS_FreeValue(ctx, fn);
    JS_FreeValue(ctx, part);
    return result;
}

static JSValue parse_html(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValueConst source = host_arg(argc, argv, 0);

    (void)this_val;
    return html_call(ctx, "parse", 1, &source);
}

static const JSCFunctionListEntry functions[] = {
    JS_CFUNC_DEF("parseHTML", 1, parse_html),
};

static int add_classes(JSContext *ctx, JSValueConst ns)
{
    static const char *const names[] = {"Selection", "Element"};
    JSValue part = part_of(ctx);
    int failed = JS_IsException(part) ? -1 : 0;

    for (size_t i = 0; i < COUNT_OF(names) && !failed; i++)
        failed = host_set(ctx, ns, names[i], host_get(ctx, part, names[i]));
    JS_FreeValue(ctx, part);
    return failed;
}

static struct host_class *const classes[] = {&node_class, NULL};
static const char *const class_names[] = {"Selection", "Element", NULL};

const struct host_module mod_html = {
    .name = "k6/html",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .classes = classes,
    .init = add_classes,
    .names = class_names,
};
