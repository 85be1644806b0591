/* One request and one response of HTTP/2, as one stream of a shared connection. */
#include "base/err.h"
#include "proto/http_internal.h"
#include "proto/http_status.h"

/* http-debug shows HTTP/2 in the form of HTTP/1.1. */
static void debug_request(struct http_exchange *x)
{
    const struct http_chain *c = x->chain;

    if (c->client->options.debug)
        http_debug(x, HTTP_DEBUG_REQUEST,
                   http1_write_head(c->method, x->target, x->headers, x->header_count, c->arena),
                   c->plain_body);
}

static void debug_response(struct http_exchange *x)
{
    struct arena *a = x->chain->arena;
    struct str text;

    if (!x->chain->client->options.debug)
        return;
    text = str_of(arena_printf(a, "HTTP/2.0 %.*s\r\n", STR_ARG(x->status_text)));
    for (size_t i = 0; i < x->response_header_count; i++) {
        const struct http_header *h = &x->response_headers[i];

        text = str_of(arena_printf(a, "%.*s%.*s: %.*s\r\n", STR_ARG(text), STR_ARG(h->name),
                                   STR_ARG(h->value)));
    }
    text = str_of(arena_printf(a, "%.*s\r\n", STR_ARG(text)));
    http_debug(x, HTTP_DEBUG_RESPONSE, text, x->payload);
}

/* The head is there: takes it, and asks what becomes of the body. */
static bool take_head(struct h2_stream *s)
{
    struct http_exchange *x = s->arg;

    x->status = s->status;
    x->status_text = http_status_line(s->status, x->chain->arena);
    x->proto = STR("HTTP/2.0");
    x->response_headers = s->headers;
    x->response_header_count = s->header_count;
    for (size_t i = 0; i < s->header_count; i++) {
        struct http_header *h = &s->headers[i];

        header_canonical((char *)(uintptr_t)h->name.ptr, h->name.len);
        x->has_cookies = x->has_cookies || str_eq_c(h->name, "Set-Cookie");
        x->has_encoding = x->has_encoding || str_eq_c(h->name, "Content-Encoding");
    }
    x->can_reuse = true;
    x->has_payload = http_note_head(x);
    return x->has_payload;
}

static bool can_have_body(const struct http_exchange *x)
{
    return !x->is_head && x->status != 204 && x->status != 304;
}

static void note_moments(struct http_exchange *x, const struct h2_stream *s)
{
    if (s->opened > x->link.connected)
        x->link.connected = s->opened;
    x->written = s->written;
    x->first_byte = s->first_byte > s->written ? s->first_byte : s->first_byte ? s->written : 0;
    x->end = s->end > x->first_byte ? s->end : x->first_byte;
    x->got_bytes = s->first_byte != 0;
}

YIELDS static int run(struct http_exchange *x, struct h2_stream *s)
{
    struct http_chain *c = x->chain;
    struct h2_request request = {
        .method = c->method,
        .scheme = c->url->scheme,
        .authority = x->headers[0].value, /* Host comes first */
        .path = x->target,
        .headers = x->headers + 1,
        .header_count = x->header_count - 1,
        .has_body = c->body.len > 0,
        .sends_now = true,
    };
    int err = h2_stream_open(x->link.h2, s, &request, c->deadline);

    if (err == 0 && c->body.len > 0)
        err = h2_stream_send(s, c->body, true, c->deadline);
    return err ? err : h2_stream_wait_end(s, c->deadline);
}

int http2_exchange(struct http_exchange *x)
{
    struct http_chain *c = x->chain;
    struct h2_stream s = {
        .arena = c->arena,
        .max_body = (size_t)c->client->options.max_body,
        .on_head = take_head,
        .arg = x,
    };
    int err;

    debug_request(x);
    err = run(x, &s);
    if (http_has_enough(c, err))
        err = 0;
    note_moments(x, &s);
    x->is_refused = s.is_refused;
    x->h2_code = s.code;
    x->why = s.why;
    x->has_payload = x->has_payload && can_have_body(x);
    if (err == 0 && x->has_payload)
        x->payload = arena_str(c->arena, buf_str(&s.body));
    h2_stream_close(&s);
    if (err == 0)
        debug_response(x);
    return err;
}
