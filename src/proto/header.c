#include "proto/header.h"

#include <string.h>

/* RFC 9110 5.6.2 tchar. */
static const bool token_char[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
    ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['|'] = true, ['~'] = true, ['0'] = true, ['1'] = true, ['2'] = true,
    ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true, ['8'] = true,
    ['9'] = true, ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true,
    ['F'] = true, ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true,
    ['L'] = true, ['M'] = true, ['N'] = true, ['O'] = true, ['P'] = true, ['Q'] = true,
    ['R'] = true, ['S'] = true, ['T'] = true, ['U'] = true, ['V'] = true, ['W'] = true,
    ['X'] = true, ['Y'] = true, ['Z'] = true, ['a'] = true, ['b'] = true, ['c'] = true,
    ['d'] = true, ['e'] = true, ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true,
    ['j'] = true, ['k'] = true, ['l'] = true, ['m'] = true, ['n'] = true, ['o'] = true,
    ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true, ['t'] = true, ['u'] = true,
    ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true, ['z'] = true,
};

bool header_is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!token_char[(unsigned char)s.ptr[i]])
            return false;
    }
    return s.len > 0;
}

bool header_is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static char canonical_char(char c, bool is_first)
{
    if (is_first)
        return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void header_canonical(char *name, size_t len)
{
    bool is_first = true;

    if (!header_is_token(str_from(name, len)))
        return;
    for (size_t i = 0; i < len; i++) {
        name[i] = canonical_char(name[i], is_first);
        is_first = name[i] == '-';
    }
}

struct str header_canonical_str(struct str name, struct arena *a)
{
    bool is_first = true;
    bool is_canonical = true;
    char *copy;

    if (!header_is_token(name))
        return name;
    for (size_t i = 0; i < name.len && is_canonical; i++) {
        is_canonical = name.ptr[i] == canonical_char(name.ptr[i], is_first);
        is_first = name.ptr[i] == '-';
    }
    if (is_canonical)
        return name;
    copy = arena_alloc(a, name.len);
    memcpy(copy, name.ptr, name.len);
    header_canonical(copy, name.len);
    return str_from(copy, name.len);
}

const struct http_header *header_find(const struct http_header *list, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].name.len == name.len && str_eq_nocase(list[i].name, name))
            return &list[i];
    }
    return NULL;
}

struct str header_value(const struct http_header *list, size_t count, struct str name)
{
    const struct http_header *h = header_find(list, count, name);

    return h ? h->value : (struct str){NULL, 0};
}

bool header_has_token(struct str value, struct str token)
{
    while (value.len > 0) {
        if (str_eq_nocase(str_trim(str_cut(&value, ',')), token))
            return true;
    }
    return false;
}
