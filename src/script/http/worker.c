/* What options say about connections, once per worker, and the VU's client. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/options.h"
#include "engine/scenario.h"
#include "net/addr.h"
#include "net/dialer.h"
#include "net/dns.h"
#include "net/proxy.h"
#include "net/rules.h"
#include "net/tls.h"
#include "script/http/internal.h"

static struct str text_of(const json_t *json)
{
    return str_from(json_string_value(json), json_string_length(json));
}

/* --- options ------------------------------------------------------------------------------ */

static int read_rules(struct http_worker *w, const struct options *o, struct diag *d)
{
    const json_t *hosts = options_object(o, OPTION_HOSTS);
    const json_t *blocked = o->values[OPTION_BLOCK_HOSTNAMES];
    const json_t *blacklist = o->values[OPTION_BLACKLIST_IPS];
    const char *host;
    json_t *value;
    size_t i;
    int err;

    w->rules = rules_new();
    json_object_foreach((json_t *)(uintptr_t)hosts, host, value)
    {
        err = rules_add_host(w->rules, str_of(host), text_of(value), d);
        if (err)
            return err;
    }
    json_array_foreach(blocked, i, value)
    {
        err = rules_add_blocked(w->rules, text_of(value), d);
        if (err)
            return err;
    }
    json_array_foreach(blacklist, i, value)
    {
        err = rules_add_blacklisted(w->rules, text_of(value), d);
        if (err)
            return err;
    }
    return 0;
}

static int read_ciphers(struct http_worker *w, const struct options *o, struct diag *d)
{
    const json_t *list = o->values[OPTION_TLS_CIPHER_SUITES];
    size_t count = json_array_size(list);
    struct str *names = mem_calloc(count + 1, sizeof *names);
    int err;

    for (size_t i = 0; i < count; i++)
        names[i] = text_of(json_array_get(list, i));
    err = count ? tls_config_set_ciphers(w->tls, names, count, d) : 0;
    mem_free(names);
    return err;
}

static int read_versions(struct http_worker *w, const struct options *o, struct diag *d)
{
    const json_t *range = options_object(o, OPTION_TLS_VERSION);
    const json_t *min = json_object_get(range, "min");
    const json_t *max = json_object_get(range, "max");
    enum tls_version from = TLS_ANY;
    enum tls_version to = TLS_ANY;

    if ((json_is_string(min) && tls_version_parse(text_of(min), &from)) ||
        (json_is_string(max) && tls_version_parse(text_of(max), &to)))
        return diag_set(d, ERR_INVALID, "option tlsVersion: use tls1.0 to tls1.3");
    return range ? tls_config_set_versions(w->tls, from, to, d) : 0;
}

static int add_cert(struct http_worker *w, const json_t *entry, struct diag *d)
{
    const json_t *list = json_object_get(entry, "domains");
    size_t count = json_array_size(list);
    struct str *domains = mem_calloc(count + 1, sizeof *domains);
    struct tls_client_cert cert = {
        .cert = text_of(json_object_get(entry, "cert")),
        .key = text_of(json_object_get(entry, "key")),
        .password = text_of(json_object_get(entry, "password")),
        .domains = domains,
        .domain_count = count,
    };
    int err;

    for (size_t i = 0; i < count; i++)
        domains[i] = text_of(json_array_get(list, i));
    err = tls_config_add_cert(w->tls, &cert, d);
    mem_free(domains);
    return err;
}

static int read_tls(struct http_worker *w, const struct options *o, struct diag *d)
{
    const char *keylog = getenv("SSLKEYLOGFILE");
    const json_t *auth = o->values[OPTION_TLS_AUTH];
    json_t *entry;
    size_t i;
    int err;

    w->tls = tls_config_new();
    tls_config_set_insecure(w->tls, options_bool(o, OPTION_INSECURE_SKIP_TLS_VERIFY));
    err = read_versions(w, o, d);
    if (err == 0)
        err = read_ciphers(w, o, d);
    if (err == 0 && keylog && *keylog)
        err = tls_config_set_keylog(w->tls, keylog, d);
    if (err)
        return err;
    json_array_foreach(auth, i, entry)
    {
        err = add_cert(w, entry, d);
        if (err) {
            diag_prefix(d, "option tlsAuth, entry %zu", i + 1);
            return err;
        }
    }
    return 0;
}

