#include "net/proxy.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"

/* One entry of NO_PROXY. */
struct exception {
    enum { ALL, IP, NET, NAME } kind;
    uint16_t port; /* 0: any */
    bool subdomains_only;
    struct addr ip;
    struct cidr net;
    struct str name; /* without a dot in front, lower case not needed */
};

struct proxy_config {
    struct arena arena; /* every text */
    struct proxy http;  /* port 0: none, as in the next */
    struct proxy https;
    struct exception *exceptions; /* owned */
    size_t exception_count;
};

/* --- the URL of a proxy ------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Percent-decoding; a "%" that begins no escape stays. */
static struct str decode(struct arena *arena, struct str s)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%' && i + 2 < s.len && hex_value(s.ptr[i + 1]) >= 0 &&
            hex_value(s.ptr[i + 2]) >= 0) {
            out[len++] = (char)(hex_value(s.ptr[i + 1]) * 16 + hex_value(s.ptr[i + 2]));
            i += 2;
        } else {
            out[len++] = s.ptr[i];
        }
    }
    out[len] = '\0';
    return str_from(out, len);
}

static struct str basic_auth(struct arena *arena, struct str user, struct str password)
{
    char *plain = arena_printf(arena, "%.*s:%.*s", STR_ARG(user), STR_ARG(password));
    size_t len = strlen(plain);
    unsigned char *code = arena_alloc(arena, 4 * ((len + 2) / 3) + 1);

    EVP_EncodeBlock(code, (const unsigned char *)plain, (int)len);
    return str_of(arena_printf(arena, "Basic %s", (const char *)code));
}

/* Takes "scheme://" off the front of `*url`. Without one it is http. */
static int take_scheme(struct str *url, struct proxy *p)
{
    static const struct {
        struct str name;
        enum proxy_kind kind;
        bool is_tls;
        uint16_t port;
    } schemes[] = {
        {STR_INIT("http"), PROXY_HTTP, false, 80},
        {STR_INIT("https"), PROXY_HTTP, true, 443},
        {STR_INIT("socks5"), PROXY_SOCKS5, false, 1080},
        {STR_INIT("socks5h"), PROXY_SOCKS5, false, 1080},
    };
    ptrdiff_t end = str_find_str(*url, STR("://"));
    struct str name = end < 0 ? STR("http") : str_slice(*url, 0, (size_t)end);

    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        if (!str_eq_nocase(name, schemes[i].name))
            continue;
        p->kind = schemes[i].kind;
        p->is_tls = schemes[i].is_tls;
        p->port = schemes[i].port;
        if (end >= 0)
            *url = str_from_index(*url, (size_t)end + 3);
        return 0;
    }
    return ERR_UNSUPPORTED;
}

static int take_authority(struct arena *arena, struct str authority, struct proxy *p)
{
    ptrdiff_t at = str_rfind(authority, '@');
    struct str host = str_from_index(authority, (size_t)(at + 1));
    ptrdiff_t colon = str_rfind(host, ':');
    ptrdiff_t bracket = str_rfind(host, ']');
    uint64_t port;

    if (at >= 0) {
        struct str password = str_slice(authority, 0, (size_t)at);
        struct str user = str_cut(&password, ':');

        p->user = decode(arena, user);
        p->password = decode(arena, password);
        p->authorization = basic_auth(arena, p->user, p->password);
    }
    if (colon > bracket) {
        if (!str_to_u64(str_from_index(host, (size_t)colon + 1), &port) || port == 0 ||
            port > UINT16_MAX)
            return ERR_INVALID;
        p->port = (uint16_t)port;
        host = str_slice(host, 0, (size_t)colon);
    }
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_slice(host, 1, host.len - 1);
    if (host.len == 0)
        return ERR_INVALID;
    p->host = arena_str(arena, host);
    return 0;
}

int proxy_parse(struct arena *arena, const char *what, struct str url, struct proxy *out,
                struct diag *d)
{
    struct str rest = str_trim(url);
    struct proxy p = {.kind = PROXY_HTTP};
    struct str authority;

    *out = p;
    if (rest.len == 0)
        return 0;
    if (take_scheme(&rest, &p))
        return diag_set(d, ERR_INVALID,
                        "%s: a proxy of this kind is not supported: \"%.*s\" (use http://, "
                        "https:// or socks5://)",
                        what, STR_ARG(url));
    authority = str_cut(&rest, '/');
    if (take_authority(arena, authority, &p))
        return diag_set(d, ERR_INVALID, "%s: invalid proxy address \"%.*s\"", what, STR_ARG(url));
    p.key = str_of(arena_printf(arena, "%s://%.*s@%.*s:%u",
                                p.kind == PROXY_SOCKS5 ? "socks5"
                                : p.is_tls             ? "https"
                                                       : "http",
                                STR_ARG(p.authorization), STR_ARG(p.host), p.port));
    *out = p;
    return 0;
}

