/* Text to compiled selector: recursive descent over CSS Selectors level 4's grammar, as far as
 * selector.h says. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "script/html/selector_internal.h"

struct parser {
    struct str text;
    size_t at;
    struct selector *sel;
    unsigned nesting;
    bool relative; /* a leading combinator is allowed: inside :has() */
    struct diag *d;
};

static int parse_list(struct parser *p, char end);

static int fail(struct parser *p, const char *what)
{
    return diag_set(p->d, ERR_SYNTAX, "invalid selector '%.*s': %s at position %zu",
                    STR_ARG(p->text), what, p->at + 1);
}

static char peek(const struct parser *p)
{
    return p->at < p->text.len ? p->text.ptr[p->at] : '\0';
}

static bool at_end(const struct parser *p)
{
    return p->at >= p->text.len;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool skip_space(struct parser *p)
{
    size_t from = p->at;

    while (is_space(peek(p)))
        p->at++;
    return p->at > from;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || (unsigned char)c >= 0x80;
}

static struct str arena_lower(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + 32) : s.ptr[i];
    copy[s.len] = '\0';
    return str_from(copy, s.len);
}

static void append_code_point(struct buf *out, unsigned long code)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = 0xfffd;
    if (code < 0x80) {
        buf_append_char(out, (char)code);
    } else if (code < 0x800) {
        buf_append_char(out, (char)(0xc0 | (code >> 6)));
        buf_append_char(out, (char)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        buf_append_char(out, (char)(0xe0 | (code >> 12)));
        buf_append_char(out, (char)(0x80 | ((code >> 6) & 63)));
        buf_append_char(out, (char)(0x80 | (code & 63)));
    } else {
        buf_append_char(out, (char)(0xf0 | (code >> 18)));
        buf_append_char(out, (char)(0x80 | ((code >> 12) & 63)));
        buf_append_char(out, (char)(0x80 | ((code >> 6) & 63)));
        buf_append_char(out, (char)(0x80 | (code & 63)));
    }
}

/* What follows a backslash: up to six hexadecimal digits and a space, or any character. */
static void parse_escape(struct parser *p, struct buf *out)
{
    unsigned long code = 0;
    int digits = 0;

    p->at++;
    while (digits < 6 && peek(p) && strchr("0123456789abcdefABCDEF", peek(p))) {
        char c = peek(p);

        code = code * 16 + (unsigned long)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        p->at++;
        digits++;
    }
    if (digits == 0 && !at_end(p)) {
        buf_append_char(out, peek(p));
        p->at++;
        return;
    }
    append_code_point(out, code);
    if (is_space(peek(p)))
        p->at++;
}

static struct str keep(struct parser *p, struct buf *text)
{
    struct str kept = arena_str(&p->sel->arena, buf_str(text));

    buf_deinit(text);
    return kept;
}

static int parse_name(struct parser *p, struct str *out)
{
    struct buf name = BUF_INIT(SIZE_MAX);

    while (is_name_char(peek(p)) || peek(p) == '\\') {
        if (peek(p) == '\\')
            parse_escape(p, &name);
        else
            buf_append_char(&name, p->text.ptr[p->at++]);
    }
    *out = keep(p, &name);
    return out->len ? 0 : fail(p, "a name was expected");
}

static int parse_string(struct parser *p, struct str *out)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    char quote = peek(p);

    p->at++;
    while (!at_end(p) && peek(p) != quote) {
        if (peek(p) == '\\')
            parse_escape(p, &text);
        else
            buf_append_char(&text, p->text.ptr[p->at++]);
    }
    *out = keep(p, &text);
    if (at_end(p))
        return fail(p, "the string has no end");
    p->at++;
    return 0;
}

static struct test *add_test(struct parser *p, struct compound *compound, enum test_kind kind)
{
    struct test *test = arena_zalloc(&p->sel->arena, sizeof *test);

    test->kind = kind;
    test->next = compound->tests;
    compound->tests = test;
    return test;
}

/* --- attributes --------------------------------------------------------------------------- */

static int parse_attr_op(struct parser *p, enum attr_op *op)
{
    static const char marks[] = "!~|^$*";
    static const enum attr_op ops[] = {ATTR_NOT_EQUALS, ATTR_WORD,   ATTR_DASH,
                                       ATTR_PREFIX,     ATTR_SUFFIX, ATTR_SUBSTR};
    const char *mark = peek(p) ? strchr(marks, peek(p)) : NULL;

    *op = ATTR_EQUALS;
    if (mark) {
        *op = ops[mark - marks];
        p->at++;
    }
    if (peek(p) != '=')
        return fail(p, "one of = != ~= |= ^= $= *= or ] was expected");
    p->at++;
    return 0;
}

