/* Matching: a compound is tested on the element, then what stands to its left is looked for among
 * ancestors and siblings. Recursion is bounded by the selector's own length. */
#include "script/html/selector.h"

#include <limits.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "script/html/dom.h"
#include "script/html/selector_internal.h"

static bool matches_any(const struct selector *s, const struct dom_node *node,
                        const struct dom_node *anchor);

/* --- attributes --------------------------------------------------------------------------- */

static bool has_word(struct str text, struct str word)
{
    static const char spaces[] = " \t\n\r\f";

    if (word.len == 0)
        return false;
    while (text.len > 0) {
        size_t len = 0;

        while (len < text.len && !strchr(spaces, text.ptr[len]))
            len++;
        if (str_eq(str_slice(text, 0, len), word))
            return true;
        text = str_from_index(text, len + 1);
    }
    return false;
}

static bool text_matches(enum attr_op op, struct str have, struct str want)
{
    switch (op) {
    case ATTR_PRESENT:
        return true;
    case ATTR_EQUALS:
    case ATTR_NOT_EQUALS:
        return str_eq(have, want) == (op == ATTR_EQUALS);
    case ATTR_WORD:
        return has_word(have, want);
    case ATTR_DASH:
        return str_starts_with(have, want) && (have.len == want.len || have.ptr[want.len] == '-');
    case ATTR_PREFIX:
        return want.len > 0 && str_starts_with(have, want);
    case ATTR_SUFFIX:
        return want.len > 0 && str_ends_with(have, want);
    case ATTR_SUBSTR:
        return want.len > 0 && str_find_str(have, want) >= 0;
    }
    return false;
}

static struct str lower_into(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_append_char(out, s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + 32) : s.ptr[i]);
    return buf_str(out);
}

static bool attr_matches(const struct test *test, const struct dom_node *node)
{
    const struct dom_attr *attr = dom_attr(node, test->name);
    struct buf have = BUF_INIT(SIZE_MAX);
    struct buf want = BUF_INIT(SIZE_MAX);
    bool result;

    if (!attr)
        return test->op == ATTR_NOT_EQUALS;
    if (!test->ignore_case)
        return text_matches(test->op, attr->value, test->value);
    result = text_matches(test->op, lower_into(&have, attr->value), lower_into(&want, test->value));
    buf_deinit(&have);
    buf_deinit(&want);
    return result;
}

static bool attr_is(const struct dom_node *node, const char *name, struct str value)
{
    const struct dom_attr *attr = dom_attr(node, str_of(name));

    return attr && str_eq_nocase(attr->value, value);
}

/* --- structure ---------------------------------------------------------------------------- */

static bool same_type(const struct dom_node *a, const struct dom_node *b)
{
    return str_eq(a->name, b->name);
}

/* 1-based place among the element siblings (of the same type); `most` + 1 for any place behind it,
 * so that :first-child does not count all rows of a table for each of them. */
static int place_of(const struct dom_node *node, bool from_end, bool of_type, int most)
{
    const struct dom_node *at = node;
    int place = 0;

    while (at && place <= most) {
        if (!of_type || same_type(at, node))
            place++;
        at = from_end ? dom_next_element(at) : dom_prev_element(at);
    }
    return place;
}

static bool nth_matches(const struct nth *nth, const struct dom_node *node)
{
    int place = place_of(node, nth->from_end, nth->of_type, nth->a > 0 ? INT_MAX - 1 : nth->b);
    int over = place - nth->b;

    if (nth->a == 0)
        return over == 0;
    return over % nth->a == 0 && over / nth->a >= 0;
}

static bool is_empty(const struct dom_node *node)
{
    for (const struct dom_node *child = node->first_child; child; child = child->next) {
        if (child->kind != DOM_COMMENT)
            return false;
    }
    return true;
}

static bool contains_text(const struct dom_node *node, struct str want, bool own)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    bool found;

    if (own) {
        for (const struct dom_node *child = node->first_child; child; child = child->next) {
            if (child->kind == DOM_TEXT)
                buf_append_str(&text, child->text);
        }
    } else {
        dom_append_text(node, &text);
    }
    found = str_find_str(buf_str(&text), want) >= 0;
    buf_deinit(&text);
    return found;
}