static const char *lookup_env(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void read_dns(const struct options *o, struct dns_options *out)
{
    const json_t *dns = options_object(o, OPTION_DNS);
    const json_t *ttl = json_object_get(dns, "ttl");

    *out = (struct dns_options)DNS_OPTIONS_DEFAULT;
    if (json_is_string(ttl)) {
        if (dns_ttl_parse(text_of(ttl), &out->ttl))
            out->ttl = INT64_C(300000000000);
    } else if (json_is_number(ttl)) {
        out->ttl = (int64_t)(json_number_value(ttl) * 1e6);
    }
    /* The options were checked; what is not there keeps its default. */
    if (dns_select_parse(text_of(json_object_get(dns, "select")), &out->select))
        out->select = DNS_RANDOM;
    if (dns_policy_parse(text_of(json_object_get(dns, "policy")), &out->policy))
        out->policy = DNS_PREFER_IPV4;
}

static void read_numbers(struct http_worker *w, const struct options *o)
{
    w->batch = options_int(o, OPTION_BATCH);
    w->batch_per_host = options_int(o, OPTION_BATCH_PER_HOST);
    w->max_redirects = (int)options_int(o, OPTION_MAX_REDIRECTS);
    w->redirects_are_default = !options_is_set(o, OPTION_MAX_REDIRECTS);
    w->max_body = (uint64_t)options_int(o, OPTION_MAX_RESPONSE_BODY);
    w->throws = options_bool(o, OPTION_THROW);
    w->discard_bodies = options_bool(o, OPTION_DISCARD_RESPONSE_BODIES);
    w->no_reuse = options_bool(o, OPTION_NO_CONNECTION_REUSE);
    w->no_vu_reuse = options_bool(o, OPTION_NO_VU_CONNECTION_REUSE);
    w->keep_cookies = options_bool(o, OPTION_NO_COOKIES_RESET);
    w->has_rps = options_int(o, OPTION_RPS) > 0;
    w->user_agent = options_is_set(o, OPTION_USER_AGENT)
                        ? str_dup(options_text(o, OPTION_USER_AGENT))
                        : mem_strdup("gale/" GALE_VERSION);
    w->debug = options_is_set(o, OPTION_HTTP_DEBUG) ? options_text(o, OPTION_HTTP_DEBUG).ptr : "";
}

static int read_options(struct http_worker *w, struct script_worker *worker, struct diag *d)
{
    const struct options *o = worker->options;
    int err;

    read_numbers(w, o);
    err = read_rules(w, o, d);
    if (err == 0)
        err = read_tls(w, o, d);
    if (err == 0)
        err = proxy_config_new(lookup_env, NULL, &w->proxies, d);
    if (err == 0 && options_is_set(o, OPTION_LOCAL_IPS))
        err = addr_pool_parse(options_text(o, OPTION_LOCAL_IPS), &w->local_ips, d);
    return err ? err : http_worker_dialer(worker, w->tls, &w->dialer, d);
}

int http_worker_dialer(struct script_worker *worker, const struct tls_config *tls,
                       struct dialer **out, struct diag *d)
{
    const struct http_worker *w = worker->http;
    struct dialer_options dialer = {
        .rules = w->rules, .tls = tls, .proxies = w->proxies, .network = worker->network};

    read_dns(worker->options, &dialer.dns);
    return dialer_new(worker->env->loop, &dialer, out, d);
}

int http_worker_init(struct script_worker *worker, struct diag *d)
{
    struct http_worker *w = mem_zalloc(sizeof *w);

    worker->http = w;
    return worker->options ? read_options(w, worker, d) : 0;
}

void http_worker_deinit(struct script_worker *worker)
{
    struct http_worker *w = worker->http;

    if (!w)
        return;
    if (w->dialer)
        dialer_free(w->dialer);
    rules_free(w->rules);
    if (w->tls)
        tls_config_free(w->tls);
    if (w->proxies)
        proxy_config_free(w->proxies);
    addr_pool_free(w->local_ips);
    mem_free(w->user_agent);
    mem_free(w);
    worker->http = NULL;
}

/* --- VUs ---------------------------------------------------------------------------------- */

/* A request and its response have the same request_id. */
static void debug_message(void *arg, enum http_debug_what what, uint64_t number, struct str head,
                          struct str body)
{
    const struct vu *vu = arg;
    char *text = mem_printf("%s:\n%.*s%.*s\n", what == HTTP_DEBUG_REQUEST ? "Request" : "Response",
                            STR_ARG(head), STR_ARG(body));
    char *group = str_dup(shard_tagset_get(vu->shard, vu->tags, STR("group")));
    char *id =
        mem_printf("%llu-%llu", (unsigned long long)vu->id_in_test, (unsigned long long)number);
    char vu_id[24];
    char iter[24];

    snprintf(vu_id, sizeof vu_id, "%llu", (unsigned long long)vu->id);
    snprintf(iter, sizeof iter, "%llu", (unsigned long long)vu->iteration_count);
    log_msg(LOG_INFO, str_of(text), "group", group, "iter", iter, "request_id", id, "scenario",
            vu->scenario ? vu->scenario->name : "", "source", "http-debug", "vu", vu_id, NULL);
    mem_free(text);
    mem_free(group);
    mem_free(id);
}

static struct http_client *new_client(struct http_vu *http)
{
    struct http_worker *w = http->worker;
    struct http_client_options options = {
        .dialer = w->dialer,
        .user_agent = str_of(w->user_agent),
        .local = http->local.family != ADDR_NONE ? &http->local : NULL,
        .max_idle = (size_t)w->batch,
        .max_idle_per_host = (size_t)w->batch_per_host,
        .no_reuse = w->no_reuse,
        .max_body = w->max_body,
        .debug = w->debug[0] ? debug_message : NULL,
        .debug_arg = http->vu,
        .debug_bodies = strcmp(w->debug, "full") == 0,
    };

    return http_client_new(&options);
}

struct http_vu *http_vu_make(JSContext *ctx)
{
    static const char *const params[] = {
        "headers",          "cookies",   "jar",         "tags",         "auth",
        "timeout",          "redirects", "compression", "responseType", "throw",
        "responseCallback", "proxy"};
    struct vu *vu = vu_of(ctx);
    struct http_worker *w = vu->worker->http;
    struct http_vu *http = vu->http;

    if (http)
        return http;
    http = mem_zalloc(sizeof *http);
    http->references = 1;
    http->worker = w;
    http->vu = vu;
    if (w->local_ips)
        addr_pool_at(w->local_ips, vu->id > 0 ? vu->id - 1 : 0, &http->local);
    http->jar = cookie_jar_new();
    http->statuses = mem_alloc(sizeof *http->statuses + sizeof(struct status_range));
    *http->statuses = (struct statuses){1, 1};
    http->statuses->ranges[0] = (struct status_range){200, 399};
    for (size_t i = 0; i < COUNT_OF(params); i++)
        http->params[i] = JS_NewAtom(ctx, params[i]);
    vu->http = http;
    return http;
}

struct http_vu *http_vu_get(JSContext *ctx, const char *what)
{
    struct http_vu *http = vu_of(ctx)->http;

    if (http && http->client)
        return http;
    if (host_need_vu(ctx, what) < 0)
        return NULL;
    http = http_vu_make(ctx);
    http->client = new_client(http);
    return http;
}

void http_vu_unref(struct http_vu *http)
{
    if (--http->references == 0)
        mem_free(http);
}

void http_vu_free(struct vu *vu)
{
    struct http_vu *http = vu->http;

    if (!http)
        return;
    http_client_free(http->client);
    cookie_jar_free(http->jar);
    statuses_unref(http->statuses);
    if (http->has_spare)
        arena_deinit(&http->spare);
    for (size_t i = 0; i < COUNT_OF(http->fields); i++)
        JS_FreeAtom(vu->ctx, http->fields[i]);
    for (size_t i = 0; i < COUNT_OF(http->params); i++)
        JS_FreeAtom(vu->ctx, http->params[i]);
    for (size_t i = 0; i < SET_CACHE; i++) {
        mem_free(http->cache[i].method);
        mem_free(http->cache[i].name);
    }
    http->is_over = true;
    http_vu_unref(http);
    vu->http = NULL;
}

void http_iteration_begin(struct vu *vu)
{
    struct http_vu *http = vu->http;

    if (http && !http->worker->keep_cookies)
        cookie_jar_reset(http->jar);
}

void http_iteration_end(struct vu *vu)
{
    struct http_vu *http = vu->http;
    uint64_t sent;
    uint64_t received;

    if (!http || !http->client)
        return;
    http_bodies_close(http);
    http_client_take_bytes(http->client, &sent, &received);
    vu->data_sent += sent;
    vu->data_received += received;
    if (http->worker->no_vu_reuse)
        http_client_close_idle(http->client);
}
