/* c-ares does the protocol; this file lends it the loop and keeps what it finds.
 *
 * Its sockets are watched edge-triggered like all others, but c-ares does not say how far it read,
 * so each edge is followed by poll(2) until nothing is left: lookups are rare. */
#include "net/dns.h"

#include <ares.h>
#include <ctype.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/fiber.h"
#include "loop/loop.h"

enum {
    HOST_MAX = 253,          /* RFC 1035 2.3.4, without the dot at the end */
    NAMES_MAX = 4096,        /* a script may make names up; the cache starts anew then */
    QUERY_TIMEOUT_MS = 5000, /* as Go's resolver: 5 s, and twice */
    QUERY_TRIES = 2,
    DRIVE_MAX = 64, /* rounds on one socket before others get their turn */
};

/* A socket of c-ares'. */
struct watch {
    struct dns *dns;
    struct io io;
    int fd;
    short wanted; /* POLLIN, POLLOUT */
    struct watch *next;
};

/* A fiber that waits for a name; lives on its stack. */
struct waiter {
    struct fiber *fiber;
    bool is_done;
    int status; /* ARES_ */
    struct addr result;
    struct waiter *next;
};

struct name {
    struct dns *dns;
    struct addr *addrs; /* owned; IPv4 first */
    size_t count;
    size_t v4_count;
    size_t turn;     /* of roundRobin */
    int64_t expires; /* of `addrs`; 0: never known */
    bool is_pending;
    struct waiter *waiters;
};

struct dns {
    struct loop *loop;
    struct dns_options options;
    char *servers;        /* owned */
    ares_channel channel; /* NULL until the first lookup */
    struct timer timer;   /* for c-ares' timeouts */
    struct watch *watches;
    struct map names; /* of struct name */
    struct rng rng;
};

/* --- options ------------------------------------------------------------------------------ */

int dns_select_parse(struct str text, enum dns_select *out)
{
    static const struct str names[] = {
        [DNS_RANDOM] = STR_INIT("random"),
        [DNS_FIRST] = STR_INIT("first"),
        [DNS_ROUND_ROBIN] = STR_INIT("roundRobin"),
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(text, names[i])) {
            *out = (enum dns_select)i;
            return 0;
        }
    }
    return ERR_INVALID;
}

int dns_policy_parse(struct str text, enum dns_policy *out)
{
    static const struct str names[] = {
        [DNS_PREFER_IPV4] = STR_INIT("preferIPv4"),
        [DNS_PREFER_IPV6] = STR_INIT("preferIPv6"),
        [DNS_ONLY_IPV4] = STR_INIT("onlyIPv4"),
        [DNS_ONLY_IPV6] = STR_INIT("onlyIPv6"),
        [DNS_ANY] = STR_INIT("any"),
    };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(text, names[i])) {
            *out = (enum dns_policy)i;
            return 0;
        }
    }
    return ERR_INVALID;
}

int dns_ttl_parse(struct str text, int64_t *out)
{
    int64_t nsec;

    if (str_eq(text, STR("inf"))) {
        *out = INT64_MAX;
        return 0;
    }
    if (duration_parse_msec(text, &nsec) || nsec < 0)
        return ERR_INVALID;
    *out = nsec;
    return 0;
}

/* --- what is known of a name ---------------------------------------------------------------- */

static void name_free(void *value)
{
    struct name *n = value;

    mem_free(n->addrs);
    mem_free(n);
}

/* The part of the addresses that the policy prefers; at least one when there is any. */
static const struct addr *candidates(const struct name *n, enum dns_policy policy, size_t *count)
{
    size_t v6_count = n->count - n->v4_count;
    bool wants_v6 = policy == DNS_PREFER_IPV6 || policy == DNS_ONLY_IPV6;

    if (policy == DNS_ANY) {
        *count = n->count;
        return n->addrs;
    }
    if (wants_v6 ? v6_count > 0 : n->v4_count == 0) {
        *count = v6_count;
        return n->addrs + n->v4_count;
    }
    *count = n->v4_count;
    return n->addrs;
}

static void select_addr(struct dns *dns, struct name *n, struct addr *out)
{
    size_t count;
    const struct addr *from = candidates(n, dns->options.policy, &count);

    switch (dns->options.select) {
    case DNS_FIRST:
        *out = from[0];
        break;
    case DNS_ROUND_ROBIN:
        *out = from[n->turn++ % count];
        break;
    case DNS_RANDOM:
        *out = from[count == 1 ? 0 : rng_below(&dns->rng, count)];
        break;
    }
}

static void append_family(struct name *n, const struct ares_addrinfo *found, int family)
{
    for (const struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next) {
        if (node->ai_family != family)
            continue;
        addr_from_sockaddr(node->ai_addr, &n->addrs[n->count]);
        n->addrs[n->count++].port = 0;
    }
}

