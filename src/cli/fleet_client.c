#include "cli/fleet_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/pem_file.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "net/dialer.h"
#include "net/proxy.h"
#include "net/tls.h"
#include "proto/http.h"

#define CALL_TIMEOUT (120 * NSEC_PER_SEC)
#define GIVE_UP_NSEC (60 * NSEC_PER_SEC)
#define PAUSE (500 * NSEC_PER_MSEC)
/* A controller that leads says something every two seconds. */
#define SILENCE_NSEC (12 * NSEC_PER_SEC)

enum { MAX_EVENT = 64 * 1024 * 1024 };

struct fleet_client {
    struct loop *loop;
    struct tls_config *tls;
    struct proxy_config *proxies;
    struct dialer *dialer;
    struct http_client *http;
    char **bases; /* "http://host:port"; owned, as are they */
    size_t base_count;
    size_t at;           /* the one that is asked */
    char *authorization; /* NULL: none */
    char *settings;      /* NULL: none */
};

static const char *lookup_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void read_addresses(struct fleet_client *c, struct str list)
{
    while (list.len > 0) {
        struct str address = str_trim(str_cut(&list, ','));
        bool has_scheme = str_find_str(address, STR("://")) >= 0;

        while (address.len > 0 && address.ptr[address.len - 1] == '/')
            address.len--;
        if (address.len == 0)
            continue;
        c->bases = mem_reallocarray((void *)c->bases, c->base_count + 1, sizeof *c->bases);
        c->bases[c->base_count++] =
            mem_printf("%s%.*s", has_scheme ? "" : "http://", STR_ARG(address));
    }
}

static int add_roots(struct fleet_client *c, const char *path, struct diag *d)
{
    char *pem;
    int err = path ? pem_file_read("--fleet-ca", path, &pem, d) : 0;

    if (err || !path)
        return err;
    err = tls_config_add_roots(c->tls, str_of(pem), d);
    mem_free(pem);
    return err;
}

int fleet_client_new(struct loop *loop, const struct args *args, struct fleet_client **out,
                     struct diag *d)
{
    struct fleet_client *c = mem_zalloc(sizeof *c);
    const char *token = args_text(args, FLAG_TOKEN, NULL);
    struct dialer_options options = {.dns = DNS_OPTIONS_DEFAULT};
    int err;

    c->loop = loop;
    read_addresses(c, str_of(args_text(args, FLAG_FLEET, "http://127.0.0.1:6580")));
    if (token)
        c->authorization = mem_printf("Bearer %s", token);
    c->tls = tls_config_new();
    if (c->base_count == 0)
        err = diag_set(d, ERR_INVALID,
                       "flag --fleet: where is the controller? As in http://127.0.0.1:6580");
    else
        err = add_roots(c, args_text(args, FLAG_FLEET_CA, NULL), d);
    if (err == 0)
        err = proxy_config_new(lookup_env, NULL, &c->proxies, d);
    options.tls = c->tls;
    options.proxies = c->proxies;
    if (err == 0)
        err = dialer_new(loop, &options, &c->dialer, d);
    if (err) {
        fleet_client_free(c);
        return err;
    }
    c->http = http_client_new(&(struct http_client_options){
        .dialer = c->dialer, .user_agent = STR("gale/" GALE_VERSION), .max_idle = 4});
    *out = c;
    return 0;
}

void fleet_client_set_settings(struct fleet_client *c, const char *value)
{
    mem_free(c->settings);
    c->settings = mem_strdup(value);
}

void fleet_client_free(struct fleet_client *c)
{
    if (!c)
        return;
    if (c->http)
        http_client_free(c->http);
    if (c->dialer)
        dialer_free(c->dialer);
    if (c->proxies)
        proxy_config_free(c->proxies);
    tls_config_free(c->tls);
    for (size_t i = 0; i < c->base_count; i++)
        mem_free(c->bases[i]);
    mem_free((void *)c->bases);
    mem_free(c->authorization);
    mem_free(c->settings);
    mem_free(c);
}

void fleet_client_add_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_append_char(path, str_find(buf_str(path), '?') < 0 ? '?' : '&');
    buf_printf(path, "%s=", name);
    fleet_client_add_escaped(path, value);
}

void fleet_client_add_escaped(struct buf *path, const char *value)
{
    for (const char *at = value; *at; at++) {
        if ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
            (*at >= '0' && *at <= '9') || strchr("-._~", *at))
            buf_append_char(path, *at);
        else
            buf_printf(path, "%%%02X", (unsigned)(unsigned char)*at);
    }
}

/* --- calls ---------------------------------------------------------------------------------- */

struct fleet_request {
    const char *method;
    const char *path;
    const char *content_type; /* NULL: no body */
    struct str body;
};

struct call {
    struct fleet_client *client;
    struct arena arena;
    struct http_header headers[5];
    struct http_request request;
    struct http_response response;
};

