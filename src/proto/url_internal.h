/* What url.c and url_text.c share; nobody else includes it. */
#ifndef PROTO_URL_INTERNAL_H
#define PROTO_URL_INTERNAL_H

#include "proto/url.h"

/* A URL with or without a scheme; without one, `scheme` decides on the port. ERR_URL. */
MUST_USE int url_parse_any(struct str text, struct str scheme, struct arena *a, struct url *out,
                           struct diag *d);

/* Sets u->target from path and query. */
void url_set_target(struct url *u, struct arena *a);

/* In lower case (ASCII): `s` itself when it is, else a copy. */
struct str url_lower(struct str s, struct arena *a);

/* Whether two hex digits follow the "%" at `at`; the byte that they stand for. */
bool url_is_escape(struct str s, size_t at);
unsigned char url_escape_value(struct str s, size_t at);

#endif
