#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"
#include "net/dns.h"
#include "output/transport.h"

/* What passes an Ethernet with its 1,500 bytes unfragmented, under IPv6 and tunnels too: the size
 * that StatsD's documentation recommends. */
enum { DATAGRAM_MAX = 1432 };

struct udp_transport {
    struct transport base;
    struct dns *dns;
    char *host; /* owned */
    uint16_t port;
    int fd; /* connected; -1: none */
};

YIELDS static int connect_to(struct udp_transport *t, int64_t deadline, struct diag *d)
{
    struct sockaddr_storage to;
    struct addr addr;
    socklen_t len;
    int err = dns_resolve(t->dns, str_of(t->host), deadline, &addr, d);

    if (err)
        return diag_set(d, err, "%s", err_text(err));
    addr.port = t->port;
    len = addr_to_sockaddr(&addr, &to);
    t->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (t->fd >= 0 && connect(t->fd, (const struct sockaddr *)&to, len) == 0)
        return 0;
    err = -errno;
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    return diag_set(d, err, "udp %s: %s", t->host, err_text(err));
}

/* The end of the last line that fits, or of the first when none does. */
static size_t datagram_end(struct str lines)
{
    ptrdiff_t at;

    if (lines.len <= DATAGRAM_MAX)
        return lines.len;
    at = str_rfind(str_slice(lines, 0, DATAGRAM_MAX + 1), '\n');
    if (at < 0)
        at = str_find(lines, '\n');
    return at < 0 ? lines.len : (size_t)at;
}

static int send_lines(struct udp_transport *t, struct str lines)
{
    while (lines.len > 0) {
        size_t end = datagram_end(lines);

        if (send(t->fd, lines.ptr, end, MSG_NOSIGNAL) < 0)
            return -errno;
        lines = str_from_index(lines, end + 1);
    }
    return 0;
}

YIELDS static enum send_result udp_transport_send(struct transport *base, struct str payload,
                                                  int64_t deadline, struct send_answer *answer,
                                                  struct diag *d)
{
    struct udp_transport *t = CONTAINER_OF(base, struct udp_transport, base);
    int err;

    (void)answer;
    if (t->fd < 0 && connect_to(t, deadline, d))
        return SEND_AGAIN;
    err = send_lines(t, payload);
    if (err == 0)
        return SEND_OK;
    diag_set(d, err, "udp %s:%u: %s", t->host, t->port, err_text(err));
    return SEND_REFUSED;
}

static void udp_transport_free(struct transport *base)
{
    struct udp_transport *t = CONTAINER_OF(base, struct udp_transport, base);

    if (t->fd >= 0)
        close(t->fd);
    dns_free(t->dns);
    mem_free(t->host);
    mem_free(t);
}

/* "host:port", "[::1]:8125". */
static int split(struct str address, struct str *host, uint16_t *port, struct diag *d)
{
    ptrdiff_t colon = str_rfind(address, ':');
    uint64_t number = 0;

    if (colon > 0 && str_to_u64(str_from_index(address, (size_t)colon + 1), &number) &&
        number > 0 && number < 65536) {
        *port = (uint16_t)number;
        *host = str_slice(address, 0, (size_t)colon);
        if (host->ptr[0] == '[' && str_ends_with(*host, STR("]")))
            *host = str_slice(*host, 1, host->len - 1);
        return 0;
    }
    return diag_set(d, ERR_INVALID, "'%.*s' is no address: use host:port", STR_ARG(address));
}

int transport_udp_new(struct loop *loop, struct str address, struct transport **out, struct diag *d)
{
    static const struct transport_ops ops = {udp_transport_send, udp_transport_free};
    struct dns_options dns = DNS_OPTIONS_DEFAULT;
    struct udp_transport *t;
    struct str host = {NULL, 0};
    uint16_t port = 0;
    int err = split(address, &host, &port, d);

    if (err)
        return err;
    t = mem_zalloc(sizeof *t);
    t->base.ops = &ops;
    t->dns = dns_new(loop, &dns);
    t->host = str_dup(host);
    t->port = port;
    t->fd = -1;
    *out = &t->base;
    return 0;
}