static int parse_attr_value(struct parser *p, struct str *out)
{
    struct buf text = BUF_INIT(SIZE_MAX);

    skip_space(p);
    if (peek(p) == '"' || peek(p) == '\'')
        return parse_string(p, out);
    while (!at_end(p) && peek(p) != ']' && !is_space(peek(p)))
        buf_append_char(&text, p->text.ptr[p->at++]);
    *out = keep(p, &text);
    return out->len ? 0 : fail(p, "a value was expected");
}

static int parse_attr(struct parser *p, struct compound *compound)
{
    struct test *test = add_test(p, compound, TEST_ATTR);
    int err;

    p->at++;
    skip_space(p);
    err = parse_name(p, &test->name);
    if (err)
        return err;
    skip_space(p);
    if (peek(p) != ']') {
        err = parse_attr_op(p, &test->op);
        if (err == 0)
            err = parse_attr_value(p, &test->value);
        if (err)
            return err;
        skip_space(p);
        if (peek(p) == 'i' || peek(p) == 'I') {
            test->ignore_case = true;
            p->at++;
            skip_space(p);
        }
    }
    if (peek(p) != ']')
        return fail(p, "] was expected");
    p->at++;
    return 0;
}

/* --- pseudo-classes ----------------------------------------------------------------------- */

/* The text between the parentheses, as it stands; `p->at` is behind the opening one. */
static int parse_raw_argument(struct parser *p, struct str *out)
{
    int err = 0;
    size_t from;

    skip_space(p);
    if (peek(p) == '"' || peek(p) == '\'') {
        err = parse_string(p, out);
        skip_space(p);
    } else {
        from = p->at;
        while (!at_end(p) && peek(p) != ')')
            p->at++;
        *out = arena_str(&p->sel->arena, str_trim(str_slice(p->text, from, p->at)));
    }
    if (err == 0 && peek(p) != ')')
        return fail(p, ") was expected");
    p->at++;
    return err;
}

static bool take_int(struct str *s, int *out)
{
    int sign = 1;
    int value = 0;
    size_t digits = 0;

    *s = str_trim(*s);
    if (s->len && (s->ptr[0] == '+' || s->ptr[0] == '-')) {
        sign = s->ptr[0] == '-' ? -1 : 1;
        *s = str_trim(str_from_index(*s, 1));
    }
    while (digits < s->len && digits < 8 && s->ptr[digits] >= '0' && s->ptr[digits] <= '9')
        value = value * 10 + (s->ptr[digits++] - '0');
    *s = str_from_index(*s, digits);
    *out = sign * (digits ? value : 1);
    return digits > 0;
}

/* "odd", "even", "3", "2n", "2n+1", "-n+3" (CSS Syntax, An+B). */
static bool parse_nth(struct str s, struct nth *nth)
{
    int first;
    bool digits;

    if (str_eq_nocase(s, STR("odd")) || str_eq_nocase(s, STR("even"))) {
        nth->a = 2;
        nth->b = s.len == 3 ? 1 : 0;
        return true;
    }
    digits = take_int(&s, &first);
    if (s.len && (s.ptr[0] == 'n' || s.ptr[0] == 'N')) {
        nth->a = first;
        s = str_trim(str_from_index(s, 1));
        if (s.len == 0) {
            nth->b = 0;
            return true;
        }
        return (s.ptr[0] == '+' || s.ptr[0] == '-') && take_int(&s, &nth->b) && s.len == 0;
    }
    nth->a = 0;
    nth->b = first;
    return digits && s.len == 0;
}

/* :not(list), :has(list): the inner list becomes a selector of its own in the same arena. */
static int parse_inner(struct parser *p, struct test *test)
{
    struct selector *outer = p->sel;
    struct selector *inner = arena_zalloc(&outer->arena, sizeof *inner);
    bool was_relative = p->relative;
    int err;

    if (++p->nesting > SELECTOR_MAX_NESTING)
        return fail(p, "too many nested pseudo-classes");
    inner->arena = outer->arena; /* lent: the arena has one owner at a time */
    p->sel = inner;
    p->relative = test->kind == TEST_HAS;
    err = parse_list(p, ')');
    outer->arena = inner->arena;
    arena_init(&inner->arena);
    p->sel = outer;
    p->relative = was_relative;
    p->nesting--;
    test->inner = inner;
    return err;
}

