/* One hop: the header list, a connection, the exchange with its retry, the report. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "proto/http_internal.h"

enum {
    EXTRA_HEADERS = 8, /* the client's own, at most */
    TRIES_MAX = 6,     /* for servers that refuse streams again and again */
};

struct hop {
    struct http_chain *chain;
    struct http_exchange exchange;
    const struct proxy *proxy; /* NULL: straight */
};

/* --- headers ------------------------------------------------------------------------------ */

struct header_list {
    struct http_header *items;
    size_t count;
};

static void add(struct header_list *l, struct str name, struct str value)
{
    l->items[l->count++] = (struct http_header){name, value};
}

/* Decimal text of a length, in the arena. */
static struct str decimal(size_t value, struct arena *a)
{
    enum { DIGITS = 20 };
    char *end = (char *)arena_alloc(a, DIGITS) + DIGITS;
    char *at = end;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return str_from(at, (size_t)(end - at));
}

/* RFC 9110 8.6: these say how long a body is even when there is none. */
static bool announces_length(const struct http_chain *c)
{
    return c->body.len > 0 || str_eq_c(c->method, "POST") || str_eq_c(c->method, "PUT") ||
           str_eq_c(c->method, "PATCH");
}

static bool is_named(const struct http_cookie *list, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].replace && str_eq(list[i].name, name))
            return true;
    }
    return false;
}

/* The jar's cookies for this hop, and those of the script's parameters (HTP-10). */
static void gather_cookies(struct http_chain *c)
{
    const struct http_request *q = c->request;
    struct cookie_pair *pairs = NULL;
    size_t from_jar = 0;
    size_t own = c->is_foreign ? 0 : q->cookie_count;
    struct http_cookie *all;
    size_t count = 0;

    if (q->jar && cookie_jar_count(q->jar) > 0)
        from_jar = cookie_jar_match(q->jar, c->url, clock_wall() / NSEC_PER_SEC, c->arena, &pairs);
    if (from_jar + own == 0)
        return;
    all = arena_alloc(c->arena, (from_jar + own) * sizeof *all);
    for (size_t i = 0; i < from_jar; i++) {
        if (!is_named(q->cookies, own, pairs[i].name))
            all[count++] = (struct http_cookie){pairs[i].name, pairs[i].value, false};
    }
    from_jar = count;
    for (size_t i = 0; i < own; i++) {
        size_t k = 0;

        while (k < from_jar && !(str_eq(all[k].name, q->cookies[i].name) &&
                                 str_eq(all[k].value, q->cookies[i].value)))
            k++;
        if (k == from_jar)
            all[count++] = q->cookies[i];
    }
    c->out->request.cookies = all;
    c->out->request.cookie_count = count;
}

