/* The compiled form of a selector, which selector_parse.c builds and selector.c matches. */
#ifndef SCRIPT_HTML_SELECTOR_INTERNAL_H
#define SCRIPT_HTML_SELECTOR_INTERNAL_H

#include "base/arena.h"
#include "script/html/selector.h"

/* Deepest nesting of :not(...), :has(...) and compounds in a row: what a person writes and more. */
enum { SELECTOR_MAX_NESTING = 16, SELECTOR_MAX_COMPOUNDS = 64 };

enum test_kind {
    TEST_TYPE,
    TEST_ID,
    TEST_CLASS,
    TEST_ATTR, /* and its operator */
    TEST_NOT,
    TEST_IS,
    TEST_HAS,
    TEST_HAS_CHILD,
    TEST_CONTAINS,
    TEST_CONTAINS_OWN,
    TEST_NTH,
    TEST_ONLY,
    TEST_EMPTY,
    TEST_PARENT,
    TEST_ROOT,
    TEST_INPUT,
    TEST_BUTTON,
    TEST_HEADER,
    TEST_CHECKED,
    TEST_SELECTED,
    TEST_DISABLED,
    TEST_ENABLED,
    TEST_LINK,
    TEST_INPUT_TYPE,
};

enum attr_op {
    ATTR_PRESENT,
    ATTR_EQUALS,
    ATTR_NOT_EQUALS,
    ATTR_WORD,   /* ~= */
    ATTR_DASH,   /* |= */
    ATTR_PREFIX, /* ^= */
    ATTR_SUFFIX, /* $= */
    ATTR_SUBSTR, /* *= */
};

struct nth { /* a * n + b for n = 0, 1, ... */
    int a;
    int b;
    bool from_end;
    bool of_type;
};

struct test {
    enum test_kind kind;
    struct str name;  /* type, id, class, attribute, input type */
    struct str value; /* attribute value, text to contain */
    enum attr_op op;
    bool ignore_case;
    struct nth nth;
    struct selector *inner; /* :not, :is, :has; freed with the outer one */
    struct test *next;
};

enum combinator { DESCENDANT = ' ', CHILD = '>', ADJACENT = '+', SIBLING = '~' };

struct compound {
    struct test *tests;
    enum combinator to_left; /* how it relates to `left` */
    struct compound *left;   /* NULL: the leftmost */
    bool relative_to_anchor; /* leftmost of a :has(> x): `to_left` relates it to the anchor */
};

struct complex {
    struct compound *rightmost;
    struct complex *next;
};

enum position {
    POSITION_NONE,
    POSITION_EQ,
    POSITION_LT,
    POSITION_GT,
    POSITION_EVEN,
    POSITION_ODD,
};

struct selector {
    struct arena arena;
    struct complex *list;
    enum position position;
    int position_index;
};

#endif
