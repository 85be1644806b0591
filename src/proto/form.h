/* Bodies of forms: application/x-www-form-urlencoded and multipart/form-data. */
#ifndef PROTO_FORM_H
#define PROTO_FORM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* A field; one that repeats its name is one of an array. */
struct form_field {
    struct str name;
    struct str value;
};

/* "a=1&b=x+y": sorted by name, fields of one name in their order. */
void form_urlencode(const struct form_field *fields, size_t count, struct buf *out);

/* --- multipart (RFC 7578) ----------------------------------------------------------------- */

enum { MULTIPART_BOUNDARY_MAX = 72 };

/* 60 random hexadecimal digits, as Go makes them; `out` holds MULTIPART_BOUNDARY_MAX bytes. */
void multipart_boundary(char *out);

struct multipart_part {
    struct str name;
    struct str data;
    struct str filename;     /* of a file; NULL pointer: an ordinary field */
    struct str content_type; /* of a file; empty: application/octet-stream */
};

/* Appends the whole body, parts in their order. The Content-Type to send with it is
 * "multipart/form-data; boundary=" and the boundary. */
void multipart_write(const struct multipart_part *parts, size_t count, const char *boundary,
                     struct buf *out);

#endif
