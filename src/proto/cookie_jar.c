/* The cookie jar of a VU.
 *
 * A jar rarely holds more than a few cookies, so it is an array in order of creation that is walked
 * from end to end; what it may hold is bounded, and with it the walk. */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/addr.h"
#include "proto/cookie.h"
#include "proto/header.h"
#include "proto/url.h"

struct entry {
    char *memory; /* owned: the texts */
    struct str name;
    struct str value;
    struct str domain; /* lower case */
    struct str path;
    int64_t expires;  /* INT64_MAX: at the end of the session */
    uint64_t created; /* number in order of creation */
    uint64_t used;    /* jar's clock when it was last set or sent */
    bool host_only;
    bool secure;
};

struct cookie_jar {
    struct entry *entries; /* owned */
    size_t count;
    size_t cap;
    uint64_t clock;
};

struct cookie_jar *cookie_jar_new(void)
{
    return mem_zalloc(sizeof(struct cookie_jar));
}

void cookie_jar_reset(struct cookie_jar *jar)
{
    for (size_t i = 0; i < jar->count; i++)
        mem_free(jar->entries[i].memory);
    jar->count = 0;
}

void cookie_jar_free(struct cookie_jar *jar)
{
    if (!jar)
        return;
    cookie_jar_reset(jar);
    mem_free(jar->entries);
    mem_free(jar);
}

size_t cookie_jar_count(const struct cookie_jar *jar)
{
    return jar->count;
}

static void remove_at(struct cookie_jar *jar, size_t i)
{
    mem_free(jar->entries[i].memory);
    jar->count--;
    memmove(&jar->entries[i], &jar->entries[i + 1], (jar->count - i) * sizeof *jar->entries);
}

/* --- matching (RFC 6265 5.1.3, 5.1.4) ----------------------------------------------------- */

static struct str without_end_dot(struct str host)
{
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool is_under(struct str host, struct str domain)
{
    return host.len > domain.len && str_ends_with(host, domain) &&
           host.ptr[host.len - domain.len - 1] == '.';
}

static bool path_matches(struct str request, struct str cookie)
{
    if (!str_starts_with(request, cookie))
        return false;
    return request.len == cookie.len || cookie.ptr[cookie.len - 1] == '/' ||
           request.ptr[cookie.len] == '/';
}

static bool is_secure(const struct url *url)
{
    return str_eq_c(url->scheme, "https") || str_eq_c(url->scheme, "wss");
}

/* What of a URL decides. */
struct place {
    struct str host;
    struct str path;
    bool is_secure;
};

static struct place place_of(const struct url *url)
{
    return (struct place){without_end_dot(url->host), url->path.len ? url->path : STR("/"),
                          is_secure(url)};
}

static bool matches(const struct entry *e, const struct place *p)
{
    if (e->secure && !p->is_secure)
        return false;
    if (!str_eq(e->domain, p->host) && (e->host_only || !is_under(p->host, e->domain)))
        return false;
    return path_matches(p->path, e->path);
}

static void drop_expired(struct cookie_jar *jar, int64_t now)
{
    for (size_t i = jar->count; i > 0; i--) {
        if (jar->entries[i - 1].expires <= now)
            remove_at(jar, i - 1);
    }
}

static bool goes_before(const struct entry *a, const struct entry *b)
{
    if (a->path.len != b->path.len)
        return a->path.len > b->path.len;
    return a->created < b->created;
}

size_t cookie_jar_match(struct cookie_jar *jar, const struct url *url, int64_t now, struct arena *a,
                        struct cookie_pair **out)
{
    struct place p = place_of(url);
    const struct entry **found;
    size_t count = 0;

    *out = NULL;
    drop_expired(jar, now);
    if (jar->count == 0)
        return 0;
    found = arena_alloc(a, jar->count * sizeof(struct entry *));
    for (size_t i = 0; i < jar->count; i++) {
        struct entry *e = &jar->entries[i];
        size_t at = count;

        if (!matches(e, &p))
            continue;
        e->used = ++jar->clock;
        for (; at > 0 && goes_before(e, found[at - 1]); at--)
            found[at] = found[at - 1];
        found[at] = e;
        count++;
    }
    *out = arena_alloc(a, count * sizeof **out);
    for (size_t i = 0; i < count; i++) {
        (*out)[i] =
            (struct cookie_pair){arena_str(a, found[i]->name), arena_str(a, found[i]->value)};
    }
    return count;
}

void cookie_jar_clear(struct cookie_jar *jar, const struct url *url, int64_t now)
{
    struct place p = place_of(url);

    drop_expired(jar, now);
    for (size_t i = jar->count; i > 0; i--) {
        if (matches(&jar->entries[i - 1], &p))
            remove_at(jar, i - 1);
    }
}

void cookie_jar_delete(struct cookie_jar *jar, const struct url *url, struct str name, int64_t now)
{
    struct place p = place_of(url);

    drop_expired(jar, now);
    for (size_t i = jar->count; i > 0; i--) {
        if (str_eq(jar->entries[i - 1].name, name) && matches(&jar->entries[i - 1], &p))
            remove_at(jar, i - 1);
    }
}

/* --- storing (RFC 6265 5.3) --------------------------------------------------------------- */

static bool is_ip(struct str host)
{
    struct addr ip;

    return addr_parse(host, &ip) == 0;
}

/* Decides `*host_only` from a Domain attribute; ERR_INVALID when the host may not set it. */
static int check_domain(struct str host, struct str *domain, bool *host_only)
{
    struct str d = *domain;

    *host_only = true;
    if (str_starts_with(d, STR(".")))
        d = str_from_index(d, 1);
    if (domain->len == 0 || str_eq_nocase(d, host)) {
        *host_only = domain->len == 0 || is_ip(host) || str_find(host, '.') < 0;
        *domain = host;
        return 0;
    }
    if (d.len == 0 || d.ptr[0] == '.' || d.ptr[d.len - 1] == '.' || is_ip(host))
        return ERR_INVALID;
    /* A whole top-level domain. */
    if (str_find(d, '.') < 0)
        return ERR_INVALID;
    *host_only = false;
    if (host.len <= d.len || host.ptr[host.len - d.len - 1] != '.' ||
        !str_eq_nocase(str_from_index(host, host.len - d.len), d))
        return ERR_INVALID;
    /* The host is in lower case already. */
    *domain = str_from_index(host, host.len - d.len);
    return 0;
}

static struct str default_path(const struct url *url)
{
    ptrdiff_t slash = str_rfind(url->path, '/');