static const struct {
    const char *name;
    enum test_kind kind;
    struct nth nth;
} plain[] = {
    {"first-child", TEST_NTH, {0, 1, false, false}},
    {"last-child", TEST_NTH, {0, 1, true, false}},
    {"first-of-type", TEST_NTH, {0, 1, false, true}},
    {"last-of-type", TEST_NTH, {0, 1, true, true}},
    {"only-child", TEST_ONLY, {0, 0, false, false}},
    {"only-of-type", TEST_ONLY, {0, 0, false, true}},
    {"empty", TEST_EMPTY, {0}},
    {"parent", TEST_PARENT, {0}},
    {"root", TEST_ROOT, {0}},
    {"input", TEST_INPUT, {0}},
    {"button", TEST_BUTTON, {0}},
    {"header", TEST_HEADER, {0}},
    {"checked", TEST_CHECKED, {0}},
    {"selected", TEST_SELECTED, {0}},
    {"disabled", TEST_DISABLED, {0}},
    {"enabled", TEST_ENABLED, {0}},
    {"link", TEST_LINK, {0}},
    {"text", TEST_INPUT_TYPE, {0}},
    {"checkbox", TEST_INPUT_TYPE, {0}},
    {"radio", TEST_INPUT_TYPE, {0}},
    {"submit", TEST_INPUT_TYPE, {0}},
    {"password", TEST_INPUT_TYPE, {0}},
    {"file", TEST_INPUT_TYPE, {0}},
    {"image", TEST_INPUT_TYPE, {0}},
    {"reset", TEST_INPUT_TYPE, {0}},
};

static const struct {
    const char *name;
    enum test_kind kind;
    bool from_end;
    bool of_type;
} with_argument[] = {
    {"not", TEST_NOT, false, false},           {"is", TEST_IS, false, false},
    {"where", TEST_IS, false, false},          {"matches", TEST_IS, false, false},
    {"has", TEST_HAS, false, false},           {"haschild", TEST_HAS_CHILD, false, false},
    {"contains", TEST_CONTAINS, false, false}, {"containsown", TEST_CONTAINS_OWN, false, false},
    {"nth-child", TEST_NTH, false, false},     {"nth-last-child", TEST_NTH, true, false},
    {"nth-of-type", TEST_NTH, false, true},    {"nth-last-of-type", TEST_NTH, true, true},
};

static const struct {
    const char *name;
    enum position position;
    int index;
    bool has_argument;
} positions[] = {
    {"first", POSITION_EQ, 0, false},  {"last", POSITION_EQ, -1, false},
    {"even", POSITION_EVEN, 0, false}, {"odd", POSITION_ODD, 0, false},
    {"eq", POSITION_EQ, 0, true},      {"lt", POSITION_LT, 0, true},
    {"gt", POSITION_GT, 0, true},
};

static int parse_argument(struct parser *p, struct test *test)
{
    struct str argument;
    int err;

    switch (test->kind) {
    case TEST_NOT:
    case TEST_IS:
    case TEST_HAS:
    case TEST_HAS_CHILD:
        return parse_inner(p, test);
    case TEST_CONTAINS:
    case TEST_CONTAINS_OWN:
        return parse_raw_argument(p, &test->value);
    default:
        err = parse_raw_argument(p, &argument);
        if (err)
            return err;
        return parse_nth(argument, &test->nth) ? 0 : fail(p, "an+b, odd or even was expected");
    }
}

static int parse_position(struct parser *p, size_t which, bool open)
{
    struct str argument;
    int err;

    if (p->nesting > 0 || p->sel->position != POSITION_NONE)
        return fail(p, "a position may stand only once, at the end");
    if (open != positions[which].has_argument)
        return fail(p, "wrong use of a position");
    p->sel->position = positions[which].position;
    p->sel->position_index = positions[which].index;
    if (!open)
        return 0;
    err = parse_raw_argument(p, &argument);
    if (err)
        return err;
    if (!take_int(&argument, &p->sel->position_index) || argument.len > 0)
        return fail(p, "a number was expected");
    return 0;
}