static void add_header(struct call *call, const char *name, const char *value)
{
    if (value)
        call->headers[call->request.header_count++] =
            (struct http_header){str_of(name), str_of(value)};
}

static int prepare(struct call *call, struct fleet_client *c, const char *method, const char *path,
                   struct diag *d)
{
    char *url = mem_printf("%s%s", c->bases[c->at], path);
    size_t len = strlen(url);
    char *kept;
    int err;

    *call = (struct call){.client = c};
    arena_init(&call->arena);
    kept = arena_alloc(&call->arena, len + 1);
    memcpy(kept, url, len + 1);
    mem_free(url);
    call->request = (struct http_request){
        .method = str_of(method), .headers = call->headers, .timeout = CALL_TIMEOUT};
    err = url_parse(str_of(kept), &call->arena, &call->request.url, d);
    if (err)
        diag_prefix(d, "flag --fleet");
    add_header(call, "Authorization", c->authorization);
    add_header(call, "Gale-Settings", c->settings);
    return err;
}

const char *fleet_client_address(const struct fleet_client *c)
{
    return c->bases[c->at];
}

static const char *base_of(const struct call *call)
{
    return fleet_client_address(call->client);
}

static int refused(const struct call *call, struct diag *d)
{
    const struct http_response *response = &call->response;
    json_t *problem =
        json_loadb(response->body.ptr ? response->body.ptr : "", response->body.len, 0, NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    int err = response->status == 404 ? ERR_NOT_FOUND : ERR_INVALID;

    if (detail)
        diag_set(d, err, "%s", detail);
    else
        diag_set(d, err, "the controller at %s answers with status %d", base_of(call),
                 response->status);
    json_decref(problem);
    return err;
}

/* What whoever gets no answer may try. */
static const char *way_out(const struct call *call)
{
    switch (call->response.err) {
    case ERR_TLS_UNKNOWN_AUTHORITY:
        return "; --fleet-ca FILE names a certificate to trust";
    case ERR_TLS_NOT_TLS:
        return "; it speaks without TLS: use http://";
    case ERR_EOF:
        return "; if it speaks TLS, use https://";
    default:
        return "; is gale controller running there, and is --fleet (GALE_FLEET) its address?";
    }
}

static int check(const struct call *call, struct diag *d)
{
    if (call->response.err)
        return diag_set(d, call->response.err, "no answer from the controller at %s: %.*s%s",
                        base_of(call), STR_ARG(call->response.error), way_out(call));
    if (call->response.status < 200 || call->response.status > 299)
        return refused(call, d);
    return 0;
}

/* Whether another controller may be asked the same: this one has done nothing about it. */
static bool is_undone(const struct call *call)
{
    switch (call->response.err) {
    case 0:
        return call->response.status == 503;
    case ERR_DNS:
    case ERR_DNS_NO_HOST:
    case ERR_DIAL:
    case ERR_DIAL_TIMEOUT:
    case ERR_DIAL_ERRNO:
    case ERR_REFUSED:
        return true;
    default:
        return str_eq_c(call->request.method, "GET");
    }
}

YIELDS static int call_once(struct fleet_client *c, const struct fleet_request *what, char **out,
                            bool *may_go_on, struct diag *d)
{
    struct call call;
    int err = prepare(&call, c, what->method, what->path, d);

    *may_go_on = false;
    if (err == 0) {
        add_header(&call, "Content-Type", what->content_type);
        call.request.body = what->body;
        err = http_send(c->http, &call.request, &call.arena, &call.response);
        *may_go_on = err != ERR_CANCELLED && is_undone(&call);
        err = err == ERR_CANCELLED ? err : check(&call, d);
    }
    if (err == 0)
        *out = str_dup(call.response.body);
    arena_deinit(&call.arena);
    return err;
}

static void ask_next(struct fleet_client *c)
{
    c->at = (c->at + 1) % c->base_count;
}

YIELDS int fleet_client_call(struct fleet_client *c, const char *method, const char *path,
                             const char *content_type, struct str body, char **out, struct diag *d)
{
    const struct fleet_request what = {method, path, content_type, body};
    bool may_go_on;
    int err = call_once(c, &what, out, &may_go_on, d);

    for (size_t i = 1; i < c->base_count && err && may_go_on; i++) {
        ask_next(c);
        diag_deinit(d);
        *d = (struct diag)DIAG_INIT;
        err = call_once(c, &what, out, &may_go_on, d);
    }
    return err;
}

YIELDS int fleet_client_json(struct fleet_client *c, const char *method, const char *path,
                             json_t **out, struct diag *d)
{
    char *text;
    int err = fleet_client_call(c, method, path, NULL, STR(""), &text, d);

    if (err)
        return err;
    *out = json_loads(text, JSON_DECODE_ANY, NULL);
    mem_free(text);
    return *out ? 0 : diag_set(d, ERR_SYNTAX, "the controller's answer is no JSON");
}

/* --- event streams -------------------------------------------------------------------------- */

struct following {
    bool (*fn)(void *arg, const char *event, const json_t *data);
    void *arg;
    struct buf text; /* what came and is no whole event yet */
    char *last_id;   /* owned */
    bool is_enough;
    bool got_any; /* since the last connection */
    struct loop *loop;
    struct fiber *fiber;
    struct timer silence; /* runs while it listens */
    bool was_silent;
};

/* One event: lines up to an empty one. */
static void take_event(struct following *f, struct str block)
{
    struct buf data = BUF_INIT(MAX_EVENT);
    char *event = NULL;
    json_t *json;

    while (block.len > 0) {
        struct str value = str_cut(&block, '\n');
        struct str name = str_cut(&value, ':');

        value = str_trim(value);
        if (str_eq_c(name, "data")) {
            buf_append_str(&data, value);
        } else if (str_eq_c(name, "event")) {
            mem_free(event);
            event = str_dup(value);
        } else if (str_eq_c(name, "id")) {
            mem_free(f->last_id);
            f->last_id = str_dup(value);
        }
    }
    json = data.len > 0 ? json_loadb(data.data, data.len, JSON_DECODE_ANY, NULL) : NULL;
    if (json && event && !f->is_enough)
        f->is_enough = f->fn(f->arg, event, json);
    json_decref(json);
    mem_free(event);
    buf_deinit(&data);
}

static int on_data(void *arg, struct str piece)
{
    struct following *f = arg;
    ptrdiff_t end;

    f->got_any = true;
    timer_start(f->loop, &f->silence, clock_now() + SILENCE_NSEC);
    if (buf_append_str(&f->text, piece) != 0)
        return ERR_LIMIT;
    while (!f->is_enough && (end = str_find_str(buf_str(&f->text), STR("\n\n"))) >= 0) {
        take_event(f, str_slice(buf_str(&f->text), 0, (size_t)end + 1));
        buf_consume(&f->text, (size_t)end + 2);
    }
    return f->is_enough ? ERR_CANCELLED : 0;
}

static void on_head(void *arg, const struct http_response *head)
{
    (void)arg;
    (void)head;
}

static bool is_enough(const void *arg)
{
    return ((const struct following *)arg)->is_enough;
}

static void on_silence(struct timer *timer)
{
    struct following *f = CONTAINER_OF(timer, struct following, silence);

    f->was_silent = true;
    fiber_cancel(f->fiber);
}

/* Its process stands still, or the way there is cut without a word. */
static int silent(struct following *f, const struct call *call, struct diag *d)
{
    fiber_uncancel(f->fiber);
    return diag_set(d, ERR_TIMEOUT, "nothing is heard from the controller at %s", base_of(call));
}

YIELDS static int follow_once(struct fleet_client *c, const char *path, struct following *f,
                              struct diag *d)
{
    const struct http_sink sink = {on_head, on_data, is_enough, f};
    struct call call;
    int err = prepare(&call, c, "GET", path, d);

    buf_reset(&f->text);
    if (err == 0) {
        add_header(&call, "Accept", "text/event-stream");
        add_header(&call, "Last-Event-ID", f->last_id);
        call.request.timeout = 0;
        call.request.sink = &sink;
        f->was_silent = false;
        timer_start(f->loop, &f->silence, clock_now() + SILENCE_NSEC);
        err = http_send(c->http, &call.request, &call.arena, &call.response);
        timer_stop(f->loop, &f->silence);
        if (f->was_silent)
            err = silent(f, &call, d);
        else
            err = err == ERR_CANCELLED ? err : check(&call, d);
    }
    arena_deinit(&call.arena);
    return err;
}

YIELDS int fleet_client_follow(struct fleet_client *c, const char *path,
                               bool (*fn)(void *arg, const char *event, const json_t *data),
                               void *arg, struct diag *d)
{
    struct following f = {.fn = fn, .arg = arg, .loop = c->loop, .fiber = fiber_current()};
    int64_t cut_off = 0;
    int err = 0;

    buf_init(&f.text, MAX_EVENT);
    timer_init(&f.silence, on_silence);
    for (;;) {
        f.got_any = false;
        diag_deinit(d);
        *d = (struct diag)DIAG_INIT;
        err = follow_once(c, path, &f, d);
        if (f.is_enough || err == ERR_CANCELLED)
            break;
        if (f.got_any)
            cut_off = 0;
        if (cut_off == 0) {
            cut_off = clock_now();
            log_printf(LOG_WARN, "the controller is out of reach: trying again");
        }
        ask_next(c);
        if (clock_now() - cut_off > GIVE_UP_NSEC) {
            err = err ? err : diag_set(d, ERR_EOF, "the controller has gone away");
            break;
        }
        if (fiber_sleep_until(clock_now() + PAUSE) != 0) {
            err = ERR_CANCELLED;
            break;
        }
    }
    buf_deinit(&f.text);
    mem_free(f.last_id);
    return f.is_enough ? 0 : err;
}
