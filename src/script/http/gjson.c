/* GJSON paths, for response.json(selector): the language of github.com/tidwall/gjson as its
 * documentation describes it.
 *
 *   a.b.1      members and items          a\.b        a dot in a name
 *   a*.?x      wildcards in names         list.#      how many
 *   list.#.k   k of each item             list.#(v==2).k    of the first item that fits
 *   list.#(v>1)#.k  of all that fit       @reverse, @keys, @values, @flatten, @this
 *
 * Conditions: == != < <= > >= % (like) !% ; nested paths and conditions are bounded in depth. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "script/http/gjson.h"

enum { MAX_DEPTH = 64 };

static json_t *eval(json_t *value, struct str path, unsigned depth);

/* --- pieces of a path --------------------------------------------------------------------- */

/* Up to the next "." or "|" that is neither escaped nor inside parentheses or quotes. */
static struct str take_part(struct str *path)
{
    struct str whole = *path;
    unsigned nesting = 0;
    bool quoted = false;

    for (size_t i = 0; i < whole.len; i++) {
        char c = whole.ptr[i];

        if (c == '\\') {
            i++;
        } else if (quoted) {
            quoted = c != '"';
        } else if (c == '"' && nesting > 0) {
            quoted = true;
        } else if (c == '(') {
            nesting++;
        } else if (c == ')' && nesting > 0) {
            nesting--;
        } else if ((c == '.' || c == '|') && nesting == 0) {
            *path = str_from_index(whole, i + 1);
            if (path->len == 0)
                path->ptr = whole.ptr + whole.len;
            return str_slice(whole, 0, i);
        }
    }
    *path = (struct str){NULL, 0};
    return whole;
}

/* Matches with * and ?; a backslash makes the next character plain. */
static bool like(struct str text, struct str pattern)
{
    size_t t = 0;
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t mark = 0;

    while (t < text.len) {
        bool escaped = p + 1 < pattern.len && pattern.ptr[p] == '\\';
        char c = p < pattern.len ? pattern.ptr[p + (escaped ? 1 : 0)] : '\0';

        if (p < pattern.len && !escaped && c == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.len && ((!escaped && c == '?') || c == text.ptr[t])) {
            p += escaped ? 2 : 1;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static json_t *member(json_t *value, struct str name)
{
    size_t index = 0;
    uint64_t number;
    const char *key;
    json_t *item;

    if (json_is_array(value)) {
        if (!str_to_u64(name, &number))
            return NULL;
        index = (size_t)number;
        return json_incref(json_array_get(value, index));
    }
    json_object_foreach(value, key, item)
    {
        if (like(str_of(key), name))
            return json_incref(item);
    }
    return NULL;
}

/* --- conditions --------------------------------------------------------------------------- */

struct condition {
    struct str path;
    struct str op;
    struct str operand;
};

static struct condition parse_condition(struct str text)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "!%", "=", "<", ">", "%"};
    struct condition c = {.path = str_trim(text)};
    bool quoted = false;
    unsigned nesting = 0;

    for (size_t at = 0; at < text.len; at++) {
        char ch = text.ptr[at];

        quoted = ch == '"' ? !quoted : quoted;
        nesting += ch == '(' && !quoted;
        nesting -= ch == ')' && !quoted && nesting > 0;
        for (size_t i = 0; i < COUNT_OF(ops) && !quoted && nesting == 0; i++) {
            struct str op = str_of(ops[i]);

            if (!str_starts_with(str_from_index(text, at), op))
                continue;
            c.path = str_trim(str_slice(text, 0, at));
            c.op = op;
            c.operand = str_trim(str_from_index(text, at + op.len));
            return c;
        }
    }
    return c;
}

static int order_of(double a, double b)
{
    return (a > b) - (a < b);
}

static bool order_fits(struct str op, int order)
{
    switch (op.ptr[0]) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '<':
        return op.len == 2 ? order <= 0 : order < 0;
    default:
        return op.len == 2 ? order >= 0 : order > 0;
    }
}

static bool text_fits(struct str have, struct str op, struct str want)
{
    if (want.len >= 2 && want.ptr[0] == '"' && want.ptr[want.len - 1] == '"')
        want = str_slice(want, 1, want.len - 1);
    if (str_eq_c(op, "%"))
        return like(have, want);
    if (str_eq_c(op, "!%"))
        return !like(have, want);
    return order_fits(op, str_cmp(have, want));
}

static bool fits(json_t *item, struct condition c, unsigned depth)
{
    json_t *value = c.path.len ? eval(item, c.path, depth + 1) : json_incref(item);
    bool result = false;
    double number;

    if (value && c.op.len == 0)
        result = true;
    else if (json_is_string(value))
        result = text_fits(str_from(json_string_value(value), json_string_length(value)), c.op,
                           c.operand);
    else if (json_is_number(value))
        result = str_to_double(c.operand, &number) &&
                 order_fits(c.op, order_of(json_number_value(value), number));
    else if (json_is_boolean(value))
        result = order_fits(c.op, (int)json_is_true(value) - (int)str_eq_c(c.operand, "true"));
    else if (json_is_null(value))
        result = str_eq_c(c.operand, "null") && order_fits(c.op, 0);
    json_decref(value);
    return result;
}

