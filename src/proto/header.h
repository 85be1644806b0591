/* Header fields: a name and a value, in lists whose order is kept. */
#ifndef PROTO_HEADER_H
#define PROTO_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct http_header {
    struct str name;
    struct str value;
};

/* "content-TYPE" becomes "Content-Type", as scripts see names (Go's canonical form). A name with a
 * byte that is no token character stays as it is. In place. */
void header_canonical(char *name, size_t len);
/* The canonical name: `name` itself when it is in that form already, else a copy in `a`. */
struct str header_canonical_str(struct str name, struct arena *a);

/* RFC 9110 5.6.2; "" is none. */
bool header_is_token(struct str s);
/* A value that may be sent: no control characters but the tab. */
bool header_is_value(struct str s);

/* The first header of that name (compared without regard to case), or NULL. */
const struct http_header *header_find(const struct http_header *list, size_t count,
                                      struct str name);
/* Its value; empty, with a NULL pointer, when there is none. */
struct str header_value(const struct http_header *list, size_t count, struct str name);

/* Whether the comma-separated list `value` has the element `token` (without regard to case). */
bool header_has_token(struct str value, struct str token);

#endif
