#include "net/policy.h"

#include <string.h>

#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/host_pattern.h"

struct rule {
    struct host_pattern host; /* text NULL: a network */
    struct cidr net;
    uint16_t port; /* 0: any */
    char *text;    /* owned, as written */
};

struct rule_list {
    struct rule *rules; /* owned */
    size_t count;
};

struct policy {
    char *name; /* owned */
    struct rule_list allow;
    struct rule_list deny;
    struct rule_list metadata; /* refused too, unless allows_metadata */
    bool allows_only;
    bool allows_metadata;
};

/* Link-local: RFC 3927, RFC 4291 2.5.6; most clouds' metadata service is in the first. The others:
 * Alibaba Cloud, Azure's wire server, Oracle Cloud, and over IPv6 Amazon EC2, Google Cloud. */
static const char *const metadata[] = {
    "169.254.0.0/16",
    "fe80::/10",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::/32",
    "fd20:ce::254",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
};

static const char refused_metadata[] =
    "link-local and cloud metadata addresses are refused unless \"allowMetadata\" is true or "
    "\"allow\" has the address itself";

/* --- rules -------------------------------------------------------------------------------- */

static void list_free(struct rule_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->rules[i].host.text)
            host_pattern_deinit(&list->rules[i].host);
        mem_free(list->rules[i].text);
    }
    mem_free(list->rules);
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    list_free(&p->allow);
    list_free(&p->deny);
    list_free(&p->metadata);
    mem_free(p->name);
    mem_free(p);
}

void policy_allow_only(struct policy *p)
{
    p->allows_only = true;
}

void policy_allow_metadata(struct policy *p)
{
    p->allows_metadata = true;
}

/* A name with "*" other than before a dot would let strangers in: "*shop.test" is badshop.test too.
 */
static int parse_host(struct str host, struct host_pattern *out)
{
    bool is_wild = host.len > 0 && host.ptr[0] == '*';

    if (is_wild && host.len > 1 && host.ptr[1] != '.')
        return ERR_INVALID;
    if (str_find(host, '/') >= 0 || str_find(host, ':') >= 0)
        return ERR_INVALID;
    return host_pattern_parse(host, out);
}

static int list_add(struct rule_list *list, struct str text, struct diag *d)
{
    struct rule rule = {.port = 0};
    struct str host;

    if (list->count == POLICY_MAX_RULES)
        return diag_set(d, ERR_LIMIT, "more than %d rules", POLICY_MAX_RULES);
    if (host_split_port(text, &host, &rule.port) ||
        (cidr_parse(host, &rule.net) && parse_host(host, &rule.host)))
        return diag_set(d, ERR_INVALID,
                        "\"%.*s\" is no rule: an address, a network as in 10.0.0.0/8, a name or "
                        "*.name, each with or without :port",
                        STR_ARG(text));
    rule.text = str_dup(text);
    list->rules = mem_reallocarray(list->rules, list->count + 1, sizeof rule);
    list->rules[list->count++] = rule;
    return 0;
}

struct policy *policy_new(const char *name)
{
    struct policy *p = mem_zalloc(sizeof *p);

    p->name = mem_strdup(name);
    for (size_t i = 0; i < COUNT_OF(metadata); i++)
        ensure(list_add(&p->metadata, str_of(metadata[i]), NULL) == 0);
    return p;
}

int policy_allow(struct policy *p, struct str rule, struct diag *d)
{
    policy_allow_only(p);
    return list_add(&p->allow, rule, d);
}

int policy_deny(struct policy *p, struct str rule, struct diag *d)
{
    return list_add(&p->deny, rule, d);
}

/* --- what an address leads to --------------------------------------------------------------- */

static const struct {
    const char *net;
    unsigned at; /* byte at which the IPv4 begins */
} carriers[] = {
    {"::/96", 12},          /* compatible: RFC 4291 2.5.5.1 */
    {"64:ff9b::/96", 12},   /* NAT64: RFC 6052 2.1 */
    {"64:ff9b:1::/48", 12}, /* NAT64 of a site: RFC 8215, with a prefix of 96 bits */
    {"2002::/16", 2},       /* 6to4: RFC 3056 2 */
};

static bool is_in(const char *net, const struct addr *a)
{
    struct cidr cidr;

    return cidr_parse(str_of(net), &cidr) == 0 && cidr_contains(&cidr, a);
}

