/* CSS selectors, as jQuery users write them: compiled once, matched against nodes of a dom.
 *
 * Covered: type, *, #id, .class, attributes ([a] = != ~= |= ^= $= *=, quoted or not, flag i), the
 * combinators (descendant > + ~), lists, and the pseudo-classes :not :is :where :matches :has
 * :haschild :contains :containsown :nth-child :nth-last-child :nth-of-type :nth-last-of-type
 * :first-child :last-child :first-of-type :last-of-type :only-child :only-of-type :empty :root
 * :parent :input :button :header :checked :selected :disabled :enabled :link and the input types
 * (:text :checkbox :radio :submit ...). Positions in the result (:first :last :even :odd :eq(n)
 * :lt(n) :gt(n)), which are jQuery's and not CSS's, may end a selector. */
#ifndef SCRIPT_HTML_SELECTOR_H
#define SCRIPT_HTML_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

struct dom_node;
struct selector;

/* ERR_SYNTAX with a message that shows the place. */
MUST_USE
int selector_compile(struct str text, struct selector **out, struct diag *d);
void selector_free(struct selector *s); /* NULL is allowed */

/* Whether the element is selected (positions aside). */
bool selector_matches(const struct selector *s, const struct dom_node *node);

/* Nodes found, in document order. */
struct node_list {
    const struct dom_node **nodes;
    size_t count;
    size_t cap;
};
void node_list_deinit(struct node_list *list);
void node_list_add(struct node_list *list, const struct dom_node *node);
/* Sorts by document order and drops doubles. */
void node_list_sort(struct node_list *list);

/* Adds the matching descendants of `top`. Positions are applied by the caller, over all tops:
 * selector_apply_position. */
void selector_find(const struct selector *s, const struct dom_node *top, struct node_list *out);
void selector_apply_position(const struct selector *s, struct node_list *list);

#endif
