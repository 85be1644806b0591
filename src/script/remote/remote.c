#include "script/remote/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/addr.h"
#include "proto/url.h"
#include "script/remote/get.h"
#include "script/remote/internal.h"

static const char *const default_host = "jslib.k6.io";

struct allowed {
    char *host;
    uint16_t port;
};

struct remote {
    struct allowed *allowed;
    size_t allowed_count;
    char *cache_dir;
    char *lock_path;
    struct lock lock; /* read when the first module is wanted */
    bool has_lock;
    bool update_lock;
    int64_t timeout_nsec;
    unsigned fetched;
};

static void allow(struct remote *r, struct str host, uint16_t port)
{
    r->allowed = mem_reallocarray(r->allowed, r->allowed_count + 1, sizeof *r->allowed);
    r->allowed[r->allowed_count++] = (struct allowed){str_dup(host), port};
}

struct remote *remote_new(const struct remote_options *options)
{
    struct remote *r = mem_zalloc(sizeof *r);

    r->cache_dir = mem_strdup(options->cache_dir);
    r->lock_path = mem_strdup(options->lock_path);
    r->update_lock = options->update_lock;
    r->timeout_nsec = options->timeout_nsec;
    allow(r, str_of(default_host), 443);
    return r;
}

void remote_free(struct remote *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->allowed_count; i++)
        mem_free(r->allowed[i].host);
    mem_free(r->allowed);
    if (r->has_lock)
        lock_deinit(&r->lock);
    mem_free(r->cache_dir);
    mem_free(r->lock_path);
    mem_free(r);
}

/* --- who may be asked --------------------------------------------------------------------- */

int remote_allow(struct remote *r, struct str host, struct diag *d)
{
    struct arena arena;
    struct url url;
    char *text = mem_printf("https://%.*s", STR_ARG(host));
    int err;

    arena_init(&arena);
    err = url_parse(str_of(text), &arena, &url, NULL);
    if (err || url.host.len == 0 || url.path.len > 0 || url.has_query || url.has_user ||
        url.fragment.len > 0)
        err = diag_set(d, ERR_INVALID,
                       "flag --allow-import: '%.*s' must be HOST or HOST:PORT, as in "
                       "modules.example.com",
                       STR_ARG(host));
    else
        allow(r, url.host, url.port);
    arena_deinit(&arena);
    mem_free(text);
    return err;
}

static bool is_loopback(struct str host)
{
    struct addr addr;

    return str_eq_c(host, "localhost") || (addr_parse(host, &addr) == 0 && addr_is_loopback(&addr));
}

static bool is_allowed(const struct remote *r, const struct url *url)
{
    for (size_t i = 0; i < r->allowed_count; i++) {
        if (str_eq_c(url->host, r->allowed[i].host) && url->port == r->allowed[i].port)
            return true;
    }
    return false;
}

/* "jslib.k6.io, 127.0.0.1:8443" */
static void list_allowed(const struct remote *r, struct buf *out)
{
    for (size_t i = 0; i < r->allowed_count; i++) {
        buf_printf(out, "%s%s", i ? ", " : "", r->allowed[i].host);
        if (r->allowed[i].port != 443)
            buf_printf(out, ":%u", r->allowed[i].port);
    }
}

static int refuse_host(const struct remote *r, const struct url *url, struct str text,
                       struct diag *d)
{
    struct buf list = BUF_INIT(65536);
    char port[8] = "";
    int err;

    if (url->port != 443)
        snprintf(port, sizeof port, ":%u", url->port);
    list_allowed(r, &list);
    err = diag_set(d, ERR_INVALID,
                   "%.*s: modules are not imported from this host; if you trust it, add "
                   "--allow-import %s%.*s%s%s (allowed now: %s)",
                   STR_ARG(text), url->is_ipv6 ? "[" : "", STR_ARG(url->host),
                   url->is_ipv6 ? "]" : "", port, list.data);
    buf_deinit(&list);
    return err;
}

