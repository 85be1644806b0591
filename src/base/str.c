#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"

bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

int str_cmp(struct str a, struct str b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared ? memcmp(a.ptr, b.ptr, shared) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_from_index(s, s.len - suffix.len), suffix);
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? at - s.ptr : -1;
}

ptrdiff_t str_rfind(struct str s, char c)
{
    const char *at = s.len ? memrchr(s.ptr, c, s.len) : NULL;

    return at ? at - s.ptr : -1;
}

ptrdiff_t str_find_str(struct str s, struct str needle)
{
    const char *at;

    if (needle.len == 0)
        return 0;
    at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? at - s.ptr : -1;
}

struct str str_trim(struct str s)
{
    while (s.len && isspace((unsigned char)s.ptr[0]))
        s = str_from_index(s, 1);
    while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct str str_from_index(struct str s, size_t from)
{
    if (from >= s.len)
        return (struct str){s.ptr ? s.ptr + s.len : NULL, 0};
    return (struct str){s.ptr + from, s.len - from};
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to < s.len)
        s.len = to;
    return str_from_index(s, from);
}

struct str str_cut(struct str *rest, char sep)
{
    ptrdiff_t at = str_find(*rest, sep);
    struct str head = *rest;

    if (at < 0) {
        *rest = (struct str){NULL, 0};
        return head;
    }
    *rest = str_from_index(*rest, (size_t)at + 1);
    head.len = (size_t)at;
    return head;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    uint64_t value;

    if (!str_to_u64(negative ? str_from_index(s, 1) : s, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool str_to_double(struct str s, double *out)
{
    char text[64];
    char *end;
    double value;

    if (s.len == 0 || s.len >= sizeof text || isspace((unsigned char)s.ptr[0]))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        /* strtod also takes "inf", "nan" and hexadecimal: none is a decimal number. */
        if (!strchr("0123456789+-.eE", s.ptr[i]) || s.ptr[i] == '\0')
            return false;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    errno = 0;
    value = strtod(text, &end);
    if (end != text + s.len || errno == ERANGE)
        return false;
    *out = value;
    return true;
}

char *str_dup(struct str s)
{
    return mem_strndup(s.ptr, s.len);
}

/* FNV-1a over 8-byte words with a final mix: short keys dominate here. */
uint64_t str_hash(struct str s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ s.len;
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;

        memcpy(&word, s.ptr + i, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    for (; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ (hash >> 32);
}

/* The length of the well-formed sequence at `p` (RFC 3629, section 4), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t len;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (left < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return len;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t left = s.len;

    while (left > 0) {
        size_t len = utf8_sequence(p, left);

        if (len == 0)
            return false;
        p += len;
        left -= len;
    }
    return true;
}
