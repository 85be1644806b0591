/* Local addresses as ranges of consecutive ones: a /64 costs as much as a single address. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"

struct range {
    struct addr first;
    uint64_t count; /* saturates at UINT64_MAX */
};

struct addr_pool {
    struct range *ranges; /* owned */
    size_t range_count;
    uint64_t size; /* saturates at UINT64_MAX */
};

static unsigned ip_len(const struct addr *a)
{
    return a->family == ADDR_V4 ? 4 : 16;
}

static void add_to_ip(struct addr *a, uint64_t n)
{
    unsigned carry = 0;

    for (unsigned i = ip_len(a); i-- > 0;) {
        unsigned sum = a->ip[i] + (unsigned)(n & 0xff) + carry;

        a->ip[i] = (uint8_t)sum;
        carry = sum >> 8;
        n >>= 8;
    }
}

/* The number of addresses from a to b, both included; 0 when b is before a. */
static uint64_t distance(const struct addr *a, const struct addr *b)
{
    uint64_t n = 0;
    bool is_big = false;
    int borrow = 0;

    if (memcmp(a->ip, b->ip, sizeof a->ip) > 0)
        return 0;
    for (unsigned i = ip_len(a), shift = 0; i-- > 0; shift += 8) {
        int digit = b->ip[i] - a->ip[i] - borrow;

        borrow = digit < 0;
        digit += borrow ? 256 : 0;
        if (shift < 64)
            n |= (uint64_t)digit << shift;
        else
            is_big |= digit != 0;
    }
    return is_big || n == UINT64_MAX ? UINT64_MAX : n + 1;
}

static int parse_network(struct str text, struct range *out, struct diag *d)
{
    struct cidr net;
    unsigned host_bits;

    if (cidr_parse(text, &net))
        return diag_set(d, ERR_SYNTAX, "invalid network \"%.*s\" in the list of local IPs",
                        STR_ARG(text));
    host_bits = 8 * ip_len(&net.base) - net.bits;
    out->first = net.base;
    out->count = host_bits >= 64 ? UINT64_MAX : UINT64_C(1) << host_bits;
    if (net.base.family == ADDR_V4 && host_bits >= 2) {
        add_to_ip(&out->first, 1);
        out->count -= 2;
    }
    return 0;
}

static int parse_range(struct str text, struct range *out, struct diag *d)
{
    struct str rest = text;
    struct str from = str_trim(str_cut(&rest, '-'));
    struct addr last;

    if (str_find(text, '/') >= 0)
        return parse_network(text, out, d);
    if (addr_parse(from, &out->first) || addr_parse(rest.ptr ? str_trim(rest) : from, &last))
        return diag_set(d, ERR_SYNTAX, "invalid IP address or range \"%.*s\" in the local IPs",
                        STR_ARG(text));
    out->count = out->first.family == last.family ? distance(&out->first, &last) : 0;
    if (out->count == 0)
        return diag_set(d, ERR_INVALID, "the range \"%.*s\" of local IPs ends before it begins",
                        STR_ARG(text));
    return 0;
}

int addr_pool_parse(struct str text, struct addr_pool **out, struct diag *d)
{
    struct addr_pool *pool = mem_zalloc(sizeof *pool);
    struct str rest = text;

    do {
        struct range range = {.count = 0};
        int err = parse_range(str_trim(str_cut(&rest, ',')), &range, d);

        if (err) {
            addr_pool_free(pool);
            return err;
        }
        pool->ranges = mem_reallocarray(pool->ranges, pool->range_count + 1, sizeof *pool->ranges);
        pool->ranges[pool->range_count++] = range;
        if (__builtin_add_overflow(pool->size, range.count, &pool->size))
            pool->size = UINT64_MAX;
    } while (rest.ptr);
    *out = pool;
    return 0;
}

void addr_pool_free(struct addr_pool *pool)
{
    if (!pool)
        return;
    mem_free(pool->ranges);
    mem_free(pool);
}

uint64_t addr_pool_size(const struct addr_pool *pool)
{
    return pool->size;
}

void addr_pool_at(const struct addr_pool *pool, uint64_t index, struct addr *out)
{
    const struct range *range = pool->ranges;

    index %= pool->size;
    while (index >= range->count) {
        index -= range->count;
        range++;
    }
    *out = range->first;
    add_to_ip(out, index);
}