static bool has_descendant(const struct selector *inner, const struct dom_node *node)
{
    const struct dom_node *at = node;

    while ((at = dom_walk(at, node))) {
        if (at->kind == DOM_ELEMENT && matches_any(inner, at, node))
            return true;
    }
    /* :has(+ x) and :has(~ x) look beside the node, not below it. */
    for (at = dom_next_element(node); at; at = dom_next_element(at)) {
        if (matches_any(inner, at, node) && (inner->list->rightmost->relative_to_anchor &&
                                             inner->list->rightmost->to_left != CHILD))
            return true;
    }
    return false;
}

static bool has_child(const struct selector *inner, const struct dom_node *node)
{
    for (const struct dom_node *at = dom_first_element(node); at; at = dom_next_element(at)) {
        if (matches_any(inner, at, NULL))
            return true;
    }
    return false;
}

/* --- forms -------------------------------------------------------------------------------- */

static bool is_input(const struct dom_node *node)
{
    return dom_is_element(node, "input") || dom_is_element(node, "select") ||
           dom_is_element(node, "textarea") || dom_is_element(node, "button");
}

static bool is_header(const struct dom_node *node)
{
    return node->name.len == 2 && node->name.ptr[0] == 'h' && node->name.ptr[1] >= '1' &&
           node->name.ptr[1] <= '6';
}

static bool is_button(const struct dom_node *node)
{
    return dom_is_element(node, "button") ||
           (dom_is_element(node, "input") && attr_is(node, "type", STR("button")));
}

static bool is_checked(const struct dom_node *node)
{
    if (dom_is_element(node, "option"))
        return dom_attr(node, STR("selected"));
    return dom_is_element(node, "input") && dom_attr(node, STR("checked")) &&
           (attr_is(node, "type", STR("checkbox")) || attr_is(node, "type", STR("radio")));
}

static bool form_state(const struct test *test, const struct dom_node *node)
{
    bool disabled = dom_attr(node, STR("disabled"));

    switch (test->kind) {
    case TEST_INPUT:
        return is_input(node);
    case TEST_BUTTON:
        return is_button(node);
    case TEST_CHECKED:
        return is_checked(node);
    case TEST_SELECTED:
        return dom_is_element(node, "option") && dom_attr(node, STR("selected"));
    case TEST_DISABLED:
    case TEST_ENABLED:
        return (is_input(node) || dom_is_element(node, "option") ||
                dom_is_element(node, "optgroup") || dom_is_element(node, "fieldset")) &&
               disabled == (test->kind == TEST_DISABLED);
    default: /* TEST_INPUT_TYPE: a text field is what an input is without a type */
        if (!dom_is_element(node, "input"))
            return str_eq_c(test->name, "submit") && dom_is_element(node, "button") &&
                   !attr_is(node, "type", STR("button")) && !attr_is(node, "type", STR("reset"));
        if (!dom_attr(node, STR("type")))
            return str_eq_c(test->name, "text");
        return attr_is(node, "type", test->name);
    }
}

/* --- matching ----------------------------------------------------------------------------- */

static bool test_matches(const struct test *test, const struct dom_node *node)
{
    const struct dom_attr *attr;

    switch (test->kind) {
    case TEST_TYPE:
        return str_eq(node->name, test->name);
    case TEST_ID:
        attr = dom_attr(node, STR("id"));
        return attr && str_eq(attr->value, test->name);
    case TEST_CLASS:
        attr = dom_attr(node, STR("class"));
        return attr && has_word(attr->value, test->name);
    case TEST_ATTR:
        return attr_matches(test, node);
    case TEST_NOT:
        return !matches_any(test->inner, node, NULL);
    case TEST_IS:
        return matches_any(test->inner, node, NULL);
    case TEST_HAS:
        return has_descendant(test->inner, node);
    case TEST_HAS_CHILD:
        return has_child(test->inner, node);
    case TEST_CONTAINS:
    case TEST_CONTAINS_OWN:
        return contains_text(node, test->value, test->kind == TEST_CONTAINS_OWN);
    case TEST_NTH:
        return nth_matches(&test->nth, node);
    case TEST_ONLY:
        return place_of(node, false, test->nth.of_type, 1) == 1 &&
               place_of(node, true, test->nth.of_type, 1) == 1;
    case TEST_EMPTY:
        return is_empty(node);
    case TEST_PARENT:
        return !is_empty(node);
    case TEST_ROOT:
        return !dom_parent_element(node);
    case TEST_HEADER:
        return is_header(node);
    case TEST_LINK:
        return dom_attr(node, STR("href")) &&
               (dom_is_element(node, "a") || dom_is_element(node, "area") ||
                dom_is_element(node, "link"));
    default:
        return form_state(test, node);
    }
}