static int parse_pseudo(struct parser *p, struct compound *compound)
{
    struct str name;
    bool open;
    int err;

    p->at++;
    err = parse_name(p, &name);
    if (err)
        return err;
    name = arena_lower(&p->sel->arena, name);
    open = peek(p) == '(';
    p->at += open ? 1 : 0;
    for (size_t i = 0; open && i < COUNT_OF(with_argument); i++) {
        if (str_eq_c(name, with_argument[i].name)) {
            struct test *test = add_test(p, compound, with_argument[i].kind);

            test->nth.from_end = with_argument[i].from_end;
            test->nth.of_type = with_argument[i].of_type;
            return parse_argument(p, test);
        }
    }
    for (size_t i = 0; !open && i < COUNT_OF(plain); i++) {
        if (str_eq_c(name, plain[i].name)) {
            struct test *test = add_test(p, compound, plain[i].kind);

            test->nth = plain[i].nth;
            test->name = name;
            return 0;
        }
    }
    for (size_t i = 0; i < COUNT_OF(positions); i++) {
        if (str_eq_c(name, positions[i].name))
            return parse_position(p, i, open);
    }
    return fail(p, "unknown pseudo-class before");
}

/* --- compounds and lists ------------------------------------------------------------------ */

static int parse_simple(struct parser *p, struct compound *compound, bool *found)
{
    struct test *test;
    struct str name;
    int err;

    *found = true;
    switch (peek(p)) {
    case '#':
    case '.':
        test = add_test(p, compound, peek(p) == '#' ? TEST_ID : TEST_CLASS);
        p->at++;
        return parse_name(p, &test->name);
    case '[':
        return parse_attr(p, compound);
    case ':':
        return parse_pseudo(p, compound);
    case '*':
        p->at++;
        return 0;
    default:
        if (!is_name_char(peek(p)) && peek(p) != '\\') {
            *found = false;
            return 0;
        }
        err = parse_name(p, &name);
        if (err == 0)
            add_test(p, compound, TEST_TYPE)->name = arena_lower(&p->sel->arena, name);
        return err;
    }
}

static int parse_compound(struct parser *p, struct compound *compound)
{
    bool any = false;
    bool found = true;

    while (found) {
        int err = parse_simple(p, compound, &found);

        if (err)
            return err;
        any |= found;
        /* A type may only come first: "li" then "ul" would be one name. */
    }
    return any ? 0 : fail(p, at_end(p) ? "it ends too early" : "unexpected character");
}

static enum combinator parse_combinator(struct parser *p, bool *found)
{
    bool space = skip_space(p);
    char c = peek(p);

    *found = true;
    if (c == '>' || c == '+' || c == '~') {
        p->at++;
        skip_space(p);
        return (enum combinator)c;
    }
    *found = space && !at_end(p) && c != ',' && c != ')';
    return DESCENDANT;
}

static int parse_complex(struct parser *p, struct complex *complex)
{
    enum combinator combinator = DESCENDANT;
    bool found = true;
    bool leading = false;
    unsigned count = 0;

    skip_space(p);
    if (p->relative && (peek(p) == '>' || peek(p) == '+' || peek(p) == '~'))
        combinator = parse_combinator(p, &leading);
    while (found) {
        struct compound *compound = arena_zalloc(&p->sel->arena, sizeof *compound);
        int err;

        if (++count > SELECTOR_MAX_COMPOUNDS)
            return fail(p, "too many parts");
        compound->left = complex->rightmost;
        compound->to_left = combinator;
        compound->relative_to_anchor = !compound->left && leading;
        err = parse_compound(p, compound);
        if (err)
            return err;
        complex->rightmost = compound;
        combinator = parse_combinator(p, &found);
    }
    return 0;
}

static int parse_list(struct parser *p, char end)
{
    struct complex **last = &p->sel->list;

    for (;;) {
        struct complex *complex = arena_zalloc(&p->sel->arena, sizeof *complex);
        int err = parse_complex(p, complex);

        if (err)
            return err;
        *last = complex;
        last = &complex->next;
        skip_space(p);
        if (peek(p) != ',')
            break;
        p->at++;
    }
    if (end == '\0')
        return at_end(p) ? 0 : fail(p, "unexpected character");
    if (peek(p) != end)
        return fail(p, ") was expected");
    p->at++;
    return 0;
}

int selector_compile(struct str text, struct selector **out, struct diag *d)
{
    struct selector *sel = mem_zalloc(sizeof *sel);
    struct parser parser = {.text = text, .sel = sel, .d = d};
    int err;

    arena_init(&sel->arena);
    err = parse_list(&parser, '\0');
    if (err) {
        selector_free(sel);
        return err;
    }
    *out = sel;
    return 0;
}

void selector_free(struct selector *s)
{
    if (!s)
        return;
    arena_deinit(&s->arena);
    mem_free(s);
}
