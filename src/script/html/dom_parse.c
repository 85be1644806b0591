/* gumbo's tree into ours.
 *
 * gumbo allocates from an arena of this file's, which is dropped whole: gumbo's own clean-up
 * recurses to the depth of the page. The allocator also bounds the work: gumbo has no way to be
 * stopped but to leave it by longjmp, which is safe because all that it holds is in the arena. */
#include <gumbo.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "script/html/dom.h"

enum {
    MEMORY_FACTOR = 200, /* measured: markup of nothing but start tags needs 150 bytes for one */
    MEMORY_FLOOR = 1 << 20,
    MEMORY_MAX = 512 << 20,
    CLOCK_EVERY = 1024,
};
enum { MAX_DEPTH = 4000 }; /* browsers flatten from 512 on */
#define PARSE_NSEC (2 * NSEC_PER_SEC)

struct bounded {
    struct arena arena;
    size_t left;
    int64_t deadline;
    unsigned calls;
    jmp_buf too_much;
};

static void *bounded_alloc(void *userdata, size_t size)
{
    struct bounded *b = userdata;

    if (size > b->left || (++b->calls % CLOCK_EVERY == 0 && clock_now() > b->deadline))
        longjmp(b->too_much, 1);
    b->left -= size;
    return arena_alloc(&b->arena, size);
}

static void bounded_free(void *userdata, void *ptr)
{
    (void)userdata;
    (void)ptr;
}

/* Elements that never nest by being left open: void ones, and those whose end tag may be left out.
 */
