#include "proto/http.h"

#include <string.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "proto/http_internal.h"

/* --- the client --------------------------------------------------------------------------- */

struct http_client *http_client_new(const struct http_client_options *options)
{
    struct http_client *client = mem_zalloc(sizeof *client);
    size_t per_host = options->max_idle_per_host ? options->max_idle_per_host : SIZE_MAX;

    client->options = *options;
    if (client->options.max_body == 0)
        client->options.max_body = HTTP_BODY_MAX;
    pool_init(&client->pool, options->max_idle, per_host);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    http_origins_free(client);
    pool_deinit(&client->pool);
    mem_free(client);
}

void http_client_close_idle(struct http_client *client)
{
    pool_close_idle(&client->pool);
    http_origins_close_idle(client);
}

void http_debug(struct http_exchange *x, enum http_debug_what what, struct str head,
                struct str body)
{
    struct http_client *client = x->chain->client;
    const struct http_client_options *o = &client->options;

    if (!o->debug)
        return;
    if (what == HTTP_DEBUG_REQUEST)
        x->debug_number = ++client->debugged;
    o->debug(o->debug_arg, what, x->debug_number, head, o->debug_bodies ? body : STR(""));
}

void http_client_take_bytes(struct http_client *client, uint64_t *sent, uint64_t *received)
{
    *sent = client->sent;
    *received = client->received;
    client->sent = 0;
    client->received = 0;
}

/* --- the script's headers ----------------------------------------------------------------- */

/* Those that the client writes by itself. */
static bool is_own(struct str name)
{
    return str_eq_c(name, "Content-Length") || str_eq_c(name, "Transfer-Encoding") ||
           str_eq_c(name, "Trailer");
}

/* Those that are kept apart from the list. */
static struct str *slot_of(struct http_chain *c, struct str name)
{
    if (str_eq_c(name, "Host"))
        return &c->host;
    if (str_eq_c(name, "User-Agent"))
        return &c->user_agent;
    if (str_eq_c(name, "Cookie"))
        return &c->cookie;
    return NULL;
}

static int check_header(struct http_chain *c, const struct http_header *h)
{
    if (!header_is_token(h->name))
        return diag_set(&c->diag, ERR_HTTP, "net/http: invalid header field name \"%.*s\"",
                        STR_ARG(h->name));
    if (!header_is_value(h->value))
        return diag_set(&c->diag, ERR_HTTP, "net/http: invalid header field value for \"%.*s\"",
                        STR_ARG(h->name));
    return 0;
}

static void set_header(struct http_chain *c, struct str name, struct str value)
{
    for (size_t i = 0; i < c->header_count; i++) {
        if (str_eq(c->headers[i].name, name)) {
            c->headers[i].value = value;
            return;
        }
    }
    c->headers[c->header_count++] = (struct http_header){name, value};
}

static void remove_header(struct http_chain *c, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->header_count; i++) {
        if (!str_eq_c(c->headers[i].name, name))
            c->headers[kept++] = c->headers[i];
    }
    c->header_count = kept;
}

static int take_headers(struct http_chain *c)
{
    const struct http_request *q = c->request;

    /* One more for Content-Encoding. */
    c->headers = arena_alloc(c->arena, (q->header_count + 1) * sizeof *c->headers);
    c->user_agent = c->client->options.user_agent;
    for (size_t i = 0; i < q->header_count; i++) {
        struct http_header h = {header_canonical_str(q->headers[i].name, c->arena),
                                str_trim(q->headers[i].value)};
        struct str *slot = slot_of(c, h.name);
        int err = check_header(c, &h);

        if (err)
            return err;
        if (slot)
            *slot = h.value;
        else if (!is_own(h.name))
            set_header(c, h.name, h.value);
        if (str_eq_c(h.name, "Connection") && header_has_token(h.value, STR("close")))
            c->asks_close = true;
    }
    for (size_t i = 0; i < q->cookie_count; i++) {
        if (!header_is_token(q->cookies[i].name) || !header_is_value(q->cookies[i].value))
            return diag_set(&c->diag, ERR_HTTP, "net/http: invalid cookie \"%.*s\"",
                            STR_ARG(q->cookies[i].name));
    }
    return 0;
}

