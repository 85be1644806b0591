/* How a proxy is asked for a tunnel: CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC 1928, RFC 1929). */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/proxy.h"

enum { ANSWER_MAX = 16384 }; /* bytes of a CONNECT answer's head */

/* --- CONNECT ------------------------------------------------------------------------------ */

static int send_connect(const struct proxy *proxy, struct stream *s, struct str host, uint16_t port,
                        int64_t deadline)
{
    struct buf b = BUF_INIT(ANSWER_MAX);
    bool is_v6 = str_find(host, ':') >= 0;
    char target[300];
    int err = ERR_LIMIT;

    if (host.len > 255)
        return ERR_LIMIT;
    snprintf(target, sizeof target, is_v6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(host), port);
    buf_printf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target);
    if (proxy->authorization.len)
        buf_printf(&b, "Proxy-Authorization: %.*s\r\n", STR_ARG(proxy->authorization));
    buf_append_c(&b, "\r\n");
    if (!buf_is_over(&b))
        err = stream_write(s, b.data, b.len, deadline);
    buf_deinit(&b);
    return err;
}

/* Reads the answer's head byte by byte: what follows it belongs to the tunnel, and a tunnel is
 * opened once per connection. */
static int read_head(struct stream *s, struct buf *head, int64_t deadline)
{
    while (head->len < 4 || memcmp(head->data + head->len - 4, "\r\n\r\n", 4) != 0) {
        char byte;
        ptrdiff_t got = stream_read(s, &byte, 1, deadline, NULL);
        int err = got == 0 ? ERR_UNEXPECTED_EOF : (int)got;

        if (got > 0)
            err = buf_append_char(head, byte);
        if (err < 0)
            return err;
    }
    return 0;
}

/* "HTTP/1.1 200 Connection established" */
static int check_status(struct str head, struct diag *d)
{
    struct str line = str_trim(str_cut(&head, '\n'));
    struct str rest = line;
    struct str version = str_cut(&rest, ' ');
    struct str status = str_slice(rest, 0, 3);
    uint64_t code;

    if (!str_starts_with(version, STR("HTTP/1.")) || !str_to_u64(status, &code))
        return diag_set(d, ERR_NET, "the proxy's answer to CONNECT is not HTTP");
    if (code != 200)
        return diag_set(d, ERR_NET, "proxyconnect tcp: the proxy answered CONNECT with %.*s",
                        STR_ARG(rest));
    return 0;
}

static int http_tunnel(const struct proxy *proxy, struct stream *s, struct str host, uint16_t port,
                       int64_t deadline, struct diag *d)
{
    struct buf head = BUF_INIT(ANSWER_MAX);
    int err = send_connect(proxy, s, host, port, deadline);

    if (err == 0)
        err = read_head(s, &head, deadline);
    if (err == 0)
        err = check_status(buf_str(&head), d);
    buf_deinit(&head);
    return err;
}

/* --- SOCKS5 ------------------------------------------------------------------------------- */

static int read_exact(struct stream *s, void *out, size_t size, int64_t deadline)
{
    char *at = out;

    while (size > 0) {
        ptrdiff_t got = stream_read(s, at, size, deadline, NULL);

        if (got <= 0)
            return got == 0 ? ERR_UNEXPECTED_EOF : (int)got;
        at += got;
        size -= (size_t)got;
    }
    return 0;
}

/* Version 5; "no authentication" and, with a user, "user and password". */
static int socks_greet(const struct proxy *proxy, struct stream *s, int64_t deadline,
                       uint8_t *method, struct diag *d)
{
    uint8_t hello[4] = {5, 1, 0, 2};
    uint8_t answer[2];
    int err;

    if (proxy->user.len)
        hello[1] = 2;
    err = stream_write(s, hello, 2U + hello[1], deadline);
    if (err == 0)
        err = read_exact(s, answer, sizeof answer, deadline);
    if (err)
        return err;
    if (answer[0] != 5)
        return diag_set(d, ERR_NET, "socks connect: the proxy does not speak SOCKS5");
    *method = answer[1];
    if (*method == 0 || (*method == 2 && proxy->user.len))
        return 0;
    return diag_set(d, ERR_NET, "socks connect: no acceptable authentication methods");
}