static void remember(struct name *n, const struct ares_addrinfo *found)
{
    int64_t ttl = n->dns->options.ttl;
    int64_t now = loop_now(n->dns->loop);
    size_t count = 0;

    for (const struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next)
        count++;
    mem_free(n->addrs);
    n->addrs = mem_calloc(count, sizeof *n->addrs);
    n->count = 0;
    append_family(n, found, AF_INET);
    n->v4_count = n->count;
    append_family(n, found, AF_INET6);
    n->expires = ttl > INT64_MAX - now ? INT64_MAX : now + ttl;
}

/* Called by c-ares, from within ares_getaddrinfo or when an answer or a timeout comes. */
static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    struct name *n = arg;

    (void)timeouts;
    if (status == ARES_SUCCESS)
        remember(n, found);
    if (status == ARES_SUCCESS && n->count == 0)
        status = ARES_ENODATA;
    if (found)
        ares_freeaddrinfo(found);
    n->is_pending = false;
    while (n->waiters) {
        struct waiter *w = n->waiters;

        n->waiters = w->next;
        w->is_done = true;
        w->status = status;
        if (status == ARES_SUCCESS)
            select_addr(n->dns, n, &w->result);
        fiber_wake(w->fiber);
    }
}

/* --- c-ares on the loop --------------------------------------------------------------------- */

/* Whether it can go on without an edge: writable since long, or left in the middle by drive(). */
static bool is_left_ready(const struct watch *w)
{
    return ((w->wanted & POLLOUT) && (w->io.ready & IO_WRITE)) || (w->io.ready & IO_READ);
}

static void update_timer(struct dns *dns)
{
    struct timeval tv;
    bool is_kick = false;

    for (struct watch *w = dns->watches; w; w = w->next)
        is_kick |= is_left_ready(w);
    if (is_kick)
        timer_start(dns->loop, &dns->timer, loop_now(dns->loop));
    else if (ares_timeout(dns->channel, NULL, &tv))
        timer_start(dns->loop, &dns->timer,
                    clock_now() + tv.tv_sec * NSEC_PER_SEC + (tv.tv_usec + 1000) * NSEC_PER_USEC);
    else
        timer_stop(dns->loop, &dns->timer);
}

static struct watch *find_watch(struct dns *dns, int fd)
{
    struct watch *w = dns->watches;

    while (w && w->fd != fd)
        w = w->next;
    return w;
}

/* Lets c-ares read and write until it has to wait. It may close the socket meanwhile. */
static void drive(struct dns *dns, int fd)
{
    struct watch *w = find_watch(dns, fd);

    for (int round = 0; w && round < DRIVE_MAX; round++) {
        struct pollfd p = {.fd = fd, .events = w->wanted};

        io_clear(&w->io, IO_READ | IO_WRITE);
        if (poll(&p, 1, 0) <= 0)
            return;
        if (p.revents & (POLLERR | POLLHUP))
            p.revents |= POLLIN;
        ares_process_fd(dns->channel, (p.revents & POLLIN) ? fd : ARES_SOCKET_BAD,
                        (p.revents & POLLOUT) ? fd : ARES_SOCKET_BAD);
        w = find_watch(dns, fd);
    }
    if (w)
        w->io.ready |= IO_READ;
}

static void on_ready(struct io *io)
{
    struct watch *w = CONTAINER_OF(io, struct watch, io);
    struct dns *dns = w->dns;

    drive(dns, w->fd);
    update_timer(dns);
}

static void on_timer(struct timer *timer)
{
    struct dns *dns = CONTAINER_OF(timer, struct dns, timer);

    for (struct watch *w = dns->watches; w; w = w->next) {
        if (is_left_ready(w)) {
            drive(dns, w->fd);
            break; /* the list may have changed; update_timer comes back for others */
        }
    }
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    update_timer(dns);
}

static void unwatch(struct dns *dns, int fd)
{
    for (struct watch **at = &dns->watches; *at; at = &(*at)->next) {
        struct watch *w = *at;

        if (w->fd == fd) {
            *at = w->next;
            io_remove(dns->loop, &w->io);
            mem_free(w);
            return;
        }
    }
}

/* c-ares tells which sockets it has and what it waits for on them. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = arg;
    struct watch *w = find_watch(dns, fd);

    if (!readable && !writable) {
        unwatch(dns, fd);
        return;
    }
    if (!w) {
        w = mem_zalloc(sizeof *w);
        w->dns = dns;
        w->fd = fd;
        w->io.on_ready = on_ready;
        if (io_add(dns->loop, &w->io, fd)) {
            mem_free(w); /* c-ares' timeout will report it */
            return;
        }
        w->next = dns->watches;
        dns->watches = w;
    }
    w->wanted = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
}

