/* Cookies (RFC 6265): Set-Cookie fields, and the jar that decides which request carries what.
 *
 * Wall time enters as seconds since 1970, so that tests choose it. Domains are held in lower case.
 * A cookie for a whole top-level domain (a Domain attribute of one label) is refused; there is no
 * list of public suffixes. */
#ifndef PROTO_COOKIE_H
#define PROTO_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"

struct url;

enum {
    COOKIE_MAX_BYTES = 16 * 1024,    /* name, value and attributes of one cookie */
    COOKIE_JAR_MAX_PER_DOMAIN = 256, /* the one unused for longest makes room */
    COOKIE_JAR_MAX = 4096,
};

enum cookie_same_site {
    COOKIE_SITE_DEFAULT,
    COOKIE_SITE_LAX,
    COOKIE_SITE_STRICT,
    COOKIE_SITE_NONE
};

/* A cookie as its server (or a script) wrote it. */
struct cookie {
    struct str name;
    struct str value;
    struct str domain; /* as given (a leading dot means nothing); empty: the host alone */
    struct str path;   /* as given; empty: the default path */
    int64_t expires;   /* seconds since 1970; read when has_expires */
    int64_t max_age;   /* seconds; read when has_max_age; -1 (as Go, for 0 too): delete now */
    bool has_expires;
    bool has_max_age;
    bool secure;
    bool http_only;
    enum cookie_same_site same_site;
};

/* A Set-Cookie value; pieces point into `text`. ERR_SYNTAX when it is to be ignored (no name, an
 * invalid byte). Attributes that are unknown or malformed are skipped alone. */
MUST_USE int cookie_parse(struct str text, struct cookie *out);

/* A date in any of the forms that servers use (RFC 6265 5.1.1); ERR_SYNTAX. Seconds since 1970. */
MUST_USE int cookie_date_parse(struct str text, int64_t *out);

/* --- the jar ------------------------------------------------------------------------------ */

struct cookie_jar;

struct cookie_jar *cookie_jar_new(void);
void cookie_jar_free(struct cookie_jar *jar);
void cookie_jar_reset(struct cookie_jar *jar); /* forgets everything (start of an iteration) */

/* Stores a cookie that came from `url`, or that a script sets for it; everything is copied. One
 * that has expired deletes its namesake. ERR_INVALID: its domain is not the URL's to set, or it is
 * too large. */
MUST_USE int cookie_jar_set(struct cookie_jar *jar, const struct url *url,
                            const struct cookie *cookie, int64_t now);

struct cookie_pair {
    struct str name;
    struct str value;
};

/* The cookies that a request to `url` carries, in RFC 6265's order (longer paths first, then older
 * ones), in the arena. Returns how many. */
size_t cookie_jar_match(struct cookie_jar *jar, const struct url *url, int64_t now, struct arena *a,
                        struct cookie_pair **out);

/* Forgets what a request to `url` would carry; that of one name. */
void cookie_jar_clear(struct cookie_jar *jar, const struct url *url, int64_t now);
void cookie_jar_delete(struct cookie_jar *jar, const struct url *url, struct str name, int64_t now);

size_t cookie_jar_count(const struct cookie_jar *jar);

#endif