/* --- lists -------------------------------------------------------------------------------- */

/* The rest of the path in each item that has it. */
static json_t *each(json_t *list, struct str rest, unsigned depth)
{
    json_t *out = json_array();
    json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        json_t *value = eval(item, rest, depth + 1);

        if (value)
            json_array_append_new(out, value);
    }
    return out;
}

/* "#", "#(...)" or "#(...)#", and what follows. */
static json_t *hash(json_t *list, struct str part, struct str rest, unsigned depth)
{
    bool all = part.len > 1 && part.ptr[part.len - 1] == '#';
    struct condition c;
    json_t *found;
    json_t *result;
    json_t *item;
    size_t i;

    if (!json_is_array(list))
        return NULL;
    if (part.len == 1)
        return rest.ptr ? each(list, rest, depth) : json_integer((json_int_t)json_array_size(list));
    part = str_slice(part, 1, part.len - (all ? 1 : 0));
    if (part.len < 2 || part.ptr[0] != '(' || part.ptr[part.len - 1] != ')')
        return NULL;
    c = parse_condition(str_slice(part, 1, part.len - 1));
    found = json_array();
    json_array_foreach(list, i, item)
    {
        if (!fits(item, c, depth))
            continue;
        json_array_append(found, item);
        if (!all)
            break;
    }
    if (all)
        result = rest.ptr ? each(found, rest, depth) : json_incref(found);
    else if (json_array_size(found) == 0)
        result = NULL;
    else
        result = eval(json_array_get(found, 0), rest, depth + 1);
    json_decref(found);
    return result;
}

/* --- modifiers ---------------------------------------------------------------------------- */

static json_t *reversed(json_t *value)
{
    json_t *out;

    if (!json_is_array(value))
        return json_incref(value);
    out = json_array();
    for (size_t i = json_array_size(value); i-- > 0;)
        json_array_append(out, json_array_get(value, i));
    return out;
}

static json_t *entries(json_t *value, bool keys)
{
    json_t *out = json_array();
    const char *key;
    json_t *item;

    json_object_foreach(value, key, item)
    {
        if (keys)
            json_array_append_new(out, json_string(key));
        else
            json_array_append(out, item);
    }
    return out;
}

static json_t *flattened(json_t *value)
{
    json_t *out = json_array();
    json_t *item;
    size_t i;

    json_array_foreach(value, i, item)
    {
        if (json_is_array(item))
            json_array_extend(out, item);
        else
            json_array_append(out, item);
    }
    return out;
}

static json_t *modify(json_t *value, struct str name)
{
    name = str_cut(&name, ':');
    if (str_eq_c(name, "@this") || str_eq_c(name, "@ugly") || str_eq_c(name, "@pretty") ||
        str_eq_c(name, "@valid"))
        return json_incref(value);
    if (str_eq_c(name, "@reverse"))
        return reversed(value);
    if (str_eq_c(name, "@keys"))
        return entries(value, true);
    if (str_eq_c(name, "@values"))
        return entries(value, false);
    return str_eq_c(name, "@flatten") ? flattened(value) : NULL;
}

/* --- the whole ---------------------------------------------------------------------------- */

/* A new reference, or NULL. */
static json_t *eval(json_t *value, struct str path, unsigned depth)
{
    struct str part;
    json_t *next;
    json_t *result;

    if (depth > MAX_DEPTH)
        return NULL;
    if (!path.ptr || path.len == 0)
        return json_incref(value);
    part = take_part(&path);
    if (part.len > 0 && part.ptr[0] == '#' && json_is_array(value))
        return hash(value, part, path, depth);
    next = part.len > 0 && part.ptr[0] == '@' ? modify(value, part) : member(value, part);
    if (!next)
        return NULL;
    result = eval(next, path, depth + 1);
    json_decref(next);
    return result;
}

static json_t *find(struct str json, struct str path)
{
    json_t *root = json_loadb(json.ptr, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *found = root ? eval(root, path, 0) : NULL;

    json_decref(root);
    return found;
}

static bool put_json(const json_t *found, struct buf *out)
{
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    if (text)
        buf_append_c(out, text);
    free(text);
    return text != NULL;
}

bool gjson_get(struct str json, struct str path, struct buf *out)
{
    json_t *found = find(json, path);
    bool ok = put_json(found, out);

    json_decref(found);
    return ok;
}

bool gjson_get_text(struct str json, struct str path, struct buf *out)
{
    json_t *found = find(json, path);
    bool ok = true;

    if (json_is_string(found))
        buf_append(out, json_string_value(found), json_string_length(found));
    else
        ok = put_json(found, out);
    json_decref(found);
    return ok;
}