static bool compound_matches(const struct compound *compound, const struct dom_node *node)
{
    for (const struct test *test = compound->tests; test; test = test->next) {
        if (!test_matches(test, node))
            return false;
    }
    return true;
}

/* Whether `node` stands to `other` on its left as the combinator says, directly. */
static bool relates(enum combinator combinator, const struct dom_node *node,
                    const struct dom_node *other)
{
    if (!other)
        return false;
    switch (combinator) {
    case CHILD:
        return node->parent == other;
    case DESCENDANT:
        return dom_contains(other, node);
    case ADJACENT:
        return dom_prev_element(node) == other;
    case SIBLING:
        return node->parent == other->parent && other->order < node->order;
    }
    return false;
}

static const struct dom_node *step_left(enum combinator combinator, const struct dom_node *node)
{
    return combinator == CHILD || combinator == DESCENDANT ? dom_parent_element(node)
                                                           : dom_prev_element(node);
}

static bool complex_matches(const struct compound *compound, const struct dom_node *node,
                            const struct dom_node *anchor)
{
    bool once = compound->to_left == CHILD || compound->to_left == ADJACENT;

    if (!compound_matches(compound, node))
        return false;
    if (!compound->left)
        return !compound->relative_to_anchor || relates(compound->to_left, node, anchor);
    for (const struct dom_node *at = step_left(compound->to_left, node); at;
         at = step_left(compound->to_left, at)) {
        if (complex_matches(compound->left, at, anchor))
            return true;
        if (once)
            return false;
    }
    return false;
}

static bool matches_any(const struct selector *s, const struct dom_node *node,
                        const struct dom_node *anchor)
{
    for (const struct complex *complex = s->list; complex; complex = complex->next) {
        if (complex_matches(complex->rightmost, node, anchor))
            return true;
    }
    return false;
}

bool selector_matches(const struct selector *s, const struct dom_node *node)
{
    return node->kind == DOM_ELEMENT && matches_any(s, node, NULL);
}

void selector_find(const struct selector *s, const struct dom_node *top, struct node_list *out)
{
    const struct dom_node *node = top;

    while ((node = dom_walk(node, top))) {
        if (selector_matches(s, node))
            node_list_add(out, node);
    }
}

static bool keeps(const struct selector *s, size_t i, size_t count)
{
    ptrdiff_t index = s->position_index;

    if (index < 0)
        index += (ptrdiff_t)count;
    switch (s->position) {
    case POSITION_NONE:
        return true;
    case POSITION_EQ:
        return (ptrdiff_t)i == index;
    case POSITION_LT:
        return (ptrdiff_t)i < index;
    case POSITION_GT:
        return (ptrdiff_t)i > index;
    case POSITION_EVEN:
        return i % 2 == 0;
    case POSITION_ODD:
        return i % 2 == 1;
    }
    return true;
}

void selector_apply_position(const struct selector *s, struct node_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (keeps(s, i, list->count))
            list->nodes[kept++] = list->nodes[i];
    }
    list->count = kept;
}

/* --- lists -------------------------------------------------------------------------------- */

void node_list_deinit(struct node_list *list)
{
    mem_free((void *)list->nodes);
    *list = (struct node_list){NULL, 0, 0};
}

void node_list_add(struct node_list *list, const struct dom_node *node)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->nodes = mem_reallocarray((void *)list->nodes, list->cap, sizeof *list->nodes);
    }
    list->nodes[list->count++] = node;
}

static int by_order(const void *a, const void *b)
{
    const struct dom_node *const *left = a;
    const struct dom_node *const *right = b;

    return ((*left)->order > (*right)->order) - ((*left)->order < (*right)->order);
}

void node_list_sort(struct node_list *list)
{
    size_t kept = 0;

    if (list->count < 2)
        return;
    qsort((void *)list->nodes, list->count, sizeof *list->nodes, by_order);
    for (size_t i = 0; i < list->count; i++) {
        if (kept == 0 || list->nodes[kept - 1] != list->nodes[i])
            list->nodes[kept++] = list->nodes[i];
    }
    list->count = kept;
}
