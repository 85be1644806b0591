#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "output/sigv4.h"
#include "output/transport_net.h"
#include "proto/http.h"

enum {
    ANSWER_MAX = 1024 * 1024, /* bytes of an answer's body */
    ANSWER_SHOWN = 300,       /* and how many of them a message shows */
};

struct http_transport {
    struct transport base;
    struct transport_net net;
    struct http_client *client;
    struct url url;
    struct url prepare;
    bool is_prepared;
    bool has_aws;
    struct sigv4_keys aws;
};

/* "400 Bad Request: what the server says about it", on one line. */
static void describe(const struct http_response *r, struct arena *a, struct diag *d)
{
    struct str text = str_trim(str_slice(r->body, 0, ANSWER_SHOWN));
    char *line = arena_printf(a, "%.*s", STR_ARG(text));

    for (char *at = line; *at; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    diag_set(d, ERR_HTTP, "the server answered %.*s%s%s", STR_ARG(r->status_text),
             text.len ? ": " : "", line);
}

static void describe_redirect(const struct http_response *r, struct diag *d)
{
    struct str to = header_value(r->headers, r->header_count, STR("Location"));

    diag_set(d, ERR_HTTP, "the server answered %.*s: use the address that it redirects to: %.*s",
             STR_ARG(r->status_text), STR_ARG(str_slice(to, 0, ANSWER_SHOWN)));
}

static int64_t asked_pause(const struct http_response *r)
{
    struct str value = header_value(r->headers, r->header_count, STR("Retry-After"));
    uint64_t seconds;

    return str_to_u64(str_trim(value), &seconds) && seconds < 86400
               ? (int64_t)seconds * NSEC_PER_SEC
               : 0;
}

/* The headers with those that sign the request, in the arena of the attempt. */
static void sign(struct http_transport *t, struct http_request *request)
{
    const struct url *url = &request->url;
    struct arena *a = &t->net.arena;
    size_t count = t->net.headers.count;
    struct http_header *headers = arena_alloc(a, (count + 2) * sizeof *headers);
    struct sigv4_request r = {url->authority, url->path, url->query, request->body, clock_wall()};
    struct buf date = BUF_INIT(SIZE_MAX);
    struct buf authorization = BUF_INIT(SIZE_MAX);

    sigv4_sign(&t->aws, &r, &date, &authorization);
    if (count)
        memcpy(headers, t->net.headers.list, count * sizeof *headers);
    headers[count] = (struct http_header){STR("X-Amz-Date"), arena_str(a, buf_str(&date))};
    headers[count + 1] =
        (struct http_header){STR("Authorization"), arena_str(a, buf_str(&authorization))};
    request->headers = headers;
    request->header_count = count + 2;
    buf_deinit(&date);
    buf_deinit(&authorization);
}

YIELDS static enum send_result post(struct http_transport *t, const struct url *url,
                                    struct str body, int64_t deadline, struct send_answer *answer,
                                    struct diag *d)
{
    int64_t left = deadline - clock_now();
    struct http_response r;
    struct http_request request = {
        .method = STR("POST"),
        .url = *url,
        .headers = t->net.headers.list,
        .header_count = t->net.headers.count,
        .body = body,
        .timeout = left > 0 ? left : 1,
        .max_redirects = 0, /* what is redirected arrives without its body */
        .has_proxy = t->net.proxy.port != 0,
        .proxy = &t->net.proxy,
    };

    arena_reset(&t->net.arena);
    if (t->has_aws)
        sign(t, &request);
    (void)http_send(t->client, &request, &t->net.arena, &r);
    if (r.err) {
        diag_set(d, r.err, "%.*s", STR_ARG(r.error_long));
        return transport_net_result(r.err);
    }
    if (r.status >= 200 && r.status < 300) {
        if (t->net.read_answer)
            answer->lost = t->net.read_answer(r.body, d);
        return SEND_OK;
    }
    if (r.status >= 300 && r.status < 400)
        describe_redirect(&r, d);
    else
        describe(&r, &t->net.arena, d);
    answer->wait_nsec = asked_pause(&r);
    return r.status >= 500 || r.status == 429 || r.status == 408 ? SEND_AGAIN : SEND_REFUSED;
}

YIELDS static enum send_result http_transport_send(struct transport *base, struct str payload,
                                                   int64_t deadline, struct send_answer *answer,
                                                   struct diag *d)
{
    struct http_transport *t = CONTAINER_OF(base, struct http_transport, base);

    if (!t->is_prepared) {
        struct diag ignored = DIAG_INIT;
        enum send_result result = post(t, &t->prepare, STR(""), deadline, answer, &ignored);

        if (result == SEND_AGAIN) {
            diag_set(d, ERR_HTTP, "%s", ignored.message ? ignored.message : "no answer");
            diag_deinit(&ignored);
            return result;
        }
        diag_deinit(&ignored); /* refused: what follows will say whether that matters */
        t->is_prepared = true;
    }
    return post(t, &t->url, payload, deadline, answer, d);
}

static void http_transport_free(struct transport *base)
{
    struct http_transport *t = CONTAINER_OF(base, struct http_transport, base);

    http_client_free(t->client);
    transport_net_deinit(&t->net);
    mem_free(t);
}

/* "localhost:9090" is refused by its lack of a scheme, whatever else may be wrong with it. */
static int parse(struct http_transport *t, struct str text, struct url *out, struct diag *d)
{
    if (!str_starts_with(text, STR("http://")) && !str_starts_with(text, STR("https://")))
        return diag_set(d, ERR_INVALID, "'%.*s': use a URL that begins with http:// or https://",
                        STR_ARG(text));
    return url_parse(arena_str(&t->net.texts, text), &t->net.texts, out, d);
}

int transport_http_new(const struct transport_options *options, const struct http_target *target,
                       struct transport **out, struct diag *d)
{
    static const struct transport_ops ops = {http_transport_send, http_transport_free};
    struct http_transport *t = mem_zalloc(sizeof *t);
    struct http_client_options client = {
        .user_agent = STR("gale/" GALE_VERSION), .max_idle = 1, .max_body = ANSWER_MAX};
    int err = transport_net_init(&t->net, options, d);

    if (err) {
        mem_free(t);
        return err;
    }
    err = parse(t, target->url, &t->url, d);
    if (err == 0 && target->prepare.len)
        err = parse(t, target->prepare, &t->prepare, d);
    if (err) {
        t->net.tls = NULL; /* still the caller's, as are the headers */
        t->net.headers = (struct config_headers){NULL, 0};
        transport_net_deinit(&t->net);
        mem_free(t);
        return err;
    }
    t->base.ops = &ops;
    t->has_aws = options->aws != NULL;
    if (t->has_aws)
        t->aws = (struct sigv4_keys){
            arena_str(&t->net.texts, options->aws->region),
            arena_str(&t->net.texts, options->aws->service),
            arena_str(&t->net.texts, options->aws->access_key),
            arena_str(&t->net.texts, options->aws->secret_key),
        };
    t->is_prepared = target->prepare.len == 0;
    client.dialer = t->net.dialer;
    t->client = http_client_new(&client);
    *out = &t->base;
    return 0;
}
