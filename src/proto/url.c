#include "proto/url.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "proto/url_internal.h"

/* What the table knows of a byte. */
enum {
    PATH_OK = 1,     /* stays as it is in a path (Go's validEncoded, "%" aside) */
    HOST_OK = 2,     /* may stand in a host name */
    USERINFO_OK = 4, /* may stand before "@" */
};

#define P PATH_OK
#define PU (PATH_OK | USERINFO_OK)
#define PHU (PATH_OK | HOST_OK | USERINFO_OK)
static const unsigned char class_of[256] = {
    ['!'] = PHU,  ['"'] = HOST_OK,     ['$'] = PHU,         ['%'] = USERINFO_OK, ['&'] = PHU,
    ['\''] = PHU, ['('] = PHU,         [')'] = PHU,         ['*'] = PHU,         ['+'] = PHU,
    [','] = PHU,  ['-'] = PHU,         ['.'] = PHU,         ['/'] = P,           ['0'] = PHU,
    ['1'] = PHU,  ['2'] = PHU,         ['3'] = PHU,         ['4'] = PHU,         ['5'] = PHU,
    ['6'] = PHU,  ['7'] = PHU,         ['8'] = PHU,         ['9'] = PHU,         [':'] = PHU,
    [';'] = PHU,  ['<'] = HOST_OK,     ['='] = PHU,         ['>'] = HOST_OK,     ['@'] = PU,
    ['A'] = PHU,  ['B'] = PHU,         ['C'] = PHU,         ['D'] = PHU,         ['E'] = PHU,
    ['F'] = PHU,  ['G'] = PHU,         ['H'] = PHU,         ['I'] = PHU,         ['J'] = PHU,
    ['K'] = PHU,  ['L'] = PHU,         ['M'] = PHU,         ['N'] = PHU,         ['O'] = PHU,
    ['P'] = PHU,  ['Q'] = PHU,         ['R'] = PHU,         ['S'] = PHU,         ['T'] = PHU,
    ['U'] = PHU,  ['V'] = PHU,         ['W'] = PHU,         ['X'] = PHU,         ['Y'] = PHU,
    ['Z'] = PHU,  ['['] = P | HOST_OK, [']'] = P | HOST_OK, ['_'] = PHU,         ['a'] = PHU,
    ['b'] = PHU,  ['c'] = PHU,         ['d'] = PHU,         ['e'] = PHU,         ['f'] = PHU,
    ['g'] = PHU,  ['h'] = PHU,         ['i'] = PHU,         ['j'] = PHU,         ['k'] = PHU,
    ['l'] = PHU,  ['m'] = PHU,         ['n'] = PHU,         ['o'] = PHU,         ['p'] = PHU,
    ['q'] = PHU,  ['r'] = PHU,         ['s'] = PHU,         ['t'] = PHU,         ['u'] = PHU,
    ['v'] = PHU,  ['w'] = PHU,         ['x'] = PHU,         ['y'] = PHU,         ['z'] = PHU,
    ['~'] = PHU,
};
#undef P
#undef PU
#undef PHU