static int socks_login(const struct proxy *proxy, struct stream *s, int64_t deadline,
                       struct diag *d)
{
    struct buf b = BUF_INIT(1024);
    uint8_t answer[2];
    int err;

    if (proxy->user.len > 255 || proxy->password.len > 255)
        return diag_set(d, ERR_NET, "socks connect: user or password is longer than 255 bytes");
    buf_append_char(&b, 1);
    buf_append_char(&b, (char)proxy->user.len);
    buf_append_str(&b, proxy->user);
    buf_append_char(&b, (char)proxy->password.len);
    buf_append_str(&b, proxy->password);
    err = stream_write(s, b.data, b.len, deadline);
    buf_deinit(&b);
    if (err == 0)
        err = read_exact(s, answer, sizeof answer, deadline);
    if (err)
        return err;
    return answer[1] == 0
               ? 0
               : diag_set(d, ERR_NET, "socks connect: username/password authentication failed");
}

static int socks_request(struct stream *s, struct str host, uint16_t port, int64_t deadline)
{
    struct buf b = BUF_INIT(512);
    struct addr ip;
    int err;

    buf_append(&b, "\5\1\0", 3);
    if (addr_parse(host, &ip) == 0) {
        buf_append_char(&b, ip.family == ADDR_V4 ? 1 : 4);
        buf_append(&b, ip.ip, ip.family == ADDR_V4 ? 4 : 16);
    } else if (host.len <= 255) {
        buf_append_char(&b, 3);
        buf_append_char(&b, (char)host.len);
        buf_append_str(&b, host);
    } else {
        buf_deinit(&b);
        return ERR_LIMIT;
    }
    buf_append_char(&b, (char)(port >> 8));
    buf_append_char(&b, (char)(port & 0xff));
    err = stream_write(s, b.data, b.len, deadline);
    buf_deinit(&b);
    return err;
}

static const char *socks_failure(uint8_t code)
{
    static const char *const texts[] = {
        "succeeded",
        "general SOCKS server failure",
        "connection not allowed by ruleset",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "TTL expired",
        "command not supported",
        "address type not supported",
    };

    return code < COUNT_OF(texts) ? texts[code] : "unknown code";
}

static int socks_answer(struct stream *s, int64_t deadline, struct diag *d)
{
    uint8_t head[5];
    uint8_t rest[255 + 2];
    size_t left;
    int err = read_exact(s, head, sizeof head, deadline);

    if (err)
        return err;
    if (head[0] != 5)
        return diag_set(d, ERR_NET, "socks connect: the proxy does not speak SOCKS5");
    if (head[1] != 0)
        return diag_set(d, ERR_NET, "socks connect: %s", socks_failure(head[1]));
    switch (head[3]) {
    case 1:
        left = 3 + 2; /* one byte of the address has been read */
        break;
    case 3:
        left = head[4] + 2U;
        break;
    case 4:
        left = 15 + 2;
        break;
    default:
        return diag_set(d, ERR_NET, "socks connect: unknown address type in the answer");
    }
    return read_exact(s, rest, left, deadline);
}

static int socks_tunnel(const struct proxy *proxy, struct stream *s, struct str host, uint16_t port,
                        int64_t deadline, struct diag *d)
{
    uint8_t method = 0;
    int err = socks_greet(proxy, s, deadline, &method, d);

    if (err == 0 && method == 2)
        err = socks_login(proxy, s, deadline, d);
    if (err == 0)
        err = socks_request(s, host, port, deadline);
    if (err == 0)
        err = socks_answer(s, deadline, d);
    return err;
}

int proxy_open_tunnel(const struct proxy *proxy, struct stream *s, struct str host, uint16_t port,
                      int64_t deadline, struct diag *d)
{
    if (proxy->kind == PROXY_SOCKS5)
        return socks_tunnel(proxy, s, host, port, deadline, d);
    return http_tunnel(proxy, s, host, port, deadline, d);
}
