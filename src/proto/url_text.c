/* URLs put together: references resolved, texts written, escaping. */
#include <string.h>

#include "base/err.h"
#include "proto/url.h"
#include "proto/url_internal.h"

/* --- resolving (RFC 3986 5.3) ------------------------------------------------------------- */

/* Removes "." and ".." segments (RFC 3986 5.2.4) from an absolute path, in place; returns the new
 * length. */
static size_t remove_dots(char *path, size_t len)
{
    size_t in = 0;
    size_t out = 0;

    while (in < len) {
        size_t end = in + 1; /* of the segment that begins with the slash at `in` */
        size_t name;

        while (end < len && path[end] != '/')
            end++;
        name = end - in - 1;
        if ((name == 1 && path[in + 1] == '.') ||
            (name == 2 && path[in + 1] == '.' && path[in + 2] == '.')) {
            if (name == 2) {
                while (out > 0 && path[out - 1] != '/')
                    out--;
                out -= out > 0;
            }
            if (end == len)
                path[out++] = '/';
        } else {
            memmove(path + out, path + in, end - in);
            out += end - in;
        }
        in = end;
    }
    return out;
}

/* `reference` behind the last slash of `base`, dots removed; always absolute. */
static struct str merge_paths(struct str base, struct str reference, struct arena *a)
{
    ptrdiff_t slash = str_rfind(base, '/');
    size_t kept = reference.len && reference.ptr[0] == '/' ? 0 : (size_t)(slash + 1);
    char *path = arena_alloc(a, kept + reference.len + 1);
    size_t len = 0;

    if (kept) {
        memcpy(path, base.ptr, kept);
        len = kept;
    } else if (!reference.len || reference.ptr[0] != '/') {
        path[len++] = '/';
    }
    if (reference.len)
        memcpy(path + len, reference.ptr, reference.len);
    return str_from(path, remove_dots(path, len + reference.len));
}

static bool has_dots(struct str path)
{
    return str_find_str(path, STR("/.")) >= 0;
}

static void take_authority(struct url *u, const struct url *from)
{
    u->has_authority = from->has_authority;
    u->has_user = from->has_user;
    u->has_password = from->has_password;
    u->user = from->user;
    u->password = from->password;
    u->authority = from->authority;
    u->host = from->host;
    u->port = from->port;
    u->is_ipv6 = from->is_ipv6;
}

int url_resolve(const struct url *base, struct str reference, struct arena *a, struct url *out,
                struct diag *d)
{
    struct url u;
    int err = url_parse_any(reference, base->scheme, a, &u, d);
    bool had_scheme = err == 0 && u.scheme.len > 0;

    if (err)
        return err;
    if (!had_scheme)
        u.scheme = base->scheme;
    if (had_scheme || u.has_authority) {
        if (u.path.len && u.path.ptr[0] == '/' && has_dots(u.path))
            u.path = merge_paths(STR(""), u.path, a);
    } else {
        take_authority(&u, base);
        if (!u.path.len && !u.has_query) {
            u.query = base->query;
            u.has_query = base->has_query;
        }
        u.path = u.path.len ? merge_paths(base->path, u.path, a) : base->path;
    }
    if (!u.opaque.len)
        url_set_target(&u, a);
    *out = u;
    return 0;
}

bool url_is_same_origin(const struct url *a, const struct url *b)
{
    return a->port == b->port && str_eq(a->scheme, b->scheme) && str_eq(a->host, b->host);
}

/* --- texts -------------------------------------------------------------------------------- */

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static char *put(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_escaped(char *at, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";

    *at++ = '%';
    *at++ = hex[c >> 4];
    *at++ = hex[c & 15];
    return at;
}

/* What Go leaves alone in a user name or password. */
static char *put_userinfo(char *at, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (is_unreserved(c) || (c && strchr("$&+,;=", c)))
            *at++ = (char)c;
        else
            at = put_escaped(at, c);
    }
    return at;
}

static char *put_user(char *at, const struct url *u, enum url_userinfo userinfo)
{
    if (!u->has_user || userinfo == URL_USER_DROP)
        return at;
    if (userinfo == URL_USER_MASK) {
        at = put(at, u->has_password ? STR("****:****") : STR("****"));
    } else {
        at = put_userinfo(at, u->user);
        if (u->has_password) {
            *at++ = ':';
            at = put_userinfo(at, u->password);
        }
    }
    *at++ = '@';
    return at;
}

struct str url_text(const struct url *u, enum url_userinfo userinfo, struct arena *a)
{
    size_t max = u->scheme.len + u->user.len * 3 + u->password.len * 3 + u->authority.len +
                 u->path.len + u->query.len + u->fragment.len + u->opaque.len + 32;
    char *text = arena_alloc(a, max);
    char *at = text;

    if (u->scheme.len) {
        at = put(at, u->scheme);
        *at++ = ':';
    }
    if (u->has_authority) {
        at = put(at, STR("//"));
        at = put_user(at, u, userinfo);
        at = put(at, u->authority);
    }
    at = put(at, u->opaque.len ? u->opaque : u->path);
    if (u->has_query) {
        *at++ = '?';
        at = put(at, u->query);
    }
    if (u->fragment.len) {
        *at++ = '#';
        at = put(at, u->fragment);
    }
    return str_from(text, (size_t)(at - text));
}

/* --- escaping ----------------------------------------------------------------------------- */

static void append_escaped(unsigned char c, struct buf *out)
{
    char text[3];

    put_escaped(text, c);
    buf_append(out, text, sizeof text);
}

/* Appends `s`; runs of bytes that stay are copied at once. `extra`: also stay. */
static void escape(struct str s, const char *extra, bool space_is_plus, struct buf *out)
{
    size_t start = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (is_unreserved(c) || (c && strchr(extra, c)))
            continue;
        buf_append(out, s.ptr + start, i - start);
        start = i + 1;
        if (c == ' ' && space_is_plus)
            buf_append_char(out, '+');
        else
            append_escaped(c, out);
    }
    buf_append(out, s.ptr ? s.ptr + start : "", s.len - start);
}

void url_query_escape(struct str s, struct buf *out)
{
    escape(s, "", true, out);
}

void url_path_escape(struct str s, struct buf *out)
{
    escape(s, "$&+=:@", false, out);
}

int url_unescape(struct str s, bool plus_is_space, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '%') {
            if (!url_is_escape(s, i))
                return ERR_SYNTAX;
            c = (char)url_escape_value(s, i);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_append_char(out, c);
    }
    return buf_is_over(out) ? ERR_LIMIT : 0;
}