/* Puts the addresses that `a` stands for into `out`, itself first; returns how many. */
static size_t meanings(const struct addr *a, struct addr out[2])
{
    static const uint8_t zero[16];
    struct addr other = {.family = ADDR_V4, .port = a->port};

    out[0] = *a;
    if (memcmp(a->ip, zero, sizeof zero) == 0) {
        other.family = a->family;
        other.ip[a->family == ADDR_V4 ? 0 : 15] = a->family == ADDR_V4 ? 127 : 1;
        if (a->family == ADDR_V4)
            other.ip[3] = 1;
        out[1] = other;
        return 2;
    }
    for (size_t i = 0; a->family == ADDR_V6 && !addr_is_loopback(a) && i < COUNT_OF(carriers);
         i++) {
        if (!is_in(carriers[i].net, a))
            continue;
        memcpy(other.ip, a->ip + carriers[i].at, 4);
        out[1] = other;
        return 2;
    }
    return 1;
}

/* --- checks ------------------------------------------------------------------------------- */

static bool rule_has_net(const struct rule *r, const struct addr *to)
{
    return !r->host.text && (r->port == 0 || r->port == to->port) && cidr_contains(&r->net, to);
}

static bool rule_has_name(const struct rule *r, struct str host, uint16_t port)
{
    return r->host.text && (r->port == 0 || r->port == port) &&
           host_pattern_matches(&r->host, host);
}

static const struct rule *find_net(const struct rule_list *list, const struct addr *all,
                                   size_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (rule_has_net(&list->rules[i], &all[j]))
                return &list->rules[i];
        }
    }
    return NULL;
}

static const struct rule *find_name(const struct rule_list *list, struct str host, uint16_t port)
{
    for (size_t i = 0; i < list->count; i++) {
        if (rule_has_name(&list->rules[i], host, port))
            return &list->rules[i];
    }
    return NULL;
}

/* Whether it is one, and no rule allows it or a part of its network. */
static bool is_refused_metadata(const struct policy *p, const struct addr *to)
{
    const struct rule *refused = find_net(&p->metadata, to, 1);

    if (!refused || p->allows_metadata)
        return false;
    for (size_t i = 0; i < p->allow.count; i++) {
        const struct rule *r = &p->allow.rules[i];

        if (rule_has_net(r, to) && r->net.bits >= refused->net.bits)
            return false;
    }
    return true;
}

/* `to` NULL: only the name is known. */
static int refuse(const struct policy *p, struct str host, const struct addr *to, uint16_t port,
                  const char *why, const char *rule, struct diag *d)
{
    char target[ADDR_PORT_TEXT_MAX];
    struct addr literal;
    bool is_literal = addr_parse(host, &literal) == 0;

    if (!to)
        return diag_set(d, ERR_POLICY, "policy %s: %.*s:%u is refused: %s%s", p->name,
                        STR_ARG(host), port, why, rule);
    addr_format_port(to, target);
    if (is_literal && addr_ip_eq(&literal, to))
        return diag_set(d, ERR_POLICY, "policy %s: %s is refused: %s%s", p->name, target, why,
                        rule);
    return diag_set(d, ERR_POLICY, "policy %s: %s (%.*s) is refused: %s%s", p->name, target,
                    STR_ARG(host), why, rule);
}

int policy_check_name(const struct policy *p, struct str host, uint16_t port, struct diag *d)
{
    const struct rule *rule;

    if (!p)
        return 0;
    rule = find_name(&p->deny, host, port);
    if (rule)
        return refuse(p, host, NULL, port, "\"deny\" has ", rule->text, d);
    if (!p->allows_metadata && find_name(&p->metadata, host, port))
        return refuse(p, host, NULL, port, refused_metadata, "", d);
    return 0;
}

int policy_check(const struct policy *p, struct str host, const struct addr *to, bool by_dns,
                 struct diag *d)
{
    const struct rule *rule;
    struct addr all[2];
    size_t count;
    int err;

    if (!p)
        return 0;
    err = policy_check_name(p, host, to->port, d);
    if (err)
        return err;
    count = meanings(to, all);
    rule = find_net(&p->deny, all, count);
    if (rule)
        return refuse(p, host, to, to->port, "\"deny\" has ", rule->text, d);
    for (size_t i = 0; i < count; i++) {
        if (is_refused_metadata(p, &all[i]))
            return refuse(p, host, to, to->port, refused_metadata, "", d);
    }
    if (!p->allows_only || find_net(&p->allow, all, count) ||
        (by_dns && find_name(&p->allow, host, to->port)))
        return 0;
    if (find_name(&p->allow, host, to->port))
        return refuse(p, host, to, to->port,
                      "\"allow\" has the name, but the address comes from the option hosts", "", d);
    return refuse(p, host, to, to->port, "\"allow\" does not have it", "", d);
}
