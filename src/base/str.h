/* A borrowed piece of text: a pointer and a length, not NUL-terminated, owned by somebody else. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

/* A struct str of a literal, usable in initialisers. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define STR(literal) ((struct str)STR_INIT(literal))

/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline struct str str_from(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Inline, so that the length of a literal is a constant. */
static inline bool str_eq_c(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII */
int str_cmp(struct str a, struct str b);        /* by bytes, as memcmp */
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);

/* Index of the first `c`, or -1. */
ptrdiff_t str_find(struct str s, char c);
ptrdiff_t str_rfind(struct str s, char c);
ptrdiff_t str_find_str(struct str s, struct str needle);

/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);

/* `s` from byte `from` on; from byte `from` up to, not including, `to`. Clamped. */
struct str str_from_index(struct str s, size_t from);
struct str str_slice(struct str s, size_t from, size_t to);

/* Cuts `*rest` at the first `sep`: returns what is before it and leaves what is after it in
 * `*rest` (empty, with a NULL pointer, when there was no separator). */
struct str str_cut(struct str *rest, char sep);

/* Decimal numbers that fill the whole of `s`; false, `*out` untouched, on anything else. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_to_i64(struct str s, int64_t *out);
bool str_to_double(struct str s, double *out);

/* A NUL-terminated copy on the heap; the caller frees it with mem_free. */
char *str_dup(struct str s);

uint64_t str_hash(struct str s);

/* Whether `s` is well-formed UTF-8 (RFC 3629). */
bool str_is_utf8(struct str s);

#endif
