#include "script/html/dom.h"

#include "base/arena.h"
#include "base/mem.h"

struct dom {
    unsigned references;
    uint32_t nodes;
    struct arena arena;
    struct dom_node *root;
};

struct dom *dom_new(void)
{
    struct dom *dom = mem_zalloc(sizeof *dom);

    dom->references = 1;
    arena_init(&dom->arena);
    dom->root = dom_new_node(dom, DOM_DOCUMENT, NULL);
    return dom;
}

struct dom *dom_ref(struct dom *dom)
{
    dom->references++;
    return dom;
}

void dom_unref(struct dom *dom)
{
    if (!dom || --dom->references > 0)
        return;
    arena_deinit(&dom->arena);
    mem_free(dom);
}

const struct dom_node *dom_root(const struct dom *dom)
{
    return dom->root;
}

struct str dom_keep(struct dom *dom, struct str text)
{
    return arena_str(&dom->arena, text);
}

void *dom_alloc(struct dom *dom, size_t size)
{
    return arena_alloc(&dom->arena, size);
}

struct dom_node *dom_new_node(struct dom *dom, enum dom_kind kind, struct dom_node *parent)
{
    struct dom_node *node = arena_zalloc(&dom->arena, sizeof *node);

    node->kind = kind;
    node->order = dom->nodes++;
    node->parent = parent;
    if (!parent)
        return node;
    node->prev = parent->last_child;
    if (node->prev)
        node->prev->next = node;
    else
        parent->first_child = node;
    parent->last_child = node;
    return node;
}

/* --- walking ------------------------------------------------------------------------------ */

const struct dom_node *dom_walk_over(const struct dom_node *node, const struct dom_node *top)
{
    while (node && node != top && !node->next)
        node = node->parent;
    return !node || node == top ? NULL : node->next;
}

const struct dom_node *dom_walk(const struct dom_node *node, const struct dom_node *top)
{
    return node->first_child ? node->first_child : dom_walk_over(node, top);
}

const struct dom_node *dom_first_element(const struct dom_node *parent)
{
    const struct dom_node *child = parent->first_child;

    while (child && child->kind != DOM_ELEMENT)
        child = child->next;
    return child;
}

const struct dom_node *dom_last_element(const struct dom_node *parent)
{
    const struct dom_node *child = parent->last_child;

    while (child && child->kind != DOM_ELEMENT)
        child = child->prev;
    return child;
}

const struct dom_node *dom_next_element(const struct dom_node *node)
{
    do {
        node = node->next;
    } while (node && node->kind != DOM_ELEMENT);
    return node;
}

const struct dom_node *dom_prev_element(const struct dom_node *node)
{
    do {
        node = node->prev;
    } while (node && node->kind != DOM_ELEMENT);
    return node;
}

const struct dom_node *dom_parent_element(const struct dom_node *node)
{
    return node->parent && node->parent->kind == DOM_ELEMENT ? node->parent : NULL;
}

bool dom_is_element(const struct dom_node *node, const char *name)
{
    return node->kind == DOM_ELEMENT && str_eq_c(node->name, name);
}

const struct dom_attr *dom_attr(const struct dom_node *node, struct str name)
{
    for (uint32_t i = 0; i < node->attr_count; i++) {
        if (str_eq_nocase(node->attrs[i].name, name))
            return &node->attrs[i];
    }
    return NULL;
}

bool dom_contains(const struct dom_node *ancestor, const struct dom_node *node)
{
    for (node = node->parent; node; node = node->parent) {
        if (node == ancestor)
            return true;
    }
    return false;
}

/* --- text and markup ---------------------------------------------------------------------- */

void dom_append_text(const struct dom_node *node, struct buf *out)
{
    const struct dom_node *at = node;

    if (node->kind == DOM_TEXT || node->kind == DOM_CDATA)
        buf_append_str(out, node->text);
    while ((at = dom_walk(at, node))) {
        if (at->kind == DOM_TEXT || at->kind == DOM_CDATA)
            buf_append_str(out, at->text);
    }
}

static bool is_one_of(struct str name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq_c(name, list[i]))
            return true;
    }
    return false;
}

/* Elements without an end tag (HTML standard, 13.1.2). */
static bool is_void(struct str name)
{
    static const char *const names[] = {"area",  "base", "br",   "col",   "embed",  "hr",    "img",
                                        "input", "link", "meta", "param", "source", "track", "wbr"};

    return is_one_of(name, names, COUNT_OF(names));
}

/* Elements whose text is written as it is (HTML standard, 13.3). */
static bool is_raw_text(struct str name)
{
    static const char *const names[] = {"style",   "script",   "xmp",       "iframe",
                                        "noembed", "noframes", "plaintext", "noscript"};

    return is_one_of(name, names, COUNT_OF(names));
}

static void append_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '&')
            buf_append_c(out, "&amp;");
        else if (c == '<')
            buf_append_c(out, "&lt;");
        else if (c == '>')
            buf_append_c(out, "&gt;");
        else if (c == '"')
            buf_append_c(out, "&#34;");
        else if (c == '\'')
            buf_append_c(out, "&#39;");
        else
            buf_append_char(out, c);
    }
}

static void append_open(const struct dom_node *node, struct buf *out)
{
    switch (node->kind) {
    case DOM_TEXT:
    case DOM_CDATA:
        if (node->parent && is_raw_text(node->parent->name))
            buf_append_str(out, node->text);
        else
            append_escaped(out, node->text);
        break;
    case DOM_COMMENT:
        buf_printf(out, "<!--%.*s-->", STR_ARG(node->text));
        break;
    case DOM_ELEMENT:
        buf_printf(out, "<%.*s", STR_ARG(node->name));
        for (uint32_t i = 0; i < node->attr_count; i++) {
            buf_printf(out, " %.*s=\"", STR_ARG(node->attrs[i].name));
            append_escaped(out, node->attrs[i].value);
            buf_append_char(out, '"');
        }
        buf_append_c(out, is_void(node->name) ? "/>" : ">");
        break;
    case DOM_DOCUMENT:
        break;
    }
}

static void append_close(const struct dom_node *node, struct buf *out)
{
    if (node->kind == DOM_ELEMENT && !is_void(node->name))
        buf_printf(out, "</%.*s>", STR_ARG(node->name));
}

void dom_append_inner_html(const struct dom_node *top, struct buf *out)
{
    const struct dom_node *node = top->first_child;

    while (node) {
        append_open(node, out);
        if (node->first_child) {
            node = node->first_child;
            continue;
        }
        append_close(node, out);
        while (node != top && !node->next) {
            node = node->parent;
            if (node != top)
                append_close(node, out);
        }
        node = node == top ? NULL : node->next;
    }
}

void dom_append_outer_html(const struct dom_node *node, struct buf *out)
{
    append_open(node, out);
    dom_append_inner_html(node, out);
    append_close(node, out);
}
