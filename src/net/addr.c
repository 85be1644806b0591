#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void unmap(struct addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (a->family != ADDR_V6 || memcmp(a->ip, mapped, sizeof mapped) != 0)
        return;
    a->family = ADDR_V4;
    memmove(a->ip, a->ip + 12, 4);
    memset(a->ip + 4, 0, 12);
    a->zone = 0;
}

/* A zone is an interface's name or its number. */
static int parse_zone(struct str text, uint32_t *out)
{
    char name[IF_NAMESIZE];
    uint64_t number;

    if (str_to_u64(text, &number) && number > 0 && number <= UINT32_MAX) {
        *out = (uint32_t)number;
        return 0;
    }
    if (text.len == 0 || text.len >= sizeof name)
        return ERR_SYNTAX;
    memcpy(name, text.ptr, text.len);
    name[text.len] = '\0';
    *out = if_nametoindex(name);
    return *out ? 0 : ERR_SYNTAX;
}

int addr_parse(struct str text, struct addr *out)
{
    struct addr a = {.family = ADDR_NONE};
    char literal[INET6_ADDRSTRLEN];
    ptrdiff_t percent = str_find(text, '%');
    struct str ip = percent < 0 ? text : str_slice(text, 0, (size_t)percent);

    if (ip.len == 0 || ip.len >= sizeof literal || memchr(ip.ptr, '\0', ip.len))
        return ERR_SYNTAX;
    memcpy(literal, ip.ptr, ip.len);
    literal[ip.len] = '\0';
    if (percent < 0 && inet_pton(AF_INET, literal, a.ip) == 1) {
        a.family = ADDR_V4;
    } else if (inet_pton(AF_INET6, literal, a.ip) == 1) {
        a.family = ADDR_V6;
        if (percent >= 0 && parse_zone(str_from_index(text, (size_t)percent + 1), &a.zone))
            return ERR_SYNTAX;
        unmap(&a);
    } else {
        return ERR_SYNTAX;
    }
    *out = a;
    return 0;
}

static int parse_port(struct str text, uint16_t *out)
{
    uint64_t port;

    if (!str_to_u64(text, &port) || port == 0 || port > UINT16_MAX)
        return ERR_SYNTAX;
    *out = (uint16_t)port;
    return 0;
}

int addr_parse_port(struct str text, struct addr *out)
{
    struct addr a;
    uint16_t port = 0;
    ptrdiff_t colon = str_rfind(text, ':');
    struct str ip = text;

    if (text.len > 0 && text.ptr[0] == '[') {
        ptrdiff_t end = str_rfind(text, ']');

        if (end < 0)
            return ERR_SYNTAX;
        ip = str_slice(text, 1, (size_t)end);
        if ((size_t)end + 1 < text.len) {
            if (text.ptr[end + 1] != ':' ||
                parse_port(str_from_index(text, (size_t)end + 2), &port))
                return ERR_SYNTAX;
        }
    } else if (colon >= 0 && str_find(text, ':') == colon) {
        ip = str_slice(text, 0, (size_t)colon);
        if (parse_port(str_from_index(text, (size_t)colon + 1), &port))
            return ERR_SYNTAX;
    }
    if (addr_parse(ip, &a))
        return ERR_SYNTAX;
    a.port = port;
    *out = a;
    return 0;
}

char *addr_format(const struct addr *a, char *out)
{
    char name[IF_NAMESIZE];
    size_t len;

    out[0] = '\0';
    if (a->family == ADDR_NONE)
        return out;
    inet_ntop(a->family == ADDR_V4 ? AF_INET : AF_INET6, a->ip, out, ADDR_TEXT_MAX);
    if (a->zone) {
        len = strlen(out);
        if (if_indextoname(a->zone, name))
            snprintf(out + len, ADDR_TEXT_MAX - len, "%%%.*s", IF_NAMESIZE - 1, name);
        else
            snprintf(out + len, ADDR_TEXT_MAX - len, "%%%u", a->zone);
    }
    return out;
}

char *addr_format_port(const struct addr *a, char *out)
{
    char ip[ADDR_TEXT_MAX];

    addr_format(a, ip);
    snprintf(out, ADDR_PORT_TEXT_MAX, a->family == ADDR_V6 ? "[%s]:%u" : "%s:%u", ip, a->port);
    return out;
}

bool addr_ip_eq(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->zone == b->zone && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};

    if (a->family == ADDR_V4)
        return a->ip[0] == 127;
    return a->family == ADDR_V6 && memcmp(a->ip, one, sizeof one) == 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->zone};

    memset(out, 0, sizeof *out);
    if (a->family == ADDR_V6) {
        memcpy(&v6.sin6_addr, a->ip, 16);
        memcpy(out, &v6, sizeof v6);
        return sizeof v6;
    }
    memcpy(&v4.sin_addr, a->ip, 4);
    memcpy(out, &v4, sizeof v4);
    return sizeof v4;
}

void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    *out = (struct addr){.family = ADDR_NONE};
    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof v4);
        out->family = ADDR_V4;
        out->port = ntohs(v4.sin_port);
        memcpy(out->ip, &v4.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&v6, sa, sizeof v6);
        out->family = ADDR_V6;
        out->port = ntohs(v6.sin6_port);
        out->zone = v6.sin6_scope_id;
        memcpy(out->ip, &v6.sin6_addr, 16);
        unmap(out);
    }
}

/* --- networks ----------------------------------------------------------------------------- */

static uint8_t bits_of(const struct addr *a)
{
    return a->family == ADDR_V4 ? 32 : 128;
}

/* Whether the first `bits` bits are equal. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

int cidr_parse(struct str text, struct cidr *out)
{
    ptrdiff_t slash = str_find(text, '/');
    struct cidr net;
    uint64_t bits;

    if (addr_parse(slash < 0 ? text : str_slice(text, 0, (size_t)slash), &net.base))
        return ERR_SYNTAX;
    bits = bits_of(&net.base);
    if (slash >= 0 &&
        (!str_to_u64(str_from_index(text, (size_t)slash + 1), &bits) || bits > bits_of(&net.base)))
        return ERR_SYNTAX;
    net.bits = (uint8_t)bits;
    for (unsigned i = net.bits; i < bits_of(&net.base); i++)
        net.base.ip[i / 8] &= (uint8_t) ~(0x80U >> (i % 8));
    *out = net;
    return 0;
}

bool cidr_contains(const struct cidr *net, const struct addr *a)
{
    return a->family == net->base.family && same_prefix(a->ip, net->base.ip, net->bits);
}

char *cidr_format(const struct cidr *net, char *out)
{
    char ip[ADDR_TEXT_MAX];

    snprintf(out, ADDR_PORT_TEXT_MAX, "%s/%u", addr_format(&net->base, ip), net->bits);
    return out;
}