/* Asked for the URL of a module, and for those that it is redirected to. */
static int check_url(void *arg, const struct url *url, struct str text, struct diag *d)
{
    const struct remote *r = arg;
    bool is_http = str_eq_c(url->scheme, "http");

    if (!is_http && !str_eq_c(url->scheme, "https"))
        return diag_set(d, ERR_INVALID, "%.*s: modules are imported over https:// only",
                        STR_ARG(text));
    if (url->has_user)
        return diag_set(d, ERR_INVALID,
                        "%.*s: the URL of a module can't have a user or a password in it",
                        STR_ARG(text));
    if (is_http && !is_loopback(url->host))
        return diag_set(d, ERR_INVALID,
                        "%.*s: modules are not imported over http://, where anybody on the way can "
                        "change them; use https://",
                        STR_ARG(text));
    return is_allowed(r, url) ? 0 : refuse_host(r, url, text, d);
}

/* --- reading ------------------------------------------------------------------------------ */

static int open_lock(struct remote *r, struct diag *d)
{
    int err = r->has_lock ? 0 : lock_open(&r->lock, r->lock_path, d);

    r->has_lock = err == 0;
    if (err)
        lock_deinit(&r->lock);
    return err;
}

static int fetch(struct remote *r, const char *url, size_t max, struct get *get, struct diag *d)
{
    int err;

    if (++r->fetched > REMOTE_MAX_MODULES)
        return diag_set(d, ERR_LIMIT, "%s: a script imports at most %d modules over the network",
                        url, REMOTE_MAX_MODULES);
    *get = (struct get){
        .method = STR("GET"),
        .url = str_of(url),
        .timeout_nsec = r->timeout_nsec,
        .max_redirects = REMOTE_MAX_REDIRECTS,
        .max_body = max < REMOTE_MAX_MODULE ? max : REMOTE_MAX_MODULE,
        .check = check_url,
        .check_arg = r,
    };
    err = get_offloaded(get, d);
    if (err || get->status == 200)
        return err;
    mem_free(get->body);
    return diag_set(d, get->status == 404 ? ERR_NOT_FOUND : ERR_HTTP,
                    "%s: the server answered with status %d", url, get->status);
}

static int refuse_change(const struct remote *r, const char *url, const struct lock_entry *was,
                         const struct lock_entry *now, struct diag *d)
{
    return diag_set(d, ERR_INVALID,
                    "%s has changed: the server sends %llu bytes with the SHA-256 %s, but %s holds "
                    "%llu bytes with %s from the first time; if you trust the new one, run once "
                    "with --update-lock",
                    url, (unsigned long long)now->size, now->sha256, r->lock_path,
                    (unsigned long long)was->size, was->sha256);
}

/* Whether the module may be asked for at all: by its own URL, before lock and cache. */
static int check_text(struct remote *r, const char *text, struct diag *d)
{
    struct arena arena;
    struct url url;
    int err;

    arena_init(&arena);
    err = url_parse(str_of(text), &arena, &url, d);
    if (err == 0)
        err = check_url(r, &url, url_text(&url, URL_USER_MASK, &arena), d);
    arena_deinit(&arena);
    return err;
}

int remote_read(void *arg, const char *url, size_t max, char **data, size_t *len, struct diag *d)
{
    struct remote *r = arg;
    const struct lock_entry *locked;
    struct lock_entry entry;
    struct get get = {0};
    int err = check_text(r, url, d);

    if (err == 0)
        err = open_lock(r, d);
    if (err)
        return err;
    locked = r->update_lock ? NULL : lock_find(&r->lock, str_of(url));
    if (locked && cache_get(r->cache_dir, locked, data)) {
        *len = locked->size;
        return 0;
    }
    err = fetch(r, url, max, &get, d);
    if (err)
        return err;
    entry.size = get.body_len;
    hash_text(str_from(get.body, get.body_len), entry.sha256);
    if (locked && strcmp(locked->sha256, entry.sha256) != 0) {
        mem_free(get.body);
        return refuse_change(r, url, locked, &entry, d);
    }
    log_printf(LOG_DEBUG, "fetched %s, %zu bytes", url, get.body_len);
    lock_set(&r->lock, str_of(url), &entry);
    cache_put(r->cache_dir, &entry, str_from(get.body, get.body_len));
    *data = get.body;
    *len = get.body_len;
    return 0;
}

int remote_save(struct remote *r, struct diag *d)
{
    return r->has_lock ? lock_write(&r->lock, d) : 0;
}