static bool is_flat(struct str name)
{
    static const char *const names[] = {
        "area",     "base",   "body", "br",    "col",   "dd",    "dt",     "embed",
        "head",     "hr",     "html", "img",   "input", "li",    "link",   "meta",
        "optgroup", "option", "p",    "param", "rp",    "rt",    "source", "tbody",
        "td",       "tfoot",  "th",   "thead", "tr",    "track", "wbr"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

/* Whether start tags outnumber end tags by more than MAX_DEPTH somewhere. gumbo's time grows with
 * the square of the depth, so this is found out before it starts. */
static bool is_too_deep(struct str html)
{
    long depth = 0;
    const char *end;
    const char *at = html.ptr;

    if (html.len == 0)
        return false;
    end = html.ptr + html.len;
    while ((at = memchr(at, '<', (size_t)(end - at)))) {
        bool closes = ++at < end && *at == '/';
        const char *name = closes ? at + 1 : at;
        size_t len = 0;

        while (name + len < end && ((name[len] | 32) >= 'a' && (name[len] | 32) <= 'z'))
            len++;
        if (len > 0 && !is_flat(str_from(name, len)))
            depth += closes ? -1 : 1;
        if (depth > MAX_DEPTH)
            return true;
        at = name + len;
    }
    return false;
}

static struct str lower(struct dom *dom, struct str name)
{
    char *copy = dom_alloc(dom, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        copy[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i];
    copy[name.len] = '\0';
    return str_from(copy, name.len);
}

static struct str element_name(struct dom *dom, const GumboElement *element)
{
    GumboStringPiece tag = element->original_tag;

    if (element->tag != GUMBO_TAG_UNKNOWN)
        return str_of(gumbo_normalized_tagname(element->tag)); /* static */
    gumbo_tag_from_original_text(&tag);
    return lower(dom, str_from(tag.data, tag.length));
}

static void copy_attributes(struct dom *dom, struct dom_node *node, const GumboElement *element)
{
    unsigned count = element->attributes.length;
    struct dom_attr *attrs = count ? dom_alloc(dom, count * sizeof *attrs) : NULL;

    for (unsigned i = 0; i < count; i++) {
        const GumboAttribute *attr = element->attributes.data[i];

        attrs[i] =
            (struct dom_attr){lower(dom, str_of(attr->name)), dom_keep(dom, str_of(attr->value))};
    }
    node->attrs = attrs;
    node->attr_count = count;
}

static const GumboVector *children_of(const GumboNode *from)
{
    switch (from->type) {
    case GUMBO_NODE_DOCUMENT:
        return &from->v.document.children;
    case GUMBO_NODE_ELEMENT:
    case GUMBO_NODE_TEMPLATE:
        return &from->v.element.children;
    case GUMBO_NODE_TEXT:
    case GUMBO_NODE_CDATA:
    case GUMBO_NODE_COMMENT:
    case GUMBO_NODE_WHITESPACE:
        break;
    }
    return NULL;
}

static struct dom_node *copy_node(struct dom *dom, const GumboNode *from, struct dom_node *parent)
{
    struct dom_node *node;

    if (from->type == GUMBO_NODE_ELEMENT || from->type == GUMBO_NODE_TEMPLATE) {
        node = dom_new_node(dom, DOM_ELEMENT, parent);
        node->name = element_name(dom, &from->v.element);
        copy_attributes(dom, node, &from->v.element);
        return node;
    }
    node = dom_new_node(dom,
                        from->type == GUMBO_NODE_COMMENT ? DOM_COMMENT
                        : from->type == GUMBO_NODE_CDATA ? DOM_CDATA
                                                         : DOM_TEXT,
                        parent);
    node->text = dom_keep(dom, str_of(from->v.text.text));
    return node;
}

/* Pre-order over gumbo's tree by its parent links and indexes: no recursion. ERR_LIMIT: too many
 * nodes. */
static int copy_tree(struct dom *dom, const GumboNode *root)
{
    const GumboNode *from = root;
    struct dom_node *parent = (struct dom_node *)(uintptr_t)dom_root(dom);
    unsigned next = 0;

    for (;;) {
        const GumboVector *children = children_of(from);

        if (children && next < children->length) {
            const GumboNode *child = children->data[next];
            struct dom_node *node = copy_node(dom, child, parent);

            if (node->order > DOM_MAX_NODES)
                return ERR_LIMIT;
            if (children_of(child) && children_of(child)->length > 0) {
                from = child;
                parent = node;
                next = 0;
            } else {
                next++;
            }
            continue;
        }
        if (from == root)
            return 0;
        next = (unsigned)from->index_within_parent + 1;
        from = from->parent;
        parent = parent->parent;
    }
}

int dom_parse(struct str html, struct dom **out, struct diag *d)
{
    struct bounded bounded = {.deadline = clock_now() + PARSE_NSEC};
    GumboOptions options = kGumboDefaultOptions;
    GumboOutput *parsed;
    struct dom *dom;
    int err;

    if (html.len > DOM_MAX_BYTES)
        return diag_set(d, ERR_LIMIT, "the HTML has %zu bytes; at most %d can be parsed", html.len,
                        DOM_MAX_BYTES);
    if (is_too_deep(html))
        return diag_set(d, ERR_LIMIT, "the HTML is nested more than %d elements deep", MAX_DEPTH);
    bounded.left = html.len * MEMORY_FACTOR + MEMORY_FLOOR;
    if (bounded.left > MEMORY_MAX)
        bounded.left = MEMORY_MAX;
    arena_init(&bounded.arena);
    options.allocator = bounded_alloc;
    options.deallocator = bounded_free;
    options.userdata = &bounded;
    options.max_errors = 0;
    if (setjmp(bounded.too_much) != 0) {
        arena_deinit(&bounded.arena);
        return diag_set(d, ERR_LIMIT, "parsing the HTML takes too much time or memory");
    }
    parsed = gumbo_parse_with_options(&options, html.ptr ? html.ptr : "", html.len);
    dom = dom_new();
    err = copy_tree(dom, parsed->document);
    arena_deinit(&bounded.arena);
    if (err) {
        dom_unref(dom);
        return diag_set(d, err, "the HTML has more than %d nodes", DOM_MAX_NODES);
    }
    *out = dom;
    return 0;
}