/* --- NO_PROXY ----------------------------------------------------------------------------- */

static bool parse_exception(struct arena *arena, struct str text, struct exception *out)
{
    struct exception e = {.kind = NAME};
    ptrdiff_t colon = str_rfind(text, ':');
    uint64_t port;

    if (text.len == 0)
        return false;
    if (str_eq(text, STR("*"))) {
        e.kind = ALL;
    } else if (str_find(text, '/') >= 0) {
        e.kind = NET;
        if (cidr_parse(text, &e.net))
            return false;
    } else if (addr_parse_port(text, &e.ip) == 0) {
        e.kind = IP;
        e.port = e.ip.port;
    } else {
        if (colon >= 0 && str_to_u64(str_from_index(text, (size_t)colon + 1), &port) &&
            port <= UINT16_MAX) {
            e.port = (uint16_t)port;
            text = str_slice(text, 0, (size_t)colon);
        }
        if (str_starts_with(text, STR("*.")))
            text = str_from_index(text, 1);
        e.subdomains_only = text.len > 0 && text.ptr[0] == '.';
        e.name = arena_str(arena, str_from_index(text, e.subdomains_only ? 1 : 0));
        if (e.name.len == 0)
            return false;
    }
    *out = e;
    return true;
}

static void parse_exceptions(struct proxy_config *c, struct str list)
{
    do {
        struct exception e;

        if (!parse_exception(&c->arena, str_trim(str_cut(&list, ',')), &e))
            continue;
        c->exceptions =
            mem_reallocarray(c->exceptions, c->exception_count + 1, sizeof *c->exceptions);
        c->exceptions[c->exception_count++] = e;
    } while (list.ptr);
}

static bool covers_name(const struct exception *e, struct str host)
{
    if (host.len == e->name.len)
        return !e->subdomains_only && str_eq_nocase(host, e->name);
    return host.len > e->name.len && host.ptr[host.len - e->name.len - 1] == '.' &&
           str_eq_nocase(str_from_index(host, host.len - e->name.len), e->name);
}

static bool is_exempt(const struct proxy_config *c, struct str host, uint16_t port)
{
    struct addr ip;
    bool is_ip = addr_parse(host, &ip) == 0;

    if (is_ip ? addr_is_loopback(&ip) : str_eq_nocase(host, STR("localhost")))
        return true;
    for (size_t i = 0; i < c->exception_count; i++) {
        const struct exception *e = &c->exceptions[i];

        if (e->port && e->port != port)
            continue;
        if (e->kind == ALL || (e->kind == NET && is_ip && cidr_contains(&e->net, &ip)) ||
            (e->kind == IP && is_ip && addr_ip_eq(&e->ip, &ip)) ||
            (e->kind == NAME && !is_ip && covers_name(e, host)))
            return true;
    }
    return false;
}

/* --- the configuration -------------------------------------------------------------------- */

/* The upper-case name first, then the lower-case one; *name is the one that was set. */
static struct str variable(const char *(*lookup)(void *arg, const char *name), void *arg,
                           const char *upper, char *name)
{
    const char *value = lookup(arg, upper);
    size_t len = strlen(upper);

    memcpy(name, upper, len + 1);
    if (!value || !*value) {
        for (size_t i = 0; i < len; i++)
            name[i] = (char)tolower((unsigned char)upper[i]);
        value = lookup(arg, name);
    }
    return str_of(value);
}

int proxy_config_new(const char *(*lookup)(void *arg, const char *name), void *arg,
                     struct proxy_config **out, struct diag *d)
{
    struct proxy_config *c = mem_zalloc(sizeof *c);
    char name[16];
    struct str value;
    int err;

    arena_init(&c->arena);
    value = variable(lookup, arg, "HTTP_PROXY", name);
    err = proxy_parse(&c->arena, name, value, &c->http, d);
    if (err == 0) {
        value = variable(lookup, arg, "HTTPS_PROXY", name);
        err = proxy_parse(&c->arena, name, value, &c->https, d);
    }
    if (err) {
        proxy_config_free(c);
        return err;
    }
    parse_exceptions(c, variable(lookup, arg, "NO_PROXY", name));
    *out = c;
    return 0;
}

void proxy_config_free(struct proxy_config *c)
{
    if (!c)
        return;
    arena_deinit(&c->arena);
    mem_free(c->exceptions);
    mem_free(c);
}

const struct proxy *proxy_for(const struct proxy_config *c, bool is_tls, struct str host,
                              uint16_t port)
{
    const struct proxy *p;

    if (!c)
        return NULL;
    p = is_tls ? &c->https : &c->http;
    return p->port == 0 || is_exempt(c, host, port) ? NULL : p;
}