static bool is_of(unsigned char c, unsigned char class)
{
    return class_of[c] & class;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct str url_lower(struct str s, struct arena *a)
{
    char *copy;
    size_t i = 0;

    while (i < s.len && !(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z'))
        i++;
    if (i == s.len)
        return s;
    copy = arena_alloc(a, s.len);
    for (i = 0; i < s.len; i++)
        copy[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    return str_from(copy, s.len);
}

uint16_t url_default_port(struct str scheme)
{
    if (str_eq_c(scheme, "http") || str_eq_c(scheme, "ws"))
        return 80;
    if (str_eq_c(scheme, "https") || str_eq_c(scheme, "wss"))
        return 443;
    return 0;
}

/* --- parsing ------------------------------------------------------------------------------ */

struct parse {
    struct str whole;  /* for messages */
    struct str scheme; /* of the base of a reference */
    struct arena *arena;
    struct diag *diag;
};

/* `text` quoted as Go's %q does it, shortened when it is very long. */
static char *quoted(struct str text, struct arena *a)
{
    enum { SHOWN_MAX = 512 };
    size_t len = text.len < SHOWN_MAX ? text.len : SHOWN_MAX;
    char *out = arena_alloc(a, len * 4 + 6);
    size_t at = 0;

    out[at++] = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '"' || c == '\\') {
            out[at++] = '\\';
            out[at++] = (char)c;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            out[at++] = '\\';
            out[at++] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
        } else if (c < ' ' || c == 0x7f) {
            at += (size_t)snprintf(out + at, 5, "\\x%02x", c);
        } else {
            out[at++] = (char)c;
        }
    }
    if (len < text.len) {
        memcpy(out + at, "...", 3);
        at += 3;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

static int refuse(const struct parse *p, const char *what)
{
    return diag_set(p->diag, ERR_URL, "parse %s: %s", quoted(p->whole, p->arena), what);
}

static int refuse_with(const struct parse *p, const char *before, struct str culprit,
                       const char *after)
{
    return diag_set(p->diag, ERR_URL, "parse %s: %s%s%s", quoted(p->whole, p->arena), before,
                    quoted(culprit, p->arena), after);
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool url_is_escape(struct str s, size_t at)
{
    return at + 2 < s.len && hex_value(s.ptr[at + 1]) >= 0 && hex_value(s.ptr[at + 2]) >= 0;
}

unsigned char url_escape_value(struct str s, size_t at)
{
    return (unsigned char)(hex_value(s.ptr[at + 1]) * 16 + hex_value(s.ptr[at + 2]));
}

/* ERR_URL when `s` has a "%" without two hex digits. */
static int check_escapes(const struct parse *p, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%')
            continue;
        if (!url_is_escape(s, i))
            return refuse_with(p, "invalid URL escape ", str_slice(s, i, i + 3), "");
        i += 2;
    }
    return 0;
}

/* Escapes checked before. */
static struct str decode(struct str s, struct arena *a)
{
    char *copy;
    size_t len = 0;

    if (str_find(s, '%') < 0)
        return s;
    copy = arena_alloc(a, s.len);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%') {
            copy[len++] = (char)url_escape_value(s, i);
            i += 2;
        } else {
            copy[len++] = s.ptr[i];
        }
    }
    return str_from(copy, len);
}

/* `s` with the bytes escaped that `stays` does not let through. */
static struct str encode(struct str s, bool (*stays)(unsigned char c), struct arena *a)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t extra = 0;
    size_t len = 0;
    char *out;

    for (size_t i = 0; i < s.len; i++)
        extra += !stays((unsigned char)s.ptr[i]);
    if (extra == 0)
        return s;
    out = arena_alloc(a, s.len + extra * 2);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (stays(c)) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = hex[c >> 4];
        out[len++] = hex[c & 15];
    }
    return str_from(out, len);
}

static bool stays_in_path(unsigned char c)
{
    return is_of(c, PATH_OK) || c == '%';
}

/* As Go, a query goes out as it was written; but a space would end the request line's target. */
static bool stays_in_query(unsigned char c)
{
    return c != ' ';
}

static int parse_userinfo(const struct parse *p, struct str text, struct url *out)
{
    struct str user;
    int err;

    for (size_t i = 0; i < text.len; i++) {
        if (!is_of((unsigned char)text.ptr[i], USERINFO_OK))
            return refuse(p, "net/url: invalid userinfo");
    }
    err = check_escapes(p, text);
    if (err)
        return err;
    out->has_user = true;
    out->has_password = str_find(text, ':') >= 0;
    user = str_cut(&text, ':');
    out->user = decode(user, p->arena);
    out->password = out->has_password ? decode(text, p->arena) : STR("");
    return 0;
}

/* `text`: what follows the host, "" or ":digits". */
static int parse_port(const struct parse *p, struct str text, struct url *out)
{
    uint32_t port = 0;

    out->port = url_default_port(out->scheme.len ? out->scheme : p->scheme);
    if (text.len <= 1)
        return text.len == 0 || text.ptr[0] == ':'
                   ? 0
                   : refuse_with(p, "invalid port ", text, " after host");
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[0] != ':' || !is_digit(text.ptr[i]))
            return refuse_with(p, "invalid port ", text, " after host");
        port = port * 10 + (uint32_t)(text.ptr[i] - '0');
        if (port > UINT16_MAX)
            return refuse_with(p, "invalid port ", text, " after host");
    }
    out->port = (uint16_t)port;
    return 0;
}

/* Escapes in a host are for bytes that ASCII lacks, and for "%" itself (RFC 6874). */
static int check_host(const struct parse *p, struct str host)
{
    int err = check_escapes(p, host);

    for (size_t i = 0; err == 0 && i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];

        if (c == '%') {
            unsigned char value = url_escape_value(host, i);

            if (value < 0x80 && value != '%')
                err = refuse_with(p, "invalid URL escape ", str_slice(host, i, i + 3), "");
            i += 2;
        } else if (c < 0x80 && !is_of(c, HOST_OK)) {
            err = refuse_with(p, "invalid character ", str_slice(host, i, i + 1), " in host name");
        }
    }
    return err;
}

