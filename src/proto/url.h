/* URLs: parsing, resolving references, escaping, with the leniency and the texts of Go's net/url,
 * because those are what k6 scripts meet.
 *
 * RFC 3986 with these liberties: any byte that has no place in a path, query or fragment is
 * percent-encoded instead of refused (a space, UTF-8, a quote). Refused are control characters
 * (NUL), a missing scheme, a bad port, a space in the host, a bad escape in host or path. */
#ifndef PROTO_URL_H
#define PROTO_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/str.h"

enum { URL_MAX = 1024 * 1024 }; /* bytes of a URL; a longer one is ERR_URL */

/* Pieces point into the text that was parsed, or into the arena. */
struct url {
    struct str scheme;    /* lower case; empty in a relative reference */
    struct str user;      /* decoded */
    struct str password;  /* decoded */
    struct str authority; /* host and port as they go into a Host header: "x.test:80", "[::1]" */
    struct str host;      /* lower case, decoded, without brackets (zone included) */
    struct str path;      /* encoded; empty, or begins with "/" when there is an authority */
    struct str query;     /* encoded, without "?" */
    struct str fragment;  /* encoded, without "#" */
    struct str opaque;    /* what follows the scheme of "mailto:a@b"; else empty */
    struct str target;    /* path ("/" for none) and query: the request line's */
    uint16_t port;        /* the scheme's (http, https, ws, wss) when none is given; 0: unknown */
    bool has_authority;
    bool has_user;
    bool has_password;
    bool has_query; /* "?" was there, even if nothing follows it */
    bool is_ipv6;
};

/* An absolute URL. ERR_URL with Go's text in `d` (may be NULL): `parse "://bad": missing protocol
 * scheme`. `*out` is valid while `text` and `a` are. */
MUST_USE int url_parse(struct str text, struct arena *a, struct url *out, struct diag *d);

/* A reference, absolute or relative to `base` (RFC 3986 5.3), dot segments removed. ERR_URL. */
MUST_USE int url_resolve(const struct url *base, struct str reference, struct arena *a,
                         struct url *out, struct diag *d);

/* The whole URL, in the arena. */
enum url_userinfo {
    URL_USER_KEEP,
    URL_USER_MASK, /* "****:****@", for tags and logs (a lone user name: "****@") */
    URL_USER_DROP,
};
struct str url_text(const struct url *u, enum url_userinfo userinfo, struct arena *a);

/* Whether both have the same scheme, host and port. */
bool url_is_same_origin(const struct url *a, const struct url *b);
/* 80 for http and ws, 443 for https and wss, else 0. */
uint16_t url_default_port(struct str scheme);

/* --- escaping ----------------------------------------------------------------------------- */

/* For a query or a form: letters, digits and "-_.~" stay, a space becomes "+". */
void url_query_escape(struct str s, struct buf *out);
/* For one segment of a path: a space becomes "%20", "/" becomes "%2F". */
void url_path_escape(struct str s, struct buf *out);
/* ERR_SYNTAX on a "%" that two hex digits do not follow, ERR_LIMIT when `out` is full.
 * `plus_is_space`: in queries and forms. */
MUST_USE int url_unescape(struct str s, bool plus_is_space, struct buf *out);

#endif