static char *put(char *at, struct str s)
{
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

/* Go's form: a value with a space or a comma is quoted. */
static bool wants_quotes(struct str value)
{
    return str_find(value, ' ') >= 0 || str_find(value, ',') >= 0;
}

/* The value of the Cookie field; empty: none. */
static struct str cookie_field(struct http_chain *c)
{
    const struct http_sent *sent = &c->out->request;
    size_t len = c->cookie.len;
    char *text;
    char *at;

    for (size_t i = 0; i < sent->cookie_count; i++)
        len += sent->cookies[i].name.len + sent->cookies[i].value.len + sizeof "; =\"\"";
    if (len == 0)
        return STR("");
    text = arena_alloc(c->arena, len);
    at = put(text, c->is_foreign ? STR("") : c->cookie);
    for (size_t i = 0; i < sent->cookie_count; i++) {
        bool quotes = wants_quotes(sent->cookies[i].value);

        at = put(at, at > text ? STR("; ") : STR(""));
        at = put(at, sent->cookies[i].name);
        at = put(at, quotes ? STR("=\"") : STR("="));
        at = put(at, sent->cookies[i].value);
        at = put(at, quotes ? STR("\"") : STR(""));
    }
    return str_from(text, (size_t)(at - text));
}

static bool has_header(const struct http_chain *c, struct str name)
{
    return header_find(c->headers, c->header_count, name) != NULL;
}

static void add_authorization(struct http_chain *c, struct header_list *l)
{
    struct str name = STR("Authorization");

    if (c->authorization.len) {
        add(l, name, c->authorization);
        return;
    }
    if (c->url->has_user && c->request->auth <= HTTP_AUTH_BASIC && !has_header(c, name))
        add(l, name, auth_basic(c->url->user, c->url->password, c->arena));
}

/* Host comes first and is, like what is for the proxy alone, no part of the report. */
static void build_headers(struct hop *h)
{
    struct http_chain *c = h->chain;
    struct header_list l = {
        .items = arena_alloc(c->arena, (c->header_count + EXTRA_HEADERS) * sizeof *l.items)};
    size_t hidden;
    struct str cookie;

    add(&l, STR("Host"), c->host.len ? c->host : c->url->authority);
    if (h->proxy && !h->exchange.is_tunnel && h->proxy->authorization.len)
        add(&l, STR("Proxy-Authorization"), h->proxy->authorization);
    hidden = l.count;
    if (c->user_agent.len)
        add(&l, STR("User-Agent"), c->user_agent);
    if (announces_length(c))
        add(&l, STR("Content-Length"), decimal(c->body.len, c->arena));
    for (size_t i = 0; i < c->header_count; i++)
        l.items[l.count++] = c->headers[i];
    if (c->referer.len && !has_header(c, STR("Referer")))
        add(&l, STR("Referer"), c->referer);
    add_authorization(c, &l);
    gather_cookies(c);
    cookie = cookie_field(c);
    if (cookie.len)
        add(&l, STR("Cookie"), cookie);
    if (c->client->options.no_reuse && !has_header(c, STR("Connection")))
        add(&l, STR("Connection"), STR("close"));
    h->exchange.headers = l.items;
    h->exchange.header_count = l.count;
    c->out->request.headers = l.items + hidden;
    c->out->request.header_count = l.count - hidden;
}

/* --- the exchange ------------------------------------------------------------------------- */

static void note_connection(struct hop *h)
{
    const struct stream *s = http_link_stream(&h->exchange.link);
    struct http_response *out = h->chain->out;

    out->remote = s->remote;
    out->is_tls = s->tls != NULL;
    if (s->tls)
        out->tls = *s->tls;
}

/* One try on the connection that the hop has. */
static int exchange(struct hop *h)
{
    struct http_exchange *x = &h->exchange;
    int err;

    note_connection(h);
    err = x->link.h2 ? http2_exchange(x) : http1_exchange(x);
    http_link_close(x, err);
    return err;
}

/* A kept connection that its server closed before a byte of a response came says nothing about the
 * server: such a request is sent again, if sending it twice can do no harm (as Go does). */
static bool may_retry(const struct http_exchange *x, int err)
{
    if (x->is_refused)
        return true;
    if (!x->link.is_reused || x->got_bytes || !x->chain->is_replayable)
        return false;
    return err == ERR_EOF || err == ERR_RESET || err == ERR_BROKEN_PIPE ||
           err == ERR_UNEXPECTED_EOF;
}

static int run_tries(struct hop *h)
{
    struct http_exchange blank = h->exchange;

    for (int tries = 1;; tries++) {
        int err = http_link_open(&h->exchange, h->proxy);

        if (err)
            return err;
        err = exchange(h);
        if (!err || tries == TRIES_MAX || !may_retry(&h->exchange, err))
            return err;
        diag_deinit(&h->chain->diag);
        h->exchange = blank;
    }
}

/* --- the report --------------------------------------------------------------------------- */

static int64_t span(int64_t from, int64_t to)
{
    return to > from ? to - from : 0;
}

/* MET-09, MET-10. */
static void report_timings(struct hop *h)
{
    struct http_exchange *x = &h->exchange;
    const struct http_link *l = &x->link;
    struct http_timings *t = &h->chain->out->timings;

    if (x->end == 0)
        x->end = clock_now();
    h->chain->out->end_nsec = x->end;
    t->looking_up = l->dial.dns;
    t->connecting = l->dial.connect;
    t->tls_handshaking = l->dial.tls;
    if (l->connected)
        t->blocked = span(l->start, l->connected);
    if (x->written) {
        t->sending = span(l->connected, x->written);
        t->waiting = span(x->written, x->first_byte ? x->first_byte : x->end);
        if (x->first_byte)
            t->receiving = span(x->first_byte, x->end);
    }
    t->duration = t->sending + t->waiting + t->receiving;
}

/* Undoes the content codings of a body; those that nobody knows stay on it. */
static int decode_body(struct http_chain *c, struct http_exchange *x)
{
    struct compress_chain chain = {.count = 0};
    struct buf plain;
    int err;

    for (size_t i = 0; i < x->response_header_count; i++) {
        const struct http_header *h = &x->response_headers[i];
        struct compress_chain more;

        if (!str_eq_c(h->name, "Content-Encoding"))
            continue;
        if (compress_chain_parse(h->value, &more, NULL) != 0 ||
            chain.count + more.count > COMPRESS_CHAIN_MAX)
            return 0;
        memcpy(chain.kinds + chain.count, more.kinds, more.count * sizeof *more.kinds);
        chain.count += more.count;
    }
    if (chain.count == 0 || x->payload.len == 0)
        return 0;
    buf_init(&plain, (size_t)c->client->options.max_body);
    err = compress_decode(&chain, x->payload, &plain);
    if (err == 0)
        x->payload = arena_str(c->arena, buf_str(&plain));
    buf_deinit(&plain);
    return err == ERR_LIMIT ? ERR_HTTP_BODY_LIMIT : err;
}

static void report_response(struct http_chain *c, const struct http_exchange *x)
{
    struct http_response *out = c->out;

    out->status = x->status;
    out->error_code = x->status >= 400 && x->status < 600 ? 1000 + x->status : 0;
    out->status_text = x->status_text;
    out->proto = x->proto;
    out->headers = x->response_headers;
    out->header_count = x->response_header_count;
    out->body = x->payload;
    out->has_body = x->has_payload;
    out->is_auth_round = c->is_auth_round;
}

static void report_cookies(struct http_chain *c, const struct http_exchange *x)
{
    struct cookie *list;
    size_t count = 0;

    if (!x->has_cookies)
        return;
    list = arena_alloc(c->arena, x->response_header_count * sizeof *list);
    for (size_t i = 0; i < x->response_header_count; i++) {
        const struct http_header *h = &x->response_headers[i];

        if (str_eq_c(h->name, "Set-Cookie") && cookie_parse(h->value, &list[count]) == 0)
            count++;
    }
    c->out->cookies = list;
    c->out->cookie_count = count;
}

static void start_report(struct http_chain *c)
{
    *c->out = (struct http_response){
        .request = {.method = c->method, .url = c->url, .body = c->plain_body},
        .error = STR(""),
        .error_long = STR(""),
        .status_text = STR(""),
        .proto = STR(""),
    };
}

void http_report_head(struct http_exchange *x)
{
    report_response(x->chain, x);
    report_cookies(x->chain, x);
}

/* A request that failed in its body has no response, though its head was reported to the sink. */
static void forget_head(struct http_response *out)
{
    out->status = 0;
    out->error_code = 0;
    out->status_text = STR("");
    out->proto = STR("");
    out->header_count = 0;
    out->cookie_count = 0;
}

/* A body that was not streamed goes to the sink now. */
static int deliver(struct http_chain *c, struct http_exchange *x)
{
    const struct http_sink *sink = c->request->sink;
    int err;

    if (!sink || !x->has_payload)
        return 0;
    err = sink->on_data(sink->arg, x->payload);
    return http_has_enough(c, err) ? 0 : err;
}

/* A plain request through an HTTP proxy names the whole URL. */
static struct str target_of(struct hop *h)
{
    const struct url *u = h->chain->url;

    if (!h->proxy || h->exchange.is_tunnel)
        return u->target;
    return str_of(arena_printf(h->chain->arena, "%.*s://%.*s%.*s", STR_ARG(u->scheme),
                               STR_ARG(u->authority), STR_ARG(u->target)));
}

int http_hop(struct http_chain *c)
{
    struct hop h = {.chain = c, .exchange = {.chain = c}};
    const struct url *u = c->url;
    bool is_tls = str_eq_c(u->scheme, "https");
    int err;

    c->is_redirect = false;
    c->is_auth_round = false;
    start_report(c);
    h.proxy = c->request->has_proxy
                  ? c->request->proxy
                  : dialer_proxy(c->client->options.dialer, is_tls, u->host, u->port);
    h.exchange.is_tunnel = is_tls || (h.proxy && (h.proxy->kind != PROXY_HTTP ||
                                                  dialer_wants_tunnels(c->client->options.dialer)));
    h.exchange.target = target_of(&h);
    h.exchange.is_head = str_eq_c(c->method, "HEAD");
    build_headers(&h);
    err = run_tries(&h);
    report_timings(&h);
    if (err == 0 && h.exchange.has_encoding && h.exchange.has_payload)
        err = decode_body(c, &h.exchange);
    if (err == 0)
        err = deliver(c, &h.exchange);
    if (err) {
        c->is_redirect = false;
        c->is_auth_round = false;
        forget_head(c->out);
        http_set_error(c, err, h.exchange.h2_code, h.exchange.why);
        return err;
    }
    http_report_head(&h.exchange);
    return 0;
}