static int parse_host(const struct parse *p, struct str text, struct url *out)
{
    struct str host = text;
    struct str port = {NULL, 0};
    ptrdiff_t colon;
    int err;

    if (str_starts_with(text, STR("["))) {
        ptrdiff_t end = str_rfind(text, ']');

        if (end < 0)
            return refuse(p, "missing ']' in host");
        host = str_slice(text, 1, (size_t)end);
        port = str_from_index(text, (size_t)end + 1);
        out->is_ipv6 = true;
    } else if ((colon = str_find(text, ':')) >= 0) {
        host = str_slice(text, 0, (size_t)colon);
        port = str_from_index(text, (size_t)colon);
    }
    err = parse_port(p, port, out);
    if (err == 0)
        err = check_host(p, host);
    if (err)
        return err;
    out->authority = port.len == 1 ? str_slice(text, 0, text.len - 1) : text;
    out->host = url_lower(decode(host, p->arena), p->arena);
    return 0;
}

static int parse_authority(const struct parse *p, struct str text, struct url *out)
{
    ptrdiff_t at = str_rfind(text, '@');
    int err = 0;

    out->has_authority = true;
    if (at >= 0) {
        err = parse_userinfo(p, str_slice(text, 0, (size_t)at), out);
        text = str_from_index(text, (size_t)at + 1);
    }
    return err ? err : parse_host(p, text, out);
}

/* Cuts a scheme with its colon from the front of `*rest`; out->scheme stays empty when there is
 * none. */
static int parse_scheme(const struct parse *p, struct str *rest, struct url *out)
{
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];

        if (is_alpha(c) || (i > 0 && (is_digit(c) || c == '+' || c == '-' || c == '.')))
            continue;
        if (c == ':' && i == 0)
            return refuse(p, "missing protocol scheme");
        if (c == ':') {
            out->scheme = url_lower(str_slice(*rest, 0, i), p->arena);
            *rest = str_from_index(*rest, i + 1);
        }
        break;
    }
    return 0;
}

void url_set_target(struct url *u, struct arena *a)
{
    struct str path = u->path.len ? u->path : STR("/");
    char *joined;

    if (!u->has_query) {
        u->target = path;
        return;
    }
    if (u->path.len && u->query.ptr == u->path.ptr + u->path.len + 1) {
        u->target = str_from(u->path.ptr, u->path.len + 1 + u->query.len);
        return;
    }
    joined = arena_alloc(a, path.len + 1 + u->query.len);
    memcpy(joined, path.ptr, path.len);
    joined[path.len] = '?';
    if (u->query.len)
        memcpy(joined + path.len + 1, u->query.ptr, u->query.len);
    u->target = str_from(joined, path.len + 1 + u->query.len);
}

static int parse_rest(const struct parse *p, struct str rest, struct url *out)
{
    ptrdiff_t at;
    int err;

    at = str_find(rest, '#');
    if (at >= 0) {
        out->fragment = encode(str_from_index(rest, (size_t)at + 1), stays_in_path, p->arena);
        rest = str_slice(rest, 0, (size_t)at);
    }
    at = str_find(rest, '?');
    if (at >= 0) {
        out->has_query = true;
        out->query = encode(str_from_index(rest, (size_t)at + 1), stays_in_query, p->arena);
        rest = str_slice(rest, 0, (size_t)at);
    }
    if (out->scheme.len && rest.len && rest.ptr[0] != '/') {
        out->opaque = rest;
        return 0;
    }
    if (str_starts_with(rest, STR("//"))) {
        struct str authority = str_from_index(rest, 2);

        at = str_find(authority, '/');
        rest = at < 0 ? (struct str){NULL, 0} : str_from_index(authority, (size_t)at);
        err = parse_authority(p, at < 0 ? authority : str_slice(authority, 0, (size_t)at), out);
        if (err)
            return err;
    } else if (!out->scheme.len && str_find(rest, ':') >= 0 &&
               (str_find(rest, '/') < 0 || str_find(rest, ':') < str_find(rest, '/'))) {
        return refuse(p, "first path segment in URL cannot contain colon");
    }
    err = check_escapes(p, rest);
    if (err)
        return err;
    out->path = encode(rest, stays_in_path, p->arena);
    url_set_target(out, p->arena);
    return 0;
}

int url_parse_any(struct str text, struct str scheme, struct arena *a, struct url *out,
                  struct diag *d)
{
    struct parse p = {text, scheme, a, d};
    struct url u = {0};
    struct str rest = text;
    int err;

    if (text.len > URL_MAX)
        return refuse(&p, "the URL is too long");
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return refuse(&p, "net/url: invalid control character in URL");
    }
    err = parse_scheme(&p, &rest, &u);
    if (err == 0)
        err = parse_rest(&p, rest, &u);
    if (err == 0)
        *out = u;
    return err;
}

int url_parse(struct str text, struct arena *a, struct url *out, struct diag *d)
{
    struct url u = {0};
    int err = url_parse_any(text, STR(""), a, &u, d);

    if (err)
        return err;
    if (!u.scheme.len)
        return diag_set(d, ERR_URL, "parse %s: missing protocol scheme", quoted(text, a));
    *out = u;
    return 0;
}
