#include "net/rules.h"

#include "base/err.h"
#include "base/mem.h"
#include "net/host_pattern.h"

struct override {
    struct host_pattern pattern; /* without the port */
    uint16_t port;               /* 0: any */
    struct addr target;
};

struct rules {
    struct override *overrides; /* owned, as are the next two */
    size_t override_count;
    struct host_pattern *blocked;
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
        host_pattern_deinit(&r->overrides[i].pattern);
    for (size_t i = 0; i < r->blocked_count; i++)
        host_pattern_deinit(&r->blocked[i]);
    mem_free(r->overrides);
    mem_free(r->blocked);
    mem_free(r->blacklist);
    mem_free(r);
}

/* --- hosts -------------------------------------------------------------------------------- */

static struct override *same_override(struct rules *r, const struct host_pattern *p, uint16_t port)
{
    for (size_t i = 0; i < r->override_count; i++) {
        struct override *o = &r->overrides[i];

        if (o->port == port && host_pattern_eq(&o->pattern, p))
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
    if (host_split_port(host, &name, &new.port) || host_pattern_parse(name, &new.pattern))
        return diag_set(d, ERR_INVALID,
                        "hosts: invalid host \"%.*s\" (a name or a pattern that begins with \"*\", "
                        "with or without :port)",
                        STR_ARG(host));
    old = same_override(r, &new.pattern, new.port);
    if (old) {
        host_pattern_deinit(&old->pattern);
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
    for (size_t i = 0; i < r->override_count; i++) {
        const struct override *o = &r->overrides[i];

        if ((o->port == 0 || o->port == port) && host_pattern_matches(&o->pattern, host) &&
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
    struct host_pattern p;

    if (host_pattern_parse(pattern, &p))
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
        return diag_set(d, ERR_INVALID,
                        "blacklistIPs: '%.*s' is no range of addresses as in 10.0.0.0/8 or ::1/128",
                        STR_ARG(cidr));
    r->blacklist = mem_reallocarray(r->blacklist, r->blacklist_count + 1, sizeof net);
    r->blacklist[r->blacklist_count++] = net;
    return 0;
}

int rules_check_host(const struct rules *r, struct str host, struct diag *d)
{
    for (size_t i = 0; r && i < r->blocked_count; i++) {
        if (host_pattern_matches(&r->blocked[i], host))
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