/* --- the start of a chain ----------------------------------------------------------------- */

static int compress_body(struct http_chain *c)
{
    const struct compress_chain *chain = &c->request->compression;
    struct str names = {NULL, 0};
    struct buf packed;
    int err;

    if (chain->count == 0 || c->body.len == 0)
        return 0;
    buf_init(&packed, SIZE_MAX);
    err = compress_encode(chain, c->body, &packed);
    if (err == 0)
        c->body = arena_str(c->arena, buf_str(&packed));
    buf_deinit(&packed);
    for (size_t i = 0; i < chain->count; i++) {
        names = str_of(arena_printf(c->arena, "%.*s%s%s", STR_ARG(names), i ? ", " : "",
                                    compress_name(chain->kinds[i])));
    }
    set_header(c, STR("Content-Encoding"), names);
    return err;
}

/* Whether a request that may have reached the server can be sent once more (as Go decides it). */
static bool is_replayable(const struct http_chain *c)
{
    return str_eq_c(c->method, "GET") || str_eq_c(c->method, "HEAD") ||
           str_eq_c(c->method, "OPTIONS") || str_eq_c(c->method, "TRACE") ||
           header_find(c->headers, c->header_count, STR("Idempotency-Key")) ||
           header_find(c->headers, c->header_count, STR("X-Idempotency-Key"));
}

static int check_url(struct http_chain *c)
{
    const struct url *u = c->url;

    if (!str_eq_c(u->scheme, "http") && !str_eq_c(u->scheme, "https"))
        return diag_set(&c->diag, ERR_URL, "unsupported protocol scheme \"%.*s\"",
                        STR_ARG(u->scheme));
    if (u->host.len == 0)
        return diag_set(&c->diag, ERR_URL, "http: no Host in request URL");
    return 0;
}

static int begin(struct http_chain *c)
{
    int err;

    if (!header_is_token(c->method))
        return diag_set(&c->diag, ERR_HTTP, "net/http: invalid method \"%.*s\"",
                        STR_ARG(c->method));
    err = check_url(c);
    if (err == 0)
        err = take_headers(c);
    if (err == 0)
        err = compress_body(c);
    c->is_replayable = is_replayable(c);
    return err;
}

/* --- from one hop to the next ------------------------------------------------------------- */