    if (slash <= 0 || url->path.ptr[0] != '/')
        return STR("/");
    return str_slice(url->path, 0, (size_t)slash);
}

static int64_t expiry(const struct cookie *c, int64_t now)
{
    if (c->has_max_age) {
        if (c->max_age <= 0)
            return INT64_MIN;
        return c->max_age < INT64_MAX - now ? now + c->max_age : INT64_MAX;
    }
    return c->has_expires ? c->expires : INT64_MAX;
}

static void unused_longest(const struct cookie_jar *jar, struct str domain, size_t *count,
                           size_t *oldest)
{
    *count = 0;
    for (size_t i = 0; i < jar->count; i++) {
        if (domain.ptr && !str_eq(jar->entries[i].domain, domain))
            continue;
        if (*count == 0 || jar->entries[i].used < jar->entries[*oldest].used)
            *oldest = i;
        (*count)++;
    }
}

static void make_room(struct cookie_jar *jar, struct str domain)
{
    size_t count;
    size_t oldest = 0;

    if (jar->count >= COOKIE_JAR_MAX_PER_DOMAIN) {
        unused_longest(jar, domain, &count, &oldest);
        if (count >= COOKIE_JAR_MAX_PER_DOMAIN)
            remove_at(jar, oldest);
    }
    if (jar->count >= COOKIE_JAR_MAX) {
        unused_longest(jar, (struct str){NULL, 0}, &count, &oldest);
        remove_at(jar, oldest);
    }
    if (jar->count == jar->cap) {
        jar->cap = jar->cap ? jar->cap * 2 : 4;
        jar->entries = mem_reallocarray(jar->entries, jar->cap, sizeof *jar->entries);
    }
}

static struct str take_text(char **at, struct str s)
{
    struct str copy = str_from(*at, s.len);

    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copy;
}

static void copy_texts(struct entry *e)
{
    char *at = mem_alloc(e->name.len + e->value.len + e->domain.len + e->path.len + 1);

    e->memory = at;
    e->name = take_text(&at, e->name);
    e->value = take_text(&at, e->value);
    e->domain = take_text(&at, e->domain);
    e->path = take_text(&at, e->path);
}

static struct entry *find_same(struct cookie_jar *jar, const struct entry *wanted)
{
    for (size_t i = 0; i < jar->count; i++) {
        struct entry *e = &jar->entries[i];

        if (str_eq(e->name, wanted->name) && str_eq(e->domain, wanted->domain) &&
            str_eq(e->path, wanted->path))
            return e;
    }
    return NULL;
}

int cookie_jar_set(struct cookie_jar *jar, const struct url *url, const struct cookie *cookie,
                   int64_t now)
{
    struct entry e = {.name = cookie->name,
                      .value = cookie->value,
                      .domain = cookie->domain,
                      .path = cookie->path,
                      .secure = cookie->secure,
                      .expires = expiry(cookie, now)};
    struct entry *old;
    int err = check_domain(without_end_dot(url->host), &e.domain, &e.host_only);

    if (err)
        return err;
    if (!e.path.len || e.path.ptr[0] != '/')
        e.path = default_path(url);
    /* A script may set anything; what would break the Cookie field gets no further. */
    if (!header_is_token(e.name) || !header_is_value(e.value))
        return ERR_INVALID;
    if (e.name.len + e.value.len + e.domain.len + e.path.len > COOKIE_MAX_BYTES)
        return ERR_INVALID;
    old = find_same(jar, &e);
    if (e.expires <= now) {
        if (old)
            remove_at(jar, (size_t)(old - jar->entries));
        return 0;
    }
    e.used = ++jar->clock;
    e.created = old ? old->created : jar->clock;
    copy_texts(&e);
    if (old) {
        mem_free(old->memory);
        *old = e;
        return 0;
    }
    make_room(jar, e.domain);
    jar->entries[jar->count++] = e;
    return 0;
}
