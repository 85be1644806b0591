/* An HTML document as a read-only tree: what k6/html searches.
 *
 * gumbo parses (dom_parse.c, the only file that knows it); the tree here is compact, lives in one
 * arena, and is walked without recursion, so that a hostile page nested 100,000 deep costs time in
 * proportion to its size and no stack. */
#ifndef SCRIPT_HTML_DOM_H
#define SCRIPT_HTML_DOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum dom_kind { DOM_DOCUMENT, DOM_ELEMENT, DOM_TEXT, DOM_COMMENT, DOM_CDATA };

struct dom_attr {
    struct str name;  /* lower case */
    struct str value; /* entities decoded */
};

struct dom_node {
    enum dom_kind kind;
    uint32_t order; /* position in document order */
    uint32_t attr_count;
    struct str name; /* of an element, lower case; empty else */
    struct str text; /* of text, comment and CDATA */
    const struct dom_attr *attrs;
    struct dom_node *parent;
    struct dom_node *first_child;
    struct dom_node *last_child;
    struct dom_node *prev;
    struct dom_node *next;
};

struct dom; /* the document; shared by reference count, within one thread */

enum { DOM_MAX_BYTES = 16 * 1024 * 1024, DOM_MAX_NODES = 2 * 1000 * 1000 };

/* Parses a page or a fragment of one, leniently as browsers do (HTML5). ERR_LIMIT with a message
 * when it is larger or more work than the limits allow. The caller holds one reference. */
MUST_USE
int dom_parse(struct str html, struct dom **out, struct diag *d);
struct dom *dom_ref(struct dom *dom);
void dom_unref(struct dom *dom); /* NULL is allowed */

const struct dom_node *dom_root(const struct dom *dom); /* the DOM_DOCUMENT */

/* The next node of the subtree `top` in document order (`top` itself not included when starting
 * with it); NULL at the end. */
const struct dom_node *dom_walk(const struct dom_node *node, const struct dom_node *top);
/* The same, but skips what is below `node`. */
const struct dom_node *dom_walk_over(const struct dom_node *node, const struct dom_node *top);

/* Element neighbours: text and comments are passed over; NULL when there is none. */
const struct dom_node *dom_first_element(const struct dom_node *parent);
const struct dom_node *dom_last_element(const struct dom_node *parent);
const struct dom_node *dom_next_element(const struct dom_node *node);
const struct dom_node *dom_prev_element(const struct dom_node *node);
const struct dom_node *dom_parent_element(const struct dom_node *node);

bool dom_is_element(const struct dom_node *node, const char *name);
const struct dom_attr *dom_attr(const struct dom_node *node, struct str name); /* or NULL */
bool dom_contains(const struct dom_node *ancestor, const struct dom_node *node);

/* Appends the text of all text nodes below; the markup of what is below; the markup of the node. */
void dom_append_text(const struct dom_node *node, struct buf *out);
void dom_append_inner_html(const struct dom_node *node, struct buf *out);
void dom_append_outer_html(const struct dom_node *node, struct buf *out);

/* What dom_parse.c and dom.c share. */
struct dom_node *dom_new_node(struct dom *dom, enum dom_kind kind, struct dom_node *parent);
struct dom *dom_new(void);
struct str dom_keep(struct dom *dom, struct str text);
void *dom_alloc(struct dom *dom, size_t size);

#endif
