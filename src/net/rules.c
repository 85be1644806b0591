#include "net/rules.h"

#include "base/err.h"
#include "base/mem.h"

/* A pattern with at most one "*", at its beginning. */
struct pattern {
    char *text;        /* owned, as written */
    struct str suffix; /* within text: what follows the "*", or all of it */
    bool is_wild;
};

struct override {
    struct pattern pattern; /* without the port */
    uint16_t port;          /* 0: any */
    struct addr target;
};

struct rules {
    struct override *overrides; /* owned, as are the next two */
    size_t override_count;
    struct pattern *blocked;
    size_t blocked_count;
    struct cidr *blacklist;
    size_t blacklist_count;
};

struct rules *rules_new(void)
{
    return mem_zalloc(sizeof(struct rules));
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->override_count; i++)
        mem_free(r->overrides[i].pattern.text);
    for (size_t i = 0; i < r->blocked_count; i++)
        mem_free(r->blocked[i].text);
    mem_free(r->overrides);
    mem_free(r->blocked);
    mem_free(r->blacklist);
    mem_free(r);
}

/* --- patterns ----------------------------------------------------------------------------- */

static struct str without_dot(struct str host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

/* Labels of letters, digits, "-" and "_", or bytes of an internationalised name. */
static bool is_host_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

        if (!is_alnum && c != '-' && c != '_' && c != '.' && c != ':' && c < 0x80)
            return false;
    }
    return true;
}

static int parse_pattern(struct str text, struct pattern *out)
{
    bool is_wild = text.len > 0 && text.ptr[0] == '*';
    struct str suffix = without_dot(str_from_index(text, is_wild ? 1 : 0));
    size_t offset = is_wild ? 1 : 0;

    if (text.len == 0 || text.len > 255 || !is_host_text(suffix))
        return ERR_INVALID;
    out->text = str_dup(text);
    out->suffix = str_from(out->text + offset, suffix.len);
    out->is_wild = is_wild;
    return 0;
}

static bool matches(const struct pattern *p, struct str host)
{
    if (!p->is_wild)
        return str_eq_nocase(p->suffix, host);
    return host.len >= p->suffix.len &&
           str_eq_nocase(str_from_index(host, host.len - p->suffix.len), p->suffix);
}

/* --- hosts -------------------------------------------------------------------------------- */

/* Cuts "name:port"; an IPv6 literal has several colons and no port unless it is bracketed. */
static int split_port(struct str host, struct str *name, uint16_t *port)
{
    ptrdiff_t colon = str_rfind(host, ':');
    uint64_t number = 0;

    *name = host;
    *port = 0;
    if (host.len > 0 && host.ptr[0] == '[') {
        ptrdiff_t end = str_rfind(host, ']');

        if (end < 0)
            return ERR_INVALID;
        *name = str_slice(host, 1, (size_t)end);
        colon = (size_t)end + 1 == host.len ? -1 : end + 1;
        if (colon >= 0 && host.ptr[colon] != ':')
            return ERR_INVALID;
    } else if (colon >= 0 && str_find(host, ':') != colon) {
        colon = -1;
    }
    if (colon < 0)
        return 0;
    if (host.ptr[0] != '[')
        *name = str_slice(host, 0, (size_t)colon);
    if (!str_to_u64(str_from_index(host, (size_t)colon + 1), &number) || number == 0 ||
        number > UINT16_MAX)
        return ERR_INVALID;
    *port = (uint16_t)number;
    return 0;
}

static struct override *same_override(struct rules *r, const struct pattern *p, uint16_t port)
{
    for (size_t i = 0; i < r->override_count; i++) {
        struct override *o = &r->overrides[i];

        if (o->port == port && o->pattern.is_wild == p->is_wild &&
            str_eq_nocase(o->pattern.suffix, p->suffix))
            return o;
    }
    return NULL;
}

int rules_add_host(struct rules *r, struct str host, struct str target, struct diag *d)
{
    struct override new = {.port = 0};
    struct override *old;
    struct str name;

    if (addr_parse_port(target, &new.target))
        return diag_set(d, ERR_INVALID, "hosts: \"%.*s\" (for \"%.*s\") is not an IP or IP:port",
                        STR_ARG(target), STR_ARG(host));
    if (split_port(host, &name, &new.port) || parse_pattern(name, &new.pattern))
        return diag_set(d, ERR_INVALID,
                        "hosts: invalid host \"%.*s\" (a name or a pattern that begins with \"*\", "
                        "with or without :port)",
                        STR_ARG(host));
    old = same_override(r, &new.pattern, new.port);
    if (old) {
        mem_free(old->pattern.text);
        *old = new;
        return 0;
    }
    r->overrides = mem_reallocarray(r->overrides, r->override_count + 1, sizeof new);
    r->overrides[r->override_count++] = new;
    return 0;
}

/* Greater: more exact. */
static size_t weight(const struct override *o)
{
    return 4 * o->pattern.suffix.len + (o->port ? 2 : 1) + (o->pattern.is_wild ? 0 : 4096);
}

bool rules_find_host(const struct rules *r, struct str host, uint16_t port, struct addr *out)
{
    const struct override *best = NULL;

    if (!r || r->override_count == 0)
        return false;
    host = without_dot(host);
    for (size_t i = 0; i < r->override_count; i++) {
        const struct override *o = &r->overrides[i];

        if ((o->port == 0 || o->port == port) && matches(&o->pattern, host) &&
            (!best || weight(o) > weight(best)))
            best = o;
    }
    if (!best)
        return false;
    *out = best->target;
    if (out->port == 0)
        out->port = port;
    return true;
}

/* --- blockHostnames and blacklistIPs -------------------------------------------------------- */

int rules_add_blocked(struct rules *r, struct str pattern, struct diag *d)
{
    struct pattern p;

    if (parse_pattern(pattern, &p))
        return diag_set(d, ERR_INVALID,
                        "invalid hostname pattern \"%.*s\": a name, or \"*\" and the end of names",
                        STR_ARG(pattern));
    r->blocked = mem_reallocarray(r->blocked, r->blocked_count + 1, sizeof p);
    r->blocked[r->blocked_count++] = p;
    return 0;
}

int rules_add_blacklisted(struct rules *r, struct str cidr, struct diag *d)
{
    struct cidr net;

    if (cidr_parse(cidr, &net))
        return diag_set(d, ERR_INVALID, "invalid CIDR address: %.*s", STR_ARG(cidr));
    r->blacklist = mem_reallocarray(r->blacklist, r->blacklist_count + 1, sizeof net);
    r->blacklist[r->blacklist_count++] = net;
    return 0;
}

int rules_check_host(const struct rules *r, struct str host, struct diag *d)
{
    struct str bare = without_dot(host);

    for (size_t i = 0; r && i < r->blocked_count; i++) {
        if (matches(&r->blocked[i], bare))
            return diag_set(d, ERR_HOST_BLOCKED, "hostname (%.*s) is in a blocked pattern (%s)",
                            STR_ARG(host), r->blocked[i].text);
    }
    return 0;
}

int rules_check_ip(const struct rules *r, const struct addr *ip, struct diag *d)
{
    char text[ADDR_TEXT_MAX];
    char net[ADDR_PORT_TEXT_MAX];

    for (size_t i = 0; r && i < r->blacklist_count; i++) {
        if (cidr_contains(&r->blacklist[i], ip))
            return diag_set(d, ERR_IP_BLACKLISTED, "IP (%s) is in a blacklisted range (%s)",
                            addr_format(ip, text), cidr_format(&r->blacklist[i], net));
    }
    return 0;
}
