#include "script/remote/get.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "net/dialer.h"
#include "net/proxy.h"
#include "net/tls.h"
#include "proto/http.h"

/* --- the dialer --------------------------------------------------------------------------- */

static const char *lookup_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

int get_dialer_init(struct get_dialer *g, struct loop *loop, struct diag *d)
{
    struct dialer_options options = {.dns = DNS_OPTIONS_DEFAULT};
    int err;

    *g = (struct get_dialer){._tls = tls_config_new()};
    err = proxy_config_new(lookup_env, NULL, &g->_proxies, d);
    options.tls = g->_tls;
    options.proxies = g->_proxies;
    if (err == 0)
        err = dialer_new(loop, &options, &g->dialer, d);
    if (err)
        get_dialer_deinit(g);
    return err;
}

void get_dialer_deinit(struct get_dialer *g)
{
    if (g->dialer)
        dialer_free(g->dialer);
    if (g->_proxies)
        proxy_config_free(g->_proxies);
    if (g->_tls)
        tls_config_free(g->_tls);
    *g = (struct get_dialer){0};
}

/* --- one request -------------------------------------------------------------------------- */

struct sending {
    const struct get *get;
    struct http_client *client;
    struct arena *arena;
    int64_t deadline;
    struct url url; /* asked now */
    struct str method;
    bool is_foreign; /* a redirect has led to another origin */
};

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static struct str location_of(const struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (str_eq_c(response->headers[i].name, "Location"))
            return response->headers[i].value;
    }
    return STR("");
}

static struct str what_of(const struct sending *s)
{
    return s->get->what ? str_of(s->get->what) : url_text(&s->url, URL_USER_MASK, s->arena);
}

static int fail(const struct sending *s, const struct http_response *response, struct diag *d)
{
    struct str what = what_of(s);
    char within[32];

    if (response->err == ERR_HTTP_BODY_LIMIT)
        return diag_set(d, ERR_LIMIT, "%.*s has more than %zu bytes", STR_ARG(what),
                        s->get->max_body);
    if (response->err == ERR_TIMEOUT)
        return diag_set(d, response->err, "%.*s: no complete answer within %s", STR_ARG(what),
                        duration_format(s->get->timeout_nsec, within, sizeof within));
    if (response->error.len == 0)
        return diag_set(d, response->err, "%.*s: %s", STR_ARG(what), err_text(response->err));
    return diag_set(d, response->err, "%.*s: %.*s", STR_ARG(what), STR_ARG(response->error));
}

static int send_one(struct sending *s, struct http_response *response, struct diag *d)
{
    const struct get *get = s->get;
    struct http_request request = {
        .method = s->method,
        .url = s->url,
        .headers = get->headers,
        .header_count = s->is_foreign ? 0 : get->header_count,
        .timeout = s->deadline - clock_now(),
    };
    struct str text = url_text(&s->url, URL_USER_MASK, s->arena);
    int err = get->check ? get->check(get->check_arg, &s->url, text, d) : 0;

    if (err)
        return err;
    if (request.timeout <= 0)
        response->err = ERR_TIMEOUT;
    else
        err = http_send(s->client, &request, s->arena, response);
    return response->err ? fail(s, response, d) : err;
}

static int go_to(struct sending *s, const struct http_response *response, struct diag *d)
{
    struct str location = location_of(response);
    struct url next;

    if (url_resolve(&s->url, location, s->arena, &next, NULL))
        return diag_set(d, ERR_URL, "%.*s: it redirects to '%.*s', which is no URL",
                        STR_ARG(what_of(s)), STR_ARG(location));
    s->is_foreign = s->is_foreign || !url_is_same_origin(&s->url, &next);
    if (response->status <= 303 && !str_eq_c(s->method, "HEAD"))
        s->method = STR("GET");
    s->url = next;
    return 0;
}

static int follow(struct sending *s, struct http_response *response, struct diag *d)
{
    int hops = 0;
    int err = send_one(s, response, d);

    while (err == 0 && is_redirect(response->status) && location_of(response).len > 0) {
        if (hops++ >= s->get->max_redirects)
            return diag_set(d, ERR_LIMIT, "%.*s: more than %d redirects", STR_ARG(what_of(s)),
                            s->get->max_redirects);
        err = go_to(s, response, d);
        if (err == 0)
            err = send_one(s, response, d);
    }
    return err;
}

int get_send(struct dialer *dialer, struct get *get, struct diag *d)
{
    struct http_client_options options = {
        .dialer = dialer,
        .user_agent = STR("gale/" GALE_VERSION),
        .max_body = get->max_body,
        .max_idle = 1,
    };
    struct arena arena;
    struct sending s = {.get = get,
                        .arena = &arena,
                        .method = get->method,
                        .deadline = clock_now() + get->timeout_nsec};
    struct http_response response = {0};
    int err;

    get->status = 0;
    get->body = NULL;
    arena_init(&arena);
    err = url_parse(get->url, &arena, &s.url, d);
    if (err == 0) {
        s.client = http_client_new(&options);
        err = follow(&s, &response, d);
        http_client_free(s.client);
    }
    if (err == 0) {
        get->status = response.status;
        get->body = str_dup(response.body);
        get->body_len = response.body.len;
    }
    arena_deinit(&arena);
    return err;
}

/* --- on a thread of its own --------------------------------------------------------------- */

struct job {
    struct get *get;
    struct get_dialer dialer;
    struct loop *loop;
    struct diag *diag;
    int err;
};

static void send_on_fiber(void *arg)
{
    struct job *job = arg;

    job->err = get_send(job->dialer.dialer, job->get, job->diag);
}

static void quit(void *arg)
{
    loop_stop(arg);
}

static void run_job(void *arg)
{
    struct job *job = arg;

    job->err = loop_new(&job->loop);
    if (job->err) {
        diag_set(job->diag, job->err, "no event loop: %s", err_text(job->err));
        return;
    }
    job->err = get_dialer_init(&job->dialer, job->loop, job->diag);
    if (job->err == 0) {
        fiber_start(job->loop, send_on_fiber, job);
        loop_when_quiet(job->loop, quit, job->loop); /* an HTTP/2 connection reads on a fiber */
        loop_run(job->loop);
        get_dialer_deinit(&job->dialer);
    }
    loop_free(job->loop);
}

int get_offloaded(struct get *get, struct diag *d)
{
    struct job job = {.get = get, .diag = d};

    offload_run(run_job, &job);
    return job.err;
}