static bool is_redirect_status(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool http_note_head(struct http_exchange *x)
{
    struct http_chain *c = x->chain;
    struct str location = {NULL, 0};

    if (is_redirect_status(x->status))
        location = header_value(x->response_headers, x->response_header_count, STR("Location"));
    if (location.len && c->redirects < c->request->max_redirects) {
        c->is_redirect = true;
        c->location = location;
        return false;
    }
    c->out->hit_redirect_limit = location.len && c->request->max_redirects > 0;
    c->is_auth_round = x->status == 401 && http_answer_challenge(c, x);
    if (!c->is_auth_round && c->request->sink) {
        http_report_head(x);
        c->request->sink->on_head(c->request->sink->arg, c->out);
    }
    return !c->is_auth_round && !c->request->discard_body;
}

const struct http_sink *http_sink_of(const struct http_exchange *x)
{
    return x->has_encoding ? NULL : x->chain->request->sink;
}

bool http_has_enough(const struct http_chain *c, int err)
{
    const struct http_sink *sink = c->request->sink;

    if (err != ERR_CANCELLED || !sink || !sink->is_enough(sink->arg))
        return false;
    fiber_uncancel(fiber_current());
    return true;
}

static void keep_cookies(struct http_chain *c)
{
    const struct http_response *out = c->out;
    int64_t now;

    if (!c->request->jar || out->cookie_count == 0)
        return;
    now = clock_wall() / NSEC_PER_SEC;
    for (size_t i = 0; i < out->cookie_count; i++) {
        /* One that a server may not set is passed over, as browsers do. */
        if (cookie_jar_set(c->request->jar, c->url, &out->cookies[i], now) != 0)
            continue;
    }
}

/* Whether `host` is `site` or lies below it. */
static bool is_within(struct str host, struct str site)
{
    return str_eq(host, site) || (host.len > site.len && str_ends_with(host, site) &&
                                  host.ptr[host.len - site.len - 1] == '.');
}

/* RFC 9110 15.4: 307 and 308 keep method and body, the others turn into a GET. */
static void change_method(struct http_chain *c, int status)
{
    if (status == 307 || status == 308)
        return;
    if (!str_eq_c(c->method, "HEAD"))
        c->method = STR("GET");
    c->body = STR("");
    c->plain_body = STR("");
    remove_header(c, "Content-Type");
    remove_header(c, "Content-Encoding");
    remove_header(c, "Content-Language");
    remove_header(c, "Content-Location");
}

/* As Go: the page that led here, unless that would tell a plain server of an encrypted one. */
static void set_referer(struct http_chain *c, const struct url *next)
{
    if (str_eq_c(c->url->scheme, "https") && str_eq_c(next->scheme, "http"))
        c->referer = STR("");
    else
        c->referer = url_text(c->url, URL_USER_DROP, c->arena);
}

static int follow_redirect(struct http_chain *c)
{
    struct url *next = arena_alloc(c->arena, sizeof *next);
    struct diag why = DIAG_INIT;
    int err = url_resolve(c->url, c->location, c->arena, next, &why);

    if (err) {
        diag_set(&c->diag, err, "failed to parse Location header \"%.*s\": %s",
                 STR_ARG(c->location), why.message ? why.message : err_text(err));
        diag_deinit(&why);
        return err;
    }
    c->redirects++;
    change_method(c, c->out->status);
    set_referer(c, next);
    if (!is_within(next->host, c->request->url.host)) {
        c->is_foreign = true;
        remove_header(c, "Authorization");
        remove_header(c, "Www-Authenticate");
    }
    if (!str_eq(next->authority, c->url->authority))
        c->host = STR("");
    c->url = next;
    c->authorization = STR("");
    c->auth_step = AUTH_NOT_ASKED;
    c->is_replayable = is_replayable(c);
    return check_url(c);
}

/* A failure between two hops, or before the first: the response that the script gets. */
static int fail(struct http_chain *c, int err)
{
    *c->out = (struct http_response){
        .request = {.method = c->method, .url = c->url, .body = c->plain_body},
        .status_text = STR(""),
        .proto = STR(""),
        .end_nsec = clock_now(),
    };
    http_set_error(c, err, 0, NULL);
    return err;
}

static void notify(const struct http_chain *c)
{
    if (c->request->on_hop)
        c->request->on_hop(c->request->hop_arg, c->out);
}

static int run(struct http_chain *c)
{
    for (;;) {
        int err = http_hop(c);

        keep_cookies(c);
        notify(c);
        if (err || (!c->is_redirect && !c->is_auth_round))
            return err;
        if (c->is_redirect) {
            err = follow_redirect(c);
            if (err)
                return fail(c, err);
        }
    }
}

int http_send(struct http_client *client, const struct http_request *request, struct arena *arena,
              struct http_response *out)
{
    struct http_chain c = {
        .client = client,
        .request = request,
        .arena = arena,
        .out = out,
        .deadline = request->timeout > 0 ? clock_now() + request->timeout : INT64_MAX,
        .method = request->method,
        .url = &request->url,
        .body = request->body,
        .plain_body = request->body,
        .referer = STR(""),
    };
    int err = begin(&c);

    if (err) {
        fail(&c, err);
        notify(&c);
    } else {
        err = run(&c);
    }
    conn_free(c.held);
    diag_deinit(&c.diag);
    return err;
}