/* Reads resolv.conf: at the first lookup, not before. */
static int open_channel(struct dns *dns)
{
    char lookups[] = "fb"; /* /etc/hosts, then DNS */
    struct ares_options options = {
        .timeout = QUERY_TIMEOUT_MS,
        .tries = QUERY_TRIES,
        .lookups = lookups,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = dns,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    int status;

    if (dns->channel)
        return ARES_SUCCESS;
    status = ares_init_options(&dns->channel, &options, mask);
    if (status == ARES_SUCCESS && dns->servers)
        status = ares_set_servers_ports_csv(dns->channel, dns->servers);
    if (status != ARES_SUCCESS && dns->channel) {
        ares_destroy(dns->channel);
        dns->channel = NULL;
    }
    return status;
}

static void start_query(struct dns *dns, struct name *n, const char *host)
{
    struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT | ARES_AI_ENVHOSTS,
                                        .ai_family = AF_UNSPEC};

    if (dns->options.policy == DNS_ONLY_IPV4)
        hints.ai_family = AF_INET;
    if (dns->options.policy == DNS_ONLY_IPV6)
        hints.ai_family = AF_INET6;
    n->is_pending = true;
    ares_getaddrinfo(dns->channel, host, NULL, &hints, on_answer, n);
    update_timer(dns);
}

/* --- lookups ------------------------------------------------------------------------------ */

static int lookup_error(struct str host, int status, struct diag *d)
{
    switch (status) {
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return diag_set(d, ERR_DNS_NO_HOST, "lookup %.*s: no such host", STR_ARG(host));
    case ARES_ETIMEOUT:
        return diag_set(d, ERR_DNS, "lookup %.*s: i/o timeout", STR_ARG(host));
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_EBADRESP:
        return diag_set(d, ERR_DNS, "lookup %.*s: server misbehaving", STR_ARG(host));
    case ARES_ECONNREFUSED: /* c-ares' last word after SERVFAIL too */
        return diag_set(d, ERR_DNS, "lookup %.*s: server misbehaving or not reachable",
                        STR_ARG(host));
    default:
        return diag_set(d, ERR_DNS, "lookup %.*s: %s", STR_ARG(host), ares_strerror(status));
    }
}

static void forget_idle_names(struct dns *dns)
{
    for (struct map_entry *e = map_first(&dns->names); e; e = map_next(&dns->names, e)) {
        struct name *n = e->value;

        if (!n->is_pending)
            name_free(map_remove(&dns->names, e->key));
    }
}

static struct name *find_name(struct dns *dns, struct str host)
{
    struct name *n = map_get(&dns->names, host);

    if (n)
        return n;
    if (dns->names.count >= NAMES_MAX)
        forget_idle_names(dns);
    n = mem_zalloc(sizeof *n);
    n->dns = dns;
    map_set(&dns->names, host, n);
    return n;
}

static void leave(struct name *n, const struct waiter *w)
{
    struct waiter **at = &n->waiters;

    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
}

/* Waits for the answer to a query that is under way, or starts one. */
YIELDS static int wait_for_answer(struct dns *dns, struct name *n, const char *host,
                                  int64_t deadline, struct waiter *w)
{
    int err = 0;

    w->fiber = fiber_current();
    w->next = n->waiters;
    n->waiters = w;
    if (!n->is_pending)
        start_query(dns, n, host);
    while (!w->is_done && err == 0)
        err = fiber_park_until(deadline);
    if (w->is_done)
        return 0;
    leave(n, w); /* pending, so that the name is still there */
    return err;
}

int dns_resolve(struct dns *dns, struct str host, int64_t deadline, struct addr *out,
                struct diag *d)
{
    char text[HOST_MAX + 2];
    struct waiter w = {.is_done = false};
    struct name *n;
    int status;
    int err;

    if (addr_parse(host, out) == 0)
        return 0;
    if (host.len == 0 || host.len >= sizeof text || memchr(host.ptr, '\0', host.len))
        return diag_set(d, ERR_DNS_NO_HOST, "lookup %.*s: no such host", STR_ARG(host));
    for (size_t i = 0; i < host.len; i++)
        text[i] = (char)tolower((unsigned char)host.ptr[i]);
    text[host.len] = '\0';
    n = find_name(dns, str_from(text, host.len));
    if (n->count > 0 && loop_now(dns->loop) < n->expires) {
        select_addr(dns, n, out);
        return 0;
    }
    status = open_channel(dns);
    if (status != ARES_SUCCESS)
        return lookup_error(host, status, d);
    err = wait_for_answer(dns, n, text, deadline, &w);
    if (err)
        return err;
    if (w.status != ARES_SUCCESS)
        return lookup_error(host, w.status, d);
    *out = w.result;
    return 0;
}

struct dns *dns_new(struct loop *loop, const struct dns_options *options)
{
    struct dns *dns = mem_zalloc(sizeof *dns);
    uint64_t seed;

    dns->loop = loop;
    dns->options = *options;
    dns->servers = mem_strdup(options->servers);
    dns->options.servers = dns->servers;
    timer_init(&dns->timer, on_timer);
    map_init(&dns->names);
    rng_system(&seed, sizeof seed);
    rng_seed(&dns->rng, seed);
    return dns;
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    if (dns->channel)
        ares_destroy(dns->channel);
    timer_stop(dns->loop, &dns->timer);
    map_deinit_with(&dns->names, name_free);
    mem_free(dns->servers);
    mem_free(dns);
}
